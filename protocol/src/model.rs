//! The operator's model table: which models there are, and how each is spoken to.

use serde::{Deserialize, Serialize};

use crate::{event::Usage, key::ModelProvider, spelled::spelled};

spelled! {
    /// The form in which a model knows mouse, keyboard and screen.
    ComputerTool, "computer tool", {
        /// A family of 17 tools.
        #[serde(rename = "computer_toolset_20260801")]
        Toolset20260801 => "computer_toolset_20260801",
        /// One tool with an `action`, as earlier models have it.
        #[serde(rename = "computer_20251124")]
        Computer20251124 => "computer_20251124",
        #[serde(rename = "computer_20250124")]
        Computer20250124 => "computer_20250124",
        #[serde(rename = "computer_20241022")]
        Computer20241022 => "computer_20241022",
    }
}

/// One model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// As the provider calls it.
    pub name: String,
    #[serde(default = "anthropic")]
    pub provider: ModelProvider,
    #[serde(default = "toolset")]
    pub computer: ComputerTool,
    /// The most that one answer may have.
    #[serde(default = "max_tokens")]
    pub max_tokens: u32,
    /// Absent: unknown, and no budget of money can be kept with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

/// Millionths of a US dollar for a million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    pub input: u64,
    pub output: u64,
    pub cache_write: u64,
    pub cache_read: u64,
}

impl Prices {
    /// What `usage` costs, in millionths of a US dollar, rounded up.
    pub fn cost_microusd(&self, usage: &Usage) -> u64 {
        let kinds = [
            (usage.input_tokens, self.input),
            (usage.output_tokens, self.output),
            (usage.cache_creation_input_tokens, self.cache_write),
            (usage.cache_read_input_tokens, self.cache_read),
        ];
        let total: u128 = kinds.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price)).sum();
        u64::try_from(total.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

impl Model {
    /// One that the table says nothing else of.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            provider: anthropic(),
            computer: toolset(),
            max_tokens: max_tokens(),
            prices: None,
        }
    }
}

fn anthropic() -> ModelProvider {
    ModelProvider::Anthropic
}

fn toolset() -> ComputerTool {
    ComputerTool::Toolset20260801
}

fn max_tokens() -> u32 {
    32_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_rounded_up_and_never_overflows() {
        let prices = Prices { input: 3_000_000, output: 15_000_000, cache_write: 3_750_000, cache_read: 300_000 };
        let usage = Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() };

        assert_eq!(prices.cost_microusd(&usage), 18);
        assert_eq!(prices.cost_microusd(&Usage { cache_read_input_tokens: 1, ..Usage::default() }), 1);
        let endless = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(prices.cost_microusd(&endless), u64::MAX);
    }
}
