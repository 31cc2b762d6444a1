//! A viewer on a real X server.

use std::io::{Read, Write};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use x11rb::{
    connection::Connection,
    protocol::xproto::{ChangeWindowAttributesAux, ConnectionExt},
};

use crate::{client::encoding::*, decoder::Format, desktop::Desktop};

pub(crate) const RETURN: u32 = 0xff0d;
const SHIFT: u32 = 0xffe1;

pub(crate) const NOVNC: &[i32] = &[
    1,
    50,
    TIGHT,
    -260,
    ZRLE,
    21,
    5,
    2,
    6,
    RAW,
    QUALITY_6,
    -254,
    DESKTOP_SIZE,
    -224,
    -258,
    -261,
    EXTENDED_DESKTOP_SIZE,
    -309,
    FENCE,
    CONTINUOUS_UPDATES,
    DESKTOP_NAME,
    EXTENDED_CLIPBOARD,
    EXTENDED_MOUSE_BUTTONS,
    VMWARE_CURSOR,
    CURSOR,
];

#[tokio::test]
async fn the_first_frame_is_the_servers_own_pixels_in_every_encoding_and_format() {
    let mut desktop = Desktop::fixed().await;
    desktop.terminal();

    for encoding in [RAW, TIGHT, ZRLE] {
        for format in [Format::Bgrx, Format::Rgb565, Format::Bgr233] {
            let mut client = desktop.viewer(&[encoding]).await;
            client.pixel_format(format).await;
            client.request(false).await;
            client.shows(&desktop, format).await;
        }
    }
}

#[tokio::test]
async fn a_typed_key_reaches_the_terminal_and_becomes_visible() {
    let mut desktop = Desktop::fixed().await;
    desktop.terminal();
    let mut client = desktop.viewer(NOVNC).await;
    client.request(false).await;
    client.until("the terminal is there", |_| desktop.typed() == "ready\n").await;
    client.pointer(300, 200, 0).await;
    let before = client.canvas.pixels.clone();

    for key in "Hi!".chars() {
        client.press(key.into()).await;
    }
    client.press(RETURN).await;

    client.until("it is typed", |_| desktop.typed() == "ready\nHi!\n").await;
    client.until("it is seen", |client| client.canvas.pixels != before).await;
}

#[tokio::test]
async fn a_key_without_a_symbol_is_the_function_that_it_stands_for_and_a_shortcut_is_the_latin_one() {
    const CONTROL: u32 = 0xffe3;
    const CYRILLIC_ES: u32 = 0x6d3;
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(NOVNC).await;
    client.request(false).await;
    client.until("it is offered", |client| client.abilities.contains(&QEMU_KEYS)).await;

    // F5 without a symbol, a dead key without one, then Ctrl+C as a Cyrillic layout sends it; keys as X counts them.
    client.qemu_key(0, 0x3f, true).await;
    client.sync().await;
    assert_eq!(desktop.held_keys(), [71]);
    client.qemu_key(0, 0x3f, false).await;
    client.qemu_key(0, 0x1a, true).await;
    client.sync().await;
    assert!(!desktop.is_anything_held());
    client.qemu_key(CONTROL, 0x1d, true).await;
    client.qemu_key(CYRILLIC_ES, 0x2e, true).await;
    client.sync().await;
    assert_eq!(desktop.held_keys(), [37, 54]);

    // Control comes up first, and the other key is still the one that went down.
    client.qemu_key(CONTROL, 0x1d, false).await;
    client.qemu_key(CYRILLIC_ES, 0x2e, false).await;
    client.sync().await;
    assert!(!desktop.is_anything_held());
}

#[tokio::test]
async fn a_viewer_that_only_looks_changes_nothing() {
    let mut desktop = Desktop::fixed().await;
    desktop.terminal();
    let mut driver = desktop.viewer(NOVNC).await;
    driver.request(false).await;
    driver.until("the terminal is there", |_| desktop.typed() == "ready\n").await;
    driver.pointer(300, 200, 0).await;
    driver.sync().await;
    let mut onlooker = desktop.onlooker(NOVNC).await;

    onlooker.press('n'.into()).await;
    onlooker.send(&[255, 0, 0, 1, 0, 0, 0, b'q', 0, 0, 0, 16]).await;
    onlooker.pointer(639, 479, 1).await;
    onlooker.copy(b"from the onlooker").await;
    onlooker.wish(800, 600).await;
    onlooker.sync().await;
    assert!(!desktop.is_anything_held());
    driver.press('y'.into()).await;
    driver.press(RETURN).await;

    driver.until("a line is typed", |_| desktop.typed().lines().count() > 1).await;
    assert_eq!(desktop.typed(), "ready\ny\n");
    let x = desktop.x();
    let pointer = x.query_pointer(x.setup().roots[0].root).unwrap().reply().unwrap();
    assert_eq!((pointer.root_x, pointer.root_y), (300, 200));
    assert!(driver.clipboard.is_none() && onlooker.clipboard.is_none());
    onlooker.request(false).await;
    onlooker.until("the wish is refused", |client| client.sizes.contains(&(1, 1))).await;
}

#[tokio::test]
async fn what_a_viewer_holds_is_released_when_it_leaves() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(&[RAW, FENCE]).await;
    client.key(SHIFT, true).await;
    client.pointer(100, 100, 1).await;
    client.sync().await;
    assert!(desktop.is_anything_held());

    drop(client);
    desktop.served().await.unwrap().unwrap();

    assert!(!desktop.is_anything_held());
}

#[tokio::test]
async fn the_screen_takes_the_size_a_viewer_wishes_and_every_viewer_follows() {
    let mut desktop = Desktop::resizable().await;
    desktop.terminal();
    let mut client = desktop.viewer(&[TIGHT, EXTENDED_DESKTOP_SIZE]).await;
    let mut other = desktop.onlooker(&[ZRLE, DESKTOP_SIZE]).await;
    client.request(false).await;
    other.request(false).await;
    client.until("it has a picture", |client| client.updates > 1).await;

    client.wish(1016, 713).await;

    client.until("it is told", |client| client.sizes.contains(&(1, 0))).await;
    assert_eq!((client.canvas.width, client.canvas.height), (1016, 713));
    client.shows(&desktop, Format::Bgrx).await;
    other.until("the other is told", |other| (other.canvas.width, other.canvas.height) == (1016, 713)).await;
    other.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn a_size_that_makes_no_sense_or_cannot_be_had_is_refused() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(&[TIGHT, EXTENDED_DESKTOP_SIZE]).await;
    client.request(false).await;

    client.wish(0, 0).await;
    client.until("nonsense is refused", |client| client.sizes.contains(&(1, 3))).await;
    client.wish(1024, 768).await;
    client.until("a fixed screen stays", |client| client.sizes.contains(&(1, 2))).await;

    assert_eq!((client.canvas.width, client.canvas.height), (640, 480));
}

#[tokio::test]
async fn the_pointers_shape_comes_without_pixels_and_follows_its_changes() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(NOVNC).await;
    client.request(false).await;
    client.until("there is a pointer", |client| client.cursor.is_some()).await;
    let first = client.cursor.clone().unwrap();
    let x = desktop.x();
    let (font, cursor) = (x.generate_id().unwrap(), x.generate_id().unwrap());
    x.open_font(font, b"cursor").unwrap();
    x.create_glyph_cursor(cursor, font, font, 34, 35, 0, 0, 0, 65535, 0, 0).unwrap();
    let root = x.setup().roots[0].root;

    x.change_window_attributes(root, &ChangeWindowAttributesAux::new().cursor(cursor)).unwrap();
    x.flush().unwrap();

    client.until("the pointer changes", |client| client.cursor.as_ref() != Some(&first)).await;
    let shape = client.cursor.unwrap();
    assert!(shape.drawn > 0 && shape.size.0 <= 64, "{:?}", shape.size);
}

#[tokio::test]
async fn a_text_copied_on_the_desktop_reaches_every_kind_of_viewer() {
    let mut desktop = Desktop::fixed().await;
    let mut modern = desktop.viewer(NOVNC).await;
    let mut old = desktop.viewer(&[RAW]).await;
    let mut onlooker = desktop.onlooker(NOVNC).await;
    let xclip = desktop.run("xclip", &["-quiet", "-selection", "clipboard", "-in"]);
    xclip.stdin.take().unwrap().write_all("héllo\n你好".as_bytes()).unwrap();

    modern.until("it has the text", |client| client.clipboard.as_deref() == Some("héllo\n你好")).await;
    old.until("it has what Latin-1 can say", |client| client.clipboard.as_deref() == Some("héllo\n??")).await;
    // A text takes three messages: an offer, a request, the text.
    for _ in 0..3 {
        onlooker.sync().await;
    }
    assert_eq!(onlooker.clipboard, None);
}

#[tokio::test]
async fn a_text_copied_by_a_viewer_reaches_the_desktop_and_the_others() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(NOVNC).await;
    let mut other = desktop.viewer(NOVNC).await;

    client.copy("caf\u{e9}".chars().map(|c| c as u8).collect::<Vec<_>>().as_slice()).await;
    client.sync().await;

    let mut pasted = String::new();
    let xclip = desktop.run("xclip", &["-selection", "clipboard", "-out"]);
    xclip.stdout.take().unwrap().read_to_string(&mut pasted).unwrap();
    assert_eq!(pasted, "café");
    other.until("the other has it", |other| other.clipboard.as_deref() == Some("café")).await;
    assert_eq!(client.clipboard, None, "its own text does not come back");
}

#[tokio::test]
async fn a_clipboard_that_is_too_large_is_skipped_and_the_viewer_stays() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(NOVNC).await;

    client.copy(&vec![b'x'; (1 << 20) + 1]).await;
    client.sync().await;
    client.copy(b"small").await;
    client.sync().await;

    let mut pasted = String::new();
    let xclip = desktop.run("xclip", &["-selection", "clipboard", "-out"]);
    xclip.stdout.take().unwrap().read_to_string(&mut pasted).unwrap();
    assert_eq!(pasted, "small");
}

#[tokio::test]
async fn updates_come_without_asking_when_a_viewer_wants_it_so() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(NOVNC).await;
    client.request(false).await;
    client.until("it is offered", |client| client.can_continue).await;
    client.continuous().await;
    client.until("the first picture came", |client| client.updates > 0).await;

    desktop.terminal();

    client.until("the terminal is there", |_| desktop.typed() == "ready\n").await;
    client.pointer(300, 200, 0).await;
    for i in 0..20 {
        let before = client.updates;
        client.press(u32::from(b'a') + i).await;
        client.until("the letter is seen", |client| client.updates > before).await;
    }
    assert!(client.abilities.contains(&EXTENDED_MOUSE_BUTTONS));
    assert_eq!(client.name, "Test – desktop");
}

#[tokio::test]
async fn a_viewer_that_does_not_read_gets_the_newest_frame_when_it_reads_again() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(&[RAW]).await;
    client.request(false).await;
    desktop.run("xterm", &["-geometry", "100x30+0+0", "-e", "sh", "-c", "seq 1 20000; echo ready > typed; cat"]);
    let patience = tokio::time::timeout(crate::client::DEADLINE, async {
        while desktop.typed() != "ready\n" {
            tokio::task::yield_now().await;
        }
    });
    patience.await.unwrap();

    client.shows(&desktop, Format::Bgrx).await;

    assert!(client.updates < 60, "{} updates for a flood that nobody read", client.updates);
}

#[tokio::test]
async fn what_is_no_viewer_is_told_and_let_go() {
    let mut desktop = Desktop::fixed().await;
    for (sent, part) in [(&b"GET / HTTP/1.1\r\n\r\n"[..], "does not speak RFB"), (b"RFB 003.008\n\x02", "type 2")] {
        let mut stream = desktop.connect(true);
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();

        let error = desktop.served().await.unwrap().unwrap_err().to_string();

        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn nonsense_after_the_handshake_ends_only_that_viewer() {
    let mut desktop = Desktop::fixed().await;
    let mut good = desktop.viewer(NOVNC).await;
    let mut bad = desktop.viewer(&[RAW]).await;

    bad.send(&[99, 1, 2, 3]).await;

    assert!(desktop.served().await.unwrap().is_err());
    good.request(false).await;
    good.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn cancelling_ends_a_viewer_and_releases_what_it_holds() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(&[RAW, FENCE]).await;
    client.key(SHIFT, true).await;
    client.sync().await;

    desktop.cancel.cancel();
    desktop.served().await.unwrap().unwrap();

    assert!(!desktop.is_anything_held());
}
