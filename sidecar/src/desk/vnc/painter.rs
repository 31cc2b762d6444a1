//! Updates for one viewer: its plan and the newest pixels, as bytes.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::task::JoinError;

use super::studio::Studio;
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
    pub(super) qemu_keys: bool,
}

impl Extras {
    pub(super) fn is_empty(&self) -> bool {
        self.cursor.is_none() && self.name.is_none() && !self.extended_mouse_buttons && !self.qemu_keys
    }
}

impl Painter {
    pub(super) fn new() -> Self {
        Self { encoder: Encoder::new() }
    }

    /// An update for this viewer alone.
    pub(super) fn paint(&mut self, frame: &Frame, plan: Plan, order: &Order) -> Painted {
        let mut bytes = BytesMut::new();
        let mut update = begin(&mut bytes, &plan, order);
        let (width, height) = (frame.size.width as u16, frame.size.height as u16);
        let wishes = order.pixels(&plan);
        let lossy = Picture::new(&frame.pixels, width, height)
            .map(|picture| self.encoder.encode(&mut update, picture, &plan.changes, &order.format, &wishes));
        update.end();
        Painted { bytes, plan, size: (width, height), lossy: lossy.unwrap_or_default() }
    }

    /// An update of pixels that others get as well.
    pub(super) async fn paint_shared(
        &mut self,
        frame: Arc<Frame>,
        plan: Plan,
        order: &Order,
        studio: Studio,
    ) -> Result<Painted, JoinError> {
        let size = (frame.size.width as u16, frame.size.height as u16);
        let detached = studio.shoot(frame, &plan, order.format, order.pixels(&plan)).await?;
        let mut bytes = BytesMut::new();
        let mut update = begin(&mut bytes, &plan, order);
        update.append(detached.rectangles, &detached.bytes);
        update.end();
        Ok(Painted { bytes, plan, size, lossy: detached.lossy.clone() })
    }
}

impl Order {
    /// How the pixels of the plan are wanted.
    fn pixels(&self, plan: &Plan) -> Wishes {
        if plan.exact { Wishes { quality: None, ..self.wishes } } else { self.wishes }
    }
}

/// All but the pixels.
fn begin<'a>(bytes: &'a mut BytesMut, plan: &Plan, order: &Order) -> Update<'a> {
    let mut update = Update::begin(bytes);
    if order.extras.extended_mouse_buttons {
        update.ability(number::EXTENDED_MOUSE_BUTTONS);
    }
    if let Some(name) = &order.extras.name {
        update.desktop_name(name);
    }
    if order.extras.qemu_keys {
        update.ability(number::QEMU_KEYS);
    }
    if let Some(shape) = &order.extras.cursor {
        let size = (shape.size.width, shape.size.height);
        if !write_soft_cursor(&mut update, size, shape.hotspot, &shape.argb, &order.wishes) {
            write_cursor(&mut update, size, shape.hotspot, &shape.argb, &order.format);
        }
    }
    plan.copies.iter().for_each(|copy| copy_rect(&mut update, *copy));
    update
}
