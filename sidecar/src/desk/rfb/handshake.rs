//! From the greeting to the first message: version, security, initialisation.
//!
//! One security type is offered. Who reaches this stream was let in before, by certificate and capability, so it is
//! None; a viewer that came over TCP besides has to know a one-time password, and gets one try.

use bytes::{Buf, BufMut, BytesMut};

use super::{
    ProtocolError,
    vnc_auth::{CHALLENGE, Riddle},
};

/// What the server says first.
pub const GREETING: &[u8; 12] = b"RFB 003.008\n";

const NONE: u8 = 1;
const VNC_AUTH: u8 = 2;

const PASSED: u32 = 0;
const FAILED: u32 = 1;

/// The server's side of the handshake; feed it what comes, send what it writes.
pub struct Handshake {
    stage: Stage,
    riddle: Option<Riddle>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Version,
    Security(Version),
    Answer(Version),
    Init,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V3,
    V7,
    V8,
}

impl Handshake {
    /// For a viewer of whom nothing more is asked.
    pub fn open() -> Self {
        Self { stage: Stage::Version, riddle: None }
    }

    /// For a viewer that has to know `password`; `challenge` is random.
    pub fn with_password(password: &[u8; 8], challenge: [u8; CHALLENGE]) -> Self {
        Self { stage: Stage::Version, riddle: Some(Riddle::new(password, challenge)) }
    }

    /// Goes as far as `input` reaches and writes the answers to `out`; `true` once the viewer may get its `ServerInit`.
    ///
    /// On an error, `out` still holds what the viewer is to be told.
    pub fn advance(&mut self, input: &mut BytesMut, out: &mut BytesMut) -> Result<bool, ProtocolError> {
        loop {
            self.stage = match self.stage {
                Stage::Version if input.len() >= GREETING.len() => {
                    let greeting = input.split_to(GREETING.len());
                    self.greeted(&greeting, out)?
                }
                Stage::Security(version) if !input.is_empty() => self.chosen(version, input.get_u8(), out)?,
                Stage::Answer(version) if input.len() >= CHALLENGE => {
                    let answer = input.split_to(CHALLENGE);
                    self.answered(version, &answer, out)?
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
        let version = match version(greeting).ok_or_else(not_rfb)? {
            // 3.5 was never a version; the protocol says to treat it, like all that is unknown below 3.7, as 3.3.
            (3, 3..=6) => Version::V3,
            (3, 7) => Version::V7,
            (3, 8..) | (4.., _) => Version::V8,
            _ => {
                out.put_u32(0);
                reason("this version of RFB is too old", out);
                return Err(not_rfb());
            }
        };
        if version == Version::V3 {
            // There the server decides.
            out.put_u32(u32::from(self.offered()));
            return self.secure(version, out);
        }
        out.put_slice(&[1, self.offered()]);
        Ok(Stage::Security(version))
    }

    fn offered(&self) -> u8 {
        if self.riddle.is_some() { VNC_AUTH } else { NONE }
    }

    fn chosen(&self, version: Version, chosen: u8, out: &mut BytesMut) -> Result<Stage, ProtocolError> {
        if chosen != self.offered() {
            let why = format!("only security type {} is offered", self.offered());
            return Err(refuse(version, &why, ProtocolError::Security(chosen), out));
        }
        self.secure(version, out)
    }

    /// The security type is settled.
    fn secure(&self, version: Version, out: &mut BytesMut) -> Result<Stage, ProtocolError> {
        if let Some(riddle) = &self.riddle {
            out.put_slice(&riddle.challenge);
            return Ok(Stage::Answer(version));
        }
        if version == Version::V8 {
            out.put_u32(PASSED);
        }
        Ok(Stage::Init)
    }

    fn answered(&self, version: Version, answer: &[u8], out: &mut BytesMut) -> Result<Stage, ProtocolError> {
        if !self.riddle.as_ref().is_some_and(|riddle| riddle.is_solved_by(answer)) {
            let why = "the password is wrong; ask for a new one";
            return Err(refuse(version, why, ProtocolError::Password, out));
        }
        out.put_u32(PASSED);
        Ok(Stage::Init)
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

/// Tells the viewer that it is not let in, and why, where its version has a place for that.
fn refuse(version: Version, why: &str, error: ProtocolError, out: &mut BytesMut) -> ProtocolError {
    out.put_u32(FAILED);
    if version == Version::V8 {
        reason(why, out);
    }
    error
}

fn reason(why: &str, out: &mut BytesMut) {
    out.put_u32(why.len() as u32);
    out.put_slice(why.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGED: [u8; CHALLENGE] = [7; CHALLENGE];

    fn answers(sent: &[u8]) -> (Result<bool, ProtocolError>, Vec<u8>, usize) {
        answers_of(Handshake::open(), sent)
    }

    fn locked() -> Handshake {
        Handshake::with_password(b"pass1234", CHALLENGED)
    }

    /// DES of the challenge with that password, from OpenSSL.
    fn right_answer() -> Vec<u8> {
        let half = [0xb9, 0x1b, 0x25, 0x23, 0x9d, 0x25, 0x2a, 0x9e];
        half.repeat(2)
    }

    fn answers_of(mut handshake: Handshake, sent: &[u8]) -> (Result<bool, ProtocolError>, Vec<u8>, usize) {
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
            assert!(out.ends_with(b"only security type 1 is offered"));
        }
    }

    #[test]
    fn who_knows_the_password_gets_in_by_every_version() {
        let right = right_answer();
        let passed = [0, 0, 0, 0];
        let v3 = answers_of(locked(), &[b"RFB 003.003\n", &right[..], &[1]].concat());
        let v7 = answers_of(locked(), &[b"RFB 003.007\n\x02", &right[..], &[1]].concat());
        let v8 = answers_of(locked(), &[b"RFB 003.008\n\x02", &right[..], &[1]].concat());

        assert_eq!(v3, (Ok(true), [&[0, 0, 0, 2], &CHALLENGED[..], &passed].concat(), 0));
        assert_eq!(v7, (Ok(true), [&[1, 2], &CHALLENGED[..], &passed].concat(), 0));
        assert_eq!(v8, (Ok(true), [&[1, 2], &CHALLENGED[..], &passed].concat(), 0));
    }

    #[test]
    fn a_wrong_password_is_refused_and_told_why_where_there_is_a_place_for_it() {
        for (greeting, before) in [(&b"RFB 003.003\n"[..], 20), (b"RFB 003.007\n\x02", 18), (b"RFB 003.008\n\x02", 18)]
        {
            let (result, out, _) = answers_of(locked(), &[greeting, &[0; 16][..], &[1]].concat());

            assert_eq!(result, Err(ProtocolError::Password));
            assert_eq!(out[before..before + 4], [0, 0, 0, 1]);
            assert_eq!(out[before + 4..].is_empty(), before == 20 || greeting.starts_with(b"RFB 003.007"));
        }
        let (_, out, _) = answers_of(locked(), &[b"RFB 003.008\n\x02", &[0; 16][..]].concat());
        assert!(out.ends_with(b"\0\0\0\x28the password is wrong; ask for a new one"));
    }

    #[test]
    fn where_a_password_is_asked_for_none_is_no_way_in() {
        for chosen in [0, 1, 16, 19] {
            let (result, out, _) = answers_of(locked(), &[b"RFB 003.008\n", &[chosen, 1][..]].concat());

            assert_eq!(result, Err(ProtocolError::Security(chosen)));
            assert_eq!(out[..6], [1, 2, 0, 0, 0, 1]);
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

        let done = Handshake::open().advance(&mut input, &mut BytesMut::new());

        assert_eq!(done, Ok(true));
        assert_eq!(&input[..], b"next");
    }
}
