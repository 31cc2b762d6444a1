//! Finds what scrolled: rows of the new picture that stood elsewhere in the old one.

use std::{collections::hash_map::Entry, iter};

use foldhash::{HashMap, HashMapExt as _};
use protocol::action::Rect;

use super::{
    Frame,
    capture::{Piece, Pieces},
    rects::{self, area, subtract},
    shift,
    step::Moved,
};

/// Smaller parts are sent anew for less than it costs to look for them.
const MIN_WIDTH: u32 = 16;
const MIN_ROWS: u32 = 24;
/// The rectangle around all changes may be so many times as large as they are.
const SPREAD: u64 = 6;
/// So many places that are found nowhere else must agree on the distance.
const MIN_VOTES: u32 = 6;
/// After so many frames in vain some are left out, and more and more of them up to so many.
const FEW_IN_VAIN: u32 = 8;
const LONGEST_PAUSE: u32 = 6;
/// Rows are looked up together with those below them: within one line of text many are alike.
const TOGETHER: usize = 8;
/// Rows are told apart by two stripes of so many pixels: one at the left, where text begins, one in the middle.
const STRIPE: u32 = 32;

/// Looks for scrolled parts from frame to frame.
#[derive(Default)]
pub(super) struct Scrolls {
    /// Of the frame that was looked at last, which is mostly the one before the next.
    known: Option<Signatures>,
    /// How often in a row nothing was found, and how many frames are not looked at for that.
    in_vain: u32,
    pause: u32,
}

impl Scrolls {
    /// A part of `changes` that stands in `before` at another height, where that leaves much less to draw. The frame
    /// after `before` has the next serial.
    pub(super) fn find(&mut self, before: &Frame, after: &Pieces<'_>, changes: &[Rect]) -> Option<Moved> {
        let changed: u64 = changes.iter().map(area).sum();
        if changed < u64::from(MIN_WIDTH) * u64::from(MIN_ROWS) {
            return None;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let found = self.look(before, after, changes, changed).or_else(|| shift::find(before, after, changes));
        self.in_vain = if found.is_some() { 0 } else { self.in_vain + 1 };
        // A film is not searched for what scrolled in each of its pictures.
        self.pause = self.in_vain.saturating_sub(FEW_IN_VAIN).min(LONGEST_PAUSE);
        found
    }

    fn look(&mut self, before: &Frame, after: &Pieces<'_>, changes: &[Rect], changed: u64) -> Option<Moved> {
        // Text that scrolled differs in some of its columns only: what is between them moved along. Something else
        // that changed far away is no part of it.
        let around = rects::union(changes).filter(|all| area(all) <= SPREAD * changed);
        let largest = || rects::clusters(changes).into_iter().max_by_key(area).filter(|part| Some(*part) != around);
        around.into_iter().chain(iter::once_with(largest).flatten()).find_map(|part| {
            if part.width < MIN_WIDTH || part.height < MIN_ROWS {
                return None;
            }
            let rows = Rows { before, after: after.iter().find(|piece| rects::holds(&piece.rect, &part))?, part };
            let was = match self.known.take().filter(|known| known.are_of(before.serial, part)) {
                Some(known) => known,
                None => Signatures::new(before.serial, part, |y| rows.row_before(y)),
            };
            let now = Signatures::new(before.serial + 1, part, |y| rows.row_after(y));
            let distance = distance(&was, &now);
            self.known = Some(now);
            let distance = distance?;
            let to = rows.longest(distance)?;
            let rest: Vec<Rect> = changes.iter().flat_map(|change| subtract(*change, to)).collect();
            let left: u64 = rest.iter().map(area).sum();
            (left * 2 <= changed).then_some(Moved { to, from: (to.x, to.y + distance), rest })
        })
    }
}

/// One number for every row of a part of a frame.
struct Signatures {
    serial: u64,
    part: Rect,
    rows: Vec<u64>,
}

impl Signatures {
    fn new<'a>(serial: u64, part: Rect, row: impl Fn(i32) -> &'a [u8]) -> Self {
        let rows = (part.y..part.y + part.height as i32).map(|y| signature(row(y))).collect();
        Self { serial, part, rows }
    }

    fn are_of(&self, serial: u64, part: Rect) -> bool {
        self.serial == serial && self.part == part
    }

    /// One for every row, of it and those below it.
    fn together(&self) -> impl Iterator<Item = u64> {
        self.rows.windows(TOGETHER).map(|rows| rows.iter().fold(0, |hash, row| mix(hash, *row)))
    }
}

/// How far below its new place most of what is found again stood.
fn distance(was: &Signatures, now: &Signatures) -> Option<i32> {
    let mut places: HashMap<u64, Option<i32>> = HashMap::with_capacity(was.rows.len());
    for (y, signature) in (0..).zip(was.together()) {
        match places.entry(signature) {
            Entry::Vacant(new) => drop(new.insert(Some(y))),
            // Rows that stand at several places, such as empty ones, tell nothing.
            Entry::Occupied(mut known) => drop(known.insert(None)),
        }
    }
    let mut votes: HashMap<i32, u32> = HashMap::new();
    for (y, signature) in (0..).zip(now.together()) {
        if let Some(Some(was)) = places.get(&signature) {
            *votes.entry(was - y).or_default() += 1;
        }
    }
    let (distance, count) = votes.into_iter().filter(|(distance, _)| *distance != 0).max_by_key(|(_, n)| *n)?;
    (count >= MIN_VOTES).then_some(distance)
}

/// Of a row's two stripes, in four lanes that a processor works on at once.
fn signature(row: &[u8]) -> u64 {
    let stripe = (STRIPE as usize * 4).min(row.len());
    let middle = (row.len() / 8 * 4).min(row.len() - stripe);
    let mut lanes = [0u64; 4];
    for part in [&row[..stripe], &row[middle..middle + stripe]] {
        let (chunks, rest) = part.as_chunks::<32>();
        for chunk in chunks {
            for (lane, word) in lanes.iter_mut().zip(chunk.as_chunks::<8>().0) {
                *lane = mix(*lane, u64::from_le_bytes(*word));
            }
        }
        lanes[0] = rest.as_chunks::<8>().0.iter().fold(lanes[0], |hash, word| mix(hash, u64::from_le_bytes(*word)));
    }
    lanes.into_iter().fold(0, mix)
}

struct Rows<'a> {
    before: &'a Frame,
    after: Piece<'a>,
    part: Rect,
}

impl<'a> Rows<'a> {
    /// The longest run of rows that all stood `distance` further below.
    fn longest(&self, distance: i32) -> Option<Rect> {
        let (mut best, mut begin) = (0..0, None);
        let end = self.part.y + self.part.height as i32;
        for y in self.part.y..=end {
            let same = y < end
                && (self.part.y..end).contains(&(y + distance))
                && self.row_after(y) == self.row_before(y + distance);
            match (same, begin) {
                (true, None) => begin = Some(y),
                (false, Some(first)) => {
                    if y - first > best.end - best.start {
                        best = first..y;
                    }
                    begin = None;
                }
                _ => {}
            }
        }
        let height = (best.end - best.start) as u32;
        (height >= MIN_ROWS).then_some(Rect { y: best.start, height, ..self.part })
    }

    fn row_before(&self, y: i32) -> &'a [u8] {
        self.before.row(self.part.x as u32, y as u32, self.part.width)
    }

    fn row_after(&self, y: i32) -> &'a [u8] {
        self.after.row(self.part, y as usize)
    }
}

/// A quick hash: what it says is the same is compared before it is believed.
fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::sync::Arc;

    use protocol::desktop::Size;

    use super::*;
    use crate::desk::screen::step::tiles;

    const SIZE: Size = Size { width: 256, height: 200 };

    /// The new picture is read as a whole.
    fn find(before: &[u8], after: &[u8], changes: &[Rect]) -> Option<Moved> {
        let pixels = Arc::new(before.to_vec());
        let whole = Rect { x: 0, y: 0, width: SIZE.width, height: SIZE.height };
        Scrolls::default().find(
            &Frame { size: SIZE, serial: 1, pixels, trail: vec![] },
            &Pieces::new(vec![whole], after),
            changes,
        )
    }

    fn paint(pixels: &mut [u8], rect: Rect, colour: impl Fn(u32, u32) -> u32) {
        for y in 0..rect.height {
            for x in 0..rect.width {
                let at = ((rect.y as u32 + y) * SIZE.width + rect.x as u32 + x) as usize * 4;
                pixels[at..at + 4].copy_from_slice(&colour(x, y).to_le_bytes());
            }
        }
    }

    fn copy(pixels: &mut [u8], moved: &Moved) {
        let before = pixels.to_vec();
        let stride = SIZE.width as usize * 4;
        for y in 0..moved.to.height as usize {
            let to = (moved.to.y as usize + y) * stride + moved.to.x as usize * 4;
            let from = (moved.from.1 as usize + y) * stride + moved.from.0 as usize * 4;
            let length = moved.to.width as usize * 4;
            pixels[to..to + length].copy_from_slice(&before[from..from + length]);
        }
    }

    fn draw(pixels: &mut [u8], rects: &[Rect], after: &[u8]) {
        for rect in rects {
            for y in rect.y as usize..rect.y as usize + rect.height as usize {
                let start = (y * SIZE.width as usize + rect.x as usize) * 4;
                let row = start..start + rect.width as usize * 4;
                pixels[row.clone()].copy_from_slice(&after[row]);
            }
        }
    }

    /// A page of lines, each 10 rows high with 3 rows of paper, the first of them numbered `top`.
    fn page(window: Rect, top: u32) -> Vec<u8> {
        let mut pixels = vec![40; (SIZE.width * SIZE.height * 4) as usize];
        paint(&mut pixels, window, |x, y| {
            let (line, within) = ((y + top * 10) / 10, y % 10);
            let ink = within > 2 && (x / 3).wrapping_mul(line.wrapping_mul(2_654_435_761) >> 7) % 5 < 2 && x < 150;
            if ink { 0 } else { 0x00ff_ffff }
        });
        pixels
    }

    #[test]
    fn a_page_that_scrolled_is_found_and_little_is_left_to_draw() {
        let window = Rect { x: 30, y: 20, width: 200, height: 150 };
        let (before, after) = (page(window, 0), page(window, 2));

        let changes: Vec<_> = tiles(window).collect();
        let moved = find(&before, &after, &changes).expect("it is found");

        assert_eq!(moved.from.1 - moved.to.y, 20);
        let mut shown = before;
        copy(&mut shown, &moved);
        draw(&mut shown, &moved.rest, &after);
        assert!(shown == after);
        let left: u32 = moved.rest.iter().map(|r| r.width * r.height).sum();
        assert!(left <= 200 * 25, "{left} pixels are left");
    }

    #[test]
    fn another_picture_is_no_scroll() {
        let window = Rect { x: 0, y: 0, width: 256, height: 200 };
        let noise = |seed: u32| {
            let mut pixels = vec![0; (SIZE.width * SIZE.height * 4) as usize];
            paint(&mut pixels, window, |x, y| ((x * 7 + y * 131) ^ seed << 10).wrapping_mul(2_654_435_761) >> 8);
            pixels
        };

        assert_eq!(find(&noise(1), &noise(99), &tiles(window).collect::<Vec<_>>()), None);
    }

    proptest! {
        #[test]
        fn a_copy_and_the_rest_always_make_the_new_picture(
            top in 0..20u32, by in 0..8u32, x in 0..60i32, y in 0..40i32,
            blot in (0..250i32, 0..190i32),
        ) {
            let window = Rect { x, y, width: 190, height: 155 };
            let (before, mut after) = (page(window, top), page(window, top + by));
            paint(&mut after, Rect { x: blot.0, y: blot.1, width: 5, height: 5 }, |_, _| 0x0012_3456);
            let whole = Rect { x: 0, y: 0, width: SIZE.width, height: SIZE.height };
            let changes: Vec<_> = tiles(whole).collect();

            if let Some(moved) = find(&before, &after, &changes) {
                let mut shown = before.clone();
                copy(&mut shown, &moved);
                draw(&mut shown, &moved.rest, &after);
                prop_assert!(shown == after);
            }
        }
    }
}
