//! The shape of the pointer, drawn by the viewer itself: a moving pointer costs no pixels.

use bytes::BufMut;

use super::super::{
    Area, PixelFormat, Wishes,
    server::Update,
    wishes::number::{self, RAW},
};

/// Larger pointers are cut off.
const MAX_SIDE: u32 = 256;

/// A pointer of VMware's protocol that has an alpha channel.
const VMWARE_ALPHA: u8 = 1;

/// Appends the pointer's image: `argb` holds one `0xAARRGGBB` a pixel, colours multiplied by alpha.
///
/// An image that does not add up is sent as no pointer at all.
pub fn write_cursor(
    update: &mut Update<'_>,
    size: (u32, u32),
    hotspot: (u32, u32),
    argb: &[u32],
    format: &PixelFormat,
) {
    let image = Image::new(size, hotspot, argb);
    let out = update.rectangle(image.area, number::CURSOR);
    for pixel in image.rows().flatten() {
        format.put(straight(*pixel), out);
    }
    for row in image.rows() {
        for pixels in row.chunks(8) {
            let bits = pixels.iter().enumerate().filter(|(_, pixel)| is_opaque(**pixel));
            out.put_u8(bits.fold(0, |byte, (i, _)| byte | 0x80 >> i));
        }
    }
}

/// The same with soft edges and shadows, if the viewer can show them in one way or another; `false` if it cannot.
pub fn write_soft_cursor(
    update: &mut Update<'_>,
    size: (u32, u32),
    hotspot: (u32, u32),
    argb: &[u32],
    wishes: &Wishes,
) -> bool {
    let image = Image::new(size, hotspot, argb);
    if wishes.cursor_with_alpha {
        let out = update.rectangle(image.area, number::CURSOR_WITH_ALPHA);
        out.put_i32(RAW);
        image.rows().flatten().for_each(|pixel| out.put_slice(&rgba(*pixel)));
    } else if wishes.vmware_cursor {
        let out = update.rectangle(image.area, number::VMWARE_CURSOR);
        out.put_slice(&[VMWARE_ALPHA, 0]);
        let own_colour = |pixel: u32| pixel & 0xff00_0000 | straight(pixel);
        image.rows().flatten().for_each(|pixel| out.put_slice(&rgba(own_colour(*pixel))));
    } else {
        return false;
    }
    true
}

/// A pointer's image that adds up.
struct Image<'a> {
    /// The hotspot and the size.
    area: Area,
    stride: usize,
    argb: &'a [u32],
}

impl<'a> Image<'a> {
    fn new((width, height): (u32, u32), hotspot: (u32, u32), argb: &'a [u32]) -> Self {
        let fits = (argb.len() as u64) >= u64::from(width) * u64::from(height);
        let stride = width as usize;
        let (width, height) = if fits { (width.min(MAX_SIDE), height.min(MAX_SIDE)) } else { (0, 0) };
        let area = Area {
            x: hotspot.0.min(width.saturating_sub(1)) as u16,
            y: hotspot.1.min(height.saturating_sub(1)) as u16,
            width: width as u16,
            height: height as u16,
        };
        Self { area, stride, argb }
    }

    fn rows(&self) -> impl Iterator<Item = &'a [u32]> {
        let (argb, stride, width) = (self.argb, self.stride, usize::from(self.area.width));
        (0..usize::from(self.area.height)).map(move |y| &argb[y * stride..y * stride + width])
    }
}

fn rgba(pixel: u32) -> [u8; 4] {
    let [blue, green, red, alpha] = pixel.to_le_bytes();
    [red, green, blue, alpha]
}

fn is_opaque(pixel: u32) -> bool {
    pixel >> 24 >= 128
}

/// The colour without the alpha that it was multiplied by.
fn straight(pixel: u32) -> u32 {
    let alpha = pixel >> 24;
    if alpha == 0 || alpha == 255 {
        return pixel & 0x00ff_ffff;
    }
    [16, 8, 0].iter().fold(0, |colour, shift| colour | ((pixel >> shift & 0xff) * 255 / alpha).min(255) << shift)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    #[test]
    fn a_pointer_is_pixels_and_then_a_mask_with_rows_of_whole_bytes() {
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);

        write_cursor(&mut update, (2, 1), (1, 0), &[0xff11_2233, 0x0000_0000], &PixelFormat::OURS);
        update.end();

        assert_eq!(out[4..12], [0, 1, 0, 0, 0, 2, 0, 1]);
        assert_eq!(out[16..], [0x33, 0x22, 0x11, 0, 0, 0, 0, 0, 0b1000_0000]);
    }

    #[test]
    fn half_transparent_pixels_get_their_own_colour_back() {
        assert_eq!(straight(0x8040_2000), 0x007f_3f00);
    }

    fn soft(encodings: &[i32]) -> Vec<u8> {
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);
        let wishes = Wishes::read(encodings.iter().copied());
        write_soft_cursor(&mut update, (1, 1), (0, 0), &[0x8040_2000], &wishes);
        update.end();
        out.get(12..).unwrap_or_default().to_vec()
    }

    #[test]
    fn a_soft_pointer_keeps_its_alpha_in_the_way_that_the_viewer_knows() {
        let vmware = number::VMWARE_CURSOR.to_be_bytes();

        assert_eq!(soft(&[number::CURSOR_WITH_ALPHA])[4..], [0, 0, 0, 0, 0x40, 0x20, 0, 0x80]);
        assert_eq!(soft(&[number::VMWARE_CURSOR]), [&vmware[..], &[1, 0, 0x7f, 0x3f, 0, 0x80]].concat());
        assert!(soft(&[number::CURSOR]).is_empty());
    }

    #[test]
    fn an_image_that_does_not_add_up_is_an_empty_pointer() {
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);

        write_cursor(&mut update, (u32::MAX, u32::MAX), (9, 9), &[0; 4], &PixelFormat::OURS);
        update.end();

        assert_eq!(out.len(), 4 + 12);
    }
}
