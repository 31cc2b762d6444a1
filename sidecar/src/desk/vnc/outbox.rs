//! Bytes on their way to a viewer.

use bytes::BytesMut;

/// While so many bytes of answers wait, a viewer is not listened to: it asks faster than it reads.
const MAX_WAITING: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Outbox {
    writing: BytesMut,
    waiting: BytesMut,
}

impl Outbox {
    /// Where small answers are written; they go out after what is being written now.
    pub(super) fn answers(&mut self) -> &mut BytesMut {
        &mut self.waiting
    }

    /// Puts an update behind everything else.
    pub(super) fn put(&mut self, update: BytesMut) {
        if self.waiting.is_empty() { self.waiting = update } else { self.waiting.extend_from_slice(&update) }
    }

    /// What is to be written next, to be shortened by what was written.
    pub(super) fn writing(&mut self) -> &mut BytesMut {
        if self.writing.is_empty() {
            std::mem::swap(&mut self.writing, &mut self.waiting);
        }
        &mut self.writing
    }

    /// Has everything been written?
    pub(super) fn is_empty(&self) -> bool {
        self.writing.is_empty() && self.waiting.is_empty()
    }

    /// Is there room for answers to another message?
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MAX_WAITING
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    #[test]
    fn answers_never_come_between_the_bytes_of_an_update() {
        let mut outbox = Outbox::default();
        outbox.put(BytesMut::from(&b"update"[..]));
        outbox.writing().advance(3);
        outbox.answers().extend_from_slice(b"answer");

        assert_eq!(&outbox.writing()[..], b"ate");
        outbox.writing().advance(3);
        assert_eq!(&outbox.writing()[..], b"answer");
    }

    #[test]
    fn a_viewer_that_asks_without_reading_runs_out_of_room() {
        let mut outbox = Outbox::default();

        outbox.answers().resize(MAX_WAITING, 0);

        assert!(!outbox.has_room());
    }
}
