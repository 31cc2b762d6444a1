//! What goes over the link while a child of the desk runs: its input one way, its outputs and its end the other way.
//!
//! A frame is its kind as one byte, a `u32` big-endian length, then that many bytes. It is read whole or not at all, so
//! that who waits for one may give up at any moment.

use std::{collections::BTreeMap, io, marker::PhantomData};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio_util::codec::{Decoder, Encoder};

/// Of one frame, in bytes: a message may take many.
pub const MAX: usize = 64 << 10;
const HEAD: usize = 5;

/// The gate to the child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToChild {
    /// For its standard input.
    Input(Bytes),
    /// End it, and all that came of it: politely first. Closing the connection does the same.
    Stop,
}

/// The child to the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromChild {
    /// From its standard output; empty when that is closed.
    Output(Bytes),
    /// From its standard error.
    Error(Bytes),
    /// It is over with the child and all that came of it; nothing follows.
    Ended(Exit),
}

/// Variables of an environment. Values may be secrets, so no log shows them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(pub BTreeMap<String, String>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => match nix::sys::signal::Signal::try_from(signal) {
                Ok(signal) => f.write_str(signal.as_str()),
                Err(_) => write!(f, "signal {signal}"),
            },
            (None, None) => f.write_str("no exit code"),
        }
    }
}

/// A kind of frame.
pub trait Frame: Sized {
    fn parts(self) -> io::Result<(u8, Bytes)>;
    fn of(kind: u8, bytes: Bytes) -> io::Result<Self>;
}

impl Frame for ToChild {
    fn parts(self) -> io::Result<(u8, Bytes)> {
        Ok(match self {
            ToChild::Input(bytes) => (0, bytes),
            ToChild::Stop => (1, Bytes::new()),
        })
    }

    fn of(kind: u8, bytes: Bytes) -> io::Result<Self> {
        match kind {
            0 => Ok(ToChild::Input(bytes)),
            1 => Ok(ToChild::Stop),
            _ => Err(unknown(kind)),
        }
    }
}

impl Frame for FromChild {
    fn parts(self) -> io::Result<(u8, Bytes)> {
        Ok(match self {
            FromChild::Output(bytes) => (0, bytes),
            FromChild::Error(bytes) => (1, bytes),
            FromChild::Ended(exit) => (2, serde_json::to_vec(&exit)?.into()),
        })
    }

    fn of(kind: u8, bytes: Bytes) -> io::Result<Self> {
        match kind {
            0 => Ok(FromChild::Output(bytes)),
            1 => Ok(FromChild::Error(bytes)),
            2 => Ok(FromChild::Ended(serde_json::from_slice(&bytes)?)),
            _ => Err(unknown(kind)),
        }
    }
}

/// Reads frames of one kind, and writes the other.
pub struct Frames<In>(PhantomData<In>);

impl<In> Default for Frames<In> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<In: Frame> Decoder for Frames<In> {
    type Item = In;
    type Error = io::Error;

    fn decode(&mut self, from: &mut BytesMut) -> io::Result<Option<In>> {
        let Some(head) = from.first_chunk::<HEAD>() else { return Ok(None) };
        let [kind, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX {
            let message = format!("a frame of {length} bytes is larger than the link allows");
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        if from.len() < HEAD + length {
            from.reserve(HEAD + length - from.len());
            return Ok(None);
        }
        from.advance(HEAD);
        In::of(kind, from.split_to(length).freeze()).map(Some)
    }
}

impl<In, Out: Frame> Encoder<Out> for Frames<In> {
    type Error = io::Error;

    fn encode(&mut self, frame: Out, to: &mut BytesMut) -> io::Result<()> {
        let (kind, bytes) = frame.parts()?;
        debug_assert!(bytes.len() <= MAX);
        to.reserve(HEAD + bytes.len());
        to.put_u8(kind);
        to.put_u32(bytes.len() as u32);
        to.put_slice(&bytes);
        Ok(())
    }
}

fn unknown(kind: u8) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame of the unknown kind {kind}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(frames: &[FromChild]) -> BytesMut {
        let mut bytes = BytesMut::new();
        for frame in frames {
            Frames::<ToChild>::default().encode(frame.clone(), &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn frames_read_back_however_they_are_cut() {
        let frames = [
            FromChild::Error(Bytes::from_static(b"warming up\n")),
            FromChild::Output(Bytes::from_static(b"{}\n")),
            FromChild::Output(Bytes::new()),
            FromChild::Ended(Exit { code: None, signal: Some(9) }),
        ];
        let (mut read, mut arrived) = (Vec::new(), BytesMut::new());

        for byte in written(&frames) {
            arrived.put_u8(byte);
            read.extend(Frames::<FromChild>::default().decode(&mut arrived).unwrap());
        }

        assert_eq!(read, frames);
    }

    #[test]
    fn a_length_over_the_bound_is_refused_before_anything_of_it_is_kept() {
        let mut arrived = BytesMut::from(&[0, 0xff, 0xff, 0xff, 0xff][..]);

        let refused = Frames::<FromChild>::default().decode(&mut arrived).unwrap_err();

        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        assert!(arrived.capacity() < MAX);
    }

    #[test]
    fn an_end_is_told_in_words() {
        let exit = |code, signal| Exit { code, signal }.to_string();

        assert_eq!([exit(Some(3), None), exit(None, Some(9))], ["exit code 3", "SIGKILL"]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let mut arrived = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Frames::<FromChild>::default().decode(&mut arrived) {}
            let mut arrived = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = Frames::<ToChild>::default().decode(&mut arrived) {}
        }
    }
}
