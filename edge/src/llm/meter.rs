//! Counts the tokens of an answer while it streams by: a pure parser that never holds the stream back.

use protocol::event::Usage;
use serde::Deserialize;

/// Longer lines carry content, not counts.
const MAX_LINE: usize = 64 << 10;
/// An answer that does not stream is one JSON document.
const MAX_DOCUMENT: usize = 4 << 20;

/// The state of one answer.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    mode: Mode,
    buffer: Vec<u8>,
    /// Is the line that comes too long to be looked at?
    skipping: bool,
    total: Usage,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Off,
    Stream,
    Document,
}

#[derive(Deserialize)]
struct Event {
    message: Option<Message>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Message {
    usage: Option<Counts>,
}

/// A later event repeats some counts and leaves others out.
#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

impl Meter {
    /// The answer begins, as an event stream or as one document.
    pub(crate) fn begin(&mut self, streams: bool) {
        self.mode = if streams { Mode::Stream } else { Mode::Document };
    }

    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        match self.mode {
            Mode::Off => {}
            Mode::Document => {
                let room = MAX_DOCUMENT - self.buffer.len();
                self.buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Mode::Stream => {
                while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                    self.add(&bytes[..end]);
                    self.line();
                    bytes = &bytes[end + 1..];
                }
                self.add(bytes);
            }
        }
    }

    pub(crate) fn total(&mut self) -> Usage {
        if self.mode == Mode::Document {
            let document = std::mem::take(&mut self.buffer);
            self.count(&document);
        }
        self.total
    }

    fn add(&mut self, bytes: &[u8]) {
        self.skipping |= self.buffer.len() + bytes.len() > MAX_LINE;
        if self.skipping {
            self.buffer = Vec::new();
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    fn line(&mut self) {
        let line = std::mem::take(&mut self.buffer);
        if !std::mem::take(&mut self.skipping)
            && let Some(data) = line.strip_prefix(b"data:")
            && data.windows(7).any(|seven| seven == b"\"usage\"")
        {
            self.count(data);
        }
    }

    fn count(&mut self, json: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Event>(json) else { return };
        // Counts are of the whole answer so far, so the last one holds.
        for counts in [event.message.and_then(|message| message.usage), event.usage].into_iter().flatten() {
            let newer = |now: &mut u64, then: Option<u64>| *now = then.unwrap_or(*now);
            newer(&mut self.total.input_tokens, counts.input_tokens);
            newer(&mut self.total.output_tokens, counts.output_tokens);
            newer(&mut self.total.cache_creation_input_tokens, counts.cache_creation_input_tokens);
            newer(&mut self.total.cache_read_input_tokens, counts.cache_read_input_tokens);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\
        \"cache_read_input_tokens\":7,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"delta\":{\"text\":\
        \"say \\\"usage\\\"\"}}\n\nevent: message_delta\r\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":15}}\r\n\r\n";

    fn expected() -> Usage {
        Usage { input_tokens: 25, output_tokens: 15, cache_creation_input_tokens: 0, cache_read_input_tokens: 7 }
    }

    fn metered(streams: bool, pieces: &[&[u8]]) -> Usage {
        let mut meter = Meter::default();
        meter.begin(streams);
        pieces.iter().for_each(|piece| meter.read(piece));
        meter.total()
    }

    #[test]
    fn a_stream_is_counted_once_by_its_last_word() {
        assert_eq!(metered(true, &[STREAM.as_bytes()]), expected());
    }

    #[test]
    fn a_document_is_counted() {
        let document = br#"{"type":"message","content":[],"usage":{"input_tokens":3,"output_tokens":4}}"#;

        let used = metered(false, &[document]);

        assert_eq!((used.input_tokens, used.output_tokens), (3, 4));
    }

    #[test]
    fn a_refused_call_costs_nothing() {
        let mut meter = Meter::default();

        meter.read(STREAM.as_bytes());

        assert_eq!(meter.total(), Usage::default());
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_hides_nothing_behind_it() {
        let mut meter = Meter::default();
        meter.begin(true);
        for _ in 0..1_000 {
            meter.read(&[b'x'; 1_000]);
            assert!(meter.buffer.capacity() <= 2 * MAX_LINE);
        }

        meter.read(b"\n");
        meter.read(STREAM.as_bytes());

        assert_eq!(meter.total(), expected());
    }

    proptest! {
        #[test]
        fn it_counts_the_same_however_the_stream_is_cut(cuts in proptest::collection::vec(0..STREAM.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|two| &STREAM.as_bytes()[two[0]..two[1]]).collect();

            prop_assert_eq!(metered(true, &pieces), expected());
        }

        #[test]
        fn no_bytes_make_it_panic(streams: bool, bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            metered(streams, &[&bytes, b"\n", &bytes]);
        }
    }
}
