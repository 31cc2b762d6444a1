//! The thread that owns the CLIPBOARD selection, or reads it from whoever owns it.

use std::{os::fd::AsFd, sync::Arc};

use tokio::sync::{oneshot, watch};
use x11rb::{
    connection::{Connection, RequestConnection},
    errors::{ConnectionError, ReplyError},
    protocol::{
        Event,
        xfixes::{self, ConnectionExt as _, SelectionEventMask},
        xproto::{
            Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, SELECTION_NOTIFY_EVENT,
            SelectionNotifyEvent, SelectionRequestEvent, WindowClass,
        },
    },
    rust_connection::RustConnection,
};

use super::{
    Content, MAX_BYTES, MAX_PICTURE,
    give::{self, Outgoing},
    loan::Lent,
    take::{Arrival, Incoming},
};
use crate::{desk::mailbox::Receiver, link::Refusal};

pub(super) enum Order {
    Set(Content, oneshot::Sender<Result<(), Refusal>>),
    Picture(PictureReply),
    Lend(Arc<str>, u32, LoanReply),
    EndLoan,
}

/// The count of how often the text was fetched, if it is lent.
type LoanReply = oneshot::Sender<Result<Option<watch::Receiver<u32>>, Refusal>>;
type PictureReply = oneshot::Sender<Result<Option<Arc<[u8]>>, Refusal>>;

const PNG_BEGINS: &[u8] = b"\x89PNG\r\n\x1a\n";

type Ready = oneshot::Sender<Result<watch::Receiver<Arc<str>>, Refusal>>;

pub(super) fn run(display: Option<&str>, inbox: &Receiver<Order>, ready: Ready) {
    let (mut owner, text) = match Owner::start(display) {
        Ok(started) => started,
        Err(refusal) => return drop(ready.send(Err(refusal))),
    };
    if ready.send(Ok(text)).is_err() {
        return;
    }
    if let Err(error) = owner.work(inbox) {
        tracing::error!(%error, "the X server is gone");
    }
}

x11rb::atom_manager! {
    Atoms:
    AtomsCookie {
        CLIPBOARD,
        UTF8_STRING,
        STRING,
        TEXT,
        TARGETS,
        TIMESTAMP,
        MULTIPLE,
        SAVE_TARGETS,
        COMPOUND_TEXT,
        INCR,
        CLOUDBOT_CLIPBOARD,
        CLOUDBOT_PICTURE,
        IMAGE_PNG: b"image/png",
        TEXT_PLAIN: b"text/plain",
        TEXT_PLAIN_UTF8: b"text/plain;charset=utf-8",
    }
}

/// What another program has on the clipboard.
#[derive(Clone, PartialEq, Eq)]
enum Theirs {
    Nothing,
    /// A text without fonts or anything else to it, so that it can be offered in that program's place.
    Text(Arc<str>),
    /// The same, on its way to us.
    Texts,
    Other,
}

struct Owner {
    x: RustConnection,
    window: u32,
    atoms: Atoms,
    published: watch::Sender<Arc<str>>,
    /// What we offer while we own the selection.
    offered: Option<Content>,
    lent: Option<Lent>,
    /// What is known of what another program offers.
    theirs: Theirs,
    text: Incoming,
    picture: Incoming,
    /// Who waits for the picture that another program owns.
    waiting: Vec<PictureReply>,
    outgoing: Outgoing,
}

impl Owner {
    fn start(display: Option<&str>) -> Result<(Owner, watch::Receiver<Arc<str>>), Refusal> {
        let (x, number) = x11rb::connect(display)
            .map_err(|e| Refusal::unavailable(format!("connect to the X server for the clipboard: {e}")))?;
        let root = x.setup().roots[number].root;
        let (sender, text) = watch::channel(Arc::from(""));
        let set_up = || -> Result<(u32, Atoms, bool), ReplyError> {
            let atoms = Atoms::new(&x)?.reply()?;
            let window = x.generate_id().map_err(|_| ConnectionError::UnknownError)?;
            let events = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
            x.create_window(0, window, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &events)?.check()?;
            if x.extension_information(xfixes::X11_EXTENSION_NAME)?.is_some() {
                x.xfixes_query_version(5, 0)?.reply()?;
                x.xfixes_select_selection_input(window, atoms.CLIPBOARD, SelectionEventMask::SET_SELECTION_OWNER)?;
            }
            let owner = x.get_selection_owner(atoms.CLIPBOARD)?.reply()?.owner;
            Ok((window, atoms, owner != x11rb::NONE))
        };
        let (window, atoms, is_owned) = set_up().map_err(|e| Refusal::failed(format!("set up the clipboard: {e}")))?;
        let owner = Owner {
            text: Incoming::new(window, atoms.CLOUDBOT_CLIPBOARD, atoms.INCR, MAX_BYTES),
            picture: Incoming::new(window, atoms.CLOUDBOT_PICTURE, atoms.INCR, MAX_PICTURE),
            waiting: Vec::new(),
            outgoing: Outgoing::default(),
            published: sender,
            offered: None,
            lent: None,
            theirs: if is_owned { Theirs::Other } else { Theirs::Nothing },
            x,
            window,
            atoms,
        };
        owner.ask(atoms.TARGETS, &owner.text).map_err(|e| Refusal::failed(format!("read the clipboard: {e}")))?;
        Ok((owner, text))
    }

    fn work(&mut self, inbox: &Receiver<Order>) -> Result<(), ReplyError> {
        loop {
            let mut idle = true;
            while let Some(event) = self.x.poll_for_event()? {
                self.notice(event)?;
                idle = false;
            }
            loop {
                match inbox.take() {
                    Ok(Some(Order::Set(content, reply))) => drop(reply.send(self.set(content)?)),
                    Ok(Some(Order::Picture(reply))) => self.fetch_picture(reply)?,
                    Ok(Some(Order::Lend(text, window, reply))) => drop(reply.send(Ok(self.lend(text, window)?))),
                    Ok(Some(Order::EndLoan)) => self.end_loan()?,
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
                idle = false;
            }
            if idle {
                self.x.flush()?;
                inbox.wait(self.x.stream().as_fd(), None).map_err(ConnectionError::IoError)?;
            }
        }
    }

    fn set(&mut self, content: Content) -> Result<Result<(), Refusal>, ReplyError> {
        let text = match &content {
            Content::Text(text) => text.clone(),
            Content::Png(_) => Arc::from(""),
        };
        self.offered = Some(content);
        if !self.own()? {
            self.offered = None;
            return Ok(Err(Refusal::failed("another program took the clipboard in the same moment; try again")));
        }
        self.give_up_picture();
        self.publish(text);
        Ok(Ok(()))
    }

    /// Takes the selection.
    fn own(&self) -> Result<bool, ReplyError> {
        self.x.set_selection_owner(self.window, self.atoms.CLIPBOARD, x11rb::CURRENT_TIME)?;
        Ok(self.x.get_selection_owner(self.atoms.CLIPBOARD)?.reply()?.owner == self.window)
    }

    fn lend(&mut self, text: Arc<str>, window: u32) -> Result<Option<watch::Receiver<u32>>, ReplyError> {
        if self.offered.is_none() {
            match &self.theirs {
                Theirs::Nothing => {}
                // From now on it is ours to offer.
                Theirs::Text(theirs) => self.offered = Some(Content::Text(theirs.clone())),
                Theirs::Texts | Theirs::Other => return Ok(None),
            }
        }
        if !self.own()? {
            self.offered = None;
            return Ok(None);
        }
        self.theirs = Theirs::Nothing;
        let (lent, fetches) = Lent::new(text, window, self.x.setup().resource_id_mask);
        self.lent = Some(lent);
        Ok(Some(fetches))
    }

    fn end_loan(&mut self) -> Result<(), ReplyError> {
        // Without it somebody else has taken the selection since.
        if self.lent.take().is_some() && self.offered.is_none() {
            self.x.set_selection_owner(x11rb::NONE, self.atoms.CLIPBOARD, x11rb::CURRENT_TIME)?;
        }
        Ok(())
    }

    fn notice(&mut self, event: Event) -> Result<(), ReplyError> {
        match event {
            Event::XfixesSelectionNotify(change) if change.owner == x11rb::NONE => self.theirs = Theirs::Nothing,
            Event::XfixesSelectionNotify(change) if change.owner != self.window => {
                self.lose();
                self.theirs = Theirs::Other;
                self.give_up_picture();
                self.ask(self.atoms.TARGETS, &self.text)?;
            }
            Event::SelectionClear(_) => self.lose(),
            Event::SelectionRequest(request) => self.answer(&request)?,
            Event::SelectionNotify(answer) if answer.requestor == self.window => self.receive(&answer)?,
            Event::PropertyNotify(change) => {
                let text = self.text.proceed(&self.x, &change)?;
                self.take_text(text)?;
                let picture = self.picture.proceed(&self.x, &change)?;
                self.take_picture(picture);
                self.outgoing.proceed(&self.x, &change)?;
            }
            Event::DestroyNotify(gone) => self.outgoing.forget(gone.window),
            _ => {}
        }
        Ok(())
    }

    /// Another program has the selection.
    fn lose(&mut self) {
        (self.offered, self.lent) = (None, None);
    }

    /// Asks the owner for the selection; a [`SelectionNotifyEvent`] comes back some time, or never.
    fn ask(&self, target: Atom, to: &Incoming) -> Result<(), ReplyError> {
        let clipboard = self.atoms.CLIPBOARD;
        self.x.convert_selection(self.window, clipboard, target, to.property(), x11rb::CURRENT_TIME)?;
        Ok(())
    }

    fn receive(&mut self, answer: &SelectionNotifyEvent) -> Result<(), ReplyError> {
        let none = answer.property == x11rb::NONE;
        if answer.target == self.atoms.IMAGE_PNG {
            if none {
                self.answer_waiting(&Ok(None));
                return Ok(());
            }
            let picture = self.picture.begin(&self.x)?;
            self.take_picture(picture);
            return Ok(());
        }
        if !none {
            let text = self.text.begin(&self.x)?;
            return self.take_text(text);
        }
        self.text.forget();
        match answer.target {
            // It does not tell what it has.
            target if target == self.atoms.TARGETS => self.ask(self.atoms.UTF8_STRING, &self.text),
            target if target == self.atoms.UTF8_STRING => self.ask(self.atoms.STRING, &self.text),
            _ => {
                self.publish_copied("");
                Ok(())
            }
        }
    }

    fn take_text(&mut self, text: Arrival) -> Result<(), ReplyError> {
        let Arrival::Whole(kind, bytes) = text else { return Ok(()) };
        if kind == u32::from(AtomEnum::ATOM) || kind == self.atoms.TARGETS {
            return self.choose(&bytes);
        }
        if kind == self.atoms.STRING {
            self.publish_copied(&bytes.into_iter().map(char::from).collect::<String>());
        } else {
            self.publish_copied(&String::from_utf8_lossy(&bytes));
        }
        Ok(())
    }

    /// Asks for the best text among the targets; some owners would give a picture's bytes as a text if asked for one.
    fn choose(&mut self, targets: &[u8]) -> Result<(), ReplyError> {
        let a = &self.atoms;
        let has = |target: Atom| targets.chunks_exact(4).any(|listed| listed == target.to_ne_bytes());
        let texts = [a.UTF8_STRING, a.TEXT_PLAIN_UTF8, a.TEXT_PLAIN, a.STRING, a.TEXT, a.COMPOUND_TEXT];
        let about = [a.TARGETS, a.TIMESTAMP, a.MULTIPLE, a.SAVE_TARGETS];
        let is_known = |listed: &[u8]| texts.iter().chain(&about).any(|target| listed == target.to_ne_bytes());
        self.theirs = if targets.chunks_exact(4).all(is_known) { Theirs::Texts } else { Theirs::Other };
        match [a.UTF8_STRING, a.TEXT_PLAIN_UTF8, a.STRING].into_iter().find(|target| has(*target)) {
            Some(target) => self.ask(target, &self.text),
            None => {
                self.publish_copied("");
                Ok(())
            }
        }
    }

    /// What another program copied, unless ours has taken its place since.
    fn publish_copied(&mut self, text: &str) {
        if self.offered.is_none() && self.lent.is_none() {
            let text: Arc<str> = text.into();
            if self.theirs == Theirs::Texts {
                self.theirs = Theirs::Text(text.clone());
            }
            self.publish(text);
        }
    }

    fn fetch_picture(&mut self, reply: PictureReply) -> Result<(), ReplyError> {
        match &self.offered {
            Some(Content::Png(png)) => drop(reply.send(Ok(Some(png.clone())))),
            Some(Content::Text(_)) => drop(reply.send(Ok(None))),
            None => {
                self.waiting.retain(|reply| !reply.is_closed());
                if self.waiting.is_empty() {
                    self.picture.forget();
                    self.ask(self.atoms.IMAGE_PNG, &self.picture)?;
                }
                self.waiting.push(reply);
            }
        }
        Ok(())
    }

    fn take_picture(&mut self, picture: Arrival) {
        let answer = match picture {
            Arrival::NotYet => return,
            Arrival::TooLarge => {
                let message = format!("the picture on the clipboard has more than {MAX_PICTURE} bytes");
                Err(Refusal::failed(message))
            }
            Arrival::Whole(_, bytes) if bytes.starts_with(PNG_BEGINS) => Ok(Some(bytes.into())),
            Arrival::Whole(..) => Err(Refusal::failed("what the clipboard's owner calls a PNG is none")),
        };
        self.answer_waiting(&answer);
    }

    /// Another owner, another picture.
    fn give_up_picture(&mut self) {
        self.picture.forget();
        self.answer_waiting(&Err(Refusal::failed("the clipboard changed in the same moment; ask again")));
    }

    fn answer_waiting(&mut self, answer: &Result<Option<Arc<[u8]>>, Refusal>) {
        for reply in self.waiting.drain(..) {
            let _ = reply.send(answer.clone());
        }
    }

    fn publish(&self, text: Arc<str>) {
        self.published.send_if_modified(|shown| {
            let other = *shown != text;
            *shown = text;
            other
        });
    }

    /// Gives another program what it asks for, or says that it cannot be had.
    fn answer(&mut self, request: &SelectionRequestEvent) -> Result<(), ReplyError> {
        // Programs of old leave the property open; the convention is to use the target's name.
        let property = if request.property == x11rb::NONE { request.target } else { request.property };
        let lent = self.lent.as_ref().filter(|lent| lent.is_for(request.requestor));
        let content = lent.map(|lent| Content::Text(lent.text.clone())).or_else(|| self.offered.clone());
        let given = match content {
            Some(content) if request.selection == self.atoms.CLIPBOARD => self.give(request, property, content)?,
            _ => false,
        };
        let told = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if given { property } else { x11rb::NONE },
        };
        self.x.send_event(false, request.requestor, EventMask::NO_EVENT, told)?;
        let lent = self.lent.as_ref().filter(|lent| lent.is_for(request.requestor));
        if let Some(lent) = lent.filter(|_| given && request.target != self.atoms.TARGETS) {
            lent.fetched();
        }
        Ok(())
    }

    fn give(&mut self, request: &SelectionRequestEvent, property: Atom, content: Content) -> Result<bool, ReplyError> {
        let a = self.atoms;
        let (to, target) = ((request.requestor, property), request.target);
        let (kind, bytes): (Atom, Arc<[u8]>) = match content {
            Content::Text(_) if target == a.TARGETS => {
                let targets = [a.TARGETS, a.UTF8_STRING, a.TEXT_PLAIN_UTF8, a.TEXT_PLAIN, a.TEXT, a.STRING];
                give::list(&self.x, to, &targets)?;
                return Ok(true);
            }
            Content::Png(_) if target == a.TARGETS => {
                give::list(&self.x, to, &[a.TARGETS, a.IMAGE_PNG])?;
                return Ok(true);
            }
            Content::Png(png) if target == a.IMAGE_PNG => (target, png),
            Content::Text(text) if target == a.STRING => {
                // STRING is Latin-1; what has other characters is to be had as UTF-8 only.
                match text.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>() {
                    Ok(bytes) => (target, bytes.into()),
                    Err(_) => return Ok(false),
                }
            }
            Content::Text(text) if [a.UTF8_STRING, a.TEXT, a.TEXT_PLAIN, a.TEXT_PLAIN_UTF8].contains(&target) => {
                (if target == a.TEXT { a.UTF8_STRING } else { target }, text.into())
            }
            _ => return Ok(false),
        };
        Ok(self.outgoing.give(&self.x, a.INCR, to, (kind, bytes))?)
    }
}
