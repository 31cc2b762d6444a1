//! Reads the server's keyboard map, and gives spare keys another meaning in it.

use x11rb::{
    connection::Connection,
    errors::ReplyError,
    protocol::{
        xkb::{self, ConnectionExt as _, GetMapReply, KeySymMap, MapPart, SetMapAux, SetMapFlags},
        xproto::{AtomEnum, ConnectionExt as _, PropMode},
    },
    rust_connection::RustConnection,
    wrapper::ConnectionExt as _,
};

use super::keymap::{Key, KeyType, LEVELS, Layout, Lending};

/// Where the root window tells what is lent, so that the next desk can give back what a killed one could not.
const NOTE: &[u8] = b"_CLOUDBOT_LENT_KEYS";

/// A key and its symbols at every level; 0 is none.
pub(super) type Meaning = (u8, [u32; LEVELS]);

pub(super) fn read(x: &RustConnection) -> Result<Layout, ReplyError> {
    let map = get(x, MapPart::KEY_TYPES | MapPart::KEY_SYMS)?;
    let modifiers = x.get_modifier_mapping()?.reply()?;
    let per_modifier = usize::from(modifiers.keycodes_per_modifier()).max(1);
    let mut keys =
        modifiers.keycodes.chunks(per_modifier).map(|keys| keys.iter().copied().filter(|k| *k != 0).collect());
    let kind = |kind: xkb::KeyType| KeyType {
        width: kind.num_levels,
        mask: u16::from(kind.mods_mask) as u8,
        levels: kind.map.iter().filter(|e| e.active).map(|e| (u16::from(e.mods_mask) as u8, e.level)).collect(),
    };
    let key =
        |key: KeySymMap| Key { types: key.kt_index, group_info: key.group_info, width: key.width, symbols: key.syms };
    Ok(Layout {
        first: map.first_key_sym,
        keys: map.map.syms_rtrn.unwrap_or_default().into_iter().map(key).collect(),
        types: map.map.types_rtrn.unwrap_or_default().into_iter().map(kind).collect(),
        modifiers: std::array::from_fn(|_| keys.next().unwrap_or_default()),
    })
}

/// Gives spare keys these meanings.
pub(super) fn write(x: &RustConnection, root: u32, meanings: &[Meaning], lending: Lending) -> Result<(), ReplyError> {
    // Every change tells all applications to read the map again, so it is one change for all keys, which includes
    // those between: nobody else may change them in the meantime.
    x.grab_server()?;
    let written = change(x, meanings, lending).and_then(|()| note(x, root, meanings));
    x.ungrab_server()?;
    x.flush()?;
    written
}

/// Gives back what a desk that was killed had lent.
pub(super) fn give_back_leftovers(x: &RustConnection, root: u32) -> Result<(), ReplyError> {
    let atom = x.intern_atom(false, NOTE)?.reply()?.atom;
    let noted = x.get_property(false, root, atom, AtomEnum::CARDINAL, 0, 256 * (LEVELS as u32 + 1))?.reply()?;
    let numbers: Vec<u32> = noted.value32().into_iter().flatten().collect();
    let layout = read(x)?;
    let left: Vec<Meaning> = numbers
        .chunks_exact(LEVELS + 1)
        .filter_map(|numbers| {
            let key = layout.key(u8::try_from(numbers[0]).ok()?)?;
            let same = (0..LEVELS).all(|level| key.symbols.get(level).copied().unwrap_or(0) == numbers[level + 1]);
            same.then_some((numbers[0] as u8, [0; LEVELS]))
        })
        .collect();
    if !left.is_empty() {
        write(x, root, &left, Lending { kind: 0, levels: 0 })?;
    }
    Ok(())
}

fn change(x: &RustConnection, meanings: &[Meaning], lending: Lending) -> Result<(), ReplyError> {
    let (Some(low), Some(high)) = (meanings.iter().map(|m| m.0).min(), meanings.iter().map(|m| m.0).max()) else {
        return Ok(());
    };
    let map = get(x, MapPart::KEY_SYMS)?;
    let (first, (low, high)) = (map.first_key_sym, (low.max(map.first_key_sym), high));
    let keys = map.map.syms_rtrn.unwrap_or_default();
    let mut syms: Vec<KeySymMap> =
        keys.into_iter().skip(usize::from(low - first)).take(usize::from(high - low) + 1).collect();
    for (code, symbols) in meanings {
        let Some(key) = code.checked_sub(low).and_then(|at| syms.get_mut(usize::from(at))) else { continue };
        *key = match symbols.iter().all(|s| *s == 0) {
            true => KeySymMap { kt_index: [0; 4], group_info: 0, width: 0, syms: vec![] },
            false => KeySymMap {
                kt_index: [lending.kind, 0, 0, 0],
                group_info: 1,
                width: lending.levels as u8,
                syms: symbols[..lending.levels].to_vec(),
            },
        };
    }
    let (count, total) = (syms.len() as u8, syms.iter().map(|key| key.syms.len() as u16).sum());
    let values = SetMapAux { syms: Some(syms), ..SetMapAux::default() };
    let (keyboard, no_flags) = (xkb::ID::USE_CORE_KBD.into(), SetMapFlags::from(0u16));
    let (min, max, vmods) = (map.min_key_code, map.max_key_code, xkb::VMod::from(0u16));
    // Only symbols are sent; the numbers of everything else are none.
    x.xkb_set_map(
        keyboard, no_flags, min, max, 0, 0, low, count, total, min, 0, 0, min, 0, 0, min, 0, 0, min, 0, 0, min, 0, 0,
        vmods, &values,
    )?
    .check()
}

fn note(x: &RustConnection, root: u32, meanings: &[Meaning]) -> Result<(), ReplyError> {
    let atom = x.intern_atom(false, NOTE)?.reply()?.atom;
    let lent = meanings.iter().filter(|(_, symbols)| symbols.iter().any(|s| *s != 0));
    let numbers: Vec<u32> = lent.flat_map(|(code, symbols)| [u32::from(*code)].into_iter().chain(*symbols)).collect();
    if numbers.is_empty() {
        x.delete_property(root, atom)?;
    } else {
        x.change_property32(PropMode::REPLACE, root, atom, AtomEnum::CARDINAL, &numbers)?;
    }
    Ok(())
}

fn get(x: &RustConnection, parts: MapPart) -> Result<GetMapReply, ReplyError> {
    let keyboard = xkb::ID::USE_CORE_KBD.into();
    let (none, vmods) = (MapPart::from(0u16), xkb::VMod::from(0u16));
    let got = x.xkb_get_map(keyboard, parts, none, 0, 0, 0, 0, 0, 0, 0, 0, vmods, 0, 0, 0, 0, 0, 0);
    got?.reply()
}
