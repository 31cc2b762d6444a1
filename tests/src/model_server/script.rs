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
    /// An error status and a page for people, as what stands between us and the provider sends it.
    ShowsAPage { status: StatusCode, html: &'static str },
    /// The connection is gone before the first byte.
    GoesAway,
    /// Half an answer, then an `error` event under HTTP 200.
    BreaksWithError { content: Vec<Content> },
    /// Half an answer, then the connection is gone.
    HangsUp { content: Vec<Content> },
    /// Half an answer, then nothing any more, until the client goes.
    FallsSilent { content: Vec<Content> },
    /// These bytes as the stream, and its end.
    Streams(Vec<u8>),
}

/// A block of an answer.
#[derive(Debug, Clone)]
pub enum Content {
    Text(String),
    Thinking(String),
    /// `input` is JSON text as it is streamed, whole or not; without an `id` it gets one of its own.
    ToolUse {
        toolset: Option<&'static str>,
        name: String,
        input: String,
        id: Option<&'static str>,
    },
    /// A block of a kind that comes in a later year.
    Unknown(Value),
}

pub fn text(text: &str) -> Content {
    Content::Text(text.to_owned())
}

pub fn thinking(text: &str) -> Content {
    Content::Thinking(text.to_owned())
}

/// A call of a member of the computer toolset.
pub fn tool(name: &str, input: Value) -> Content {
    Content::ToolUse { toolset: Some("computer"), name: name.to_owned(), input: input.to_string(), id: None }
}

/// A call of any other tool.
pub fn tool_use(name: &str, input: Value) -> Content {
    tool_text(name, &input.to_string())
}

/// A call whose input comes as this text, JSON or not.
pub fn tool_text(name: &str, input: &str) -> Content {
    Content::ToolUse { toolset: None, name: name.to_owned(), input: input.to_owned(), id: None }
}

impl Turn {
    /// Says something and is done.
    pub fn ends(words: &str) -> Turn {
        Turn::stops("end_turn", [text(words)])
    }

    /// Asks for tools.
    pub fn asks(content: impl IntoIterator<Item = Content>) -> Turn {
        Turn::stops("tool_use", content)
    }

    /// Says something and stops for a reason of its own.
    pub fn stops(stop_reason: &'static str, content: impl IntoIterator<Item = Content>) -> Turn {
        Turn::Answers { content: content.into_iter().collect(), stop_reason }
    }

    /// Looks at the request first.
    pub fn depends(on: impl FnOnce(&Recorded) -> Turn + Send + 'static) -> Turn {
        Turn::Depends(Box::new(on))
    }

    /// 529, and a wait so short that a test does not feel it.
    pub fn is_overloaded() -> Turn {
        Turn::refuses(529, "overloaded_error", &[("retry-after-ms", "50")])
    }

    /// 429 with `retry-after` in seconds.
    pub fn limits_the_rate(retry_after_s: u32) -> Turn {
        Turn::refuses(429, "rate_limit_error", &[("retry-after", &retry_after_s.to_string())])
    }

    pub fn refuses(status: u16, kind: &'static str, headers: &[(&'static str, &str)]) -> Turn {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Turn::Refuses { status: StatusCode::from_u16(status).expect("a status"), headers, kind }
    }

    pub fn shows_a_page(status: u16, html: &'static str) -> Turn {
        Turn::ShowsAPage { status: StatusCode::from_u16(status).expect("a status"), html }
    }

    pub(super) fn resolve(self, request: &Recorded) -> Turn {
        match self {
            Turn::Depends(on) => on(request).resolve(request),
            turn => turn,
        }
    }
}

impl Content {
    /// A use of a tool by this id.
    pub fn with_id(mut self, wanted: &'static str) -> Self {
        if let Content::ToolUse { id, .. } = &mut self {
            *id = Some(wanted);
        }
        self
    }

    /// The block as it stands at the end of an answer that is not streamed.
    pub fn block(&self, id: &str) -> Value {
        match self {
            Content::Text(text) => json!({ "type": "text", "text": text }),
            Content::Thinking(text) => {
                json!({ "type": "thinking", "thinking": text, "signature": format!("c2lnbmF0dXJl-{id}") })
            }
            Content::ToolUse { toolset, name, input, id: own } => {
                let input: Value = serde_json::from_str(input).unwrap_or(json!({}));
                let mut block = json!({ "type": "tool_use", "id": own.unwrap_or(id), "name": name, "input": input });
                if let Some(toolset) = toolset {
                    block["toolset_name"] = json!(toolset);
                }
                block
            }
            Content::Unknown(block) => block.clone(),
        }
    }
}
