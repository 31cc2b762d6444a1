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
    Method, Order, Published,
    canvas::Canvas,
    capture::Source,
    cursor, rects,
    resize::{self, Failure},
};
use crate::{
    desk::{mailbox::Receiver, screen::CursorShape},
    link::Refusal,
};

/// What is drawn together is mostly reported within this time.
const COALESCE: Duration = Duration::from_micros(400);
/// The time between two frames for those who watch, where the screen changes all the time.
const PACE: Duration = Duration::from_millis(15);
/// After quieter times frames may be so much early: a key beside a film does not wait for the pace.
const EARLY: Duration = Duration::from_millis(30);
/// How often a server that does not report damage is looked at while somebody watches.
const LOOK: Duration = Duration::from_millis(100);
/// A guess at what was drawn saves a round trip; reading more pixels than this in vain costs more.
const LARGEST_GUESS: u64 = 640 * 1024;
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
    cursor: watch::Sender<Arc<CursorShape>>,
    /// When the server said that something was drawn that no frame shows yet.
    damaged: Option<Instant>,
    captured: Instant,
    /// When the next frame is due by the pace.
    paced: Instant,
    canvas: Canvas,
    /// Around what the server has said so far was drawn; what it says next mostly lies inside.
    guess: Option<Rect>,
    /// Pixels on their way to the canvas, where there is no shared memory.
    bytes: Vec<u8>,
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
        watch_size(&x, root).map_err(|e| failed("watch the size", &e))?;
        let damage = if source.is_disturbed_by_events() { Ok(None) } else { watch_damage(&x, root) };
        let damage = damage.map_err(|e| failed("watch the drawing", &e))?;
        let shape = if cursor::watch(&x, root).is_ok() { cursor::shape(&x).ok() } else { None };
        let size = size_of(&x, root).map_err(|e| failed("read the size", &e))?;
        let pixels = source.read_all(&x, root, size).map_err(|e| failed("read the pixels", &e))?;

        let canvas = Canvas::new(size, pixels);
        let (cursor, shapes) = watch::channel(Arc::new(shape.unwrap_or_else(cursor::none)));
        let published = Published { frames: canvas.shown().clone(), cursor: shapes };
        let (damaged, captured, guess, bytes) = (None, Instant::now(), None, Vec::new());
        let paced = captured;
        Ok((Mirror { x, root, source, damage, cursor, damaged, captured, paced, canvas, guess, bytes }, published))
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
            match due {
                // What else the server tells until then changes nothing: it would only wake us.
                Some(due) => inbox.wait_alone(due - now),
                None => inbox.wait(self.x.stream().as_fd(), None),
            }
            .map_err(ConnectionError::IoError)?;
        }
    }

    /// When the next frame is to be captured for those who watch.
    fn due(&self) -> Option<Instant> {
        if self.canvas.shown().receiver_count() == 0 {
            return None;
        }
        match (self.damaged, &self.damage) {
            (Some(noticed), _) => Some((noticed + COALESCE).max(self.paced.checked_sub(EARLY).unwrap_or(noticed))),
            (None, Some(_)) => None,
            (None, None) => Some(self.captured + LOOK),
        }
    }

    fn notice(&mut self, event: Event) -> Result<(), ReplyError> {
        match event {
            Event::DamageNotify(drawn) => {
                self.damaged.get_or_insert_with(Instant::now);
                self.expect(rect(drawn.area));
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
                let _ = reply.send(Ok(self.canvas.shown().borrow().clone()));
            }
            Order::Watched => {}
            Order::Resize(size, reply) => {
                let answer = match resize::resize(&self.x, self.root, size) {
                    Ok(()) => {
                        self.catch_up()?;
                        Ok(self.canvas.size())
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
        self.paced = self.paced.max(self.captured) + PACE;
        let guess = self.guess.take().filter(|_| self.damage.is_some() && self.source.is_cheap());
        let read = self.read(guess);
        if read.is_err() {
            // What was reported is not shown by any frame: the next attempt reads everything.
            self.damaged = Some(Instant::now());
            self.redraw_all()?;
        }
        read
    }

    /// Reads what was drawn: in one round trip where `guess` holds all of it, as a busy server makes each one slow.
    fn read(&mut self, guess: Option<Rect>) -> Result<(), ReplyError> {
        let geometry = self.x.get_geometry(self.root)?;
        // First subtract, then read the pixels: what is drawn between the two is reported again.
        let region = match self.damage {
            Some((damage, region)) => {
                self.x.damage_subtract(damage, x11rb::NONE, region)?;
                Some(self.x.xfixes_fetch_region(region)?)
            }
            None => None,
        };
        let guessed = guess.map(|guess| self.source.ask(&self.x, self.root, &[guess])).transpose()?;

        let geometry = geometry.reply()?;
        let size = Size { width: geometry.width.into(), height: geometry.height.into() };
        let reported = region.map(|region| region.reply()).transpose()?;
        let all = Rect { x: 0, y: 0, width: size.width, height: size.height };
        if size != self.canvas.size() {
            drop(guessed);
            let pixels = self.source.read_all(&self.x, self.root, size)?;
            self.canvas.resize(size, pixels);
            return Ok(());
        }
        let drawn = match reported {
            Some(region) => rects::few(region.rectangles.into_iter().map(rect), size),
            None => vec![all],
        };
        let pieces = match (guessed, rects::union(&drawn)) {
            (_, None) => return Ok(()),
            (Some(guessed), Some(around)) if guess.is_some_and(|guess| rects::holds(&guess, &around)) => {
                self.source.receive(guessed, &mut self.bytes)?
            }
            (guessed, _) => {
                drop(guessed);
                let wanted: &[Rect] = if self.source.takes_all() { &[all] } else { &drawn };
                let asked = self.source.ask(&self.x, self.root, wanted)?;
                self.source.receive(asked, &mut self.bytes)?
            }
        };
        self.canvas.draw(&pieces);
        Ok(())
    }

    /// Notes where something was drawn; an area too large to be read on a guess is no guess.
    fn expect(&mut self, drawn: Rect) {
        let size = self.canvas.size();
        let guess = rects::clip(self.guess.and_then(|guess| rects::union(&[guess, drawn])).unwrap_or(drawn), size);
        self.guess = guess.filter(|r| u64::from(r.width) * u64::from(r.height) <= LARGEST_GUESS);
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

fn rect(r: x11rb::protocol::xproto::Rectangle) -> Rect {
    Rect { x: r.x.into(), y: r.y.into(), width: r.width.into(), height: r.height.into() }
}

fn size_of(x: &RustConnection, root: u32) -> Result<Size, ReplyError> {
    let geometry = x.get_geometry(root)?.reply()?;
    Ok(Size { width: geometry.width.into(), height: geometry.height.into() })
}

fn watch_size(x: &RustConnection, root: u32) -> Result<(), ReplyError> {
    if x.extension_information(randr::X11_EXTENSION_NAME)?.is_some() {
        x.randr_query_version(1, 5)?.reply()?;
        x.randr_select_input(root, randr::NotifyMask::SCREEN_CHANGE)?;
    }
    Ok(())
}

fn watch_damage(x: &RustConnection, root: u32) -> Result<Option<(damage::Damage, xfixes::Region)>, ReplyError> {
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
    x.damage_create(watched, root, ReportLevel::BOUNDING_BOX)?.check()?;
    Ok(Some((watched, region)))
}
