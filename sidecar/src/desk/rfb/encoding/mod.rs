//! From changed tiles to rectangles in the encoding that a viewer wants.

mod cursor;
mod deflate;
mod palette;
mod photo;
mod pieces;
mod raw;
mod tight;
mod zrle;

pub use cursor::{write_cursor, write_soft_cursor};

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Area, Move, Picture, PixelFormat, Wishes,
    ledger::Change,
    server::Update,
    wishes::{Pixels, number},
};
use tight::Bond;

/// No encoding but Raw allows wider rectangles in every viewer.
const MAX_WIDTH: u16 = 2048;

/// A viewer's encoders, with the state that lives as long as its connection.
#[derive(Default)]
pub struct Encoder {
    tight: tight::Tight,
    zrle: zrle::Zrle,
}

/// What rectangles are made from, and for whom.
#[derive(Clone, Copy)]
struct Source<'a> {
    picture: Picture<'a>,
    format: &'a PixelFormat,
    wishes: &'a Wishes,
}

/// Rectangles that any viewer of the same format and wishes understands, whatever it was sent before and is sent
/// after them: [`Update::append`] puts them into an update.
#[derive(Debug, Clone, Default)]
pub struct Detached {
    pub rectangles: u16,
    pub bytes: Bytes,
    /// Where there were losses.
    pub lossy: Vec<Area>,
}

impl Encoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the changed parts of `picture`, which come ordered by row and column, as rectangles.
    ///
    /// Answers which areas were sent with losses: those of the tiles that changed, and pixels between them.
    pub fn encode(
        &mut self,
        update: &mut Update<'_>,
        picture: Picture<'_>,
        changes: &[Change],
        format: &PixelFormat,
        wishes: &Wishes,
    ) -> Vec<Area> {
        self.encode_bound(update, Source { picture, format, wishes }, changes, Bond::Sequence)
    }

    /// The changed parts as rectangles that need nothing of what was sent before. They cost more bytes, and the time
    /// once for all viewers. `None` for an encoding that has only one stream, without a beginning anew.
    pub fn encode_detached(
        &mut self,
        picture: Picture<'_>,
        changes: &[Change],
        format: &PixelFormat,
        wishes: &Wishes,
    ) -> Option<Detached> {
        if wishes.pixels == Pixels::Zrle {
            return None;
        }
        let mut out = BytesMut::new();
        let mut update = Update::begin(&mut out);
        let lossy = self.encode_bound(&mut update, Source { picture, format, wishes }, changes, Bond::Detached);
        let rectangles = update.rectangles();
        update.end();
        let bytes = out.freeze();
        Some(Detached { rectangles, bytes: bytes.slice(bytes.len().min(Update::HEADER)..), lossy })
    }

    fn encode_bound(
        &mut self,
        update: &mut Update<'_>,
        source: Source<'_>,
        changes: &[Change],
        bond: Bond,
    ) -> Vec<Area> {
        match source.wishes.pixels {
            Pixels::Raw => {
                for area in runs(changes) {
                    raw::encode(source, area, update.rectangle(area, number::RAW));
                }
            }
            Pixels::Zrle => {
                for area in runs(changes) {
                    self.zrle.encode(source, area, update.rectangle(area, number::ZRLE));
                }
            }
            Pixels::Tight => return self.tight.encode(update, source, changes, bond),
        }
        Vec::new()
    }
}

/// Lets the viewer copy what it has.
pub fn copy_rect(update: &mut Update<'_>, copy: Move) {
    let out = update.rectangle(copy.to, number::COPY_RECT);
    out.put_u16(copy.from.0);
    out.put_u16(copy.from.1);
}

/// Joins neighbouring tiles of a row into one rectangle each.
fn runs(changes: &[Change]) -> impl Iterator<Item = Area> {
    changes
        .chunk_by(|a, b| are_neighbours(*a, *b))
        .flat_map(|run| run.chunks(usize::from(MAX_WIDTH / super::ledger::TILE)))
        .filter_map(|run| run.iter().map(|change| change.area).reduce(Area::union))
}

fn are_neighbours(left: Change, right: Change) -> bool {
    left.row == right.row && left.column + 1 == right.column
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(column: u16, row: u16) -> Change {
        Change { column, row, area: Area { x: column * 64, y: row * 64 + column, width: 64, height: 10 } }
    }

    #[test]
    fn neighbours_in_a_row_become_one_rectangle() {
        let changes = [change(0, 0), change(1, 0), change(3, 0), change(4, 1)];

        let areas: Vec<_> = runs(&changes).collect();

        assert_eq!(areas.len(), 3);
        assert_eq!(areas[0], Area { x: 0, y: 0, width: 128, height: 11 });
    }

    #[test]
    fn no_rectangle_is_wider_than_viewers_take() {
        let changes: Vec<_> = (0..60).map(|column| change(column, 0)).collect();

        assert!(runs(&changes).all(|area| area.width <= MAX_WIDTH));
    }
}
