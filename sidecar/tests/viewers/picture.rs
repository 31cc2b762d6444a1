//! Pixels of a screen, and how far two pictures of it are apart.

use std::{
    fs::File,
    io::Cursor,
    path::{Path, PathBuf},
};

use x11rb::{
    connection::Connection,
    protocol::{
        xfixes::ConnectionExt as _,
        xproto::{ConnectionExt, ImageFormat},
    },
    rust_connection::RustConnection,
};

/// Pixels as `0x00RRGGBB`, row by row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) width: u16,
    pub(crate) height: u16,
    pixels: Vec<u32>,
}

impl Picture {
    /// What an X server shows of its whole screen.
    pub(crate) fn of_screen(x: &RustConnection) -> Self {
        let root = x.setup().roots[0].root;
        let size = x.get_geometry(root).unwrap().reply().unwrap();
        Self::of_part(x, 0, 0, size.width, size.height)
    }

    /// What an X server shows there, which must be on its screen. No pointer is in it.
    pub(crate) fn of_part(x: &RustConnection, left: i16, top: i16, width: u16, height: u16) -> Self {
        let root = x.setup().roots[0].root;
        let image = x.get_image(ImageFormat::Z_PIXMAP, root, left, top, width, height, !0).unwrap().reply().unwrap();
        let colour = |p: &[u8]| u32::from_le_bytes(p.try_into().unwrap()) & 0x00ff_ffff;
        Self { width, height, pixels: image.data.chunks_exact(4).map(colour).collect() }
    }

    /// Reads a PNG of 8 bits a channel; what is transparent in it is not looked at.
    pub(crate) fn from_png(png: &[u8]) -> Self {
        let mut reader = png::Decoder::new(Cursor::new(png)).read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut bytes).unwrap();
        assert_eq!(info.bit_depth, png::BitDepth::Eight);
        let colour = |p: &[u8]| u32::from_be_bytes([0, p[0], p[1], p[2]]);
        let pixels = bytes[..info.buffer_size()].chunks_exact(info.color_type.samples()).map(colour).collect();
        Self { width: info.width as u16, height: info.height as u16, pixels }
    }

    /// Keeps it where a person may look at it; says where.
    pub(crate) fn keep(&self, name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("viewers");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{name}.png"));
        let mut encoder = png::Encoder::new(File::create(&path).unwrap(), self.width.into(), self.height.into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        let bytes: Vec<u8> = self.pixels.iter().flat_map(|colour| colour.to_be_bytes()[1..].to_vec()).collect();
        encoder.write_header().unwrap().write_image_data(&bytes).unwrap();
        path
    }

    /// How many colours it has: a screen that is not painted has few.
    pub(crate) fn colours(&self) -> usize {
        self.pixels.iter().collect::<std::collections::HashSet<_>>().len()
    }

    /// How far `other` is away from it; `None` for another size.
    pub(crate) fn distance(&self, other: &Picture) -> Option<Distance> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let (mut pixels, mut most, mut sum) = (0, 0, 0);
        for (one, two) in self.pixels.iter().zip(&other.pixels).filter(|(one, two)| one != two) {
            pixels += 1;
            for (one, two) in one.to_le_bytes().into_iter().zip(two.to_le_bytes()) {
                most = most.max(one.abs_diff(two));
                sum += u64::from(one.abs_diff(two)).pow(2);
            }
        }
        Some(Distance { pixels, most, squares: sum / (3 * pixels.max(1) as u64) })
    }
}

/// The pointer that an X server shows: its size, its hot spot, its pixels with alpha.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    size: (u16, u16),
    hot: (u16, u16),
    pixels: Vec<u32>,
}

impl Pointer {
    pub(crate) fn of(x: &RustConnection) -> Self {
        x.xfixes_query_version(4, 0).unwrap().reply().unwrap();
        let image = x.xfixes_get_cursor_image().unwrap().reply().unwrap();
        let (size, hot) = ((image.width, image.height), (image.xhot, image.yhot));
        Self { size, hot, pixels: image.cursor_image }
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a picture of {}x{} in {} colours", self.width, self.height, self.colours())
    }
}

/// How far two pictures of one size are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Distance {
    /// How many pixels are not the same.
    pub(crate) pixels: usize,
    /// The largest difference of a channel.
    pub(crate) most: u8,
    /// The mean of the squared differences of the channels of those pixels.
    pub(crate) squares: u64,
}
