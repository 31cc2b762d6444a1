//! A picture of the whole screen at one moment, and how it came from those before it.

use std::sync::Arc;

use protocol::{action::Rect, desktop::Size};

use super::step::Step;

/// One state of the screen. Frames are numbered without gaps.
#[derive(Debug, Clone)]
pub struct Frame {
    pub size: Size,
    pub serial: u64,
    /// Blue, green, red and an unused byte a pixel; rows of `width * 4` bytes from the top.
    pub pixels: Arc<Vec<u8>>,
    /// How it came from the frames before it, the newest step last; it begins anew when the size changes.
    pub trail: Vec<Arc<Step>>,
}

impl Frame {
    /// What differs from the frame before it: one rectangle a tile.
    pub fn changes(&self) -> &[Rect] {
        self.trail.last().map_or(&[], |step| &step.changes)
    }

    /// The steps that lead here from the frame `serial`; `None` when that is too long ago, so that all may differ.
    pub fn since(&self, serial: u64) -> Option<&[Arc<Step>]> {
        let first = self.trail.first()?.serial;
        let known = usize::try_from((serial + 1).checked_sub(first)?).ok()?;
        self.trail.get(known..)
    }

    pub fn bounds(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.size.width, height: self.size.height }
    }

    pub fn stride(&self) -> usize {
        self.size.width as usize * 4
    }

    /// The pixels of row `y` from `x` on, `width` of them; all must lie inside the screen.
    pub fn row(&self, x: u32, y: u32, width: u32) -> &[u8] {
        let start = y as usize * self.stride() + x as usize * 4;
        &self.pixels[start..start + width as usize * 4]
    }

    /// Is every pixel of one colour, as on a screen that nobody has painted?
    pub fn is_blank(&self) -> bool {
        let colour = |pixel: &[u8]| [pixel[0], pixel[1], pixel[2]];
        let mut pixels = self.pixels.chunks_exact(4);
        let Some(first) = pixels.next() else { return true };
        pixels.all(|pixel| colour(pixel) == colour(first))
    }

    /// The smallest rectangle that holds every difference from `before` within `within`; both frames of one size.
    pub fn difference(&self, before: &Frame, within: Rect) -> Option<Rect> {
        let (left, top) = (within.x as u32, within.y as u32);
        let mut found: Option<(u32, u32, u32, u32)> = None;
        for y in top..top + within.height {
            let (a, b) = (self.row(left, y, within.width), before.row(left, y, within.width));
            if a == b {
                continue;
            }
            let differs = |i: &u32| {
                let at = *i as usize * 4;
                a[at..at + 3] != b[at..at + 3]
            };
            let Some(first) = (0..within.width).find(differs) else { continue };
            let last = (first..within.width).rfind(differs).unwrap_or(first);
            found = Some(match found {
                None => (first, y, last, y),
                Some((x0, y0, x1, _)) => (x0.min(first), y0, x1.max(last), y),
            });
        }
        let (x0, y0, x1, y1) = found?;
        Some(Rect { x: (left + x0) as i32, y: y0 as i32, width: x1 - x0 + 1, height: y1 - y0 + 1 })
    }
}

/// What the pointer looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorShape {
    pub size: Size,
    /// The pixel of the image that points, counted from its top left corner.
    pub hotspot: (u32, u32),
    /// One `0xAARRGGBB` a pixel, colours multiplied by alpha.
    pub argb: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, painted: &[(u32, u32)]) -> Frame {
        let mut pixels = vec![0; (width * height * 4) as usize];
        for (x, y) in painted {
            pixels[((y * width + x) * 4) as usize] = 255;
        }
        Frame { size: Size { width, height }, serial: 1, pixels: Arc::new(pixels), trail: vec![] }
    }

    #[test]
    fn the_difference_is_the_smallest_rectangle_around_all_changed_pixels() {
        let (before, after) = (frame(8, 6, &[]), frame(8, 6, &[(2, 1), (5, 4)]));

        let changed = after.difference(&before, after.bounds());

        assert_eq!(changed, Some(Rect { x: 2, y: 1, width: 4, height: 4 }));
    }

    #[test]
    fn the_way_from_an_earlier_frame_is_known_as_far_as_the_trail_goes() {
        let step = |serial| Arc::new(Step { serial, changes: vec![], moved: None });
        let last = Frame { serial: 9, trail: vec![step(7), step(8), step(9)], ..frame(1, 1, &[]) };

        let steps = |since: u64| last.since(since).map(<[_]>::len);

        assert_eq!([steps(5), steps(6), steps(8), steps(9), steps(10)], [None, Some(3), Some(1), Some(0), None]);
    }

    #[test]
    fn the_fourth_byte_of_a_pixel_is_no_difference() {
        let before = frame(4, 4, &[]);
        let mut pixels = before.pixels.to_vec();
        pixels[3] = 255;
        let after = Frame { pixels: Arc::new(pixels), ..before.clone() };

        assert_eq!(after.difference(&before, after.bounds()), None);
        assert!(after.is_blank());
    }

    #[test]
    fn one_pixel_of_another_colour_is_not_blank() {
        assert!(frame(4, 4, &[]).is_blank());
        assert!(!frame(4, 4, &[(3, 3)]).is_blank());
    }
}
