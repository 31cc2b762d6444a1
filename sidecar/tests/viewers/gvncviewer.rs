//! gvncviewer, which is gtk-vnc with a menu above it. It always takes JPEG, and has no clipboard.

use crate::{
    desktop::{Desktop, Door},
    display::eventually,
    seat::Seat,
};

pub(crate) async fn open(name: &'static str, door: &Door) -> Seat {
    // It names ports as displays, from 5900 on.
    let display = door.port - 5900;
    Seat::take(name, "gvncviewer", &[&format!("127.0.0.1:{display}")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_the_desktop_and_follows_the_desktops_size() {
    let mut desktop = Desktop::start().await;
    let seat = open("gvnc", &desktop.door().await).await;
    seat.shows(&desktop).await;

    desktop.resize("1152x864").await;

    seat.shows(&desktop).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_types_every_script_and_points() {
    let mut desktop = Desktop::start().await;
    let seat = open("gvnc-typing", &desktop.door().await).await;
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
