//! Which key, with which modifiers, gives a symbol: the server's keyboard map, read once and kept.

use std::collections::HashMap;

use xkeysym::Keysym;

/// Bits of the modifiers that every keyboard has.
pub(super) const SHIFT: u8 = 1;
pub(super) const LOCK: u8 = 2;
pub(super) const CONTROL: u8 = 4;
pub(super) const MOD1: u8 = 8;
pub(super) const MOD4: u8 = 64;
/// A key gives at most so many symbols in one language that are looked for.
pub(super) const LEVELS: usize = 4;

/// What the server says its keys mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    pub(super) first: u8,
    pub(super) keys: Vec<Key>,
    pub(super) types: Vec<KeyType>,
    /// The keys of each of the eight modifiers, Shift first.
    pub(super) modifiers: [Vec<u8>; 8],
}

/// What one key means: `width` symbols for each of its groups (languages).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Key {
    /// The type of each group.
    pub(super) types: [u8; 4],
    /// As XKB has it: how many groups, and what stands for one that the key does not have.
    pub(super) group_info: u8,
    pub(super) width: u8,
    pub(super) symbols: Vec<u32>,
}

/// How modifiers choose among the symbols of a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeyType {
    /// How many symbols a key of it has.
    pub(super) width: u8,
    /// The modifiers that matter.
    pub(super) mask: u8,
    /// Modifiers and the level they choose; any others choose the first.
    pub(super) levels: Vec<(u8, u8)>,
}

/// A symbol of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: u8,
    pub(super) level: u8,
    kind: u8,
}

/// The type of a key that is lent, and how many symbols it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lending {
    pub(super) kind: u8,
    pub(super) levels: usize,
}

/// The symbols of one group of a layout.
#[derive(Default)]
pub(super) struct Keymap {
    by_symbol: HashMap<u32, Place>,
    by_char: HashMap<char, Place>,
    types: Vec<KeyType>,
    pub(super) shift: Option<u8>,
    pub(super) level3: Option<u8>,
    /// The modifier of that key.
    pub(super) level3_bit: u8,
}

impl Layout {
    /// The keys that mean nothing.
    pub(super) fn unused(&self) -> impl Iterator<Item = u8> {
        // Key 8 is 0 for everything that counts as the kernel does, and 0 is no key.
        self.keys().filter(|(code, key)| *code > 8 && key.symbols.iter().all(|s| *s == 0)).map(|(code, _)| code)
    }

    /// What a key means, if it means anything.
    pub(super) fn key(&self, code: u8) -> Option<&Key> {
        self.keys.get(usize::from(code.checked_sub(self.first)?))
    }

    fn keys(&self) -> impl Iterator<Item = (u8, &Key)> {
        (self.first..=u8::MAX).zip(&self.keys)
    }

    fn bit_of(&self, key: u8) -> u8 {
        (0..8).find(|m| self.modifiers[*m].contains(&key)).map_or(0, |m| 1 << m)
    }
}

impl Key {
    /// Its symbols in the group that is in effect when `group` is chosen, and their type.
    fn in_group(&self, group: usize) -> Option<(&[u32], u8)> {
        let count = usize::from(self.group_info & 0x0f).min(4);
        let group = match (group < count, self.group_info & 0xc0) {
            _ if count == 0 => return None,
            (true, _) => group,
            (_, 0x40) => count - 1,
            (_, 0x80) => Some(usize::from(self.group_info >> 4 & 3)).filter(|g| *g < count).unwrap_or(0),
            _ => group % count,
        };
        let width = usize::from(self.width);
        Some((self.symbols.get(group * width..(group + 1) * width)?, self.types[group]))
    }
}

impl KeyType {
    fn level(&self, modifiers: u8) -> u8 {
        self.levels.iter().find(|(mods, _)| *mods == modifiers & self.mask).map_or(0, |(_, level)| *level)
    }
}

impl Keymap {
    /// The symbols of all keys but those that are to be left out.
    pub(super) fn of(layout: &Layout, group: usize, without: impl Fn(u8) -> bool) -> Keymap {
        let mut map = Keymap { types: layout.types.clone(), ..Keymap::default() };
        let plain = |symbol: Keysym, of: std::ops::Range<usize>| {
            let gives = |code: u8| layout.key(code).is_some_and(|k| k.symbols.first() == Some(&symbol.raw()));
            of.flat_map(|m| &layout.modifiers[m]).copied().find(|code| gives(*code))
        };
        map.shift = plain(Keysym::Shift_L, 0..1).or(layout.modifiers[0].first().copied());
        map.level3 = plain(Keysym::ISO_Level3_Shift, 3..8);
        map.level3_bit = map.level3.map_or(0, |key| layout.bit_of(key));
        // What needs no modifier comes first.
        for level in 0..LEVELS {
            let keys = layout.keys().filter(|(code, _)| !without(*code));
            for (key, (symbols, kind)) in keys.filter_map(|(code, key)| Some((code, key.in_group(group)?))) {
                let Some(symbol) = symbols.get(level).copied().filter(|s| *s != 0) else { continue };
                let place = Place { key, level: level as u8, kind };
                if map.modifiers_for(place, 0).is_none() {
                    continue;
                }
                map.by_symbol.entry(symbol).or_insert(place);
                let symbol = Keysym::from(symbol);
                if let Some(c) = symbol.key_char()
                    && !symbol.is_keypad_key()
                {
                    map.by_char.entry(c).or_insert(place);
                }
            }
        }
        map
    }

    /// Where a symbol is. A character may stand under another of its names, as Cyrillic letters do.
    pub(super) fn find(&self, symbol: u32) -> Option<Place> {
        let named = || {
            let symbol = Keysym::from(symbol);
            if symbol.is_keypad_key() { None } else { self.by_char.get(&symbol.key_char()?).copied() }
        };
        self.by_symbol.get(&symbol).copied().or_else(named)
    }

    /// The symbol at a level of a key that was lent.
    pub(super) fn lent(&self, key: u8, level: u8) -> Place {
        Place { key, level, kind: self.lending().kind }
    }

    /// Which of Shift and AltGr give that symbol when `others` are in effect besides them.
    pub(super) fn modifiers_for(&self, place: Place, others: u8) -> Option<u8> {
        let shift = if self.shift.is_some() { SHIFT } else { 0 };
        let wanted = [0, shift, self.level3_bit, shift | self.level3_bit];
        wanted.into_iter().find(|mods| self.level_of(place, others | mods) == place.level)
    }

    /// What that key gives under these modifiers.
    pub(super) fn level_of(&self, place: Place, modifiers: u8) -> u8 {
        self.types.get(usize::from(place.kind)).map_or(0, |kind| kind.level(modifiers))
    }

    /// Does Caps Lock choose among the symbols of that key? Where it does not, applications make capitals themselves.
    pub(super) fn knows_caps(&self, place: Place) -> bool {
        self.types.get(usize::from(place.kind)).is_some_and(|kind| kind.mask & LOCK != 0)
    }

    /// What a key is to be that is lent: Shift and AltGr, and nothing else, choose among its symbols.
    pub(super) fn lending(&self) -> Lending {
        let (shift, third) = (SHIFT, self.level3_bit);
        let four = self.types.iter().position(|t| {
            // A type of eight levels looks the same where no key reaches the upper four.
            third != 0
                && usize::from(t.width) == LEVELS
                && t.mask == shift | third
                && [(0, 0), (shift, 1), (third, 2), (shift | third, 3)].iter().all(|(m, l)| t.level(*m) == *l)
        });
        // The second type is the one with two levels, in every keyboard map.
        four.map_or(Lending { kind: 1, levels: 2 }, |index| Lending { kind: index as u8, levels: LEVELS })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const LEVEL3: u8 = 128;

    /// A small keyboard: types as servers have them, one group a key unless told.
    pub(in crate::desk::input) fn layout(keys: &[(u8, &[u32])]) -> Layout {
        let four = vec![(SHIFT, 1), (LEVEL3, 2), (SHIFT | LEVEL3, 3)];
        let eight = KeyType { width: 8, mask: SHIFT | LEVEL3, levels: four.clone() };
        let types = vec![
            KeyType::default(),
            KeyType { width: 2, mask: SHIFT, levels: vec![(SHIFT, 1)] },
            KeyType { width: 2, mask: SHIFT | LOCK, levels: vec![(SHIFT, 1), (LOCK, 1)] },
            KeyType { width: 2, mask: SHIFT | 16, levels: vec![(SHIFT, 1), (16, 1)] },
            eight,
            KeyType { width: 4, mask: SHIFT | LEVEL3, levels: four },
        ];
        let modifiers = [vec![50], vec![66], vec![37], vec![64], vec![77], vec![], vec![133], vec![92]];
        let mut all = vec![Key::default(); 248];
        all[50 - 8] = key(0, &[Keysym::Shift_L.raw()]);
        for (code, symbols) in keys {
            let kind = match symbols.len() {
                0 | 1 => 0,
                2 if symbols[0] == raw('a') => 2,
                2 => 1,
                _ => 5,
            };
            all[usize::from(code - 8)] = key(kind, symbols);
        }
        Layout { first: 8, keys: all, types, modifiers }
    }

    fn key(kind: u8, symbols: &[u32]) -> Key {
        let groups = u8::from(!symbols.is_empty());
        Key { types: [kind; 4], group_info: groups, width: symbols.len() as u8, symbols: symbols.to_vec() }
    }

    fn raw(c: char) -> u32 {
        Keysym::from_char(c).raw()
    }

    #[test]
    fn a_capital_stands_on_its_letters_key_with_shift_or_with_caps_lock() {
        let map = Keymap::of(&layout(&[(9, &[raw('a'), raw('A')])]), 0, |_| false);

        let (lower, upper) = (map.find(raw('a')).unwrap(), map.find(raw('A')).unwrap());

        assert_eq!((lower.key, upper.key), (9, 9));
        assert_eq!((map.modifiers_for(lower, 0), map.modifiers_for(upper, 0)), (Some(0), Some(SHIFT)));
        assert_eq!((map.modifiers_for(lower, LOCK), map.modifiers_for(upper, LOCK)), (Some(SHIFT), Some(0)));
    }

    #[test]
    fn a_symbol_of_another_language_is_not_on_the_map_until_that_is_active() {
        let mut layout = layout(&[]);
        let symbols = vec![raw('f'), raw('F'), raw('а'), raw('А'), raw('φ'), raw('Φ')];
        layout.keys[1] = Key { types: [2; 4], group_info: 3, width: 2, symbols };

        for (group, own, foreign) in [(0, 'F', 'а'), (1, 'а', 'f'), (2, 'Φ', 'а'), (3, 'f', 'φ')] {
            let map = Keymap::of(&layout, group, |_| false);
            assert_eq!((map.find(raw(own)).map(|p| p.key), map.find(raw(foreign))), (Some(9), None), "{group}");
        }
    }

    #[test]
    fn the_third_level_counts_only_where_a_key_reaches_it() {
        let euro = raw('€');
        let four: &[u32] = &[raw('e'), raw('E'), euro, 0];
        assert!(Keymap::of(&layout(&[(9, four)]), 0, |_| false).find(euro).is_none());

        let map = Keymap::of(&layout(&[(9, four), (92, &[Keysym::ISO_Level3_Shift.raw()])]), 0, |_| false);

        assert_eq!(map.modifiers_for(map.find(euro).unwrap(), 0), Some(LEVEL3));
        assert_eq!(map.lending(), Lending { kind: 5, levels: LEVELS });
    }

    #[test]
    fn a_digit_is_not_typed_on_the_keypad() {
        let map = Keymap::of(&layout(&[(9, &[Keysym::KP_1.raw()])]), 0, |_| false);

        assert!(map.find(raw('1')).is_none());
        assert!(map.find(Keysym::KP_1.raw()).is_some());
    }

    #[test]
    fn a_map_that_contradicts_itself_harms_nothing() {
        for (group_info, width, types) in [(4, 200, [9; 4]), (0xff, 1, [255; 4]), (0x0f, 0, [0; 4])] {
            let mut layout = layout(&[]);
            layout.first = 250;
            layout.keys[0] = Key { types, group_info, width, symbols: vec![97; 3] };

            for group in [0, 3, 255] {
                let map = Keymap::of(&layout, group, |_| false);
                map.find(97);
            }
            assert_eq!(layout.key(249), None);
        }
    }
}
