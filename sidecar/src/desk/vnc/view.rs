//! The screen as one viewer sees it: the newest frame, what of it is still to be sent, and the painter at work.

use std::{future, pin::Pin, sync::Arc, time::Instant};

use protocol::action::Rect;
use tokio::{sync::watch, task::JoinError};

use super::{
    ServeError,
    painter::{Order, Painted, Painter},
    sizes,
    studio::{ENCODED_AT_ONCE, Studio},
};
use crate::desk::{
    rfb::{
        Area, Move,
        ledger::{Ledger, Plan},
    },
    screen::{Frame, Step},
};

pub(super) struct View {
    /// A frame is held only while it is painted: the mirror paints on it in place otherwise.
    frames: watch::Receiver<Arc<Frame>>,
    serial: u64,
    size: (u16, u16),
    ledger: Ledger,
    painter: Easel,
}

enum Easel {
    Ready(Box<Painter>),
    Painting(Painting),
    Painted(Box<Painter>, Painted),
    /// The painter's thread failed, which ends the connection.
    Gone,
}

type Painting = Pin<Box<dyn Future<Output = Result<(Box<Painter>, Painted), JoinError>> + Send>>;

/// What happened to the screen.
pub(super) enum Seen {
    Drawn,
    Resized((u16, u16)),
    /// The update that was ordered.
    Painted(Painted),
}

impl View {
    pub(super) fn new(size: (u16, u16), mut frames: watch::Receiver<Arc<Frame>>) -> Self {
        let painter = Easel::Ready(Box::new(Painter::new()));
        let serial = frames.borrow().serial;
        // The screen may have got another size since the viewer was told one.
        frames.mark_changed();
        Self { frames, serial, size, ledger: Ledger::new(size.0, size.1), painter }
    }

    pub(super) fn size(&self) -> (u16, u16) {
        self.size
    }

    pub(super) fn whole(&self) -> Area {
        self.ledger.whole()
    }

    pub(super) fn is_painting(&self) -> bool {
        !matches!(self.painter, Easel::Ready(_))
    }

    /// The viewer wants this again, changed or not.
    pub(super) fn wanted(&mut self, area: Area) {
        self.ledger.changed(area);
    }

    /// Waits for the next thing to happen. Giving up waiting loses nothing.
    pub(super) async fn next(&mut self) -> Result<Seen, ServeError> {
        if let Some(painted) = self.at_once() {
            return Ok(Seen::Painted(painted));
        }
        let painted = async {
            match &mut self.painter {
                Easel::Painting(painting) => painting.await,
                _ => future::pending().await,
            }
        };
        tokio::select! {
            painted = painted => match painted {
                Ok((painter, painted)) => {
                    self.painter = Easel::Ready(painter);
                    Ok(Seen::Painted(self.account(painted)))
                }
                Err(error) => {
                    self.painter = Easel::Gone;
                    Err(ServeError::Encoder(error))
                }
            },
            changed = self.frames.changed() => {
                changed.map_err(|_| ServeError::ScreenGone)?;
                self.take()
            }
        }
    }

    /// Is there something to send inside `within`?
    pub(super) fn may_differ(&self, within: Area) -> bool {
        self.ledger.may_differ(within)
    }

    /// When something that was sent with losses is to be sent exactly.
    pub(super) fn refinement_due(&self) -> Option<Instant> {
        self.ledger.refinement_due()
    }

    /// Lets the painter make an update of the [`View::current`] frame, if it is at hand; with `studio` one that is shared.
    pub(super) fn paint(&mut self, frame: Arc<Frame>, order: Order, studio: Option<Studio>) {
        let mut painter = match std::mem::replace(&mut self.painter, Easel::Gone) {
            Easel::Ready(painter) => painter,
            other => {
                self.painter = other;
                return;
            }
        };
        let plan = if self.ledger.may_differ(order.within) {
            self.ledger.take(order.within, order.wishes.copy_rect)
        } else if order.within == self.whole() {
            self.ledger.refine(Instant::now())
        } else {
            Plan::default()
        };
        let pixels: usize = plan.changes.iter().map(|change| change.area.pixels()).sum();
        self.painter = match studio {
            Some(studio) if pixels > 0 => Easel::Painting(Box::pin(async move {
                let painted = painter.paint_shared(frame, plan, &order, studio).await?;
                Ok((painter, painted))
            })),
            _ if pixels <= ENCODED_AT_ONCE => {
                let painted = painter.paint(&frame, plan, &order);
                Easel::Painted(painter, painted)
            }
            _ => Easel::Painting(Box::pin(tokio::task::spawn_blocking(move || {
                let painted = painter.paint(&frame, plan, &order);
                (painter, painted)
            }))),
        };
    }

    /// What was painted without waiting.
    fn at_once(&mut self) -> Option<Painted> {
        match std::mem::replace(&mut self.painter, Easel::Gone) {
            Easel::Painted(painter, painted) => {
                self.painter = Easel::Ready(painter);
                Some(self.account(painted))
            }
            other => {
                self.painter = other;
                None
            }
        }
    }

    fn account(&mut self, painted: Painted) -> Painted {
        // The screen may have got another size since, and with it another ledger.
        if painted.size == self.size {
            self.ledger.sent(&painted.plan, &painted.lossy, Instant::now());
        }
        painted
    }

    /// The newest frame, accounted for; `None` when it has another size, which is told first.
    ///
    /// What is painted must be this very one: a copy takes it for granted that the viewer has what was accounted for.
    pub(super) fn current(&mut self) -> Option<Arc<Frame>> {
        let frame = self.frames.borrow_and_update().clone();
        if sizes::of(&frame).ok() != Some(self.size) {
            self.frames.mark_changed();
            return None;
        }
        self.account_for(&frame);
        Some(frame)
    }

    fn take(&mut self) -> Result<Seen, ServeError> {
        let frame = self.frames.borrow_and_update().clone();
        let size = sizes::of(&frame)?;
        if size != self.size {
            self.size = size;
            self.serial = frame.serial;
            self.ledger = Ledger::new(size.0, size.1);
            return Ok(Seen::Resized(size));
        }
        self.account_for(&frame);
        Ok(Seen::Drawn)
    }

    fn account_for(&mut self, frame: &Frame) {
        let before = std::mem::replace(&mut self.serial, frame.serial);
        match frame.since(before) {
            Some(steps) => steps.iter().for_each(|step| note(&mut self.ledger, step)),
            None => self.ledger.changed(self.ledger.whole()),
        }
    }
}

fn note(ledger: &mut Ledger, step: &Step) {
    let changes = step.changes.iter().copied().map(area);
    match &step.moved {
        Some(moved) => {
            let to = area(moved.to);
            let from = Rect { x: moved.from.0, y: moved.from.1, ..moved.to };
            let from = area(from);
            ledger.moved(Move { to, from: (from.x, from.y) }, moved.rest.iter().copied().map(area), changes);
        }
        None => changes.for_each(|change| ledger.changed(change)),
    }
}

/// A part of the screen, which is never larger than what RFB can count, as an area.
fn area(rect: Rect) -> Area {
    Area { x: rect.x as u16, y: rect.y as u16, width: rect.width as u16, height: rect.height as u16 }
}
