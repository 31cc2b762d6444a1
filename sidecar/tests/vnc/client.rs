//! A viewer that speaks raw RFB over a stream, as far as the tests need.

use std::{collections::VecDeque, time::Duration};

use flate2::read::ZlibDecoder;
use sidecar::desk::rfb::Area;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{
    decoder::{self, Canvas, Format, Place, Tight, Wire, Zrle},
    desktop::Desktop,
};

/// No wait of a test takes longer, on any machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

const LOOK: Duration = Duration::from_millis(20);

pub(crate) mod encoding {
    pub(crate) const RAW: i32 = 0;
    pub(crate) const COPY_RECT: i32 = 1;
    pub(crate) const TIGHT: i32 = 7;
    pub(crate) const ZRLE: i32 = 16;
    pub(crate) const QUALITY_6: i32 = -26;
    pub(crate) const DESKTOP_SIZE: i32 = -223;
    pub(crate) const CURSOR: i32 = -239;
    pub(crate) const VMWARE_CURSOR: i32 = 0x574d_5664;
    pub(crate) const DESKTOP_NAME: i32 = -307;
    pub(crate) const EXTENDED_DESKTOP_SIZE: i32 = -308;
    pub(crate) const FENCE: i32 = -312;
    pub(crate) const CONTINUOUS_UPDATES: i32 = -313;
    pub(crate) const QEMU_KEYS: i32 = -258;
    pub(crate) const EXTENDED_MOUSE_BUTTONS: i32 = -316;
    pub(crate) const EXTENDED_CLIPBOARD: i32 = 0xc0a1_e5ce_u32 as i32;
}

/// What the pointer looks like: width, height, and which pixels are drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    pub(crate) size: (usize, usize),
    pub(crate) drawn: usize,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) struct Client<S> {
    stream: S,
    received: Vec<u8>,
    format: Format,
    tight: Tight,
    zrle: Zrle,
    pub(crate) name: String,
    pub(crate) canvas: Canvas,
    pub(crate) cursor: Option<Cursor>,
    /// Answers to wishes for a size: reason and outcome.
    pub(crate) sizes: Vec<(usize, usize)>,
    pub(crate) abilities: Vec<i32>,
    pub(crate) clipboard: Option<String>,
    pub(crate) can_continue: bool,
    is_continuous: bool,
    pub(crate) updates: usize,
    pub(crate) copies: usize,
    /// Payloads of our own fences that came back.
    fences: VecDeque<Vec<u8>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Shakes hands and tells what it understands.
    pub(crate) async fn connect(mut stream: S, encodings: &[i32]) -> Self {
        let mut greeting = [0; 12];
        stream.read_exact(&mut greeting).await.unwrap();
        assert_eq!(&greeting, b"RFB 003.008\n");
        stream.write_all(&greeting).await.unwrap();
        let mut offered = [0; 2];
        stream.read_exact(&mut offered).await.unwrap();
        assert_eq!(offered, [1, 1], "None, and nothing else");
        stream.write_all(&[1]).await.unwrap();
        assert_eq!(stream.read_u32().await.unwrap(), 0);
        stream.write_all(&[1]).await.unwrap();
        let width = usize::from(stream.read_u16().await.unwrap());
        let height = usize::from(stream.read_u16().await.unwrap());
        let mut format = [0; 16];
        stream.read_exact(&mut format).await.unwrap();
        assert_eq!(format, Format::Bgrx.wire());
        let mut name = vec![0; stream.read_u32().await.unwrap() as usize];
        stream.read_exact(&mut name).await.unwrap();
        let mut client = Client {
            stream,
            received: Vec::new(),
            format: Format::Bgrx,
            tight: Tight::default(),
            zrle: Zrle::default(),
            name: String::from_utf8(name).unwrap(),
            canvas: Canvas::new(width, height),
            cursor: None,
            sizes: Vec::new(),
            abilities: Vec::new(),
            clipboard: None,
            can_continue: false,
            is_continuous: false,
            updates: 0,
            copies: 0,
            fences: VecDeque::new(),
        };
        client.encodings(encodings).await;
        client
    }

    pub(crate) async fn encodings(&mut self, encodings: &[i32]) {
        let mut message = vec![2, 0];
        message.extend((encodings.len() as u16).to_be_bytes());
        message.extend(encodings.iter().flat_map(|e| e.to_be_bytes()));
        self.send(&message).await;
    }

    pub(crate) async fn pixel_format(&mut self, format: Format) {
        let message = [&[0, 0, 0, 0][..], &format.wire()].concat();
        self.send(&message).await;
        self.format = format;
    }

    pub(crate) async fn send(&mut self, message: &[u8]) {
        self.stream.write_all(message).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub(crate) async fn request(&mut self, incremental: bool) {
        let mut message = vec![3, u8::from(incremental), 0, 0, 0, 0];
        message.extend((self.canvas.width as u16).to_be_bytes());
        message.extend((self.canvas.height as u16).to_be_bytes());
        self.send(&message).await;
    }

    pub(crate) async fn continuous(&mut self) {
        self.continuous_in(Area::whole(self.canvas.width as u16, self.canvas.height as u16)).await;
    }

    pub(crate) async fn continuous_in(&mut self, area: Area) {
        let mut message = vec![150, 1];
        message.extend([area.x, area.y, area.width, area.height].iter().flat_map(|side| side.to_be_bytes()));
        self.is_continuous = true;
        self.send(&message).await;
    }

    /// A key as QEMU's extension tells it.
    pub(crate) async fn qemu_key(&mut self, keysym: u32, scancode: u32, down: bool) {
        let message = [&[255, 0, 0, u8::from(down)][..], &keysym.to_be_bytes(), &scancode.to_be_bytes()].concat();
        self.send(&message).await;
    }

    pub(crate) async fn key(&mut self, keysym: u32, down: bool) {
        let message = [&[4, u8::from(down), 0, 0][..], &keysym.to_be_bytes()].concat();
        self.send(&message).await;
    }

    pub(crate) async fn press(&mut self, keysym: u32) {
        self.key(keysym, true).await;
        self.key(keysym, false).await;
    }

    pub(crate) async fn pointer(&mut self, x: u16, y: u16, buttons: u8) {
        let message = [&[5, buttons][..], &x.to_be_bytes(), &y.to_be_bytes()].concat();
        self.send(&message).await;
    }

    pub(crate) async fn copy(&mut self, latin_1: &[u8]) {
        let message = [&[6, 0, 0, 0][..], &(latin_1.len() as u32).to_be_bytes(), latin_1].concat();
        self.send(&message).await;
    }

    pub(crate) async fn wish(&mut self, width: u16, height: u16) {
        let mut message = vec![251, 0];
        message.extend(width.to_be_bytes());
        message.extend(height.to_be_bytes());
        message.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        message.extend(width.to_be_bytes());
        message.extend(height.to_be_bytes());
        message.extend([0; 4]);
        self.send(&message).await;
    }

    /// Returns once the server has dealt with everything that was sent before.
    pub(crate) async fn sync(&mut self) {
        let payload = b"sync";
        self.send(&[&[248, 0, 0, 0, 0x80, 0, 0, 1, payload.len() as u8][..], payload].concat()).await;
        self.until("the fence comes back", |client| client.fences.contains(&payload.to_vec())).await;
        self.fences.clear();
    }

    /// Asks for updates and reads what comes until `is_so`.
    pub(crate) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(DEADLINE, async {
            while !is_so(self) {
                self.message().await;
            }
        });
        assert!(waited.await.is_ok(), "waited in vain until {what}");
    }

    /// Waits until it shows exactly what the server shows.
    pub(crate) async fn shows(&mut self, desktop: &Desktop, format: Format) {
        let waited = tokio::time::timeout(DEADLINE, async {
            loop {
                let expected: Vec<u32> = desktop.pixels().into_iter().map(|c| format.expected(c)).collect();
                if self.canvas.pixels == expected {
                    return;
                }
                self.message().await;
            }
        });
        assert!(waited.await.is_ok(), "the viewer never showed what the server shows");
    }

    /// The next message, whatever it is; an update is followed by the next request, unless they come by themselves.
    /// Returns after a while without one, so that what is not on the wire can be looked at again.
    pub(crate) async fn message(&mut self) {
        loop {
            if let Some(used) = self.parse().await {
                self.received.drain(..used);
                return;
            }
            match tokio::time::timeout(LOOK, self.stream.read_buf(&mut self.received)).await {
                Ok(read) => assert_ne!(read.unwrap(), 0, "the server hung up"),
                Err(_) => return,
            }
        }
    }

    async fn parse(&mut self) -> Option<usize> {
        let received = std::mem::take(&mut self.received);
        let mut wire = Wire(&received);
        let done = self.parse_message(&mut wire);
        let used = received.len() - wire.0.len();
        self.received = received;
        match done? {
            Next::Nothing => {}
            Next::Request => self.request(true).await,
            Next::Send(message) => self.send(&message).await,
        }
        Some(used)
    }

    fn parse_message(&mut self, wire: &mut Wire<'_>) -> Option<Next> {
        match wire.u8()? {
            0 => self.update(wire),
            2 => Some(Next::Nothing),
            3 => self.cut_text(wire),
            150 => {
                self.can_continue = true;
                Some(Next::Nothing)
            }
            248 => {
                wire.take(3)?;
                let flags = wire.u32()?;
                let length = usize::from(wire.u8()?);
                let payload = wire.take(length)?;
                if flags >> 31 == 0 {
                    self.fences.push_back(payload.to_vec());
                    return Some(Next::Nothing);
                }
                let answer = [&[248, 0, 0, 0][..], &(flags & 3).to_be_bytes(), &[length as u8], payload].concat();
                Some(Next::Send(answer))
            }
            other => panic!("message of type {other}"),
        }
    }

    /// Decodes an update, all of which must be there: what was decoded of half an update is remembered by the streams.
    fn update(&mut self, wire: &mut Wire<'_>) -> Option<Next> {
        if !self.is_whole(wire) {
            return None;
        }
        wire.take(1)?;
        for _ in 0..wire.u16()? {
            let (place, encoding) = header(wire)?;
            self.rectangle(wire, place, encoding)?;
        }
        self.updates += 1;
        Some(if self.is_continuous { Next::Nothing } else { Next::Request })
    }

    /// Walks over an update without decoding it.
    fn is_whole(&self, wire: &Wire<'_>) -> bool {
        let mut ahead = Wire(wire.0);
        let mut walk = || {
            ahead.take(1)?;
            for _ in 0..ahead.u16()? {
                let (place, encoding) = header(&mut ahead)?;
                match encoding {
                    encoding::TIGHT => self.tight.skip(&mut ahead, place, self.format)?,
                    encoding::ZRLE => {
                        let length = ahead.u32()? as usize;
                        ahead.take(length)?;
                    }
                    encoding::RAW => drop(ahead.take(place.2 * place.3 * self.format.bytes())?),
                    encoding::COPY_RECT => drop(ahead.take(4)?),
                    encoding::VMWARE_CURSOR => drop(ahead.take(2 + place.2 * place.3 * 4)?),
                    encoding::CURSOR => drop(ahead.take(self.cursor_length(place))?),
                    encoding::DESKTOP_NAME => {
                        let length = ahead.u32()? as usize;
                        ahead.take(length)?;
                    }
                    encoding::EXTENDED_DESKTOP_SIZE => drop(ahead.take(20)?),
                    _ => {}
                }
            }
            Some(())
        };
        walk().is_some()
    }

    fn rectangle(&mut self, wire: &mut Wire<'_>, place: Place, encoding: i32) -> Option<()> {
        match encoding {
            encoding::RAW => decoder::raw(wire, place, self.format, &mut self.canvas),
            encoding::TIGHT => self.tight.decode(wire, place, self.format, &mut self.canvas),
            encoding::ZRLE => self.zrle.decode(wire, place, self.format, &mut self.canvas),
            encoding::COPY_RECT => {
                let from = (usize::from(wire.u16()?), usize::from(wire.u16()?));
                self.canvas.copy(place, from);
                self.copies += 1;
                Some(())
            }
            encoding::VMWARE_CURSOR => {
                assert_eq!(wire.take(2)?[0], 1, "a pointer with alpha");
                let bytes = wire.take(place.2 * place.3 * 4)?.to_vec();
                let drawn = bytes.as_chunks::<4>().0.iter().filter(|pixel| pixel[3] > 0).count();
                self.cursor = Some(Cursor { size: (place.2, place.3), drawn, bytes });
                Some(())
            }
            encoding::CURSOR => {
                let bytes = wire.take(self.cursor_length(place))?.to_vec();
                let mask = &bytes[place.2 * place.3 * self.format.bytes()..];
                let drawn = mask.iter().map(|byte| byte.count_ones() as usize).sum();
                self.cursor = Some(Cursor { size: (place.2, place.3), drawn, bytes });
                Some(())
            }
            encoding::DESKTOP_NAME => {
                let length = wire.u32()? as usize;
                self.name = String::from_utf8(wire.take(length)?.to_vec()).unwrap();
                Some(())
            }
            encoding::DESKTOP_SIZE => {
                self.canvas = Canvas::new(place.2, place.3);
                Some(())
            }
            encoding::EXTENDED_DESKTOP_SIZE => {
                wire.take(20)?;
                self.sizes.push((place.0, place.1));
                if (place.2, place.3) != (self.canvas.width, self.canvas.height) {
                    self.canvas = Canvas::new(place.2, place.3);
                }
                Some(())
            }
            other => {
                assert_eq!(place, (0, 0, 0, 0), "encoding {other} was not asked for");
                self.abilities.push(other);
                Some(())
            }
        }
    }

    fn cursor_length(&self, (_, _, width, height): Place) -> usize {
        width * height * self.format.bytes() + width.div_ceil(8) * height
    }

    fn cut_text(&mut self, wire: &mut Wire<'_>) -> Option<Next> {
        wire.take(3)?;
        let length = wire.i32()?;
        let body = wire.take(length.unsigned_abs() as usize)?;
        if length >= 0 {
            self.clipboard = Some(body.iter().map(|byte| char::from(*byte)).collect());
            return Some(Next::Nothing);
        }
        let (flags, body) = body.split_at(4);
        Some(match flags[0] {
            // Notify: there is a text, so ask for it.
            0x08 if flags[3] & 1 == 1 => Next::Send(vec![6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfc, 0x02, 0, 0, 1]),
            0x10 => {
                let mut text = Vec::new();
                std::io::Read::read_to_end(&mut ZlibDecoder::new(body), &mut text).unwrap();
                let text = String::from_utf8(text[4..].to_vec()).unwrap();
                self.clipboard = Some(text.trim_end_matches('\0').replace("\r\n", "\n"));
                Next::Nothing
            }
            _ => Next::Nothing,
        })
    }
}

enum Next {
    Nothing,
    Request,
    Send(Vec<u8>),
}

fn header(wire: &mut Wire<'_>) -> Option<(Place, i32)> {
    let mut side = || wire.u16().map(usize::from);
    let place = (side()?, side()?, side()?, side()?);
    Some((place, wire.i32()?))
}
