//! What OpenAI's two APIs have in common.

use serde_json::{Value, json};

use super::script::{Content, Turn};

pub(super) mod chat;
pub(super) mod responses;

/// When everything was made: a time that no test depends on.
const CREATED: u64 = 1_790_000_000;
/// Of every request's tokens, these came from a cache,
const CACHED: u64 = 900;
/// these went into it,
const CACHE_WRITTEN: u64 = 100;
/// and these were answered.
const ANSWERED: u64 = 42;
const REASONED: u64 = 7;

/// All tokens of a request, those of the cache among them.
fn tokens_of_input(number: u64) -> u64 {
    1000 + number + CACHED
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Done,
    Calls,
    Length,
    Filtered,
    /// It says in words of its own that it will not.
    Refuses,
}

impl Stop {
    /// The script's words are Anthropic's, and `content_filter`.
    fn of_turn(turn: &Turn) -> Self {
        let Turn::Answers { content, stop_reason } = turn else { return Self::Done };
        let speaks = content.iter().any(|piece| matches!(piece, Content::Text(_)));
        match *stop_reason {
            "tool_use" => Self::Calls,
            "max_tokens" | "model_context_window_exceeded" => Self::Length,
            "refusal" if speaks => Self::Refuses,
            "refusal" | "content_filter" => Self::Filtered,
            _ => Self::Done,
        }
    }
}

/// `kind` is a type of errors when it ends like one, and else the code of a request's fault.
pub(super) fn error(kind: &str, message: &str) -> Value {
    let (kind, code) = match kind {
        "rate_limit_error" => ("tokens", Some("rate_limit_exceeded")),
        "overloaded_error" => ("service_unavailable_error", Some("server_is_overloaded")),
        "api_error" => ("server_error", None),
        "insufficient_quota" => ("insufficient_quota", Some("insufficient_quota")),
        kind if kind.ends_with("_error") => (kind, None),
        code => ("invalid_request_error", Some(code)),
    };
    json!({ "error": { "message": message, "type": kind, "param": null, "code": code } })
}

/// The models that there are.
pub(super) fn models() -> Value {
    let model = json!({ "id": "gpt-scripted", "object": "model", "created": CREATED, "owned_by": "tests" });
    json!({ "object": "list", "data": [model] })
}

fn call_id(number: u64, index: usize) -> String {
    format!("call_{number:04}{index:02}")
}
