//! What the model says, turn by turn.

use http::StatusCode;
use serde_json::{Value, json};

use super::Recorded;

/// What one request gets.
pub enum Turn {
    /// A whole answer, streamed.
    Answers { content: Vec<Content>, stop_reason: &'static str },
    /// An answer that depends on what was asked.
    Depends(Box<dyn FnOnce(&Recorded) -> Turn + Send>),
    /// An error status instead of a stream.
    Refuses { status: StatusCode, headers: Vec<(&'static str, String)>, kind: &'static str },
    /// Half an answer, then an `error` event under HTTP 200.
    BreaksWithError { content: Vec<Content> },
    /// Half an answer, then the connection is gone.
    HangsUp { content: Vec<Content> },
    /// Half an answer, then nothing any more, until the client goes.
    FallsSilent { content: Vec<Content> },
}

/// A block of an answer.
#[derive(Debug, Clone)]
pub enum Content {
    Text(String),
    Thinking(String),
    ToolUse { toolset: Option<&'static str>, name: String, input: Value },
}

pub fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

pub fn thinking(text: &str) -> Content {
    Content::Thinking(text.to_owned())
}

/// A call of a member of the computer toolset.
pub fn tool(name: &str, input: Value) -> Content {
    Content::ToolUse { toolset: Some("computer"), name: name.to_owned(), input }
}

/// A call of any other tool.
pub fn tool_use(name: &str, input: Value) -> Content {
    Content::ToolUse { toolset: None, name: name.to_owned(), input }
}

impl Turn {
    /// Says something and is done.
    pub fn ends(words: &str) -> Turn {
        Turn::Answers { content: vec![text(words)], stop_reason: "end_turn" }
    }

    /// Asks for tools.
    pub fn asks(content: impl IntoIterator<Item = Content>) -> Turn {
        Turn::Answers { content: content.into_iter().collect(), stop_reason: "tool_use" }
    }

    /// Looks at the request first.
    pub fn depends(on: impl FnOnce(&Recorded) -> Turn + Send + 'static) -> Turn {
        Turn::Depends(Box::new(on))
    }

    /// 529, and a wait so short that a test does not feel it.
    pub fn is_overloaded() -> Turn {
        let headers = vec![("retry-after-ms", "50".to_owned())];
        Turn::Refuses { status: StatusCode::from_u16(529).expect("a status"), headers, kind: "overloaded_error" }
    }

    /// 429 with `retry-after` in seconds.
    pub fn limits_the_rate(retry_after_s: u32) -> Turn {
        let headers = vec![("retry-after", retry_after_s.to_string())];
        Turn::Refuses { status: StatusCode::TOO_MANY_REQUESTS, headers, kind: "rate_limit_error" }
    }

    pub(super) fn resolve(self, request: &Recorded) -> Turn {
        match self {
            Turn::Depends(on) => on(request).resolve(request),
            turn => turn,
        }
    }
}

impl Content {
    /// The block as it stands at the end of an answer that is not streamed.
    pub fn block(&self, id: &str) -> Value {
        match self {
            Content::Text(text) => json!({ "type": "text", "text": text }),
            Content::Thinking(text) => {
                json!({ "type": "thinking", "thinking": text, "signature": format!("c2lnbmF0dXJl-{id}") })
            }
            Content::ToolUse { toolset, name, input } => {
                let mut block = json!({ "type": "tool_use", "id": id, "name": name, "input": input });
                if let Some(toolset) = toolset {
                    block["toolset_name"] = json!(toolset);
                }
                block
            }
        }
    }
}
