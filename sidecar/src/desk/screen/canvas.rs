//! How pixels that were read make the next frame of the newest one.

use std::sync::Arc;

use protocol::{action::Rect, desktop::Size};
use tokio::sync::watch;

use super::{
    Frame,
    capture::Pieces,
    rects,
    scroll::Scrolls,
    step::{Step, tiles},
};

/// So many steps back a watcher is told exactly what it missed; at the mirror's pace this is half a second.
const TRAIL: usize = 32;
/// Where more tiles of a piece changed, whole rows of them count: to look closer costs more than it spares.
const TRIMMED: usize = 24;

/// Where the newest frame is shown. It is painted on in place, unless somebody still looks at it.
pub(super) struct Canvas {
    shown: Arc<watch::Sender<Arc<Frame>>>,
    size: Size,
    /// The pixels of a former frame, with its serial, to be written again once nobody looks at it any more.
    retired: Option<(u64, Arc<Vec<u8>>)>,
    scrolls: Scrolls,
}

impl Canvas {
    /// Begins with a screen that was read as a whole.
    pub(super) fn new(size: Size, pixels: Vec<u8>) -> Self {
        let shown = Arc::new(watch::Sender::new(Arc::new(first(size, 1, pixels))));
        Self { shown, size, retired: None, scrolls: Scrolls::default() }
    }

    pub(super) fn shown(&self) -> &Arc<watch::Sender<Arc<Frame>>> {
        &self.shown
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Puts pieces of the screen, which has the size of the shown frame, where they belong.
    /// When all of it was shown already, there is no new frame.
    pub(super) fn draw(&mut self, pieces: &Pieces<'_>) {
        let before = self.shown.borrow().clone();
        let mut changes: Vec<Rect> = Vec::new();
        for piece in pieces.iter() {
            let (first, row) = (changes.len(), |tile: Rect| move |y: usize| piece.row(tile, y));
            changes.extend(tiles(piece.rect).filter_map(|tile| changed_rows(&before, tile, row(tile))));
            if changes.len() - first <= TRIMMED {
                changes[first..].iter_mut().for_each(|rows| *rows = trimmed(&before, *rows, row(*rows)));
            }
        }
        if changes.is_empty() {
            return;
        }
        let moved = self.scrolls.find(&before, pieces, &changes);
        let step = Arc::new(Step { serial: before.serial + 1, changes, moved });
        drop(before);
        self.shown.send_modify(|frame| {
            if let Some(frame) = Arc::get_mut(frame)
                && let Some(pixels) = Arc::get_mut(&mut frame.pixels)
            {
                write(pixels, self.size, pieces, &step.changes);
                frame.go(step);
                return;
            }
            let mut next = Frame { pixels: buffer(self.retired.take(), frame), ..Frame::clone(frame) };
            // Nobody else holds what `buffer` hands out.
            let pixels: &mut Vec<u8> = Arc::make_mut(&mut next.pixels);
            write(pixels, self.size, pieces, &step.changes);
            next.go(step);
            self.retired = Some((frame.serial, frame.pixels.clone()));
            *frame = Arc::new(next);
        });
    }

    /// The screen has another size, and was read as a whole.
    pub(super) fn resize(&mut self, size: Size, pixels: Vec<u8>) {
        self.retired = None;
        self.size = size;
        self.shown.send_modify(|frame| *frame = Arc::new(first(size, frame.serial + 1, pixels)));
    }
}

impl Frame {
    /// Becomes the next frame, whose pixels it has already.
    fn go(&mut self, step: Arc<Step>) {
        self.serial = step.serial;
        if self.trail.len() >= TRAIL {
            self.trail.remove(0);
        }
        self.trail.push(step);
    }
}

fn first(size: Size, serial: u64, pixels: Vec<u8>) -> Frame {
    let whole = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let step = Step { serial, changes: tiles(whole).collect(), moved: None };
    Frame { size, serial, pixels: Arc::new(pixels), trail: vec![Arc::new(step)] }
}

/// Memory that holds what `shown` shows: that of a former frame, brought up to date, or a copy.
fn buffer(retired: Option<(u64, Arc<Vec<u8>>)>, shown: &Frame) -> Arc<Vec<u8>> {
    if let Some((serial, mut retired)) = retired
        && let Some(pixels) = Arc::get_mut(&mut retired)
        && let Some(steps) = shown.since(serial)
    {
        for rect in steps.iter().flat_map(|step| &step.changes) {
            for y in rect.y as usize..rect.y as usize + rect.height as usize {
                let row = span(shown.size, *rect, y);
                pixels[row.clone()].copy_from_slice(&shown.pixels[row]);
            }
        }
        return retired;
    }
    Arc::new(shown.pixels.to_vec())
}

fn write(pixels: &mut [u8], size: Size, pieces: &Pieces<'_>, changes: &[Rect]) {
    for piece in pieces.iter() {
        for change in changes.iter().filter(|change| rects::holds(&piece.rect, change)) {
            for y in change.y as usize..change.y as usize + change.height as usize {
                pixels[span(size, *change, y)].copy_from_slice(piece.row(*change, y));
            }
        }
    }
}

/// Where the part of row `y` that lies inside `rect` stands in the memory of a screen.
fn span(size: Size, rect: Rect, y: usize) -> std::ops::Range<usize> {
    let start = (y * size.width as usize + rect.x as usize) * 4;
    start..start + rect.width as usize * 4
}

/// The rows of `within` from the first to the last that `row` (of the same width) has other colours for.
fn changed_rows<'a>(shown: &Frame, within: Rect, row: impl Fn(usize) -> &'a [u8]) -> Option<Rect> {
    let (top, bottom) = (within.y as usize, within.y as usize + within.height as usize);
    // Rows are compared as a whole first, which is by far the quickest way to find them alike.
    let differs = |y: &usize| {
        let (now, then) = (row(*y), shown.row(within.x as u32, *y as u32, within.width));
        now != then && first_difference(now, then).is_some()
    };
    let first = (top..bottom).find(differs)?;
    let last = (first..bottom).rfind(differs).unwrap_or(first);
    Some(Rect { y: first as i32, height: (last - first) as u32 + 1, ..within })
}

/// `rows`, the first of which has other colours now, without what is alike on both sides in all of them.
fn trimmed<'a>(shown: &Frame, rows: Rect, row: impl Fn(usize) -> &'a [u8]) -> Rect {
    let (mut left, mut right) = (rows.width as usize, 0);
    for y in rows.y as usize..rows.y as usize + rows.height as usize {
        // Only what lies further out than what is known can widen it.
        let (now, then) = (row(y), shown.row(rows.x as u32, y as u32, rows.width));
        let (now_left, then_left) = (&now[..left * 4], &then[..left * 4]);
        if now_left != then_left {
            left = first_difference(now_left, then_left).unwrap_or(left);
        }
        let (now_right, then_right) = (&now[right * 4..], &then[right * 4..]);
        if now_right != then_right {
            right = last_difference(now_right, then_right).map_or(right, |x| right + x + 1);
        }
    }
    Rect { x: rows.x + left as i32, width: (right - left) as u32, ..rows }
}

/// The first pixel of two rows that differs; their unused bytes are no difference.
fn first_difference(now: &[u8], then: &[u8]) -> Option<usize> {
    now.as_chunks::<4>().0.iter().zip(then.as_chunks::<4>().0).position(differ)
}

fn last_difference(now: &[u8], then: &[u8]) -> Option<usize> {
    now.as_chunks::<4>().0.iter().zip(then.as_chunks::<4>().0).rposition(differ)
}

fn differ((now, then): (&[u8; 4], &[u8; 4])) -> bool {
    (u32::from_le_bytes(*now) ^ u32::from_le_bytes(*then)) & 0x00ff_ffff != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: Size = Size { width: 200, height: 150 };

    /// Paints a rectangle onto a screen, reads it back as a piece and draws that.
    fn paint(canvas: &mut Canvas, screen: &mut [u8], rect: Rect, colour: u8) {
        let mut bytes = Vec::new();
        for y in rect.y as usize..rect.y as usize + rect.height as usize {
            let row = &mut screen[span(SIZE, rect, y)];
            row.fill(colour);
            bytes.extend_from_slice(row);
        }
        canvas.draw(&Pieces::new(vec![rect], &bytes));
    }

    fn blank() -> (Canvas, Vec<u8>) {
        let pixels = vec![0; (SIZE.width * SIZE.height * 4) as usize];
        (Canvas::new(SIZE, pixels.clone()), pixels)
    }

    #[test]
    fn what_is_drawn_as_it_was_makes_no_frame() {
        let (mut canvas, mut screen) = blank();

        paint(&mut canvas, &mut screen, Rect { x: 10, y: 10, width: 50, height: 50 }, 0);

        assert_eq!(canvas.shown.borrow().serial, 1);
    }

    #[test]
    fn a_change_is_told_tile_by_tile_and_trimmed() {
        let (mut canvas, mut screen) = blank();
        paint(&mut canvas, &mut screen, Rect { x: 60, y: 20, width: 10, height: 5 }, 9);

        let (kept, grown) = (Rect { x: 60, y: 20, width: 10, height: 5 }, Rect { x: 58, y: 18, width: 14, height: 9 });
        paint(&mut canvas, &mut screen, kept, 9);
        paint(&mut canvas, &mut screen, grown, 9);

        let told: Vec<_> = canvas.shown.borrow().changes().iter().map(|r| (r.x, r.y, r.width, r.height)).collect();
        assert_eq!(told, [(58, 18, 6, 9), (64, 18, 8, 9)]);
    }

    #[test]
    fn a_frame_that_nobody_looks_at_is_painted_on_and_one_that_is_looked_at_stays() {
        let (mut canvas, mut screen) = blank();
        let spot = |x| Rect { x, y: 0, width: 1, height: 1 };
        let memory = |canvas: &Canvas| canvas.shown.borrow().pixels.as_ptr();
        let before = memory(&canvas);
        paint(&mut canvas, &mut screen, spot(1), 7);
        assert_eq!(memory(&canvas), before);

        let (looked_at, then) = (canvas.shown.borrow().clone(), screen.clone());
        paint(&mut canvas, &mut screen, spot(2), 7);

        assert_ne!(memory(&canvas), before);
        assert_eq!((*looked_at.pixels).clone(), then);
        assert_eq!(*canvas.shown.borrow().pixels, screen);
    }

    #[test]
    fn the_memory_of_a_frame_that_was_looked_at_is_used_again() {
        let (mut canvas, mut screen) = blank();
        let mut memory = std::collections::HashSet::new();

        for x in 0..100 {
            let _looked_at = canvas.shown.borrow().clone();
            paint(&mut canvas, &mut screen, Rect { x, y: 0, width: 1, height: 1 }, 7);
            memory.insert(canvas.shown.borrow().pixels.as_ptr());
        }

        assert_eq!(memory.len(), 2);
        assert_eq!(*canvas.shown.borrow().pixels, screen);
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_each_frame_is_the_screen_and_the_trail_tells_how_it_came(
            strokes in prop::collection::vec((0..190i32, 0..140i32, 1..80u32, 1..80u32, 0..4u8, prop::bool::ANY), 1..60),
        ) {
            let (mut canvas, mut screen) = blank();
            let mut held = Vec::new();
            for (x, y, width, height, colour, hold) in strokes {
                let rect = Rect { x, y, width: width.min(200 - x as u32), height: height.min(150 - y as u32) };
                paint(&mut canvas, &mut screen, rect, colour);
                let frame = canvas.shown.borrow().clone();
                prop_assert!(*frame.pixels == screen);
                if hold {
                    held.push((frame, screen.clone()));
                }
            }
            let last = canvas.shown.borrow().clone();
            for (frame, then) in &held {
                prop_assert!(*frame.pixels == *then, "a held frame was written to");
                let Some(steps) = last.since(frame.serial) else { continue };
                let mut replayed = then.clone();
                for rect in steps.iter().flat_map(|step| &step.changes) {
                    for y in rect.y as usize..rect.y as usize + rect.height as usize {
                        let row = span(SIZE, *rect, y);
                        replayed[row.clone()].copy_from_slice(&screen[row]);
                    }
                }
                prop_assert!(replayed == screen, "the trail forgot a change");
            }
        }
    }
}
