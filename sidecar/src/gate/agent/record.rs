//! A session's record, read in order: who is to speak next, what is still unanswered.

use std::collections::HashMap;

use protocol::{
    desktop::Size,
    event::{AssistantMessage, Event, EventBody, ResultBlock, ToolResult},
    session::SessionState,
};
use serde_json::Value;

/// One use of a tool, as the model asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolUse {
    pub id: String,
    pub name: String,
    /// The family that the tool belongs to, echoed to the model.
    pub toolset: Option<String>,
    pub input: Value,
}

impl ToolUse {
    /// `None` for every other kind of block.
    pub fn read(block: &Value) -> Option<Self> {
        if block.get("type")?.as_str()? != "tool_use" {
            return None;
        }
        Some(Self {
            id: block.get("id")?.as_str()?.to_owned(),
            name: block.get("name")?.as_str()?.to_owned(),
            toolset: block.get("toolset_name").and_then(Value::as_str).map(str::to_owned),
            input: block.get("input").cloned().unwrap_or_else(|| Value::Object(Default::default())),
        })
    }

    pub fn is_computer(&self) -> bool {
        match &self.toolset {
            Some(toolset) => toolset == "computer",
            None => self.name == "computer",
        }
    }
}

/// The tools that a message asks for, in order; an id that comes twice counts once.
pub fn tool_uses(message: &AssistantMessage) -> Vec<ToolUse> {
    let mut uses: Vec<ToolUse> = Vec::new();
    for tool in message.content.iter().filter_map(ToolUse::read) {
        if uses.iter().all(|known| known.id != tool.id) {
            uses.push(tool);
        }
    }
    uses
}

/// What is known of a session; grows, never changes.
#[derive(Debug, Default)]
pub struct Record {
    events: Vec<Event>,
    state: Option<SessionState>,
    due: bool,
    calls: u32,
    last_said: i64,
    /// Where the last message of the model stands in `events`, what it asked for, what came back.
    turn: Option<Turn>,
    picture: Option<Size>,
}

#[derive(Debug)]
struct Turn {
    at: usize,
    uses: Vec<ToolUse>,
    results: HashMap<String, ToolResult>,
}

/// A use of a tool that has no result yet.
pub struct Open<'a> {
    pub message: &'a AssistantMessage,
    pub index: usize,
    pub tool: &'a ToolUse,
    /// Has an earlier computer action of this message failed?
    pub after_failure: bool,
}

impl Record {
    /// Takes the next event; one that is not the next is not taken.
    pub fn push(&mut self, event: Event) -> bool {
        if event.seq != self.last_seq() + 1 {
            return false;
        }
        match &event.body {
            EventBody::UserMessage { .. } => {
                self.due = true;
                self.calls = 0;
                self.last_said = event.seq;
                if !self.state().has_work() {
                    self.state = Some(SessionState::Queued);
                }
            }
            EventBody::AssistantMessage(message) => {
                let uses = tool_uses(message);
                self.due = match message.stop_reason.as_str() {
                    "tool_use" => !uses.is_empty(),
                    reason => goes_on(reason),
                };
                self.calls += 1;
                self.turn = Some(Turn { at: self.events.len(), uses, results: HashMap::new() });
            }
            EventBody::ToolResult(result) => self.answered(result.clone()),
            EventBody::StateChanged { state, .. } => {
                self.state = Some(*state);
                self.due &= state.has_work();
            }
            EventBody::Notice { .. } => {}
        }
        self.events.push(event);
        true
    }

    fn answered(&mut self, result: ToolResult) {
        let Some(turn) = &mut self.turn else { return };
        let Some(tool) = turn.uses.iter().find(|tool| tool.id == result.tool_use_id) else { return };
        if tool.name == "screenshot" {
            let shown = result.content.iter().find_map(|block| match block {
                ResultBlock::Image { picture } => Some(picture.size),
                ResultBlock::Text { .. } => None,
            });
            self.picture = shown.or(self.picture);
        }
        turn.results.entry(result.tool_use_id.clone()).or_insert(result);
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    pub fn last_seq(&self) -> i64 {
        self.events.last().map_or(0, |event| event.seq)
    }

    pub fn state(&self) -> SessionState {
        self.state.unwrap_or(SessionState::Idle)
    }

    /// Is it the model's turn, once all tools are answered?
    pub fn is_due(&self) -> bool {
        self.due
    }

    /// How often the model has answered since a person last spoke.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// The `seq` of what a person said last.
    pub fn last_said(&self) -> i64 {
        self.last_said
    }

    /// The model's last message.
    pub fn last_answer(&self) -> Option<&AssistantMessage> {
        match &self.events.get(self.turn.as_ref()?.at)?.body {
            EventBody::AssistantMessage(message) => Some(message),
            _ => None,
        }
    }

    /// The first use of a tool in the last message that has no result.
    pub fn open(&self) -> Option<Open<'_>> {
        let (turn, message) = (self.turn.as_ref()?, self.last_answer()?);
        let (index, tool) = turn.uses.iter().enumerate().find(|(_, tool)| !turn.results.contains_key(&tool.id))?;
        let after_failure = turn.uses[..index].iter().any(|earlier| {
            earlier.is_computer() && turn.results.get(&earlier.id).is_some_and(|result| result.is_error)
        });
        Some(Open { message, index, tool, after_failure })
    }

    /// What people said since the model last spoke.
    pub fn unheard(&self) -> Vec<&str> {
        let from = self.turn.as_ref().map_or(0, |turn| turn.at + 1);
        self.events[from..]
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::UserMessage { text, .. } => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The results of the last message's tools, in the order they were asked for.
    pub fn results(&self) -> Vec<&ToolResult> {
        let Some(turn) = &self.turn else { return Vec::new() };
        turn.uses.iter().filter_map(|tool| turn.results.get(&tool.id)).collect()
    }

    /// The size of the last screenshot that the model saw: its coordinates are of that.
    pub fn picture(&self) -> Option<Size> {
        self.picture
    }
}

/// Stop reasons after which the same conversation is sent again.
fn goes_on(stop_reason: &str) -> bool {
    matches!(stop_reason, "pause_turn" | "compaction")
}
