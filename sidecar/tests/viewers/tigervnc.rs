//! TigerVNC's own viewer, with each of the encodings that it prefers when told to.

use crate::{
    desktop::{Desktop, Door},
    display::eventually,
    seat::Seat,
};

const LOSSLESS: &[&str] = &["-AutoSelect=0", "-FullColor", "-NoJPEG"];

pub(crate) async fn open(name: &'static str, door: &Door, arguments: &[&str]) -> Seat {
    let address = format!("127.0.0.1::{}", door.port);
    // Without its hint about the menu's key, which would lie over the picture.
    let always = ["-Shared", "-MenuKey=", "-AlertOnFatalError=0", "-ReconnectOnError=0", "-SecurityTypes=None"];
    let clipboard = ["-SetPrimary=0", "-SendPrimary=0"];
    Seat::take(name, "xtigervncviewer", &[&always[..], &clipboard, arguments, &[&address]].concat()).await
}

pub(crate) async fn lossless(name: &'static str, door: &Door, encoding: &str) -> Seat {
    let encoding = format!("-PreferredEncoding={encoding}");
    open(name, door, &[LOSSLESS, &[&encoding]].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_the_very_pixels_in_every_lossless_encoding() {
    let mut desktop = Desktop::start().await;

    for (name, encoding) in
        [("tiger-raw", "Raw"), ("tiger-zrle", "ZRLE"), ("tiger-tight", "Tight"), ("tiger-hextile", "Hextile")]
    {
        let seat = lossless(name, &desktop.door().await, encoding).await;

        seat.shows(&desktop).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_exactly_the_same_by_jpeg_once_it_stands_still() {
    let mut desktop = Desktop::start().await;

    let seat = open("tiger-jpeg", &desktop.door().await, &["-AutoSelect=0", "-QualityLevel=6"]).await;

    seat.shows(&desktop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_types_every_script_and_points() {
    let mut desktop = Desktop::start().await;
    let seat = lossless("tiger-typing", &desktop.door().await, "ZRLE").await;
    seat.shows(&desktop).await;
    seat.enter(&desktop, 200, 150).await;

    seat.type_text("Hello, World! ~@ü€你\n");

    eventually("it is typed", async || desktop.typed().ends_with('\n')).await;
    assert_eq!(desktop.typed(), "Hello, World! ~@ü€你\n");
    seat.shows_the_pointer(&desktop).await;

    seat.enter(&desktop, 800, 500).await;
    for button in [1, 2, 3, 4, 5] {
        seat.click(button);
        assert_eq!(desktop.next_press().await, button);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn its_window_and_the_desktop_have_one_size() {
    let mut desktop = Desktop::start().await;
    let seat = lossless("tiger-size", &desktop.door().await, "ZRLE").await;
    let other = lossless("tiger-size-other", &desktop.door().await, "Tight").await;
    seat.shows(&desktop).await;

    seat.resize(1016, 713);
    eventually("the desktop follows", async || desktop.size() == (1016, 713)).await;
    seat.shows(&desktop).await;
    other.shows(&desktop).await;

    desktop.resize("1280x800").await;
    seat.shows(&desktop).await;
    other.shows(&desktop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_are_copied_both_ways() {
    let mut desktop = Desktop::start().await;
    let mut seat = lossless("tiger-clipboard", &desktop.door().await, "ZRLE").await;
    seat.shows(&desktop).await;
    seat.enter(&desktop, 200, 150).await;

    seat.copy("from the viewer: ü€你🎉\nline 2");
    eventually("it is on the desktop", async || desktop.paste().await.trim_end() == "from the viewer: ü€你🎉\nline 2")
        .await;

    desktop.copy("from the desktop: ü€你🎉").await;
    eventually("the viewer has it", async || seat.paste() == "from the desktop: ü€你🎉").await;
}
