//! The thread that keeps a copy of the screen up to date by what the server says was drawn.

use std::{
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

use protocol::{
    action::{Point, Rect},
    desktop::Size,
};
use tokio::sync::{oneshot, watch};
use x11rb::{
    connection::{Connection, RequestConnection},
    errors::{ConnectionError, ReplyError},
    protocol::{
        Event,
        damage::{self, ConnectionExt as _, ReportLevel},
        randr::{self, ConnectionExt as _},
        xfixes::{self, ConnectionExt as _},
        xproto::ConnectionExt as _,
    },
    rust_connection::RustConnection,
};

use super::{
    Frame, Method, Order, Published,
    capture::Source,
    cursor, rects,
    resize::{self, Failure},
};
use crate::{
    desk::{mailbox::Receiver, screen::CursorShape},
    link::Refusal,
};

/// What is drawn together is mostly reported within this time.
const COALESCE: Duration = Duration::from_micros(700);
/// The shortest time between two frames for those who watch.
const PACE: Duration = Duration::from_millis(15);
/// How often a server that does not report damage is looked at while somebody watches.
const LOOK: Duration = Duration::from_millis(100);
/// A size that changes while pixels are read makes the server refuse; more often in a row is a fault.
const ATTEMPTS: usize = 5;

pub(super) fn run(
    display: Option<&str>,
    method: Method,
    inbox: &Receiver<Order>,
    ready: oneshot::Sender<Result<Published, Refusal>>,
) {
    let (mut mirror, published) = match Mirror::start(display, method) {
        Ok(started) => started,
        Err(refusal) => return drop(ready.send(Err(refusal))),
    };
    if ready.send(Ok(published)).is_err() {
        return;
    }
    if let Err(error) = mirror.work(inbox) {
        tracing::error!(%error, "the X server is gone");
    }
}

struct Mirror {
    x: RustConnection,
    root: u32,
    source: Source,
    /// `None` where the server cannot say what was drawn.
    damage: Option<(damage::Damage, xfixes::Region)>,
    frames: Arc<watch::Sender<Arc<Frame>>>,
    cursor: watch::Sender<Arc<CursorShape>>,
    /// When the server said that something was drawn that no frame shows yet.
    damaged: Option<Instant>,
    captured: Instant,
    /// The memory of a frame that nobody holds any more.
    spare: Option<Vec<u8>>,
}

impl Mirror {
    fn start(display: Option<&str>, method: Method) -> Result<(Mirror, Published), Refusal> {
        let shown = display.map(str::to_owned).or_else(|| std::env::var("DISPLAY").ok()).unwrap_or_default();
        let (x, number) = x11rb::connect(display)
            .map_err(|e| Refusal::unavailable(format!("connect to the X server at DISPLAY={shown:?}: {e}")))?;
        let failed = |what: &str, e: &dyn std::fmt::Display| Refusal::failed(format!("{what} of {shown:?}: {e}"));
        let root = x.setup().roots[number].root;
        let mut source =
            Source::choose(&x, number, method).map_err(|e| failed("choose a way to read the pixels", &e))?;
        let damage = watch_damage(&x, root).map_err(|e| failed("watch the drawing", &e))?;
        let shape = if cursor::watch(&x, root).is_ok() { cursor::shape(&x).ok() } else { None };
        let size = size_of(&x, root).map_err(|e| failed("read the size", &e))?;
        let mut pixels = vec![0; size.width as usize * size.height as usize * 4];
        let all = Rect { x: 0, y: 0, width: size.width, height: size.height };
        source.grab(&x, root, all, &mut pixels, size).map_err(|e| failed("read the pixels", &e))?;

        let frame = Frame { size, serial: 1, pixels: Arc::new(pixels), damage: vec![all] };
        let frames = Arc::new(watch::Sender::new(Arc::new(frame)));
        let (cursor, shapes) = watch::channel(Arc::new(shape.unwrap_or_else(cursor::none)));
        let published = Published { frames: frames.clone(), cursor: shapes };
        let captured = Instant::now();
        Ok((Mirror { x, root, source, damage, frames, cursor, damaged: None, captured, spare: None }, published))
    }

    fn work(&mut self, inbox: &Receiver<Order>) -> Result<(), ReplyError> {
        loop {
            // Any reply that was waited for may have left events in x11rb's own buffer, where poll does not
            // see them: so every round ends by finding neither events nor orders before it waits.
            let mut idle = true;
            while let Some(event) = self.x.poll_for_event()? {
                self.notice(event)?;
                idle = false;
            }
            loop {
                match inbox.take() {
                    Ok(Some(order)) => self.obey(order)?,
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
                idle = false;
            }
            if !idle {
                continue;
            }
            let due = self.due();
            let now = Instant::now();
            if due.is_some_and(|due| due <= now) {
                self.catch_up()?;
                continue;
            }
            self.x.flush()?;
            let timeout = due.map(|due| due - now);
            inbox.wait(self.x.stream().as_fd(), timeout).map_err(ConnectionError::IoError)?;
        }
    }

    /// When the next frame is to be captured for those who watch.
    fn due(&self) -> Option<Instant> {
        if self.frames.receiver_count() == 0 {
            return None;
        }
        match (self.damaged, &self.damage) {
            (Some(noticed), _) => Some((noticed + COALESCE).max(self.captured + PACE)),
            (None, Some(_)) => None,
            (None, None) => Some(self.captured + LOOK),
        }
    }

    fn notice(&mut self, event: Event) -> Result<(), ReplyError> {
        match event {
            Event::DamageNotify(_) => {
                self.damaged.get_or_insert_with(Instant::now);
            }
            // The pixels of the new size may not be drawn yet; they come as damage.
            Event::RandrScreenChangeNotify(_) | Event::ConfigureNotify(_) => self.catch_up()?,
            Event::XfixesCursorNotify(_) => match cursor::shape(&self.x) {
                Ok(shape) => {
                    self.cursor.send_if_modified(|shown| {
                        let other = **shown != shape;
                        if other {
                            *shown = Arc::new(shape);
                        }
                        other
                    });
                }
                Err(ReplyError::X11Error(_)) => {}
                Err(lost) => return Err(lost),
            },
            _ => {}
        }
        Ok(())
    }

    fn obey(&mut self, order: Order) -> Result<(), ReplyError> {
        match order {
            Order::Fresh(reply) => {
                self.catch_up()?;
                let _ = reply.send(Ok(self.frames.borrow().clone()));
            }
            Order::Watched => {}
            Order::Resize(size, reply) => {
                let answer = match resize::resize(&self.x, self.root, size) {
                    Ok(()) => {
                        self.catch_up()?;
                        Ok(self.frames.borrow().size)
                    }
                    Err(Failure::Refused(message)) => Err(Refusal::failed(message)),
                    Err(Failure::Lost(lost)) => return Err(lost.into()),
                };
                let _ = reply.send(answer);
            }
            Order::Pointer(reply) => {
                let pointer = self.x.query_pointer(self.root)?.reply()?;
                let _ = reply.send(Ok(Point { x: pointer.root_x.into(), y: pointer.root_y.into() }));
            }
        }
        Ok(())
    }

    /// Makes the newest frame show all that the server has drawn by now.
    fn catch_up(&mut self) -> Result<(), ReplyError> {
        for _ in 1..ATTEMPTS {
            match self.capture() {
                Err(ReplyError::X11Error(_)) => {}
                other => return other,
            }
        }
        self.capture()
    }

    fn capture(&mut self) -> Result<(), ReplyError> {
        self.damaged = None;
        self.captured = Instant::now();
        let before = self.frames.borrow().clone();
        let size = size_of(&self.x, self.root)?;
        let all = Rect { x: 0, y: 0, width: size.width, height: size.height };
        let reported = self.take_damage()?;
        let damage = match reported {
            _ if size != before.size => vec![all],
            Some(rects) => rects::few(rects, size),
            None => vec![all],
        };
        if damage.is_empty() {
            return Ok(());
        }
        let mut pixels = self.spare.take().unwrap_or_default();
        pixels.clear();
        if size == before.size {
            pixels.extend_from_slice(&before.pixels);
        } else {
            pixels.resize(size.width as usize * size.height as usize * 4, 0);
        }
        let grabbed: &[Rect] = if self.source.takes_all() { &[all] } else { &damage };
        for rect in grabbed {
            if let Err(error) = self.source.grab(&self.x, self.root, *rect, &mut pixels, size) {
                // What was reported is not shown by any frame: the next attempt reads everything.
                self.damaged = Some(Instant::now());
                self.redraw_all()?;
                return Err(error);
            }
        }
        let mut frame = Frame { size, serial: before.serial + 1, pixels: Arc::new(pixels), damage };
        if self.damage.is_none() && size == before.size {
            match frame.difference(&before, all) {
                Some(changed) => frame.damage = vec![changed],
                None => return Ok(()),
            }
        }
        drop(before);
        let old = self.frames.send_replace(Arc::new(frame));
        self.spare = Arc::try_unwrap(old).ok().and_then(|old| Arc::try_unwrap(old.pixels).ok());
        Ok(())
    }

    /// What was drawn since the last time, or `None` where the server cannot say.
    fn take_damage(&self) -> Result<Option<Vec<Rect>>, ReplyError> {
        let Some((damage, region)) = self.damage else { return Ok(None) };
        // First subtract, then read the pixels: what is drawn between the two is reported again.
        self.x.damage_subtract(damage, x11rb::NONE, region)?;
        let region = self.x.xfixes_fetch_region(region)?.reply()?;
        let rect = |r: x11rb::protocol::xproto::Rectangle| Rect {
            x: r.x.into(),
            y: r.y.into(),
            width: r.width.into(),
            height: r.height.into(),
        };
        Ok(Some(region.rectangles.into_iter().map(rect).collect()))
    }

    /// Counts the whole screen as drawn.
    fn redraw_all(&self) -> Result<(), ReplyError> {
        let Some((_, region)) = self.damage else { return Ok(()) };
        let all = x11rb::protocol::xproto::Rectangle { x: 0, y: 0, width: i16::MAX as u16, height: i16::MAX as u16 };
        self.x.xfixes_set_region(region, &[all])?;
        self.x.damage_add(self.root, region)?;
        Ok(())
    }
}

fn size_of(x: &RustConnection, root: u32) -> Result<Size, ReplyError> {
    let geometry = x.get_geometry(root)?.reply()?;
    Ok(Size { width: geometry.width.into(), height: geometry.height.into() })
}

fn watch_damage(x: &RustConnection, root: u32) -> Result<Option<(damage::Damage, xfixes::Region)>, ReplyError> {
    if x.extension_information(randr::X11_EXTENSION_NAME)?.is_some() {
        x.randr_query_version(1, 5)?.reply()?;
        x.randr_select_input(root, randr::NotifyMask::SCREEN_CHANGE)?;
    }
    if x.extension_information(xfixes::X11_EXTENSION_NAME)?.is_none() {
        return Ok(None);
    }
    x.xfixes_query_version(5, 0)?.reply()?;
    if x.extension_information(damage::X11_EXTENSION_NAME)?.is_none() {
        return Ok(None);
    }
    x.damage_query_version(1, 1)?.reply()?;
    let id = || x.generate_id().map_err(|_| ConnectionError::UnknownError);
    let (watched, region) = (id()?, id()?);
    x.xfixes_create_region(region, &[])?;
    x.damage_create(watched, root, ReportLevel::NON_EMPTY)?.check()?;
    Ok(Some((watched, region)))
}
