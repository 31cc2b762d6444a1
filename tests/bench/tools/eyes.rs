//! Screenshots, and the wait for the screen to come to rest.

use std::{
    fs,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Instant,
};

use harness::{desk::Desk, display::Display, picture::Picture, table::Table};
use protocol::{action::Action, desktop::Size};
use sidecar::link::{Answer, Call};
use x11rb::{
    connection::Connection,
    protocol::damage::{ConnectionExt, ReportLevel},
};

const SIZES: [(Size, f64); 2] = [(Size::DEFAULT, 3.0), (Size { width: 1920, height: 1080 }, 6.0)];
const SCREENSHOTS: usize = 30;
const ACTIONS: usize = 20;
/// From the last thing drawn to the picture of it, in milliseconds.
const SETTLED: f64 = 80.0;

/// A whole PNG by the desk's socket and by scrot, in turns.
pub(crate) fn screenshots(table: &mut Table) {
    for (size, limit) in SIZES {
        let mut display = Display::xvfb(size);
        display.manage();
        let text = "ls -l /usr/bin | tail -200; exec sleep 600";
        display.run("xterm", &["-geometry", "100x40+4+20", "-e", "sh", "-c", text]);
        display.run("xterm", &["-geometry", "90x50+640+20", "-bg", "navy", "-fg", "white", "-e", "sh", "-c", text]);
        display.wait_for_windows(2);
        let desk = Desk::start(&display);
        // The text is still being drawn, and a first picture may bring what later ones need not.
        let rest = Call::Act { action: Action::Wait { duration_ms: 1_000 }, picture: None, secret: false };
        assert!(matches!(desk.call(&rest), Answer::Acted(_)));
        let theirs = scrot(&display);
        assert!(Picture::from_png(&desk.screenshot()) == Picture::from_png(&theirs), "the same pixels as scrot's");

        let (mut ours, mut scrots) = (Vec::new(), Vec::new());
        for _ in 0..SCREENSHOTS {
            ours.push(timed(|| drop(desk.screenshot())));
            scrots.push(timed(|| drop(scrot(&display))));
        }
        let name = format!("screenshot, {}x{}", size.width, size.height);
        table.judged(&name, "ms", &ours, limit);
        table.row(&format!("{name}: scrot"), "ms", &scrots);
    }
}

fn scrot(display: &Display) -> Vec<u8> {
    let file = display.path("scrot.png");
    let mut command = Command::new("scrot");
    display.dress(&mut command);
    let status = command.arg("--overwrite").arg(&file).status().expect("start scrot");
    assert!(status.success(), "scrot: {status}");
    fs::read(file).expect("scrot's picture")
}

/// A key into a terminal: from the last thing drawn to the screenshot behind the wait. A key that draws nothing.
pub(crate) fn settled(table: &mut Table) {
    let mut display = Display::xvfb(Size::DEFAULT);
    display.manage();
    display.run("xterm", &["-geometry", "100x40+4+20", "-e", "cat"]);
    display.wait_for_windows(1);
    let desk = Desk::start(&display);
    let last = last_damage(&display);
    let press = |keys: &str| {
        let call = Call::Act { action: Action::Key { keys: keys.to_owned(), repeat: 1 }, picture: None, secret: false };
        match desk.call(&call) {
            Answer::Acted(outcome) => outcome,
            other => panic!("press {keys}: {other:?}"),
        }
    };
    press("a");

    let (mut after, mut idle) = (Vec::new(), Vec::new());
    for _ in 0..ACTIONS {
        assert!(press("a").changed.is_some(), "a letter is drawn");
        desk.screenshot();
        after.push(last.lock().expect("the clock").elapsed().as_secs_f64() * 1000.0);
        let begun = Instant::now();
        press("Shift_L");
        idle.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    table.judged("settled screenshot, after the last damage", "ms", &after, SETTLED);
    table.row("settled, when nothing changes", "ms", &idle);
}

/// When the X server last drew something, as a watcher of its own sees it.
fn last_damage(display: &Display) -> Arc<Mutex<Instant>> {
    let last = Arc::new(Mutex::new(Instant::now()));
    let (x, screen) = display.x();
    let seen = last.clone();
    // It ends with the X server.
    thread::spawn(move || {
        let damage = x.generate_id().expect("an id");
        x.damage_query_version(1, 1).expect("ask").reply().expect("the damage extension");
        x.damage_create(damage, x.setup().roots[screen].root, ReportLevel::RAW_RECTANGLES).expect("watch the screen");
        x.flush().expect("tell the X server");
        while x.wait_for_event().is_ok() {
            *seen.lock().expect("the clock") = Instant::now();
        }
    });
    last
}

fn timed(work: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1000.0
}
