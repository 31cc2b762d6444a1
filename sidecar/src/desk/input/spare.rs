//! Keys that mean nothing, lent for a while to symbols that no key has.

use std::time::{Duration, Instant};

use super::keymap::Layout;

/// An application looks up what a key means when it comes to the event, not when the key was pressed.
/// A key that was just used must keep its meaning until the slowest has read it.
const LINGER: Duration = Duration::from_millis(60);

#[derive(Default)]
pub(super) struct Spares {
    keys: Vec<Spare>,
}

#[derive(Debug, Clone)]
struct Spare {
    key: u8,
    symbol: Option<u32>,
    used: Option<Instant>,
    held: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lent {
    /// The key has this meaning already.
    Bound(u8),
    /// The key is to be given this meaning.
    Bind(u8),
    /// None is free; one will be after this time.
    Later(Duration),
    /// The keyboard has no unused key, or all of them are held.
    Never,
}

impl Spares {
    /// Takes note of a layout that was read anew, perhaps after someone else changed it.
    pub(super) fn note(&mut self, layout: &Layout) {
        self.keys.retain(|spare| {
            let symbols = layout.symbols_of(spare.key);
            spare.symbol.is_some_and(|s| symbols.first() == Some(&s))
        });
        for key in layout.unused() {
            self.keys.push(Spare { key, symbol: None, used: None, held: false });
        }
    }

    /// A key for `symbol`.
    pub(super) fn lend(&mut self, symbol: u32, now: Instant) -> Lent {
        if let Some(spare) = self.keys.iter_mut().find(|s| s.symbol == Some(symbol)) {
            spare.used = Some(now);
            return Lent::Bound(spare.key);
        }
        // `None` sorts first: keys that were never used, then the one unused for longest.
        let Some(spare) = self.keys.iter_mut().filter(|s| !s.held).min_by_key(|s| s.used) else { return Lent::Never };
        if let Some(wait) = spare.used.and_then(|used| (used + LINGER).checked_duration_since(now))
            && !wait.is_zero()
        {
            return Lent::Later(wait);
        }
        spare.symbol = Some(symbol);
        spare.used = Some(now);
        Lent::Bind(spare.key)
    }

    /// A key that is down keeps its meaning.
    pub(super) fn hold(&mut self, key: u8, down: bool, now: Instant) {
        if let Some(spare) = self.keys.iter_mut().find(|s| s.key == key) {
            spare.held = down;
            spare.used = Some(now);
        }
    }

    pub(super) fn bound(&self) -> impl Iterator<Item = u8> {
        self.keys.iter().filter(|s| s.symbol.is_some()).map(|s| s.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spares(count: u8) -> Spares {
        let mut spares = Spares::default();
        let symbols = vec![0; usize::from(count) + 1];
        spares.note(&Layout { first: 8, per_key: 1, symbols, modifiers: Default::default() });
        spares
    }

    #[test]
    fn a_symbol_keeps_the_key_it_was_lent() {
        let (mut spares, now) = (spares(2), Instant::now());

        assert_eq!(spares.lend(1, now), Lent::Bind(9));
        assert_eq!(spares.lend(2, now), Lent::Bind(10));
        assert_eq!(spares.lend(1, now), Lent::Bound(9));
    }

    #[test]
    fn a_key_is_lent_anew_only_when_its_last_use_has_been_read() {
        let (mut spares, now) = (spares(1), Instant::now());
        spares.lend(1, now);

        assert_eq!(spares.lend(2, now), Lent::Later(LINGER));
        assert_eq!(spares.lend(2, now + LINGER), Lent::Bind(9));
    }

    #[test]
    fn a_held_key_is_never_lent_anew() {
        let (mut spares, now) = (spares(1), Instant::now());
        spares.lend(1, now);
        spares.hold(9, true, now);

        assert_eq!(spares.lend(2, now + 2 * LINGER), Lent::Never);
    }

    #[test]
    fn a_key_that_someone_else_gave_a_meaning_is_no_longer_spare() {
        let (mut spares, now) = (spares(1), Instant::now());
        spares.lend(1, now);

        spares.note(&Layout { first: 8, per_key: 1, symbols: vec![0, 99], modifiers: Default::default() });

        assert_eq!(spares.lend(1, now), Lent::Never);
    }
}
