//! What happens right now, for whoever watches a session's chat.
//!
//! A room remembers the message that is being written, so that who comes late sees its beginning.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use protocol::{
    MessageId, SessionId,
    chat::{ChatDown, DeltaKind},
    event::Event,
};
use tokio::sync::broadcast;

/// A watcher who is this far behind is let go; it comes back and resumes from the record.
const BEHIND: usize = 1024;

#[derive(Debug, Clone)]
pub enum Item {
    /// Stored by this sidecar just now.
    Event(Event),
    /// The record has moved on: read it.
    Look,
    /// Not part of the record.
    Frame(ChatDown),
}

/// All rooms.
#[derive(Default)]
pub struct Live(Mutex<HashMap<SessionId, Room>>);

struct Room {
    sender: broadcast::Sender<Arc<Item>>,
    /// Deltas of the message that is being written, one a block; and the tool that runs.
    begun: Vec<ChatDown>,
}

impl Live {
    /// From now on everything; and what has been written of the present message until now.
    pub fn join(&self, session: &SessionId) -> (Vec<ChatDown>, broadcast::Receiver<Arc<Item>>) {
        let mut rooms = self.rooms();
        let room = rooms.entry(session.clone()).or_insert_with(Room::new);
        (room.begun.clone(), room.sender.subscribe())
    }

    /// An event was stored: what had begun is done.
    pub fn event(&self, session: &SessionId, event: Event) {
        self.tell(session, |room| {
            room.begun.clear();
            Item::Event(event)
        });
    }

    pub fn look(&self, session: &SessionId) {
        self.tell(session, |_| Item::Look);
    }

    pub fn look_everywhere(&self) {
        for room in self.rooms().values() {
            let _ = room.sender.send(Arc::new(Item::Look));
        }
    }

    pub fn frame(&self, session: &SessionId, frame: ChatDown) {
        self.tell(session, |room| {
            room.remember(&frame);
            Item::Frame(frame)
        });
    }

    fn tell(&self, session: &SessionId, item: impl FnOnce(&mut Room) -> Item) {
        let mut rooms = self.rooms();
        let room = rooms.entry(session.clone()).or_insert_with(Room::new);
        let item = item(room);
        let nobody = room.sender.send(Arc::new(item)).is_err();
        if nobody && room.begun.is_empty() {
            rooms.remove(session);
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<SessionId, Room>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Room {
    fn new() -> Self {
        Self { sender: broadcast::channel(BEHIND).0, begun: Vec::new() }
    }

    fn remember(&mut self, frame: &ChatDown) {
        match frame {
            ChatDown::Delta { message_id, block, kind, text, .. } => {
                match self.begun.iter_mut().find(|begun| is_of(begun, message_id, *block, *kind)) {
                    Some(ChatDown::Delta { text: before, .. }) => before.push_str(text),
                    _ => self.begun.push(frame.clone()),
                }
            }
            ChatDown::Discarded { .. } => self.begun.clear(),
            ChatDown::ToolStarted { .. } => self.begun.push(frame.clone()),
            _ => {}
        }
    }
}

fn is_of(frame: &ChatDown, message: &MessageId, at: u32, of: DeltaKind) -> bool {
    matches!(frame, ChatDown::Delta { message_id, block, kind, .. } if message_id == message && *block == at && *kind == of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(message_id: &MessageId, offset: u64, text: &str) -> ChatDown {
        ChatDown::Delta {
            message_id: message_id.clone(),
            block: 0,
            offset,
            kind: DeltaKind::Text,
            text: text.to_owned(),
        }
    }

    #[test]
    fn who_comes_late_sees_the_beginning_of_the_message() {
        let (live, session, message) = (Live::default(), SessionId::generate(), MessageId::generate());
        live.frame(&session, delta(&message, 0, "Hé"));
        live.frame(&session, delta(&message, 2, "llo"));

        let (begun, _) = live.join(&session);

        assert_eq!(begun, [delta(&message, 0, "Héllo")]);
    }

    #[test]
    fn a_discarded_message_is_forgotten() {
        let (live, session, message) = (Live::default(), SessionId::generate(), MessageId::generate());
        live.frame(&session, delta(&message, 0, "Hello"));
        live.frame(&session, ChatDown::Discarded { message_id: message });

        assert!(live.join(&session).0.is_empty());
    }

    #[test]
    fn a_room_that_nobody_is_in_is_not_kept() {
        let (live, session) = (Live::default(), SessionId::generate());

        live.look(&session);

        assert!(live.rooms().is_empty());
    }
}
