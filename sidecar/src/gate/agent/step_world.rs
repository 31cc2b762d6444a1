//! The agent's life as the choices of a random walk have it: it works, is interrupted, dies and comes back.

use proptest::prelude::*;
use protocol::{
    UserId,
    approval::{ApprovalAnswered, ApprovalPolicy},
    event::Event,
    model::Model,
    settings::Budgets,
};
use serde_json::{Value, json};

use super::super::*;
use super::question;
use crate::gate::{agent::record::tool_uses, model::messages::history};

/// control's side of a session: it numbers, refuses what is late, and knows a repeat.
#[derive(Default)]
struct Control {
    events: Vec<Event>,
    known: HashMap<String, i64>,
}

impl Control {
    fn add(&mut self, body: EventBody) {
        self.events.push(Event { seq: self.events.len() as i64 + 1, at: 0, body });
    }

    /// The `seq`, or `None` for a conflict.
    fn append(&mut self, expected_seq: i64, client_id: &str, body: &EventBody) -> Option<i64> {
        assert!(client_id.len() <= 64, "{client_id}");
        if let Some(seq) = self.known.get(client_id) {
            return Some(*seq);
        }
        if expected_seq != self.events.len() as i64 + 1 {
            return None;
        }
        self.add(body.clone());
        self.known.insert(client_id.to_owned(), expected_seq);
        Some(expected_seq)
    }
}

/// A world in which the agent lives, dies and is interrupted as the choices say.
struct World {
    control: Control,
    record: Record,
    memory: Memory,
    ran: Vec<(MessageId, String)>,
    made: usize,
    /// The record's length when the model was asked last.
    asked_at: usize,
    /// Tokens that the provider has counted, but for those of which a crash left no trace.
    used: u64,
    settings: SessionSettings,
    /// The lease, which is not the agent's to lose.
    person_drives: bool,
    choices: std::vec::IntoIter<u8>,
}

impl World {
    fn new(approvals: ApprovalPolicy, choices: Vec<u8>) -> Self {
        let mut world = Self {
            settings: SessionSettings { approvals, ..SessionSettings::default() },
            person_drives: false,
            control: Control::default(),
            record: Record::default(),
            memory: Memory::default(),
            ran: Vec::new(),
            made: 0,
            asked_at: 0,
            used: 0,
            choices: choices.into_iter(),
        };
        world.say();
        world.read();
        world
    }

    fn choose(&mut self) -> u8 {
        self.choices.next().unwrap_or(255)
    }

    fn say(&mut self) {
        let (message_id, user_id) = (MessageId::generate(), UserId::generate());
        self.control.add(EventBody::UserMessage { message_id, user_id, text: "go".to_owned() });
    }

    fn read(&mut self) {
        for event in &self.control.events[self.record.last_seq() as usize..] {
            assert!(self.record.push(event.clone()));
        }
    }

    fn crash(&mut self) {
        let answer = self.memory.answer.iter().filter_map(|answer| answer.outcome.as_ref().ok()).map(|m| m.usage);
        let lost = self.memory.lost.iter().map(|lost| lost.usage);
        self.used -= answer.chain(lost).map(|usage| usage.tokens()).sum::<u64>();
        (self.record, self.memory) = (Record::default(), Memory::default());
        self.read();
    }

    /// A word of a person, by way of control.
    fn judge(&mut self, approval: i64, verdict: Verdict) {
        let user_id = UserId::generate();
        if !self.control.known.contains_key(&format!("verdict/{approval}")) {
            self.control.add(EventBody::ApprovalAnswered(ApprovalAnswered { approval, verdict, user_id }));
            self.control.known.insert(format!("verdict/{approval}"), self.control.events.len() as i64);
        }
    }

    fn hand_back(&mut self) {
        self.control.add(EventBody::HandedBack { user_id: UserId::generate(), note: None, picture: None });
        self.person_drives = false;
    }

    fn pending(&self) -> Option<i64> {
        let asked = |event: &&Event| matches!(event.body, EventBody::ApprovalAsked(_));
        self.control.events.iter().rev().find(asked).map(|event| event.seq)
    }

    /// Does one thing; answers whether the agent is at rest.
    fn step(&mut self) -> bool {
        match self.choose() {
            0..=15 => self.say(),
            16..=25 => self.crash(),
            26..=32 => self.memory.stop = true,
            33..=42 => self.person_drives = true,
            43..=46 => self.hand_back(),
            47..=52 => {
                if let Some(approval) = self.pending() {
                    let verdict = if self.choose() < 128 { Verdict::Approved } else { Verdict::Denied };
                    self.judge(approval, verdict);
                }
            }
            53..=55 => self.settings.budgets = Budgets { steps: Some(3), ..Budgets::default() },
            56..=58 => self.memory.time_is_up = true,
            _ => {}
        }
        self.memory.settings = self.settings.clone();
        self.memory.person_drives = self.person_drives;
        match next(&self.record, &self.memory) {
            Next::Rest => {
                self.memory = Memory::default();
                let unread = self.record.last_seq() < self.control.events.len() as i64;
                self.read();
                return !unread;
            }
            Next::Question { tool, .. } => {
                assert!(!self.person_drives, "a person was asked about a screen that is theirs");
                self.memory.question = Some(question(&tool));
            }
            Next::AwaitVerdict { approval } => {
                match self.choose() {
                    0..=40 => self.judge(approval, Verdict::Approved),
                    41..=80 => self.judge(approval, Verdict::Denied),
                    81..=90 => drop(self.memory.judged.insert(approval, Judged::Denied)),
                    // Nobody answers, and time goes by.
                    _ => drop(self.memory.judged.insert(approval, Judged::Expired)),
                }
                self.read();
            }
            Next::Compare { approval } => {
                let judged = if self.choose() < 200 { Judged::Unchanged } else { Judged::Lapsed };
                self.memory.judged.insert(approval, judged);
            }
            Next::AwaitHandBack => {
                let paused = self.record.state() == SessionState::Paused;
                assert!(self.person_drives || paused);
                if self.choose() > 60 {
                    self.hand_back();
                }
                self.read();
            }
            Next::Store { client_id, body } => self.store(&client_id, &body),
            Next::Ask => {
                assert!(!self.person_drives, "the model was asked while a person drove");
                if self.choose() < 40 {
                    // It broke off: what was used is owed, and it is asked again.
                    return self.lose();
                }
                self.asked_at = self.record.events().len();
                let outcome = self.answer();
                self.memory.answer = Some(Answer { after: self.record.last_seq(), outcome });
            }
            Next::Discard => drop(self.memory.discard()),
            Next::Run { message, tool } => self.run(message, &tool),
        }
        false
    }

    fn store(&mut self, client_id: &str, body: &EventBody) {
        let stored = self.control.append(self.record.last_seq() + 1, client_id, body);
        if stored.is_some() {
            if matches!(body, EventBody::AssistantMessage(_)) {
                let unread = &self.record.events()[self.asked_at..];
                assert!(unread.iter().all(|event| !is_for_the_model(&event.body)), "{unread:?} was not read");
            }
            self.memory.stored(body);
        }
        // The acknowledgement is lost with the process.
        if self.choose() < 10 {
            return self.crash();
        }
        self.read();
    }

    fn answer(&mut self) -> Result<AssistantMessage, String> {
        let choice = self.choose();
        if choice < 10 {
            return Err("overloaded".to_owned());
        }
        let mut content = vec![json!({"type": "thinking", "thinking": "", "signature": "s"})];
        // Without choices left the model comes to an end.
        for _ in 0..if choice == 255 { 0 } else { choice % 4 } {
            self.made += 1;
            let id = format!("t{}", self.made);
            content.push(match self.choose() % 3 {
                0 => json!({"type": "tool_use", "id": id, "name": "bash", "input": {"command": "ls"}}),
                _ => {
                    json!({"type": "tool_use", "id": id, "name": "left_click", "toolset_name": "computer", "input": {}})
                }
            });
        }
        let stop_reason = match self.choose() {
            0..=160 if content.len() > 1 => "tool_use",
            161..=180 => "max_tokens",
            181..=195 => "refusal",
            196..=210 => "pause_turn",
            211..=215 => "a reason of a later year",
            216..=220 => "tool_use",
            _ => "end_turn",
        };
        Ok(AssistantMessage {
            message_id: MessageId::generate(),
            content,
            stop_reason: stop_reason.to_owned(),
            model: "m".to_owned(),
            api: None,
            variant: None,
            usage: self.use_some(),
            cost_microusd: None,
        })
    }

    fn lose(&mut self) -> bool {
        let usage = self.use_some();
        self.memory.lose("m", usage, None);
        false
    }

    fn use_some(&mut self) -> Usage {
        self.used += 7;
        Usage { input_tokens: 7, ..Usage::default() }
    }

    fn run(&mut self, message: MessageId, tool: &ToolUse) {
        let asked = self.control.events.iter().find_map(|event| match &event.body {
            EventBody::AssistantMessage(stored) if stored.message_id == message => Some(stored),
            _ => None,
        });
        let asked = asked.expect("a tool runs only after its message is stored");
        assert_eq!(asked.stop_reason, "tool_use");
        let failed = tool_uses(asked).iter().take_while(|other| other.id != tool.id).any(|other| {
            other.is_computer() && self.record.results().iter().any(|r| r.tool_use_id == other.id && r.is_error)
        });
        assert!(!(failed && tool.is_computer()), "a computer action ran after another one had failed");
        assert!(!self.person_drives, "{tool:?} ran while a person drove");
        if let Permission::Asked(_) = approve::permission(&self.settings, tool) {
            let approval = self.record.approval_of(&tool.id).expect("it was asked for");
            assert_eq!(self.record.verdict(approval), Some(Verdict::Approved), "{tool:?} ran without a word");
            assert_eq!(self.memory.judged.get(&approval), Some(&Judged::Unchanged));
        }
        let key = (message.clone(), tool.id.clone());
        assert!(!self.ran.contains(&key), "{tool:?} ran twice");
        self.ran.push(key);
        self.memory.begin(&message, tool);
        match self.choose() {
            // Stopped in the middle: there is no result.
            0..=20 => self.memory.stop = true,
            21..=35 => self.crash(),
            36..=45 => {
                self.person_drives = true;
                self.memory.finish(&message, refusal(&tool.id, words::TAKEN_MEANWHILE));
            }
            choice => {
                let result = ToolResult { is_error: choice < 80, ..refusal(&tool.id, "ok") };
                self.memory.finish(&message, result);
            }
        }
    }
}

fn is_for_the_model(body: &EventBody) -> bool {
    use EventBody::{HandedBack, ToolResult, UserMessage};
    matches!(body, UserMessage { .. } | HandedBack { .. } | ToolResult(_))
}

/// What the provider demands of a conversation.
fn assert_every_use_is_answered_next(messages: &[Value]) {
    for (at, message) in messages.iter().enumerate().filter(|(_, message)| message["role"] == "assistant") {
        let asked: Vec<&str> = message["content"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| block["id"].as_str().unwrap())
            .collect();
        let answered: Vec<&str> = messages
            .get(at + 1)
            .map(|next| next["content"].as_array().unwrap().as_slice())
            .unwrap_or_default()
            .iter()
            .filter(|block| block["type"] == "tool_result")
            .map(|block| block["tool_use_id"].as_str().unwrap())
            .collect();
        assert_eq!(asked, answered);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_happens_every_use_is_answered_once_and_nothing_runs_twice(
        approvals in proptest::sample::select(ApprovalPolicy::ALL),
        choices in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut world = World::new(approvals, choices);
        let mut steps = 0;

        while !(world.step() && world.choices.len() == 0) {
            steps += 1;
            prop_assert!(steps < 5_000, "it does not come to rest");
        }

        prop_assert_eq!(world.record.spent().usage.tokens(), world.used, "what is used counts, and counts once");
        prop_assert!(!world.record.state().has_work(), "{:?}", world.record.state());
        let mut results: HashMap<&str, usize> = HashMap::new();
        for event in &world.control.events {
            if let EventBody::ToolResult(result) = &event.body {
                *results.entry(result.tool_use_id.as_str()).or_default() += 1;
            }
        }
        prop_assert!(results.values().all(|count| *count == 1), "{results:?}");
        assert_every_use_is_answered_next(&history::messages(&Model::named("m"), &world.control.events, &HashMap::new()));
    }
}
