//! Pixel formats: what a viewer wants its pixels to look like, and the conversion to it.

use bytes::{Buf, BufMut, BytesMut};

use super::ProtocolError;

/// A true-colour format that passed [`PixelFormat::parse`], so every shift and mask is sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PixelFormat {
    bits_per_pixel: u8,
    depth: u8,
    big_endian: bool,
    /// Largest values of red, green, blue; each one less than a power of two.
    max: [u16; 3],
    shift: [u8; 3],
}

impl PixelFormat {
    /// The format of our own pictures, announced to every viewer: blue, green, red, unused.
    pub const OURS: PixelFormat =
        PixelFormat { bits_per_pixel: 32, depth: 24, big_endian: false, max: [255; 3], shift: [16, 8, 0] };

    /// Length on the wire, padding included.
    pub const WIRE: usize = 16;

    /// Reads the 16 bytes of a format.
    pub fn parse(wire: [u8; Self::WIRE]) -> Result<Self, ProtocolError> {
        let mut from = &wire[..];
        let bits_per_pixel = from.get_u8();
        let depth = from.get_u8();
        let big_endian = from.get_u8() != 0;
        let true_colour = from.get_u8() != 0;
        let max = [from.get_u16(), from.get_u16(), from.get_u16()];
        let shift = [from.get_u8(), from.get_u8(), from.get_u8()];
        let refuse = |why| Err(ProtocolError::PixelFormat(why));

        if !matches!(bits_per_pixel, 8 | 16 | 32) {
            return refuse("a pixel has 8, 16 or 32 bits");
        }
        if !true_colour {
            return refuse("colour maps are not served");
        }
        if depth == 0 || depth > bits_per_pixel {
            return refuse("the depth must be between 1 and the bits of a pixel");
        }
        let mut used = 0_u64;
        for (max, shift) in max.into_iter().zip(shift) {
            if max == 0 || !(u32::from(max) + 1).is_power_of_two() {
                return refuse("the largest value of a colour must be one less than a power of two");
            }
            let mask = u64::from(max).checked_shl(u32::from(shift)).unwrap_or(0);
            if shift >= 32 || mask >= 1 << bits_per_pixel || used & mask != 0 {
                return refuse("the colours do not fit into the pixel side by side");
            }
            used |= mask;
        }
        Ok(Self { bits_per_pixel, depth, big_endian, max, shift })
    }

    pub fn write(&self, out: &mut BytesMut) {
        out.put_slice(&[self.bits_per_pixel, self.depth, u8::from(self.big_endian), 1]);
        for max in self.max {
            out.put_u16(max);
        }
        out.put_slice(&self.shift);
        out.put_bytes(0, 3);
    }

    pub fn bytes_per_pixel(&self) -> usize {
        usize::from(self.bits_per_pixel / 8)
    }

    /// May a picture be sent as JPEG? Viewers of 8 bits cannot show one.
    pub fn takes_jpeg(&self) -> bool {
        self.bits_per_pixel >= 16
    }

    /// Appends a colour `0x00RRGGBB` as a full pixel.
    pub fn put(&self, colour: u32, out: &mut impl BufMut) {
        let pixel = self.pixel(colour);
        match (self.bits_per_pixel, self.big_endian) {
            (8, _) => out.put_u8(pixel as u8),
            (16, true) => out.put_u16(pixel as u16),
            (16, false) => out.put_u16_le(pixel as u16),
            (_, true) => out.put_u32(pixel),
            (_, false) => out.put_u32_le(pixel),
        }
    }

    /// Appends a row of our own pixels as full pixels.
    pub fn put_row(&self, row: &[u8], out: &mut Vec<u8>) {
        if *self == Self::OURS {
            out.extend_from_slice(row);
        } else {
            for pixel in row.chunks_exact(4) {
                self.put(super::colour(pixel), out);
            }
        }
    }

    /// Appends a colour as Tight's `TPIXEL`: three bytes red, green, blue where the format has 24 bits of colour.
    pub fn put_tight(&self, colour: u32, out: &mut impl BufMut) {
        if self.is_tight_rgb() {
            out.put_slice(&[(colour >> 16) as u8, (colour >> 8) as u8, colour as u8]);
        } else {
            self.put(colour, out);
        }
    }

    /// Appends a row of our own pixels as Tight's.
    pub fn put_tight_row(&self, row: &[u8], out: &mut Vec<u8>) {
        if self.is_tight_rgb() {
            let start = out.len();
            out.resize(start + row.len() / 4 * 3, 0);
            for (to, from) in out[start..].chunks_exact_mut(3).zip(row.chunks_exact(4)) {
                to.copy_from_slice(&[from[2], from[1], from[0]]);
            }
        } else {
            self.put_row(row, out);
        }
    }

    /// Appends a colour as ZRLE's `CPIXEL`: a pixel without the byte that holds no colour, if there is one.
    pub fn put_compressed(&self, colour: u32, out: &mut Vec<u8>) {
        let Some(low) = self.spare_byte() else { return self.put(colour, out) };
        let pixel = if low { self.pixel(colour) >> 8 } else { self.pixel(colour) };
        let [first, second, third, _] = pixel.to_le_bytes();
        out.extend_from_slice(&if self.big_endian { [third, second, first] } else { [first, second, third] });
    }

    fn is_tight_rgb(&self) -> bool {
        self.bits_per_pixel == 32 && self.depth == 24 && self.max == [255; 3]
    }

    /// Which byte of a 32-bit pixel holds no colour: the lowest (`true`), the highest, or neither.
    fn spare_byte(&self) -> Option<bool> {
        if self.bits_per_pixel != 32 || self.depth > 24 {
            return None;
        }
        let used = self.max.iter().zip(self.shift).fold(0, |used, (max, shift)| used | u32::from(*max) << shift);
        match (used & 0xff00_0000 == 0, used & 0xff == 0) {
            (true, _) => Some(false),
            (false, true) => Some(true),
            (false, false) => None,
        }
    }

    fn pixel(&self, colour: u32) -> u32 {
        let channels = [colour >> 16 & 0xff, colour >> 8 & 0xff, colour & 0xff];
        (0..3).fold(0, |pixel, i| pixel | ((channels[i] * u32::from(self.max[i]) + 127) / 255) << self.shift[i])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(bits: u8, depth: u8, big: u8, max: [u16; 3], shift: [u8; 3]) -> Result<PixelFormat, ProtocolError> {
        let mut wire = [0; PixelFormat::WIRE];
        wire[..4].copy_from_slice(&[bits, depth, big, 1]);
        for (i, max) in max.into_iter().enumerate() {
            wire[4 + 2 * i..6 + 2 * i].copy_from_slice(&max.to_be_bytes());
        }
        wire[10..13].copy_from_slice(&shift);
        PixelFormat::parse(wire)
    }

    #[test]
    fn our_own_format_reads_back_as_it_was_written() {
        let mut out = BytesMut::new();

        PixelFormat::OURS.write(&mut out);

        assert_eq!(PixelFormat::parse(out[..].try_into().unwrap()).unwrap(), PixelFormat::OURS);
    }

    #[test]
    fn formats_that_make_no_sense_are_refused() {
        assert!(format(24, 24, 0, [255; 3], [16, 8, 0]).is_err(), "24 bits");
        assert!(format(32, 0, 0, [255; 3], [16, 8, 0]).is_err(), "no depth");
        assert!(format(16, 24, 0, [31, 63, 31], [11, 5, 0]).is_err(), "deeper than a pixel");
        assert!(format(32, 24, 0, [255, 0, 255], [16, 8, 0]).is_err(), "no green");
        assert!(format(32, 24, 0, [255, 100, 255], [16, 8, 0]).is_err(), "not a mask");
        assert!(format(32, 24, 0, [255; 3], [16, 8, 200]).is_err(), "a shift out of the pixel");
        assert!(format(32, 24, 0, [255; 3], [16, 8, 25]).is_err(), "a colour half out of the pixel");
        assert!(format(32, 24, 0, [255; 3], [16, 8, 8]).is_err(), "two colours in one place");
        assert!(format(8, 8, 0, [7, 7, 7], [0, 3, 6]).is_err(), "nine bits in eight");
        assert!(PixelFormat::parse([8, 8, 0, 0, 0, 7, 0, 7, 0, 3, 0, 3, 6, 0, 0, 0]).is_err(), "a colour map");
    }

    #[test]
    fn a_16_bit_pixel_is_scaled_and_ordered_as_asked() {
        let little = format(16, 16, 0, [31, 63, 31], [11, 5, 0]).unwrap();
        let big = format(16, 16, 1, [31, 63, 31], [11, 5, 0]).unwrap();
        let mut out = Vec::new();

        little.put(0xff0000, &mut out);
        big.put(0xff0000, &mut out);
        little.put(0x00ff00, &mut out);

        assert_eq!(out, [0x00, 0xf8, 0xf8, 0x00, 0xe0, 0x07]);
    }

    #[test]
    fn a_compressed_pixel_leaves_out_the_byte_without_colour() {
        let high = format(32, 24, 0, [255; 3], [0, 8, 16]).unwrap();
        let low = format(32, 24, 1, [255; 3], [24, 16, 8]).unwrap();
        let mut out = Vec::new();

        high.put_compressed(0x112233, &mut out);
        low.put_compressed(0x112233, &mut out);

        assert_eq!(out, [0x11, 0x22, 0x33, 0x11, 0x22, 0x33]);
    }
}
