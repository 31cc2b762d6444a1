//! The few colours of a part of the screen, counted fast.

use super::super::{Area, Picture, colour};

/// Indices are bytes.
pub(super) const MAX_COLOURS: usize = 256;
const SLOTS: usize = 1024;
/// One pixel in so many, across and down, gives a first impression.
const SAMPLED: usize = 8;
/// No colour: those have 24 bits.
const NONE: u32 = u32::MAX;

/// Up to 256 colours, in the order in which they were first met; finding one takes one look on average.
pub(super) struct Palette {
    colours: Vec<u32>,
    /// Open addressing: the colours and, beside them, their places in the list.
    keys: Box<[u32; SLOTS]>,
    indices: Box<[u8; SLOTS]>,
}

impl Default for Palette {
    fn default() -> Self {
        Self { colours: Vec::new(), keys: Box::new([NONE; SLOTS]), indices: Box::new([0; SLOTS]) }
    }
}

impl Palette {
    /// Becomes the palette of `area`; `false` once there are more colours than `limit`.
    pub(super) fn read(&mut self, picture: Picture<'_>, area: Area, limit: usize) -> bool {
        self.clear();
        let mut above: &[u8] = &[];
        for row in picture.rows(area) {
            if row != above && !self.add_row(row, limit) {
                return false;
            }
            above = row;
        }
        true
    }

    /// Are there more colours than `limit` among a few pixels that are spread over `area`?
    pub(super) fn sees_more(&mut self, picture: Picture<'_>, area: Area, limit: usize) -> bool {
        self.clear();
        let rows = picture.rows(area).skip(SAMPLED / 2).step_by(SAMPLED);
        let mut pixels = rows.flat_map(|row| row.chunks_exact(4).skip(SAMPLED / 2).step_by(SAMPLED));
        !pixels.all(|pixel| self.add(colour(pixel), limit))
    }

    /// Becomes the palette of both lists; `false` when together they are more than `limit`.
    pub(super) fn unite(&mut self, left: &[u32], right: &[u32], limit: usize) -> bool {
        self.clear();
        left.iter().chain(right).all(|colour| self.add(*colour, limit))
    }

    pub(super) fn colours(&self) -> &[u32] {
        &self.colours
    }

    /// The index of a colour that was counted.
    pub(super) fn index(&self, colour: u32) -> u8 {
        self.indices[self.slot(colour)]
    }

    fn clear(&mut self) {
        self.colours.clear();
        self.keys.fill(NONE);
    }

    fn add_row(&mut self, row: &[u8], limit: usize) -> bool {
        match self.colours[..] {
            [one] if has_only(row, one, one) => return true,
            [one, other] if has_only(row, one, other) => return true,
            _ => {}
        }
        let mut last = NONE;
        row.chunks_exact(4).map(colour).all(|colour| {
            let is_known = colour == last || self.add(colour, limit);
            last = colour;
            is_known
        })
    }

    fn add(&mut self, colour: u32, limit: usize) -> bool {
        let slot = self.slot(colour);
        if self.keys[slot] == NONE {
            if self.colours.len() >= limit.min(MAX_COLOURS) {
                return false;
            }
            self.keys[slot] = colour;
            self.indices[slot] = self.colours.len() as u8;
            self.colours.push(colour);
        }
        true
    }

    /// Where a colour is, or would be. The table is never more than a quarter full, so the search ends.
    fn slot(&self, colour: u32) -> usize {
        let mut slot = (colour.wrapping_mul(0x9e37_79b1) >> 22) as usize % SLOTS;
        while self.keys[slot] != colour && self.keys[slot] != NONE {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }
}

/// Without an early end, so that many pixels are compared at once.
fn has_only(row: &[u8], one: u32, other: u32) -> bool {
    let differs = |pixel: &[u8]| {
        let colour = colour(pixel);
        (colour != one) & (colour != other)
    };
    !row.chunks_exact(4).fold(false, |any, pixel| any | differs(pixel))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(colours: &[u32], width: u16, limit: usize) -> (Palette, bool) {
        let bytes: Vec<u8> = colours.iter().flat_map(|colour| (colour | 0x5a00_0000).to_le_bytes()).collect();
        let height = (colours.len() / usize::from(width)) as u16;
        let mut palette = Palette::default();
        let is_whole = palette.read(Picture::new(&bytes, width, height).unwrap(), Area::whole(width, height), limit);
        (palette, is_whole)
    }

    proptest! {
        #[test]
        fn every_colour_is_found_where_it_was_put(
            colours in prop::collection::vec(prop_oneof![0_u32..3, 0_u32..0x0100_0000], 1..256),
        ) {
            let (palette, is_whole) = read(&colours, 1, 256);
            prop_assert!(is_whole);
            for colour in &colours {
                prop_assert_eq!(palette.colours()[usize::from(palette.index(*colour))], *colour);
            }
            let mut distinct = colours.clone();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(palette.colours().len(), distinct.len());
        }
    }

    #[test]
    fn one_colour_too_many_is_told() {
        let colours: Vec<u32> = (0..17).collect();
        assert!(read(&colours[..16], 4, 16).1);
        assert!(!read(&colours, 1, 16).1);

        let mut both = Palette::default();
        assert!(!both.unite(&colours[..10], &colours[5..], 16));
        assert!(both.unite(&colours[..10], &colours[5..], 17));
        assert_eq!(both.colours().len(), 17);
    }

    #[test]
    fn the_last_pixel_of_the_last_row_counts() {
        let mut colours = vec![7; 64];
        colours[63] = 9;

        assert_eq!(read(&colours, 8, 256).0.colours(), [7, 9]);
    }
}
