//! Tight: one colour, a palette, plain pixels or a JPEG, whatever a piece of the screen is best sent as.

use bytes::{BufMut, BytesMut};

use super::{
    super::{Area, Picture, PixelFormat, Wishes, server::Update, shadow::Change, wishes::number},
    MAX_WIDTH, are_neighbours,
    deflate::{self, Stream},
    palette::Palette,
};
use crate::desk::jpeg::{self, Jpeg, Subsamp};

/// Beside this many colours a JPEG is smaller, and its losses are not seen.
const MAX_COLOURS_BEFORE_JPEG: usize = 96;
/// Smaller pieces are letters and carets: sent without losses, whatever their colours.
const MIN_JPEG_PIXELS: usize = 32 * 32;
/// Data shorter than this is not compressed, by the protocol.
const MIN_TO_COMPRESS: usize = 12;

const FILL: u8 = 0x80;
const JPEG: u8 = 0x90;
const EXPLICIT_FILTER: u8 = 0x40;
const FILTER_PALETTE: u8 = 1;

/// Streams by what goes through them: like goes to like, which compresses better.
const PLAIN: usize = 0;
const MONO: usize = 1;
const INDEXED: usize = 2;

#[derive(Default)]
pub(super) struct Tight {
    streams: [Option<Stream>; 3],
    /// Made for the first photograph.
    jpeg: Option<Jpeg>,
}

/// A run of neighbouring tiles that are sent as one rectangle.
struct Run {
    area: Area,
    last: Change,
    /// Its colours, as far as they are few.
    palette: Option<Palette>,
}

impl Tight {
    pub(super) fn encode(
        &mut self,
        update: &mut Update<'_>,
        picture: Picture<'_>,
        changes: &[Change],
        format: &PixelFormat,
        wishes: &Wishes,
    ) {
        let jpeg = wishes.quality.filter(|_| format.takes_jpeg());
        let limit = if jpeg.is_some() { MAX_COLOURS_BEFORE_JPEG } else { 256 };
        let mut run: Option<Run> = None;
        for change in changes {
            let next =
                Run { area: change.area, last: *change, palette: Palette::of(picture.colours(change.area), limit) };
            let (first, second) = match run {
                Some(run) => join(run, next, limit),
                None => (next, None),
            };
            run = Some(match second {
                Some(second) => {
                    self.rectangle(update, picture, first, format, wishes, jpeg);
                    second
                }
                None => first,
            });
        }
        if let Some(run) = run {
            self.rectangle(update, picture, run, format, wishes, jpeg);
        }
    }

    fn rectangle(
        &mut self,
        update: &mut Update<'_>,
        picture: Picture<'_>,
        run: Run,
        format: &PixelFormat,
        wishes: &Wishes,
        jpeg: Option<u8>,
    ) {
        // The area around several changed parts may hold colours between them that were not counted.
        let limit = if jpeg.is_some() { MAX_COLOURS_BEFORE_JPEG } else { 256 };
        let palette = match run.palette {
            Some(palette) if run.area == run.last.area => Some(palette),
            Some(_) => Palette::of(picture.colours(run.area), limit),
            None => None,
        };
        let out = update.rectangle(run.area, number::TIGHT);
        match (palette, jpeg) {
            (Some(palette), _) if palette.colours().len() == 1 => fill(palette.colours()[0], format, out),
            // With few pixels to a colour, the palette outweighs what it saves.
            (Some(palette), _) if palette.colours().len() * 4 <= run.area.pixels() => {
                self.indexed(picture, run.area, palette, format, wishes, out);
            }
            (None, Some(quality)) if run.area.pixels() >= MIN_JPEG_PIXELS => {
                if self.jpeg(picture, run.area, quality, out).is_err() {
                    self.plain(picture, run.area, format, wishes, out);
                }
            }
            _ => self.plain(picture, run.area, format, wishes, out),
        }
    }

    fn plain(&mut self, picture: Picture<'_>, area: Area, format: &PixelFormat, wishes: &Wishes, out: &mut BytesMut) {
        let mut data = Vec::with_capacity(area.pixels() * format.bytes_per_pixel());
        picture.colours(area).for_each(|colour| format.put_tight(colour, &mut data));
        let reset = self.open(PLAIN, data.len(), wishes);
        out.put_u8((PLAIN as u8) << 4 | reset);
        self.data(PLAIN, &data, out);
    }

    fn indexed(
        &mut self,
        picture: Picture<'_>,
        area: Area,
        mut palette: Palette,
        format: &PixelFormat,
        wishes: &Wishes,
        out: &mut BytesMut,
    ) {
        let count = palette.colours().len();
        let mut data = Vec::with_capacity(area.pixels());
        if count == 2 {
            for row in picture.rows(area) {
                for pixels in row.chunks(32) {
                    let byte = pixels
                        .chunks_exact(4)
                        .enumerate()
                        .fold(0, |byte, (i, pixel)| byte | palette.index(super::super::colour(pixel)) << (7 - i));
                    data.push(byte);
                }
            }
        } else {
            data.extend(picture.colours(area).map(|colour| palette.index(colour)));
        }
        let stream = if count == 2 { MONO } else { INDEXED };
        let reset = self.open(stream, data.len(), wishes);
        out.put_slice(&[EXPLICIT_FILTER | (stream as u8) << 4 | reset, FILTER_PALETTE, (count - 1) as u8]);
        let mut colours = Vec::with_capacity(count * 4);
        palette.colours().iter().for_each(|colour| format.put_tight(*colour, &mut colours));
        out.put_slice(&colours);
        self.data(stream, &data, out);
    }

    /// With nothing written when the encoder refuses.
    fn jpeg(&mut self, picture: Picture<'_>, area: Area, level: u8, out: &mut BytesMut) -> Result<(), jpeg::Error> {
        let (quality, sampling) = jpeg_quality(level);
        let encoder = match &mut self.jpeg {
            Some(encoder) => encoder,
            none => none.insert(Jpeg::new()?),
        };
        let image = jpeg::Image {
            pixels: picture.from(area),
            width: area.width.into(),
            pitch: picture.pitch(),
            height: area.height.into(),
            format: jpeg::PixelFormat::BGRX,
        };
        let bytes = encoder.encode(image, quality, sampling)?;
        out.put_u8(JPEG);
        put_length(bytes.len(), out);
        out.put_slice(bytes);
        Ok(())
    }

    /// Makes the stream ready for `length` bytes; answers the bit that tells the viewer to begin its own anew.
    fn open(&mut self, stream: usize, length: usize, wishes: &Wishes) -> u8 {
        let level = deflate::level(wishes.compression);
        let is_open = self.streams[stream].as_ref().is_some_and(|open| open.level() == level);
        if is_open || length < MIN_TO_COMPRESS {
            return 0;
        }
        self.streams[stream] = Some(Stream::new(level));
        1 << stream
    }

    fn data(&mut self, stream: usize, data: &[u8], out: &mut BytesMut) {
        match &mut self.streams[stream] {
            Some(open) if data.len() >= MIN_TO_COMPRESS => {
                let mut compressed = Vec::with_capacity(data.len() / 2 + 64);
                open.compress(data, &mut compressed);
                put_length(compressed.len(), out);
                out.put_slice(&compressed);
            }
            _ => out.put_slice(data),
        }
    }
}

/// Joins the next tile to a run when both are of a kind; otherwise answers both.
fn join(run: Run, next: Run, limit: usize) -> (Run, Option<Run>) {
    let area = run.area.union(next.area);
    if !are_neighbours(run.last, next.last) || area.width > MAX_WIDTH {
        return (run, Some(next));
    }
    match (&run.palette, &next.palette) {
        (None, None) => (Run { area, last: next.last, palette: None }, None),
        (Some(left), Some(right)) => {
            // One colour costs four bytes: it is not mixed with anything.
            let is_fill = left.colours().len() == 1 || right.colours().len() == 1;
            match left.union(right, limit) {
                Some(both) if !is_fill || both.colours().len() == 1 => {
                    (Run { area, last: next.last, palette: Some(both) }, None)
                }
                _ => (run, Some(next)),
            }
        }
        _ => (run, Some(next)),
    }
}

fn fill(colour: u32, format: &PixelFormat, out: &mut BytesMut) {
    out.put_u8(FILL);
    let mut pixel = Vec::with_capacity(4);
    format.put_tight(colour, &mut pixel);
    out.put_slice(&pixel);
}

/// What the levels 0 to 9 mean to JPEG: as TigerVNC and TurboVNC have it, so that equal levels look alike.
fn jpeg_quality(level: u8) -> (u8, Subsamp) {
    const QUALITY: [u8; 10] = [15, 29, 41, 42, 62, 77, 79, 86, 92, 100];
    let level = level.min(9);
    let sampling = match level {
        0..=2 => Subsamp::Sub2x2,
        3..=5 => Subsamp::Sub2x1,
        _ => Subsamp::None,
    };
    (QUALITY[usize::from(level)], sampling)
}

/// Seven bits a byte, the highest bit says that more follow; the third byte holds eight.
fn put_length(length: usize, out: &mut BytesMut) {
    if length < 1 << 7 {
        out.put_u8(length as u8);
    } else if length < 1 << 14 {
        out.put_slice(&[length as u8 | 0x80, (length >> 7) as u8]);
    } else {
        debug_assert!(length < 1 << 22, "rectangles are at most {MAX_WIDTH} by 64 pixels");
        out.put_slice(&[length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_seven_bits_a_byte() {
        let wire = |length| {
            let mut out = BytesMut::new();
            put_length(length, &mut out);
            out.to_vec()
        };

        assert_eq!(wire(127), [127]);
        assert_eq!(wire(10_000), [0x90, 0x4e]);
        assert_eq!(wire(3_000_000), [0xc0, 0x8d, 0xb7]);
    }
}
