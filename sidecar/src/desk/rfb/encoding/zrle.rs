//! ZRLE: tiles of 64x64, each one colour, a small palette or plain, in one zlib stream.

use bytes::{BufMut, BytesMut};

use super::{
    super::{Area, Picture, PixelFormat},
    Source,
    deflate::{self, Effort, Stream},
    palette::Palette,
};

const TILE: u16 = 64;
/// A packed palette has at most so many colours.
const MAX_PACKED: usize = 16;

#[derive(Default)]
pub(super) struct Zrle {
    /// Made for the first rectangle, and never begun anew: the protocol has no word for that.
    stream: Option<Stream>,
}

impl Zrle {
    pub(super) fn encode(&mut self, source: Source<'_>, area: Area, out: &mut BytesMut) {
        let Source { picture, format, wishes } = source;
        let (mut plain, mut palette) = (Vec::new(), Palette::default());
        for y in (area.y..area.y + area.height).step_by(usize::from(TILE)) {
            for x in (area.x..area.x + area.width).step_by(usize::from(TILE)) {
                tile(
                    picture,
                    Area { x, y, width: TILE, height: TILE }.intersect(area),
                    format,
                    &mut palette,
                    &mut plain,
                );
            }
        }
        let stream = self.stream.get_or_insert_with(|| Stream::new(deflate::level(wishes.compression, Effort::Quick)));
        let mut compressed = Vec::with_capacity(plain.len() / 2 + 64);
        stream.compress(&plain, &mut compressed);
        out.put_u32(compressed.len() as u32);
        out.put_slice(&compressed);
    }
}

fn tile(picture: Picture<'_>, area: Area, format: &PixelFormat, palette: &mut Palette, out: &mut Vec<u8>) {
    if !palette.read(picture, area, MAX_PACKED) {
        out.push(0);
        picture.colours(area).for_each(|colour| format.put_compressed(colour, out));
        return;
    }
    let count = palette.colours().len();
    // 1 is a tile of one colour; 2 to 16 are palettes of so many.
    out.push(count as u8);
    palette.colours().iter().for_each(|colour| format.put_compressed(*colour, out));
    let bits = match count {
        ..=1 => return,
        2 => 1,
        3..=4 => 2,
        _ => 4,
    };
    for row in picture.rows(area) {
        // Indices are packed from the highest bit on; every row begins with a byte of its own.
        for pixels in row.chunks(4 * (8 / bits)) {
            let byte = pixels
                .chunks_exact(4)
                .enumerate()
                .fold(0, |byte, (i, pixel)| byte | palette.index(super::super::colour(pixel)) << (8 - bits * (i + 1)));
            out.push(byte);
        }
    }
}
