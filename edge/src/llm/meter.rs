//! Counts the tokens of an answer while it streams by: a pure parser that never holds the stream back.

use protocol::{event::Usage, model::ModelApi};
use serde::Deserialize;

/// Longer lines carry content, not counts. OpenAI's last event repeats the whole answer beside its counts.
const MAX_LINE: usize = 1 << 20;
/// An answer that does not stream is one JSON document.
const MAX_DOCUMENT: usize = 4 << 20;

/// The state of one answer.
#[derive(Debug)]
pub(crate) struct Meter {
    api: ModelApi,
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
    message: Option<Holder>,
    response: Option<Holder>,
    usage: Option<Counts>,
}

#[derive(Deserialize)]
struct Holder {
    usage: Option<Counts>,
}

/// Of all languages. A later event repeats some counts and leaves others out.
#[derive(Deserialize)]
struct Counts {
    #[serde(alias = "prompt_tokens")]
    input_tokens: Option<u64>,
    #[serde(alias = "completion_tokens")]
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    #[serde(alias = "prompt_tokens_details")]
    input_tokens_details: Option<Details>,
}

/// OpenAI's: a part of the input.
#[derive(Deserialize)]
struct Details {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
}

impl Meter {
    pub(crate) fn new(api: ModelApi) -> Self {
        Self { api, mode: Mode::Off, buffer: Vec::new(), skipping: false, total: Usage::default() }
    }

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
        let held = [event.message, event.response].into_iter().flatten().filter_map(|holder| holder.usage);
        // Counts are of the whole answer so far, so the last one holds.
        for counts in held.chain(event.usage) {
            let newer = |now: &mut u64, then: Option<u64>| *now = then.unwrap_or(*now);
            newer(&mut self.total.input_tokens, counts.input_tokens);
            newer(&mut self.total.output_tokens, counts.output_tokens);
            newer(&mut self.total.cache_creation_input_tokens, counts.cache_creation_input_tokens);
            newer(&mut self.total.cache_read_input_tokens, counts.cache_read_input_tokens);
            if self.api != ModelApi::AnthropicMessages
                && let Some(Details { cached_tokens, cache_write_tokens }) = counts.input_tokens_details
            {
                let (read, written) = (cached_tokens.unwrap_or(0), cache_write_tokens.unwrap_or(0));
                (self.total.cache_read_input_tokens, self.total.cache_creation_input_tokens) = (read, written);
                self.total.input_tokens = self.total.input_tokens.saturating_sub(read.saturating_add(written));
            }
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
        let mut meter = Meter::new(ModelApi::AnthropicMessages);
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
    fn openais_counts_are_told_apart_alike() {
        let expected =
            Usage { input_tokens: 20, output_tokens: 15, cache_creation_input_tokens: 3, cache_read_input_tokens: 7 };
        let responses = format!(
            "data: {{\"type\":\"response.completed\",\"response\":{{\"output\":[\"{}\"],\"usage\":{{\"input_tokens\":30,\
            \"input_tokens_details\":{{\"cached_tokens\":7,\"cache_write_tokens\":3}},\"output_tokens\":15}}}}}}\n\n",
            "x".repeat(200_000)
        );
        let chat = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":15,\
            \"prompt_tokens_details\":{\"cached_tokens\":7,\"cache_write_tokens\":3}}}\n\ndata: [DONE]\n\n";

        for (api, stream) in [(ModelApi::OpenaiResponses, responses.as_str()), (ModelApi::OpenaiChat, chat)] {
            let mut meter = Meter::new(api);
            meter.begin(true);
            stream.as_bytes().chunks(1000).for_each(|piece| meter.read(piece));

            assert_eq!(meter.total(), expected, "{api:?}");
        }
    }

    #[test]
    fn a_refused_call_costs_nothing() {
        let mut meter = Meter::new(ModelApi::AnthropicMessages);

        meter.read(STREAM.as_bytes());

        assert_eq!(meter.total(), Usage::default());
    }

    #[test]
    fn an_endless_line_takes_no_memory_and_hides_nothing_behind_it() {
        let mut meter = Meter::new(ModelApi::AnthropicMessages);
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
