//! What a server wrote to its standard error, and the sidecar's words on its life: the newest lines, followed live.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use protocol::mcp::McpLogLine;
use tokio::sync::broadcast;

use crate::gate::{agent::masks::Masks, clock};

const MAX_LINES: usize = 500;
const MAX_BYTES: usize = 256 << 10;
const MAX_LINE: usize = 4 << 10;
/// Who is this far behind misses lines.
const BEHIND: usize = 1_000;

/// The log of one server; cheap to clone. No line shows a secret.
#[derive(Clone)]
pub(super) struct Logs(Arc<Inner>);

struct Inner {
    masks: Arc<Masks>,
    ring: Mutex<Ring>,
    live: broadcast::Sender<McpLogLine>,
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<McpLogLine>,
    bytes: usize,
    unfinished: Unfinished,
    /// The last thing that the server itself said.
    last: Option<String>,
}

/// A line whose end has not come yet.
#[derive(Default)]
struct Unfinished {
    bytes: Vec<u8>,
    is_cut: bool,
}

/// What is shown as one line.
struct Line {
    text: String,
    /// There was more of it.
    is_cut: bool,
}

impl Logs {
    pub(super) fn new(masks: Arc<Masks>) -> Self {
        Self(Arc::new(Inner { masks, ring: Mutex::default(), live: broadcast::Sender::new(BEHIND) }))
    }

    /// A word of the sidecar.
    pub(super) fn say(&self, text: &str) {
        self.with(|ring| self.push(ring, &Line { text: text.to_owned(), is_cut: false }));
    }

    /// What came from the server's standard error.
    pub(super) fn printed(&self, bytes: &[u8]) {
        let (left_out, bytes) = newest(bytes);
        self.with(|ring| {
            if left_out > 0 {
                ring.unfinished = Unfinished::default();
                self.push(ring, &Line { text: format!("[… {left_out} lines were left out]"), is_cut: false });
            }
            for line in ring.unfinished.feed(bytes) {
                self.line(ring, &line);
            }
        });
    }

    /// The server has ended; the next one's lines begin anew. Answers the last line that it wrote.
    pub(super) fn finish(&self) -> Option<String> {
        self.with(|ring| {
            if let Some(rest) = ring.unfinished.finish() {
                self.line(ring, &rest);
            }
            ring.last.take()
        })
    }

    /// The lines until now, and all that come from now on.
    pub(super) fn follow(&self) -> (Vec<McpLogLine>, broadcast::Receiver<McpLogLine>) {
        self.with(|ring| (ring.lines.iter().cloned().collect(), self.0.live.subscribe()))
    }

    fn line(&self, ring: &mut Ring, line: &Line) {
        let shown = self.push(ring, line);
        if !shown.trim().is_empty() {
            ring.last = Some(shown);
        }
    }

    fn push(&self, ring: &mut Ring, Line { text, is_cut }: &Line) -> String {
        let line = McpLogLine { at: clock::now(), text: self.shown(text, *is_cut) };
        ring.bytes += line.text.len();
        ring.lines.push_back(line.clone());
        while ring.lines.len() > MAX_LINES || ring.bytes > MAX_BYTES {
            ring.bytes -= ring.lines.pop_front().map_or(0, |line| line.text.len());
        }
        let shown = line.text.clone();
        // Nobody may be listening.
        let _ = self.0.live.send(line);
        shown
    }

    /// However long the text is, no more of it is looked at than is shown.
    fn shown(&self, text: &str, is_cut: bool) -> String {
        let kept = cut(text);
        if is_cut || kept.len() < text.len() {
            format!("{}…", cut(&self.0.masks.mask_cut(kept)))
        } else {
            cut(&self.0.masks.mask(kept.to_owned())).to_owned()
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Ring) -> T) -> T {
        work(&mut self.0.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Unfinished {
    /// The lines that are whole now.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut whole = Vec::new();
        let mut parts = bytes.split(|b| *b == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = MAX_LINE - self.bytes.len();
            self.is_cut |= part.len() > room;
            self.bytes.extend_from_slice(&part[..part.len().min(room)]);
            if parts.peek().is_some() {
                whole.push(self.take());
            }
        }
        whole
    }

    fn finish(&mut self) -> Option<Line> {
        (!self.bytes.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> Line {
        let Unfinished { bytes, is_cut } = std::mem::take(self);
        let text = String::from_utf8_lossy(&bytes);
        let text = if is_cut {
            // The cut may go through a character.
            text.trim_end_matches(char::REPLACEMENT_CHARACTER)
        } else {
            text.trim_end_matches('\r')
        };
        Line { text: text.to_owned(), is_cut }
    }
}

/// The last lines of what came at once, and how many came before them: nobody could have read those.
fn newest(bytes: &[u8]) -> (usize, &[u8]) {
    let ends = || bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let left_out = ends().count().saturating_sub(MAX_LINES - 1);
    match left_out.checked_sub(1).and_then(|last| ends().nth(last)) {
        Some((end, _)) => (left_out, &bytes[end + 1..]),
        None => (0, bytes),
    }
}

/// At most [`MAX_LINE`] bytes, at the border of a character.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_LINE)]
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn logs() -> Logs {
        Logs::new(Arc::default())
    }

    fn texts(logs: &Logs) -> Vec<String> {
        logs.follow().0.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_put_together_however_they_come() {
        let logs = logs();

        for part in ["one\ntw", "o\r\n", "\nlast"] {
            logs.printed(part.as_bytes());
        }

        assert_eq!(texts(&logs), ["one", "two", ""]);
        assert_eq!(logs.finish().as_deref(), Some("last"));
        assert_eq!(logs.finish(), None, "the next life has said nothing yet");
    }

    #[test]
    fn the_newest_lines_are_kept_within_bounds() {
        let (many, long) = (logs(), logs());
        for n in 0..2_000 {
            many.say(&n.to_string());
            long.printed("é".repeat(10_000).as_bytes());
            long.printed(b"\n");
        }

        let (many, long) = (texts(&many), texts(&long));

        assert_eq!((many.len(), many[0].as_str(), many[499].as_str()), (500, "1500", "1999"));
        assert!(long.iter().map(String::len).sum::<usize>() <= MAX_BYTES && long.len() > 60);
        assert!(long.iter().all(|line| line.len() <= MAX_LINE + '…'.len_utf8() && line.ends_with('…')));
    }

    #[test]
    fn of_a_flood_the_last_lines_are_kept_and_no_others_are_made() {
        let logs = logs();
        let (_, mut live) = logs.follow();

        logs.printed(&[b"half".to_vec(), vec![b'\n'; 60_000], b"last\nbegun".to_vec()].concat());

        let made = std::iter::from_fn(|| live.try_recv().ok()).count();
        assert_eq!(made, MAX_LINES);
        let texts = texts(&logs);
        let (first, last) = (texts[0].as_str(), texts[MAX_LINES - 1].as_str());
        assert_eq!((first, last), ("[… 59502 lines were left out]", "last"));
        assert_eq!(logs.finish().as_deref(), Some("begun"));
    }

    #[test]
    fn a_secret_that_the_bound_of_a_line_cuts_does_not_show_its_beginning() {
        let masks = Arc::new(Masks::default());
        masks.remember("KEY", &Zeroizing::new("hünter22".to_owned()));
        let line = |before: usize| format!("{}hünter22\n", "x".repeat(before));

        for before in MAX_LINE - 9..MAX_LINE {
            let logs = Logs::new(masks.clone());
            logs.printed(line(before).as_bytes());
            logs.say(&line(before));
            for text in texts(&logs) {
                assert!(text.len() <= MAX_LINE + 3 && !text.contains("xh"), "{before}: {}", &text[MAX_LINE - 20..]);
            }
        }
    }

    #[tokio::test]
    async fn who_follows_hears_what_comes_and_no_secret() {
        let masks = Arc::new(Masks::default());
        masks.remember("KEY", &Zeroizing::new("hunter22".to_owned()));
        let logs = Logs::new(masks);
        logs.say("before");
        let (before, mut live) = logs.follow();

        logs.printed(b"the key is hunter22\n");

        assert_eq!(before[0].text, "before");
        assert_eq!(live.recv().await.unwrap().text, "the key is {{secret:KEY}}");
    }
}
