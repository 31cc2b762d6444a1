//! Keys, read back from the program they were typed into.

use serde_json::json;
use sidecar::desk::input::Input;
use xkeysym::Keysym;

use crate::display::{Desk, Display, eventually, read};

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

    eventually("all is there", async || read(&display.path("typed")).chars().count() >= text.chars().count()).await;
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
async fn a_second_language_on_the_keyboard_changes_nothing() {
    let (mut display, desk) = terminal().await;
    display.run("setxkbmap", &["us,ru"]);
    eventually("the layout is there", async || {
        let (x, _) = display.connect();
        let map = x11rb::protocol::xproto::get_keyboard_mapping(&x, 24, 1).unwrap().reply().unwrap();
        map.keysyms.contains(&Keysym::Cyrillic_shorti.raw())
    })
    .await;

    type_and_read_back(&display, &desk, "latin and кириллица").await;
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

    eventually("all is there", async || read(&display.path("typed")).chars().count() >= 6).await;
    assert_eq!(read(&display.path("typed")), "A1Béc7");
}
