//! Pixels as they are.

use bytes::{BufMut, BytesMut};

use super::super::{Area, Picture, PixelFormat};

pub(super) fn encode(picture: Picture<'_>, area: Area, format: &PixelFormat, out: &mut BytesMut) {
    let mut row = Vec::with_capacity(usize::from(area.width) * format.bytes_per_pixel());
    for pixels in picture.rows(area) {
        row.clear();
        format.put_row(pixels, &mut row);
        out.put_slice(&row);
    }
}
