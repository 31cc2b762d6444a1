//! What a viewer has seen, and therefore what it has to be sent.

use super::{Area, Picture};

/// Side of a tile in pixels: what changes is found tile by tile.
pub const TILE: u16 = 64;

/// A copy of what a viewer was sent, and which tiles of it may be out of date.
pub struct Shadow {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
    tiles: Vec<Tile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tile {
    /// As it was sent.
    Same,
    /// Something was drawn there: compare.
    Drawn,
    /// To be sent, whatever is there.
    Wanted,
}

/// The changed part of one tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which tile, counted from the top left one.
    pub column: u16,
    pub row: u16,
    pub area: Area,
}

impl Shadow {
    /// Of a viewer that has seen nothing.
    pub fn new(width: u16, height: u16) -> Self {
        let tiles = usize::from(width.div_ceil(TILE)) * usize::from(height.div_ceil(TILE));
        Self {
            width,
            height,
            pixels: vec![0; usize::from(width) * usize::from(height) * 4],
            tiles: vec![Tile::Wanted; tiles],
        }
    }

    pub fn whole(&self) -> Area {
        Area::whole(self.width, self.height)
    }

    /// Something may have been drawn there.
    pub fn drawn(&mut self, area: Area) {
        self.mark(area, Tile::Drawn);
    }

    /// The viewer wants it again, changed or not.
    pub fn wanted(&mut self, area: Area) {
        self.mark(area, Tile::Wanted);
    }

    /// Might there be something to send inside `within`?
    pub fn may_differ(&self, within: Area) -> bool {
        self.tiles_of(within).any(|(_, _, index)| self.tiles[index] != Tile::Same)
    }

    /// Brings what lies inside `within` up to date, and answers what has to be sent for it, row by row.
    ///
    /// `picture` must have the shadow's size.
    pub fn update(&mut self, picture: Picture<'_>, within: Area) -> Vec<Change> {
        assert_eq!(picture.whole(), self.whole(), "a frame of another size needs another shadow");
        let mut changes = Vec::new();
        for (column, row, index) in self.tiles_of(within).collect::<Vec<_>>() {
            let state = self.tiles[index];
            if state == Tile::Same {
                continue;
            }
            let whole = Area { x: column * TILE, y: row * TILE, width: TILE, height: TILE }.intersect(self.whole());
            let visible = whole.intersect(within);
            let area = if state == Tile::Wanted { Some(visible) } else { self.difference(picture, visible) };
            if let Some(area) = area {
                self.copy(picture, area);
                changes.push(Change { column, row, area });
            }
            // What the viewer did not ask for may still differ.
            self.tiles[index] = if visible == whole { Tile::Same } else { Tile::Drawn };
        }
        changes
    }

    fn mark(&mut self, area: Area, state: Tile) {
        for (_, _, index) in self.tiles_of(area).collect::<Vec<_>>() {
            if self.tiles[index] != Tile::Wanted {
                self.tiles[index] = state;
            }
        }
    }

    /// The tiles that `area` touches: column, row and index.
    fn tiles_of(&self, area: Area) -> impl Iterator<Item = (u16, u16, usize)> + use<> {
        let area = area.intersect(self.whole());
        let columns = self.width.div_ceil(TILE);
        let (across, down) = if area.is_empty() {
            (0..0, 0..0)
        } else {
            let last = |end: u32| ((end - 1) / u32::from(TILE)) as u16 + 1;
            (area.x / TILE..last(area.right()), area.y / TILE..last(area.bottom()))
        };
        down.flat_map(move |row| {
            across
                .clone()
                .map(move |column| (column, row, usize::from(row) * usize::from(columns) + usize::from(column)))
        })
    }

    /// The smallest area around all pixels of `within` that differ.
    fn difference(&self, picture: Picture<'_>, within: Area) -> Option<Area> {
        let seen = Picture::new(&self.pixels, self.width, self.height)?;
        let differs = |y: &u16| picture.row(within, *y) != seen.row(within, *y);
        let mut rows = within.y..within.y + within.height;
        let top = rows.find(differs)?;
        let bottom = rows.rfind(differs).unwrap_or(top);
        let (mut left, mut right) = (usize::from(within.width), 0);
        for y in top..=bottom {
            let (now, then) = (picture.row(within, y), seen.row(within, y));
            let mut pixels = now.chunks_exact(4).zip(then.chunks_exact(4));
            if let Some(first) = pixels.position(|(now, then)| now != then) {
                left = left.min(first);
                let last = pixels.rposition(|(now, then)| now != then).map_or(first, |after| first + 1 + after);
                right = right.max(last);
            }
        }
        Some(Area { x: within.x + left as u16, y: top, width: (right - left) as u16 + 1, height: bottom - top + 1 })
    }

    fn copy(&mut self, picture: Picture<'_>, area: Area) {
        for y in area.y..area.y + area.height {
            let start = (usize::from(y) * usize::from(self.width) + usize::from(area.x)) * 4;
            self.pixels[start..start + usize::from(area.width) * 4].copy_from_slice(picture.row(area, y));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: u16 = 200;
    const HEIGHT: u16 = 100;

    fn blank() -> Vec<u8> {
        vec![0; usize::from(WIDTH) * usize::from(HEIGHT) * 4]
    }

    fn paint(pixels: &mut [u8], x: u16, y: u16) {
        pixels[(usize::from(y) * usize::from(WIDTH) + usize::from(x)) * 4] = 255;
    }

    fn picture(pixels: &[u8]) -> Picture<'_> {
        Picture::new(pixels, WIDTH, HEIGHT).unwrap()
    }

    fn seen() -> Shadow {
        let mut shadow = Shadow::new(WIDTH, HEIGHT);
        let whole = shadow.whole();
        shadow.update(picture(&blank()), whole);
        shadow
    }

    #[test]
    fn a_new_viewer_gets_every_pixel_once() {
        let mut shadow = Shadow::new(WIDTH, HEIGHT);
        let whole = shadow.whole();

        let first = shadow.update(picture(&blank()), whole);

        assert_eq!(first.iter().map(|change| change.area.pixels()).sum::<usize>(), 200 * 100);
        assert!(shadow.update(picture(&blank()), whole).is_empty());
        assert!(!shadow.may_differ(whole));
    }

    #[test]
    fn a_change_is_trimmed_to_the_pixels_that_differ() {
        let (mut shadow, mut pixels) = (seen(), blank());
        paint(&mut pixels, 70, 10);
        paint(&mut pixels, 75, 13);
        shadow.drawn(Area { x: 64, y: 0, width: 50, height: 50 });

        let changes = shadow.update(picture(&pixels), shadow.whole());

        let area = Area { x: 70, y: 10, width: 6, height: 4 };
        assert_eq!(changes, [Change { column: 1, row: 0, area }]);
    }

    #[test]
    fn what_was_drawn_but_is_the_same_is_not_sent() {
        let mut shadow = seen();
        shadow.drawn(shadow.whole());

        assert!(shadow.update(picture(&blank()), shadow.whole()).is_empty());
    }

    #[test]
    fn what_lies_outside_the_request_is_kept_for_later() {
        let (mut shadow, mut pixels) = (seen(), blank());
        paint(&mut pixels, 10, 10);
        paint(&mut pixels, 50, 10);
        shadow.drawn(shadow.whole());
        let left = Area { x: 0, y: 0, width: 30, height: 30 };

        let first = shadow.update(picture(&pixels), left);
        let rest = shadow.update(picture(&pixels), shadow.whole());

        assert_eq!(first[0].area, Area { x: 10, y: 10, width: 1, height: 1 });
        assert_eq!(rest[0].area, Area { x: 50, y: 10, width: 1, height: 1 });
        assert_eq!((first.len(), rest.len()), (1, 1));
    }

    #[test]
    fn what_is_wanted_is_sent_although_it_is_the_same() {
        let mut shadow = seen();
        let corner = Area { x: 195, y: 90, width: 500, height: 500 };
        shadow.wanted(corner);

        let changes = shadow.update(picture(&blank()), corner);

        assert_eq!(changes[0].area, Area { x: 195, y: 90, width: 5, height: 10 });
    }
}
