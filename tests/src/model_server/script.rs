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
    /// Half an answer, then `response.failed` with this code; where an API has no such thing, an `error`.
    Fails { content: Vec<Content>, code: &'static str },
    /// The client is sent elsewhere.
    Redirects { to: String },
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
    /// OpenAI's own tool: one call of many actions. Only the Responses API has it.
    Computer {
        actions: Vec<Value>,
        safety_checks: Vec<Value>,
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

/// A call of OpenAI's own computer tool.
pub fn computer(actions: impl IntoIterator<Item = Value>) -> Content {
    Content::Computer { actions: actions.into_iter().collect(), safety_checks: Vec::new(), id: None }
}

/// What the provider wants a person to have seen before a call is carried out.
pub fn safety_check(id: &str, code: &str, message: &str) -> Value {
    json!({ "id": id, "code": code, "message": message })
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

    /// 307, as a server answers that wants its clients, and what they carry, elsewhere.
    pub fn redirects_to(url: &str) -> Turn {
        Turn::Redirects { to: url.to_owned() }
    }

    /// What is streamed of it, and whether the last piece of content breaks off in its middle.
    pub(super) fn streamed(&self) -> (&[Content], bool) {
        match self {
            Turn::Answers { content, .. } => (content, false),
            Turn::BreaksWithError { content }
            | Turn::Fails { content, .. }
            | Turn::HangsUp { content }
            | Turn::FallsSilent { content } => (content, true),
            _ => unreachable!("such a turn is no stream of content"),
        }
    }

    pub(super) fn resolve(self, request: &Recorded) -> Turn {
        match self {
            Turn::Depends(on) => on(request).resolve(request),
            turn => turn,
        }
    }
}

impl Content {
    /// A call by this id.
    pub fn with_id(mut self, wanted: &'static str) -> Self {
        if let Content::ToolUse { id, .. } | Content::Computer { id, .. } = &mut self {
            *id = Some(wanted);
        }
        self
    }

    /// A call of the computer that waits for a person's word on these.
    pub fn with_safety_checks(mut self, wanted: impl IntoIterator<Item = Value>) -> Self {
        if let Content::Computer { safety_checks, .. } = &mut self {
            safety_checks.extend(wanted);
        }
        self
    }
}
