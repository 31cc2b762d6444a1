//! What viewers say: messages out of bytes, one at a time, in bounds.

use bytes::{Buf, Bytes, BytesMut};

use super::{Area, PixelFormat, ProtocolError, Wishes, clipboard::ClientClipboard};

/// The largest clipboard that is taken; a larger one is skipped as it comes, without being stored.
pub const MAX_CLIPBOARD: usize = 1 << 20;
/// The longest message that is kept until it is whole, apart from clipboards.
pub const MAX_MESSAGE: usize = 4 + 4 * MAX_ENCODINGS;
/// The longest list of encodings: there are not a hundred in the world.
const MAX_ENCODINGS: usize = 1024;
/// The protocol's own bound.
const MAX_FENCE: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage {
    SetPixelFormat(PixelFormat),
    SetEncodings(Wishes),
    /// Asks for an update: of what changed, or of everything in `area`.
    UpdateRequest {
        incremental: bool,
        area: Area,
    },
    /// `scancode` is which key it was, from viewers that speak QEMU's key events; `keysym` is 0 where it gave nothing.
    Key {
        keysym: u32,
        scancode: Option<u32>,
        down: bool,
    },
    /// Where the pointer is, and which buttons are down: bit 0 is button 1.
    Pointer {
        x: u16,
        y: u16,
        buttons: u16,
    },
    Clipboard(ClientClipboard),
    /// A clipboard was too large, and was skipped.
    ClipboardSkipped {
        length: usize,
    },
    SetDesktopSize {
        width: u16,
        height: u16,
    },
    Fence {
        flags: u32,
        payload: Bytes,
    },
    ContinuousUpdates {
        enable: bool,
        area: Area,
    },
}

/// Takes messages from the front of a buffer that grows as bytes come.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Bytes of a message that was too large, still to come.
    skip: usize,
    extended_mouse_buttons: bool,
}

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on the highest bit of a pointer's buttons announces another byte of them: tell it when the viewer was told.
    pub fn expect_extended_mouse_buttons(&mut self) {
        self.extended_mouse_buttons = true;
    }

    /// The next whole message; `None` when more bytes must come first.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<ClientMessage>, ProtocolError> {
        let skipped = self.skip.min(input.len());
        input.advance(skipped);
        self.skip -= skipped;
        let Some(&kind) = input.first() else { return Ok(None) };
        match kind {
            0 => fixed(input, 20, |mut body| {
                body.advance(3);
                let mut wire = [0; PixelFormat::WIRE];
                body.copy_to_slice(&mut wire);
                Ok(ClientMessage::SetPixelFormat(PixelFormat::parse(wire)?))
            }),
            2 => set_encodings(input),
            3 => fixed(input, 10, |mut body| {
                let incremental = body.get_u8() != 0;
                Ok(ClientMessage::UpdateRequest { incremental, area: area(&mut body) })
            }),
            4 => fixed(input, 8, |mut body| {
                let down = body.get_u8() != 0;
                body.advance(2);
                Ok(ClientMessage::Key { keysym: body.get_u32(), scancode: None, down })
            }),
            5 => self.pointer(input),
            6 => self.cut_text(input),
            150 => fixed(input, 10, |mut body| {
                let enable = body.get_u8() != 0;
                Ok(ClientMessage::ContinuousUpdates { enable, area: area(&mut body) })
            }),
            248 => fence(input),
            251 => set_desktop_size(input),
            255 => qemu(input),
            kind => Err(ProtocolError::UnknownMessage(kind)),
        }
    }

    fn pointer(&self, input: &mut BytesMut) -> Result<Option<ClientMessage>, ProtocolError> {
        let Some(&low) = input.get(1) else { return Ok(None) };
        let extended = self.extended_mouse_buttons && low & 0x80 != 0;
        fixed(input, if extended { 7 } else { 6 }, |mut body| {
            let low = u16::from(body.get_u8());
            let (x, y) = (body.get_u16(), body.get_u16());
            let buttons = if extended { low & 0x7f | u16::from(body.get_u8()) << 7 } else { low };
            Ok(ClientMessage::Pointer { x, y, buttons })
        })
    }

    fn cut_text(&mut self, input: &mut BytesMut) -> Result<Option<ClientMessage>, ProtocolError> {
        const HEADER: usize = 8;
        let Some(mut header) = input.get(4..HEADER) else { return Ok(None) };
        // A negative length announces the extended form.
        let length = header.get_i32();
        let (extended, length) = (length < 0, length.unsigned_abs() as usize);
        if length > MAX_CLIPBOARD {
            input.advance(HEADER);
            self.skip = length;
            return Ok(Some(ClientMessage::ClipboardSkipped { length }));
        }
        if input.len() < HEADER + length {
            return Ok(None);
        }
        input.advance(HEADER);
        let body = input.split_to(length);
        let clipboard =
            if extended { ClientClipboard::parse_extended(&body) } else { Ok(ClientClipboard::parse_plain(&body)) };
        match clipboard {
            // It was packed small enough; whoever copied it is no worse a viewer for that.
            Err(ProtocolError::TooLong { length, .. }) => Ok(Some(ClientMessage::ClipboardSkipped { length })),
            clipboard => Ok(Some(ClientMessage::Clipboard(clipboard?))),
        }
    }
}

/// A message of `length` bytes in all, the first of which is its type.
fn fixed(
    input: &mut BytesMut,
    length: usize,
    read: impl FnOnce(Bytes) -> Result<ClientMessage, ProtocolError>,
) -> Result<Option<ClientMessage>, ProtocolError> {
    if input.len() < length {
        return Ok(None);
    }
    let mut body = input.split_to(length).freeze();
    body.advance(1);
    read(body).map(Some)
}

fn area(body: &mut Bytes) -> Area {
    Area { x: body.get_u16(), y: body.get_u16(), width: body.get_u16(), height: body.get_u16() }
}

fn set_encodings(input: &mut BytesMut) -> Result<Option<ClientMessage>, ProtocolError> {
    let Some(mut count) = input.get(2..4) else { return Ok(None) };
    let count = usize::from(count.get_u16());
    bound("list of encodings", count, MAX_ENCODINGS)?;
    fixed(input, 4 + 4 * count, |mut body| {
        body.advance(3);
        Ok(ClientMessage::SetEncodings(Wishes::read((0..count).map(|_| body.get_i32()))))
    })
}

fn fence(input: &mut BytesMut) -> Result<Option<ClientMessage>, ProtocolError> {
    let Some(&length) = input.get(8) else { return Ok(None) };
    let length = usize::from(length);
    bound("fence", length, MAX_FENCE)?;
    fixed(input, 9 + length, |mut body| {
        body.advance(3);
        let flags = body.get_u32();
        body.advance(1);
        // Its own memory: a slice would keep the whole read buffer.
        Ok(ClientMessage::Fence { flags, payload: Bytes::copy_from_slice(&body) })
    })
}

fn set_desktop_size(input: &mut BytesMut) -> Result<Option<ClientMessage>, ProtocolError> {
    let Some(&screens) = input.get(6) else { return Ok(None) };
    fixed(input, 8 + 16 * usize::from(screens), |mut body| {
        body.advance(1);
        Ok(ClientMessage::SetDesktopSize { width: body.get_u16(), height: body.get_u16() })
    })
}

/// QEMU's key event: keysym and scan code.
fn qemu(input: &mut BytesMut) -> Result<Option<ClientMessage>, ProtocolError> {
    match input.get(1) {
        None => Ok(None),
        Some(0) => fixed(input, 12, |mut body| {
            body.advance(1);
            let down = body.get_u16() != 0;
            let (keysym, scancode) = (body.get_u32(), body.get_u32());
            Ok(ClientMessage::Key { keysym, scancode: (scancode != 0).then_some(scancode), down })
        }),
        Some(_) => Err(ProtocolError::UnknownMessage(255)),
    }
}

fn bound(what: &'static str, length: usize, limit: usize) -> Result<(), ProtocolError> {
    if length > limit { Err(ProtocolError::TooLong { what, length, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use bytes::BufMut;
    use proptest::prelude::*;

    use super::*;

    /// One of each, as a viewer would send it.
    fn conversation() -> Vec<u8> {
        let mut out = BytesMut::new();
        out.put_slice(&[0, 0, 0, 0]);
        PixelFormat::OURS.write(&mut out);
        out.put_slice(&[2, 0, 0, 2, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0x11]);
        out.put_slice(&[3, 1, 0, 1, 0, 2, 0, 3, 0, 4]);
        out.put_slice(&[4, 1, 0, 0, 0, 0, 0xff, 0x0d]);
        out.put_slice(&[5, 1, 0, 10, 0, 20]);
        out.put_slice(&[6, 0, 0, 0, 0, 0, 0, 3, b'a', 0xe9, b'\n']);
        out.put_slice(&[150, 1, 0, 0, 0, 0, 5, 0, 3, 32]);
        out.put_slice(&[248, 0, 0, 0, 0x80, 0, 0, 1, 2, 8, 9]);
        out.put_slice(&[251, 0, 4, 0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 3, 0, 0, 0, 0, 0]);
        out.put_slice(&[255, 0, 0, 1, 0, 0, 0, 0x61, 0, 0, 0, 0x1e]);
        out.to_vec()
    }

    fn decode_all(decoder: &mut Decoder, input: &mut BytesMut) -> Result<Vec<ClientMessage>, ProtocolError> {
        std::iter::from_fn(|| decoder.decode(input).transpose()).collect()
    }

    #[test]
    fn a_conversation_reads_as_it_was_meant() {
        let messages = decode_all(&mut Decoder::new(), &mut BytesMut::from(&conversation()[..])).unwrap();

        let area = |x, y, width, height| Area { x, y, width, height };
        assert_eq!(
            messages,
            [
                ClientMessage::SetPixelFormat(PixelFormat::OURS),
                ClientMessage::SetEncodings(Wishes::read([7, -239])),
                ClientMessage::UpdateRequest { incremental: true, area: area(1, 2, 3, 4) },
                ClientMessage::Key { keysym: 0xff0d, scancode: None, down: true },
                ClientMessage::Pointer { x: 10, y: 20, buttons: 1 },
                ClientMessage::Clipboard(ClientClipboard::Text("aé\n".into())),
                ClientMessage::ContinuousUpdates { enable: true, area: area(0, 0, 1280, 800) },
                ClientMessage::Fence { flags: 0x8000_0001, payload: Bytes::from_static(&[8, 9]) },
                ClientMessage::SetDesktopSize { width: 1024, height: 768 },
                ClientMessage::Key { keysym: 0x61, scancode: Some(0x1e), down: true },
            ]
        );
    }

    #[test]
    fn messages_survive_a_split_at_every_position() {
        let whole = conversation();
        let expected = decode_all(&mut Decoder::new(), &mut BytesMut::from(&whole[..])).unwrap();

        for at in 0..=whole.len() {
            let (mut decoder, mut input) = (Decoder::new(), BytesMut::from(&whole[..at]));
            let mut messages = decode_all(&mut decoder, &mut input).unwrap();
            input.put_slice(&whole[at..]);
            messages.extend(decode_all(&mut decoder, &mut input).unwrap());
            assert_eq!(messages, expected, "split at {at}");
            assert!(input.is_empty());
        }
    }

    #[test]
    fn messages_survive_coming_byte_by_byte() {
        let (mut decoder, mut input, mut messages) = (Decoder::new(), BytesMut::new(), vec![]);

        for byte in conversation() {
            input.put_u8(byte);
            messages.extend(decode_all(&mut decoder, &mut input).unwrap());
        }

        assert_eq!(messages.len(), 10);
    }

    #[test]
    fn a_clipboard_that_is_too_large_is_skipped_without_being_kept() {
        let (mut decoder, mut input) = (Decoder::new(), BytesMut::new());
        let length = MAX_CLIPBOARD + 1;
        input.put_slice(&[6, 0, 0, 0]);
        input.put_u32(length as u32);

        assert_eq!(decoder.decode(&mut input), Ok(Some(ClientMessage::ClipboardSkipped { length })));
        for chunk in vec![b'x'; length].chunks(100_000) {
            input.put_slice(chunk);
            assert_eq!(decoder.decode(&mut input), Ok(None));
            assert!(input.is_empty(), "skipped bytes are not buffered");
        }
        input.put_slice(&[5, 0, 0, 1, 0, 1]);

        assert_eq!(decoder.decode(&mut input), Ok(Some(ClientMessage::Pointer { x: 1, y: 1, buttons: 0 })));
    }

    #[test]
    fn a_text_that_unpacks_to_more_than_is_taken_is_skipped() {
        let packed = |claimed: u32, bytes: usize| {
            use std::io::Write;
            let mut stream =
                flate2::write::ZlibEncoder::new(0x1000_0001_u32.to_be_bytes().to_vec(), flate2::Compression::best());
            stream.write_all(&claimed.to_be_bytes()).unwrap();
            stream.write_all(&vec![b'x'; bytes]).unwrap();
            let body = stream.finish().unwrap();
            let mut message = BytesMut::from(&[6, 0, 0, 0][..]);
            message.put_i32(-(body.len() as i32));
            message.put_slice(&body);
            Decoder::new().decode(&mut message)
        };

        for claimed in [MAX_CLIPBOARD as u32 + 1, u32::MAX] {
            assert_eq!(packed(claimed, 1000), Ok(Some(ClientMessage::ClipboardSkipped { length: claimed as usize })));
        }
        // What is behind the length that it claims is never unpacked.
        let text = ClientClipboard::Text("xxx".into());
        assert_eq!(packed(3, 100 * MAX_CLIPBOARD), Ok(Some(ClientMessage::Clipboard(text))));
    }

    #[test]
    fn the_smallest_of_all_lengths_is_skipped_too() {
        let mut input = BytesMut::from(&[6, 0, 0, 0, 0x80, 0, 0, 0][..]);

        let message = Decoder::new().decode(&mut input);

        assert_eq!(message, Ok(Some(ClientMessage::ClipboardSkipped { length: 1 << 31 })));
    }

    #[test]
    fn lengths_out_of_bounds_are_refused_before_their_bytes_come() {
        for wire in [&[2, 0, 0xff, 0xff][..], &[248, 0, 0, 0, 0, 0, 0, 0, 65]] {
            assert!(matches!(Decoder::new().decode(&mut BytesMut::from(wire)), Err(ProtocolError::TooLong { .. })));
        }
    }

    #[test]
    fn extended_mouse_buttons_are_read_only_once_they_are_expected() {
        let wire = [5, 0x81, 0, 1, 0, 2, 0x01];
        let (mut plain, mut extended) = (BytesMut::from(&wire[..6]), BytesMut::from(&wire[..]));
        let mut decoder = Decoder::new();

        assert_eq!(decoder.decode(&mut plain), Ok(Some(ClientMessage::Pointer { x: 1, y: 2, buttons: 0x81 })));
        decoder.expect_extended_mouse_buttons();
        assert_eq!(decoder.decode(&mut extended), Ok(Some(ClientMessage::Pointer { x: 1, y: 2, buttons: 0x81 })));

        assert!(extended.is_empty(), "the seventh byte belongs to the message");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_never_loop(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
            let mut input = BytesMut::from(&bytes[..]);
            let _ = decode_all(&mut Decoder::new(), &mut input);
        }

        #[test]
        fn random_messages_of_known_types_never_panic(
            kind in prop::sample::select(vec![0_u8, 2, 3, 4, 5, 6, 150, 248, 251, 255]),
            bytes in prop::collection::vec(any::<u8>(), 0..512),
            extended in any::<bool>(),
        ) {
            let mut decoder = Decoder::new();
            if extended {
                decoder.expect_extended_mouse_buttons();
            }
            let mut input = BytesMut::from(&[&[kind][..], &bytes].concat()[..]);
            let _ = decode_all(&mut decoder, &mut input);
        }

        #[test]
        fn how_random_bytes_are_split_does_not_matter(
            bytes in prop::collection::vec(any::<u8>(), 0..512), at in any::<prop::sample::Index>(),
        ) {
            let whole = decode_all(&mut Decoder::new(), &mut BytesMut::from(&bytes[..]));
            let at = at.index(bytes.len() + 1);
            let (mut decoder, mut input) = (Decoder::new(), BytesMut::from(&bytes[..at]));
            let split = decode_all(&mut decoder, &mut input).and_then(|mut first| {
                input.put_slice(&bytes[at..]);
                first.extend(decode_all(&mut decoder, &mut input)?);
                Ok(first)
            });
            prop_assert_eq!(whole, split);
        }
    }
}
