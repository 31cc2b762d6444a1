//! QEMU's key events tell which key it was, besides what it gave: PC/XT scan codes, and what they are called.

use xkeysym::Keysym;

/// What a key is called whatever the layout: Escape, F5, Shift, Left. `None` for keys that give characters.
pub fn function_key(scancode: u32) -> Option<u32> {
    let symbol = match scancode {
        0x01 => Keysym::Escape,
        0x0e => Keysym::BackSpace,
        0x0f => Keysym::Tab,
        0x1c => Keysym::Return,
        0x1d => Keysym::Control_L,
        0x2a => Keysym::Shift_L,
        0x36 => Keysym::Shift_R,
        0x38 => Keysym::Alt_L,
        0x3a => Keysym::Caps_Lock,
        // F1 to F10 stand in a row.
        0x3b..=0x44 => return Some(Keysym::F1.raw() + (scancode - 0x3b)),
        0x45 => Keysym::Num_Lock,
        0x46 => Keysym::Scroll_Lock,
        0x57 => Keysym::F11,
        0x58 => Keysym::F12,
        0x70 => Keysym::Hiragana_Katakana,
        0x71 | 0xf1 => Keysym::Hangul_Hanja,
        0x72 | 0xf2 => Keysym::Hangul,
        0x79 => Keysym::Henkan_Mode,
        0x7b => Keysym::Muhenkan,
        // From here on what the wire spells with 0xe0 before it: the highest bit stands for that.
        0x90 => Keysym::XF86_AudioPrev,
        0x99 => Keysym::XF86_AudioNext,
        0x9c => Keysym::KP_Enter,
        0x9d => Keysym::Control_R,
        0xa0 => Keysym::XF86_AudioMute,
        0xa2 => Keysym::XF86_AudioPlay,
        0xa4 => Keysym::XF86_AudioStop,
        0xae => Keysym::XF86_AudioLowerVolume,
        0xb0 => Keysym::XF86_AudioRaiseVolume,
        0xb2 => Keysym::XF86_HomePage,
        0xb7 => Keysym::Print,
        // AltGr: with its characters it is the viewer's own business, alone it is this.
        0xb8 => Keysym::ISO_Level3_Shift,
        0xc6 => Keysym::Pause,
        0xc7 => Keysym::Home,
        0xc8 => Keysym::Up,
        0xc9 => Keysym::Page_Up,
        0xcb => Keysym::Left,
        0xcd => Keysym::Right,
        0xcf => Keysym::End,
        0xd0 => Keysym::Down,
        0xd1 => Keysym::Page_Down,
        0xd2 => Keysym::Insert,
        0xd3 => Keysym::Delete,
        0xdb => Keysym::Super_L,
        0xdc => Keysym::Super_R,
        0xdd => Keysym::Menu,
        0xe5 => Keysym::XF86_Search,
        0xe7 => Keysym::XF86_Refresh,
        0xe9 => Keysym::XF86_Forward,
        0xea => Keysym::XF86_Back,
        _ => return None,
    };
    Some(symbol.raw())
}

/// The character of a key on the keyboard that shortcuts are named after, the American one.
pub fn shortcut(scancode: u32) -> Option<u32> {
    const ROWS: [(u32, &[u8]); 4] =
        [(0x02, b"1234567890-="), (0x10, b"qwertyuiop[]"), (0x1e, b"asdfghjkl;'`"), (0x2b, b"\\zxcvbnm,./")];
    let on_a_row = |(first, row): &(u32, &[u8])| row.get(scancode.checked_sub(*first)? as usize).copied();
    // Latin letters are their own symbols.
    ROWS.iter().find_map(on_a_row).map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_a_characters_or_a_function_and_none_is_both() {
        for scancode in 0..=0x1ff {
            assert!(function_key(scancode).is_none() || shortcut(scancode).is_none(), "{scancode:#x}");
        }
        assert_eq!((function_key(0x3f), shortcut(0x3f)), (Some(Keysym::F5.raw()), None));
        assert_eq!((function_key(0x2e), shortcut(0x2e)), (None, Some(u32::from('c'))));
    }

    #[test]
    fn the_rows_end_where_the_keyboards_do() {
        let row = |from: u32, to: u32| -> String {
            (from..=to).map(|code| shortcut(code).and_then(char::from_u32).unwrap_or('_')).collect()
        };

        assert_eq!(row(0x01, 0x0e), "_1234567890-=_");
        assert_eq!(row(0x0f, 0x1d), "_qwertyuiop[]__");
        assert_eq!(row(0x1d, 0x2a), "_asdfghjkl;'`_");
        assert_eq!(row(0x2a, 0x37), "_\\zxcvbnm,./__");
    }
}
