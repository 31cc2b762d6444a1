//! How a session is to work: which model, whose word it needs, how much it may cost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    approval::{ApprovalPolicy, ToolRule},
    event::Usage,
};

/// What a person chooses for a session; a change counts from the agent's next step on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSettings {
    /// A name of the operator's model table; its first unless told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Told to the model behind CloudBot's own instructions; at most 20,000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    pub approvals: ApprovalPolicy,
    /// By a tool's name (`bash`, `left_click`, `mcp__SERVER__TOOL`) or for a whole MCP server (`mcp:SERVER`), stronger than
    /// the policy; at most 100.
    pub tools: BTreeMap<String, ToolRule>,
    /// How long an action waits for a word, 10 to 86,400.
    pub approval_timeout_s: u32,
    pub budgets: Budgets,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            model: None,
            system_prompt: None,
            approvals: ApprovalPolicy::default(),
            tools: BTreeMap::new(),
            approval_timeout_s: 600,
            budgets: Budgets::default(),
        }
    }
}

/// How much a whole session may use, at least 1 each; what is absent has no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Budgets {
    /// Answers of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Time at work: waiting for people does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
    /// Tokens of every kind together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of a US dollar; takes a model whose prices the operator has told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_microusd: Option<u64>,
}

/// What a session has used until now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    pub steps: u64,
    pub usage: Usage,
    /// Of the answers whose price is known.
    pub cost_microusd: u64,
}

impl Usage {
    /// Tokens of every kind.
    pub fn tokens(&self) -> u64 {
        [self.output_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens]
            .into_iter()
            .fold(self.input_tokens, u64::saturating_add)
    }

    pub fn add(&mut self, more: &Usage) {
        let Self { input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens } = self;
        for (count, more) in [
            (input_tokens, more.input_tokens),
            (output_tokens, more.output_tokens),
            (cache_creation_input_tokens, more.cache_creation_input_tokens),
            (cache_read_input_tokens, more.cache_read_input_tokens),
        ] {
            *count = count.saturating_add(more);
        }
    }
}
