//! From the greeting to the first message: version, security, initialisation.
//!
//! Only security type None is offered: who reaches this stream was let in before, by certificate and capability.

use bytes::{Buf, BufMut, BytesMut};

use super::ProtocolError;

/// What the server says first.
pub const GREETING: &[u8; 12] = b"RFB 003.008\n";

const NONE: u8 = 1;

/// The server's side of the handshake; feed it what comes, send what it writes.
#[derive(Debug, Default)]
pub struct Handshake {
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Version,
    Security(Version),
    Init,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V3,
    V7,
    V8,
}

impl Handshake {
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes as far as `input` reaches and writes the answers to `out`; `true` once the viewer may get its `ServerInit`.
    ///
    /// On an error, `out` still holds what the viewer is to be told.
    pub fn advance(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<bool, ProtocolError> {
        loop {
            match self.stage {
                Stage::Version if input.len() >= GREETING.len() => {
                    let greeting = input.split_to(GREETING.len());
                    self.stage = self.greeted(&greeting, out)?;
                }
                Stage::Security(version) if !input.is_empty() => {
                    let chosen = input.get_u8();
                    if chosen != NONE {
                        refuse(version, "only security type None is offered", out);
                        return Err(ProtocolError::Security(chosen));
                    }
                    if version == Version::V8 {
                        out.put_u32(0);
                    }
                    self.stage = Stage::Init;
                }
                Stage::Init if !input.is_empty() => {
                    // The shared flag: every viewer shares, whatever it asks.
                    input.advance(1);
                    return Ok(true);
                }
                _ => return Ok(false),
            }
        }
    }

    fn greeted(&self, greeting: &[u8], out: &mut BytesMut) -> Result<Stage, ProtocolError> {
        let not_rfb = || ProtocolError::NotRfb(greeting.escape_ascii().to_string());
        let (major, minor) = version(greeting).ok_or_else(not_rfb)?;
        match (major, minor) {
            // 3.5 was never a version; the protocol says to treat it, like all that is unknown below 3.7, as 3.3.
            (3, 3..=6) => {
                out.put_u32(u32::from(NONE));
                Ok(Stage::Init)
            }
            (3, 7) => {
                out.put_slice(&[1, NONE]);
                Ok(Stage::Security(Version::V7))
            }
            (3, 8..) | (4.., _) => {
                out.put_slice(&[1, NONE]);
                Ok(Stage::Security(Version::V8))
            }
            _ => {
                refuse(Version::V3, "this version of RFB is too old", out);
                Err(not_rfb())
            }
        }
    }
}

fn version(greeting: &[u8]) -> Option<(u16, u16)> {
    let digits = greeting.strip_prefix(b"RFB ")?.strip_suffix(b"\n")?;
    let number = |part: &[u8]| -> Option<u16> {
        part.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(part).ok()?.parse().ok())?
    };
    (digits.len() == 7 && digits[3] == b'.').then_some(())?;
    Some((number(&digits[..3])?, number(&digits[4..])?))
}

/// Tells the viewer why, where its version has a place for it.
fn refuse(version: Version, why: &str, out: &mut BytesMut) {
    match version {
        Version::V3 => out.put_u32(0),
        Version::V8 => out.put_u32(1),
        Version::V7 => return,
    }
    out.put_u32(why.len() as u32);
    out.put_slice(why.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(sent: &[u8]) -> (Result<bool, ProtocolError>, Vec<u8>, usize) {
        let mut handshake = Handshake::new();
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        let mut result = Ok(false);
        for byte in sent {
            input.put_u8(*byte);
            result = handshake.advance(&mut input, &mut out);
            if !matches!(result, Ok(false)) {
                break;
            }
        }
        (result, out.to_vec(), input.len())
    }

    #[test]
    fn each_version_gets_its_own_handshake_even_byte_by_byte() {
        assert_eq!(answers(b"RFB 003.003\n\x01"), (Ok(true), vec![0, 0, 0, 1], 0));
        assert_eq!(answers(b"RFB 003.007\n\x01\x01"), (Ok(true), vec![1, 1], 0));
        assert_eq!(answers(b"RFB 003.008\n\x01\x00"), (Ok(true), vec![1, 1, 0, 0, 0, 0], 0));
        assert_eq!(answers(b"RFB 003.889\n\x01\x00"), (Ok(true), vec![1, 1, 0, 0, 0, 0], 0));
    }

    #[test]
    fn a_security_type_that_was_not_offered_is_refused_with_a_reason() {
        for chosen in [0, 2, 16, 19, 255] {
            let (result, out, _) = answers(&[b"RFB 003.008\n", &[chosen][..]].concat());

            assert_eq!(result, Err(ProtocolError::Security(chosen)));
            assert_eq!(out[..6], [1, 1, 0, 0, 0, 1]);
            assert!(out.ends_with(b"is offered"));
        }
    }

    #[test]
    fn what_is_not_rfb_is_refused() {
        for greeting in ["GET / HTTP/1.1\r\n", "RFB 003.0088\n", "RFB +03.008\n", "RFB 003.002\n", "RFB 000.000\n"] {
            assert!(matches!(answers(greeting.as_bytes()).0, Err(ProtocolError::NotRfb(_))), "{greeting:?}");
        }
    }

    #[test]
    fn the_first_message_may_come_with_the_handshake() {
        let mut input = BytesMut::from(&b"RFB 003.008\n\x01\x01next"[..]);

        let done = Handshake::new().advance(&mut input, &mut BytesMut::new());

        assert_eq!(done, Ok(true));
        assert_eq!(&input[..], b"next");
    }
}
