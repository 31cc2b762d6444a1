//! Windows on a real window manager: listed, focused, moved, minimised, maximised, closed.

use protocol::{
    action::Rect,
    desktop::Size,
    window::{Window, WindowVerb},
};
use sidecar::link::{Answer, Call, RefusalKind};

use crate::display::{Desk, Display, eventually};

const STUBBORN: &str = "
import gi
gi.require_version('Gtk', '3.0')
from gi.repository import Gtk
window = Gtk.Window(title='Stubborn')
window.set_default_size(300, 200)
window.connect('delete-event', lambda *_: True)
window.show_all()
Gtk.main()
";

async fn change_in(desk: &Desk, id: u32, verb: WindowVerb, picture: Option<Size>) -> Option<Window> {
    match desk.call(&Call::Window { id, verb, picture }).await {
        Ok(Answer::Window(outcome)) => outcome.window,
        other => panic!("{verb:?}: {other:?}"),
    }
}

async fn change(desk: &Desk, id: u32, verb: WindowVerb) -> Option<Window> {
    change_in(desk, id, verb, None).await
}

/// Two terminals, the second one on top.
async fn two_terminals(display: &mut Display) -> (Desk, Window, Window) {
    display.managed().await;
    let desk = display.desk().await;
    let mut terminals = Vec::new();
    for (title, at) in [("one", "40x10+50+60"), ("two", "40x10+300+200")] {
        display.run("xterm", &["-T", title, "-geometry", at, "-e", "sleep", "600"]);
        eventually("it has the keyboard", async || desk.window(title).await.focused).await;
        terminals.push(desk.window(title).await);
    }
    let two = terminals.pop().unwrap();
    (desk, terminals.pop().unwrap(), two)
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_listed_topmost_first_and_panels_are_none() {
    let mut display = Display::fixed();
    let (desk, one, two) = two_terminals(&mut display).await;
    display.run("tint2", &[]);
    eventually("the panel is there", async || has_panel(&display)).await;

    let windows = desk.windows().await;

    assert_eq!(windows.iter().map(|window| window.title.as_str()).collect::<Vec<_>>(), ["two", "one"]);
    assert_eq!((one.class.as_str(), two.focused, windows[1].focused), ("XTerm", true, false));
    assert!(windows[0].pid.is_some() && windows[0].bounds.width > 100, "{windows:?}");
}

fn has_panel(display: &Display) -> bool {
    use x11rb::{connection::Connection, protocol::xproto::ConnectionExt};
    let (x, number) = display.connect();
    let tree = x.query_tree(x.setup().roots[number].root).unwrap().reply().unwrap();
    let class = |window| {
        let class = x11rb::protocol::xproto::AtomEnum::WM_CLASS;
        x.get_property(false, window, class, x11rb::protocol::xproto::AtomEnum::STRING, 0, 64).unwrap().reply()
    };
    let mut open = tree.children;
    while let Some(window) = open.pop() {
        if class(window).is_ok_and(|class| class.value.starts_with(b"tint2")) {
            return true;
        }
        open.extend(x.query_tree(window).unwrap().reply().map(|tree| tree.children).unwrap_or_default());
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_does_what_it_says_and_answers_the_window_as_it_is_then() {
    let mut display = Display::fixed();
    let (desk, one, two) = two_terminals(&mut display).await;

    let focused = change(&desk, one.id, WindowVerb::Focus).await.unwrap();
    assert!(focused.focused && desk.windows().await[0].id == one.id);

    let to = Rect { x: 400, y: 300, width: 500, height: 300 };
    let moved = change(&desk, one.id, WindowVerb::MoveResize { to }).await.unwrap();
    // A terminal's size goes by whole characters.
    assert_eq!((moved.bounds.x, moved.bounds.y), (400, 300));
    assert!(moved.bounds.width.abs_diff(500) < 20 && moved.bounds.height.abs_diff(300) < 20, "{:?}", moved.bounds);

    let half = Some(Size { width: 640, height: 400 });
    let to = Rect { x: 100, y: 50, width: 250, height: 150 };
    let moved = change_in(&desk, one.id, WindowVerb::MoveResize { to }, half).await.unwrap();
    assert_eq!((moved.bounds.x, moved.bounds.y), (100, 50));
    assert_eq!(desk.window("one").await.bounds.x, 200);

    let large = change(&desk, one.id, WindowVerb::Maximise).await.unwrap();
    assert!(large.maximised && large.bounds.width > 1200, "{large:?}");
    let back = change(&desk, one.id, WindowVerb::Restore).await.unwrap();
    assert!(!back.maximised && back.bounds.x == 200, "{back:?}");

    let hidden = change(&desk, two.id, WindowVerb::Minimise).await.unwrap();
    assert!(hidden.minimised && !hidden.focused, "{hidden:?}");
    let shown = change(&desk, two.id, WindowVerb::Focus).await.unwrap();
    assert!(!shown.minimised && shown.focused, "{shown:?}");

    assert_eq!(change(&desk, two.id, WindowVerb::Close).await, None);
    assert_eq!(desk.windows().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_does_not_close_is_told_as_being_there() {
    let mut display = Display::fixed();
    display.managed().await;
    let desk = display.desk().await;
    display.run("env", &["/usr/bin/python3", "-c", STUBBORN]);
    let window = desk.window("Stubborn").await;

    let after = change(&desk, window.id, WindowVerb::Close).await;

    assert_eq!(after.map(|after| after.id), Some(window.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let mut display = Display::fixed();
    let desk = display.desk().await;
    let kind = async |call: Call| desk.call(&call).await.unwrap_err().kind;
    assert_eq!(kind(Call::Windows { picture: None }).await, RefusalKind::Unavailable);

    display.managed().await;
    display.run("xterm", &["-T", "one", "-e", "sleep", "600"]);
    let window = desk.window("one").await;
    let to = Rect { x: 5_000, y: 0, width: 300, height: 300 };
    let away = Call::Window { id: window.id, verb: WindowVerb::MoveResize { to }, picture: None };
    assert_eq!(kind(away).await, RefusalKind::Invalid);
    for id in [0, 1, u32::MAX] {
        assert_eq!(kind(Call::Window { id, verb: WindowVerb::Close, picture: None }).await, RefusalKind::NotFound);
    }
    let nonsense = Some(Size { width: 0, height: 5 });
    assert_eq!(kind(Call::Windows { picture: nonsense }).await, RefusalKind::Invalid);

    assert_eq!(desk.window("one").await.bounds, window.bounds);
}
