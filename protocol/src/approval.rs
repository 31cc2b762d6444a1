//! A person's word before an action: when it is asked for, what is shown, how it is given.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    UserId,
    action::{Point, Rect},
    event::Picture,
    spelled::spelled,
};

spelled! {
    /// Which actions of a session wait for a person's word.
    #[derive(Default)]
    ApprovalPolicy, "approval policy", {
        #[default]
        Never => "never",
        /// Those that a [`Risk`] can be named for.
        Risky => "risky",
        Always => "always",
    }
}

spelled! {
    /// What holds for one tool, whatever the policy says.
    ToolRule, "tool rule", {
        Allow => "allow",
        Ask => "ask",
        Deny => "deny",
    }
}

spelled! {
    /// Why an action is risky.
    Risk, "risk", {
        /// It runs a command.
        Shell => "shell",
        /// It writes a file.
        FileWrite => "file_write",
        /// It calls a tool that is not ours; what that server says of its own tools is not trusted.
        Mcp => "mcp",
        /// It types a secret.
        Secret => "secret",
        /// It presses a key that submits what was entered.
        Submit => "submit",
        /// The model's provider wants a person to acknowledge it.
        SafetyCheck => "safety_check",
    }
}

/// A use of a tool that does not run without a person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalAsked {
    pub tool_use_id: String,
    pub tool: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The exact input, characters that cannot be seen escaped (`\u{200b}`).
    pub shown: String,
    /// Without a word within so many seconds it is denied.
    pub timeout_s: u32,
    /// The screen on which it is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// Where it points, in that picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Point>,
    /// What must not change until it runs, in that picture: else the approval lapses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Rect>,
}

spelled! {
    Verdict, "verdict", {
        Approved => "approved",
        Denied => "denied",
    }
}

/// A person's word; the first one counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApprovalAnswered {
    /// The `seq` of the event that asked.
    pub approval: i64,
    pub verdict: Verdict,
    pub user_id: UserId,
}

/// Body of `POST sessions/{id}/approve` and `…/deny`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// The `seq` of the event that asked.
    pub approval: i64,
}
