//! Keys, read back from the program they were typed into.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use serde_json::json;
use sidecar::desk::input::Input;
use x11rb::{
    protocol::{
        xkb::{self, ConnectionExt as _},
        xproto::{ConnectionExt as _, ModMask},
    },
    wrapper::ConnectionExt as _,
};
use xkeysym::Keysym;

use crate::display::{DEADLINE, Desk, Display, eventually, read};

/// A terminal in which all that is typed goes to the file `typed`.
async fn terminal() -> (Display, Desk) {
    let mut display = Display::fixed();
    display.run("xterm", &["-u8", "-geometry", "120x40+0+0", "-e", "stty -icanon -echo; exec cat > typed"]);
    let desk = display.desk().await;
    eventually("the terminal is there", async || display.path("typed").exists()).await;
    // Without a window manager the keys go to the window under the pointer.
    desk.act(json!({"action": "mouse_move", "to": {"x": 200, "y": 200}})).await.unwrap();
    (display, desk)
}

async fn type_and_read_back(display: &Display, desk: &Desk, text: &str) {
    desk.act(json!({"action": "type", "text": text})).await.unwrap();

    holds(display, text).await;
}

/// What the terminal got is `text`.
async fn holds(display: &Display, text: &str) {
    let deadline = Instant::now() + DEADLINE;
    while read(&display.path("typed")).chars().count() < text.chars().count() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(read(&display.path("typed")), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_any_script_arrives_as_it_was_typed() {
    let (display, desk) = terminal().await;

    type_and_read_back(&display, &desk, "héllo 你好 🎉 A!@#\nПривет, κόσμε! €£ñß\ttab\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_ascii_character_arrives() {
    let (display, desk) = terminal().await;

    type_and_read_back(&display, &desk, &(' '..='~').collect::<String>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_foreign_characters_than_there_are_spare_keys_arrive_in_order() {
    let (display, desk) = terminal().await;

    let text: String = (0..150).filter_map(|i| char::from_u32(0x4e00 + i * 11)).collect();
    type_and_read_back(&display, &desk, &text).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capitals_arrive_while_caps_lock_is_on() {
    let (display, desk) = terminal().await;
    desk.act(json!({"action": "key", "keys": "Caps_Lock"})).await.unwrap();

    type_and_read_back(&display, &desk, "Ab1!é").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_language_the_keyboard_is_set_to_changes_nothing() {
    let (display, desk) = terminal().await;
    let text = "Latin and кириллица, ~^'`´ \"é\" {[@]} €ß 你好\n";
    let mut typed = String::new();

    for (layout, group) in [("us,ru", 0), ("us,ru", 1), ("us,ru,gr", 2), ("fr", 0), ("de", 0), ("us(intl)", 0)] {
        set_layout(&display, layout);
        lock_group(&display, group);
        desk.act(json!({"action": "type", "text": text})).await.unwrap();
        typed += text;
        holds(&display, &typed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lent_is_given_back_when_the_desk_ends_and_after_it_was_killed() {
    let (display, mut desk) = terminal().await;
    let found = {
        let other = Display::fixed();
        map_of(&other)
    };

    type_and_read_back(&display, &desk, "你好 κόσμε").await;
    assert_ne!(map_of(&display), found);
    drop(desk);
    assert_eq!(map_of(&display), found);

    desk = display.desk().await;
    desk.act(json!({"action": "type", "text": "日本"})).await.unwrap();
    desk.child.kill().unwrap();
    desk.child.wait().unwrap();
    assert_ne!(map_of(&display), found);
    let _desk = display.desk().await;
    assert_eq!(map_of(&display), found);
}

fn set_layout(display: &Display, layout: &str) {
    let (layout, variant) = layout.trim_end_matches(')').split_once('(').unwrap_or((layout, ""));
    let arguments = ["-display", &display.name, "-layout", layout, "-variant", variant];
    assert!(Command::new("setxkbmap").args(arguments).status().unwrap().success());
}

fn lock_group(display: &Display, group: u8) {
    let (x, _) = display.connect();
    x.xkb_use_extension(1, 0).unwrap().reply().unwrap();
    let none = ModMask::from(0u8);
    let keyboard = xkb::ID::USE_CORE_KBD.into();
    x.xkb_latch_lock_state(keyboard, none, none, true, xkb::Group::from(group), none, false, 0).unwrap();
    x.sync().unwrap();
}

/// What every key means.
fn map_of(display: &Display) -> Vec<Vec<u32>> {
    let (x, _) = display.connect();
    let map = x.get_keyboard_mapping(8, 248).unwrap().reply().unwrap();
    // Without what no key has, for the number of symbols a key may grow.
    let used = |key: &[u32]| key[..key.iter().rposition(|s| *s != 0).map_or(0, |last| last + 1)].to_vec();
    map.keysyms.chunks(map.keysyms_per_keycode.into()).map(used).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewers_keys_give_the_symbols_it_asked_for_whatever_shift_is_doing() {
    let (display, _desk) = terminal().await;
    let input = Input::open(Some(&display.name)).await.unwrap();
    let press = async |symbol: Keysym| {
        input.key(symbol.raw(), true).await.unwrap();
        input.key(symbol.raw(), false).await.unwrap();
    };

    // A capital without Shift, a digit with it (as from a French keyboard), a foreign letter with it.
    press(Keysym::A).await;
    input.key(Keysym::Shift_L.raw(), true).await.unwrap();
    press(Keysym::_1).await;
    press(Keysym::B).await;
    press(Keysym::eacute).await;
    input.key(Keysym::Shift_L.raw(), false).await.unwrap();
    press(Keysym::c).await;
    press(Keysym::KP_7).await;

    holds(&display, "A1Béc7").await;
}
