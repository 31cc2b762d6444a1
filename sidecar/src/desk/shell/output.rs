//! What a command printed, without ANSI sequences and bounded from the front.

use std::collections::VecDeque;

/// The tail that is kept, in bytes.
pub(super) const KEPT: usize = 100 << 10;

/// The last [`KEPT`] bytes of all that was pushed.
#[derive(Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    cut: u64,
    state: State,
}

/// Where in an escape sequence the stream is.
#[derive(Default, Clone, Copy)]
enum State {
    #[default]
    Plain,
    Escape,
    /// `ESC [` up to a final byte.
    Control,
    /// `ESC ]` and its like, up to BEL or `ESC \`.
    Text,
    TextEscape,
    /// `ESC (` and its like: one byte follows.
    One,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if let Some(byte) = self.strip(*byte) {
                self.bytes.push_back(byte);
            }
        }
        let over = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..over);
        self.cut += over as u64;
    }

    /// The text that is kept and how many bytes before it are not; the tail is empty afterwards.
    pub(super) fn take(&mut self) -> (String, u64) {
        let (bytes, mut cut) = (Vec::from(std::mem::take(&mut self.bytes)), std::mem::take(&mut self.cut));
        self.state = State::Plain;
        // A character that was cut in two is left out rather than shown as a broken one.
        let broken = if cut > 0 { bytes.iter().take(3).take_while(|b| **b & 0xc0 == 0x80).count() } else { 0 };
        cut += broken as u64;
        (String::from_utf8_lossy(&bytes[broken..]).into_owned(), cut)
    }

    fn strip(&mut self, byte: u8) -> Option<u8> {
        let (next, shown) = match (self.state, byte) {
            (State::Plain, 0x1b) => (State::Escape, None),
            (State::Plain, _) => (State::Plain, Some(byte)),
            (State::Escape, b'[') => (State::Control, None),
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => (State::Text, None),
            (State::Escape, b' '..=b'/') => (State::One, None),
            (State::Escape | State::One, 0x1b) => (State::Escape, None),
            (State::Escape | State::One, _) => (State::Plain, None),
            (State::Control, 0x40..=0x7e) => (State::Plain, None),
            (State::Control, b' '..=b'?') => (State::Control, None),
            (State::Control, 0x1b) => (State::Escape, None),
            // No sequence holds such a byte: it is the text again.
            (State::Control, _) => (State::Plain, Some(byte)),
            (State::Text, 0x07) => (State::Plain, None),
            (State::Text, 0x1b) => (State::TextEscape, None),
            // A line's end ends a title that was never closed, so that it does not swallow the rest.
            (State::Text, b'\n') => (State::Plain, Some(byte)),
            (State::Text, _) => (State::Text, None),
            (State::TextEscape, b'\\') => (State::Plain, None),
            (State::TextEscape, 0x1b) => (State::TextEscape, None),
            (State::TextEscape, _) => (State::Text, None),
        };
        self.state = next;
        shown
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let mut tail = Tail::default();
        tail.push(bytes);
        tail.take().0
    }

    #[test]
    fn colours_titles_and_character_sets_are_not_text() {
        assert_eq!(
            shown(b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain \x1b]8;;http://x\x1b\\link\x1b(B."),
            "red plain link."
        );
        assert_eq!(shown("h\x1b[Kéllo 你好\n".as_bytes()), "héllo 你好\n");
        assert_eq!(shown(b"\x1b]0;never closed\nnext"), "\nnext");
    }

    #[test]
    fn the_tail_is_kept_and_what_was_cut_is_counted() {
        let mut tail = Tail::default();
        for i in 0..60_000 {
            tail.push(format!("{i:05}\n").as_bytes());
        }

        let (text, cut) = tail.take();

        assert!(text.ends_with("59999\n"));
        assert_eq!(cut + text.len() as u64, 360_000);
        assert_eq!(text.len(), KEPT);
    }

    #[test]
    fn a_character_cut_in_two_is_left_out() {
        let mut tail = Tail::default();
        tail.push("é".repeat(KEPT / 2).as_bytes());
        tail.push(b"x");

        let (text, cut) = tail.take();

        assert_eq!(cut, 2);
        assert!(text.chars().all(|c| c == 'é' || c == 'x'));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_it_matters_not_how_they_are_split(bytes: Vec<u8>, at: usize) {
            let at = at % (bytes.len() + 1);
            let mut tail = Tail::default();
            tail.push(&bytes[..at]);
            tail.push(&bytes[at..]);

            prop_assert_eq!(tail.take().0, shown(&bytes));
        }
    }
}
