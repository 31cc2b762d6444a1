//! Keys that mean nothing, lent for a while to symbols that no key has.

use std::time::Instant;

use super::keymap::{LEVELS, Layout};

/// The spare keys; each has room for a symbol at every level.
#[derive(Default)]
pub(super) struct Spares {
    keys: Vec<Spare>,
    /// Counts the texts and keys that needed a symbol, so that the one unused for longest makes room.
    round: u64,
}

#[derive(Debug, Clone)]
struct Spare {
    code: u8,
    slots: [Slot; LEVELS],
    held: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    symbol: u32,
    round: u64,
    /// An application looks up what a key means when it comes to the event, not when the key was pressed:
    /// until it has read this press, the symbol stays.
    unread: Option<Instant>,
}

/// How far the spare keys go for a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prepared {
    /// So many symbols of it can be typed.
    pub(super) count: usize,
    /// The server is to be told of new meanings first.
    pub(super) changed: bool,
}

impl Spares {
    /// Takes note of a layout that was read anew, perhaps after someone else changed it.
    pub(super) fn note(&mut self, layout: &Layout) {
        self.keys.retain(|spare| {
            let symbols = layout.key(spare.code).map_or(&[][..], |key| &key.symbols);
            (0..LEVELS).all(|level| spare.slots[level].symbol == symbols.get(level).copied().unwrap_or(0))
        });
        for code in layout.unused() {
            if !self.keys.iter().any(|spare| spare.code == code) {
                self.keys.push(Spare { code, slots: Default::default(), held: false });
            }
        }
    }

    /// Makes room for the symbols of `text` that no key has, as many as there is room for at once on the first
    /// `levels` of each key.
    pub(super) fn prepare(&mut self, text: &[u32], levels: usize, has_key: impl Fn(u32) -> bool) -> Prepared {
        self.round += 1;
        let (round, mut changed) = (self.round, false);
        for (count, symbol) in text.iter().enumerate() {
            if has_key(*symbol) {
                continue;
            }
            if let Some(slot) = self.lent_to(*symbol) {
                slot.round = round;
            } else if let Some(slot) = self.room(levels) {
                *slot = Slot { symbol: *symbol, round, unread: None };
                changed = true;
            } else {
                return Prepared { count, changed };
            }
        }
        Prepared { count: text.len(), changed }
    }

    /// The key that has `symbol` from us, and the level it is at.
    pub(super) fn find(&self, symbol: u32) -> Option<(u8, u8)> {
        self.keys.iter().find_map(|spare| {
            let level = spare.slots.iter().position(|slot| slot.symbol == symbol)?;
            Some((spare.code, level as u8))
        })
    }

    pub(super) fn is_lent(&self, code: u8) -> bool {
        self.keys.iter().any(|spare| spare.code == code && !spare.is_empty())
    }

    /// A key went down or came up; one that is down keeps its meaning.
    pub(super) fn pressed(&mut self, code: u8, level: u8, down: bool, now: Instant) {
        if let Some(spare) = self.keys.iter_mut().find(|spare| spare.code == code) {
            spare.held = down;
            spare.slots[usize::from(level) % LEVELS].unread = Some(now);
        }
    }

    /// A key came up.
    pub(super) fn lifted(&mut self, code: u8) {
        if let Some(spare) = self.keys.iter_mut().find(|spare| spare.code == code) {
            spare.held = false;
        }
    }

    /// What was pressed up to `until` has been read.
    pub(super) fn heard(&mut self, until: Instant) {
        for slot in self.keys.iter_mut().flat_map(|spare| &mut spare.slots) {
            slot.unread = slot.unread.filter(|pressed| *pressed > until);
        }
    }

    pub(super) fn any_unread(&self) -> bool {
        self.keys.iter().flat_map(|spare| &spare.slots).any(|slot| slot.unread.is_some())
    }

    /// What the spare keys mean now; those that are not lent to anything too.
    pub(super) fn meanings(&self) -> impl Iterator<Item = (u8, [u32; LEVELS])> {
        self.keys.iter().map(|spare| (spare.code, spare.slots.map(|slot| slot.symbol)))
    }

    fn lent_to(&mut self, symbol: u32) -> Option<&mut Slot> {
        self.keys.iter_mut().flat_map(|spare| &mut spare.slots).find(|slot| slot.symbol == symbol)
    }

    /// The next free slot, else the one unused for longest; low levels first, which need no modifiers.
    fn room(&mut self, levels: usize) -> Option<&mut Slot> {
        let round = self.round;
        let free = self.keys.iter_mut().filter(|spare| !spare.held).flat_map(|spare| {
            let slots = spare.slots.iter_mut().take(levels).enumerate();
            slots.filter(|(_, slot)| slot.symbol == 0 || (slot.unread.is_none() && slot.round < round))
        });
        free.min_by_key(|(level, slot)| (slot.symbol != 0, slot.round, *level)).map(|(_, slot)| slot)
    }
}

impl Spare {
    fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.symbol == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::keymap::tests::layout, *};

    /// As many spare keys as told.
    fn spares(count: u8) -> Spares {
        let mut spares = Spares::default();
        let all: Vec<(u8, &[u32])> =
            (9..=255).map(|code| (code, if code < 9 + count { &[][..] } else { &[7][..] })).collect();
        spares.note(&layout(&all));
        spares
    }

    fn prepare(spares: &mut Spares, text: &[u32]) -> (usize, bool) {
        let prepared = spares.prepare(text, LEVELS, |symbol| symbol < 10);
        (prepared.count, prepared.changed)
    }

    #[test]
    fn every_symbol_without_a_key_gets_room_and_keeps_it() {
        let mut spares = spares(2);

        assert_eq!(prepare(&mut spares, &[1, 11, 2, 12, 13, 11]), (6, true));
        assert_eq!(prepare(&mut spares, &[13, 12, 11]), (3, false));
        // The first levels of both keys are taken before any second one.
        assert_eq!([11, 12, 13].map(|s| spares.find(s)), [Some((9, 0)), Some((10, 0)), Some((9, 1))]);
    }

    #[test]
    fn a_text_goes_as_far_as_there_is_room() {
        let mut spares = spares(1);

        assert_eq!(prepare(&mut spares, &[11, 1, 12, 13, 14, 1, 15, 16]), (6, true));
    }

    #[test]
    fn a_symbol_makes_room_only_when_its_last_press_has_been_read() {
        let (mut spares, now) = (spares(1), Instant::now());
        prepare(&mut spares, &[11, 12, 13, 14]);
        for level in 0..4 {
            spares.pressed(9, level, true, now);
            spares.lifted(9);
        }

        assert_eq!(prepare(&mut spares, &[15]), (0, false));
        assert!(spares.any_unread());
        spares.heard(now);
        assert_eq!(prepare(&mut spares, &[15]), (1, true));
    }

    #[test]
    fn a_held_key_is_never_lent_anew() {
        let (mut spares, now) = (spares(1), Instant::now());
        prepare(&mut spares, &[11]);
        spares.pressed(9, 0, true, now);
        spares.heard(now);

        assert_eq!(prepare(&mut spares, &[12]), (0, false));
    }

    #[test]
    fn a_key_that_someone_else_gave_a_meaning_is_no_longer_spare() {
        let mut spares = spares(1);
        prepare(&mut spares, &[11]);

        spares.note(&layout(&(9..=255).map(|code| (code, &[99][..])).collect::<Vec<_>>()));

        assert_eq!(prepare(&mut spares, &[11]), (0, false));
    }
}
