//! A viewer's side of the encodings, written from the protocol's text and from nothing of ours.

use flate2::{Decompress, FlushDecompress};

/// Takes bytes from the front; `None` when there are not enough yet.
pub(crate) struct Wire<'a>(pub(crate) &'a [u8]);

impl<'a> Wire<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|b| u16::from_be_bytes(b.try_into().unwrap()))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_be_bytes(b.try_into().unwrap()))
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.u32().map(|v| v as i32)
    }
}

/// A viewer's picture: `0x00RRGGBB` a pixel, or whatever number the pixel format gives.
#[derive(Clone, Default)]
pub(crate) struct Canvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u32>,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![0xdead_beef; width * height] }
    }

    /// Copies what stands at `from` to `place`, as if through another picture.
    pub(crate) fn copy(&mut self, (x, y, width, height): Place, from: (usize, usize)) {
        let before = self.pixels.clone();
        for row in 0..height {
            let (to, from) = ((y + row) * self.width + x, (from.1 + row) * self.width + from.0);
            self.pixels[to..to + width].copy_from_slice(&before[from..from + width]);
        }
    }

    pub(crate) fn paint(&mut self, (x, y, width, height): Place, pixels: impl IntoIterator<Item = u32>) {
        let mut pixels = pixels.into_iter();
        for row in y..y + height {
            for column in x..x + width {
                self.pixels[row * self.width + column] = pixels.next().expect("a pixel for every place");
            }
        }
        assert!(pixels.next().is_none(), "more pixels than places");
    }
}

/// x, y, width, height.
pub(crate) type Place = (usize, usize, usize, usize);

/// What a pixel of the format that was agreed on looks like on the wire.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    /// 32 bits, depth 24, little-endian, red at bit 16: as the server announces it.
    Bgrx,
    /// 16 bits, 5-6-5, little-endian.
    Rgb565,
    /// 8 bits, 2-3-3 with red lowest.
    Bgr233,
    /// The first two, with the highest byte first.
    BigXrgb,
    BigRgb565,
}

impl Format {
    /// The bytes of `SetPixelFormat`'s format.
    pub(crate) fn wire(self) -> [u8; 16] {
        match self {
            Format::Bgrx => [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0],
            Format::Rgb565 => [16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0],
            Format::Bgr233 => [8, 8, 0, 1, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0],
            Format::BigXrgb => [32, 24, 1, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0],
            Format::BigRgb565 => [16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0],
        }
    }

    pub(crate) fn bytes(self) -> usize {
        usize::from(self.wire()[0] / 8)
    }

    /// What the server should make of a colour.
    pub(crate) fn expected(self, colour: u32) -> u32 {
        let scaled = |shift: u32, max: u32| ((colour >> shift & 255) as f64 * f64::from(max) / 255.0).round() as u32;
        match self {
            Format::Bgrx | Format::BigXrgb => colour & 0x00ff_ffff,
            Format::Rgb565 | Format::BigRgb565 => scaled(16, 31) << 11 | scaled(8, 63) << 5 | scaled(0, 31),
            Format::Bgr233 => scaled(16, 7) | scaled(8, 7) << 3 | scaled(0, 3) << 6,
        }
    }

    fn pixel(self, bytes: &[u8]) -> u32 {
        let join = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        let is_big = self.wire()[2] == 1;
        let number = if is_big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
        if self.is_deep() { number & 0x00ff_ffff } else { number }
    }

    fn is_deep(self) -> bool {
        self.wire()[1] == 24
    }

    fn tight_bytes(self) -> usize {
        if self.is_deep() { 3 } else { self.bytes() }
    }

    /// Tight's pixels are red, green, blue where they have three bytes.
    fn tight_pixel(self, bytes: &[u8]) -> u32 {
        match (self, bytes) {
            (_, [r, g, b]) => u32::from(*r) << 16 | u32::from(*g) << 8 | u32::from(*b),
            _ => self.pixel(bytes),
        }
    }
}

pub(crate) fn raw(wire: &mut Wire<'_>, place: Place, format: Format, canvas: &mut Canvas) -> Option<()> {
    let bytes = wire.take(place.2 * place.3 * format.bytes())?;
    canvas.paint(place, bytes.chunks(format.bytes()).map(|pixel| format.pixel(pixel)));
    Some(())
}

#[derive(Default)]
pub(crate) struct Tight {
    streams: [Option<Decompress>; 4],
    /// How many rectangles came in which form: fill, JPEG, plain, palette.
    pub(crate) forms: [usize; 4],
}

impl Tight {
    /// Decodes one rectangle, all of which must be there already: the streams cannot be read twice.
    pub(crate) fn decode(
        &mut self,
        wire: &mut Wire<'_>,
        place: Place,
        format: Format,
        canvas: &mut Canvas,
    ) -> Option<()> {
        // First without a trace, to see whether it is all there.
        let mut ahead = Wire(wire.0);
        let (control, filter, palette, data) = self.parse(&mut ahead, place, format)?;
        for stream in 0..4 {
            if control >> stream & 1 == 1 {
                self.streams[stream] = None;
            }
        }
        let count = place.2 * place.3;
        match control >> 4 {
            0b1000 => {
                self.forms[0] += 1;
                canvas.paint(place, std::iter::repeat_n(format.tight_pixel(data), count));
            }
            0b1001 => {
                self.forms[1] += 1;
                let rgb = jpeg(data, place.2, place.3);
                canvas.paint(place, rgb.chunks(3).map(|p| Format::Bgrx.tight_pixel(p)));
            }
            form => {
                self.forms[if filter == 1 { 3 } else { 2 }] += 1;
                let length = plain_length(filter, palette.len(), place, format);
                let plain = if length < 12 {
                    data.to_vec()
                } else {
                    inflate(&mut self.streams[usize::from(form & 3)], data, length)
                };
                match filter {
                    0 => canvas.paint(place, plain.chunks(format.tight_bytes()).map(|p| format.tight_pixel(p))),
                    1 if palette.len() == 2 => {
                        let stride = place.2.div_ceil(8);
                        let bit = |i: usize| plain[i / place.2 * stride + i % place.2 / 8] >> (7 - i % place.2 % 8) & 1;
                        canvas.paint(place, (0..count).map(|i| palette[usize::from(bit(i))]));
                    }
                    1 => canvas.paint(place, plain.iter().map(|i| palette[usize::from(*i)])),
                    other => panic!("filter {other}"),
                }
            }
        }
        *wire = ahead;
        Some(())
    }

    /// Goes over a rectangle without decoding it.
    pub(crate) fn skip(&self, wire: &mut Wire<'_>, place: Place, format: Format) -> Option<()> {
        self.parse(wire, place, format).map(drop)
    }

    fn parse<'a>(&self, wire: &mut Wire<'a>, place: Place, format: Format) -> Option<(u8, u8, Vec<u32>, &'a [u8])> {
        let control = wire.u8()?;
        match control >> 4 {
            0b1000 => Some((control, 0, vec![], wire.take(format.tight_bytes())?)),
            0b1001 => {
                let length = length(wire)?;
                Some((control, 0, vec![], wire.take(length)?))
            }
            form if form & 0b1000 == 0 => {
                let filter = if form & 0b0100 != 0 { wire.u8()? } else { 0 };
                let mut palette = Vec::new();
                if filter == 1 {
                    for _ in 0..=wire.u8()? {
                        palette.push(format.tight_pixel(wire.take(format.tight_bytes())?));
                    }
                }
                let plain = plain_length(filter, palette.len(), place, format);
                let length = if plain < 12 { plain } else { length(wire)? };
                Some((control, filter, palette, wire.take(length)?))
            }
            other => panic!("control byte {other:#b}"),
        }
    }
}

fn plain_length(filter: u8, colours: usize, (_, _, width, height): Place, format: Format) -> usize {
    match (filter, colours) {
        (1, 2) => width.div_ceil(8) * height,
        (1, _) => width * height,
        _ => width * height * format.tight_bytes(),
    }
}

fn length(wire: &mut Wire<'_>) -> Option<usize> {
    let mut length = 0;
    for i in 0..3 {
        let byte = usize::from(wire.u8()?);
        length |= (if i < 2 { byte & 0x7f } else { byte }) << (7 * i);
        if i < 2 && byte & 0x80 == 0 {
            break;
        }
    }
    Some(length)
}

#[derive(Default)]
pub(crate) struct Zrle {
    stream: Option<Decompress>,
}

impl Zrle {
    pub(crate) fn decode(
        &mut self,
        wire: &mut Wire<'_>,
        (x0, y0, width, height): Place,
        format: Format,
        canvas: &mut Canvas,
    ) -> Option<()> {
        let mut ahead = Wire(wire.0);
        let length = ahead.u32()? as usize;
        let data = ahead.take(length)?;
        *wire = ahead;
        let bytes = if format.is_deep() { 3 } else { format.bytes() };
        let plain = inflate(&mut self.stream, data, (width * height * bytes + 64) * 2);
        let mut plain = Wire(&plain);
        for y in (0..height).step_by(64) {
            for x in (0..width).step_by(64) {
                let place = (x0 + x, y0 + y, (width - x).min(64), (height - y).min(64));
                zrle_tile(&mut plain, place, format, bytes, canvas);
            }
        }
        assert!(plain.0.is_empty(), "bytes behind the last tile");
        Some(())
    }
}

fn zrle_tile(plain: &mut Wire<'_>, place: Place, format: Format, bytes: usize, canvas: &mut Canvas) {
    let count = place.2 * place.3;
    let kind = usize::from(plain.u8().unwrap());
    let pixel = |plain: &mut Wire<'_>| format.pixel(plain.take(bytes).unwrap());
    let colours = match kind {
        1..=16 => kind,
        129.. => kind - 128,
        _ => 0,
    };
    let palette: Vec<u32> = (0..if colours == 1 && kind != 129 { 1 } else { colours }).map(|_| pixel(plain)).collect();
    match kind {
        0 => {
            let pixels: Vec<u32> = (0..count).map(|_| pixel(plain)).collect();
            canvas.paint(place, pixels);
        }
        1 => canvas.paint(place, std::iter::repeat_n(palette[0], count)),
        2..=16 => {
            let bits = [1, 2, 4][usize::from(kind > 2) + usize::from(kind > 4)];
            let stride = (place.2 * bits).div_ceil(8);
            let data = plain.take(stride * place.3).unwrap();
            let index = |i: usize| {
                let bit = i % place.2 * bits;
                usize::from(data[i / place.2 * stride + bit / 8]) >> (8 - bits - bit % 8) & ((1 << bits) - 1)
            };
            canvas.paint(place, (0..count).map(|i| palette[index(i)]));
        }
        128.. => {
            // Runs, which we never send, but others do.
            let mut pixels = Vec::new();
            while pixels.len() < count {
                let (colour, run) = if kind == 128 {
                    (pixel(plain), true)
                } else {
                    let index = plain.u8().unwrap();
                    (palette[usize::from(index & 127)], index & 128 != 0)
                };
                let length = if run { run_length(plain) } else { 1 };
                pixels.extend(std::iter::repeat_n(colour, length));
            }
            canvas.paint(place, pixels);
        }
        other => panic!("tile of kind {other}"),
    }
}

fn run_length(plain: &mut Wire<'_>) -> usize {
    let mut length = 1;
    loop {
        let byte = usize::from(plain.u8().unwrap());
        length += byte;
        if byte < 255 {
            return length;
        }
    }
}

fn inflate(stream: &mut Option<Decompress>, data: &[u8], room: usize) -> Vec<u8> {
    let stream = stream.get_or_insert_with(|| Decompress::new(true));
    let mut plain = Vec::with_capacity(room + 16);
    let before = stream.total_in();
    stream.decompress_vec(data, &mut plain, FlushDecompress::Sync).expect("a zlib stream");
    assert_eq!((stream.total_in() - before) as usize, data.len(), "all of the data is read");
    plain
}

fn jpeg(data: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(data));
    let rgb = decoder.decode().expect("a JPEG");
    assert_eq!(decoder.dimensions(), Some((width, height)));
    assert_eq!(rgb.len(), width * height * 3);
    rgb
}
