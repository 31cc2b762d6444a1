//! A viewer's keys and buttons: what it holds is known, so that it can be let go when it leaves.

use std::time::Duration;

use xkeysym::Keysym;

use crate::desk::{floor::Floor, input::Input, rfb::scancode};

/// Nobody has more fingers than this: the key that was pressed first is let go.
const MAX_KEYS: usize = 32;
/// Buttons that stay down. The wheel's four only turn.
const BUTTONS: u16 = !0b0111_1000;
/// An X server that does not answer must not keep a connection that is over.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Hands {
    /// `None` for a viewer that only looks: whatever it does is dropped.
    input: Option<Input>,
    /// Whose input counts at the moment; `seat` is this viewer's.
    floor: Floor,
    seat: String,
    keys: Vec<Held>,
    buttons: u16,
    at: (u16, u16),
}

/// A key as the viewer tells it from others, and the symbol that was pressed for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    key: Key,
    symbol: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Symbol(u32),
    Scancode(u32),
}

impl Hands {
    pub(super) fn new(input: Option<Input>, floor: Floor, seat: String) -> Self {
        Self { input, floor, seat, keys: Vec::new(), buttons: 0, at: (0, 0) }
    }

    /// `keysym` is what the viewer's own layout made of the key, `scancode` is which one it was, where it tells that.
    pub(super) async fn key(&mut self, keysym: u32, scancode: Option<u32>, down: bool) {
        let Some(input) = self.input.as_ref().filter(|_| self.floor.takes(&self.seat)) else { return };
        let key = scancode.map_or(Key::Symbol(keysym), Key::Scancode);
        let before = self.keys.iter().position(|held| held.key == key).map(|at| self.keys.remove(at).symbol);
        if !down {
            // A viewer may call a key by another name when it comes up, so what was never pressed may come up, too.
            let symbol = before.or_else(|| meaning(keysym, scancode, false));
            if let Some(symbol) = symbol {
                note(input.key(symbol, false).await);
            }
            return;
        }
        let is_shortcut = self.keys.iter().any(|held| makes_shortcuts(held.symbol));
        let meaning = meaning(keysym, scancode, is_shortcut);
        if let Some(before) = before.filter(|before| Some(*before) != meaning) {
            note(input.key(before, false).await);
        }
        let Some(symbol) = meaning else { return };
        self.keys.push(Held { key, symbol });
        if self.keys.len() > MAX_KEYS {
            note(input.key(self.keys.remove(0).symbol, false).await);
        }
        note(input.key(symbol, true).await);
    }

    pub(super) async fn pointer(&mut self, x: u16, y: u16, buttons: u16) {
        let Some(input) = self.input.as_ref().filter(|_| self.floor.takes(&self.seat)) else { return };
        self.buttons = buttons & BUTTONS;
        self.at = (x, y);
        note(input.pointer(x.into(), y.into(), buttons).await);
    }

    /// Releases all that is held.
    pub(super) async fn let_go(&mut self) {
        // What it held when the floor went to another was lifted then, and may be held by that one now.
        let Some(input) = self.input.as_ref().filter(|_| self.floor.belongs_to(&self.seat)) else { return };
        let (keys, buttons, at) = (std::mem::take(&mut self.keys), std::mem::take(&mut self.buttons), self.at);
        let release = async {
            for held in keys {
                note(input.key(held.symbol, false).await);
            }
            if buttons != 0 {
                note(input.pointer(at.0.into(), at.1.into(), 0).await);
            }
        };
        if tokio::time::timeout(PATIENCE, release).await.is_err() {
            tracing::warn!("a viewer's keys could not be released: the X server does not answer");
        }
    }
}

/// The symbol to press for a key. The viewer's own layout has the first word, so that a character is the one that
/// stands on the viewer's keyboard, or that its dead keys made.
fn meaning(keysym: u32, scancode: Option<u32>, is_shortcut: bool) -> Option<u32> {
    if keysym == 0 {
        // A key without a symbol: a function key that the viewer's system does not know, or a dead key, which gives
        // nothing until the next key makes a character of both.
        return scancode.and_then(scancode::function_key);
    }
    // Shortcuts are named after Latin keys: with a Cyrillic layout Ctrl+C arrives as Ctrl+С.
    let latin = if is_shortcut && is_foreign(keysym) { scancode.and_then(scancode::shortcut) } else { None };
    Some(latin.unwrap_or(keysym))
}

fn is_foreign(keysym: u32) -> bool {
    Keysym::from(keysym).key_char().is_some_and(|c| !c.is_ascii())
}

fn makes_shortcuts(symbol: u32) -> bool {
    let symbol = Keysym::from(symbol);
    [Keysym::Control_L, Keysym::Control_R, Keysym::Alt_L, Keysym::Super_L, Keysym::Super_R, Keysym::Meta_L]
        .contains(&symbol)
}

/// A key that the keyboard does not have is no reason to throw a viewer out. Which key is nobody's business.
fn note(done: Result<(), crate::link::Refusal>) {
    if let Err(refusal) = done {
        tracing::debug!(kind = ?refusal.kind, "a viewer's input was refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_C: Option<u32> = Some(0x2e);
    const CYRILLIC_ES: u32 = 0x6d3;

    #[test]
    fn a_character_is_the_one_on_the_viewers_keyboard() {
        assert_eq!(meaning(CYRILLIC_ES, KEY_C, false), Some(CYRILLIC_ES));
        assert_eq!(meaning(0xe9, Some(0x03), false), Some(0xe9));
        assert_eq!(meaning(0xe9, None, true), Some(0xe9));
    }

    #[test]
    fn a_shortcut_of_another_script_is_the_one_of_the_latin_key() {
        assert_eq!(meaning(CYRILLIC_ES, KEY_C, true), Some(u32::from('c')));
        assert_eq!(meaning(u32::from('j'), KEY_C, true), Some(u32::from('j')), "as Dvorak has it");
        assert_eq!(meaning(Keysym::F5.raw(), Some(0x3f), true), Some(Keysym::F5.raw()));
    }

    #[test]
    fn a_key_without_a_symbol_is_a_function_or_waits_for_the_next() {
        assert_eq!(meaning(0, Some(0x3f), false), Some(Keysym::F5.raw()));
        assert_eq!(meaning(0, Some(0x1a), false), None, "a dead key");
        assert_eq!(meaning(0, None, false), None);
    }
}
