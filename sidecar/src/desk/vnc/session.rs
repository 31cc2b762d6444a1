//! One viewer's connection after the handshake: whatever comes first is dealt with first.

use std::{future, pin::Pin, sync::Arc, time::Instant};

use bytes::BytesMut;
use protocol::desktop::Size;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
};

use super::{
    ServeError, Viewer,
    accept::Start,
    clip::Clip,
    flow::Flow,
    hands::Hands,
    outbox::Outbox,
    painter::{Extras, Order, Painted},
    sizes::Sizes,
    studio::Seat,
    view::{Seen, View},
};
use crate::{
    desk::{
        rfb::{
            ClientMessage, Decoder, PixelFormat, Wishes,
            server::{self, FENCE_BLOCK_BEFORE, FENCE_KNOWN, FENCE_REQUEST, SizeOutcome},
        },
        screen::CursorShape,
    },
    link::{Refusal, RefusalKind},
};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

pub(super) struct Session<'v> {
    viewer: &'v Viewer,
    hands: &'v mut Hands,
    input: BytesMut,
    decoder: Decoder,
    outbox: Outbox,
    /// Answers that may not overtake the update that is being painted.
    deferred: BytesMut,
    format: PixelFormat,
    wishes: Wishes,
    flow: Flow,
    view: View,
    seat: Seat,
    sizes: Sizes,
    resizing: Option<Resizing<'v>>,
    cursor: watch::Receiver<Arc<CursorShape>>,
    extras: Extras,
    told: Told,
    clip: Clip,
}

type Resizing<'v> = Pin<Box<dyn Future<Output = Result<Size, Refusal>> + Send + 'v>>;

/// What is announced to a viewer once.
#[derive(Default)]
struct Told {
    /// Until the viewer has said what it understands, it is told nothing on our own accord.
    anything: bool,
    name: bool,
    extended_mouse_buttons: bool,
    qemu_keys: bool,
    continuous_updates: bool,
}

enum Event {
    Read(usize),
    Wrote,
    Seen(Seen),
    Cursor,
    Clipboard,
    Resized(Result<Size, Refusal>),
    /// What was sent with losses has stood still.
    Refine,
    /// The way to the viewer is foreseen to be free.
    Free,
}

impl<'v> Session<'v> {
    pub(super) fn new(viewer: &'v Viewer, start: Start, hands: &'v mut Hands) -> Result<Self, ServeError> {
        let view = View::new(start.size, start.frames);
        Ok(Self {
            viewer,
            hands,
            input: start.input,
            decoder: Decoder::new(),
            outbox: Outbox::default(),
            deferred: BytesMut::new(),
            format: PixelFormat::OURS,
            wishes: Wishes::default(),
            flow: Flow::default(),
            sizes: Sizes::new(view.size()),
            view,
            seat: viewer.studio.seat(),
            resizing: None,
            cursor: viewer.screen.cursor(),
            extras: Extras::default(),
            told: Told::default(),
            clip: Clip::new(viewer),
        })
    }

    /// Until the viewer leaves.
    pub(super) async fn run(&mut self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), ServeError> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        loop {
            self.obey().await?;
            self.proceed();
            match self.next(&mut reader, &mut writer).await? {
                Event::Read(0) => return Ok(()),
                Event::Read(_) => {}
                Event::Wrote if self.outbox.is_empty() => writer.flush().await?,
                Event::Wrote => {}
                Event::Seen(Seen::Drawn) => {}
                Event::Seen(Seen::Resized(size)) => self.sizes.changed(size),
                Event::Seen(Seen::Painted(painted)) => self.painted(painted),
                Event::Refine => {}
                Event::Cursor => self.show_cursor(),
                Event::Clipboard => self.clip.tell(&self.wishes, self.outbox.answers()),
                Event::Resized(outcome) => self.resized(outcome),
                Event::Free => {}
            }
        }
    }

    async fn next(
        &mut self,
        reader: &mut (impl AsyncRead + Unpin),
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<Event, ServeError> {
        let has_room = self.has_room();
        let has_output = !self.outbox.is_empty();
        self.input.reserve(CHUNK);
        let is_ready = !self.view.is_painting() && !has_output;
        let next_try = if is_ready { self.flow.next_try(Instant::now()) } else { None };
        let free = async {
            match next_try {
                Some(then) => tokio::time::sleep_until(then.into()).await,
                None => future::pending().await,
            }
        };
        let resized = async {
            match &mut self.resizing {
                Some(resizing) => resizing.await,
                None => future::pending().await,
            }
        };
        // Due but not yet possible is no reason to wake: whatever makes it possible wakes.
        let refine = self.view.refinement_due().filter(|due| *due > Instant::now());
        let refine = async {
            match refine {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            read = reader.read_buf(&mut self.input), if has_room => Ok(Event::Read(read?)),
            wrote = writer.write_buf(self.outbox.writing()), if has_output => match wrote? {
                0 => Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into()),
                _ => Ok(Event::Wrote),
            },
            seen = self.view.next() => Ok(Event::Seen(seen?)),
            changed = self.cursor.changed() => changed.map(|()| Event::Cursor).map_err(|_| ServeError::ScreenGone),
            () = self.clip.changed(), if has_room && self.told.anything => Ok(Event::Clipboard),
            outcome = resized => Ok(Event::Resized(outcome)),
            () = refine => Ok(Event::Refine),
            () = free => Ok(Event::Free),
        }
    }

    fn has_room(&self) -> bool {
        self.outbox.has_room() && self.deferred.len() < CHUNK
    }

    /// Does what the viewer has said so far, as long as there is room for the answers.
    async fn obey(&mut self) -> Result<(), ServeError> {
        while self.has_room()
            && let Some(message) = self.decoder.decode(&mut self.input)?
        {
            self.hear(message).await;
        }
        Ok(())
    }

    async fn hear(&mut self, message: ClientMessage) {
        match message {
            ClientMessage::SetPixelFormat(format) => {
                self.format = format;
                self.seat.take(&self.format, &self.wishes);
            }
            ClientMessage::SetEncodings(wishes) => self.learn(wishes),
            ClientMessage::UpdateRequest { incremental, area } => {
                self.flow.request(area);
                if !incremental {
                    self.view.wanted(area);
                    self.sizes.asked(self.view.size());
                }
            }
            ClientMessage::Key { keysym, scancode, down } => self.hands.key(keysym, scancode, down).await,
            ClientMessage::Pointer { x, y, buttons } => self.hands.pointer(x, y, buttons).await,
            ClientMessage::Clipboard(said) => self.clip.hear(said, self.outbox.answers()).await,
            ClientMessage::ClipboardSkipped { length } => {
                tracing::info!(length, "a viewer's clipboard was too large, and was skipped");
            }
            ClientMessage::SetDesktopSize { width, height } => self.wish_size(width, height),
            ClientMessage::Fence { flags, payload } if flags & FENCE_REQUEST != 0 => {
                // Whatever is being painted was begun before this fence, so it goes out before the answer.
                let out = if self.view.is_painting() { &mut self.deferred } else { self.outbox.answers() };
                server::write_fence(flags & FENCE_KNOWN, &payload, out);
            }
            ClientMessage::Fence { payload, .. } => self.flow.confirmed(&payload, Instant::now()),
            ClientMessage::ContinuousUpdates { enable, area } => {
                if !enable && self.flow.is_continuous() {
                    let out = if self.view.is_painting() { &mut self.deferred } else { self.outbox.answers() };
                    server::write_end_of_continuous_updates(out);
                }
                self.flow.set_continuous(enable.then_some(area));
            }
        }
    }

    /// The viewer told what it can do: it is told what we can.
    fn learn(&mut self, wishes: Wishes) {
        self.wishes = wishes;
        self.seat.take(&self.format, &self.wishes);
        self.told.anything = true;
        self.clip.wishes(&wishes, self.outbox.answers());
        if wishes.cursor {
            self.show_cursor();
        }
        if wishes.desktop_name && !std::mem::replace(&mut self.told.name, true) {
            self.extras.name = Some(self.viewer.name.clone());
        }
        if wishes.extended_mouse_buttons && !std::mem::replace(&mut self.told.extended_mouse_buttons, true) {
            self.extras.extended_mouse_buttons = true;
            self.decoder.expect_extended_mouse_buttons();
        }
        if wishes.qemu_keys && !std::mem::replace(&mut self.told.qemu_keys, true) {
            self.extras.qemu_keys = true;
        }
        // Updates without asking need fences, to know how many are on their way.
        let both = wishes.continuous_updates && wishes.fence;
        if both && !std::mem::replace(&mut self.told.continuous_updates, true) {
            server::write_fence(FENCE_REQUEST, &self.flow.measure(Instant::now()), self.outbox.answers());
            server::write_end_of_continuous_updates(self.outbox.answers());
        }
    }

    fn show_cursor(&mut self) {
        let shape = self.cursor.borrow_and_update().clone();
        if self.wishes.cursor {
            self.extras.cursor = Some(shape);
        }
    }

    fn wish_size(&mut self, width: u16, height: u16) {
        let size = Size { width: width.into(), height: height.into() };
        let now = self.view.size();
        if !self.viewer.control || !self.viewer.floor.belongs_to(&self.viewer.seat) {
            self.sizes.wished(now, SizeOutcome::Prohibited);
        } else if !size.is_acceptable() {
            self.sizes.wished(now, SizeOutcome::Invalid);
        } else {
            // A newer wish replaces one that is not yet answered.
            self.resizing = Some(Box::pin(self.viewer.screen.resize(size)));
        }
    }

    fn resized(&mut self, outcome: Result<Size, Refusal>) {
        self.resizing = None;
        match outcome {
            // The frame of that size may still be on its way: what the viewer is told is what it will get.
            Ok(size) => match (u16::try_from(size.width), u16::try_from(size.height)) {
                (Ok(width), Ok(height)) => self.sizes.wished((width, height), SizeOutcome::Done),
                _ => self.sizes.wished(self.view.size(), SizeOutcome::OutOfResources),
            },
            Err(refusal) => {
                tracing::warn!(error = %refusal, "a viewer's wish for another size failed");
                let outcome = match refusal.kind {
                    RefusalKind::Invalid => SizeOutcome::Invalid,
                    _ => SizeOutcome::OutOfResources,
                };
                self.sizes.wished(self.view.size(), outcome);
            }
        }
    }

    /// Begins an update, when the viewer takes one and there is something to tell.
    fn proceed(&mut self) {
        if self.view.is_painting() || !self.outbox.is_empty() {
            return;
        }
        if self.sizes.has_news() && self.sizes.write(&self.wishes, self.outbox.answers()) {
            // The viewer begins with an empty picture, and asks anew.
            self.flow.begin();
            self.view.wanted(self.view.whole());
        }
        let Some(asked) = self.flow.allowed(Instant::now()) else { return };
        let within = asked.intersect(self.sizes.known()).intersect(self.view.whole());
        let is_due = within == self.view.whole() && self.view.refinement_due().is_some_and(|due| due <= Instant::now());
        if self.extras.is_empty() && !self.view.may_differ(within) && !is_due {
            return;
        }
        let Some(frame) = self.view.current() else { return };
        self.flow.begin();
        let (format, wishes, extras) = (self.format, self.wishes, std::mem::take(&mut self.extras));
        self.view.paint(frame, Order { within, format, wishes, extras }, self.seat.shared());
    }

    fn painted(&mut self, painted: Painted) {
        if painted.bytes.is_empty() {
            self.flow.give_up();
        } else {
            let (bytes, now) = (painted.bytes.len(), Instant::now());
            if let Some(token) = self.flow.before(now) {
                server::write_fence(FENCE_REQUEST | FENCE_BLOCK_BEFORE, &token, self.outbox.answers());
            }
            self.outbox.put(painted.bytes);
            if let Some(token) = self.flow.sent(bytes, now) {
                server::write_fence(FENCE_REQUEST | FENCE_BLOCK_BEFORE, &token, self.outbox.answers());
            }
        }
        self.outbox.put(self.deferred.split());
    }
}
