//! From frames of the screen to pictures in the file.

use std::{io, path::Path, sync::Arc};

use protocol::desktop::Size;

use super::{
    canvas::Canvas,
    coder::{Coded, Coder},
    mp4::Track,
    reel::Reel,
};
use crate::desk::screen::{Frame, encode};

/// A player seeks to key frames.
const KEY_EVERY_MS: u64 = 10_000;
/// The encoder's own bounds.
const SMALLEST: u32 = 16;
const LARGEST: Size = Size { width: 3840, height: 2160 };

pub(super) struct Film {
    size: Size,
    canvas: Canvas,
    coder: Coder,
    reel: Reel,
    /// What the canvas shows; nothing of the screen while the recording is paused.
    shown: Option<Arc<Frame>>,
    keyed: u64,
}

impl Film {
    /// Begins a file with `frame` as its first picture.
    pub(super) fn begin(path: &Path, frame: Arc<Frame>) -> io::Result<Film> {
        let size = Size {
            width: frame.size.width.clamp(SMALLEST, LARGEST.width),
            height: frame.size.height.clamp(SMALLEST, LARGEST.height),
        };
        let frame = fitted(frame, size);
        let mut canvas = Canvas::new(size);
        canvas.draw(&frame, frame.bounds());
        let mut coder = Coder::new().map_err(io::Error::other)?;
        let first = coder.code(&canvas, true, 0).map_err(io::Error::other)?;
        let Some(Coded { key: true, data, sps, pps }) = first else {
            return Err(io::Error::other("the encoder gave no first picture"));
        };
        let (width, height) = canvas.size();
        let mut reel = Reel::begin(path, &Track { width, height, sps, pps })?;
        reel.add(0, true, &data)?;
        Ok(Film { size, canvas, coder, reel, shown: Some(frame), keyed: 0 })
    }

    /// The screen looks like this from `at` on.
    pub(super) fn show(&mut self, frame: Arc<Frame>, at: u64) -> io::Result<()> {
        let frame = fitted(frame, self.size);
        let changed = match &self.shown {
            Some(shown) => frame.difference(shown, frame.bounds()),
            None => Some(frame.bounds()),
        };
        let Some(changed) = changed else { return Ok(()) };
        self.canvas.draw(&frame, changed);
        let key = self.shown.is_none() || at >= self.keyed + KEY_EVERY_MS;
        self.shown = Some(frame);
        self.code(key, at)
    }

    /// Nothing is to be seen from `at` on.
    pub(super) fn hide(&mut self, at: u64) -> io::Result<()> {
        self.shown = None;
        self.canvas.draw_pause();
        self.code(true, at)?;
        self.reel.flush(at)
    }

    pub(super) fn flush(&mut self, at: u64) -> io::Result<()> {
        self.reel.flush(at)
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.reel.due()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.reel.bytes()
    }

    pub(super) fn finish(&mut self, at: u64) -> io::Result<()> {
        self.reel.finish(at)
    }

    fn code(&mut self, key: bool, at: u64) -> io::Result<()> {
        let Some(coded) = self.coder.code(&self.canvas, key, at).map_err(io::Error::other)? else { return Ok(()) };
        if coded.key {
            self.keyed = at;
        }
        self.reel.add(at, coded.key, &coded.data)
    }
}

/// The film keeps its size: a smaller screen stands in the middle, a larger one is scaled down.
fn fitted(frame: Arc<Frame>, size: Size) -> Arc<Frame> {
    if frame.size == size {
        return frame;
    }
    let (rgb, inner) = encode::fit(&frame, size);
    let (left, top) = ((size.width - inner.width) / 2, (size.height - inner.height) / 2);
    let mut pixels = vec![0; size.width as usize * size.height as usize * 4];
    for (y, row) in rgb.chunks_exact(inner.width as usize * 3).enumerate() {
        let start = ((top as usize + y) * size.width as usize + left as usize) * 4;
        for (to, from) in pixels[start..].chunks_exact_mut(4).zip(row.chunks_exact(3)) {
            to[..3].copy_from_slice(&[from[2], from[1], from[0]]);
        }
    }
    Arc::new(Frame { size, serial: frame.serial, pixels: Arc::new(pixels), trail: vec![] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_of_another_size_is_shown_whole_in_its_own_shape() {
        let size = |width, height| Size { width, height };
        let white = |size: Size| {
            let pixels = vec![255; size.width as usize * size.height as usize * 4];
            Arc::new(Frame { size, serial: 1, pixels: Arc::new(pixels), trail: vec![] })
        };
        for (from, inner) in [(size(40, 20), (40, 20)), (size(200, 100), (100, 50)), (size(80, 160), (30, 60))] {
            let frame = fitted(white(from), size(100, 60));

            let lit = frame.pixels.chunks_exact(4).filter(|pixel| pixel[0] == 255).count();
            assert_eq!((frame.size, lit), (size(100, 60), inner.0 * inner.1), "{from:?}");
        }
    }
}
