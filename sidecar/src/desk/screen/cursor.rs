//! The shape of the pointer, as XFixes tells it.

use protocol::desktop::Size;
use x11rb::{
    errors::ReplyError,
    protocol::xfixes::{ConnectionExt as _, CursorNotifyMask},
    rust_connection::RustConnection,
};

use super::CursorShape;

/// Asks to be told when the shape changes.
pub(super) fn watch(x: &RustConnection, root: u32) -> Result<(), ReplyError> {
    x.xfixes_query_version(5, 0)?.reply()?;
    x.xfixes_select_cursor_input(root, CursorNotifyMask::DISPLAY_CURSOR)?.check()
}

/// The present shape.
pub(super) fn shape(x: &RustConnection) -> Result<CursorShape, ReplyError> {
    let image = x.xfixes_get_cursor_image()?.reply()?;
    let size = Size { width: image.width.into(), height: image.height.into() };
    let mut argb = image.cursor_image;
    argb.resize(size.width as usize * size.height as usize, 0);
    Ok(CursorShape { size, hotspot: (image.xhot.into(), image.yhot.into()), argb })
}

/// Stands in where the server does not tell: nothing is drawn.
pub(super) fn none() -> CursorShape {
    CursorShape { size: Size { width: 1, height: 1 }, hotspot: (0, 0), argb: vec![0] }
}
