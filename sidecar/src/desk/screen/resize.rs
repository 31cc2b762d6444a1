//! Another size for the screen while it runs, by RandR.

use protocol::desktop::Size;
use x11rb::{
    connection::RequestConnection,
    errors::{ConnectionError, ReplyError},
    protocol::{
        randr::{self, ConnectionExt as _, Crtc, Mode, ModeFlag, ModeInfo, Output, Rotation, SetConfig},
        xproto::ConnectionExt as _,
    },
    rust_connection::RustConnection,
};

/// Modes of ours carry this name, so that those no longer used can be told from the server's own.
const NAME: &str = "cloudbot-";
const MILLIMETRES_PER_100_000_PIXELS: u32 = 26_458;

pub(super) enum Failure {
    /// The server cannot, for a person.
    Refused(String),
    Lost(ConnectionError),
}

/// Makes the screen `size` large.
pub(super) fn resize(x: &RustConnection, root: u32, size: Size) -> Result<(), Failure> {
    let geometry = x.get_geometry(root)?.reply()?;
    let old = Size { width: geometry.width.into(), height: geometry.height.into() };
    if old == size {
        return Ok(());
    }
    if x.extension_information(randr::X11_EXTENSION_NAME)?.is_none() {
        return Err(refused(size, "its X server has no RandR, so its size is fixed"));
    }
    let range = x.randr_get_screen_size_range(root)?.reply()?;
    let fits = (range.min_width..=range.max_width).contains(&(size.width as u16))
        && (range.min_height..=range.max_height).contains(&(size.height as u16));
    if !fits {
        let (w0, h0, w1, h1) = (range.min_width, range.min_height, range.max_width, range.max_height);
        return Err(refused(size, &format!("its X server allows {w0}x{h0} to {w1}x{h1}")));
    }
    let screen = Outputs::find(x, root, size)?;
    let mode = match screen.mode_of(size) {
        Some(mode) => mode,
        None => screen.add_mode(x, root, size)?,
    };
    x.grab_server()?;
    let switched = screen.switch(x, root, mode, old, size);
    x.ungrab_server()?;
    match switched {
        Ok(()) => screen.forget_modes(x, root, mode),
        Err(Failure::Refused(message)) => {
            screen.forget_modes(x, root, screen.mode)?;
            Err(Failure::Refused(message))
        }
        Err(lost) => Err(lost),
    }
}

/// The one output that shows the screen.
struct Outputs {
    crtc: Crtc,
    output: Output,
    /// The mode it has now.
    mode: Mode,
    modes: Vec<(ModeInfo, Vec<u8>)>,
    /// The modes this output accepts.
    accepted: Vec<Mode>,
}

impl Outputs {
    fn find(x: &RustConnection, root: u32, size: Size) -> Result<Outputs, Failure> {
        let resources = x.randr_get_screen_resources_current(root)?.reply()?;
        for crtc in &resources.crtcs {
            let info = x.randr_get_crtc_info(*crtc, 0)?.reply()?;
            let Some(output) = info.outputs.first() else { continue };
            let accepted = x.randr_get_output_info(*output, 0)?.reply()?.modes;
            let mut names = resources.names.as_slice();
            let mut modes = Vec::new();
            for mode in &resources.modes {
                let (name, rest) = names.split_at((mode.name_len as usize).min(names.len()));
                modes.push((*mode, name.to_vec()));
                names = rest;
            }
            return Ok(Outputs { crtc: *crtc, output: *output, mode: info.mode, modes, accepted });
        }
        Err(refused(size, "its X server shows it on no output whose mode could be changed"))
    }

    fn mode_of(&self, size: Size) -> Option<Mode> {
        let fits = |m: &ModeInfo| (u32::from(m.width), u32::from(m.height)) == (size.width, size.height);
        self.modes.iter().map(|(mode, _)| mode).find(|m| fits(m) && self.accepted.contains(&m.id)).map(|m| m.id)
    }

    fn add_mode(&self, x: &RustConnection, root: u32, size: Size) -> Result<Mode, Failure> {
        let name = format!("{NAME}{}x{}", size.width, size.height);
        let (width, height) = (size.width as u16, size.height as u16);
        // No monitor will ever see these pulses: they only have to be in order and slow enough for every driver.
        let (htotal, vtotal) = (width + 160, height + 40);
        let info = ModeInfo {
            id: 0,
            width,
            height,
            dot_clock: u32::from(htotal) * u32::from(vtotal) * 30,
            hsync_start: width + 48,
            hsync_end: width + 80,
            htotal,
            hskew: 0,
            vsync_start: height + 3,
            vsync_end: height + 10,
            vtotal,
            name_len: name.len() as u16,
            mode_flags: ModeFlag::HSYNC_POSITIVE | ModeFlag::VSYNC_NEGATIVE,
        };
        let mode = match x.randr_create_mode(root, info, name.as_bytes())?.reply() {
            Ok(created) => created.mode,
            Err(error) => return Err(told(error, size, "its X server takes no new modes")),
        };
        match x.randr_add_output_mode(self.output, mode)?.check() {
            Ok(()) => Ok(mode),
            Err(error) => {
                x.randr_destroy_mode(mode)?;
                Err(told(error, size, "its output takes no new modes"))
            }
        }
    }

    /// A mode must lie inside the screen at every step, so the output is dark while the screen's size changes.
    fn switch(&self, x: &RustConnection, root: u32, mode: Mode, old: Size, new: Size) -> Result<(), Failure> {
        let set = |mode: Mode| -> Result<bool, Failure> {
            let outputs: &[Output] = if mode == 0 { &[] } else { &[self.output] };
            let reply = x.randr_set_crtc_config(self.crtc, 0, 0, 0, 0, mode, Rotation::ROTATE0, outputs)?.reply();
            match reply {
                Ok(reply) => Ok(reply.status == SetConfig::SUCCESS),
                Err(ReplyError::X11Error(_)) => Ok(false),
                Err(ReplyError::ConnectionError(lost)) => Err(Failure::Lost(lost)),
            }
        };
        let stretch = |size: Size| -> Result<bool, Failure> {
            let millimetres = |pixels: u32| (pixels * MILLIMETRES_PER_100_000_PIXELS / 100_000).max(1);
            let (w, h) = (size.width as u16, size.height as u16);
            match x.randr_set_screen_size(root, w, h, millimetres(size.width), millimetres(size.height))?.check() {
                Ok(()) => Ok(true),
                Err(ReplyError::X11Error(_)) => Ok(false),
                Err(ReplyError::ConnectionError(lost)) => Err(Failure::Lost(lost)),
            }
        };
        if set(0)? && stretch(new)? && set(mode)? {
            return Ok(());
        }
        let _ = stretch(old)? && set(self.mode)?;
        Err(refused(new, "its X server has modes of a fixed size only"))
    }

    /// Removes modes of ours that are not `kept`.
    fn forget_modes(&self, x: &RustConnection, root: u32, kept: Mode) -> Result<(), Failure> {
        let resources = x.randr_get_screen_resources_current(root)?;
        let Ok(resources) = resources.reply() else { return Ok(()) };
        let mut names = resources.names.as_slice();
        for mode in &resources.modes {
            let (name, rest) = names.split_at((mode.name_len as usize).min(names.len()));
            names = rest;
            if name.starts_with(NAME.as_bytes()) && mode.id != kept {
                x.randr_delete_output_mode(self.output, mode.id)?.ignore_error();
                x.randr_destroy_mode(mode.id)?.ignore_error();
            }
        }
        Ok(())
    }
}

fn refused(size: Size, why: &str) -> Failure {
    Failure::Refused(format!("the screen cannot become {}x{}: {why}", size.width, size.height))
}

fn told(error: ReplyError, size: Size, why: &str) -> Failure {
    match error {
        ReplyError::X11Error(_) => refused(size, why),
        ReplyError::ConnectionError(lost) => Failure::Lost(lost),
    }
}

impl From<ConnectionError> for Failure {
    fn from(lost: ConnectionError) -> Self {
        Failure::Lost(lost)
    }
}

impl From<ReplyError> for Failure {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::X11Error(error) => {
                Failure::Refused(format!("the X server refused to change the size: {error:?}"))
            }
            ReplyError::ConnectionError(lost) => Failure::Lost(lost),
        }
    }
}
