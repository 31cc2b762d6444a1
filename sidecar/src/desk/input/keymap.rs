//! Which key, with which modifiers, gives a symbol: the server's keyboard map, read once and kept.

use std::collections::HashMap;

use xkeysym::Keysym;

/// What the server says its keys mean: `per_key` symbols for each key from `first` on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) first: u8,
    pub(super) per_key: usize,
    pub(super) symbols: Vec<u32>,
    /// The keys of each of the eight modifiers, Shift first.
    pub(super) modifiers: [Vec<u8>; 8],
}

/// A key, and what must be held so that it gives the symbol that was looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: u8,
    pub(super) shift: bool,
    pub(super) level3: bool,
    /// Does Shift change what this key gives?
    pub(super) shift_matters: bool,
    /// Does Caps Lock change what this key gives?
    pub(super) caps_matters: bool,
    /// Has this key the symbol from us, for a while?
    pub(super) lent: bool,
}

/// The symbols of one group (one language) of a layout.
pub(super) struct Keymap {
    by_symbol: HashMap<u32, Place>,
    by_char: HashMap<char, Place>,
    pub(super) shift: Option<u8>,
    pub(super) level3: Option<u8>,
}

impl Layout {
    /// The keys that mean nothing.
    pub(super) fn unused(&self) -> impl Iterator<Item = u8> {
        // Key 8 is 0 for everything that counts as the kernel does, and 0 is no key.
        self.keys().filter(|(key, symbols)| *key > 8 && symbols.iter().all(|s| *s == 0)).map(|(key, _)| key)
    }

    /// What `key` means, at every level.
    pub(super) fn symbols_of(&self, key: u8) -> &[u32] {
        let at = usize::from(key.saturating_sub(self.first)) * self.per_key;
        self.symbols.get(at..at + self.per_key).unwrap_or(&[])
    }

    fn keys(&self) -> impl Iterator<Item = (u8, &[u32])> {
        (self.first..=u8::MAX).zip(self.symbols.chunks_exact(self.per_key.max(1)))
    }
}

impl Keymap {
    pub(super) fn of(layout: &Layout, group: usize) -> Keymap {
        let mut map = Keymap { by_symbol: HashMap::new(), by_char: HashMap::new(), shift: None, level3: None };
        let is_modifier = |key: u8, of: usize| layout.modifiers[of].contains(&key);
        for (level3, shift) in [(false, false), (false, true), (true, false), (true, true)] {
            for (key, symbols) in layout.keys() {
                let levels = levels(symbols, group);
                let symbol = levels[usize::from(level3) * 2 + usize::from(shift)];
                if symbol == 0 {
                    continue;
                }
                let pair = [levels[usize::from(level3) * 2], levels[usize::from(level3) * 2 + 1]];
                let shift_matters = pair[1] != 0 && pair[0] != pair[1];
                let caps_matters = shift_matters && is_case_pair(pair);
                let place = Place { key, shift, level3, shift_matters, caps_matters, lent: false };
                map.by_symbol.entry(symbol).or_insert(place);
                let symbol = Keysym::from(symbol);
                if let Some(c) = symbol.key_char()
                    && !symbol.is_keypad_key()
                {
                    map.by_char.entry(c).or_insert(place);
                }
            }
        }
        let plain = |symbol: Keysym| map.by_symbol.get(&symbol.raw()).filter(|p| !p.shift && !p.level3).map(|p| p.key);
        map.shift = plain(Keysym::Shift_L).filter(|k| is_modifier(*k, 0)).or(layout.modifiers[0].first().copied());
        map.level3 = plain(Keysym::ISO_Level3_Shift).filter(|k| (3..8).any(|m| is_modifier(*k, m)));
        map
    }

    /// Where a symbol is. A character may stand under another of its names, as Cyrillic letters do.
    pub(super) fn find(&self, symbol: u32) -> Option<Place> {
        let named = || {
            let symbol = Keysym::from(symbol);
            if symbol.is_keypad_key() { None } else { self.by_char.get(&symbol.key_char()?).copied() }
        };
        let place = self.by_symbol.get(&symbol).copied().or_else(named)?;
        let reachable = (!place.shift || self.shift.is_some()) && (!place.level3 || self.level3.is_some());
        reachable.then_some(place)
    }
}

/// The four levels of a group. The core protocol lists group 1, group 2, then their third and fourth levels.
fn levels(symbols: &[u32], group: usize) -> [u32; 4] {
    let at = |i: usize| symbols.get(i).copied().unwrap_or(0);
    // A key with one group only has it in every group.
    let group = if group > 1 || (at(2 * group) == 0 && at(2 * group + 1) == 0) { 0 } else { group };
    let mut levels = [at(2 * group), at(2 * group + 1), at(4 + 2 * group), at(5 + 2 * group)];
    if levels[1] == 0
        && let Some(upper) = upper_case(levels[0])
    {
        levels[1] = upper;
    }
    levels
}

fn is_case_pair(pair: [u32; 2]) -> bool {
    let [Some(lower), Some(upper)] = pair.map(|s| Keysym::from(s).key_char()) else { return false };
    lower != upper && lower.to_uppercase().eq([upper])
}

/// A single letter on a key stands for both of its cases.
fn upper_case(symbol: u32) -> Option<u32> {
    let lower = Keysym::from(symbol).key_char().filter(|c| c.is_lowercase())?;
    let mut upper = lower.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) if one != lower => Some(Keysym::from_char(one).raw()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(keys: &[[u32; 8]]) -> Layout {
        let modifiers = [vec![50], vec![66], vec![37], vec![64], vec![77], vec![], vec![133], vec![92]];
        Layout { first: 8, per_key: 8, symbols: keys.concat(), modifiers }
    }

    fn raw(c: char) -> u32 {
        Keysym::from_char(c).raw()
    }

    #[test]
    fn a_capital_stands_on_its_letters_key_with_shift() {
        let layout = layout(&[[0; 8], [raw('a'), raw('A'), raw('a'), raw('A'), 0, 0, 0, 0]]);

        let place = Keymap::of(&layout, 0).find(raw('A')).unwrap();

        assert_eq!(place, Place { key: 9, shift: true, shift_matters: true, caps_matters: true, ..Place::default() });
    }

    #[test]
    fn a_symbol_of_another_language_is_not_on_the_map_until_that_is_active() {
        let layout = layout(&[[0; 8], [raw('f'), raw('F'), raw('а'), raw('А'), 0, 0, 0, 0]]);

        assert!(Keymap::of(&layout, 0).find(raw('а')).is_none());
        assert_eq!(Keymap::of(&layout, 1).find(raw('а')).map(|p| p.key), Some(9));
        assert!(Keymap::of(&layout, 1).find(raw('f')).is_none());
    }

    #[test]
    fn the_third_level_counts_only_where_a_key_reaches_it() {
        let euro = raw('€');
        let mut keys = vec![[0; 8], [raw('e'), raw('E'), raw('e'), raw('E'), euro, 0, euro, 0]];
        assert!(Keymap::of(&layout(&keys), 0).find(euro).is_none());

        keys.resize(84, [0; 8]);
        keys.push([Keysym::ISO_Level3_Shift.raw(), 0, 0, 0, 0, 0, 0, 0]);

        let place = Keymap::of(&layout(&keys), 0).find(euro).unwrap();
        assert!(place.level3 && !place.shift);
    }

    #[test]
    fn a_digit_is_not_typed_on_the_keypad() {
        let layout = layout(&[[0; 8], [Keysym::KP_1.raw(), 0, 0, 0, 0, 0, 0, 0]]);
        let map = Keymap::of(&layout, 0);

        assert!(map.find(raw('1')).is_none());
        assert!(map.find(Keysym::KP_1.raw()).is_some());
    }

    #[test]
    fn a_map_that_ends_in_the_middle_of_a_key_harms_nothing() {
        let layout = Layout { first: 250, per_key: 7, symbols: vec![97; 100], modifiers: Default::default() };

        assert!(Keymap::of(&layout, 3).find(97).is_some());
        assert!(layout.symbols_of(255).is_empty() || layout.symbols_of(255).len() == 7);
    }
}
