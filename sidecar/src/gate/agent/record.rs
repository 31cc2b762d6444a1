//! A session's record, read in order: who is to speak next, what is still unanswered, what was used.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use protocol::{
    Millis,
    approval::Verdict,
    desktop::Size,
    event::{AssistantMessage, Event, EventBody, ResultBlock, ToolResult},
    session::SessionState,
    settings::Spent,
};
use serde_json::Value;

use super::{console, stuck};
use crate::gate::model::{estimate, fold};

/// One use of a tool, as the model asked for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolUse {
    pub id: String,
    pub name: String,
    /// The family that the tool belongs to, echoed to the model.
    pub toolset: Option<String>,
    pub input: Value,
    /// The provider wants its result to show the screen.
    pub wants_picture: bool,
    /// What the provider wants a person to acknowledge before.
    pub safety_checks: Vec<String>,
    /// What is to be done after it by the same call.
    pub then: Vec<String>,
    /// Why it cannot be run, whatever it is.
    pub fault: Option<String>,
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
            wants_picture: block.get("picture").and_then(Value::as_bool).unwrap_or(false),
            safety_checks: texts(block.get("safety_checks")),
            then: texts(block.get("then")),
            fault: block.get("fault").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Does its result show the screen, whatever it does?
    pub fn shows_the_screen(&self) -> bool {
        self.wants_picture || self.is_single()
    }

    /// What it is called where tools are ruled: the action's name, for the single tool of earlier models.
    pub fn called(&self) -> &str {
        let action = self.is_single().then(|| self.input.get("action").and_then(Value::as_str)).flatten();
        action.unwrap_or(&self.name)
    }

    /// Is it the one tool that earlier models have in the place of the toolset?
    pub fn is_single(&self) -> bool {
        self.toolset.is_none() && self.name == "computer"
    }

    /// Is a picture in its result one of the whole screen?
    pub fn sees_the_screen(&self) -> bool {
        self.called() == "screenshot" || (self.shows_the_screen() && self.called() != "zoom")
    }

    pub fn is_computer(&self) -> bool {
        self.toolset.as_deref() == Some("computer") || self.is_single()
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
    /// Whose word was asked for, by the use of the tool; and what was answered, by the `seq` that asked.
    approvals: HashMap<String, i64>,
    verdicts: HashMap<i64, Verdict>,
    /// The `seq` of the last of each.
    paused: i64,
    handed_back: i64,
    noticed: i64,
    spent: Spent,
    /// Tokens that the next call reads, but for what every call reads before it, if that `is_counted` elsewhere.
    next_input: u64,
    is_counted: bool,
    /// Time at work until `working_since`, and since when it works now.
    worked_ms: Millis,
    working_since: Option<Millis>,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Turn {
    at: usize,
    uses: Vec<ToolUse>,
    results: HashMap<String, ToolResult>,
}

/// What an answered use of a tool came to: who does the same again and again on the same screen is stuck.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    pub call: String,
    pub result: String,
    pub waits: bool,
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
        self.next_input = self.next_input.saturating_add(tokens(&event.body));
        match &event.body {
            EventBody::UserMessage { .. } => {
                self.due = true;
                self.calls = 0;
                self.last_said = event.seq;
                self.steps.clear();
                if !self.state().has_work() {
                    self.enter(SessionState::Queued, event.at);
                }
            }
            EventBody::AssistantMessage(message) => {
                let uses = tool_uses(message);
                self.due = match message.stop_reason.as_str() {
                    "tool_use" => !uses.is_empty(),
                    reason => goes_on(reason),
                };
                self.calls += 1;
                self.count(message);
                self.turn = Some(Turn { at: self.events.len(), uses, results: HashMap::new() });
            }
            EventBody::AnswerLost(lost) => {
                self.spent.usage.add(&lost.usage);
                self.pay(lost.cost_microusd);
            }
            EventBody::ToolResult(result) => {
                self.answered(result.clone());
                if self.state() == SessionState::WaitingApproval {
                    self.enter(SessionState::Running, event.at);
                }
            }
            EventBody::ApprovalAsked(asked) => {
                self.approvals.insert(asked.tool_use_id.clone(), event.seq);
                if self.state() == SessionState::Running {
                    self.enter(SessionState::WaitingApproval, event.at);
                }
            }
            EventBody::ApprovalAnswered(answered) => {
                self.verdicts.entry(answered.approval).or_insert(answered.verdict);
                self.enter(SessionState::Running, event.at);
            }
            EventBody::HandedBack { picture, .. } => {
                self.handed_back = event.seq;
                self.picture = picture.as_ref().map(|picture| picture.size).or(self.picture);
            }
            EventBody::StateChanged { state, .. } => {
                self.enter(*state, event.at);
                if *state == SessionState::Paused {
                    self.paused = event.seq;
                }
                self.due &= state.has_work();
            }
            EventBody::Notice { .. } => self.noticed = event.seq,
        }
        self.events.push(event);
        true
    }

    fn enter(&mut self, state: SessionState, at: Millis) {
        if let Some(since) = self.working_since.take() {
            self.worked_ms += (at - since).max(0);
        }
        self.working_since = (state == SessionState::Running).then_some(at);
        self.state = Some(state);
    }

    fn count(&mut self, message: &AssistantMessage) {
        if message.model == console::NAME {
            return;
        }
        let used = message.usage.tokens();
        // What a compaction cost says nothing of what is read after it.
        self.is_counted = used > 0 && !message.content.iter().any(fold::is_compaction);
        self.next_input = if self.is_counted { used } else { tokens_of(&message.content) };
        self.spent.steps += 1;
        self.spent.usage.add(&message.usage);
        self.pay(message.cost_microusd);
    }

    fn pay(&mut self, microusd: Option<u64>) {
        self.spent.cost_microusd = self.spent.cost_microusd.saturating_add(microusd.unwrap_or(0));
    }

    fn answered(&mut self, result: ToolResult) {
        let Some(turn) = &mut self.turn else { return };
        let Some(tool) = turn.uses.iter().find(|tool| tool.id == result.tool_use_id) else { return };
        self.steps.push(stuck::step(tool, &result));
        if tool.sees_the_screen() {
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

    /// The ids of all uses of tools.
    pub fn tool_ids(&self) -> HashSet<String> {
        let messages = self.events.iter().filter_map(|event| match &event.body {
            EventBody::AssistantMessage(message) => Some(message),
            _ => None,
        });
        messages.flat_map(tool_uses).map(|tool| tool.id).collect()
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

    /// The event that asked for a person's word on this use of a tool.
    pub fn approval_of(&self, tool_use_id: &str) -> Option<i64> {
        self.approvals.get(tool_use_id).copied()
    }

    /// The word that was given.
    pub fn verdict(&self, approval: i64) -> Option<Verdict> {
        self.verdicts.get(&approval).copied()
    }

    /// Has a person handed control back since the session was paused?
    pub fn is_handed_back(&self) -> bool {
        self.handed_back > self.paused
    }

    /// Has somebody said something that neither the model nor a notice has answered?
    pub fn is_unanswered(&self) -> bool {
        let answered = self.turn.as_ref().map_or(0, |turn| turn.at as i64 + 1);
        self.last_said > answered.max(self.noticed)
    }

    pub fn spent(&self) -> &Spent {
        &self.spent
    }

    /// How many tokens the next call reads: what the last one read and wrote, and what came since, which is estimated,
    /// and rather too many. What every call reads before the conversation is in it only if it [`is_counted`].
    ///
    /// [`is_counted`]: Self::is_counted
    pub fn next_input(&self) -> u64 {
        self.next_input
    }

    pub fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// The `seq` of what people last told or showed the model.
    pub fn last_heard(&self) -> i64 {
        self.last_said.max(self.handed_back)
    }

    /// How long the session has been at work, when the last event was `since_last` ago.
    pub fn worked(&self, since_last: Duration) -> Duration {
        let now = self.events.last().map_or(0, |event| event.at);
        let current = self.working_since.map_or(Duration::ZERO, |since| millis(now - since) + since_last);
        millis(self.worked_ms) + current
    }

    /// What was done since a person last spoke.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The size of the last screenshot that the model saw: its coordinates are of that.
    pub fn picture(&self) -> Option<Size> {
        self.picture
    }
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What the model reads of it, estimated.
fn tokens(body: &EventBody) -> u64 {
    let of_block = |block: &ResultBlock| match block {
        ResultBlock::Text { text } => estimate::of_text(text),
        ResultBlock::Image { picture } => estimate::of_picture(picture.size),
    };
    match body {
        EventBody::UserMessage { text, .. } => estimate::of_text(text),
        EventBody::ToolResult(result) => result.content.iter().map(of_block).sum(),
        EventBody::HandedBack { note, picture, .. } => {
            let picture = picture.as_ref().map_or(0, |picture| estimate::of_picture(picture.size));
            note.as_deref().map_or(0, estimate::of_text) + picture
        }
        EventBody::AssistantMessage(message) => tokens_of(&message.content),
        _ => 0,
    }
}

fn tokens_of(content: &[Value]) -> u64 {
    content.iter().map(estimate::of_request).sum()
}

fn millis(ms: Millis) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Stop reasons after which the same conversation is sent again.
fn goes_on(stop_reason: &str) -> bool {
    matches!(stop_reason, "pause_turn" | "compaction")
}
