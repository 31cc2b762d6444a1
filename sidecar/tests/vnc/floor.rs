//! Whose keys and buttons count, and who sees what is copied.

use sidecar::link::FloorRule;

use crate::{
    desktop::Desktop,
    live::{NOVNC, RETURN},
};

#[tokio::test]
async fn only_who_has_taken_control_types_clicks_copies_and_reads_what_is_copied() {
    let mut desktop = Desktop::fixed().await;
    desktop.terminal();
    let mut ada = desktop.viewer(NOVNC).await;
    ada.request(false).await;
    ada.until("the terminal is there", |_| desktop.typed() == "ready\n").await;
    ada.pointer(300, 200, 0).await;
    ada.sync().await;
    desktop.seat = "bob";
    let mut bob = desktop.viewer(NOVNC).await;
    desktop.floor.set(FloorRule::Only { seat: "ada".into() });

    bob.press('b'.into()).await;
    bob.pointer(600, 400, 1).await;
    bob.copy(b"from bob").await;
    bob.wish(800, 600).await;
    bob.sync().await;
    ada.press('a'.into()).await;
    ada.press(RETURN).await;
    ada.copy(b"a password").await;
    ada.sync().await;

    ada.until("a line is typed", |_| desktop.typed().lines().count() > 1).await;
    assert_eq!(desktop.typed(), "ready\na\n");
    assert!(!desktop.is_anything_held());
    bob.request(false).await;
    bob.until("the wish is refused", |client| client.sizes.contains(&(1, 1))).await;
    bob.sync().await;
    assert!(bob.clipboard.is_none(), "{:?}", bob.clipboard);
}

#[tokio::test]
async fn while_the_agent_drives_no_viewers_input_counts() {
    let mut desktop = Desktop::fixed().await;
    desktop.terminal();
    let mut ada = desktop.viewer(NOVNC).await;
    ada.request(false).await;
    ada.until("the terminal is there", |_| desktop.typed() == "ready\n").await;
    ada.pointer(300, 200, 0).await;
    ada.sync().await;

    desktop.floor.set(FloorRule::Nobody);
    ada.press('x'.into()).await;
    ada.sync().await;
    desktop.floor.set(FloorRule::Anyone);
    ada.press('y'.into()).await;
    ada.press(RETURN).await;

    ada.until("a line is typed", |_| desktop.typed().lines().count() > 1).await;
    assert_eq!(desktop.typed(), "ready\ny\n");
}
