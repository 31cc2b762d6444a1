//! Finds a block that moved in any direction, as a window does that is dragged.

use foldhash::{HashMap, HashMapExt as _};
use protocol::action::Rect;

use super::{
    Frame,
    capture::{Piece, Pieces},
    rects::{self, area, subtract},
    step::Moved,
};

/// A place is known again by so many pixels side by side.
const WIDTH: usize = 32;
/// At least so many of them differ from the one before, or it may be anywhere.
const MIN_EDGES: usize = 6;
/// The old picture is looked at in each so-manieth row; of each place so many rows are known, one of which is hit.
const ROWS: i32 = 4;
/// So many places are looked for.
const MAX_PLACES: usize = 40;
/// And so many have to agree where they were.
const MIN_VOTES: u32 = 4;
/// A pattern that is to be found more often than this says nothing.
const MAX_HITS: u32 = 8;
/// The sides grow by blocks of so many pixels.
const BLOCK: u32 = 8;
/// Larger parts of the screen cost too much to be searched: the whole of 1920x1080.
const MAX_SEARCHED: u64 = 1920 * 1080;

/// A part of `changes` that stands elsewhere in `before`, where that leaves at least a quarter less to draw.
pub(super) fn find(before: &Frame, after: &Pieces<'_>, changes: &[Rect]) -> Option<Moved> {
    let around = rects::union(changes).filter(|around| area(around) <= MAX_SEARCHED)?;
    let piece = after.iter().max_by_key(|piece| area(&piece.rect))?;
    let places = Places::of(piece, changes);
    let (by, seeds) = places.voted(before, around)?;
    let to = Block { before, piece, by }.around(&seeds)?;
    let changed: u64 = changes.iter().map(area).sum();
    let rest: Vec<Rect> = changes.iter().flat_map(|change| subtract(*change, to)).collect();
    let left: u64 = rest.iter().map(area).sum();
    (left * 4 <= changed * 3).then_some(Moved { to, from: (to.x + by.0, to.y + by.1), rest })
}

/// A pixel, counted from the top left one or from another.
type Offset = (i32, i32);

/// Patterns of the new picture, and where they are.
struct Places {
    known: HashMap<u64, Offset>,
    /// A bit for each value of a hash's upper bits: most of the old picture is passed over by it.
    filter: [u64; 64],
}

impl Places {
    fn of(piece: Piece<'_>, changes: &[Rect]) -> Self {
        let mut places = Self { known: HashMap::new(), filter: [0; 64] };
        let inside: Vec<&Rect> = changes
            .iter()
            .filter(|change| rects::holds(&piece.rect, change))
            .filter(|change| change.width as usize >= WIDTH && change.height as i32 >= ROWS)
            .collect();
        for change in inside.iter().step_by(inside.len().div_ceil(MAX_PLACES).max(1)) {
            let top = change.y + (change.height as i32 - ROWS) / 2;
            for y in top..top + ROWS {
                let row = piece.row(**change, y as usize);
                let Some(x) = distinct(row) else { continue };
                let hash = hash_of(&row[x * 4..(x + WIDTH) * 4]);
                places.known.insert(hash, (change.x + x as i32, y));
                places.filter[(hash >> 58) as usize] |= 1 << (hash >> 52 & 63);
            }
        }
        places
    }

    /// How far away most of them were, and which those are.
    fn voted(&self, before: &Frame, within: Rect) -> Option<(Offset, Vec<Offset>)> {
        if self.known.len() < MIN_VOTES as usize || (within.width as usize) < WIDTH {
            return None;
        }
        let mut hits: HashMap<u64, u32> = HashMap::new();
        let mut votes: HashMap<Offset, Vec<Offset>> = HashMap::new();
        for y in (within.y..within.y + within.height as i32).filter(|y| y % ROWS == 0) {
            rolling(before.row(within.x as u32, y as u32, within.width), |x, hash| {
                if self.filter[(hash >> 58) as usize] >> (hash >> 52 & 63) & 1 == 0 {
                    return;
                }
                let Some(place) = self.known.get(&hash) else { return };
                let count = hits.entry(hash).or_default();
                *count += 1;
                if *count <= MAX_HITS {
                    votes.entry((within.x + x as i32 - place.0, y - place.1)).or_default().push(*place);
                }
            });
        }
        votes.remove(&(0, 0));
        votes.into_iter().max_by_key(|(_, seeds)| seeds.len()).filter(|(_, seeds)| seeds.len() >= MIN_VOTES as usize)
    }
}

/// Where a row has a pattern that is hardly anywhere else.
fn distinct(row: &[u8]) -> Option<usize> {
    let pixels = row.as_chunks::<4>().0;
    let edges = |part: &[[u8; 4]]| part.windows(2).filter(|pair| colour(pair[0]) != colour(pair[1])).count();
    (0..=pixels.len() - WIDTH).step_by(WIDTH / 2).find(|x| edges(&pixels[*x..x + WIDTH]) >= MIN_EDGES)
}

const FACTOR: u64 = 0x517c_c1b7_2722_0a95;

fn colour(pixel: [u8; 4]) -> u64 {
    u64::from(u32::from_le_bytes(pixel) & 0x00ff_ffff) + 1
}

fn hash_of(pixels: &[u8]) -> u64 {
    pixels.as_chunks::<4>().0.iter().fold(0_u64, |hash, pixel| hash.wrapping_mul(FACTOR).wrapping_add(colour(*pixel)))
}

/// Tells the hash of each [`WIDTH`] pixels of a row.
fn rolling(row: &[u8], mut tell: impl FnMut(usize, u64)) {
    let pixels = row.as_chunks::<4>().0;
    let leaving = FACTOR.wrapping_pow(WIDTH as u32);
    let mut hash = hash_of(&row[..WIDTH * 4]);
    tell(0, hash);
    for (x, (old, new)) in (1..).zip(pixels.iter().zip(&pixels[WIDTH..])) {
        hash = hash.wrapping_mul(FACTOR).wrapping_add(colour(*new)).wrapping_sub(colour(*old).wrapping_mul(leaving));
        tell(x, hash);
    }
}

/// What stood `by` further in the old picture.
struct Block<'a> {
    before: &'a Frame,
    piece: Piece<'a>,
    by: Offset,
}

impl Block<'_> {
    /// A large rectangle around the seeds that stood together.
    fn around(&self, seeds: &[Offset]) -> Option<Rect> {
        let left = seeds.iter().map(|seed| seed.0).min()?;
        let right = seeds.iter().map(|seed| seed.0 + WIDTH as i32).max()?;
        let mut rows: Vec<i32> = seeds.iter().map(|seed| seed.1).collect();
        rows.sort_unstable();
        let middle = *rows.get(rows.len() / 2)?;
        let mut to = Rect { x: left, y: middle, width: (right - left) as u32, height: 1 };
        if !self.stood(to) {
            return None;
        }
        self.grow_down(&mut to);
        for (x, step) in [(-1, BLOCK), (1, BLOCK), (-1, 1), (1, 1)] {
            self.grow_across(&mut to, x, step);
        }
        self.grow_down(&mut to);
        Some(to)
    }

    /// Takes in rows above and below.
    fn grow_down(&self, to: &mut Rect) {
        while self.stood(Rect { y: to.y - 1, height: 1, ..*to }) {
            to.y -= 1;
            to.height += 1;
        }
        while self.stood(Rect { y: to.y + to.height as i32, height: 1, ..*to }) {
            to.height += 1;
        }
    }

    /// Takes in columns on one side, so many at once.
    fn grow_across(&self, to: &mut Rect, side: i32, step: u32) {
        loop {
            let x = if side < 0 { to.x - step as i32 } else { to.x + to.width as i32 };
            if !self.stood(Rect { x, width: step, ..*to }) {
                return;
            }
            to.x = to.x.min(x);
            to.width += step;
        }
    }

    /// Are all its pixels known, and the same as those that stood there?
    fn stood(&self, part: Rect) -> bool {
        let source = Rect { x: part.x + self.by.0, y: part.y + self.by.1, ..part };
        if !rects::holds(&self.piece.rect, &part) || !rects::holds(&self.before.bounds(), &source) {
            return false;
        }
        (0..part.height as i32).all(|row| {
            let was = self.before.row(source.x as u32, (source.y + row) as u32, source.width);
            self.piece.row(part, (part.y + row) as usize) == was
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use protocol::desktop::Size;

    use super::*;
    use crate::desk::screen::step::tiles;

    const SIZE: Size = Size { width: 400, height: 300 };
    const WHOLE: Rect = Rect { x: 0, y: 0, width: SIZE.width, height: SIZE.height };

    /// A window with something like text in it, on a background with a pattern of its own.
    fn desktop(at: (i32, i32), size: (i32, i32)) -> Vec<u8> {
        let pixels = (0..SIZE.height as i32).flat_map(|y| (0..SIZE.width as i32).map(move |x| (x, y)));
        let colour = |(x, y): (i32, i32)| {
            let (within_x, within_y) = (x - at.0, y - at.1);
            if (0..size.0).contains(&within_x) && (0..size.1).contains(&within_y) {
                let letter = (within_x / 2 + within_y * 331).wrapping_mul(0x2545_f491) >> 13;
                if letter % 3 == 0 { 0x10_1010 } else { 0xff_ffff }
            } else {
                0x20_4060 + (x / 50 + y / 40) as u32
            }
        };
        pixels.flat_map(|at| colour(at).to_le_bytes()).collect()
    }

    fn search(before: &[u8], after: &[u8]) -> (Vec<Rect>, Option<Moved>) {
        let row = |pixels: &[u8], r: Rect, y: i32| {
            let start = ((r.y + y) as usize * SIZE.width as usize + r.x as usize) * 4;
            pixels[start..start + r.width as usize * 4].to_vec()
        };
        let differs = |r: &Rect| (0..r.height as i32).any(|y| row(before, *r, y) != row(after, *r, y));
        let changes: Vec<Rect> = tiles(WHOLE).filter(differs).collect();
        let frame = Frame { size: SIZE, serial: 1, pixels: Arc::new(before.to_vec()), trail: vec![] };
        let moved = find(&frame, &Pieces::new(vec![WHOLE], after), &changes);
        (changes, moved)
    }

    fn put(pixels: &mut [u8], from: &[u8], to: Rect, source: (i32, i32)) {
        for y in 0..to.height as i32 {
            let at = |x: i32, y: i32| (y as usize * SIZE.width as usize + x as usize) * 4;
            let (start, length) = (at(to.x, to.y + y), to.width as usize * 4);
            let was = at(source.0, source.1 + y);
            pixels[start..start + length].copy_from_slice(&from[was..was + length]);
        }
    }

    #[test]
    fn a_window_that_was_dragged_is_found_whole() {
        let (before, after) = (desktop((40, 30), (220, 180)), desktop((71, 53), (220, 180)));

        let (_, moved) = search(&before, &after);

        let moved = moved.expect("it is found");
        assert_eq!((moved.from.0 - moved.to.x, moved.from.1 - moved.to.y), (-31, -23));
        assert!(area(&moved.to) >= 220 * 180, "{:?}", moved.to);
    }

    #[test]
    fn another_picture_at_the_same_place_is_no_move() {
        let noise = |seed: u32| -> Vec<u8> {
            (0..SIZE.width * SIZE.height)
                .flat_map(|i| ((i + seed).wrapping_mul(2_654_435_761) >> 8).to_le_bytes())
                .collect()
        };

        assert_eq!(search(&noise(1), &noise(1 << 20)).1, None);
    }

    proptest! {
        #[test]
        fn a_copy_and_the_rest_always_make_the_new_picture(
            from in (0..200i32, 0..150i32), to in (0..200i32, 0..150i32), size in (60..200i32, 60..150i32),
        ) {
            let (before, after) = (desktop(from, size), desktop(to, size));

            let (changes, moved) = search(&before, &after);

            let mut shown = before.clone();
            let rest = match &moved {
                Some(moved) => {
                    put(&mut shown, &before, moved.to, moved.from);
                    &moved.rest
                }
                None => &changes,
            };
            rest.iter().for_each(|rest| put(&mut shown, &after, *rest, (rest.x, rest.y)));
            prop_assert!(shown == after);
        }
    }
}
