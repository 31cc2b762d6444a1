//! Updates for one viewer, made on a thread where computing disturbs nobody.

use std::sync::Arc;

use bytes::BytesMut;

use crate::desk::{
    rfb::{
        Area, Picture, PixelFormat, Wishes,
        encoding::{Encoder, write_cursor},
        server::Update,
        shadow::Shadow,
        wishes::number,
    },
    screen::{CursorShape, Frame},
};

/// What the viewer has seen, and the encoders that know it.
pub(super) struct Painter {
    pub(super) shadow: Shadow,
    encoder: Encoder,
}

/// An update to be made.
pub(super) struct Order {
    pub(super) frame: Arc<Frame>,
    pub(super) within: Area,
    pub(super) format: PixelFormat,
    pub(super) wishes: Wishes,
    pub(super) extras: Extras,
}

/// What goes along with the pixels.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) cursor: Option<Arc<CursorShape>>,
    pub(super) name: Option<String>,
    pub(super) extended_mouse_buttons: bool,
}

impl Extras {
    pub(super) fn is_empty(&self) -> bool {
        self.cursor.is_none() && self.name.is_none() && !self.extended_mouse_buttons
    }
}

impl Painter {
    pub(super) fn new(width: u16, height: u16) -> Self {
        Self { shadow: Shadow::new(width, height), encoder: Encoder::new() }
    }

    /// The screen has another size: the viewer has seen nothing of it. Its encoders go on.
    pub(super) fn resize(&mut self, width: u16, height: u16) {
        self.shadow = Shadow::new(width, height);
    }

    /// The update as bytes; empty when there is nothing to tell.
    pub(super) fn paint(mut self: Box<Self>, order: Order) -> (Box<Self>, BytesMut) {
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);
        if order.extras.extended_mouse_buttons {
            update.ability(number::EXTENDED_MOUSE_BUTTONS);
        }
        if let Some(name) = &order.extras.name {
            update.desktop_name(name);
        }
        if let Some(shape) = &order.extras.cursor {
            let size = (shape.size.width, shape.size.height);
            write_cursor(&mut update, size, shape.hotspot, &shape.argb, &order.format);
        }
        let whole = self.shadow.whole();
        if let Some(picture) = Picture::new(&order.frame.pixels, whole.width, whole.height) {
            let changes = self.shadow.update(picture, order.within);
            self.encoder.encode(&mut update, picture, &changes, &order.format, &order.wishes);
        }
        update.end();
        (self, out)
    }
}
