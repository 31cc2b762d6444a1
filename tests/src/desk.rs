//! The real `sidecar desk` on a display, and its socket as the gate uses it, without a runtime.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{sys::signal::Signal, unistd::getuid};
use sidecar::link::{Answer, Call, FloorRule, Format, ScreenshotCall, frame};

use crate::{
    display::Display,
    processes::{Process, binary},
    wait,
};

const PATIENCE: Duration = Duration::from_secs(20);
const STOPS_WITHIN: Duration = Duration::from_secs(5);

pub struct Desk {
    process: Process,
    pub socket: PathBuf,
}

impl Desk {
    pub fn start(display: &Display) -> Self {
        let socket = display.path("desk.sock");
        let mut command = Command::new(binary("sidecar"));
        display.dress(&mut command);
        command.args(["desk", "--gate-uid", &getuid().to_string(), "--socket"]).arg(&socket);
        let process = Process::start("sidecar desk", command, &display.path("desk.log"));
        let desk = Self { process, socket };
        let listens = wait::blocking(PATIENCE, || UnixStream::connect(&desk.socket).is_ok());
        assert!(listens, "the desk does not listen:\n{}", desk.process.log());
        desk
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn call(&self, call: &Call) -> Answer {
        begin(&self.socket, call).1
    }

    /// The whole screen as PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        let call = ScreenshotCall { format: Format::Png, region: None, picture: None, fit: None };
        let (mut stream, answer) = begin(&self.socket, &Call::Screenshot(call));
        assert!(matches!(answer, Answer::Screenshot { .. }), "{answer:?}");
        read_frame(&mut stream)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        wait::blocking(STOPS_WITHIN, || self.process.ended().is_some());
    }
}

/// Opens a viewer that may drive: from here on the stream is RFB.
pub fn view(socket: &Path) -> UnixStream {
    assert_eq!(begin(socket, &Call::Floor { rule: FloorRule::Anyone }).1, Answer::Done);
    let (stream, answer) = begin(socket, &Call::Vnc { control: true, seat: "ada".into(), password: None });
    assert_eq!(answer, Answer::Done);
    stream
}

fn begin(socket: &Path, call: &Call) -> (UnixStream, Answer) {
    let mut stream = UnixStream::connect(socket).expect("connect to the desk");
    let json = serde_json::to_vec(call).expect("a call");
    let length = u32::try_from(json.len()).expect("a short call").to_be_bytes();
    stream.write_all(&[&length[..], &json].concat()).expect("ask the desk");
    let answer = read_frame(&mut stream);
    (stream, serde_json::from_slice(&answer).expect("an answer"))
}

fn read_frame(stream: &mut UnixStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer's length");
    let length = u32::from_be_bytes(length);
    assert!(length <= frame::MAX_BYTES, "a frame of {length} bytes");
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).expect("an answer");
    bytes
}
