//! Viewers that mean harm or know no better, and X servers that fail: bounded, refused with a reason, or survived.

use std::time::Duration;

use sidecar::desk::vnc::ServeError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    client::{Client, DEADLINE, encoding::*},
    decoder::Format,
    desktop::Desktop,
    live::{NOVNC, RETURN},
    wire::Drip,
};

#[tokio::test]
async fn a_viewer_whose_bytes_come_one_by_one_is_understood() {
    let mut desktop = Desktop::fixed().await;
    desktop.terminal();
    let mut client = Client::connect(Drip(desktop.connect(true)), NOVNC).await;
    client.until("the terminal is there", |_| desktop.typed() == "ready\n").await;
    client.pointer(300, 200, 0).await;

    client.copy(b"text").await;
    client.wish(1, 1).await;
    for key in "ok".chars() {
        client.press(key.into()).await;
    }
    client.press(RETURN).await;
    client.sync().await;

    client.until("it is typed", |_| desktop.typed() == "ready\nok\n").await;
}

#[tokio::test]
async fn nonsense_ends_only_the_viewer_that_sent_it() {
    let mut desktop = Desktop::fixed().await;
    let mut good = desktop.viewer(NOVNC).await;
    let format = |bits: u8, depth: u8, true_colour: u8, max: u8, shift: u8| -> Vec<u8> {
        vec![0, 0, 0, 0, bits, depth, 0, true_colour, 0, max, 0, max, 0, max, shift, shift, shift, 0, 0, 0]
    };
    let nonsense = [
        (vec![99], "unknown type 99"),
        (vec![255, 7], "unknown type 255"),
        (vec![2, 0, 0xff, 0xff], "more than the 1024"),
        (vec![248, 0, 0, 0, 0, 0, 0, 0, 65], "more than the 64"),
        (format(7, 24, 1, 255, 0), "pixel format"),
        (format(32, 24, 1, 0, 0), "pixel format"),
        (format(32, 24, 1, 255, 200), "pixel format"),
        (format(16, 16, 0, 31, 0), "pixel format"),
        (vec![6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1], "no flags"),
        (vec![6, 0, 0, 0, 0xff, 0xff, 0xff, 0xfb, 0x10, 0, 0, 1, 0], "zlib"),
    ];

    for (wire, why) in nonsense {
        let mut bad = desktop.viewer(&[RAW]).await;
        bad.send(&wire).await;

        let error = desktop.served().await.unwrap().unwrap_err().to_string();
        assert!(error.contains(why), "{wire:?}: {error}");
    }

    good.request(false).await;
    good.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn a_viewer_with_gigabytes_on_its_clipboard_is_read_past_them_and_harms_nobody() {
    let mut desktop = Desktop::fixed().await;
    let mut good = desktop.viewer(NOVNC).await;
    let mut bad = desktop.viewer(NOVNC).await;
    // 2 GiB as Latin-1; what claims more is the extension's, of which the least is 2 GiB too.
    bad.send(&[6, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff]).await;

    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        timeout(DEADLINE, bad.send(&megabyte)).await.expect("it is read");
    }

    let resident = resident_megabytes();
    assert!(resident < 400, "{resident} MB");
    good.copy(b"small").await;
    good.sync().await;
    good.request(false).await;
    good.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn a_size_out_of_all_bounds_is_refused_and_the_screen_stays() {
    let mut desktop = Desktop::resizable().await;
    let mut client = desktop.viewer(&[TIGHT, EXTENDED_DESKTOP_SIZE, FENCE]).await;
    client.request(false).await;
    client.until("it has a picture", |client| client.updates > 1).await;
    let before = (client.canvas.width, client.canvas.height);

    for (width, height) in [(0, 0), (0, 600), (1, 1), (u16::MAX, u16::MAX), (640, u16::MAX)] {
        client.sizes.clear();
        client.wish(width, height).await;
        client.until("it is refused", |client| client.sizes.contains(&(1, 3))).await;
    }

    assert_eq!((client.canvas.width, client.canvas.height), before);
    client.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn a_viewer_that_never_reads_is_not_listened_to_for_ever_and_can_be_ended() {
    let mut desktop = Desktop::fixed().await;
    let mut good = desktop.viewer(NOVNC).await;
    let mut bad = desktop.connect(true);
    bad.write_all(b"RFB 003.008\n\x01\x01").await.unwrap();
    // Fences with the longest payload, each of which is to be answered with the same.
    let fence = [&[248, 0, 0, 0, 0x80, 0, 0, 1, 64][..], &[7; 64]].concat().repeat(1000);
    let whole_screen = [3, 0, 0, 0, 0, 0, 2, 128, 1, 224];

    let mut taken = 0;
    while let Ok(written) = timeout(Duration::from_millis(500), async {
        bad.write_all(&whole_screen).await?;
        bad.write_all(&fence).await
    })
    .await
    {
        written.unwrap();
        taken += fence.len();
        assert!(taken < 64 << 20, "it is still listened to after {taken} bytes");
    }

    good.request(false).await;
    good.shows(&desktop, Format::Bgrx).await;
    desktop.cancel.cancel();
    for _ in 0..2 {
        desktop.served().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn viewers_are_let_go_when_the_x_server_dies() {
    let mut desktop = Desktop::fixed().await;
    let mut client = desktop.viewer(NOVNC).await;
    client.request(false).await;
    client.until("it has a picture", |client| client.updates > 0).await;
    let mut unfinished = desktop.connect(true);
    unfinished.write_all(b"RFB 003.008\n").await.unwrap();

    desktop.end_server();

    for _ in 0..2 {
        let served = desktop.served().await.unwrap();
        assert!(matches!(served, Err(ServeError::ScreenGone | ServeError::Screen(_))), "{served:?}");
    }
    let mut rest = Vec::new();
    timeout(DEADLINE, unfinished.read_to_end(&mut rest)).await.expect("it hangs up").unwrap();
}

#[tokio::test]
async fn a_screen_that_changes_its_size_while_updates_are_on_their_way_ends_up_right() {
    let mut desktop = Desktop::resizable().await;
    desktop.run("xterm", &["-geometry", "200x60+0+0", "-e", "sh", "-c", "while :; do seq 1 2000; done"]);
    let mut client = desktop.viewer(NOVNC).await;
    client.until("it is offered", |client| client.can_continue).await;
    client.continuous().await;

    for (width, height) in [(800, 600), (1016, 713), (640, 480), (1280, 800), (700, 500)] {
        client.wish(width, height).await;
        let size = (usize::from(width), usize::from(height));
        client.until("it has that size", |client| (client.canvas.width, client.canvas.height) == size).await;
        let updates = client.updates;
        client.continuous().await;
        client.request(false).await;
        client.until("updates go on", |client| client.updates > updates + 2).await;
    }

    desktop.end_programs();
    client.encodings(&[RAW, FENCE, CONTINUOUS_UPDATES]).await;
    client.request(false).await;
    client.shows(&desktop, Format::Bgrx).await;
}

#[tokio::test]
async fn a_server_without_the_extensions_that_make_it_fast_is_shown_all_the_same() {
    for missing in ["DAMAGE", "MIT-SHM"] {
        let mut desktop = Desktop::without(missing).await;
        let mut client = desktop.viewer(NOVNC).await;
        client.request(false).await;
        client.until("it has a picture", |client| client.updates > 0).await;

        desktop.terminal();

        client.until("the terminal is there", |_| desktop.typed() == "ready\n").await;
        client.encodings(&[RAW]).await;
        client.request(false).await;
        client.shows(&desktop, Format::Bgrx).await;
    }
}

fn resident_megabytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}
