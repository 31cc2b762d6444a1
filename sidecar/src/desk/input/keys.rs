//! Names of keys and chords, as xdotool, browsers, pyautogui and the models spell them.

use std::collections::HashMap;

use xkeysym::Keysym;

use crate::link::Refusal;

/// More keys than a person can hold.
const MAX_CHORD: usize = 8;
const MAX_SEQUENCE: usize = 100;

/// Modifiers that make a command of a letter.
const COMMANDS: [Keysym; 8] = [
    Keysym::Control_L,
    Keysym::Control_R,
    Keysym::Alt_L,
    Keysym::Alt_R,
    Keysym::Meta_L,
    Keysym::Super_L,
    Keysym::Super_R,
    Keysym::Hyper_L,
];

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
        let mut symbols = names.into_iter().map(|name| self.symbol(name)).collect::<Result<Vec<_>, _>>()?;
        // Who writes `CTRL+C` names the key of the letter; Shift would make it another command.
        if symbols.iter().any(|symbol| COMMANDS.contains(&Keysym::from(*symbol))) {
            let small = |symbol: &mut u32| {
                if let Some(letter) = Keysym::from(*symbol).key_char().filter(char::is_ascii_uppercase) {
                    *symbol = Keysym::from_char(letter.to_ascii_lowercase()).raw();
                }
            };
            symbols.iter_mut().for_each(small);
        }
        Ok(Chord(symbols))
    }

    fn symbol(&self, name: &str) -> Result<u32, Refusal> {
        let mut chars = name.chars();
        if let (Some(c), None) = (chars.next(), chars.next()) {
            return symbol_of(c);
        }
        let lower = name.to_lowercase();
        // With a capital it is the browsers' name of the key that xdotool calls super.
        let alias = if name == "Meta" { Some(Keysym::Super_L.raw()) } else { alias(&lower) };
        let known = alias
            .or_else(|| of_the_keyboard(&lower))
            .or_else(|| self.symbols.get(name).copied())
            .or_else(|| self.lower.get(&lower).copied());
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
            "ctrl" | "control" | "ctl" | "ctrlleft" | "controlleft" | "controlormeta" => Keysym::Control_L,
            "ctrlright" | "controlright" => Keysym::Control_R,
            "shift" | "shiftleft" => Keysym::Shift_L,
            "shiftright" => Keysym::Shift_R,
            "alt" | "option" | "opt" | "altleft" | "optionleft" => Keysym::Alt_L,
            "altright" | "optionright" => Keysym::Alt_R,
            "altgr" | "alt_gr" | "altgraph" => Keysym::ISO_Level3_Shift,
            "meta" => Keysym::Meta_L,
            "super" | "win" | "windows" | "cmd" | "command" | "os" | "winleft" | "metaleft" | "osleft" => {
                Keysym::Super_L
            }
            "winright" | "metaright" | "osright" => Keysym::Super_R,
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
            "printscreen" | "prtsc" | "prtscr" | "prntscrn" | "print_screen" => Keysym::Print,
            "contextmenu" | "apps" => Keysym::Menu,
            "dash" | "hyphen" => Keysym::minus,
            "dot" => Keysym::period,
            "equals" => Keysym::equal,
            "forwardslash" => Keysym::slash,
            "quotedouble" | "doublequote" => Keysym::quotedbl,
            "backtick" | "backquote" => Keysym::grave,
            "tilde" => Keysym::asciitilde,
            "pipe" => Keysym::bar,
            "quote" => Keysym::apostrophe,
            "exclamation" => Keysym::exclam,
            "caret" => Keysym::asciicircum,
            "openbracket" | "leftbracket" => Keysym::bracketleft,
            "closebracket" | "rightbracket" => Keysym::bracketright,
            "bracketleft" => Keysym::bracketleft,
            "intlbackslash" => Keysym::less,
            "numpad_enter" | "numpadenter" => Keysym::KP_Enter,
            "numpadadd" | "numadd" | "add" => Keysym::KP_Add,
            "numpadsubtract" | "numsubtract" | "subtract" => Keysym::KP_Subtract,
            "numpadmultiply" | "nummultiply" | "multiply" => Keysym::KP_Multiply,
            "numpaddivide" | "numdivide" | "divide" => Keysym::KP_Divide,
            "numpaddecimal" | "numdecimal" | "decimal" => Keysym::KP_Decimal,
            "numpadequal" => Keysym::KP_Equal,
            "volumeup" | "audiovolumeup" => Keysym::XF86_AudioRaiseVolume,
            "volumedown" | "audiovolumedown" => Keysym::XF86_AudioLowerVolume,
            "mute" | "volumemute" | "audiovolumemute" => Keysym::XF86_AudioMute,
            "playpause" | "mediaplaypause" => Keysym::XF86_AudioPlay,
            "nexttrack" | "mediatracknext" => Keysym::XF86_AudioNext,
            "prevtrack" | "mediatrackprevious" => Keysym::XF86_AudioPrev,
            "mediastop" => Keysym::XF86_AudioStop,
            "browserback" => Keysym::XF86_Back,
            "browserforward" => Keysym::XF86_Forward,
            "browserhome" => Keysym::XF86_HomePage,
            "browserrefresh" => Keysym::XF86_Refresh,
            "browsersearch" => Keysym::XF86_Search,
            "browserstop" => Keysym::XF86_Stop,
            "browserfavorites" => Keysym::XF86_Favorites,
            "launchmail" => Keysym::XF86_Mail,
            _ => return None,
        }
        .raw(),
    )
}

/// Browsers' names of the keys themselves: `KeyA`, `Digit1`, `Numpad1` (pyautogui's `num1`).
fn of_the_keyboard(name: &str) -> Option<u32> {
    let one = |prefix: &str| {
        let mut rest = name.strip_prefix(prefix)?.chars();
        rest.next().filter(|_| rest.next().is_none())
    };
    let digit = |prefix: &str| one(prefix).and_then(|c| c.to_digit(10));
    let letter = one("key").filter(char::is_ascii_lowercase).map(u32::from);
    let row = digit("digit").map(|digit| Keysym::_0.raw() + digit);
    let pad = digit("numpad").or_else(|| digit("num")).map(|digit| Keysym::KP_0.raw() + digit);
    letter.or(row).or(pad)
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
            // OpenAI's.
            ("ctrl+c", "CTRL+C"),
            ("Up", "ARROWUP"),
            ("super+l", "CMD+L"),
            ("alt+F4", "OPTION+F4"),
            ("ctrl+shift+t", "CTRL+SHIFT+T"),
            // Browsers'.
            ("ctrl+a", "Control+A"),
            ("super", "Meta"),
            ("Meta_L", "meta"),
            ("ISO_Level3_Shift", "AltGraph"),
            ("Menu", "ContextMenu"),
            ("ctrl+v", "ControlLeft+KeyV"),
            ("7", "Digit7"),
            ("KP_7", "Numpad7"),
            ("KP_Add", "NumpadAdd"),
            ("bracketleft", "BracketLeft"),
            ("XF86AudioRaiseVolume", "AudioVolumeUp"),
            // pyautogui's.
            ("Shift_R", "shiftright"),
            ("KP_3", "num3"),
            ("Print", "prntscrn"),
            ("XF86Back", "browserback"),
        ];

        for (a, b) in same {
            assert_eq!(names.sequence(a), names.sequence(b), "{a} and {b}");
        }
    }

    #[test]
    fn a_capital_alone_or_with_shift_is_a_capital() {
        let (shift, capital) = (Keysym::Shift_L.raw(), Keysym::A.raw());

        assert_eq!(chord("A"), [capital]);
        assert_eq!(chord("shift+A"), [shift, capital]);
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
