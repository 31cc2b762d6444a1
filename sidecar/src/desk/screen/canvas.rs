//! The newest frame, and how pixels that were read make the next one of it.

use std::sync::Arc;

use protocol::{action::Rect, desktop::Size};

use super::{
    Frame,
    capture::Pieces,
    rects, scroll,
    step::{Step, tiles},
};

/// So many steps back a watcher is told exactly what it missed; at the mirror's pace this is half a second.
const TRAIL: usize = 32;
/// Memory of old frames that is kept to be written again: one that a viewer still reads, and one that is free.
const KEPT: usize = 2;

pub(super) struct Canvas {
    shown: Arc<Frame>,
    /// Pixels of former frames, with their serials. Whoever still holds one keeps it from being written.
    retired: Vec<(u64, Arc<Vec<u8>>)>,
}

impl Canvas {
    /// Begins with a screen that was read as a whole.
    pub(super) fn new(size: Size, pixels: Vec<u8>) -> Self {
        Self { shown: Arc::new(first(size, 1, pixels)), retired: Vec::new() }
    }

    pub(super) fn shown(&self) -> &Arc<Frame> {
        &self.shown
    }

    /// Puts pieces of the screen, which has the size of the shown frame, where they belong.
    /// The next frame, or `None` when all of it was shown already.
    pub(super) fn draw(&mut self, pieces: &Pieces<'_>) -> Option<Arc<Frame>> {
        let shown = self.shown.clone();
        let mut changes = Vec::new();
        for piece in pieces.iter() {
            for tile in tiles(piece.rect) {
                changes.extend(difference(&shown, tile, |y| piece.row(tile, y)));
            }
        }
        if changes.is_empty() {
            return None;
        }
        let mut buffer = self.buffer(&shown);
        // Nobody else holds what `buffer` hands out.
        let pixels = Arc::make_mut(&mut buffer);
        let stride = shown.stride();
        for piece in pieces.iter() {
            for change in changes.iter().filter(|change| rects::holds(&piece.rect, change)) {
                for y in change.y as usize..change.y as usize + change.height as usize {
                    let start = y * stride + change.x as usize * 4;
                    pixels[start..start + change.width as usize * 4].copy_from_slice(piece.row(*change, y));
                }
            }
        }
        let moved = scroll::find(&shown.pixels, pixels, shown.size, &changes);
        let serial = shown.serial + 1;
        let mut trail = Vec::with_capacity(TRAIL);
        trail.extend_from_slice(&shown.trail[shown.trail.len().saturating_sub(TRAIL - 1)..]);
        trail.push(Arc::new(Step { serial, changes, moved }));
        drop(shown);
        Some(self.show(Frame { size: self.shown.size, serial, pixels: buffer, trail }))
    }

    /// The screen has another size, and was read as a whole.
    pub(super) fn resize(&mut self, size: Size, pixels: Vec<u8>) -> Arc<Frame> {
        self.retired.clear();
        let frame = self.show(first(size, self.shown.serial + 1, pixels));
        self.retired.clear();
        frame
    }

    fn show(&mut self, frame: Frame) -> Arc<Frame> {
        let old = std::mem::replace(&mut self.shown, Arc::new(frame));
        self.retired.push((old.serial, old.pixels.clone()));
        if self.retired.len() > KEPT {
            self.retired.remove(0);
        }
        self.shown.clone()
    }

    /// Memory that holds what is shown, to be changed.
    fn buffer(&mut self, shown: &Frame) -> Arc<Vec<u8>> {
        let free = self.retired.iter_mut().position(|(_, pixels)| Arc::get_mut(pixels).is_some());
        let Some((serial, mut buffer)) = free.map(|free| self.retired.swap_remove(free)) else {
            return Arc::new(shown.pixels.to_vec());
        };
        let pixels = Arc::make_mut(&mut buffer);
        match shown.since(serial) {
            Some(steps) => {
                for rect in steps.iter().flat_map(|step| &step.changes) {
                    for y in rect.y as usize..rect.y as usize + rect.height as usize {
                        let start = y * shown.stride() + rect.x as usize * 4;
                        let row = start..start + rect.width as usize * 4;
                        pixels[row.clone()].copy_from_slice(&shown.pixels[row]);
                    }
                }
            }
            None => pixels.copy_from_slice(&shown.pixels),
        }
        buffer
    }
}

fn first(size: Size, serial: u64, pixels: Vec<u8>) -> Frame {
    let whole = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let step = Step { serial, changes: tiles(whole).collect(), moved: None };
    Frame { size, serial, pixels: Arc::new(pixels), trail: vec![Arc::new(step)] }
}

/// The smallest rectangle around all pixels of `within` that `row` (of the same width) has other colours for.
fn difference<'a>(shown: &Frame, within: Rect, row: impl Fn(usize) -> &'a [u8]) -> Option<Rect> {
    let (top, bottom) = (within.y as usize, within.y as usize + within.height as usize);
    let before = |y: usize| shown.row(within.x as u32, y as u32, within.width);
    // Rows are compared as a whole first, which is by far the quickest way to find them alike.
    let differs = |y: &usize| row(*y) != before(*y) && first_difference(row(*y), before(*y)).is_some();
    let first = (top..bottom).find(differs)?;
    let last = (first..bottom).rfind(differs).unwrap_or(first);
    let (mut left, mut right) = (within.width as usize, 0);
    for y in first..=last {
        // Only what lies further out than what is known can widen it.
        let (now, then) = (row(y), before(y));
        left = first_difference(&now[..left * 4], &then[..left * 4]).unwrap_or(left);
        right = last_difference(&now[right * 4..], &then[right * 4..]).map_or(right, |x| right + x + 1);
    }
    let (width, height) = ((right - left) as u32, (last - first) as u32 + 1);
    Some(Rect { x: within.x + left as i32, y: first as i32, width, height })
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
    fn paint(canvas: &mut Canvas, screen: &mut [u8], rect: Rect, colour: u8) -> Option<Arc<Frame>> {
        let mut bytes = Vec::new();
        for y in rect.y as usize..rect.y as usize + rect.height as usize {
            let start = (y * SIZE.width as usize + rect.x as usize) * 4;
            let row = &mut screen[start..start + rect.width as usize * 4];
            row.fill(colour);
            bytes.extend_from_slice(row);
        }
        canvas.draw(&Pieces::new(vec![rect], &bytes))
    }

    fn blank() -> (Canvas, Vec<u8>) {
        let pixels = vec![0; (SIZE.width * SIZE.height * 4) as usize];
        (Canvas::new(SIZE, pixels.clone()), pixels)
    }

    #[test]
    fn what_is_drawn_as_it_was_makes_no_frame() {
        let (mut canvas, mut screen) = blank();

        assert!(paint(&mut canvas, &mut screen, Rect { x: 10, y: 10, width: 50, height: 50 }, 0).is_none());
        assert_eq!(canvas.shown().serial, 1);
    }

    #[test]
    fn a_change_is_told_tile_by_tile_and_trimmed() {
        let (mut canvas, mut screen) = blank();
        paint(&mut canvas, &mut screen, Rect { x: 60, y: 20, width: 10, height: 5 }, 9);

        let (kept, grown) = (Rect { x: 60, y: 20, width: 10, height: 5 }, Rect { x: 58, y: 18, width: 14, height: 9 });
        paint(&mut canvas, &mut screen, kept, 9);
        let frame = paint(&mut canvas, &mut screen, grown, 9).unwrap();

        let told: Vec<_> = frame.changes().iter().map(|r| (r.x, r.y, r.width, r.height)).collect();
        assert_eq!(told, [(58, 18, 6, 9), (64, 18, 8, 9)]);
    }

    #[test]
    fn memory_of_old_frames_is_written_again_unless_somebody_holds_it() {
        let (mut canvas, mut screen) = blank();
        let held = canvas.shown().clone();
        let spot = |x| Rect { x, y: 0, width: 1, height: 1 };

        for x in 0..100 {
            paint(&mut canvas, &mut screen, spot(x), 7).unwrap();
        }

        assert!(held.pixels.iter().all(|byte| *byte == 0));
        assert!(canvas.retired.len() <= KEPT);
        assert_eq!(*canvas.shown().pixels, screen);
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
                let frame = canvas.shown().clone();
                prop_assert!(*frame.pixels == screen);
                if hold {
                    held.push((frame, screen.clone()));
                }
            }
            let last = canvas.shown();
            for (frame, then) in &held {
                prop_assert!(*frame.pixels == *then, "a held frame was written to");
                let Some(steps) = last.since(frame.serial) else { continue };
                let mut replayed = then.clone();
                for rect in steps.iter().flat_map(|step| &step.changes) {
                    for y in rect.y as usize..rect.y as usize + rect.height as usize {
                        let start = (y * SIZE.width as usize + rect.x as usize) * 4;
                        let row = start..start + rect.width as usize * 4;
                        replayed[row.clone()].copy_from_slice(&screen[row]);
                    }
                }
                prop_assert!(replayed == screen, "the trail forgot a change");
            }
        }
    }
}
