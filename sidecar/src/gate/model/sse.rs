//! Server-sent events, read from bytes that may be split anywhere. No I/O.

/// One event: what kind, and its data lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    pub kind: String,
    pub data: String,
}

/// The stream sent a line or an event larger than any real one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {MAX} bytes")]
pub struct TooLarge;

const MAX: usize = 8 << 20;

/// Takes bytes, gives events.
#[derive(Default)]
pub struct SseParser {
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    kind: String,
    data: String,
    has_data: bool,
}

impl SseParser {
    /// Feeds what came; answers the events that are complete with it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLarge> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
            match byte {
                // The second half of a CRLF.
                b'\n' if after_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ => {
                    self.line.push(byte);
                    if self.line.len() + self.data.len() > MAX {
                        return Err(TooLarge);
                    }
                }
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = String::from_utf8_lossy(&bytes).into_owned();
        if !std::mem::replace(&mut self.begun, true) && line.starts_with('\u{feff}') {
            line.remove(0);
        }
        if line.is_empty() {
            let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
            return std::mem::take(&mut self.has_data).then_some(SseEvent { kind, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.kind = value.to_owned(),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // Comments (an empty field), `id`, `retry`, and whatever comes in later years.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(bytes: &[u8]) -> Vec<SseEvent> {
        SseParser::default().feed(bytes).unwrap()
    }

    fn event(kind: &str, data: &str) -> SseEvent {
        SseEvent { kind: kind.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn all_three_line_ends_are_understood() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("event: a{end}data: 1{end}data:2{end}{end}data{end}{end}");

            assert_eq!(all(text.as_bytes()), [event("a", "1\n2"), event("", "")], "{end:?}");
        }
    }

    #[test]
    fn comments_unknown_fields_and_a_byte_order_mark_are_passed_over() {
        assert_eq!(all("\u{feff}: ping\nid: 7\nretry: 1\nwhat\n\ndata: x\n\n".as_bytes()), [event("", "x")]);
    }

    #[test]
    fn an_event_that_is_not_ended_is_not_given() {
        assert_eq!(all(b"data: half\n"), []);
    }

    #[test]
    fn a_line_without_an_end_is_refused() {
        let mut parser = SseParser::default();
        let chunk = vec![b'x'; 1 << 20];

        assert!((0..9).any(|_| parser.feed(&chunk).is_err()));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            lines in proptest::collection::vec(("(event|data|id|)", "[ -~äöü🎉]{0,12}", "(\n|\r|\r\n|\n\n|\r\n\r\n)"), 0..20),
            cuts in proptest::collection::vec(0usize..400, 0..12),
        ) {
            let text: String = lines.iter().map(|(field, value, end)| format!("{field}:{value}{end}")).collect();
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            cuts.push(bytes.len());

            let mut parser = SseParser::default();
            let (mut pieces, mut from) = (Vec::new(), 0);
            for cut in cuts {
                pieces.extend(parser.feed(&bytes[from..cut]).unwrap());
                from = cut;
            }

            prop_assert_eq!(pieces, all(bytes));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = SseParser::default().feed(&bytes);
        }
    }
}
