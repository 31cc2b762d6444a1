//! What another program hands over through a property of ours, at once or in parts (INCR).

use x11rb::{
    errors::ReplyError,
    protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, Property, PropertyNotifyEvent},
    rust_connection::RustConnection,
};

/// One kind of thing that is fetched, through a property of its own.
pub(super) struct Incoming {
    window: u32,
    property: Atom,
    incr: Atom,
    most: usize,
    /// What has come so far of something that arrives in parts.
    parts: Option<Parts>,
}

#[derive(Default)]
struct Parts {
    bytes: Vec<u8>,
    /// It is too long. The rest is still fetched, part by part: its owner waits for that before it does anything else.
    over: bool,
}

pub(super) enum Arrival {
    /// All of it, and its type.
    Whole(Atom, Vec<u8>),
    TooLarge,
    NotYet,
}

enum Taken {
    Value(Atom, Vec<u8>),
    TooLarge,
    Gone,
}

impl Incoming {
    pub(super) fn new(window: u32, property: Atom, incr: Atom, most: usize) -> Incoming {
        Incoming { window, property, incr, most, parts: None }
    }

    pub(super) fn property(&self) -> Atom {
        self.property
    }

    /// Whatever was on its way is of no more interest.
    pub(super) fn forget(&mut self) {
        self.parts = None;
    }

    /// The owner says that it has written the property.
    pub(super) fn begin(&mut self, x: &RustConnection) -> Result<Arrival, ReplyError> {
        self.parts = None;
        Ok(match self.take(x)? {
            Taken::Value(kind, _) if kind == self.incr => {
                self.parts = Some(Parts::default());
                Arrival::NotYet
            }
            Taken::Value(kind, bytes) => Arrival::Whole(kind, bytes),
            Taken::TooLarge => Arrival::TooLarge,
            Taken::Gone => Arrival::NotYet,
        })
    }

    /// A property has changed; perhaps it is ours, and the next part is there.
    pub(super) fn proceed(&mut self, x: &RustConnection, change: &PropertyNotifyEvent) -> Result<Arrival, ReplyError> {
        let ours = change.window == self.window && change.atom == self.property;
        if !ours || change.state != Property::NEW_VALUE || self.parts.is_none() {
            return Ok(Arrival::NotYet);
        }
        let taken = self.take(x)?;
        let Some(parts) = &mut self.parts else { return Ok(Arrival::NotYet) };
        match taken {
            Taken::Value(kind, part) if part.is_empty() => {
                let Parts { bytes, over } = std::mem::take(parts);
                self.parts = None;
                return Ok(if over { Arrival::TooLarge } else { Arrival::Whole(kind, bytes) });
            }
            Taken::Value(_, part) if !parts.over && parts.bytes.len() + part.len() <= self.most => {
                parts.bytes.extend(part);
            }
            _ => *parts = Parts { bytes: Vec::new(), over: true },
        }
        Ok(Arrival::NotYet)
    }

    /// Reads and deletes our property.
    fn take(&self, x: &RustConnection) -> Result<Taken, ReplyError> {
        let words = (self.most / 4) as u32;
        let value = x.get_property(true, self.window, self.property, AtomEnum::ANY, 0, words)?.reply()?;
        Ok(if value.bytes_after > 0 {
            x.delete_property(self.window, self.property)?;
            Taken::TooLarge
        } else if value.type_ == x11rb::NONE {
            Taken::Gone
        } else {
            Taken::Value(value.type_, value.value)
        })
    }
}
