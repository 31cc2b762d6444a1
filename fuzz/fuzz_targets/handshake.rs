//! A viewer's first bytes: nobody gets past a password that they do not know.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use sidecar::desk::rfb::handshake::{GREETING, Handshake};

fuzz_target!(|data: &[u8]| {
    let Some((first, wire)) = data.split_first() else { return };
    let size = usize::from(first >> 1) + 1;
    if first & 1 == 0 {
        let (whole, cut) = (shake(Handshake::open(), [wire]), shake(Handshake::open(), wire.chunks(size)));
        assert_eq!(whole, cut);
    } else {
        // Its answer is one of 2^128, and the fuzzer is not told which.
        assert!(!shake(Handshake::with_password(b"S3cr3t!!", *b"a challenge of 1"), wire.chunks(size)).0);
    }
});

/// Was it let in, and what was it told?
fn shake<'a>(mut handshake: Handshake, pieces: impl IntoIterator<Item = &'a [u8]>) -> (bool, Vec<u8>) {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::from(&GREETING[..]));
    for piece in pieces {
        input.extend_from_slice(piece);
        match handshake.advance(&mut input, &mut out) {
            Ok(false) => assert!(input.len() < 16 && out.len() < 256),
            Ok(true) => return (true, out.to_vec()),
            Err(_) => break,
        }
    }
    (false, out.to_vec())
}
