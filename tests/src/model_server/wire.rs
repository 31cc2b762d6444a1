//! A turn as the bytes of an SSE stream, and the places where a network may cut it.

use bytes::Bytes;
use serde_json::{Value, json};

use super::script::{Content, Turn};

/// From here on a text is cut by size alone, so that a test need not wait for it.
pub(super) const LONG: usize = 64 << 10;

/// How the stream ends after its last byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Clean,
    Broken,
    Silence,
}

/// The stream of a turn; `number` makes its ids.
pub(super) fn encode(turn: &Turn, number: u64) -> (Vec<u8>, Ending) {
    let mut stream = Vec::new();
    let start = json!({
        "type": "message_start",
        "message": {
            "id": format!("msg_{number:06}"), "type": "message", "role": "assistant", "model": "claude-opus-5-5",
            "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": { "input_tokens": 1000 + number, "output_tokens": 1, "cache_read_input_tokens": 900 },
        },
    });
    event(&mut stream, &start);
    event(&mut stream, &json!({ "type": "ping" }));

    let (content, half) = match turn {
        Turn::Answers { content, .. } => (content, false),
        Turn::BreaksWithError { content } | Turn::HangsUp { content } | Turn::FallsSilent { content } => {
            (content, true)
        }
        Turn::Streams(bytes) => return (bytes.clone(), Ending::Clean),
        _ => unreachable!("such a turn is no stream"),
    };
    for (index, block) in content.iter().enumerate() {
        let last = index + 1 == content.len();
        encode_block(&mut stream, index, block, &id(number, index), half && last);
        if index == 0 {
            // Anthropic's word: new kinds of events may come at any time.
            event(&mut stream, &json!({ "type": "something_new", "data": "ignore me" }));
        }
    }

    let ending = match turn {
        Turn::Answers { stop_reason, .. } => {
            let delta = json!({ "stop_reason": stop_reason, "stop_sequence": null });
            event(&mut stream, &json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 42 } }));
            event(&mut stream, &json!({ "type": "message_stop" }));
            Ending::Clean
        }
        Turn::BreaksWithError { .. } => {
            let error = json!({ "type": "overloaded_error", "message": "Overloaded" });
            event(&mut stream, &json!({ "type": "error", "error": error }));
            Ending::Clean
        }
        Turn::HangsUp { .. } => Ending::Broken,
        _ => Ending::Silence,
    };
    (stream, ending)
}

/// A whole answer as the client is to keep it, without what it cannot send back; nothing when it is never whole.
pub(super) fn said(turn: &Turn, number: u64) -> Option<Value> {
    let Turn::Answers { content, stop_reason } = turn else { return None };
    let blocks = content.iter().enumerate().map(|(index, block)| block.block(&id(number, index)));
    let blocks: Vec<Value> =
        blocks.filter(|block| block["text"].as_str().is_none_or(|text| !text.trim().is_empty())).collect();
    Some(json!({ "content": blocks, "stop_reason": stop_reason }))
}

/// The answer to a check of a key, not streamed.
pub(super) fn shortest_answer() -> Value {
    json!({
        "id": "msg_check", "type": "message", "role": "assistant", "model": "claude-opus-5-5",
        "content": [{ "type": "text", "text": "." }], "stop_reason": "max_tokens", "stop_sequence": null,
        "usage": { "input_tokens": 1, "output_tokens": 1 },
    })
}

/// Cuts inside every character of more than one byte, inside `data:`, between the two line ends of an event, and
/// else into pieces of changing size; what is long into large ones.
pub(super) fn cut_awkwardly(bytes: &[u8]) -> Vec<Bytes> {
    if bytes.len() > LONG {
        return bytes.chunks(LONG - 1).map(Bytes::copy_from_slice).collect();
    }
    const SIZES: [usize; 8] = [61, 1, 97, 7, 251, 3, 149, 2];
    let mut pieces = Vec::new();
    let mut begin = 0;
    for at in 1..bytes.len() {
        let inside_a_character = bytes[at] & 0b1100_0000 == 0b1000_0000;
        let inside_data = bytes[..at].ends_with(b"\nda") && bytes[at..].starts_with(b"ta:");
        let between_line_ends = bytes[at - 1] == b'\n' && bytes[at] == b'\n';
        if inside_a_character || inside_data || between_line_ends || at - begin >= SIZES[pieces.len() % SIZES.len()] {
            pieces.push(Bytes::copy_from_slice(&bytes[begin..at]));
            begin = at;
        }
    }
    pieces.push(Bytes::copy_from_slice(&bytes[begin..]));
    pieces
}

fn encode_block(stream: &mut Vec<u8>, index: usize, block: &Content, id: &str, half: bool) {
    let mut empty = block.block(id);
    let (deltas, signature) = match block {
        Content::Text(text) => {
            empty["text"] = json!("");
            (pieces_of(text, 7, "text_delta", "text"), None)
        }
        Content::Thinking(text) => {
            let signature = std::mem::take(&mut empty["signature"]);
            empty["thinking"] = json!("");
            empty["signature"] = json!("");
            (pieces_of(text, 9, "thinking_delta", "thinking"), Some(signature))
        }
        Content::ToolUse { input, .. } => {
            empty["input"] = json!({});
            // An empty input sends no delta at all.
            let input = if input == "{}" { "" } else { input };
            (pieces_of(input, 11, "input_json_delta", "partial_json"), None)
        }
        Content::Unknown(_) => (Vec::new(), None),
    };
    event(stream, &json!({ "type": "content_block_start", "index": index, "content_block": empty }));
    let unknown = json!({ "type": "something_new_delta", "data": "ignore me" });
    event(stream, &json!({ "type": "content_block_delta", "index": index, "delta": unknown }));
    let sent = if half { deltas.len().div_ceil(2) } else { deltas.len() };
    for delta in &deltas[..sent] {
        event(stream, &json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    }
    if half {
        return;
    }
    if let Some(signature) = signature {
        let delta = json!({ "type": "signature_delta", "signature": signature });
        event(stream, &json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    }
    event(stream, &json!({ "type": "content_block_stop", "index": index }));
}

fn id(number: u64, index: usize) -> String {
    format!("toolu_{number:04}{index:02}")
}

/// Pieces of `size` characters; a text that is so long that it is a test of its own comes in larger ones.
fn pieces_of(text: &str, size: usize, kind: &str, field: &str) -> Vec<Value> {
    let size = if text.len() > LONG { LONG } else { size };
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size).map(|piece| json!({ "type": kind, field: piece.iter().collect::<String>() })).collect()
}

fn event(stream: &mut Vec<u8>, data: &Value) {
    let name = data["type"].as_str().expect("an event has a type");
    stream.extend(format!("event: {name}\ndata: {data}\n\n").into_bytes());
}

#[cfg(test)]
mod tests {
    use super::{super::script, *};

    #[test]
    fn the_pieces_are_the_whole_again() {
        let turn = Turn::asks([script::text("Grüße 你好 🎉"), script::tool("screenshot", json!({}))]);

        let (bytes, ending) = encode(&turn, 1);

        assert_eq!(ending, Ending::Clean);
        assert_eq!(cut_awkwardly(&bytes).concat(), bytes);
    }

    #[test]
    fn a_cut_goes_through_every_character_of_more_than_one_byte() {
        let pieces = cut_awkwardly("data: ü 🎉".as_bytes());

        assert!(pieces.iter().any(|piece| std::str::from_utf8(piece).is_err()), "{pieces:?}");
    }
}
