//! Pixels out of the X server: through shared memory, by plain requests, or by xcap.

use std::{io, os::fd::OwnedFd};

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
};
use protocol::{action::Rect, desktop::Size};
use x11rb::{
    connection::{Connection, RequestConnection},
    cookie::Cookie,
    errors::{ConnectionError, ReplyError},
    protocol::{
        shm::{self, ConnectionExt as _},
        xproto::{self, ConnectionExt as _, ImageFormat, ImageOrder},
    },
    rust_connection::RustConnection,
};

/// How pixels are read. All give the same ones; `auto` takes the fastest that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Method {
    #[default]
    Auto,
    Shm,
    Plain,
    Xcap,
}

/// A way to read pixels that was tried and works.
pub(super) enum Source {
    Shm(SharedMemory),
    Plain,
    Xcap,
}

/// Memory that the server writes to. It is sealed: a server that cut it short would end this program.
pub(super) struct SharedMemory {
    segment: shm::Seg,
    memory: memmap2::Mmap,
}

impl Source {
    /// Picks a way that this server supports.
    pub(super) fn choose(x: &RustConnection, root: usize, method: Method) -> Result<Source, String> {
        let readable = has_plain_pixels(x, root);
        let wants = |m| method == m || method == Method::Auto;
        if wants(Method::Shm) && readable {
            match SharedMemory::attach(x, 4 << 20) {
                Ok(memory) => return Ok(Source::Shm(memory)),
                Err(error) if method == Method::Shm => return Err(format!("attach shared memory: {error}")),
                Err(error) => tracing::info!(%error, "no shared memory with the X server"),
            }
        }
        if wants(Method::Plain) && readable {
            return Ok(Source::Plain);
        }
        if wants(Method::Xcap) {
            return Ok(Source::Xcap);
        }
        Err("the X server's pixels are not 32 bit little endian ones; only xcap can read them".into())
    }

    /// Asks for the pixels of `rects`, which lie inside the screen, without waiting for them.
    pub(super) fn ask<'x>(
        &mut self,
        x: &'x RustConnection,
        root: u32,
        rects: &[Rect],
    ) -> Result<Asked<'x>, ReplyError> {
        let replies = match self {
            Source::Shm(memory) => memory.ask(x, root, rects)?,
            Source::Plain => {
                let format = ImageFormat::Z_PIXMAP;
                let ask = |rect: &Rect| {
                    let (left, top, width, height) = wire(*rect);
                    x.get_image(format, root, left, top, width, height, !0).map(Reply::Plain)
                };
                rects.iter().map(ask).collect::<Result<_, _>>()?
            }
            Source::Xcap => rects.iter().map(|_| Reply::Xcap).collect(),
        };
        Ok(Asked { rects: rects.to_vec(), replies })
    }

    /// Waits for what was asked for. It lies in shared memory, or else in `bytes`.
    pub(super) fn receive<'b>(
        &'b mut self,
        asked: Asked<'_>,
        bytes: &'b mut Vec<u8>,
    ) -> Result<Pieces<'b>, ReplyError> {
        bytes.clear();
        for (rect, reply) in asked.rects.iter().zip(asked.replies) {
            match reply {
                Reply::Shm(cookie) => drop(cookie.reply()?),
                Reply::Plain(cookie) => {
                    let image = cookie.reply()?;
                    let pixels = image.data.get(..bytes_of(*rect));
                    bytes.extend_from_slice(pixels.ok_or_else(|| lost(io::ErrorKind::UnexpectedEof.into()))?);
                }
                Reply::Xcap => read_xcap(*rect, bytes)?,
            }
        }
        Ok(match self {
            Source::Shm(memory) => Pieces::new(asked.rects, &memory.memory),
            _ => Pieces::new(asked.rects, bytes),
        })
    }

    /// The pixels of the whole screen, which is `size` large.
    pub(super) fn read_all(&mut self, x: &RustConnection, root: u32, size: Size) -> Result<Vec<u8>, ReplyError> {
        let all = Rect { x: 0, y: 0, width: size.width, height: size.height };
        let asked = self.ask(x, root, &[all])?;
        let mut bytes = Vec::new();
        let pieces = self.receive(asked, &mut bytes)?;
        Ok(pieces.bytes[..bytes_of(all)].to_vec())
    }

    /// Servers that draw the pointer themselves take it off the screen before they read it, and tell of that at once:
    /// in the middle of a plain reply, whose receiver takes the event for pixels and never finds the next reply.
    pub(super) fn is_disturbed_by_events(&self) -> bool {
        matches!(self, Source::Plain)
    }

    /// Does it cost next to nothing to read pixels in vain?
    pub(super) fn is_cheap(&self) -> bool {
        matches!(self, Source::Shm(_))
    }

    /// Does a grab always read the whole screen?
    pub(super) fn takes_all(&self) -> bool {
        matches!(self, Source::Xcap)
    }
}

impl SharedMemory {
    fn attach(x: &RustConnection, length: usize) -> Result<Self, ReplyError> {
        if x.extension_information(shm::X11_EXTENSION_NAME)?.is_none() {
            return Err(ConnectionError::UnsupportedExtension.into());
        }
        let version = x.shm_query_version()?.reply()?;
        if (version.major_version, version.minor_version) < (1, 2) {
            return Err(ConnectionError::UnsupportedExtension.into());
        }
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create(c"screen", flags).map_err(io::Error::from).map_err(lost)?;
        let file = std::fs::File::from(file);
        file.set_len(length as u64).map_err(lost)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(io::Error::from).map_err(lost)?;
        // SAFETY: the seals keep all of it there as long as it is mapped. The server writes to it only when asked
        // to, which it never is while a part is borrowed; one that did so unasked could garble its own picture.
        let memory = unsafe { memmap2::Mmap::map(&file) }.map_err(lost)?;
        let segment = x.generate_id().map_err(|_| ConnectionError::UnknownError)?;
        let theirs: OwnedFd = file.into();
        x.shm_attach_fd(segment, theirs, false)?.check()?;
        Ok(Self { segment, memory })
    }

    fn ask<'x>(&mut self, x: &'x RustConnection, root: u32, rects: &[Rect]) -> Result<Vec<Reply<'x>>, ReplyError> {
        let length = rects.iter().map(|rect| bytes_of(*rect)).sum();
        if length > self.memory.len() {
            let larger = SharedMemory::attach(x, length)?;
            let old = std::mem::replace(self, larger);
            x.shm_detach(old.segment)?;
        }
        let mut offset = 0;
        let mut replies = Vec::with_capacity(rects.len());
        for rect in rects {
            let (left, top, width, height) = wire(*rect);
            let format = ImageFormat::Z_PIXMAP.into();
            let cookie = x.shm_get_image(root, left, top, width, height, !0, format, self.segment, offset)?;
            replies.push(Reply::Shm(cookie));
            offset += bytes_of(*rect) as u32;
        }
        Ok(replies)
    }
}

/// Appends the part of xcap's picture of the whole screen.
fn read_xcap(rect: Rect, bytes: &mut Vec<u8>) -> Result<(), ReplyError> {
    let monitor = xcap::Monitor::from_point(0, 0).map_err(|e| lost(io::Error::other(e)))?;
    let image = monitor.capture_image().map_err(|e| lost(io::Error::other(e)))?;
    let end = |at: i32, length: u32| at.unsigned_abs().saturating_add(length);
    if end(rect.x, rect.width) > image.width() || end(rect.y, rect.height) > image.height() {
        let message = format!("xcap saw {}x{} pixels, which do not hold {rect:?}", image.width(), image.height());
        return Err(lost(io::Error::other(message)));
    }
    let stride = image.width() as usize * 4;
    for y in 0..rect.height as usize {
        let start = (rect.y as usize + y) * stride + rect.x as usize * 4;
        let row = &image.as_raw()[start..start + rect.width as usize * 4];
        bytes.extend(row.chunks_exact(4).flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 0]));
    }
    Ok(())
}

/// Pixels that were asked for.
pub(super) struct Asked<'x> {
    rects: Vec<Rect>,
    replies: Vec<Reply<'x>>,
}

enum Reply<'x> {
    Shm(Cookie<'x, RustConnection, shm::GetImageReply>),
    Plain(Cookie<'x, RustConnection, xproto::GetImageReply>),
    Xcap,
}

/// Pixels of parts of the screen.
pub(super) struct Pieces<'b> {
    rects: Vec<Rect>,
    bytes: &'b [u8],
}

/// The pixels of one part, its rows one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Piece<'b> {
    pub(super) rect: Rect,
    bytes: &'b [u8],
}

impl<'b> Pieces<'b> {
    pub(super) fn new(rects: Vec<Rect>, bytes: &'b [u8]) -> Self {
        Self { rects, bytes }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Piece<'b>> {
        let mut rest = self.bytes;
        self.rects.iter().map(move |rect| {
            let (bytes, behind) = rest.split_at(bytes_of(*rect));
            rest = behind;
            Piece { rect: *rect, bytes }
        })
    }
}

impl<'b> Piece<'b> {
    /// The part of the screen's row `y` that lies inside `within`, itself inside the piece.
    pub(super) fn row(&self, within: Rect, y: usize) -> &'b [u8] {
        let row = y - self.rect.y as usize;
        let start = (row * self.rect.width as usize + (within.x - self.rect.x) as usize) * 4;
        &self.bytes[start..start + within.width as usize * 4]
    }
}

fn bytes_of(rect: Rect) -> usize {
    rect.width as usize * rect.height as usize * 4
}

/// A screen is never larger than X's own 16 bit coordinates.
fn wire(rect: Rect) -> (i16, i16, u16, u16) {
    (rect.x as i16, rect.y as i16, rect.width as u16, rect.height as u16)
}

fn has_plain_pixels(x: &RustConnection, root: usize) -> bool {
    let setup = x.setup();
    let depth = setup.roots[root].root_depth;
    let wide = setup.pixmap_formats.iter().any(|f| f.depth == depth && f.bits_per_pixel == 32);
    wide && matches!(depth, 24 | 32) && setup.image_byte_order == ImageOrder::LSB_FIRST
}

fn lost(error: io::Error) -> ReplyError {
    ConnectionError::IoError(error).into()
}
