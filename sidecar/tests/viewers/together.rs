//! Viewers of different kinds on one desktop at once.

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::{desktop::Desktop, display::eventually, gvncviewer, tigervnc, vncdotool::Tool};

/// What a screen of 1280x800 takes without any encoding.
const WHOLE_SCREEN: u64 = 1280 * 800 * 4;

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stalls_holds_up_nobody_and_sees_the_newest_picture_when_it_goes_on() {
    let mut desktop = Desktop::start().await;
    let tiger = tigervnc::lossless("together-tiger", &desktop.door().await, "Tight").await;
    let stalling = desktop.door().await;
    let gvnc = gvncviewer::open("together-gvnc", &stalling).await;
    let mut tool = Tool::open(&desktop.door().await, "RAW");
    tool.call(&[json!("refreshScreen")]);
    tiger.shows(&desktop).await;
    gvnc.shows_nearly(&desktop).await;
    tool.shows(&desktop);

    let before = gvnc.picture(&desktop);
    desktop.scroll();
    eventually("it follows", async || gvnc.picture(&desktop) != before).await;
    kill(gvnc.pid(), Signal::SIGSTOP).unwrap();
    let stale = gvnc.picture(&desktop).unwrap();
    for _ in 0..30 {
        tool.call(&[json!("refreshScreen"), json!(true)]);
    }
    let before = tiger.picture(&desktop);
    eventually("a viewer beside it follows", async || tiger.picture(&desktop) != before).await;
    desktop.stop_scrolling().await;

    tiger.shows(&desktop).await;
    tool.shows(&desktop);
    assert_eq!(gvnc.picture(&desktop).unwrap(), stale, "it stands still");
    let sent = stalling.sent();
    kill(gvnc.pid(), Signal::SIGCONT).unwrap();
    gvnc.shows_nearly(&desktop).await;
    let late = stalling.sent() - sent;
    assert!(late < 2 * WHOLE_SCREEN, "{late} bytes to catch up: that is a backlog");
}
