//! Updates for one viewer: its plan and the newest pixels, as bytes.

use std::sync::Arc;

use bytes::BytesMut;

use crate::desk::{
    rfb::{
        Area, Picture, PixelFormat, Wishes,
        encoding::{Encoder, copy_rect, write_cursor, write_soft_cursor},
        ledger::Plan,
        server::Update,
        wishes::number,
    },
    screen::{CursorShape, Frame},
};

/// The encoders, which know what the viewer's decoders have seen.
pub(super) struct Painter {
    encoder: Encoder,
}

/// An update to be made.
pub(super) struct Order {
    pub(super) within: Area,
    pub(super) format: PixelFormat,
    pub(super) wishes: Wishes,
    pub(super) extras: Extras,
}

/// An update that was made.
pub(super) struct Painted {
    /// Empty when there was nothing to tell.
    pub(super) bytes: BytesMut,
    pub(super) plan: Plan,
    /// Of the screen that it shows.
    pub(super) size: (u16, u16),
    /// What of it was sent with losses.
    pub(super) lossy: Vec<Area>,
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
    pub(super) fn new() -> Self {
        Self { encoder: Encoder::new() }
    }

    pub(super) fn paint(&mut self, frame: &Frame, plan: Plan, order: Order) -> Painted {
        let mut bytes = BytesMut::new();
        let mut update = Update::begin(&mut bytes);
        if order.extras.extended_mouse_buttons {
            update.ability(number::EXTENDED_MOUSE_BUTTONS);
        }
        if let Some(name) = &order.extras.name {
            update.desktop_name(name);
        }
        if let Some(shape) = &order.extras.cursor {
            let size = (shape.size.width, shape.size.height);
            if !write_soft_cursor(&mut update, size, shape.hotspot, &shape.argb, &order.wishes) {
                write_cursor(&mut update, size, shape.hotspot, &shape.argb, &order.format);
            }
        }
        let (width, height) = (frame.size.width as u16, frame.size.height as u16);
        let mut lossy = Vec::new();
        if let Some(picture) = Picture::new(&frame.pixels, width, height) {
            plan.copies.iter().for_each(|copy| copy_rect(&mut update, *copy));
            let wishes = if plan.exact { Wishes { quality: None, ..order.wishes } } else { order.wishes };
            lossy = self.encoder.encode(&mut update, picture, &plan.changes, &order.format, &wishes);
        }
        update.end();
        Painted { bytes, plan, size: (width, height), lossy }
    }
}
