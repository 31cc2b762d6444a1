//! What a viewer says after the handshake: it may be cut anywhere, and keeps no more memory than one message.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use sidecar::desk::rfb::{
    ClientMessage, Decoder, ProtocolError,
    client::{MAX_CLIPBOARD, MAX_MESSAGE},
};

fuzz_target!(|data: &[u8]| {
    let Some((first, wire)) = data.split_first() else { return };
    let decoder = || {
        let mut decoder = Decoder::new();
        if first & 1 == 1 {
            decoder.expect_extended_mouse_buttons();
        }
        decoder
    };
    let whole = decode(decoder(), [wire]);
    let cut = decode(decoder(), wire.chunks(usize::from(first >> 1) + 1));
    assert_eq!(whole, cut);
});

fn decode<'a>(
    mut decoder: Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<ClientMessage>, Option<ProtocolError>) {
    let (mut input, mut messages) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
        assert!(input.len() < MAX_MESSAGE.max(MAX_CLIPBOARD + 8));
    }
    (messages, None)
}
