//! A viewer that measures: RFB 3.8 over TCP, Tight at quality 6, one request ahead of what is shown.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use protocol::desktop::Size;

use crate::decoder::{self, Canvas, Format, Place, Tight, Wire, Zrle};

/// No server needs longer for its part of the handshake, on any machine.
const PATIENCE: Duration = Duration::from_secs(20);
const CHUNK: usize = 256 << 10;

mod encoding {
    pub(super) const RAW: i32 = 0;
    pub(super) const COPY_RECT: i32 = 1;
    pub(super) const TIGHT: i32 = 7;
    pub(super) const ZRLE: i32 = 16;
    pub(super) const QUALITY_6: i32 = -26;
    pub(super) const COMPRESSION_1: i32 = -255;
    pub(super) const DESKTOP_SIZE: i32 = -223;
    pub(super) const LAST_RECT: i32 = -224;
    pub(super) const CURSOR: i32 = -239;
    pub(super) const EXTENDED_DESKTOP_SIZE: i32 = -308;

    /// The most wanted first.
    pub(super) const WANTED: [i32; 9] =
        [TIGHT, COPY_RECT, ZRLE, CURSOR, LAST_RECT, DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, QUALITY_6, COMPRESSION_1];
}

/// How much of what comes is decoded. Client and server share the processor, so a run that measures it decodes nothing.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    /// Every rectangle is walked over, none is decoded.
    Count,
    /// All but the JPEGs that lie elsewhere: those cost the most, and nothing after them depends on them.
    At(Place),
    All,
}

/// What has come so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) updates: u64,
    pub(crate) pixels: u64,
    pub(crate) bytes: u64,
}

/// One update that painted something.
pub(crate) struct Update {
    /// When its last byte was there.
    pub(crate) arrived: Instant,
    /// Does the place that is looked at show something else than before?
    pub(crate) changed: bool,
    /// What it painted.
    pub(crate) places: Vec<Place>,
}

pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    look: Look,
    tight: Tight,
    zrle: Zrle,
    pub(crate) canvas: Canvas,
    pub(crate) totals: Totals,
}

impl Client {
    /// Shakes hands and tells what it understands; nothing is asked for yet.
    pub(crate) fn connect(port: u16, look: Look) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect to the server");
        stream.set_nodelay(true).expect("set TCP_NODELAY");
        stream.set_read_timeout(Some(PATIENCE)).expect("set a time-out");
        let (width, height) = shake_hands(&mut stream).expect("shake hands with the server");
        let mut hello = vec![0, 0, 0, 0];
        hello.extend(Format::Bgrx.wire());
        hello.extend([2, 0]);
        hello.extend((encoding::WANTED.len() as u16).to_be_bytes());
        hello.extend(encoding::WANTED.iter().flat_map(|encoding| encoding.to_be_bytes()));
        stream.write_all(&hello).expect("tell the server what is understood");
        let canvas = Canvas::new(width.into(), height.into());
        let (received, totals) = (Vec::with_capacity(4 * CHUNK), Totals::default());
        Self { stream, received, look, tight: Tight::default(), zrle: Zrle::default(), canvas, totals }
    }

    pub(crate) fn size(&self) -> Size {
        Size { width: self.canvas.width as u32, height: self.canvas.height as u32 }
    }

    pub(crate) fn request(&mut self, incremental: bool) {
        let Size { width, height } = self.size();
        let mut message = vec![3, u8::from(incremental), 0, 0, 0, 0];
        message.extend((width as u16).to_be_bytes());
        message.extend((height as u16).to_be_bytes());
        self.send(&message);
    }

    pub(crate) fn press(&mut self, keysym: u32) {
        let key = |down: u8| [&[4, down, 0, 0][..], &keysym.to_be_bytes()].concat();
        self.send(&[key(1), key(0)].concat());
    }

    pub(crate) fn click(&mut self, x: u16, y: u16) {
        let pointer = |buttons: u8| [&[5, buttons][..], &x.to_be_bytes(), &y.to_be_bytes()].concat();
        self.send(&[pointer(0), pointer(1), pointer(0)].concat());
    }

    /// Asks for the whole screen and waits until all of it has been painted.
    pub(crate) fn whole(&mut self) {
        self.request(false);
        let Size { width, height } = self.size();
        let deadline = Instant::now() + PATIENCE;
        let before = self.totals.pixels;
        while self.totals.pixels - before < u64::from(width) * u64::from(height) {
            self.next(deadline).expect("the server paints its whole screen");
        }
    }

    /// Takes what comes until then.
    pub(crate) fn watch_until(&mut self, until: Instant) {
        while self.next(until).is_some() {}
    }

    /// The next update that paints something; by then another one has been asked for. None when there was none until then.
    pub(crate) fn next(&mut self, until: Instant) -> Option<Update> {
        loop {
            let mut received = std::mem::take(&mut self.received);
            let mut wire = Wire(&received);
            let message = self.message(&mut wire);
            let used = received.len() - wire.0.len();
            if message.is_some() {
                received.drain(..used);
                self.totals.bytes += used as u64;
            }
            self.received = received;
            match message {
                Some(Message::Update(update)) if !update.places.is_empty() => return Some(update),
                Some(Message::Fence(answer)) => self.send(&answer),
                Some(Message::Update(_) | Message::Other) => {}
                None if !self.read(until) => return None,
                None => {}
            }
        }
    }

    /// Whether more came until then.
    fn read(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.stream.set_read_timeout(Some(left)).expect("set a time-out");
        let length = self.received.len();
        self.received.resize(length + CHUNK, 0);
        let read = self.stream.read(&mut self.received[length..]);
        self.received.truncate(length + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => panic!("the server hung up"),
            Ok(_) => true,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => false,
            Err(error) => panic!("read from the server: {error}"),
        }
    }

    fn message(&mut self, wire: &mut Wire<'_>) -> Option<Message> {
        match wire.u8()? {
            0 => self.update(wire).map(Message::Update),
            2 | 150 => Some(Message::Other),
            3 => {
                wire.take(3)?;
                let length = wire.i32()?;
                wire.take(length.unsigned_abs() as usize)?;
                Some(Message::Other)
            }
            248 => {
                wire.take(3)?;
                let flags = wire.u32()?;
                let length = wire.u8()?;
                let payload = wire.take(length.into())?;
                let answer = [&[248, 0, 0, 0][..], &(flags & 7).to_be_bytes(), &[length], payload].concat();
                Some(if flags >> 31 == 1 { Message::Fence(answer) } else { Message::Other })
            }
            other => panic!("a message of type {other}"),
        }
    }

    /// One update, all of which must be there: what was inflated of half an update could not be inflated again.
    fn update(&mut self, wire: &mut Wire<'_>) -> Option<Update> {
        let mut ahead = Wire(wire.0);
        for _ in 0..count(&mut ahead)? {
            let (place, encoding) = header(&mut ahead)?;
            self.skip(&mut ahead, place, encoding)?;
            if encoding == encoding::LAST_RECT {
                break;
            }
        }
        let mut update = Update { arrived: Instant::now(), changed: false, places: Vec::new() };
        self.request(true);
        for _ in 0..count(wire)? {
            let (place, encoding) = header(wire)?;
            update.changed |= self.rectangle(wire, place, encoding)?;
            match encoding {
                encoding::LAST_RECT => break,
                encoding::DESKTOP_SIZE | encoding::EXTENDED_DESKTOP_SIZE => self.resize(place),
                encoding if encoding >= 0 => update.places.push(place),
                _ => {}
            }
        }
        self.totals.updates += u64::from(!update.places.is_empty());
        self.totals.pixels += update.places.iter().map(|place| (place.2 * place.3) as u64).sum::<u64>();
        Some(update)
    }

    /// Shows a rectangle, or walks over it; whether the place that is looked at changed by it.
    fn rectangle(&mut self, wire: &mut Wire<'_>, place: Place, encoding: i32) -> Option<bool> {
        let is_jpeg = encoding == encoding::TIGHT && wire.0.first().is_some_and(|control| control >> 4 == 0b1001);
        let watched = match self.look {
            _ if encoding < 0 => return self.skip(wire, place, encoding).map(|()| false),
            Look::Count => return self.skip(wire, place, encoding).map(|()| false),
            Look::At(watched) if !touch(watched, place) && is_jpeg => {
                return self.skip(wire, place, encoding).map(|()| false);
            }
            Look::At(watched) => touch(watched, place),
            Look::All => false,
        };
        let before = if watched { part(&self.canvas, place) } else { Vec::new() };
        self.decode(wire, place, encoding)?;
        Some(watched && before != part(&self.canvas, place))
    }

    fn decode(&mut self, wire: &mut Wire<'_>, place: Place, encoding: i32) -> Option<()> {
        match encoding {
            encoding::RAW => decoder::raw(wire, place, Format::Bgrx, &mut self.canvas),
            encoding::TIGHT => self.tight.decode(wire, place, Format::Bgrx, &mut self.canvas),
            encoding::ZRLE => self.zrle.decode(wire, place, Format::Bgrx, &mut self.canvas),
            encoding::COPY_RECT => {
                let from = (wire.u16()?.into(), wire.u16()?.into(), place.2, place.3);
                let pixels = part(&self.canvas, from);
                self.canvas.paint(place, pixels);
                Some(())
            }
            other => panic!("encoding {other} was not asked for"),
        }
    }

    fn skip(&self, wire: &mut Wire<'_>, place: Place, encoding: i32) -> Option<()> {
        let (width, height) = (place.2, place.3);
        let length = match encoding {
            encoding::TIGHT => return self.tight.skip(wire, place, Format::Bgrx),
            encoding::RAW => width * height * 4,
            encoding::COPY_RECT => 4,
            encoding::ZRLE => wire.u32()? as usize,
            encoding::CURSOR => width * height * 4 + width.div_ceil(8) * height,
            encoding::EXTENDED_DESKTOP_SIZE => 3 + 16 * usize::from(wire.u8()?),
            encoding::DESKTOP_SIZE | encoding::LAST_RECT => 0,
            other => panic!("encoding {other} was not asked for"),
        };
        wire.take(length).map(drop)
    }

    fn resize(&mut self, (_, _, width, height): Place) {
        if (width, height) != (self.canvas.width, self.canvas.height) {
            self.canvas = Canvas::new(width, height);
        }
    }

    fn send(&mut self, message: &[u8]) {
        self.stream.write_all(message).expect("send to the server");
    }
}

fn count(wire: &mut Wire<'_>) -> Option<u16> {
    wire.u8()?;
    wire.u16()
}

fn header(wire: &mut Wire<'_>) -> Option<(Place, i32)> {
    let mut side = || wire.u16().map(usize::from);
    let place = (side()?, side()?, side()?, side()?);
    Some((place, wire.i32()?))
}

fn touch(one: Place, two: Place) -> bool {
    one.0 < two.0 + two.2 && two.0 < one.0 + one.2 && one.1 < two.1 + two.3 && two.1 < one.1 + one.3
}

/// The pixels of a place, row by row.
pub(crate) fn part(canvas: &Canvas, (x, y, width, height): Place) -> Vec<u32> {
    (y..y + height).flat_map(|row| &canvas.pixels[row * canvas.width + x..][..width]).copied().collect()
}

enum Message {
    Update(Update),
    Fence(Vec<u8>),
    Other,
}

fn shake_hands(stream: &mut TcpStream) -> io::Result<(u16, u16)> {
    let mut version = [0; 12];
    stream.read_exact(&mut version)?;
    stream.write_all(b"RFB 003.008\n")?;
    let mut count = [0];
    stream.read_exact(&mut count)?;
    let mut kinds = vec![0; count[0].into()];
    stream.read_exact(&mut kinds)?;
    assert!(kinds.contains(&1), "the server offers {kinds:?}, not None");
    stream.write_all(&[1])?;
    let mut verdict = [0; 4];
    stream.read_exact(&mut verdict)?;
    assert_eq!(verdict, [0; 4], "the handshake's verdict");
    // Shared: the other viewers stay.
    stream.write_all(&[1])?;
    let mut init = [0; 24];
    stream.read_exact(&mut init)?;
    let length = u32::from_be_bytes([init[20], init[21], init[22], init[23]]);
    io::copy(&mut stream.take(length.into()), &mut io::sink())?;
    Ok((u16::from_be_bytes([init[0], init[1]]), u16::from_be_bytes([init[2], init[3]])))
}
