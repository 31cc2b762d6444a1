//! From one frame to the next: what changed, to the pixel, and what merely moved.

use protocol::action::Rect;

/// Side of a tile in pixels: what changes is found and told tile by tile.
pub const TILE: u32 = 64;

/// How a frame differs from the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The serial of the frame that it leads to.
    pub serial: u64,
    /// Around what differs, one rectangle a tile, each inside its tile.
    pub changes: Vec<Rect>,
    /// A part of the screen that was found elsewhere, as after scrolling.
    pub moved: Option<Moved>,
}

/// Who copies the part first has less to draw anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub to: Rect,
    /// Where the top left corner of it was.
    pub from: (i32, i32),
    /// What of the step's changes is left to draw.
    pub rest: Vec<Rect>,
}

/// The parts of `within`, tile by tile.
pub(super) fn tiles(within: Rect) -> impl Iterator<Item = Rect> {
    let (left, top) = (within.x as u32, within.y as u32);
    let (right, bottom) = (left + within.width, top + within.height);
    let cuts = |from: u32, to: u32| {
        (from / TILE..to.div_ceil(TILE)).map(move |i| ((i * TILE).max(from), ((i + 1) * TILE).min(to)))
    };
    cuts(top, bottom).flat_map(move |(y0, y1)| {
        cuts(left, right).map(move |(x0, x1)| Rect { x: x0 as i32, y: y0 as i32, width: x1 - x0, height: y1 - y0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_is_cut_at_the_borders_of_tiles() {
        let within = Rect { x: 60, y: 10, width: 70, height: 60 };

        let parts: Vec<_> = tiles(within).map(|r| (r.x, r.y, r.width, r.height)).collect();

        assert_eq!(
            parts,
            [(60, 10, 4, 54), (64, 10, 64, 54), (128, 10, 2, 54), (60, 64, 4, 6), (64, 64, 64, 6), (128, 64, 2, 6)]
        );
    }
}
