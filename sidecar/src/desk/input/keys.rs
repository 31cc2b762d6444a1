//! Names of keys and chords, as xdotool and the models spell them.

use std::collections::HashMap;

use xkeysym::Keysym;

use crate::link::Refusal;

/// More keys than a person can hold.
const MAX_CHORD: usize = 8;
const MAX_SEQUENCE: usize = 100;

/// Keys that are pressed together, in this order, and released in reverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chord(pub(super) Vec<u32>);

/// Knows every name of a key.
pub(crate) struct Names {
    symbols: HashMap<&'static str, u32>,
    lower: HashMap<String, u32>,
}

impl Names {
    pub(crate) fn new() -> Names {
        let mut names = Names { symbols: HashMap::new(), lower: HashMap::new() };
        // Where names are: scripts, keys, and what the makers of keyboards added.
        let named = (0x20..0x2100).chain(0xfc00..=0xffff).chain(0x1008_fe00..0x1009_0000);
        for symbol in named.map(Keysym::from) {
            let Some(name) = symbol.name() else { continue };
            let name = name.strip_prefix("XK_").unwrap_or(name);
            names.symbols.entry(name).or_insert(symbol.raw());
            // A vendor's symbol is typed without the infix: XF86XK_AudioPlay is XF86AudioPlay.
            let lower = name.replacen("XF86XK_", "XF86", 1).to_lowercase();
            names.lower.entry(lower).or_insert(symbol.raw());
        }
        names
    }

    /// Reads `ctrl+l`, `Return`, `ctrl++` or several of them with spaces between.
    pub(crate) fn sequence(&self, text: &str) -> Result<Vec<Chord>, Refusal> {
        if text == " " {
            return Ok(vec![Chord(vec![Keysym::space.raw()])]);
        }
        let chords = text.split_whitespace().map(|part| self.chord(part)).collect::<Result<Vec<_>, _>>()?;
        match chords.len() {
            0 => Err(Refusal::invalid("no key was named; name one, such as \"Return\" or \"ctrl+l\"")),
            1..=MAX_SEQUENCE => Ok(chords),
            n => Err(Refusal::invalid(format!(
                "{n} keys in a row were named; at most {MAX_SEQUENCE} are pressed at once"
            ))),
        }
    }

    /// Reads the keys of one chord.
    pub(crate) fn chord(&self, text: &str) -> Result<Chord, Refusal> {
        let mut names = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            // A plus where a name should begin is the plus key.
            let end = rest.char_indices().skip(1).find(|(_, c)| *c == '+').map_or(rest.len(), |(i, _)| i);
            names.push(&rest[..end]);
            let after = &rest[end..];
            rest = after.strip_prefix('+').unwrap_or(after);
            if !after.is_empty() && rest.is_empty() {
                return Err(Refusal::invalid(format!("the chord {text:?} ends in a plus with no key behind it")));
            }
        }
        if names.is_empty() || names.len() > MAX_CHORD {
            return Err(Refusal::invalid(format!(
                "the chord {text:?} has {} keys; 1 to {MAX_CHORD} are possible",
                names.len()
            )));
        }
        names.into_iter().map(|name| self.symbol(name)).collect::<Result<_, _>>().map(Chord)
    }

    fn symbol(&self, name: &str) -> Result<u32, Refusal> {
        let mut chars = name.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return symbol_of(c);
        }
        let lower = name.to_lowercase();
        let known =
            alias(&lower).or_else(|| self.symbols.get(name).copied()).or_else(|| self.lower.get(&lower).copied());
        known.or_else(|| code_point(&lower)).ok_or_else(|| {
            let shown: String = name.chars().take(40).collect();
            Refusal::invalid(format!(
                "no key is called {shown:?}; nothing was pressed. Keys are named as xdotool does: \
                 Return, Escape, Tab, BackSpace, Page_Up, F5, Left, ctrl+l, alt+Tab, super, or a single character"
            ))
        })
    }
}

/// The symbol that gives a character when typed.
pub(crate) fn symbol_of(c: char) -> Result<u32, Refusal> {
    Ok(match c {
        '\n' | '\r' => Keysym::Return.raw(),
        '\t' => Keysym::Tab.raw(),
        '\u{8}' => Keysym::BackSpace.raw(),
        '\u{1b}' => Keysym::Escape.raw(),
        '\u{7f}' => Keysym::Delete.raw(),
        c if c.is_control() => {
            let message = format!("the control character {:#04x} cannot be typed; nothing was typed", u32::from(c));
            return Err(Refusal::invalid(message));
        }
        c => Keysym::from_char(c).raw(),
    })
}

/// What models and people call keys; compared in lower case, before X's own names.
fn alias(name: &str) -> Option<u32> {
    Some(
        match name {
            "enter" | "return" => Keysym::Return,
            "esc" => Keysym::Escape,
            "ctrl" | "control" | "ctl" | "control_l" => Keysym::Control_L,
            "shift" => Keysym::Shift_L,
            "alt" | "option" | "opt" => Keysym::Alt_L,
            "altgr" | "alt_gr" => Keysym::ISO_Level3_Shift,
            "meta" => Keysym::Meta_L,
            "super" | "win" | "windows" | "cmd" | "command" | "os" => Keysym::Super_L,
            "hyper" => Keysym::Hyper_L,
            "caps" | "capslock" => Keysym::Caps_Lock,
            "numlock" => Keysym::Num_Lock,
            "scrolllock" => Keysym::Scroll_Lock,
            "del" => Keysym::Delete,
            "ins" => Keysym::Insert,
            "backspace" | "back_space" | "bksp" => Keysym::BackSpace,
            "spacebar" => Keysym::space,
            "pgup" | "pageup" | "page_up" | "prior" => Keysym::Page_Up,
            "pgdn" | "pgdown" | "pagedown" | "page_down" | "next" => Keysym::Page_Down,
            "arrowup" | "uparrow" | "arrow_up" => Keysym::Up,
            "arrowdown" | "downarrow" | "arrow_down" => Keysym::Down,
            "arrowleft" | "leftarrow" | "arrow_left" => Keysym::Left,
            "arrowright" | "rightarrow" | "arrow_right" => Keysym::Right,
            "printscreen" | "prtsc" | "prtscr" | "print_screen" => Keysym::Print,
            "contextmenu" | "apps" => Keysym::Menu,
            "dash" | "hyphen" => Keysym::minus,
            "dot" => Keysym::period,
            "backtick" | "backquote" => Keysym::grave,
            "tilde" => Keysym::asciitilde,
            "pipe" => Keysym::bar,
            "quote" => Keysym::apostrophe,
            "exclamation" => Keysym::exclam,
            "caret" => Keysym::asciicircum,
            "openbracket" => Keysym::bracketleft,
            "closebracket" => Keysym::bracketright,
            "numpad_enter" => Keysym::KP_Enter,
            "volumeup" => Keysym::XF86_AudioRaiseVolume,
            "volumedown" => Keysym::XF86_AudioLowerVolume,
            "mute" => Keysym::XF86_AudioMute,
            _ => return None,
        }
        .raw(),
    )
}

/// `U20AC` or `0x20ac`, as xdotool takes them: the character's number, or the symbol's own.
fn code_point(name: &str) -> Option<u32> {
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok();
    if let Some(digits) = name.strip_prefix("0x") {
        return hex(digits).filter(|symbol| (1..=0x1fff_ffff).contains(symbol));
    }
    let c = char::from_u32(hex(name.strip_prefix('u').filter(|d| d.len() >= 4)?)?)?;
    symbol_of(c).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chord(text: &str) -> Vec<u32> {
        Names::new().chord(text).unwrap().0
    }

    #[test]
    fn xdotools_names_and_the_models_aliases_mean_the_same_keys() {
        let names = Names::new();
        let same = [
            ("Return", "enter"),
            ("Escape", "ESC"),
            ("Page_Up", "PgUp"),
            ("Page_Down", "PAGEDOWN"),
            ("super", "cmd"),
            ("ctrl+l", "Control_L+l"),
            ("alt+Tab", "Alt_L+tab"),
            ("Left", "ArrowLeft"),
            ("F12", "f12"),
            ("KP_0", "kp_0"),
            ("XF86AudioPlay", "xf86audioplay"),
            ("space", " "),
            ("BackSpace", "Backspace"),
            ("U20AC", "€"),
            ("minus", "-"),
        ];

        for (a, b) in same {
            assert_eq!(names.sequence(a), names.sequence(b), "{a} and {b}");
        }
    }

    #[test]
    fn every_function_key_has_its_name() {
        let names = Names::new();

        for n in 1..=24 {
            assert_eq!(names.chord(&format!("F{n}")).unwrap().0, [Keysym::F1.raw() + n - 1]);
        }
    }

    #[test]
    fn plus_is_a_separator_and_a_key() {
        let (ctrl, plus) = (Keysym::Control_L.raw(), Keysym::plus.raw());

        assert_eq!(chord("+"), [plus]);
        assert_eq!(chord("ctrl++"), [ctrl, plus]);
        assert_eq!(chord("ctrl+plus"), [ctrl, plus]);
        assert!(Names::new().chord("ctrl+").is_err());
    }

    #[test]
    fn a_sequence_is_chords_with_spaces_between() {
        let sequence = Names::new().sequence("ctrl+a Delete").unwrap();

        assert_eq!(sequence.len(), 2);
        assert_eq!(sequence[1].0, [Keysym::Delete.raw()]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_what_was_asked_and_what_is_possible() {
        let names = Names::new();

        for name in ["ctrl+Retrun", "", "  ", "a+b+c+d+e+f+g+h+i", "Uzzzz", "u1"] {
            let refused = names.sequence(name).unwrap_err();
            assert_eq!(refused.kind, crate::link::RefusalKind::Invalid, "{name:?}");
        }
        let refused = names.sequence("Retrun").unwrap_err();
        assert!(refused.message.contains("\"Retrun\"") && refused.message.contains("nothing was pressed"));
    }

    #[test]
    fn a_control_character_that_no_key_gives_is_refused() {
        assert!(symbol_of('\u{1}').is_err());
        assert_eq!(symbol_of('\n'), Ok(Keysym::Return.raw()));
    }
}
