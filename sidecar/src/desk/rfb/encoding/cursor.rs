//! The shape of the pointer, drawn by the viewer itself: a moving pointer costs no pixels.

use bytes::BufMut;

use super::super::{Area, PixelFormat, server::Update, wishes::number};

/// Larger pointers are cut off.
const MAX_SIDE: u32 = 256;

/// Appends the pointer's image: `argb` holds one `0xAARRGGBB` a pixel, colours multiplied by alpha.
///
/// An image that does not add up is sent as no pointer at all.
pub fn write_cursor(
    update: &mut Update<'_>,
    (width, height): (u32, u32),
    hotspot: (u32, u32),
    argb: &[u32],
    format: &PixelFormat,
) {
    let stride = width as usize;
    let fits = (argb.len() as u64) >= u64::from(width) * u64::from(height);
    let (width, height) = if fits { (width.min(MAX_SIDE), height.min(MAX_SIDE)) } else { (0, 0) };
    let area = Area {
        x: hotspot.0.min(width.saturating_sub(1)) as u16,
        y: hotspot.1.min(height.saturating_sub(1)) as u16,
        width: width as u16,
        height: height as u16,
    };
    let out = update.rectangle(area, number::CURSOR);
    let rows = || (0..height as usize).map(|y| &argb[y * stride..y * stride + width as usize]);
    for pixel in rows().flatten() {
        format.put(straight(*pixel), out);
    }
    for row in rows() {
        for pixels in row.chunks(8) {
            let bits = pixels.iter().enumerate().filter(|(_, pixel)| is_opaque(**pixel));
            out.put_u8(bits.fold(0, |byte, (i, _)| byte | 0x80 >> i));
        }
    }
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

    #[test]
    fn an_image_that_does_not_add_up_is_an_empty_pointer() {
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);

        write_cursor(&mut update, (u32::MAX, u32::MAX), (9, 9), &[0; 4], &PixelFormat::OURS);
        update.end();

        assert_eq!(out.len(), 4 + 12);
    }
}
