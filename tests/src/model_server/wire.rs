//! The bytes of an SSE stream, and the places where a network may cut them.

use bytes::Bytes;
use serde_json::Value;

/// From here on a text is cut by size alone, so that a test need not wait for it.
const LONG: usize = 64 << 10;

/// An event that has a name, as its data has it too.
pub(super) fn event(stream: &mut Vec<u8>, data: &Value) {
    let name = data["type"].as_str().expect("an event has a type");
    stream.extend(format!("event: {name}\ndata: {data}\n\n").into_bytes());
}

/// Pieces of `size` characters; a text that is so long that it is a test of its own comes in larger ones.
pub(super) fn pieces_of(text: &str, size: usize) -> Vec<String> {
    let size = if text.len() > LONG { LONG } else { size };
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_are_the_whole_again() {
        let text = "Grüße 你好 🎉".repeat(100);

        assert_eq!(cut_awkwardly(text.as_bytes()).concat(), text.as_bytes());
        assert_eq!(pieces_of(&text, 7).concat(), text);
    }

    #[test]
    fn a_cut_goes_through_every_character_of_more_than_one_byte() {
        let pieces = cut_awkwardly("data: ü 🎉".as_bytes());

        assert!(pieces.iter().any(|piece| std::str::from_utf8(piece).is_err()), "{pieces:?}");
    }
}
