//! Handing out what is offered: at once when it is small, else in parts (INCR), as its taker fetches them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use x11rb::{
    errors::ConnectionError,
    protocol::xproto::{
        Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, PropMode, Property,
        PropertyNotifyEvent,
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

/// The largest property that is written at once: what any X server takes in one request.
const PART: usize = 200 << 10;
/// Programs that are given something in parts at the same time, and how long one may take to fetch a part.
const MAX_SENDINGS: usize = 16;
const PATIENCE: Duration = Duration::from_secs(10);

/// All that is on its way.
#[derive(Default)]
pub(super) struct Outgoing {
    sendings: Vec<Sending>,
}

struct Sending {
    to: u32,
    property: Atom,
    kind: Atom,
    bytes: Arc<[u8]>,
    at: usize,
    fetched: Instant,
}

impl Outgoing {
    /// Gives `bytes` to a window of another program; `false` when too many already fetch something.
    pub(super) fn give(
        &mut self,
        x: &RustConnection,
        incr: Atom,
        (to, property): (u32, Atom),
        (kind, bytes): (Atom, Arc<[u8]>),
    ) -> Result<bool, ConnectionError> {
        if bytes.len() <= PART {
            x.change_property8(PropMode::REPLACE, to, property, kind, &bytes)?;
            return Ok(true);
        }
        self.sendings
            .retain(|sending| sending.fetched.elapsed() < PATIENCE && (sending.to, sending.property) != (to, property));
        if self.sendings.len() >= MAX_SENDINGS {
            return Ok(false);
        }
        let events = EventMask::PROPERTY_CHANGE | EventMask::STRUCTURE_NOTIFY;
        x.change_window_attributes(to, &ChangeWindowAttributesAux::new().event_mask(events))?;
        // The type INCR announces parts, its value says how much there is at least.
        x.change_property32(PropMode::REPLACE, to, property, incr, &[bytes.len() as u32])?;
        self.sendings.push(Sending { to, property, kind, bytes, at: 0, fetched: Instant::now() });
        Ok(true)
    }

    /// A property has changed; perhaps a taker has fetched a part by deleting it, and the next is due.
    pub(super) fn proceed(&mut self, x: &RustConnection, change: &PropertyNotifyEvent) -> Result<(), ConnectionError> {
        if change.state != Property::DELETE {
            return Ok(());
        }
        let mine = |sending: &Sending| sending.to == change.window && sending.property == change.atom;
        let Some(index) = self.sendings.iter().position(mine) else { return Ok(()) };
        let Sending { to, property, kind, bytes, at, fetched } = &mut self.sendings[index];
        let end = (*at + PART).min(bytes.len());
        // An empty part is the last one.
        x.change_property8(PropMode::REPLACE, *to, *property, *kind, &bytes[*at..end])?;
        *fetched = Instant::now();
        if *at < end {
            *at = end;
            return Ok(());
        }
        let to = self.sendings.swap_remove(index).to;
        if self.sendings.iter().all(|sending| sending.to != to) {
            let events = ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT);
            x.change_window_attributes(to, &events)?;
        }
        Ok(())
    }

    /// A taker's window is gone.
    pub(super) fn forget(&mut self, window: u32) {
        self.sendings.retain(|sending| sending.to != window);
    }
}

/// The targets that can be had, as the property that lists them.
pub(super) fn list(x: &RustConnection, (to, property): (u32, Atom), targets: &[Atom]) -> Result<(), ConnectionError> {
    x.change_property32(PropMode::REPLACE, to, property, AtomEnum::ATOM, targets)?;
    Ok(())
}
