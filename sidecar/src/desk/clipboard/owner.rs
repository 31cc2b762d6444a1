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
            Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Property, PropertyNotifyEvent,
            SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, WindowClass,
        },
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use super::MAX_BYTES;
use crate::{desk::mailbox::Receiver, link::Refusal};

pub(super) enum Order {
    Set(Arc<str>, oneshot::Sender<Result<(), Refusal>>),
}

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
        INCR,
        CLOUDBOT_CLIPBOARD,
        TEXT_PLAIN: b"text/plain",
        TEXT_PLAIN_UTF8: b"text/plain;charset=utf-8",
    }
}

struct Owner {
    x: RustConnection,
    window: u32,
    atoms: Atoms,
    text: watch::Sender<Arc<str>>,
    /// What we offer while we own the selection.
    offered: Option<Arc<str>>,
    /// What has come so far of a text that arrives in parts.
    parts: Option<Parts>,
}

#[derive(Default)]
struct Parts {
    bytes: Vec<u8>,
    /// It is too long. The rest is still fetched, part by part: its owner waits for that before it does anything else.
    over: bool,
}

impl Owner {
    fn start(display: Option<&str>) -> Result<(Owner, watch::Receiver<Arc<str>>), Refusal> {
        let (x, number) = x11rb::connect(display)
            .map_err(|e| Refusal::unavailable(format!("connect to the X server for the clipboard: {e}")))?;
        let root = x.setup().roots[number].root;
        let (sender, text) = watch::channel(Arc::from(""));
        let set_up = || -> Result<(u32, Atoms), ReplyError> {
            let atoms = Atoms::new(&x)?.reply()?;
            let window = x.generate_id().map_err(|_| ConnectionError::UnknownError)?;
            let events = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
            x.create_window(0, window, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &events)?.check()?;
            if x.extension_information(xfixes::X11_EXTENSION_NAME)?.is_some() {
                x.xfixes_query_version(5, 0)?.reply()?;
                x.xfixes_select_selection_input(window, atoms.CLIPBOARD, SelectionEventMask::SET_SELECTION_OWNER)?;
            }
            Ok((window, atoms))
        };
        let (window, atoms) = set_up().map_err(|e| Refusal::failed(format!("set up the clipboard: {e}")))?;
        let owner = Owner { x, window, atoms, text: sender, offered: None, parts: None };
        owner.ask(atoms.UTF8_STRING).map_err(|e| Refusal::failed(format!("read the clipboard: {e}")))?;
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
                    Ok(Some(Order::Set(text, reply))) => drop(reply.send(self.set(text)?)),
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

    fn set(&mut self, text: Arc<str>) -> Result<Result<(), Refusal>, ReplyError> {
        self.offered = Some(text.clone());
        self.x.set_selection_owner(self.window, self.atoms.CLIPBOARD, x11rb::CURRENT_TIME)?;
        if self.x.get_selection_owner(self.atoms.CLIPBOARD)?.reply()?.owner != self.window {
            self.offered = None;
            return Ok(Err(Refusal::failed("another program took the clipboard in the same moment; try again")));
        }
        self.publish(text);
        Ok(Ok(()))
    }

    fn notice(&mut self, event: Event) -> Result<(), ReplyError> {
        match event {
            Event::XfixesSelectionNotify(change) if change.owner != self.window && change.owner != x11rb::NONE => {
                self.offered = None;
                self.ask(self.atoms.UTF8_STRING)?;
            }
            Event::SelectionClear(_) => self.offered = None,
            Event::SelectionRequest(request) => self.answer(&request)?,
            Event::SelectionNotify(answer) if answer.requestor == self.window => self.receive(&answer)?,
            Event::PropertyNotify(change) => self.receive_part(&change)?,
            _ => {}
        }
        Ok(())
    }

    /// Asks the owner for the selection; a [`SelectionNotifyEvent`] comes back some time, or never.
    fn ask(&self, target: Atom) -> Result<(), ReplyError> {
        let (clipboard, property) = (self.atoms.CLIPBOARD, self.atoms.CLOUDBOT_CLIPBOARD);
        self.x.convert_selection(self.window, clipboard, target, property, x11rb::CURRENT_TIME)?;
        Ok(())
    }

    fn receive(&mut self, answer: &SelectionNotifyEvent) -> Result<(), ReplyError> {
        self.parts = None;
        if answer.property == x11rb::NONE {
            if answer.target == self.atoms.UTF8_STRING {
                self.ask(self.atoms.STRING)?;
            }
            return Ok(());
        }
        let Some((kind, bytes)) = self.take_property()? else { return Ok(()) };
        if kind == self.atoms.INCR {
            self.parts = Some(Parts::default());
        } else {
            self.take_text(kind, bytes);
        }
        Ok(())
    }

    fn receive_part(&mut self, change: &PropertyNotifyEvent) -> Result<(), ReplyError> {
        let ours = change.window == self.window && change.atom == self.atoms.CLOUDBOT_CLIPBOARD;
        if !ours || change.state != Property::NEW_VALUE || self.parts.is_none() {
            return Ok(());
        }
        let taken = self.take_property()?;
        let Some(parts) = &mut self.parts else { return Ok(()) };
        match taken {
            Some((kind, part)) if part.is_empty() => {
                let parts = std::mem::take(parts);
                self.parts = None;
                if !parts.over {
                    self.take_text(kind, parts.bytes);
                }
            }
            Some((_, part)) if !parts.over && parts.bytes.len() + part.len() <= MAX_BYTES => parts.bytes.extend(part),
            _ => *parts = Parts { bytes: Vec::new(), over: true },
        }
        Ok(())
    }

    /// Reads and deletes our property; `None` when it is gone or larger than we take.
    fn take_property(&self) -> Result<Option<(Atom, Vec<u8>)>, ReplyError> {
        let (property, words) = (self.atoms.CLOUDBOT_CLIPBOARD, (MAX_BYTES / 4) as u32);
        let value = self.x.get_property(true, self.window, property, AtomEnum::ANY, 0, words)?.reply()?;
        if value.bytes_after > 0 {
            self.x.delete_property(self.window, property)?;
        }
        Ok((value.type_ != x11rb::NONE && value.bytes_after == 0).then_some((value.type_, value.value)))
    }

    fn take_text(&self, kind: Atom, bytes: Vec<u8>) {
        let text = if kind == self.atoms.STRING {
            bytes.into_iter().map(char::from).collect()
        } else {
            String::from_utf8_lossy(&bytes).into_owned()
        };
        self.publish(text.into());
    }

    fn publish(&self, text: Arc<str>) {
        self.text.send_if_modified(|shown| {
            let other = *shown != text;
            *shown = text;
            other
        });
    }

    /// Gives another program what it asks for, or says that it cannot be had.
    fn answer(&self, request: &SelectionRequestEvent) -> Result<(), ReplyError> {
        // Programs of old leave the property open; the convention is to use the target's name.
        let property = if request.property == x11rb::NONE { request.target } else { request.property };
        let given = match &self.offered {
            Some(text) if request.selection == self.atoms.CLIPBOARD => self.give(request, property, text)?,
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
        Ok(())
    }

    fn give(&self, request: &SelectionRequestEvent, property: Atom, text: &str) -> Result<bool, ReplyError> {
        let a = &self.atoms;
        let (x, to, target) = (&self.x, request.requestor, request.target);
        if target == a.TARGETS {
            let offered = [a.TARGETS, a.UTF8_STRING, a.TEXT_PLAIN_UTF8, a.TEXT_PLAIN, a.TEXT, a.STRING];
            x.change_property32(PropMode::REPLACE, to, property, AtomEnum::ATOM, &offered)?;
            return Ok(true);
        }
        let bytes = if target == a.STRING {
            // STRING is Latin-1; what has other characters is to be had as UTF-8 only.
            let Ok(bytes) = text.chars().map(u8::try_from).collect::<Result<Vec<u8>, _>>() else { return Ok(false) };
            bytes
        } else if [a.UTF8_STRING, a.TEXT, a.TEXT_PLAIN, a.TEXT_PLAIN_UTF8].contains(&target) {
            text.as_bytes().to_vec()
        } else {
            return Ok(false);
        };
        if bytes.len() + 64 > x.maximum_request_bytes() {
            return Ok(false);
        }
        let kind = if target == a.TEXT { a.UTF8_STRING } else { target };
        x.change_property8(PropMode::REPLACE, to, property, kind, &bytes)?;
        Ok(true)
    }
}
