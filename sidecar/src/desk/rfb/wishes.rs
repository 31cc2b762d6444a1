//! What a viewer's list of encodings says that it understands and wants.

/// Encoding numbers of the protocol; negative ones announce an ability and are never pixels.
pub mod number {
    pub const RAW: i32 = 0;
    pub const COPY_RECT: i32 = 1;
    pub const TIGHT: i32 = 7;
    pub const ZRLE: i32 = 16;
    pub const DESKTOP_SIZE: i32 = -223;
    pub const LAST_RECT: i32 = -224;
    pub const CURSOR: i32 = -239;
    pub const QEMU_KEYS: i32 = -258;
    pub const DESKTOP_NAME: i32 = -307;
    pub const EXTENDED_DESKTOP_SIZE: i32 = -308;
    pub const FENCE: i32 = -312;
    pub const CONTINUOUS_UPDATES: i32 = -313;
    pub const CURSOR_WITH_ALPHA: i32 = -314;
    pub const EXTENDED_MOUSE_BUTTONS: i32 = -316;
    /// A pointer with an alpha channel, to viewers that do not know [`CURSOR_WITH_ALPHA`].
    pub const VMWARE_CURSOR: i32 = 0x574d_5664;
    pub const EXTENDED_CLIPBOARD: i32 = 0xc0a1_e5ce_u32 as i32;
    /// Quality level 0; level 9 is nine more.
    pub const QUALITY_0: i32 = -32;
    /// Compression level 0; level 9 is nine more.
    pub const COMPRESSION_0: i32 = -256;
}

/// How pixels travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pixels {
    #[default]
    Raw,
    Tight,
    Zrle,
}

/// A viewer's abilities and preferences; without a list it gets raw pixels and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wishes {
    /// The first one on its list that we speak.
    pub pixels: Pixels,
    /// 0 (smallest) to 9 (best); without it nothing is sent with losses.
    pub quality: Option<u8>,
    /// 0 (fastest) to 9 (smallest).
    pub compression: Option<u8>,
    pub copy_rect: bool,
    pub cursor: bool,
    pub cursor_with_alpha: bool,
    pub vmware_cursor: bool,
    pub desktop_size: bool,
    pub extended_desktop_size: bool,
    pub desktop_name: bool,
    pub last_rect: bool,
    pub fence: bool,
    pub continuous_updates: bool,
    pub extended_mouse_buttons: bool,
    pub qemu_keys: bool,
    pub extended_clipboard: bool,
}

impl Wishes {
    /// Reads the list; what we do not know is skipped, as the protocol asks.
    pub fn read(list: impl IntoIterator<Item = i32>) -> Self {
        let mut wishes = Wishes::default();
        let mut pixels = None;
        for number in list {
            match number {
                number::RAW => pixels = pixels.or(Some(Pixels::Raw)),
                number::TIGHT => pixels = pixels.or(Some(Pixels::Tight)),
                number::ZRLE => pixels = pixels.or(Some(Pixels::Zrle)),
                number::COPY_RECT => wishes.copy_rect = true,
                number::CURSOR => wishes.cursor = true,
                number::VMWARE_CURSOR => wishes.vmware_cursor = true,
                number::CURSOR_WITH_ALPHA => wishes.cursor_with_alpha = true,
                number::DESKTOP_SIZE => wishes.desktop_size = true,
                number::EXTENDED_DESKTOP_SIZE => wishes.extended_desktop_size = true,
                number::DESKTOP_NAME => wishes.desktop_name = true,
                number::LAST_RECT => wishes.last_rect = true,
                number::FENCE => wishes.fence = true,
                number::CONTINUOUS_UPDATES => wishes.continuous_updates = true,
                number::EXTENDED_MOUSE_BUTTONS => wishes.extended_mouse_buttons = true,
                number::QEMU_KEYS => wishes.qemu_keys = true,
                number::EXTENDED_CLIPBOARD => wishes.extended_clipboard = true,
                -32..=-23 => wishes.quality = Some((number - number::QUALITY_0) as u8),
                -256..=-247 => wishes.compression = Some((number - number::COMPRESSION_0) as u8),
                _ => {}
            }
        }
        wishes.pixels = pixels.unwrap_or_default();
        wishes
    }

    /// The same, but for a picture that is to be exact.
    pub fn lossless(self) -> Self {
        Self { quality: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pixel_encoding_that_is_known_wins() {
        let wishes = Wishes::read([50, 1, number::TIGHT, number::ZRLE, number::RAW]);

        assert_eq!(wishes.pixels, Pixels::Tight);
    }

    #[test]
    fn levels_are_read_from_their_ranges() {
        let wishes = Wishes::read([-26, -254, number::CURSOR]);

        assert_eq!((wishes.quality, wishes.compression, wishes.cursor), (Some(6), Some(2), true));
    }

    #[test]
    fn an_empty_list_means_raw_pixels_and_nothing_else() {
        assert_eq!(Wishes::read([]), Wishes::default());
    }
}
