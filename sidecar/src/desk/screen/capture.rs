//! Pixels out of the X server: through shared memory, by plain requests, or by xcap.

use std::{
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
};

use nix::sys::memfd::{MFdFlags, memfd_create};
use protocol::{action::Rect, desktop::Size};
use x11rb::{
    connection::{Connection, RequestConnection},
    errors::{ConnectionError, ReplyError},
    protocol::{
        shm::{self, ConnectionExt as _},
        xproto::{ConnectionExt as _, ImageFormat, ImageOrder},
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

/// Memory that the server writes to. It is read as a file and never mapped here: a server that cut
/// it short could then only cause an error.
pub(super) struct SharedMemory {
    segment: shm::Seg,
    memory: std::fs::File,
    length: usize,
    scratch: Vec<u8>,
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

    /// Copies the pixels of `rect` into their place in `frame`, a picture of the whole screen.
    pub(super) fn grab(
        &mut self,
        x: &RustConnection,
        root: u32,
        rect: Rect,
        frame: &mut [u8],
        screen: Size,
    ) -> Result<(), ReplyError> {
        match self {
            Source::Shm(memory) => memory.grab(x, root, rect, frame, screen),
            Source::Plain => grab_plain(x, root, rect, frame, screen),
            Source::Xcap => grab_xcap(frame, screen),
        }
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
        let memory = memfd_create(c"screen", MFdFlags::MFD_CLOEXEC).map_err(io::Error::from).map_err(lost)?;
        let memory = std::fs::File::from(memory);
        memory.set_len(length as u64).map_err(lost)?;
        let segment = x.generate_id().map_err(|_| ConnectionError::UnknownError)?;
        let theirs: OwnedFd = memory.try_clone().map_err(lost)?.into();
        x.shm_attach_fd(segment, theirs, false)?.check()?;
        Ok(Self { segment, memory, length, scratch: Vec::new() })
    }

    fn grab(
        &mut self,
        x: &RustConnection,
        root: u32,
        rect: Rect,
        frame: &mut [u8],
        screen: Size,
    ) -> Result<(), ReplyError> {
        let bytes = rect.width as usize * rect.height as usize * 4;
        if bytes > self.length {
            let larger = SharedMemory::attach(x, bytes)?;
            let old = std::mem::replace(self, larger);
            x.shm_detach(old.segment)?;
        }
        let format = ImageFormat::Z_PIXMAP.into();
        let (left, top, width, height) = wire(rect);
        x.shm_get_image(root, left, top, width, height, !0, format, self.segment, 0)?.reply()?;
        if rect.width == screen.width {
            let start = rect.y as usize * screen.width as usize * 4;
            return self.memory.read_exact_at(&mut frame[start..start + bytes], 0).map_err(lost);
        }
        self.scratch.resize(bytes, 0);
        self.memory.read_exact_at(&mut self.scratch, 0).map_err(lost)?;
        place(&self.scratch, rect, frame, screen);
        Ok(())
    }
}

fn grab_plain(x: &RustConnection, root: u32, rect: Rect, frame: &mut [u8], screen: Size) -> Result<(), ReplyError> {
    let (left, top, width, height) = wire(rect);
    let image = x.get_image(ImageFormat::Z_PIXMAP, root, left, top, width, height, !0)?.reply()?;
    if image.data.len() < rect.width as usize * rect.height as usize * 4 {
        return Err(lost(io::ErrorKind::UnexpectedEof.into()));
    }
    place(&image.data, rect, frame, screen);
    Ok(())
}

fn grab_xcap(frame: &mut [u8], screen: Size) -> Result<(), ReplyError> {
    let monitor = xcap::Monitor::from_point(0, 0).map_err(|e| lost(io::Error::other(e)))?;
    let image = monitor.capture_image().map_err(|e| lost(io::Error::other(e)))?;
    if (image.width(), image.height()) != (screen.width, screen.height) {
        let message = format!("xcap saw {}x{} pixels of {screen:?}", image.width(), image.height());
        return Err(lost(io::Error::other(message)));
    }
    for (to, from) in frame.chunks_exact_mut(4).zip(image.as_raw().chunks_exact(4)) {
        to.copy_from_slice(&[from[2], from[1], from[0], 0]);
    }
    Ok(())
}

fn place(pixels: &[u8], rect: Rect, frame: &mut [u8], screen: Size) {
    let (stride, width) = (screen.width as usize * 4, rect.width as usize * 4);
    let start = rect.y as usize * stride + rect.x as usize * 4;
    for (row, from) in pixels.chunks_exact(width).take(rect.height as usize).enumerate() {
        let at = start + row * stride;
        frame[at..at + width].copy_from_slice(from);
    }
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
