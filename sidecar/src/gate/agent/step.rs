//! What the agent does next: a pure function of the record and of what this process knows beyond it.
//!
//! The record alone decides; memory only says what is in flight. So a restart, which has no memory,
//! goes on from the record, and never does anything a second time.

use std::collections::{HashMap, HashSet};

use protocol::{
    MessageId,
    event::{ActionTrace, AssistantMessage, EventBody, ResultBlock, ToolResult},
    session::SessionState,
};

use super::record::{Open, Record, ToolUse};

/// A turn ends after so many answers of the model.
pub const MAX_CALLS: u32 = 200;

pub const UNKNOWN: &str = "Outcome unknown: the process stopped during this action. Take a screenshot before retrying.";
pub const INTERRUPTED: &str = "[interrupted by user]";
pub const HALTED: &str = "Not executed: an earlier computer action in this turn failed.";
pub const BUDGET: &str = "The agent was stopped after 200 steps on one request. Say \"go on\" to let it continue.";

/// What this process knows beyond the record.
#[derive(Debug, Default)]
pub struct Memory {
    /// A person wants the agent to stop.
    pub stop: bool,
    /// What the model said, not stored yet.
    pub answer: Option<Answer>,
    /// Messages that this process stored: only their tools may run.
    asked: HashSet<MessageId>,
    /// Tools that were begun.
    begun: HashSet<(MessageId, String)>,
    /// Results that are not stored yet.
    finished: HashMap<(MessageId, String), ToolResult>,
}

/// The end of a call of the model.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The record's last event when the model was asked.
    pub after: i64,
    /// A reason for people when it failed for good.
    pub outcome: Result<AssistantMessage, String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing, until somebody says something.
    Rest,
    /// Add this to the record; the client id is the same whenever the same thing is tried again.
    Store { client_id: String, body: EventBody },
    /// Ask the model.
    Ask,
    /// A person spoke while the model did: its answer is not used.
    Discard,
    /// Run a tool.
    Run { message: MessageId, tool: ToolUse },
}

/// Decides.
pub fn next(record: &Record, memory: &Memory) -> Next {
    if record.state() == SessionState::Paused {
        return Next::Rest;
    }
    if let Some(open) = record.open() {
        return answer(record, memory, &open);
    }
    if memory.stop {
        return if memory.answer.is_some() {
            Next::Discard
        } else if record.state().has_work() {
            change(record, SessionState::Cancelled, None)
        } else {
            Next::Rest
        };
    }
    if let Some(Answer { after, outcome }) = &memory.answer {
        return match outcome {
            _ if record.last_said() > *after || !record.is_due() => Next::Discard,
            Ok(message) => Next::Store {
                client_id: format!("a:{}", message.message_id),
                body: EventBody::AssistantMessage(message.clone()),
            },
            Err(reason) => change(record, SessionState::Failed, Some(reason.clone())),
        };
    }
    if !record.is_due() {
        let reason = record.last_answer().and_then(|message| why_it_ended(&message.stop_reason));
        return if record.state().has_work() { change(record, SessionState::Idle, reason) } else { Next::Rest };
    }
    if record.state() != SessionState::Running {
        return change(record, SessionState::Running, None);
    }
    if record.calls() >= MAX_CALLS {
        return over_budget(record);
    }
    Next::Ask
}

impl Memory {
    /// `body` is stored: what led to it is done.
    pub fn stored(&mut self, body: &EventBody) {
        match body {
            EventBody::AssistantMessage(message) => {
                self.asked.insert(message.message_id.clone());
                self.answer = None;
            }
            EventBody::StateChanged { state: SessionState::Failed, .. } => self.answer = None,
            EventBody::ToolResult(result) => self.finished.retain(|(_, id), _| *id != result.tool_use_id),
            _ => {}
        }
    }

    /// A tool begins: from now on it is never begun again.
    pub fn begin(&mut self, message: &MessageId, tool: &ToolUse) {
        self.begun.insert((message.clone(), tool.id.clone()));
    }

    pub fn finish(&mut self, message: &MessageId, result: ToolResult) {
        self.finished.insert((message.clone(), result.tool_use_id.clone()), result);
    }
}

/// A result that is an error of ours: text only, as the provider wants it.
pub fn refusal(tool_use_id: &str, text: &str) -> ToolResult {
    ToolResult {
        tool_use_id: tool_use_id.to_owned(),
        is_error: true,
        content: vec![ResultBlock::Text { text: text.to_owned() }],
        trace: ActionTrace::default(),
    }
}

fn answer(record: &Record, memory: &Memory, open: &Open<'_>) -> Next {
    let Open { message, index, tool, after_failure } = open;
    let key = (message.message_id.clone(), tool.id.clone());
    let store = |result: ToolResult| Next::Store {
        client_id: format!("r:{}:{index}", message.message_id),
        body: EventBody::ToolResult(result),
    };
    if let Some(result) = memory.finished.get(&key) {
        return store(result.clone());
    }
    if message.stop_reason != "tool_use" {
        let text = format!("Not executed: the message ended ({}) before this call was complete.", message.stop_reason);
        return store(refusal(&tool.id, &text));
    }
    if !memory.asked.contains(&message.message_id) {
        return store(refusal(&tool.id, UNKNOWN));
    }
    if memory.stop || record.state() == SessionState::Cancelled {
        return store(refusal(&tool.id, INTERRUPTED));
    }
    if memory.begun.contains(&key) {
        return store(refusal(&tool.id, UNKNOWN));
    }
    if *after_failure && tool.is_computer() {
        return store(refusal(&tool.id, HALTED));
    }
    Next::Run { message: message.message_id.clone(), tool: (*tool).clone() }
}

fn change(record: &Record, state: SessionState, reason: Option<String>) -> Next {
    // Decided anew for every `seq`, so the `seq` names it.
    let client_id = format!("s:{}:{}", record.last_seq() + 1, state.as_str());
    Next::Store { client_id, body: EventBody::StateChanged { state, reason } }
}

fn over_budget(record: &Record) -> Next {
    let told =
        matches!(record.events().last().map(|event| &event.body), Some(EventBody::Notice { text }) if text == BUDGET);
    if told {
        change(record, SessionState::Failed, Some("200 steps on one request".to_owned()))
    } else {
        let client_id = format!("n:{}", record.last_seq() + 1);
        Next::Store { client_id, body: EventBody::Notice { text: BUDGET.to_owned() } }
    }
}

/// For people, when a turn did not end as it should.
fn why_it_ended(stop_reason: &str) -> Option<String> {
    let why = match stop_reason {
        "end_turn" | "stop_sequence" => return None,
        "max_tokens" => "the answer was cut: it reached the limit of one message",
        "model_context_window_exceeded" => "the conversation is too long for the model: start a new session",
        "refusal" => "the model declined to go on",
        _ => "the model stopped without saying why",
    };
    Some(why.to_owned())
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
