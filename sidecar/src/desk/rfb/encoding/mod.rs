//! From changed tiles to rectangles in the encoding that a viewer wants.

mod cursor;
mod deflate;
mod palette;
mod raw;
mod tight;
mod zrle;

pub use cursor::write_cursor;

use super::{
    Area, Picture, PixelFormat, Wishes,
    server::Update,
    shadow::Change,
    wishes::{Pixels, number},
};

/// No encoding but Raw allows wider rectangles in every viewer.
const MAX_WIDTH: u16 = 2048;

/// A viewer's encoders, with the state that lives as long as its connection.
#[derive(Default)]
pub struct Encoder {
    tight: tight::Tight,
    zrle: zrle::Zrle,
}

impl Encoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the changed parts of `picture`, which come ordered by row and column, as rectangles.
    pub fn encode(
        &mut self,
        update: &mut Update<'_>,
        picture: Picture<'_>,
        changes: &[Change],
        format: &PixelFormat,
        wishes: &Wishes,
    ) {
        match wishes.pixels {
            Pixels::Raw => {
                for area in runs(changes) {
                    raw::encode(picture, area, format, update.rectangle(area, number::RAW));
                }
            }
            Pixels::Zrle => {
                for area in runs(changes) {
                    self.zrle.encode(picture, area, format, wishes, update.rectangle(area, number::ZRLE));
                }
            }
            Pixels::Tight => self.tight.encode(update, picture, changes, format, wishes),
        }
    }
}

/// Joins neighbouring tiles of a row into one rectangle each.
fn runs(changes: &[Change]) -> impl Iterator<Item = Area> {
    changes
        .chunk_by(|a, b| are_neighbours(*a, *b))
        .flat_map(|run| run.chunks(usize::from(MAX_WIDTH / super::shadow::TILE)))
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
