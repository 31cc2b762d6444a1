//! The picture that is coded: luma and halved chroma (BT.709, video range), kept from frame to frame.

use openh264::formats::YUVSource;
use protocol::{action::Rect, desktop::Size};

use crate::desk::screen::Frame;

/// H.264 halves the colours' resolution, so both edges are even; what a screen lacks repeats its border.
pub(super) struct Canvas {
    width: usize,
    height: usize,
    luma: Vec<u8>,
    blue: Vec<u8>,
    red: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(size: Size) -> Self {
        let (width, height) = (size.width.next_multiple_of(2) as usize, size.height.next_multiple_of(2) as usize);
        let mut canvas = Self { width, height, luma: Vec::new(), blue: Vec::new(), red: Vec::new() };
        canvas.luma.resize(width * height, 16);
        canvas.blue.resize(width * height / 4, 128);
        canvas.red.resize(width * height / 4, 128);
        canvas
    }

    pub(super) fn size(&self) -> (u16, u16) {
        (self.width as u16, self.height as u16)
    }

    /// Takes over a part of a frame of the canvas' own size.
    pub(super) fn draw(&mut self, frame: &Frame, part: Rect) {
        let (left, top) = (part.x as usize / 2, part.y as usize / 2);
        let right = (part.x as usize + part.width as usize).div_ceil(2);
        let bottom = (part.y as usize + part.height as usize).div_ceil(2);
        let last = (frame.size.width as usize - 1, frame.size.height as usize - 1);
        let whole = |y: usize| frame.row(0, y.min(last.1) as u32, frame.size.width);
        for y in top..bottom {
            let rows = [whole(y * 2), whole(y * 2 + 1)];
            for x in left..right {
                let columns = [(x * 2).min(last.0) * 4, (x * 2 + 1).min(last.0) * 4];
                let mut sum = [0; 3];
                for (i, row) in rows.iter().enumerate() {
                    for (j, at) in columns.iter().enumerate() {
                        let [b, g, r] = [row[*at], row[at + 1], row[at + 2]].map(i32::from);
                        self.luma[(y * 2 + i) * self.width + x * 2 + j] =
                            (16 + ((47 * r + 157 * g + 16 * b + 128) >> 8)) as u8;
                        sum = [sum[0] + b, sum[1] + g, sum[2] + r];
                    }
                }
                let [b, g, r] = sum;
                let at = y * self.width / 2 + x;
                self.blue[at] = (128 + ((112 * b - 87 * g - 25 * r + 512) >> 10)) as u8;
                self.red[at] = (128 + ((112 * r - 102 * g - 10 * b + 512) >> 10)) as u8;
            }
        }
    }

    /// Shows two bars on grey, the sign of a pause, and nothing of the screen.
    pub(super) fn draw_pause(&mut self) {
        self.luma.fill(56);
        self.blue.fill(128);
        self.red.fill(128);
        let unit = self.width.min(self.height) / 12;
        let (middle, top) = (self.width / 2, self.height / 2 - 2 * unit);
        for y in top..top + 4 * unit {
            let row = &mut self.luma[y * self.width..(y + 1) * self.width];
            row[middle - 3 * unit / 2..middle - unit / 2].fill(180);
            row[middle + unit / 2..middle + 3 * unit / 2].fill(180);
        }
    }
}

impl YUVSource for Canvas {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        &self.luma
    }

    fn u(&self) -> &[u8] {
        &self.blue
    }

    fn v(&self) -> &[u8] {
        &self.red
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn frame(width: u32, height: u32, bgr: [u8; 3]) -> Frame {
        let pixel = [bgr[0], bgr[1], bgr[2], 0];
        let pixels = pixel.repeat((width * height) as usize);
        Frame { size: Size { width, height }, serial: 1, pixels: Arc::new(pixels), trail: vec![] }
    }

    #[test]
    fn colours_are_what_the_standard_says() {
        for (bgr, yuv) in
            [([0, 0, 0], (16, 128, 128)), ([255, 255, 255], (235, 128, 128)), ([0, 0, 255], (63, 103, 240))]
        {
            let frame = frame(4, 4, bgr);
            let mut canvas = Canvas::new(frame.size);

            canvas.draw(&frame, frame.bounds());

            assert_eq!((canvas.luma[5], canvas.blue[0], canvas.red[3]), yuv, "{bgr:?}");
        }
    }

    #[test]
    fn an_odd_screen_repeats_its_border() {
        let frame = frame(5, 3, [255, 255, 255]);
        let mut canvas = Canvas::new(frame.size);

        canvas.draw(&frame, frame.bounds());

        assert_eq!(canvas.size(), (6, 4));
        assert!(canvas.luma.iter().all(|luma| *luma == 235));
    }

    #[test]
    fn only_the_part_that_is_drawn_changes() {
        let frame = frame(16, 16, [255, 255, 255]);
        let mut canvas = Canvas::new(frame.size);

        canvas.draw(&frame, Rect { x: 5, y: 5, width: 2, height: 2 });

        assert_eq!(canvas.luma.iter().filter(|luma| **luma == 235).count(), 16);
    }
}
