//! Long text goes by the clipboard, where the program with the focus is known to take it from there.

use std::time::Duration;

use tokio::time::timeout;
use xkeysym::{Keysym, key};

use super::{Input, Order, echo::Wait, hand::Stroke};
use crate::{desk::clipboard::Clipboard, link::Refusal};

/// A paste takes as long as keys for so much. Measured in a GTK text and a page in Chromium: a letter on the keyboard
/// costs next to nothing, one that needs a key lent to it ten times that.
const MIN_COST: usize = 1_000;
const COST_ON_KEYBOARD: usize = 1;
const COST_BEYOND: usize = 10;
/// A program that has read Ctrl+V and asks for nothing by then will not.
const ASKS_WITHIN: Duration = Duration::from_millis(300);
/// Some ask more than once, one question right behind the other.
const ASKS_AGAIN_WITHIN: Duration = Duration::from_millis(60);
/// What Ctrl+V means elsewhere (a block is marked, a character quoted, a machine far away pastes) cannot be undone, so
/// it is pressed only in programs that are known to paste, by the beginning of their class.
const PASTING: [&str; 14] = [
    "brave-browser",
    "chromium",
    "epiphany",
    "firefox",
    "gedit",
    "geany",
    "gnome-text-editor",
    "google-chrome",
    "libreoffice",
    "microsoft-edge",
    "mousepad",
    "org.gnome.texteditor",
    "soffice",
    "thunderbird",
];

/// Does a program of this class paste on Ctrl+V?
pub(super) fn pastes(class: &str) -> bool {
    let class = class.to_lowercase();
    PASTING.iter().any(|known| class.starts_with(known))
}

/// The first symbols as a text, if they are long enough to be worth a paste: up to the next key that does something.
pub(super) fn worth(symbols: &[u32]) -> Option<(String, usize)> {
    let text: String = symbols.iter().map_while(|symbol| character(*symbol)).collect();
    let cost: usize = text.chars().map(|c| if c.is_ascii() { COST_ON_KEYBOARD } else { COST_BEYOND }).sum();
    let count = text.chars().count();
    (cost >= MIN_COST).then_some((text, count))
}

fn character(symbol: u32) -> Option<char> {
    Keysym::from(symbol).key_char().filter(|c| !c.is_control())
}

impl Input {
    /// Pastes a text; `false` when it has to be typed instead.
    pub(super) async fn paste(&self, text: &str, clipboard: &Clipboard) -> Result<bool, Refusal> {
        let Some(window) = self.orders.ask(Order::PasteTarget).await? else { return Ok(false) };
        let Some(mut loan) = clipboard.lend(text, window).await? else { return Ok(false) };
        let chord =
            [Stroke::Down(key::Control_L), Stroke::Down(key::v), Stroke::Up(key::v), Stroke::Up(key::Control_L)];
        self.orders.ask(|reply| Order::Strokes(chord.to_vec(), reply)).await?;
        self.orders.ask(|reply| Order::Heard(Wait::Read, reply)).await?;
        if !loan.is_fetched() && timeout(ASKS_WITHIN, loan.fetched()).await.is_err() {
            return Ok(false);
        }
        while timeout(ASKS_AGAIN_WITHIN, loan.fetched()).await.is_ok() {}
        self.orders.ask(|reply| Order::Heard(Wait::Read, reply)).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::input::keys::symbol_of;

    fn symbols(text: &str) -> Vec<u32> {
        text.chars().map(|c| symbol_of(c).unwrap()).collect()
    }

    #[test]
    fn a_long_line_is_worth_a_paste_up_to_its_end() {
        let line = "ab c".repeat(300);

        assert_eq!(worth(&symbols(&format!("{line}\nmore"))), Some((line, 1200)));
    }

    #[test]
    fn foreign_text_is_worth_it_sooner() {
        assert!(worth(&symbols(&"你好🎉é".repeat(25))).is_some());
        assert!(worth(&symbols(&"abcd".repeat(25))).is_none());
        assert!(worth(&symbols("\n")).is_none());
    }

    #[test]
    fn no_terminal_and_no_unknown_program_pastes() {
        for class in ["XTerm", "Xfce4-terminal", "Gnome-terminal", "kitty", "Emacs", "Gvim", "code", "Vncviewer", ""] {
            assert!(!pastes(class), "{class}");
        }
        assert!(pastes("Chromium") && pastes("libreoffice-writer") && pastes("Google-chrome"));
    }
}
