//! One session's loop: asks [`step`](super::step) what is next, and does it.

mod asking;

use std::{
    collections::{HashMap, VecDeque},
    pin::pin,
    time::{Duration, Instant},
};

use protocol::{
    MessageId, SessionId,
    chat::ChatDown,
    error::{Code, Problem},
    event::{Event, EventBody},
    journal::{Append, Events},
    model::Model,
    session::SessionState,
    vm::WorkSession,
};
use tokio::sync::broadcast;

use super::{
    Agent, Current,
    ask::Watched,
    budget,
    hands::Hands,
    journal::Journal,
    record::{Record, ToolUse},
    step::{self, Judged, Memory, Next, refusal},
    waiting::Waiting,
    words,
};
use crate::{
    gate::{clock, edge::EdgeError},
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
    model: Option<Model>,
    current: Current,
    record: Record,
    memory: Memory,
    /// Calls of the model that gave no message, since one did.
    attempts: u32,
    /// When the last event was read or stored.
    last_event: Instant,
    /// What must not change until an approved action runs, and when its time is up; by the approval.
    asked: HashMap<i64, (Watched, Instant)>,
    /// The same for a question that is not stored yet.
    to_watch: Option<Watched>,
    /// Servers of the user that ended meanwhile, and what the chat is still to be told.
    falls: broadcast::Receiver<String>,
    to_tell: VecDeque<String>,
    moved: bool,
}

/// Why something that runs is given up.
enum Cut {
    Stopped,
    Taken,
    TimeIsUp,
}

impl<'a> Runner<'a> {
    pub fn new(agent: &'a Agent, work: WorkSession, current: Current) -> Self {
        let mut memory = Memory::default();
        memory.settings = work.settings;
        Self {
            agent,
            session: work.session_id,
            model: work.model,
            current,
            record: Record::default(),
            memory,
            attempts: 0,
            last_event: Instant::now(),
            asked: HashMap::new(),
            to_watch: None,
            falls: agent.servers().falls(),
            to_tell: VecDeque::new(),
            moved: false,
        }
    }

    /// Goes on until there is nothing to do.
    pub async fn run(mut self) -> Ended {
        match self.go_on_unless_stopped().await {
            Ok(()) => Ended::AtRest { moved: self.moved },
            Err(error) if error.is(Code::StaleGeneration) => Ended::Stale,
            Err(error) => {
                tracing::error!(%error, session = %self.session, "the agent cannot go on with this session");
                if let EdgeError::Problem(problem) = error {
                    self.give_up(&problem).await;
                    self.tell(ChatDown::Problem { client_id: None, problem });
                }
                Ended::Refused
            }
        }
    }

    /// A stop counts on the desktop at once, whatever the loop waits for; it may be control.
    async fn go_on_unless_stopped(&mut self) -> Result<(), EdgeError> {
        let (agent, session, stop) = (self.agent, self.session.clone(), self.current.stop.clone());
        let mut silence = pin!(async {
            stop.cancelled().await;
            stop_desk(agent, &session).await;
        });
        let mut is_silent = false;
        let mut work = pin!(self.go_on());
        let ended = loop {
            tokio::select! {
                biased;
                () = &mut silence, if !is_silent => is_silent = true,
                ended = &mut work => break ended,
            }
        };
        if stop.is_cancelled() && !is_silent {
            silence.await;
        }
        ended
    }

    async fn go_on(&mut self) -> Result<(), EdgeError> {
        self.read_on().await?;
        loop {
            self.agent.lease().settle_request(clock::now());
            if self.current.stop.is_cancelled() && !self.memory.stop {
                // What is stored from here on is stored once the desktop is silent.
                stop_desk(self.agent, &self.session).await;
            }
            self.notice_the_world();
            self.tell_of_falls().await?;
            match step::next(&self.record, &self.memory) {
                Next::Rest => return Ok(()),
                Next::Store { client_id, body } => self.store(client_id, body).await?,
                Next::Ask => {
                    // A person may have spoken since, or chosen anew; better to know before the model is asked.
                    let known = (self.record.last_seq(), self.model.clone(), self.memory.settings.clone());
                    self.read_on().await?;
                    let is_known =
                        (self.record.last_seq(), &self.model, &self.memory.settings) == (known.0, &known.1, &known.2);
                    if is_known && !self.agent.lease().is_taken() {
                        self.ask().await?;
                    }
                }
                Next::Discard => self.discard(),
                Next::Question { message, tool, risk } => {
                    let timeout_s = self.memory.settings.approval_timeout_s;
                    match self.unless_cut(self.hands(false).question(&tool, risk, timeout_s)).await {
                        Ok(Ok((question, watched))) => {
                            self.memory.question = Some(question);
                            self.to_watch = Some(watched);
                        }
                        Ok(Err(text)) => self.memory.finish(&message, refusal(&tool.id, &text)),
                        // What comes next is decided anew.
                        Err(_) => {}
                    }
                }
                Next::AwaitVerdict { approval } => self.await_verdict(approval).await?,
                Next::Compare { approval } => self.compare(approval).await,
                Next::AwaitHandBack => {
                    self.wait(None).await;
                    self.read_on().await?;
                }
                Next::Run { message, tool } => self.use_tool(message, tool).await,
            }
        }
    }

    /// What the step is to know of that is not in the record.
    fn notice_the_world(&mut self) {
        self.memory.stop |= self.current.stop.is_cancelled();
        self.memory.person_drives = self.agent.lease().is_taken();
        self.memory.time_is_up = self.time_left() == Some(Duration::ZERO);
        self.memory.prices = self.model.as_ref().and_then(|model| model.prices);
        if !self.record.is_counted() {
            let prompt = self.memory.settings.system_prompt.as_deref();
            self.memory.preamble = budget::preamble(prompt, &self.agent.mcp_tools());
        }
        for approval in self.current.denied() {
            self.memory.judged.insert(approval, Judged::Denied);
        }
    }

    /// Tells people, once, of each server that ended by itself while the agent works.
    async fn tell_of_falls(&mut self) -> Result<(), EdgeError> {
        while let Ok(text) = self.falls.try_recv() {
            self.to_tell.push_back(text);
        }
        while let Some(text) = self.to_tell.front().cloned().filter(|_| self.record.state() == SessionState::Running) {
            let body = EventBody::Notice { text };
            self.store(format!("m:{}", self.record.last_seq() + 1), body.clone()).await?;
            // The record may have moved on instead.
            if self.record.events().last().is_some_and(|event| event.body == body) {
                self.to_tell.pop_front();
            }
        }
        Ok(())
    }

    /// `None` without a budget of time.
    fn time_left(&self) -> Option<Duration> {
        let budget = Duration::from_secs(self.memory.settings.budgets.seconds?);
        Some(budget.saturating_sub(self.record.worked(self.last_event.elapsed())))
    }

    async fn use_tool(&mut self, message: MessageId, tool: ToolUse) {
        self.memory.begin(&message, &tool);
        self.tell(ChatDown::ToolStarted { tool_use_id: tool.id.clone() });
        let cut = match self.unless_cut(self.hands(tool.shows_the_screen()).run(&tool)).await {
            Ok(result) => return self.memory.finish(&message, result),
            Err(cut) => cut,
        };
        // Dropping the call cancelled it; a chord or a drag may be half done. Whoever takes control has it lifted.
        match cut {
            Cut::Taken => self.memory.finish(&message, refusal(&tool.id, words::TAKEN_MEANWHILE)),
            // The desk is told as soon as the stop is noticed.
            Cut::Stopped => {}
            Cut::TimeIsUp => {
                self.memory.finish(&message, refusal(&tool.id, words::CUT_BY_TIME));
                stop_desk(self.agent, &self.session).await;
            }
        }
    }

    /// Runs `work` unless a person stops the agent or takes control, or its time is up: then it goes no step further,
    /// and nothing that it would have seen after that moment is kept.
    async fn unless_cut<T>(&self, work: impl Future<Output = T>) -> Result<T, Cut> {
        tokio::select! {
            biased;
            () = self.agent.lease().taken() => Err(Cut::Taken),
            () = self.current.stop.cancelled() => Err(Cut::Stopped),
            () = sleep_until_over(self.time_left()) => Err(Cut::TimeIsUp),
            done = work => Ok(done),
        }
    }

    fn hands(&self, shows: bool) -> Hands<'_> {
        Hands { agent: self.agent, session: &self.session, picture: self.record.picture(), shows }
    }

    async fn await_verdict(&mut self, approval: i64) -> Result<(), EdgeError> {
        let timeout = Duration::from_secs(self.memory.settings.approval_timeout_s.into());
        let until = match self.asked.get(&approval) {
            Some((_, until)) => *until,
            None => {
                let until = Instant::now() + timeout;
                self.asked.insert(approval, (self.to_watch.take().unwrap_or_default(), until));
                until
            }
        };
        if Instant::now() >= until {
            self.memory.judged.insert(approval, Judged::Expired);
            return Ok(());
        }
        if self.wait(Some(until)).await { self.read_on().await } else { Ok(()) }
    }

    async fn compare(&mut self, approval: i64) {
        let judged = match self.asked.get(&approval) {
            Some((_, until)) if Instant::now() >= *until => Ok(Judged::Expired),
            Some((watched, _)) => self
                .unless_cut(self.hands(false).is_unchanged(watched))
                .await
                .map(|is_unchanged| if is_unchanged { Judged::Unchanged } else { Judged::Lapsed }),
            None => Ok(Judged::Lapsed),
        };
        if let Ok(judged) = judged {
            self.memory.judged.insert(approval, judged);
        }
    }

    /// Until something happened that the record or the world may tell of; `false` when it was the time alone.
    async fn wait(&self, until: Option<Instant>) -> bool {
        let mut standing = self.agent.lease().watch();
        let now = standing.borrow_and_update().clone();
        let is_news = now.lease.holder.is_some() != self.memory.person_drives || now.requested_by.is_some();
        if is_news || self.current.has_denied(&self.memory) {
            return true;
        }
        let late = async {
            match until {
                Some(until) => tokio::time::sleep_until(until.into()).await,
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            if self.memory.stop {
                return std::future::pending().await;
            }
            self.current.stop.cancelled().await
        };
        tokio::select! {
            () = stopped => true,
            _ = standing.changed() => true,
            () = self.agent.0.wake.notified() => true,
            () = late => false,
        }
    }

    /// Adds to the record, waiting for control as long as it takes. When the record has moved on, it is read and the
    /// caller decides again.
    async fn store(&mut self, client_id: String, body: EventBody) -> Result<(), EdgeError> {
        let append = Append {
            generation: self.agent.journal().generation,
            expected_seq: self.record.last_seq() + 1,
            client_id,
            body,
        };
        let mut waiting = Waiting::new(self.agent, &self.session);
        loop {
            match self.agent.journal().append(&self.session, &append).await {
                Ok(stored) => {
                    self.memory.stored(&append.body);
                    self.moved = true;
                    let event = Event { seq: stored.seq, at: stored.at, body: append.body };
                    if self.record.push(event.clone()) {
                        self.last_event = Instant::now();
                        self.agent.live().event(&self.session, event);
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

    /// control will not take what comes next, ever: the session ends with a word, or the same would be tried for ever.
    async fn give_up(&mut self, problem: &Problem) {
        let expected_seq = self.record.last_seq() + 1;
        let append = Append {
            generation: self.agent.journal().generation,
            expected_seq,
            client_id: format!("g:{expected_seq}"),
            body: EventBody::StateChanged {
                state: SessionState::Failed,
                reason: Some(format!("the record refused what the agent did: {}", problem.detail)),
            },
        };
        if let Err(error) = self.agent.journal().append(&self.session, &append).await {
            tracing::warn!(%error, session = %self.session, "say that the session cannot go on");
        }
        self.agent.live().look(&self.session);
    }

    async fn read_on(&mut self) -> Result<(), EdgeError> {
        let mut waiting = Waiting::new(self.agent, &self.session);
        let before = self.record.last_seq();
        loop {
            match read_on(self.agent.journal(), &self.session, &mut self.record).await {
                Ok(page) => {
                    self.model = page.model;
                    self.memory.settings = page.settings;
                    break;
                }
                Err(error) => waiting.after(error).await?,
            }
        }
        if self.record.last_seq() > before {
            self.last_event = Instant::now();
            self.agent.live().look(&self.session);
        }
        Ok(())
    }

    fn tell(&self, frame: ChatDown) {
        self.agent.live().frame(&self.session, frame);
    }
}

/// Nothing of this session reaches the desktop any more: what holds keys lets go, what its shell started ends.
async fn stop_desk(agent: &Agent, session: &SessionId) {
    let stop = Call::Stop { session: Some(session.clone()) };
    if let Err(error) = agent.desk().call(&stop, Duration::from_secs(10)).await {
        tracing::warn!(%error, "stop what the agent does on the desktop");
    }
}

async fn sleep_until_over(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// Reads what the record has more than `record`; answers the last page, which says how the session is to work.
pub async fn read_on(journal: &Journal, session: &SessionId, record: &mut Record) -> Result<Events, EdgeError> {
    loop {
        let mut page = journal.events(session, record.last_seq()).await?;
        let before = record.last_seq();
        for event in std::mem::take(&mut page.events) {
            record.push(event);
        }
        if record.last_seq() >= page.last_seq {
            return Ok(page);
        }
        if record.last_seq() == before {
            return Err(EdgeError::Unreachable("the record has a gap".to_owned()));
        }
    }
}
