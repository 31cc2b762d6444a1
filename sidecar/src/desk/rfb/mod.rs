//! RFB 3.8, the protocol of VNC, as pure functions over bytes: nothing here reads, writes or waits.
//!
//! A [`handshake`] leads to [`client`] messages in and [`server`] messages out; a [`ledger`] knows what a viewer
//! has not been sent, [`encoding`] turns that into rectangles. What a viewer sends is hostile: every length is bounded.

pub mod client;
pub mod clipboard;
pub mod encoding;
pub mod handshake;
pub mod ledger;
pub mod pixel;
pub mod scancode;
pub mod server;
pub mod vnc_auth;
pub mod wishes;

pub use client::{ClientMessage, Decoder};
pub use pixel::PixelFormat;
pub use wishes::Wishes;

/// A rectangle of pixels inside a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Area {
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
}

impl Area {
    pub fn whole(width: u16, height: u16) -> Self {
        Self { x: 0, y: 0, width, height }
    }

    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    pub fn pixels(self) -> usize {
        usize::from(self.width) * usize::from(self.height)
    }

    pub fn right(self) -> u32 {
        u32::from(self.x) + u32::from(self.width)
    }

    pub fn bottom(self) -> u32 {
        u32::from(self.y) + u32::from(self.height)
    }

    /// The part of it that lies inside `other`; empty when there is none.
    pub fn intersect(self, other: Area) -> Area {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let width = self.right().min(other.right()).saturating_sub(u32::from(x));
        let height = self.bottom().min(other.bottom()).saturating_sub(u32::from(y));
        // Neither is larger than the u16 of the areas it came from.
        Area { x, y, width: width as u16, height: height as u16 }
    }

    /// The smallest rectangle around both, of which neither is empty.
    pub fn union(self, other: Area) -> Area {
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        let width = self.right().max(other.right()) - u32::from(x);
        let height = self.bottom().max(other.bottom()) - u32::from(y);
        Area { x, y, width: width.min(u32::from(u16::MAX)) as u16, height: height.min(u32::from(u16::MAX)) as u16 }
    }
}

impl Area {
    /// Does all of `inner` lie inside of it? Of an empty one, it does.
    pub fn holds(self, inner: Area) -> bool {
        inner.is_empty() || self.intersect(inner) == inner
    }
}

/// A part of the screen that is to be found elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Move {
    pub to: Area,
    /// Where its top left corner is now.
    pub from: (u16, u16),
}

impl Move {
    pub fn source(self) -> Area {
        Area { x: self.from.0, y: self.from.1, ..self.to }
    }

    /// Where a part of the source gets to.
    pub fn shift(self, part: Area) -> Area {
        Area { x: part.x - self.from.0 + self.to.x, y: part.y - self.from.1 + self.to.y, ..part }
    }
}

/// A picture in memory: 4 bytes a pixel (blue, green, red, anything), rows without gaps.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    bytes: &'a [u8],
    width: u16,
    height: u16,
}

impl<'a> Picture<'a> {
    /// `None` when there are fewer bytes than `width` and `height` promise.
    pub fn new(bytes: &'a [u8], width: u16, height: u16) -> Option<Self> {
        let needed = usize::from(width) * usize::from(height) * 4;
        (bytes.len() >= needed).then(|| Self { bytes: &bytes[..needed], width, height })
    }

    pub fn whole(&self) -> Area {
        Area::whole(self.width, self.height)
    }

    /// The bytes of the part of row `y` that lies between the sides of `area`, which must be inside the picture.
    pub fn row(&self, area: Area, y: u16) -> &'a [u8] {
        let start = (usize::from(y) * usize::from(self.width) + usize::from(area.x)) * 4;
        &self.bytes[start..start + usize::from(area.width) * 4]
    }

    /// The bytes from the first pixel of `area` on; a row lies [`Picture::pitch`] behind the one above it.
    pub fn from(&self, area: Area) -> &'a [u8] {
        &self.bytes[usize::from(area.y) * self.pitch() + usize::from(area.x) * 4..]
    }

    /// The length of a whole row in bytes.
    pub fn pitch(&self) -> usize {
        usize::from(self.width) * 4
    }

    /// The rows of `area`, from its top.
    pub fn rows(self, area: Area) -> impl Iterator<Item = &'a [u8]> {
        (area.y..area.y + area.height).map(move |y| self.row(area, y))
    }

    /// The pixels of `area` as numbers `0x00RRGGBB`, row by row.
    pub fn colours(self, area: Area) -> impl Iterator<Item = u32> {
        self.rows(area).flat_map(|row| row.chunks_exact(4).map(colour))
    }
}

fn colour(pixel: &[u8]) -> u32 {
    u32::from(pixel[2]) << 16 | u32::from(pixel[1]) << 8 | u32::from(pixel[0])
}

/// What a viewer sent that ends its connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("the viewer does not speak RFB: it greeted with {0:?}")]
    NotRfb(String),
    #[error("the viewer chose security type {0}, which was not offered")]
    Security(u8),
    #[error("the viewer's password is wrong")]
    Password,
    #[error("the viewer sent a message of the unknown type {0}")]
    UnknownMessage(u8),
    #[error("the viewer asked for a pixel format that is not served: {0}")]
    PixelFormat(&'static str),
    #[error("the viewer's {what} is {length} long, more than the {limit} that are allowed")]
    TooLong { what: &'static str, length: usize, limit: usize },
    #[error("the viewer's clipboard message is broken: {0}")]
    Clipboard(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_that_do_not_touch_have_an_empty_intersection() {
        let left = Area { x: 0, y: 0, width: 10, height: 10 };
        let right = Area { x: 20, y: 5, width: 10, height: 10 };

        assert!(left.intersect(right).is_empty());
        assert_eq!(left.union(right), Area { x: 0, y: 0, width: 30, height: 15 });
    }

    #[test]
    fn an_area_at_the_far_end_of_u16_does_not_overflow() {
        let far = Area { x: u16::MAX, y: u16::MAX, width: u16::MAX, height: u16::MAX };

        assert!(far.intersect(Area::whole(1280, 800)).is_empty());
    }

    #[test]
    fn a_picture_with_too_few_bytes_is_none() {
        assert!(Picture::new(&[0; 15], 2, 2).is_none());
    }
}
