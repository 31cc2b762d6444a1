//! One session's loop: asks [`step`](super::step) what is next, and does it.

use std::time::Duration;

use protocol::{
    MessageId, SessionId,
    chat::ChatDown,
    error::{Code, Problem},
    event::{AssistantMessage, Event, EventBody, Usage},
    journal::Append,
    session::SessionState,
    vm::WorkSession,
};
use tokio_util::sync::CancellationToken;

use super::{
    Agent, console,
    hands::Hands,
    journal::Journal,
    record::{Record, ToolUse},
    step::{self, Answer, Memory, Next},
};
use crate::{
    gate::{
        edge::EdgeError,
        patience::{Backoff, Told},
    },
    link::Call,
};

/// How the loop ended.
#[derive(Debug, PartialEq)]
pub enum Ended {
    /// Nothing left to do; did it add anything to the record?
    AtRest { moved: bool },
    /// control refuses what the agent wants to store.
    Refused,
    /// This VM no longer serves the desktop.
    Stale,
}

pub struct Runner<'a> {
    agent: &'a Agent,
    session: SessionId,
    model: Option<String>,
    stop: CancellationToken,
    record: Record,
    memory: Memory,
    moved: bool,
}

impl<'a> Runner<'a> {
    pub fn new(agent: &'a Agent, work: WorkSession, stop: CancellationToken) -> Self {
        Self {
            agent,
            session: work.session_id,
            model: work.model,
            stop,
            record: Record::default(),
            memory: Memory::default(),
            moved: false,
        }
    }

    /// Goes on until there is nothing to do.
    pub async fn run(mut self) -> Ended {
        match self.go_on().await {
            Ok(()) => Ended::AtRest { moved: self.moved },
            Err(error) if error.is(Code::StaleGeneration) => Ended::Stale,
            Err(error) => {
                tracing::error!(%error, session = %self.session, "the agent cannot go on with this session");
                if let EdgeError::Problem(problem) = error {
                    self.tell(ChatDown::Problem { client_id: None, problem });
                }
                Ended::Refused
            }
        }
    }

    async fn go_on(&mut self) -> Result<(), EdgeError> {
        self.read_on().await?;
        loop {
            self.memory.stop |= self.stop.is_cancelled();
            match step::next(&self.record, &self.memory) {
                Next::Rest => return Ok(()),
                Next::Store { client_id, body } => self.store(client_id, body).await?,
                Next::Ask => {
                    // A person may have spoken since; better to know before the model is asked.
                    let before = self.record.last_seq();
                    self.read_on().await?;
                    if self.record.last_seq() == before {
                        self.ask().await?;
                    }
                }
                Next::Discard => self.discard(),
                Next::Run { message, tool } => self.use_tool(message, tool).await,
            }
        }
    }

    async fn ask(&mut self) -> Result<(), EdgeError> {
        let after = self.record.last_seq();
        let message_id = MessageId::generate();
        let outcome = match self.model.clone() {
            None => Ok(self.console(message_id)),
            Some(model) => {
                let stop = self.stop.clone();
                let asked = self.agent.0.model.ask(self.agent, &self.session, &self.record, &model, &message_id);
                match stop.run_until_cancelled(asked).await {
                    Some(Ok(outcome)) => outcome,
                    Some(Err(error)) => return Err(error),
                    // Stopped in mid-sentence: what was written is dropped.
                    None => {
                        self.tell(ChatDown::Discarded { message_id });
                        return Ok(());
                    }
                }
            }
        };
        self.memory.answer = Some(Answer { after, outcome });
        Ok(())
    }

    fn console(&self, message_id: MessageId) -> AssistantMessage {
        let said = console::answer(&message_id, &self.record.unheard(), &self.record.results());
        AssistantMessage {
            message_id,
            content: said.content,
            stop_reason: said.stop_reason.to_owned(),
            model: console::NAME.to_owned(),
            usage: Usage::default(),
        }
    }

    fn discard(&mut self) {
        if let Some(Answer { outcome: Ok(message), .. }) = self.memory.answer.take() {
            self.tell(ChatDown::Discarded { message_id: message.message_id });
        }
    }

    async fn use_tool(&mut self, message: MessageId, tool: ToolUse) {
        self.memory.begin(&message, &tool);
        self.tell(ChatDown::ToolStarted { tool_use_id: tool.id.clone() });
        let hands = Hands { agent: self.agent, session: &self.session, picture: self.record.picture() };
        let stop = self.stop.clone();
        match stop.run_until_cancelled(hands.run(&tool)).await {
            Some(result) => self.memory.finish(&message, result),
            // Dropping the call cancelled it; a chord or a drag may be half done.
            None => {
                if let Err(error) = self.agent.0.desk.call(&Call::ReleaseAll, Duration::from_secs(10)).await {
                    tracing::warn!(%error, "release keys and buttons after a stop");
                }
            }
        }
    }

    /// Adds to the record, waiting for control as long as it takes. When the record has moved on, it is read and the
    /// caller decides again.
    async fn store(&mut self, client_id: String, body: EventBody) -> Result<(), EdgeError> {
        let append = Append {
            generation: self.agent.0.journal.generation,
            expected_seq: self.record.last_seq() + 1,
            client_id,
            body,
        };
        let mut waiting = Waiting::new(self.agent, &self.session);
        loop {
            match self.agent.0.journal.append(&self.session, &append).await {
                Ok(stored) => {
                    self.memory.stored(&append.body);
                    self.moved = true;
                    let event = Event { seq: stored.seq, at: stored.at, body: append.body };
                    if self.record.push(event.clone()) {
                        self.agent.0.live.event(&self.session, event);
                        return Ok(());
                    }
                    // A repeat of what was stored earlier: it stands further back.
                    return self.read_on().await;
                }
                Err(error) if error.is(Code::SequenceConflict) => return self.read_on().await,
                Err(error) => waiting.after(error).await?,
            }
        }
    }

    async fn read_on(&mut self) -> Result<(), EdgeError> {
        let mut waiting = Waiting::new(self.agent, &self.session);
        let before = self.record.last_seq();
        loop {
            match read_on(&self.agent.0.journal, &self.session, &mut self.record).await {
                Ok(model) => {
                    self.model = model;
                    break;
                }
                Err(error) => waiting.after(error).await?,
            }
        }
        if self.record.last_seq() > before {
            self.agent.0.live.look(&self.session);
        }
        Ok(())
    }

    fn tell(&self, frame: ChatDown) {
        self.agent.0.live.frame(&self.session, frame);
    }
}

/// Reads what the record has more than `record`; answers the model that control names.
pub async fn read_on(journal: &Journal, session: &SessionId, record: &mut Record) -> Result<Option<String>, EdgeError> {
    loop {
        let page = journal.events(session, record.last_seq()).await?;
        let before = record.last_seq();
        for event in page.events {
            record.push(event);
        }
        if record.last_seq() >= page.last_seq {
            return Ok(page.model);
        }
        if record.last_seq() == before {
            return Err(EdgeError::Unreachable("the record has a gap".to_owned()));
        }
    }
}

/// Waiting for control: with a word in the log and in the chat, once.
pub struct Waiting<'a> {
    agent: &'a Agent,
    session: &'a SessionId,
    backoff: Backoff,
    told: Told,
    chatted: bool,
}

impl<'a> Waiting<'a> {
    pub fn new(agent: &'a Agent, session: &'a SessionId) -> Self {
        Self { agent, session, backoff: Backoff::of_edge(), told: Told::default(), chatted: false }
    }

    /// Waits when waiting may help, else gives the error back.
    pub async fn after(&mut self, error: EdgeError) -> Result<(), EdgeError> {
        if !error.may_pass() {
            return Err(error);
        }
        self.told.failed("reach control", &error);
        if !std::mem::replace(&mut self.chatted, true) {
            let detail = format!(
                "{}: CloudBot's record does not answer. The agent waits and goes on by itself.",
                SessionState::WaitingControl.as_str()
            );
            let problem = Problem::new(Code::Unavailable, detail);
            self.agent.0.live.frame(self.session, ChatDown::Problem { client_id: None, problem });
        }
        tokio::time::sleep(self.backoff.wait()).await;
        Ok(())
    }
}
