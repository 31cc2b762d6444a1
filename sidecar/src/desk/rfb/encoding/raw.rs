//! Pixels as they are.

use bytes::{BufMut, BytesMut};

use super::{super::Area, Source};

pub(super) fn encode(source: Source<'_>, area: Area, out: &mut BytesMut) {
    let mut row = Vec::with_capacity(usize::from(area.width) * source.format.bytes_per_pixel());
    for pixels in source.picture.rows(area) {
        row.clear();
        source.format.put_row(pixels, &mut row);
        out.put_slice(&row);
    }
}
