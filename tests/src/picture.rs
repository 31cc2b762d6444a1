//! A picture of a screen, however it came, and what a test wants to know of it.

use std::{collections::HashSet, io::Cursor};

use base64::{Engine, prelude::BASE64_STANDARD};
use protocol::desktop::Size;

/// What JPEG may do to a channel without a person seeing another picture.
const TOLERANCE: u8 = 32;

/// Pixels as RGB, row by row.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    pub size: Size,
    pub rgb: Vec<u8>,
}

impl Picture {
    pub fn black(size: Size) -> Self {
        Self { size, rgb: vec![0; size.width as usize * size.height as usize * 3] }
    }

    /// Reads a PNG of 8 bits a channel, with or without alpha.
    pub fn from_png(bytes: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().expect("a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a PNG of sensible size")];
        let frame = reader.next_frame(&mut pixels).expect("a whole PNG");
        let pixels = &pixels[..frame.buffer_size()];
        let rgb = match frame.color_type {
            png::ColorType::Rgb => pixels.to_vec(),
            png::ColorType::Rgba => pixels.chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect(),
            other => panic!("a PNG of {other:?} was not expected"),
        };
        Self { size: Size { width: frame.width, height: frame.height }, rgb }
    }

    pub fn at(&self, x: u32, y: u32) -> [u8; 3] {
        let start = (y as usize * self.size.width as usize + x as usize) * 3;
        [self.rgb[start], self.rgb[start + 1], self.rgb[start + 2]]
    }

    /// Paints part of a row.
    pub fn set_row(&mut self, x: u32, y: u32, rgb: &[u8]) {
        let start = (y as usize * self.size.width as usize + x as usize) * 3;
        self.rgb[start..start + rgb.len()].copy_from_slice(rgb);
    }

    /// How many colours it has: a black or half-painted screen has few.
    pub fn colours(&self) -> usize {
        self.rgb.chunks_exact(3).collect::<HashSet<_>>().len()
    }

    /// Which part of the pixels differs visibly, 0 to 1. Pictures of two sizes differ wholly.
    pub fn difference(&self, other: &Picture) -> f64 {
        if self.size != other.size {
            return 1.0;
        }
        let differs = |one: &[u8], two: &[u8]| one.iter().zip(two).any(|(one, two)| one.abs_diff(*two) > TOLERANCE);
        let pixels = self.rgb.chunks_exact(3).zip(other.rgb.chunks_exact(3));
        let differing = pixels.filter(|(one, two)| differs(one, two)).count();
        differing as f64 / (self.size.width as f64 * self.size.height as f64)
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a picture of {}x{} with {} colours", self.size.width, self.size.height, self.colours())
    }
}

/// A black picture of any size, as requests carry it.
pub fn base64_png(width: u32, height: u32) -> String {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&vec![0; (width * height) as usize]).expect("a picture");
    writer.finish().expect("an end");
    BASE64_STANDARD.encode(bytes)
}
