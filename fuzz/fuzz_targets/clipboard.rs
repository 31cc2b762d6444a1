//! The body of an extended clipboard message: flags and a zlib stream.
#![no_main]

use bytes::{BufMut, BytesMut};
use libfuzzer_sys::fuzz_target;
use sidecar::desk::rfb::{
    ClientMessage, Decoder,
    client::MAX_CLIPBOARD,
    clipboard::{self, ClientClipboard},
};

fuzz_target!(|body: &[u8]| {
    if body.is_empty() || body.len() > MAX_CLIPBOARD {
        return;
    }
    let Ok(Some(ClientMessage::Clipboard(ClientClipboard::Text(text)))) = read(body) else { return };
    // Broken UTF-8 grows to at most three bytes for one.
    assert!(text.len() <= 3 * MAX_CLIPBOARD && !text.contains('\r'));
    // What we would provide in turn reads back, unless it ends in the zero that marks the end.
    let mut out = BytesMut::new();
    clipboard::write_provide(&text, &mut out);
    match read(&out[8..]) {
        Ok(Some(ClientMessage::Clipboard(again))) => assert_eq!(again, ClientClipboard::Text(text)),
        Ok(Some(ClientMessage::ClipboardSkipped { length })) => assert!(length > MAX_CLIPBOARD),
        other => panic!("{other:?}"),
    }
});

fn read(body: &[u8]) -> Result<Option<ClientMessage>, sidecar::desk::rfb::ProtocolError> {
    let mut message = BytesMut::from(&[6, 0, 0, 0][..]);
    message.put_i32(-(body.len() as i32));
    message.put_slice(body);
    Decoder::new().decode(&mut message)
}
