//! Models: how each is spoken to, what it costs.

use serde::{Deserialize, Serialize};

use crate::{event::Usage, key::ProviderName, spelled::spelled};

spelled! {
    /// The language that a provider speaks.
    ModelApi, "model API", {
        /// Anthropic's Messages API.
        AnthropicMessages => "anthropic_messages",
        /// OpenAI's Responses API.
        OpenaiResponses => "openai_responses",
        /// Chat Completions, as many servers speak them.
        OpenaiChat => "openai_chat",
    }
}

impl ModelApi {
    /// Where it is spoken, behind [`llm_path`](crate::paths::llm_path)'s provider.
    pub fn path(self) -> &'static str {
        match self {
            Self::AnthropicMessages => "/v1/messages",
            Self::OpenaiResponses => "/v1/responses",
            Self::OpenaiChat => "/v1/chat/completions",
        }
    }
}

spelled! {
    /// The form in which a model knows mouse, keyboard and screen.
    ComputerTool, "computer tool", {
        /// Anthropic's family of 17 tools.
        #[serde(rename = "computer_toolset_20260801")]
        Toolset20260801 => "computer_toolset_20260801",
        /// One tool with an `action`, as Anthropic's earlier models have it.
        #[serde(rename = "computer_20251124")]
        Computer20251124 => "computer_20251124",
        #[serde(rename = "computer_20250124")]
        Computer20250124 => "computer_20250124",
        #[serde(rename = "computer_20241022")]
        Computer20241022 => "computer_20241022",
        /// OpenAI's, which does several actions with one call.
        Computer => "computer",
        /// The one before it.
        ComputerUsePreview => "computer_use_preview",
        /// None of its own: every action is a function.
        Functions => "functions",
    }
}

impl ComputerTool {
    /// Those that can be declared in this language; the first one unless told.
    pub fn of(api: ModelApi) -> &'static [ComputerTool] {
        use ComputerTool::*;
        match api {
            ModelApi::AnthropicMessages => &[Toolset20260801, Computer20251124, Computer20250124, Computer20241022],
            ModelApi::OpenaiResponses => &[Computer, ComputerUsePreview, Functions],
            ModelApi::OpenaiChat => &[Functions],
        }
    }

    /// Do models that have it think, and decide by themselves how much?
    pub fn thinks(self) -> bool {
        matches!(self, Self::Toolset20260801 | Self::Computer | Self::ComputerUsePreview)
    }
}

/// One model of the operator's table, every choice made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// As people choose it.
    pub name: String,
    /// As the provider calls it.
    pub id: String,
    pub provider: ProviderName,
    pub api: ModelApi,
    pub computer: ComputerTool,
    /// Is it asked to think, and to show that?
    pub thinks: bool,
    /// The most that one answer may have.
    pub max_tokens: u32,
    /// A conversation with more tokens than this is made shorter by the provider, where it can do that.
    pub compact_at: u32,
    /// Absent: unknown, and no budget of money can be kept with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

impl Model {
    /// What the name stands for: an operator may change that, and what one model said is not another one's.
    pub fn variant(&self) -> String {
        format!("{}/{} {}", self.provider, self.id, self.computer.as_str())
    }
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
    pub const MAX_TOKENS: u32 = 32_000;
    /// Anthropic's own default for compaction.
    pub const COMPACT_AT: u32 = 150_000;

    /// One of Anthropic's, of which nothing else is told.
    pub fn named(name: &str) -> Self {
        Self::of(ProviderName::anthropic(), ModelApi::AnthropicMessages, name)
    }

    /// One of this provider's, of which nothing else is told.
    pub fn of(provider: ProviderName, api: ModelApi, name: &str) -> Self {
        let computer = ComputerTool::of(api)[0];
        Self {
            name: name.to_owned(),
            id: name.to_owned(),
            provider,
            api,
            computer,
            thinks: computer.thinks(),
            max_tokens: Self::MAX_TOKENS,
            compact_at: Self::COMPACT_AT,
            prices: None,
        }
    }
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
