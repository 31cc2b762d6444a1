//! Tight: one colour, a palette, plain pixels or a JPEG, whatever a piece of the screen is best sent as.

use bytes::{BufMut, BytesMut};

use super::{
    super::{Area, colour, ledger::Change, server::Update, wishes::number},
    Source,
    deflate::{self, Effort, Stream},
    palette::Palette,
    photo,
    pieces::{self, Content, Piece},
};
use crate::desk::jpeg::{self, Jpeg};

/// Smaller pieces are letters and carets: sent without losses, whatever their colours.
const MIN_JPEG_PIXELS: usize = 32 * 32;
/// Data shorter than this is not compressed, by the protocol.
const MIN_TO_COMPRESS: usize = 12;
/// An update with more bytes to compress has to be quick about it.
const MAX_THOROUGH: usize = 32 * 1024;

const FILL: u8 = 0x80;
const JPEG: u8 = 0x90;
const EXPLICIT_FILTER: u8 = 0x40;
const FILTER_PALETTE: u8 = 1;
/// The longest body that a rectangle can announce.
const MAX_LENGTH: usize = (1 << 22) - 1;

/// Streams by what goes through them: like goes to like, which compresses better.
const PLAIN: usize = 0;
const MONO: usize = 1;
const INDEXED: usize = 2;
/// Begun anew by every rectangle, which can therefore be read by a viewer that missed the one before.
const ALONE: usize = 3;

#[derive(Default)]
pub(super) struct Tight {
    streams: [Option<Stream>; 4],
    /// Made for the first photograph.
    jpeg: Option<Jpeg>,
    palette: Palette,
    /// What is to be compressed, and what became of it.
    data: Vec<u8>,
    compressed: Vec<u8>,
}

/// May a rectangle build on those before it?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bond {
    Sequence,
    Detached,
}

impl Tight {
    /// Answers where there were losses.
    pub(super) fn encode(
        &mut self,
        update: &mut Update<'_>,
        source: Source<'_>,
        changes: &[Change],
        bond: Bond,
    ) -> Vec<Area> {
        let jpeg = source.wishes.quality.filter(|_| source.format.takes_jpeg());
        let limit = pieces::limit(jpeg.is_some());
        let pieces = pieces::pieces(source.picture, changes, limit, &mut self.palette);
        let is_photo = |piece: &Piece| jpeg.is_some() && piece.content == Content::Many;
        let length: usize = pieces.iter().filter(|piece| !is_photo(piece)).map(Piece::length).sum();
        let (effort, bond) = match length {
            ..=MAX_THOROUGH => (Effort::Thorough, bond),
            // Long data finds its repetitions in itself; the streams keep the letters that they know.
            _ => (Effort::Quick, Bond::Detached),
        };
        let mut writer = Writer { tight: self, source, limit, effort, bond };
        let mut lossy = Vec::new();
        for piece in pieces {
            let area = piece.area;
            if writer.piece(piece, jpeg, update.rectangle(area, number::TIGHT)) {
                lossy.push(area);
            }
        }
        lossy
    }
}

/// Writes the rectangles of one update.
struct Writer<'t, 's> {
    tight: &'t mut Tight,
    source: Source<'s>,
    limit: usize,
    effort: Effort,
    bond: Bond,
}

impl Writer<'_, '_> {
    /// Answers whether there were losses.
    fn piece(&mut self, piece: Piece, jpeg: Option<u8>, out: &mut BytesMut) -> bool {
        let palette = &mut self.tight.palette;
        let is_few = match &piece.content {
            Content::Fill(colour) => {
                fill(*colour, self.source, out);
                return false;
            }
            Content::Few(colours) if piece.is_exact => palette.unite(colours, &[], self.limit),
            Content::Few(_) => palette.read(self.source.picture, piece.area, self.limit),
            Content::Many => false,
        };
        if is_few {
            match *palette.colours() {
                [colour] => fill(colour, self.source, out),
                [first, other] => self.mono(piece.area, first, other, out),
                // With few pixels to a colour, the palette outweighs what it saves.
                ref colours if colours.len() * 4 > piece.area.pixels() => self.plain(piece.area, out),
                _ => self.indexed(piece.area, out),
            }
            return false;
        }
        let is_photo = piece.area.pixels() >= MIN_JPEG_PIXELS;
        if let Some(level) = jpeg.filter(|_| is_photo)
            && self.jpeg(piece.area, level, out).is_some()
        {
            return true;
        }
        self.plain(piece.area, out);
        false
    }

    fn plain(&mut self, area: Area, out: &mut BytesMut) {
        let data = &mut self.tight.data;
        data.clear();
        for row in self.source.picture.rows(area) {
            self.source.format.put_tight_row(row, data);
        }
        let (stream, reset) = self.open(PLAIN);
        out.put_u8((stream as u8) << 4 | reset);
        self.data(stream, out);
    }

    fn mono(&mut self, area: Area, first: u32, other: u32, out: &mut BytesMut) {
        self.rows(area, |row, data| {
            for pixels in row.chunks(32) {
                let bits =
                    pixels.chunks_exact(4).fold(0_u8, |bits, pixel| bits << 1 | u8::from(colour(pixel) == other));
                data.push(bits << (8 - pixels.len() / 4));
            }
        });
        self.palette_header(MONO, &[first, other], out);
    }

    fn indexed(&mut self, area: Area, out: &mut BytesMut) {
        let palette = std::mem::take(&mut self.tight.palette);
        self.rows(area, |row, data| data.extend(row.chunks_exact(4).map(|pixel| palette.index(colour(pixel)))));
        self.palette_header(INDEXED, palette.colours(), out);
        self.tight.palette = palette;
    }

    /// Turns rows into data; those that are like the one above are done already.
    fn rows(&mut self, area: Area, mut pack: impl FnMut(&[u8], &mut Vec<u8>)) {
        let data = &mut self.tight.data;
        data.clear();
        let (mut above, mut above_at): (&[u8], usize) = (&[], 0);
        for row in self.source.picture.rows(area) {
            let at = data.len();
            if row == above {
                data.extend_from_within(above_at..);
            } else {
                pack(row, data);
            }
            (above, above_at) = (row, at);
        }
    }

    fn palette_header(&mut self, stream: usize, colours: &[u32], out: &mut BytesMut) {
        let (stream, reset) = self.open(stream);
        out.put_slice(&[EXPLICIT_FILTER | (stream as u8) << 4 | reset, FILTER_PALETTE, (colours.len() - 1) as u8]);
        for colour in colours {
            self.source.format.put_tight(*colour, out);
        }
        self.data(stream, out);
    }

    /// With nothing written when it cannot be one.
    fn jpeg(&mut self, area: Area, level: u8, out: &mut BytesMut) -> Option<()> {
        let picture = self.source.picture;
        let (quality, sampling) = photo::quality(picture, area, level);
        let encoder = match &mut self.tight.jpeg {
            Some(encoder) => encoder,
            none => none.insert(Jpeg::new().ok()?),
        };
        let image = jpeg::Image {
            pixels: picture.from(area),
            width: area.width.into(),
            pitch: picture.pitch(),
            height: area.height.into(),
            format: jpeg::PixelFormat::BGRX,
        };
        let bytes = encoder.encode(image, quality, sampling).ok().filter(|bytes| bytes.len() <= MAX_LENGTH)?;
        out.put_u8(JPEG);
        put_length(bytes.len(), out);
        out.put_slice(bytes);
        Some(())
    }

    /// Makes a stream ready for the data; answers which, and the bit that tells the viewer to begin its own anew.
    fn open(&mut self, stream: usize) -> (usize, u8) {
        let stream = if self.bond == Bond::Detached { ALONE } else { stream };
        if self.tight.data.len() < MIN_TO_COMPRESS {
            return (stream, 0);
        }
        let level = deflate::level(self.source.wishes.compression, self.effort);
        match &mut self.tight.streams[stream] {
            Some(open) if open.level() == level && stream != ALONE => return (stream, 0),
            Some(open) if open.level() == level => open.reset(),
            other => *other = Some(Stream::new(level)),
        }
        (stream, 1 << stream)
    }

    fn data(&mut self, stream: usize, out: &mut BytesMut) {
        let Tight { streams, data, compressed, .. } = &mut *self.tight;
        match &mut streams[stream] {
            Some(open) if data.len() >= MIN_TO_COMPRESS => {
                compressed.clear();
                open.compress(data, compressed);
                put_length(compressed.len(), out);
                out.put_slice(compressed);
            }
            _ => out.put_slice(data),
        }
    }
}

fn fill(colour: u32, source: Source<'_>, out: &mut BytesMut) {
    out.put_u8(FILL);
    source.format.put_tight(colour, out);
}

/// Seven bits a byte, the highest bit says that more follow; the third byte holds eight.
fn put_length(length: usize, out: &mut BytesMut) {
    debug_assert!(length <= MAX_LENGTH, "a piece has at most 2^20 pixels");
    if length < 1 << 7 {
        out.put_u8(length as u8);
    } else if length < 1 << 14 {
        out.put_slice(&[length as u8 | 0x80, (length >> 7) as u8]);
    } else {
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
