//! What the server says, apart from pixels: initialisation, headers, sizes, names, fences.

use bytes::{BufMut, BytesMut};

use super::{Area, PixelFormat, wishes::number};

/// The longest name that a viewer is told, in bytes.
const MAX_NAME: usize = 255;

/// Answers the viewer's initialisation: size, format and name of the desktop.
pub fn write_init(width: u16, height: u16, name: &str, out: &mut BytesMut) {
    out.put_u16(width);
    out.put_u16(height);
    PixelFormat::OURS.write(out);
    write_text(name, out);
}

/// A framebuffer update that is being written; it counts its rectangles.
pub struct Update<'a> {
    out: &'a mut BytesMut,
    count_at: usize,
    count: u16,
}

impl<'a> Update<'a> {
    /// The bytes in front of the first rectangle.
    pub const HEADER: usize = 4;

    pub fn begin(out: &'a mut BytesMut) -> Self {
        out.put_slice(&[0, 0]);
        let count_at = out.len();
        out.put_u16(0);
        Self { out, count_at, count: 0 }
    }

    /// Writes a rectangle's header; its body is to follow in the buffer that is returned.
    pub fn rectangle(&mut self, area: Area, encoding: i32) -> &mut BytesMut {
        self.count += 1;
        self.out.put_u16(area.x);
        self.out.put_u16(area.y);
        self.out.put_u16(area.width);
        self.out.put_u16(area.height);
        self.out.put_i32(encoding);
        self.out
    }

    /// Says what this server can do: an empty rectangle with the number of the ability.
    pub fn ability(&mut self, encoding: i32) {
        self.rectangle(Area::whole(0, 0), encoding);
    }

    pub fn desktop_name(&mut self, name: &str) {
        write_text(name, self.rectangle(Area::whole(0, 0), number::DESKTOP_NAME));
    }

    /// The screen has this size now, for viewers that know no more than that.
    pub fn desktop_size(&mut self, width: u16, height: u16) {
        self.rectangle(Area::whole(width, height), number::DESKTOP_SIZE);
    }

    /// The screen has this size, why it is said and how the wish ended.
    pub fn extended_desktop_size(&mut self, width: u16, height: u16, reason: SizeReason, outcome: SizeOutcome) {
        let header = Area { x: reason as u16, y: outcome as u16, width, height };
        let out = self.rectangle(header, number::EXTENDED_DESKTOP_SIZE);
        // One screen, number 0, without flags, as large as everything.
        out.put_slice(&[1, 0, 0, 0]);
        out.put_u32(0);
        out.put_u32(0);
        out.put_u16(width);
        out.put_u16(height);
        out.put_u32(0);
    }

    /// Puts whole rectangles into it that were written elsewhere.
    pub fn append(&mut self, rectangles: u16, bytes: &[u8]) {
        self.count += rectangles;
        self.out.put_slice(bytes);
    }

    /// How many there are so far.
    pub fn rectangles(&self) -> u16 {
        self.count
    }

    /// Nothing more goes into it.
    pub fn end(self) {}
}

/// Writes the count where it belongs; an update without rectangles is taken back, as if it never was.
impl Drop for Update<'_> {
    fn drop(&mut self) {
        if self.count == 0 {
            self.out.truncate(self.count_at - 2);
        } else {
            self.out[self.count_at..self.count_at + 2].copy_from_slice(&self.count.to_be_bytes());
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeReason {
    /// The server itself, or somebody through it.
    Server = 0,
    /// This viewer asked.
    ThisViewer = 1,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeOutcome {
    Done = 0,
    Prohibited = 1,
    OutOfResources = 2,
    Invalid = 3,
}

/// Asks the viewer (`request`) to answer with the same flags and payload, or answers it.
pub fn write_fence(flags: u32, payload: &[u8], out: &mut BytesMut) {
    out.put_slice(&[248, 0, 0, 0]);
    out.put_u32(flags);
    let payload = &payload[..payload.len().min(64)];
    out.put_u8(payload.len() as u8);
    out.put_slice(payload);
}

/// This fence asks for an answer.
pub const FENCE_REQUEST: u32 = 1 << 31;
/// What came before it is done before it is answered.
pub const FENCE_BLOCK_BEFORE: u32 = 1;
/// The flags that we keep: messages are handled one after another anyway.
pub const FENCE_KNOWN: u32 = 0b111;

/// Continuous updates have ended; said once unasked, it tells that they are possible.
pub fn write_end_of_continuous_updates(out: &mut BytesMut) {
    out.put_u8(150);
}

fn write_text(text: &str, out: &mut BytesMut) {
    let mut end = text.len().min(MAX_NAME);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.put_u32(end as u32);
    out.put_slice(&text.as_bytes()[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_counts_its_rectangles() {
        let mut out = BytesMut::new();

        let mut update = Update::begin(&mut out);
        update.ability(number::EXTENDED_MOUSE_BUTTONS);
        update.desktop_size(800, 600);
        update.end();

        assert_eq!(out[..4], [0, 0, 0, 2]);
        assert_eq!(out.len(), 4 + 12 + 12);
    }

    #[test]
    fn an_update_without_rectangles_leaves_no_trace() {
        let mut out = BytesMut::from(&b"before"[..]);

        Update::begin(&mut out).end();

        assert_eq!(&out[..], b"before");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let mut out = BytesMut::new();

        write_init(1, 1, &"ü".repeat(200), &mut out);

        let name = &out[24..];
        assert_eq!(name.len(), 254);
        assert!(std::str::from_utf8(name).is_ok());
    }
}
