//! Typing, from the call to the last byte in the program that was typed into.

use std::{
    fs::File,
    io::Read,
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use harness::{desk::Desk, display::Display, table::Table};
use nix::{sys::stat::Mode, unistd::mkfifo};
use protocol::{
    action::{Action, Button, Point},
    desktop::Size,
};
use sidecar::link::{Answer, Call};

const PATIENCE: Duration = Duration::from_secs(20);
const PLAIN: (usize, usize, f64) = (100, 20, 5.0);
const MIXED: (usize, usize, f64) = (1_000, 8, 300.0);

/// Into an xterm whose program passes on what it reads.
pub(crate) fn typing(table: &mut Table) {
    let mut display = Display::xvfb(Size::DEFAULT);
    display.manage();
    mkfifo(&display.path("typed"), Mode::S_IRWXU).expect("make a pipe");
    let reader = "stty -icanon -echo; exec cat > typed";
    display.run("xterm", &["-u8", "-geometry", "100x40+4+20", "-e", "sh", "-c", reader]);
    let typed = read_on(File::open(display.path("typed")).expect("open the pipe"));
    display.wait_for_windows(1);
    let desk = Desk::start(&display);
    let click = Action::Click { button: Button::Left, count: 1, at: Some(Point { x: 300, y: 300 }), modifiers: None };
    assert!(matches!(desk.call(&Call::Act { action: click, picture: None, secret: false }), Answer::Acted(_)));

    for (what, alphabet, (length, times, limit)) in [
        ("100 lower-case characters", "abcdefghijklmnopqrstuvwxyz", PLAIN),
        ("1,000 mixed characters", "ab cD,E!@#{}é ñßü€λж你好世界日本🎉🚀 0123", MIXED),
    ] {
        let text: String = alphabet.chars().cycle().take(length).collect();
        let took: Vec<f64> = (0..times).map(|_| type_once(&desk, &text, &typed)).collect();
        table.judged(&format!("typing {what}, read back"), "ms", &took, limit);
    }
}

fn type_once(desk: &Desk, text: &str, typed: &Receiver<(Instant, Vec<u8>)>) -> f64 {
    let action = Action::Type { text: text.to_owned() };
    let begun = Instant::now();
    let answer = desk.call(&Call::Act { action, picture: None, secret: false });
    assert!(matches!(answer, Answer::Acted(_)), "{answer:?}");
    let (mut read, mut last) = (Vec::new(), begun);
    while read.len() < text.len() {
        let (at, bytes) = typed.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("of {} bytes only {} arrived: {}", text.len(), read.len(), String::from_utf8_lossy(&read))
        });
        read.extend(bytes);
        last = at;
    }
    assert_eq!(String::from_utf8_lossy(&read), text, "what was typed arrives as it was");
    (last - begun).as_secs_f64() * 1000.0
}

/// Notes when what arrived; the thread ends with the pipe's writer.
fn read_on(mut pipe: File) -> Receiver<(Instant, Vec<u8>)> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut bytes) {
            if sender.send((Instant::now(), bytes[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    receiver
}
