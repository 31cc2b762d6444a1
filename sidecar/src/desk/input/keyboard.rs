//! Presses the keys that give a symbol, whatever else is held, and knows which ones it holds.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use x11rb::{
    connection::Connection,
    errors::ReplyError,
    protocol::{
        Event,
        xkb::{self, ConnectionExt as _},
        xproto::{ClientMessageEvent, ConnectionExt as _},
    },
};
use xkeysym::Keysym;

use super::{
    device::Device,
    keymap::{CONTROL, Keymap, LEVELS, LOCK, Layout, MOD1, MOD4, Place, SHIFT},
    server_map,
    spare::Spares,
};
use crate::link::Refusal;

/// For so many symbols of a text room is made at once.
const AHEAD: usize = 1024;
/// So many are pressed before a person's keys get their turn.
const AT_ONCE: usize = 64;
/// After a key got a new meaning, applications are told before it is pressed; this long they get to hear it.
const TOLD_MS: u32 = 12;
/// A single key is taken for read after this time, for nobody waits for an answer from the application.
const LINGER: Duration = Duration::from_millis(60);

#[derive(Default)]
pub(super) struct Keyboard {
    layout: Layout,
    keymap: Keymap,
    group: usize,
    spares: Spares,
    /// Someone changed the keyboard map since it was read.
    stale: bool,
    /// The key that was pressed for each symbol that is held.
    held: HashMap<u32, u8>,
    /// The modifiers in effect when they were last looked at.
    modifiers: u8,
    around: Around,
}

/// What is otherwise than it was found, while a symbol is pressed that needs it so.
#[derive(Default)]
struct Around {
    /// Shift and AltGr that were pressed.
    pressed: u8,
    /// Shift and AltGr that were lifted, and their keys.
    lifted: u8,
    keys: Vec<u8>,
    unlocked: bool,
}

/// How far a text got.
pub(super) enum Typed {
    /// So many symbols were pressed.
    Some(usize),
    /// Keys have a new meaning; it is to be read before they are pressed.
    Changed,
    /// No key is free until those that were pressed are read.
    Full,
}

impl Keyboard {
    pub(super) fn open(device: &Device) -> Result<Keyboard, ReplyError> {
        server_map::give_back_leftovers(&device.x, device.root)?;
        let mut keyboard = Keyboard { stale: true, ..Keyboard::default() };
        keyboard.refresh(device)?;
        Ok(keyboard)
    }

    /// Types the first of `text`: at most `most`, and as many as are possible and fair.
    pub(super) fn type_some(
        &mut self,
        device: &mut Device,
        text: &[u32],
        most: usize,
    ) -> Result<Result<Typed, Refusal>, ReplyError> {
        self.look(device)?;
        let ready = match self.make_room(device, &text[..text.len().min(AHEAD)])? {
            Room::For(count) => count,
            Room::Changed => return Ok(Ok(Typed::Changed)),
            Room::None if self.spares.any_unread() => return Ok(Ok(Typed::Full)),
            Room::None => return Ok(Err(no_key(text[0]))),
        };
        let mut count = 0;
        for symbol in &text[..ready.min(AT_ONCE).min(most)] {
            let Some(place) = self.place(*symbol) else { break };
            count += 1;
            self.aim(device, place, *symbol, true)?;
            device.key(place.key, true)?;
            device.key(place.key, false)?;
            self.spares.pressed(place.key, place.level, false, Instant::now());
        }
        self.relax(device)?;
        Ok(if count == 0 { Err(no_key(text[0])) } else { Ok(Typed::Some(count)) })
    }

    /// Presses or releases the key of a symbol. With `exact`, modifiers that are held but do not belong to
    /// the symbol are lifted for the moment of the press; a chord keeps them.
    pub(super) fn key(
        &mut self,
        device: &mut Device,
        symbol: u32,
        down: bool,
        exact: bool,
    ) -> Result<Result<(), Refusal>, ReplyError> {
        if !down {
            // The symbol may have been another when the key went down: Shift was released in between.
            let same_key = self.place(symbol).map(|p| p.key);
            let key = self.held.remove(&symbol).or_else(|| {
                let held_as = self.held.iter().find(|(_, key)| Some(**key) == same_key).map(|(symbol, _)| *symbol)?;
                self.held.remove(&held_as)
            });
            if let Some(key) = key {
                device.key(key, false)?;
                self.spares.lifted(key);
            }
            return Ok(Ok(()));
        }
        if self.held.contains_key(&symbol) {
            return Ok(Ok(()));
        }
        self.look(device)?;
        let mut room = self.make_room(device, &[symbol])?;
        if let (Room::None, Some(read)) = (&room, Instant::now().checked_sub(LINGER)) {
            self.spares.heard(read);
            room = self.make_room(device, &[symbol])?;
        }
        match room {
            Room::For(_) => {}
            Room::Changed => device.rest(TOLD_MS),
            Room::None => return Ok(Err(no_key(symbol))),
        }
        let Some(place) = self.place(symbol) else { return Ok(Err(no_key(symbol))) };
        self.aim(device, place, symbol, exact)?;
        device.key(place.key, true)?;
        self.relax(device)?;
        self.held.insert(symbol, place.key);
        self.spares.pressed(place.key, place.level, true, Instant::now());
        Ok(Ok(()))
    }

    /// Lifts all that is down, also what an earlier desk or another program left so.
    pub(super) fn release_all(&mut self, device: &mut Device) -> Result<(), ReplyError> {
        let down = device.x.query_keymap()?.reply()?.keys;
        for key in 8..=u8::MAX {
            if down[usize::from(key / 8)] & (1 << (key % 8)) != 0 || self.held.values().any(|held| *held == key) {
                device.key(key, false)?;
                self.spares.lifted(key);
            }
        }
        self.held.clear();
        Ok(())
    }

    /// Gives the spare keys back as they were found.
    pub(super) fn give_back(&mut self, device: &Device) -> Result<(), ReplyError> {
        let lent: Vec<_> = self.spares.meanings().filter(|(code, _)| self.spares.is_lent(*code)).collect();
        if !lent.is_empty() {
            let nothing: Vec<_> = lent.iter().map(|(code, _)| (*code, [0; LEVELS])).collect();
            server_map::write(&device.x, device.root, &nothing, self.keymap.lending())?;
        }
        Ok(())
    }

    /// What was pressed up to `until` has been read by the application.
    pub(super) fn heard(&mut self, until: Instant) {
        self.spares.heard(until);
    }

    /// Reads what the server reported, and the keyboard map again if that changed; gives back messages that
    /// are not about the keyboard.
    pub(super) fn hear(&mut self, device: &Device) -> Result<Vec<ClientMessageEvent>, ReplyError> {
        let mut messages = Vec::new();
        loop {
            while let Some(event) = device.x.poll_for_event()? {
                match event {
                    Event::MappingNotify(_) | Event::XkbMapNotify(_) | Event::XkbNewKeyboardNotify(_) => {
                        self.stale = true;
                    }
                    Event::ClientMessage(message) => messages.push(message),
                    _ => {}
                }
            }
            if !self.stale {
                return Ok(messages);
            }
            // Events that come in beside the answers to this lie in our own buffer, where no wait would see them.
            self.refresh(device)?;
        }
    }

    fn refresh(&mut self, device: &Device) -> Result<(), ReplyError> {
        if std::mem::take(&mut self.stale) {
            self.layout = server_map::read(&device.x)?;
            self.spares.note(&self.layout);
            self.keymap = self.own_keymap();
        }
        Ok(())
    }

    /// What the keyboard gives without the spare keys: read back from the server, lent ones look like any other.
    fn own_keymap(&self) -> Keymap {
        Keymap::of(&self.layout, self.group, |code| self.spares.is_lent(code))
    }

    /// Looks at the modifiers and the language that are in effect.
    fn look(&mut self, device: &Device) -> Result<(), ReplyError> {
        let state = device.x.xkb_get_state(xkb::ID::USE_CORE_KBD.into())?.reply()?;
        self.refresh(device)?;
        self.modifiers = u16::from(state.mods) as u8;
        let group = usize::from(u8::from(state.group));
        if group != self.group {
            self.group = group;
            self.keymap = self.own_keymap();
        }
        Ok(())
    }

    /// The key of a symbol: one that has it, else one that was lent to it.
    fn place(&self, symbol: u32) -> Option<Place> {
        own_place(&self.keymap, self.modifiers, symbol).or_else(|| {
            let (key, level) = self.spares.find(symbol)?;
            Some(self.keymap.lent(key, level))
        })
    }

    fn make_room(&mut self, device: &Device, text: &[u32]) -> Result<Room, ReplyError> {
        let lending = self.keymap.lending();
        let has_key = |symbol| own_place(&self.keymap, self.modifiers, symbol).is_some();
        let prepared = self.spares.prepare(text, lending.levels, has_key);
        if prepared.changed {
            let meanings: Vec<_> = self.spares.meanings().collect();
            server_map::write(&device.x, device.root, &meanings, lending)?;
            return Ok(Room::Changed);
        }
        Ok(if prepared.count == 0 { Room::None } else { Room::For(prepared.count) })
    }

    /// Brings Shift, AltGr and Caps Lock to where the next press gives `symbol`.
    fn aim(&mut self, device: &mut Device, place: Place, symbol: u32, exact: bool) -> Result<(), ReplyError> {
        let level3 = self.keymap.level3_bit;
        let held = self.modifiers;
        let character = Keysym::from(symbol).key_char().filter(|c| !c.is_control());
        // Beside Ctrl, Alt and Super applications look at the key, not at the case.
        let caps = held & LOCK != 0 && held & (CONTROL | MOD1 | MOD4) == 0;
        let has_case = character.is_some_and(|c| !c.to_uppercase().eq([c]) || !c.to_lowercase().eq([c]));
        let unlock = caps && has_case && !self.keymap.knows_caps(place);
        let lock = if caps && !unlock { LOCK } else { 0 };
        let others = held & !(SHIFT | level3 | LOCK) | lock;
        let wanted = match Keysym::from(symbol).is_keypad_key() {
            true => 0,
            false => self.keymap.modifiers_for(place, others).unwrap_or(0),
        };
        let pressed = wanted & !held;
        let in_the_way = held & !wanted & (SHIFT | level3);
        let matters = self.keymap.level_of(place, others | wanted | in_the_way) != place.level;
        let lifted = if exact && character.is_some() && matters { in_the_way } else { 0 };
        self.change(device, pressed, lifted, unlock)
    }

    /// Undoes what was done around a press.
    fn relax(&mut self, device: &mut Device) -> Result<(), ReplyError> {
        self.change(device, 0, 0, false)
    }

    fn change(&mut self, device: &mut Device, pressed: u8, lifted: u8, unlock: bool) -> Result<(), ReplyError> {
        let level3 = self.keymap.level3_bit;
        for (bit, key) in [(SHIFT, self.keymap.shift), (level3, self.keymap.level3)] {
            let (was, wanted) = (self.around.pressed & bit != 0, pressed & bit != 0);
            if let Some(key) = key
                && was != wanted
            {
                device.key(key, wanted)?;
            }
        }
        self.around.pressed = pressed;
        if self.around.lifted != lifted {
            for key in std::mem::take(&mut self.around.keys) {
                device.key(key, true)?;
            }
            let bits = (0..8).filter(|m| lifted & (1 << m) != 0);
            let keys = bits.flat_map(|m| &self.layout.modifiers[m]).copied();
            self.around.keys = keys.filter(|key| self.held.values().any(|held| held == key)).collect();
            for key in &self.around.keys {
                device.key(*key, false)?;
            }
            self.around.lifted = lifted;
        }
        if self.around.unlocked != unlock {
            device.lock_caps(!unlock)?;
            self.around.unlocked = unlock;
        }
        Ok(())
    }
}

/// The key that has a symbol without our doing.
fn own_place(keymap: &Keymap, modifiers: u8, symbol: u32) -> Option<Place> {
    // Num Lock alone chooses between the digit and the arrow of a keypad's key, and is not ours to turn.
    let plain = |place: &Place| keymap.level_of(*place, modifiers & !(SHIFT | LOCK)) == place.level;
    keymap.find(symbol).filter(|place| !Keysym::from(symbol).is_keypad_key() || plain(place))
}

enum Room {
    For(usize),
    Changed,
    None,
}

fn no_key(symbol: u32) -> Refusal {
    let name = Keysym::from(symbol).name().unwrap_or("an unnamed symbol");
    Refusal::failed(format!(
        "the keyboard has no free key left for {name} ({symbol:#x}); release held keys and try again"
    ))
}
