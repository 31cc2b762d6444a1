//! A peer of the link that answers as the desk does, remembers what it was asked, and has no screen.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use protocol::{
    accessibility::{AccessibilityTree, AccessibleNode},
    action::{ActionOutcome, Point, Rect, ShellOutput},
    desktop::Size,
    window::{Application, Evidence, Launch, Launched, Window, WindowOutcome},
};
use sidecar::link::{Answer, Call, ClipboardForm, FloorRule, Format, Refusal, RefusalKind, frame};
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

/// A recording of the desk, and how much of it goes into one answer.
pub const FILM: &[u8] = b"0123456789abcdefghij";
const FILM_PART: u32 = 8;

const SCREEN: Size = Size { width: 1280, height: 800 };

#[derive(Default)]
pub struct Seen {
    pub calls: Vec<Call>,
    /// Commands that were cancelled by closing their connection.
    pub cancelled: Vec<String>,
    colour: u8,
    held: Vec<(String, watch::Receiver<()>)>,
    /// Who was said to drive.
    pub floors: Vec<FloorRule>,
    /// What was put on the clipboard.
    pub copied: Vec<Vec<u8>>,
}

pub struct Desk {
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

/// Holds a command until it is dropped.
pub struct Hold(#[expect(dead_code, reason = "its drop is what counts")] watch::Sender<()>);

impl Desk {
    pub fn start(socket: &Path) -> Self {
        let listener = UnixListener::bind(socket).unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let mut tasks = JoinSet::new();
        let shared = seen.clone();
        tasks.spawn(async move {
            let mut calls = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                calls.spawn(answer(connection, shared.clone()));
            }
        });
        Self { seen, _tasks: tasks }
    }

    /// For a house beside a real one.
    pub fn none() -> Self {
        Self { seen: Arc::default(), _tasks: JoinSet::new() }
    }

    /// Gives the screen another colour.
    pub fn paint(&self, colour: u8) {
        self.seen.lock().unwrap().colour = colour;
    }

    /// Lets this command run until the answer is dropped.
    pub fn hold(&self, command: &str) -> Hold {
        let (hold, held) = watch::channel(());
        self.seen.lock().unwrap().held.push((command.to_owned(), held));
        Hold(hold)
    }

    pub fn with<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let waiting = async {
            while !self.with(&holds) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting)
            .await
            .unwrap_or_else(|_| panic!("it never came: {what}"));
    }
}

fn window() -> Window {
    Window {
        id: 7,
        title: "a terminal".to_owned(),
        class: "XTerm".to_owned(),
        pid: Some(3),
        bounds: Rect { x: 1, y: 2, width: 300, height: 200 },
        focused: true,
        minimised: false,
        maximised: false,
    }
}

/// A small picture of one colour.
fn picture(colour: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 4);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[colour; 48]).unwrap();
    bytes
}

/// What the gate said last.
fn floor(seen: &Mutex<Seen>) -> Option<FloorRule> {
    seen.lock().unwrap().floors.last().cloned()
}

async fn answer(mut connection: UnixStream, seen: Arc<Mutex<Seen>>) {
    let Ok(call) = frame::read_json::<_, Call>(&mut connection).await else { return };
    match &call {
        Call::Health => {}
        Call::Floor { rule } => seen.lock().unwrap().floors.push(rule.clone()),
        call => seen.lock().unwrap().calls.push(call.clone()),
    }
    let answer = match call {
        Call::Health => Answer::Health { painted: true, screen: SCREEN, detail: String::new(), floor: floor(&seen) },
        Call::Act { action, .. } => {
            // A point that no screen has is refused, as the desk does.
            if format!("{action:?}").contains("99999") {
                let message = "Error: (99999, 0) is outside of the screen".to_owned();
                Answer::Refused(Refusal { kind: RefusalKind::Invalid, message })
            } else {
                let position = Some(Point { x: 7, y: 8 });
                Answer::Acted(ActionOutcome { settled: true, waited_ms: 12, position, changed: None })
            }
        }
        Call::Screenshot(call) => {
            let colour = seen.lock().unwrap().colour;
            let bytes = match call.format {
                Format::Png => picture(colour),
                Format::Jpeg { .. } => [b"\xff\xd8\xffscreen", &[colour][..]].concat(),
            };
            let _ = frame::write_json(&mut connection, &Answer::Screenshot { picture: SCREEN, screen: SCREEN }).await;
            let _ = frame::write_bytes(&mut connection, &bytes).await;
            return;
        }
        Call::Bash { command, .. } if command.starts_with("sleep") => {
            let _ = connection.read(&mut [0]).await;
            seen.lock().unwrap().cancelled.push(command);
            return;
        }
        Call::Bash { command, .. } => {
            let held = seen.lock().unwrap().held.iter().find(|(of, _)| *of == command).map(|(_, held)| held.clone());
            if let Some(mut held) = held {
                // Until the sender is gone.
                let _ = held.changed().await;
            }
            let output = format!("ran {command}\n");
            Answer::Shell(ShellOutput { output, exit_code: Some(0), timed_out: false, cut_bytes: 0 })
        }
        Call::Editor { .. } => Answer::Text { text: "edited".to_owned() },
        Call::Clipboard { form } => {
            let form = form.unwrap_or(ClipboardForm::Text);
            let bytes: &[u8] = if form == ClipboardForm::Png { b"\x89PNG\r\n\x1a\ncopied" } else { b"copied" };
            let _ = frame::write_json(&mut connection, &Answer::Clipboard { form }).await;
            let _ = frame::write_bytes(&mut connection, bytes).await;
            return;
        }
        Call::SetClipboard { .. } => {
            let Ok(bytes) = frame::read_bytes(&mut connection).await else { return };
            seen.lock().unwrap().copied.push(bytes);
            Answer::Done
        }
        Call::Windows { .. } => Answer::Windows { windows: vec![window()] },
        Call::Window { id: 7, .. } => {
            Answer::Window(WindowOutcome { window: Some(window()), settled: true, waited_ms: 3 })
        }
        Call::Window { .. } => Answer::Refused(Refusal::not_found("there is no such window")),
        Call::Applications => Answer::Applications {
            applications: vec![Application { id: "xterm".to_owned(), name: "XTerm".to_owned() }],
        },
        Call::Launch { launch: Launch::Application(name), .. } if name != "xterm" => {
            Answer::Refused(Refusal::not_found(format!("there is no application {name:?}")))
        }
        Call::Launch { .. } => Answer::Launched(Launched {
            window: Some(window()),
            evidence: Some(Evidence::Process),
            settled: true,
            waited_ms: 9,
        }),
        Call::Accessibility { .. } => Answer::Accessibility(AccessibilityTree {
            nodes: vec![AccessibleNode {
                depth: 0,
                role: "push button".to_owned(),
                name: "Save".to_owned(),
                text: String::new(),
                states: Vec::new(),
                bounds: Some(Rect { x: 10, y: 20, width: 30, height: 40 }),
            }],
            truncated: false,
            bounds_met: Vec::new(),
            unanswered: 0,
            took_ms: 4,
        }),
        Call::BashRestart { .. } | Call::ReleaseAll | Call::Stop { .. } | Call::Floor { .. } => Answer::Done,
        Call::Recording { .. } => Answer::Refused(Refusal::unavailable("there is no screen")),
        Call::ReadRecording { name, offset, length } => {
            if name != "film.mp4" {
                let refused = Answer::Refused(Refusal::not_found("there is no such recording"));
                let _ = frame::write_json(&mut connection, &refused).await;
                return;
            }
            let total = FILM.len() as u64;
            let end = total.min(offset.saturating_add(u64::from(length.min(FILM_PART))));
            let part = FILM.get(offset as usize..end as usize).unwrap_or_default();
            let _ = frame::write_json(&mut connection, &Answer::RecordingPart { total }).await;
            let _ = frame::write_bytes(&mut connection, part).await;
            return;
        }
        Call::Child { .. } | Call::Connect { .. } => Answer::Refused(Refusal::unavailable("there is no desktop")),
        Call::Vnc { .. } => {
            let _ = frame::write_json(&mut connection, &Answer::Done).await;
            // What a viewer says comes back.
            let (mut from, mut to) = connection.split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
            return;
        }
    };
    let _ = frame::write_json(&mut connection, &answer).await;
}
