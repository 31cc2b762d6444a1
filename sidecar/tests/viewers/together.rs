//! Viewers of different kinds on one desktop at once.

use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::{desktop::Desktop, display::eventually, gvncviewer, novnc::Browser, tigervnc, vncdotool::Tool};

/// Updates that one viewer takes while another one stands still.
const MISSED: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn one_that_stalls_holds_up_nobody_and_sees_the_newest_picture_when_it_goes_on() {
    let mut desktop = Desktop::start().await;
    let (stalling, following) = (desktop.door().await, desktop.door().await);
    let tiger = tigervnc::lossless("together-tiger", &stalling, "Tight").await;
    let gvnc = gvncviewer::open("together-gvnc", &following).await;
    let mut page = Browser::open(&desktop).await;
    let mut tool = Tool::open(&desktop.door().await, "RAW");
    tool.call(&[json!("refreshScreen")]);
    tiger.shows(&desktop).await;
    gvnc.shows(&desktop).await;
    page.shows(&desktop);
    tool.shows(&desktop);

    let before = tiger.picture(&desktop);
    desktop.scroll();
    eventually("it follows", async || tiger.picture(&desktop) != before).await;
    kill(tiger.pid(), Signal::SIGSTOP).unwrap();
    let stale = tiger.picture(&desktop).unwrap();
    let sent = (stalling.sent(), following.sent());
    for _ in 0..MISSED {
        tool.call(&[json!("refreshScreen"), json!(true)]);
    }
    desktop.stop_scrolling().await;

    gvnc.shows(&desktop).await;
    page.shows(&desktop);
    tool.shows(&desktop);
    assert_eq!(tiger.picture(&desktop).unwrap(), stale, "it stands still");
    kill(tiger.pid(), Signal::SIGCONT).unwrap();
    tiger.shows(&desktop).await;
    let (late, in_time) = (stalling.sent() - sent.0, following.sent() - sent.1);
    assert!(late * 4 < in_time, "{late} bytes to catch up with {in_time}: that is a backlog");
}
