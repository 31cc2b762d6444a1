//! Changed tiles become the rectangles that are worth sending: what is alike and side by side goes together.

use std::collections::VecDeque;

use super::{
    super::{Area, Picture, ledger::Change},
    MAX_WIDTH,
    palette::{MAX_COLOURS, Palette},
};

/// Beside this many colours a JPEG is smaller, and its losses are not seen.
const MAX_COLOURS_BEFORE_JPEG: usize = 96;
/// A part beside a picture is taken as a part of it when it has so many colours, or fewer on few pixels. Text has fewer
/// on many, mostly; where it has not, it is sent exactly as soon as it stands still.
const MIN_COLOURS_OF_PICTURE: usize = 48;
const MIN_COLOURS_OF_SLIVER: usize = 12;
const MAX_PIXELS_PER_COLOUR_OF_SLIVER: usize = 64;
/// With fewer pixels to a colour than this, a small part is a picture's edge.
const MIN_PIXELS_PER_COLOUR: usize = 8;
/// With more colours than this among its 64 sampled pixels, a tile is a picture.
const MAX_COLOURS_SAMPLED: usize = 40;
/// The length of what a rectangle holds has 22 bits. A pixel has up to 4 bytes, and what cannot be compressed may grow
/// by an eighth when it is tried in a hurry.
const MAX_PIXELS: usize = 900_000;
/// A rectangle of its own costs about as many bytes as this much more data does compressed. Of two colours, what
/// is added is mostly the background, which shrinks to nothing.
const SPARED_BY_JOINING: usize = 256;
const SPARED_BY_JOINING_TWO_COLOURS: usize = 1024;

/// A part of an update that is sent as one rectangle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) area: Area,
    pub(super) content: Content,
    /// It has no pixels but those of the changes that it was made of, so its content is known.
    pub(super) is_exact: bool,
    /// The tiles that it came from: first and last column, last row.
    columns: (u16, u16),
    row: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Fill(u32),
    /// Its colours; pixels between the changes may have others.
    Few(Vec<u32>),
    Many,
}

/// How many colours are worth a palette.
pub(super) fn limit(is_lossy: bool) -> usize {
    if is_lossy { MAX_COLOURS_BEFORE_JPEG } else { MAX_COLOURS }
}

fn is_edge(colours: usize, pixels: usize) -> bool {
    colours > 2 && colours * MIN_PIXELS_PER_COLOUR > pixels
}

/// Puts `changes`, which come row by row, together.
///
/// None overlaps another.
pub(super) fn pieces(picture: Picture<'_>, changes: &[Change], limit: usize, palette: &mut Palette) -> Vec<Piece> {
    let mut done: Vec<Piece> = Vec::new();
    // Those that end in the tile row above, and can be continued.
    let mut above = 0..0;
    let mut row: VecDeque<Piece> = VecDeque::new();
    for tiles in changes.chunk_by(|a, b| a.row == b.row) {
        for tile in tiles {
            let next = Piece::new(picture, *tile, limit, palette);
            let joined = row
                .back()
                .filter(|run| run.columns.1 + 1 == tile.column)
                .and_then(|run| run.join(&next, limit, palette));
            match (row.back_mut(), joined) {
                (Some(run), Some(joined)) => *run = joined,
                _ => row.push_back(next),
            }
        }
        // What is continued moves to the end, where the next row looks for it.
        let mut open = done.split_off(above.start.min(done.len()));
        let mut continued: Vec<Piece> = Vec::new();
        while let Some(run) = row.pop_front() {
            let found = open.iter().enumerate().find_map(|(i, piece)| {
                let joined = piece.continues(&run).then(|| piece.join(&run, limit, palette)).flatten()?;
                let others = open.iter().take(i).chain(&open[i + 1..]).chain(&continued).chain(&row);
                let is_free = others.into_iter().all(|other| other.area.intersect(joined.area).is_empty());
                is_free.then_some((i, joined))
            });
            continued.push(match found {
                Some((i, joined)) => {
                    open.swap_remove(i);
                    joined
                }
                None => run,
            });
        }
        done.append(&mut open);
        above = done.len()..done.len() + continued.len();
        done.append(&mut continued);
    }
    done
}

impl Piece {
    fn new(picture: Picture<'_>, change: Change, limit: usize, palette: &mut Palette) -> Self {
        let is_picture = limit < MAX_COLOURS && palette.sees_more(picture, change.area, MAX_COLOURS_SAMPLED);
        let content = match !is_picture && palette.read(picture, change.area, limit) {
            false => Content::Many,
            true => match palette.colours() {
                [colour] => Content::Fill(*colour),
                colours if is_edge(colours.len(), change.area.pixels()) => Content::Many,
                colours => Content::Few(colours.to_vec()),
            },
        };
        Self { area: change.area, content, is_exact: true, columns: (change.column, change.column), row: change.row }
    }

    /// Is `run` right below it? What has losses keeps to its columns, so that none come to what lies beside it.
    fn continues(&self, run: &Piece) -> bool {
        let (ours, theirs) = (self.columns, run.columns);
        let is_below = match self.content {
            Content::Many => ours == theirs,
            _ => ours.0 <= theirs.1 && theirs.0 <= ours.1,
        };
        is_below && self.row + 1 == run.row
    }

    /// Both in one, when that is worth it.
    fn join(&self, next: &Piece, limit: usize, palette: &mut Palette) -> Option<Piece> {
        let area = self.area.union(next.area);
        let between = area.pixels() - self.area.pixels() - next.area.pixels();
        if area.width > MAX_WIDTH || area.pixels() > MAX_PIXELS {
            return None;
        }
        let content = match (&self.content, &next.content) {
            (Content::Fill(one), Content::Fill(other)) if one == other && between == 0 => Some(Content::Fill(*one)),
            (Content::Many, Content::Many) if between <= area.pixels() / 8 => Some(Content::Many),
            (Content::Many, Content::Few(_)) if next.is_of_picture(limit) && between == 0 => Some(Content::Many),
            (Content::Few(_), Content::Many) if self.is_of_picture(limit) && between == 0 => Some(Content::Many),
            (Content::Many, _) | (_, Content::Many) => None,
            (one, other) => {
                let is_possible = palette.unite(one.colours(), other.colours(), limit);
                let few = Content::Few(palette.colours().to_vec());
                let spared = if few.colours().len() <= 2 { SPARED_BY_JOINING_TWO_COLOURS } else { SPARED_BY_JOINING };
                let apart = one.length(self.area) + other.length(next.area);
                (is_possible && few.length(area) <= apart + spared).then_some(few)
            }
        }?;
        let is_exact = self.is_exact && next.is_exact && between == 0;
        let columns = (self.columns.0.min(next.columns.0), self.columns.1.max(next.columns.1));
        Some(Piece { area, content, is_exact, columns, row: next.row })
    }

    /// Beside a picture, is this more of it?
    fn is_of_picture(&self, limit: usize) -> bool {
        let (colours, pixels) = (self.content.colours().len(), self.area.pixels());
        let is_sliver = colours >= MIN_COLOURS_OF_SLIVER && pixels <= colours * MAX_PIXELS_PER_COLOUR_OF_SLIVER;
        limit < MAX_COLOURS && (colours >= MIN_COLOURS_OF_PICTURE || is_sliver)
    }

    /// The bytes that are to be compressed for it.
    pub(super) fn length(&self) -> usize {
        self.content.length(self.area)
    }
}

impl Content {
    fn colours(&self) -> &[u32] {
        match self {
            Content::Fill(colour) => std::slice::from_ref(colour),
            Content::Few(colours) => colours,
            Content::Many => &[],
        }
    }

    fn length(&self, area: Area) -> usize {
        match self {
            Content::Fill(_) => 0,
            Content::Few(colours) if colours.len() <= 2 => {
                usize::from(area.width).div_ceil(8) * usize::from(area.height)
            }
            Content::Few(_) => area.pixels(),
            Content::Many => area.pixels() * 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::ledger::TILE, *};

    const SIDE: u16 = 512;

    /// Every tile of a picture of 512x512, made by `colour`.
    fn pieces_of(colour: impl Fn(u16, u16) -> u32) -> Vec<Piece> {
        let pixels = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
        let bytes: Vec<u8> = pixels.flat_map(|(x, y)| colour(x, y).to_le_bytes()).collect();
        let tiles = SIDE / TILE;
        let area = |column, row| Area { x: column * TILE, y: row * TILE, width: TILE, height: TILE };
        let changes: Vec<Change> = (0..tiles * tiles)
            .map(|i| Change { column: i % tiles, row: i / tiles, area: area(i % tiles, i / tiles) })
            .collect();
        pieces(Picture::new(&bytes, SIDE, SIDE).unwrap(), &changes, limit(true), &mut Palette::default())
    }

    fn noise(x: u16, y: u16) -> u32 {
        ((u32::from(x) * 0x9e37) ^ (u32::from(y) * 0x79b1)) & 0xff_ffff
    }

    #[test]
    fn one_colour_is_one_rectangle() {
        let pieces = pieces_of(|_, _| 7);

        assert_eq!(pieces.len(), 1);
        assert_eq!((&pieces[0].content, pieces[0].area), (&Content::Fill(7), Area::whole(SIDE, SIDE)));
    }

    #[test]
    fn a_film_on_a_plain_background_is_one_rectangle() {
        let film = Area { x: 128, y: 64, width: 256, height: 320 };
        let is_inside = |x, y| !Area { x, y, width: 1, height: 1 }.intersect(film).is_empty();

        let pieces = pieces_of(|x, y| if is_inside(x, y) { noise(x, y) } else { 7 });

        let films: Vec<_> = pieces.iter().filter(|piece| piece.content == Content::Many).collect();
        assert_eq!(films.iter().map(|piece| piece.area).collect::<Vec<_>>(), [film]);
        assert_eq!(pieces.len(), 5, "above, left, right, below and the film");
    }

    #[test]
    fn pieces_cover_every_pixel_once() {
        let kinds = |x: u16, y: u16| match (x / 64 * 3 + y / 64 * 5) % 7 {
            0 => noise(x, y),
            1..=3 => u32::from(x % 2),
            4 => u32::from(y % 30),
            kind => kind.into(),
        };

        let pieces = pieces_of(kinds);

        let mut covered = vec![0_u8; usize::from(SIDE) * usize::from(SIDE)];
        for piece in &pieces {
            for y in piece.area.y..piece.area.y + piece.area.height {
                for x in piece.area.x..piece.area.x + piece.area.width {
                    covered[usize::from(y) * usize::from(SIDE) + usize::from(x)] += 1;
                }
            }
        }
        assert!(covered.iter().all(|times| *times == 1));
    }

    #[test]
    fn text_and_its_background_are_one_rectangle() {
        let pieces = pieces_of(|x, y| if y < 60 && x % 200 < 120 { noise(x, y) & 1 } else { 0 });

        assert_eq!(pieces.len(), 2, "{:?}", pieces.iter().map(|piece| piece.area).collect::<Vec<_>>());
    }
}
