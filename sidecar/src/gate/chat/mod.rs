//! The chat socket: a session's record as it grows, what streams in between, and what people type.

mod listen;

use std::{collections::VecDeque, str::FromStr, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        Query, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    future::{BoxFuture, OptionFuture, ready},
    stream::{FuturesUnordered, SplitSink, SplitStream},
};
use protocol::{
    MessageId, SessionId, UserId,
    approval::Verdict,
    capability::Capability,
    chat::{ChatDown, ChatUp},
    error::{Code, Problem},
    event::{Event, EventBody},
    journal::Events,
};
use serde::Deserialize;
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::Instant,
};

use self::listen::Heard;
use super::{
    agent::{Agent, live::Item},
    edge::EdgeError,
    http::{App, problem::Refused},
    patience::Backoff,
};

/// 100,000 characters, escaped.
const MAX_MESSAGE: usize = 1 << 20;
/// Sends of one browser that wait for control.
const IN_FLIGHT: usize = 16;
/// So long an upgrade waits for control to know the session.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
const PING_EVERY: Duration = Duration::from_secs(20);
/// A browser that does not take a frame for so long is let go.
const TAKE_WITHIN: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
pub struct Asked {
    session: String,
    #[serde(default)]
    after: Option<String>,
}

/// `WS chat?session=ID&after=SEQ`.
pub async fn talk(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let Query(Asked { session, after }) =
        asked.map_err(|_| Refused::new(Code::InvalidValue, "name the session: `?session=ID&after=SEQ`"))?;
    let session = SessionId::from_str(&session)
        .map_err(|_| Refused::new(Code::NotFound, "there is no such session on this desktop"))?;
    let after = after.as_deref().map_or(Ok(0), i64::from_str).ok().filter(|after| *after >= 0);
    let after = after.ok_or_else(|| Refused::new(Code::InvalidValue, "`after` is the number of an event, or 0"))?;
    // A session that is not this desktop's is refused before the upgrade; control away is not.
    let first = tokio::time::timeout(KNOWN_WITHIN, app.agent.journal().events(&session, after));
    if let Ok(Err(error)) = first.await
        && !error.may_pass()
        && let EdgeError::Problem(problem) = error
    {
        return Err(Refused(problem));
    }
    let upgrade = upgrade.map_err(|error| {
        Refused::new(Code::MalformedRequest, format!("open this as a WebSocket: {}", error.body_text()))
    })?;
    let upgrade = upgrade.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    let tasks = app.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(async move {
            let (sink, stream) = socket.split();
            let (agent, user, feed) = (app.agent.clone(), capability.sub, Feed::after(after));
            let mut chat = Chat { agent, session, user, feed, sink, patience: None };
            let (code, reason) = tokio::select! {
                () = app.stop.cancelled() => (close_code::AWAY, "the desktop is going away"),
                end = chat.run(stream) => end,
            };
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            let _ = tokio::time::timeout(Duration::from_secs(2), chat.sink.send(close)).await;
        })
    }))
}

type End = (u16, &'static str);
const GONE: End = (close_code::NORMAL, "");
const SLOW: End = (close_code::AGAIN, "too slow: connect again after the last event you have");

struct Chat {
    agent: Agent,
    session: SessionId,
    user: UserId,
    feed: Feed,
    sink: SplitSink<WebSocket, Message>,
    /// Set while control does not answer.
    patience: Option<Backoff>,
}

impl Chat {
    async fn run(&mut self, stream: SplitStream<WebSocket>) -> End {
        let (to_chat, heard) = mpsc::channel(4 * IN_FLIGHT);
        let listening = listen::listen(stream, self.agent.clone(), self.session.clone(), to_chat);
        tokio::select! {
            end = listening => end,
            Err(end) = self.converse(heard) => end,
        }
    }

    async fn converse(&mut self, mut heard: mpsc::Receiver<Heard>) -> Result<(), End> {
        let (begun, mut live) = self.agent.live().join(&self.session);
        let mut standing = self.agent.lease().watch();
        let mut begun = Some(begun);
        let mut sends = FuturesUnordered::new();
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut reading = Some(self.read(Duration::ZERO));
        loop {
            tokio::select! {
                page = OptionFuture::from(reading.as_mut()), if reading.is_some() => {
                    let Some(page) = page else { continue };
                    reading = self.take_page(page).await?.map(|wait| self.read(wait));
                    if reading.is_none() && self.feed.greeted && let Some(begun) = begun.take() {
                        standing.mark_changed();
                        for frame in begun {
                            self.frame(frame).await?;
                        }
                    }
                }
                item = live.recv(), if begun.is_none() && reading.is_none() => match item {
                    Ok(item) => match &*item {
                        Item::Event(event) => match self.feed.place(event) {
                            Place::Next => self.event(event.clone()).await?,
                            Place::Ahead => reading = Some(self.read(Duration::ZERO)),
                            Place::Known => {}
                        },
                        Item::Look => reading = Some(self.read(Duration::ZERO)),
                        Item::Frame(frame) => self.frame(frame.clone()).await?,
                    },
                    Err(RecvError::Lagged(_)) => return Err(SLOW),
                    Err(RecvError::Closed) => return Err((close_code::AWAY, "the desktop is going away")),
                },
                changed = standing.changed(), if begun.is_none() => {
                    changed.map_err(|_| GONE)?;
                    let status = standing.borrow_and_update().status();
                    self.send(&ChatDown::Control { status }).await?;
                }
                Some(heard) = heard.recv() => sends.extend(self.heed(heard, sends.len())),
                Some(answer) = sends.next() => if let Some(answer) = answer {
                    self.send(&answer).await?;
                },
                _ = ping.tick() => self.put(Message::Ping(bytes::Bytes::new())).await?,
            }
        }
    }

    /// What one frame of the browser asks for; the future gives the answer to it, if it has one.
    fn heed(&self, heard: Heard, in_flight: usize) -> Option<BoxFuture<'static, Option<ChatDown>>> {
        let judge = |approval, verdict| {
            let (agent, session, user) = (self.agent.clone(), self.session.clone(), self.user.clone());
            Some(judge(agent, session, user, approval, verdict).boxed())
        };
        match heard {
            Ok(ChatUp::Send { client_id, .. }) if in_flight >= IN_FLIGHT => {
                let detail = "earlier messages still wait: send it again in a moment";
                let problem = Problem::new(Code::TooManyRequests, detail);
                Some(ready(Some(ChatDown::Problem { client_id: Some(client_id), problem })).boxed())
            }
            Ok(ChatUp::Send { client_id, text }) => {
                Some(say(self.agent.clone(), self.session.clone(), self.user.clone(), client_id, text).boxed())
            }
            // Heard and obeyed already.
            Ok(ChatUp::Stop) => None,
            Ok(ChatUp::Approve { approval }) => judge(approval, Verdict::Approved),
            Ok(ChatUp::Deny { approval }) => judge(approval, Verdict::Denied),
            Err(problem) => Some(ready(Some(ChatDown::Problem { client_id: None, problem })).boxed()),
        }
    }

    fn read(&self, wait: Duration) -> BoxFuture<'static, Result<Events, EdgeError>> {
        let (agent, session, last) = (self.agent.clone(), self.session.clone(), self.feed.last);
        async move {
            tokio::time::sleep(wait).await;
            agent.journal().events(&session, last).await
        }
        .boxed()
    }

    /// Sends a page on; answers after what wait to read again, `None` when the browser has everything.
    async fn take_page(&mut self, page: Result<Events, EdgeError>) -> Result<Option<Duration>, End> {
        match page {
            Ok(page) => {
                self.patience = None;
                if !std::mem::replace(&mut self.feed.greeted, true) {
                    let hello = ChatDown::Hello {
                        session_id: self.session.clone(),
                        state: page.state,
                        last_seq: page.last_seq,
                        model: page.model.map(|model| model.name),
                    };
                    self.send(&hello).await?;
                }
                let nothing = page.events.is_empty();
                for event in page.events {
                    if self.feed.place(&event) == Place::Next {
                        self.event(event).await?;
                    }
                }
                Ok((!nothing && self.feed.last < page.last_seq).then_some(Duration::ZERO))
            }
            Err(error) if !error.may_pass() => {
                if let EdgeError::Problem(problem) = error {
                    self.send(&ChatDown::Problem { client_id: None, problem }).await?;
                }
                Err((close_code::POLICY, "the session is not here any more"))
            }
            Err(error) => {
                if self.patience.is_none() {
                    tracing::warn!(%error, session = %self.session, "read the record for a chat");
                    let detail = "CloudBot's record does not answer; this chat goes on by itself when it does.";
                    let problem = Problem::new(Code::Unavailable, detail);
                    self.send(&ChatDown::Problem { client_id: None, problem }).await?;
                }
                Ok(Some(self.patience.get_or_insert_with(Backoff::of_edge).wait()))
            }
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), End> {
        self.feed.passed(&event);
        self.send(&ChatDown::Event { event }).await
    }

    async fn frame(&mut self, frame: ChatDown) -> Result<(), End> {
        if self.feed.is_over(&frame) { Ok(()) } else { self.send(&frame).await }
    }

    async fn send(&mut self, frame: &ChatDown) -> Result<(), End> {
        let text = serde_json::to_string(frame).map_err(|_| (close_code::ERROR, "a frame could not be written"))?;
        self.put(Message::text(text)).await
    }

    async fn put(&mut self, message: Message) -> Result<(), End> {
        match tokio::time::timeout(TAKE_WITHIN, self.sink.send(message)).await {
            Ok(sent) => sent.map_err(|_| GONE),
            Err(_) => Err(SLOW),
        }
    }
}

async fn judge(agent: Agent, session: SessionId, user: UserId, approval: i64, verdict: Verdict) -> Option<ChatDown> {
    let problem = match agent.journal().judge(&session, user, approval, verdict).await {
        Ok(_) => {
            agent.look(&session);
            return None;
        }
        Err(EdgeError::Problem(problem)) if problem.status < 500 => problem,
        Err(error) => {
            tracing::warn!(%error, %session, "store a person's word");
            let detail = match verdict {
                Verdict::Approved => {
                    "CloudBot's record does not answer, so nothing is approved: try again in a moment."
                }
                Verdict::Denied => "The action will not run. CloudBot's record does not answer, and hears of it later.",
            };
            Problem::new(Code::Unavailable, detail)
        }
    };
    Some(ChatDown::Problem { client_id: None, problem })
}

async fn say(agent: Agent, session: SessionId, user: UserId, client_id: String, text: String) -> Option<ChatDown> {
    Some(match agent.journal().say(&session, user, client_id.clone(), text).await {
        Ok(posted) => {
            agent.look(&session);
            ChatDown::Accepted { client_id, seq: posted.seq }
        }
        Err(EdgeError::Problem(problem)) => ChatDown::Problem { client_id: Some(client_id), problem },
        Err(EdgeError::Unreachable(cause)) => {
            tracing::warn!(%cause, %session, "store a message");
            let detail = "CloudBot's record does not answer, so the message is not stored: send it again in a moment.";
            ChatDown::Problem { client_id: Some(client_id), problem: Problem::new(Code::Unavailable, detail) }
        }
    })
}

/// What one browser has seen.
struct Feed {
    last: i64,
    greeted: bool,
    /// Messages whose final form was sent: their late deltas are not.
    over: VecDeque<MessageId>,
}

#[derive(Debug, PartialEq)]
enum Place {
    Next,
    Known,
    Ahead,
}

impl Feed {
    fn after(last: i64) -> Self {
        Self { last, greeted: false, over: VecDeque::new() }
    }

    fn place(&self, event: &Event) -> Place {
        match event.seq {
            seq if seq <= self.last => Place::Known,
            seq if seq == self.last + 1 => Place::Next,
            _ => Place::Ahead,
        }
    }

    fn passed(&mut self, event: &Event) {
        self.last = event.seq;
        if let EventBody::AssistantMessage(message) = &event.body {
            self.over.push_back(message.message_id.clone());
            if self.over.len() > 16 {
                self.over.pop_front();
            }
        }
    }

    fn is_over(&self, frame: &ChatDown) -> bool {
        matches!(frame, ChatDown::Delta { message_id, .. } if self.over.contains(message_id))
    }
}

#[cfg(test)]
mod tests {
    use protocol::session::SessionState;

    use super::*;

    fn event(seq: i64) -> Event {
        Event { seq, at: 0, body: EventBody::StateChanged { state: SessionState::Idle, reason: None } }
    }

    #[test]
    fn each_event_is_sent_once_and_a_gap_is_read_from_the_record() {
        let mut feed = Feed::after(2);
        assert_eq!(feed.place(&event(3)), Place::Next);
        feed.passed(&event(3));

        assert_eq!(feed.place(&event(3)), Place::Known);
        assert_eq!(feed.place(&event(5)), Place::Ahead);
    }
}
