//! The few colours of a part of the screen.

/// Up to 256 colours, in the order in which they were first met; finding one takes one look on average.
#[derive(Clone)]
pub(super) struct Palette {
    colours: Vec<u32>,
    /// Open addressing: one more than the index of a colour, 0 where there is none.
    slots: Box<[u16; SLOTS]>,
    last: (u32, u8),
}

const SLOTS: usize = 1024;

impl Palette {
    /// Counts colours; `None` once there are more than `limit` (at most 256).
    pub(super) fn of(colours: impl IntoIterator<Item = u32>, limit: usize) -> Option<Self> {
        let mut palette = Self { colours: Vec::new(), slots: Box::new([0; SLOTS]), last: (u32::MAX, 0) };
        palette.add(colours, limit).then_some(palette)
    }

    /// Of both; `None` when together they are more than `limit`.
    pub(super) fn union(&self, other: &Palette, limit: usize) -> Option<Self> {
        let mut both = self.clone();
        both.add(other.colours.iter().copied(), limit).then_some(both)
    }

    pub(super) fn colours(&self) -> &[u32] {
        &self.colours
    }

    /// The index of a colour that was counted.
    pub(super) fn index(&mut self, colour: u32) -> u8 {
        if self.last.0 != colour {
            let found = self.slots[self.slot(colour)];
            self.last = (colour, found.saturating_sub(1) as u8);
        }
        self.last.1
    }

    fn add(&mut self, colours: impl IntoIterator<Item = u32>, limit: usize) -> bool {
        let mut last = u32::MAX;
        for colour in colours {
            if colour == last {
                continue;
            }
            last = colour;
            let slot = self.slot(colour);
            if self.slots[slot] == 0 {
                if self.colours.len() >= limit.min(256) {
                    return false;
                }
                self.colours.push(colour);
                self.slots[slot] = self.colours.len() as u16;
            }
        }
        true
    }

    /// Where a colour is, or would be. The table is never more than a quarter full, so the search ends.
    fn slot(&self, colour: u32) -> usize {
        let mut slot = (colour.wrapping_mul(0x9e37_79b1) >> 22) as usize % SLOTS;
        loop {
            match self.slots[slot] {
                0 => return slot,
                found if self.colours[usize::from(found) - 1] == colour => return slot,
                _ => slot = (slot + 1) % SLOTS,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_colour_is_found_where_it_was_put(colours in prop::collection::vec(0_u32..0x0100_0000, 1..256)) {
            let mut palette = Palette::of(colours.iter().copied(), 256).unwrap();
            for colour in colours {
                let index = usize::from(palette.index(colour));
                prop_assert_eq!(palette.colours()[index], colour);
            }
        }
    }

    #[test]
    fn one_colour_too_many_is_none() {
        assert!(Palette::of(0..16, 16).is_some());
        assert!(Palette::of(0..17, 16).is_none());
        let (left, right) = (Palette::of(0..10, 16).unwrap(), Palette::of(5..20, 16).unwrap());
        assert!(left.union(&right, 16).is_none());
        assert_eq!(left.union(&right, 20).unwrap().colours().len(), 20);
    }
}
