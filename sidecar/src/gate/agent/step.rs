//! What the agent does next: a pure function of the record and of what this process knows beyond it.
//!
//! The record alone decides; memory only says what is in flight. So a restart, which has no memory,
//! goes on from the record, and never does anything a second time.

use std::collections::{HashMap, HashSet};

use protocol::{
    MessageId,
    approval::{ApprovalAsked, Risk, Verdict},
    event::{ActionTrace, AnswerLost, AssistantMessage, EventBody, ResultBlock, ToolResult, Usage},
    model::Prices,
    session::SessionState,
    settings::SessionSettings,
};

use super::{
    approve::{self, Permission},
    budget,
    record::{Open, Record, ToolUse},
    stuck, words,
};

/// What this process knows beyond the record.
#[derive(Debug, Default)]
pub struct Memory {
    /// A person wants the agent to stop.
    pub stop: bool,
    /// A person has taken control of the desktop.
    pub person_drives: bool,
    /// The session's time at work is used up.
    pub time_is_up: bool,
    pub settings: SessionSettings,
    /// Of the session's model.
    pub prices: Option<Prices>,
    /// Tokens that every call reads before the conversation, while no provider has counted them.
    pub preamble: u64,
    /// What the model said, not stored yet.
    pub answer: Option<Answer>,
    /// What was used of which no answer came, not stored yet.
    pub lost: Option<AnswerLost>,
    /// What a person is to be asked, not stored yet.
    pub question: Option<ApprovalAsked>,
    /// What this process knows of approvals, by the `seq` that asked.
    pub judged: HashMap<i64, Judged>,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// A person said no, and control may not know yet.
    Denied,
    /// Nobody said anything in time.
    Expired,
    /// What the action aims at is not what the person saw any more.
    Lapsed,
    /// It is still the same: an action that was approved may run.
    Unchanged,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Nothing, until somebody says something.
    Rest,
    /// Add this to the record; the client id is the same whenever the same thing is tried again.
    Store { client_id: String, body: EventBody },
    /// Ask the model.
    Ask,
    /// A person spoke or drove while the model was asked: its answer is not used.
    Discard,
    /// Set up what a person is asked about this tool.
    Question { message: MessageId, tool: ToolUse, risk: Option<Risk> },
    /// Wait for a person's word, no longer than it may take.
    AwaitVerdict { approval: i64 },
    /// The word was yes: look whether what the action aims at is still the same.
    Compare { approval: i64 },
    /// Wait until control is handed back.
    AwaitHandBack,
    /// Run a tool.
    Run { message: MessageId, tool: ToolUse },
}

/// Decides.
pub fn next(record: &Record, memory: &Memory) -> Next {
    if let Some(open) = record.open() {
        return answer(record, memory, &open);
    }
    if let Some(lost) = &memory.lost {
        let client_id = format!("l:{}", record.last_seq() + 1);
        return Next::Store { client_id, body: EventBody::AnswerLost(lost.clone()) };
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
            _ if record.last_heard() > *after || !record.is_due() => Next::Discard,
            Ok(message) => Next::Store {
                client_id: format!("a:{}", message.message_id),
                body: EventBody::AssistantMessage(message.clone()),
            },
            Err(reason) => change(record, SessionState::Failed, Some(reason.clone())),
        };
    }
    if !record.is_due() {
        let reason = record.last_answer().and_then(|message| words::why_it_ended(&message.stop_reason));
        return if record.state().has_work() { change(record, SessionState::Idle, reason) } else { Next::Rest };
    }
    if memory.person_drives && record.state() != SessionState::Paused {
        return change(record, SessionState::Paused, None);
    }
    if memory.person_drives || is_paused(record) {
        return if record.is_unanswered() { notice(record, words::HEARD_LATER) } else { Next::AwaitHandBack };
    }
    if record.state() != SessionState::Running {
        return change(record, SessionState::Running, None);
    }
    let budgets = &memory.settings.budgets;
    let next = budget::next_input(record, memory.preamble);
    if let Some(why) = budget::over(record, next, budgets, memory.prices.as_ref(), memory.time_is_up) {
        return end_with(
            record,
            SessionState::Failed,
            &format!("The agent was stopped: {why}. {}", words::GO_ON),
            &why,
        );
    }
    if stuck::is_stuck(record.steps()) {
        return end_with(record, SessionState::Idle, words::STUCK, "the same again and again");
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
            EventBody::AnswerLost(_) => self.lost = None,
            EventBody::ToolResult(result) => self.finished.retain(|(_, id), _| *id != result.tool_use_id),
            EventBody::ApprovalAsked(_) => self.question = None,
            _ => {}
        }
    }

    /// Something was used of which no answer comes; it counts as soon as it is stored.
    pub fn lose(&mut self, model: &str, usage: Usage, cost_microusd: Option<u64>) {
        let model = model.to_owned();
        let lost = self.lost.get_or_insert(AnswerLost { model, usage: Usage::default(), cost_microusd: None });
        lost.usage.add(&usage);
        if let Some(cost) = cost_microusd {
            lost.cost_microusd = Some(lost.cost_microusd.unwrap_or(0).saturating_add(cost));
        }
    }

    /// The answer is not used: somebody was heard meanwhile.
    pub fn discard(&mut self) -> Option<MessageId> {
        let message = self.answer.take()?.outcome.ok()?;
        if message.usage.tokens() > 0 {
            self.lose(&message.model, message.usage, message.cost_microusd);
        }
        Some(message.message_id)
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
    let refuse = |text: &str| store(refusal(&tool.id, text));
    let run = || Next::Run { message: message.message_id.clone(), tool: (*tool).clone() };
    if let Some(result) = memory.finished.get(&key) {
        return store(result.clone());
    }
    if message.stop_reason != "tool_use" {
        let reason = &message.stop_reason;
        return refuse(&format!("Not executed: the message ended ({reason}) before this call was complete."));
    }
    let approval = record.approval_of(&tool.id);
    if !memory.asked.contains(&message.message_id) {
        // One that still waits for a word has not begun.
        let waits = approval.is_some_and(|approval| record.verdict(approval) != Some(Verdict::Approved));
        return refuse(if waits { words::NOT_BEGUN } else { words::UNKNOWN });
    }
    if memory.stop || record.state() == SessionState::Cancelled {
        return refuse(words::INTERRUPTED);
    }
    if memory.begun.contains(&key) {
        return refuse(words::UNKNOWN);
    }
    if memory.person_drives || is_paused(record) {
        return refuse(words::NOT_WHILE_A_PERSON_DRIVES);
    }
    if memory.time_is_up {
        return refuse(words::NO_TIME_LEFT);
    }
    if *after_failure && tool.is_computer() {
        return refuse(words::HALTED);
    }
    let risk = match approve::permission(&memory.settings, tool) {
        Permission::Granted => return run(),
        Permission::Refused => return refuse(&words::denied(tool.called())),
        Permission::Asked(risk) => risk,
    };
    let Some(approval) = approval else {
        return match &memory.question {
            Some(question) if question.tool_use_id == tool.id => Next::Store {
                client_id: format!("q:{}:{index}", message.message_id),
                body: EventBody::ApprovalAsked(question.clone()),
            },
            _ if record.state() != SessionState::Running => change(record, SessionState::Running, None),
            _ => Next::Question { message: message.message_id.clone(), tool: (*tool).clone(), risk },
        };
    };
    match (memory.judged.get(&approval), record.verdict(approval)) {
        (Some(Judged::Denied), _) | (_, Some(Verdict::Denied)) => refuse(&words::denied(tool.called())),
        (Some(Judged::Expired), _) => refuse(&words::expired(tool.called())),
        (Some(Judged::Lapsed), _) => refuse(words::LAPSED),
        (_, None) => Next::AwaitVerdict { approval },
        (None, Some(Verdict::Approved)) => Next::Compare { approval },
        (Some(Judged::Unchanged), Some(Verdict::Approved)) => run(),
    }
}

/// The record says it, too: a lease that was lost gives nothing back.
fn is_paused(record: &Record) -> bool {
    record.state() == SessionState::Paused && !record.is_handed_back()
}

fn change(record: &Record, state: SessionState, reason: Option<String>) -> Next {
    // Decided anew for every `seq`, so the `seq` names it.
    let client_id = format!("s:{}:{}", record.last_seq() + 1, state.as_str());
    Next::Store { client_id, body: EventBody::StateChanged { state, reason } }
}

fn notice(record: &Record, text: &str) -> Next {
    let client_id = format!("n:{}", record.last_seq() + 1);
    Next::Store { client_id, body: EventBody::Notice { text: text.to_owned() } }
}

/// Tells people why, then leaves the work.
fn end_with(record: &Record, state: SessionState, text: &str, reason: &str) -> Next {
    let last = record.events().last().map(|event| &event.body);
    if matches!(last, Some(EventBody::Notice { text: told }) if told == text) {
        change(record, state, Some(reason.to_owned()))
    } else {
        notice(record, text)
    }
}

#[cfg(test)]
#[path = "step_tests.rs"]
mod tests;
