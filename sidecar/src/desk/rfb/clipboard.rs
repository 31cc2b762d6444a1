//! Clipboards: Latin-1 as the protocol began, UTF-8 by the extension that every present viewer speaks.

use std::io::Read;

use bytes::{Buf, BufMut, BytesMut};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

use super::{ProtocolError, client::MAX_CLIPBOARD};

const TEXT: u32 = 1;
const CAPS: u32 = 1 << 24;
const REQUEST: u32 = 1 << 25;
const PEEK: u32 = 1 << 26;
const NOTIFY: u32 = 1 << 27;
const PROVIDE: u32 = 1 << 28;

/// What a viewer says about its clipboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientClipboard {
    /// It holds this text now; line ends are `\n`.
    Text(String),
    /// It holds a text, and will provide it when asked.
    HasText,
    /// It wants our text.
    WantsText,
    /// It wants to know whether we have a text.
    Asks,
    /// What it can do, or what it has that is no text.
    Nothing,
}

impl ClientClipboard {
    pub(super) fn parse_plain(body: &[u8]) -> Self {
        // Latin-1: every byte is the character of that number.
        Self::Text(lines(body.iter().map(|byte| char::from(*byte)).collect()))
    }

    pub(super) fn parse_extended(mut body: &[u8]) -> Result<Self, ProtocolError> {
        if body.len() < 4 {
            return Err(ProtocolError::Clipboard("it has no flags"));
        }
        let flags = body.get_u32();
        let text = flags & TEXT != 0;
        // Capabilities come with the other actions' bits set: they say what is possible, not what is done.
        if flags & CAPS != 0 {
            Ok(Self::Nothing)
        } else if flags & PROVIDE != 0 && text {
            provided(body).map(Self::Text)
        } else if flags & REQUEST != 0 && text {
            Ok(Self::WantsText)
        } else if flags & NOTIFY != 0 && text {
            Ok(Self::HasText)
        } else if flags & PEEK != 0 {
            Ok(Self::Asks)
        } else {
            Ok(Self::Nothing)
        }
    }
}

/// Text is the first format of all, so it comes first in the stream; what follows is not looked at.
fn provided(body: &[u8]) -> Result<String, ProtocolError> {
    let broken = |_| ProtocolError::Clipboard("its zlib stream is broken");
    let mut stream = ZlibDecoder::new(body);
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(broken)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_CLIPBOARD {
        return Err(ProtocolError::TooLong { what: "clipboard", length, limit: MAX_CLIPBOARD });
    }
    // Grows with what is really there: a length alone allocates nothing.
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    Ok(lines(String::from_utf8_lossy(&bytes).into_owned()))
}

fn lines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

/// Tells what we can do with clipboards, as the answer to a viewer that knows the extension.
pub fn write_capabilities(out: &mut BytesMut) {
    let mut body = BytesMut::new();
    body.put_u32(CAPS | REQUEST | PEEK | NOTIFY | PROVIDE | TEXT);
    // Up to this size a viewer may provide a text without being asked.
    body.put_u32(MAX_CLIPBOARD as u32);
    write_extended(&body, out);
}

/// Says whether there is a text to be asked for.
pub fn write_notify(has_text: bool, out: &mut BytesMut) {
    write_extended(&(NOTIFY | if has_text { TEXT } else { 0 }).to_be_bytes(), out);
}

/// Asks for the viewer's text.
pub fn write_request(out: &mut BytesMut) {
    write_extended(&(REQUEST | TEXT).to_be_bytes(), out);
}

/// Provides our text.
pub fn write_provide(text: &str, out: &mut BytesMut) {
    use std::io::Write;

    let text = lines(text.to_owned()).replace('\n', "\r\n") + "\0";
    let mut stream = ZlibEncoder::new((PROVIDE | TEXT).to_be_bytes().to_vec(), Compression::fast());
    // Writing to a vector cannot fail.
    let _ = stream.write_all(&(text.len() as u32).to_be_bytes());
    let _ = stream.write_all(text.as_bytes());
    if let Ok(body) = stream.finish() {
        write_extended(&body, out);
    }
}

/// Gives our text to a viewer without the extension; characters outside Latin-1 become question marks.
pub fn write_plain(text: &str, out: &mut BytesMut) {
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    write_header(latin.len() as i32, out);
    out.put_slice(&latin);
}

fn write_extended(body: &[u8], out: &mut BytesMut) {
    write_header(-(body.len() as i32), out);
    out.put_slice(body);
}

fn write_header(length: i32, out: &mut BytesMut) {
    out.put_slice(&[3, 0, 0, 0]);
    out.put_i32(length);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(message: &[u8]) -> &[u8] {
        &message[8..]
    }

    #[test]
    fn a_provided_text_reads_back_with_its_lines_and_characters() {
        let mut out = BytesMut::new();

        write_provide("héllo\n你好 🎉", &mut out);

        let length = i32::from_be_bytes(out[4..8].try_into().unwrap());
        assert_eq!(length, -(body(&out).len() as i32));
        let read = ClientClipboard::parse_extended(body(&out)).unwrap();
        assert_eq!(read, ClientClipboard::Text("héllo\n你好 🎉".into()));
    }

    #[test]
    fn every_action_is_told_apart() {
        let flags = |flags: u32| ClientClipboard::parse_extended(&flags.to_be_bytes()).unwrap();

        assert_eq!(flags(CAPS | PROVIDE | REQUEST | TEXT), ClientClipboard::Nothing);
        assert_eq!(flags(REQUEST | TEXT), ClientClipboard::WantsText);
        assert_eq!(flags(NOTIFY | TEXT), ClientClipboard::HasText);
        assert_eq!(flags(NOTIFY), ClientClipboard::Nothing);
        assert_eq!(flags(PEEK), ClientClipboard::Asks);
    }

    #[test]
    fn a_bomb_is_refused_and_a_broken_stream_is_an_error() {
        let bomb = {
            use std::io::Write;
            let mut stream = ZlibEncoder::new((PROVIDE | TEXT).to_be_bytes().to_vec(), Compression::best());
            stream.write_all(&u32::MAX.to_be_bytes()).unwrap();
            stream.write_all(&vec![0; 4 * MAX_CLIPBOARD]).unwrap();
            stream.finish().unwrap()
        };
        let broken = [&(PROVIDE | TEXT).to_be_bytes()[..], b"no zlib"].concat();

        assert!(matches!(ClientClipboard::parse_extended(&bomb), Err(ProtocolError::TooLong { .. })));
        assert!(matches!(ClientClipboard::parse_extended(&broken), Err(ProtocolError::Clipboard(_))));
        assert!(ClientClipboard::parse_extended(&[1]).is_err());
    }

    #[test]
    fn what_latin_1_cannot_say_becomes_a_question_mark() {
        let mut out = BytesMut::new();

        write_plain("é你", &mut out);

        assert_eq!(&out[..], [3, 0, 0, 0, 0, 0, 0, 2, 0xe9, b'?']);
    }
}
