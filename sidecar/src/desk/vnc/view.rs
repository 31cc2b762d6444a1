//! The screen as one viewer sees it: the newest frame, what of it is new, and the painter at work.

use std::{future, sync::Arc};

use bytes::BytesMut;
use protocol::action::Rect;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    ServeError,
    painter::{Order, Painter},
    sizes,
};
use crate::desk::{rfb::Area, screen::Frame};

/// More pieces than this are kept as the area around them: what is compared needlessly costs little.
const MAX_PIECES: usize = 64;

pub(super) struct View {
    frames: watch::Receiver<Arc<Frame>>,
    frame: Arc<Frame>,
    size: (u16, u16),
    painter: Easel,
    /// What was drawn, and what the viewer wants again, since the painter was last at hand.
    drawn: Vec<Area>,
    wanted: Vec<Area>,
}

enum Easel {
    Ready(Box<Painter>),
    Painting(JoinHandle<(Box<Painter>, BytesMut)>),
    /// The painter's thread failed, which ends the connection.
    Gone,
}

/// What happened to the screen.
pub(super) enum Seen {
    Drawn,
    Resized((u16, u16)),
    /// The update that was ordered; empty when there was nothing to tell.
    Painted(BytesMut),
}

impl View {
    pub(super) fn new(frame: Arc<Frame>, frames: watch::Receiver<Arc<Frame>>) -> Result<Self, ServeError> {
        let size = sizes::of(&frame)?;
        let painter = Easel::Ready(Box::new(Painter::new(size.0, size.1)));
        Ok(Self { frames, frame, size, painter, drawn: Vec::new(), wanted: Vec::new() })
    }

    pub(super) fn size(&self) -> (u16, u16) {
        self.size
    }

    pub(super) fn whole(&self) -> Area {
        Area::whole(self.size.0, self.size.1)
    }

    pub(super) fn is_painting(&self) -> bool {
        !matches!(self.painter, Easel::Ready(_))
    }

    /// The viewer wants this again, changed or not.
    pub(super) fn wanted(&mut self, area: Area) {
        keep(&mut self.wanted, area);
    }

    /// Waits for the next thing to happen. Giving up waiting loses nothing.
    pub(super) async fn next(&mut self) -> Result<Seen, ServeError> {
        let painted = async {
            match &mut self.painter {
                Easel::Painting(painting) => painting.await,
                _ => future::pending().await,
            }
        };
        tokio::select! {
            painted = painted => match painted {
                Ok((painter, update)) => {
                    self.painter = Easel::Ready(painter);
                    Ok(Seen::Painted(update))
                }
                Err(error) => {
                    self.painter = Easel::Gone;
                    Err(ServeError::Encoder(error))
                }
            },
            changed = self.frames.changed() => {
                changed.map_err(|_| ServeError::ScreenGone)?;
                let frame = self.frames.borrow_and_update().clone();
                self.take(frame)
            }
        }
    }

    /// Is there something to send inside `within`? Asked while the painter is at hand.
    pub(super) fn may_differ(&mut self, within: Area) -> bool {
        self.settle();
        matches!(&self.painter, Easel::Ready(painter) if painter.shadow.may_differ(within))
    }

    /// Lets the painter make an update of the newest frame, if it is at hand.
    pub(super) fn paint(&mut self, order: impl FnOnce(Arc<Frame>) -> Order) {
        self.settle();
        self.painter = match std::mem::replace(&mut self.painter, Easel::Gone) {
            Easel::Ready(painter) => {
                let order = order(self.frame.clone());
                Easel::Painting(tokio::task::spawn_blocking(move || painter.paint(order)))
            }
            other => other,
        };
    }

    fn take(&mut self, frame: Arc<Frame>) -> Result<Seen, ServeError> {
        let size = sizes::of(&frame)?;
        let is_next = frame.serial == self.frame.serial + 1;
        self.frame = frame;
        if size != self.size {
            self.size = size;
            return Ok(Seen::Resized(size));
        }
        if is_next {
            for rect in &self.frame.damage {
                keep(&mut self.drawn, area(*rect));
            }
        } else {
            let whole = self.whole();
            keep(&mut self.drawn, whole);
        }
        Ok(Seen::Drawn)
    }

    /// Tells the painter what gathered while it was busy.
    fn settle(&mut self) {
        let whole = self.whole();
        let Easel::Ready(painter) = &mut self.painter else { return };
        if painter.shadow.whole() != whole {
            painter.resize(whole.width, whole.height);
        }
        self.drawn.drain(..).for_each(|area| painter.shadow.drawn(area));
        self.wanted.drain(..).for_each(|area| painter.shadow.wanted(area));
    }
}

fn keep(pieces: &mut Vec<Area>, area: Area) {
    if area.is_empty() {
        return;
    }
    if pieces.len() < MAX_PIECES {
        pieces.push(area);
    } else if let Some(all) = pieces.drain(..).reduce(Area::union) {
        pieces.push(all.union(area));
    }
}

/// A piece of damage as an area; what lies outside of what RFB can count is not on the screen.
fn area(rect: Rect) -> Area {
    let at = |v: i32| u16::try_from(v.max(0)).unwrap_or(u16::MAX);
    let (x, y) = (at(rect.x), at(rect.y));
    let width = at(rect.x.saturating_add_unsigned(rect.width)) - x;
    let height = at(rect.y.saturating_add_unsigned(rect.height)) - y;
    Area { x, y, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_that_begins_left_of_the_screen_keeps_its_right_end() {
        let across = Rect { x: -5, y: 10, width: 8, height: 2 };

        assert_eq!(area(across), Area { x: 0, y: 10, width: 3, height: 2 });
    }

    #[test]
    fn many_pieces_become_the_area_around_them() {
        let mut pieces = Vec::new();

        for x in 0..1000 {
            keep(&mut pieces, Area { x, y: x, width: 1, height: 1 });
        }

        assert!(pieces.len() <= MAX_PIECES);
        assert_eq!(pieces.iter().copied().reduce(Area::union), Some(Area::whole(1000, 1000)));
    }
}
