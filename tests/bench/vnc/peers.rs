//! The servers that are compared, each with an X server and a desktop of its own.

use std::{net::TcpStream, process::Command, time::Duration};

use harness::{
    desk::Desk,
    display::Display,
    processes::{self, Process},
    stack::free_ports,
    wait,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use protocol::desktop::Size;

use crate::relay::Relay;

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Peer {
    /// A desktop that nothing serves: what drawing alone costs, which is a part of every other figure.
    Nobody,
    Ours,
    X11vnc,
    /// TigerVNC beside an X server; `x0vncserver` is Debian's wrapper around it.
    X0tigervnc,
    /// TigerVNC that is the X server itself.
    Xtigervnc,
}

impl Peer {
    pub(crate) const ALL: [Peer; 5] = [Peer::Nobody, Peer::Ours, Peer::X11vnc, Peer::X0tigervnc, Peer::Xtigervnc];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Nobody => "nobody",
            Peer::Ours => "ours",
            Peer::X11vnc => "x11vnc",
            Peer::X0tigervnc => "X0tigervnc",
            Peer::Xtigervnc => "Xtigervnc",
        }
    }
}

/// What is to be seen while a server is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Terminal {
    /// bash at its prompt.
    Prompt,
    /// 400 lines of text a second.
    Lines,
    /// As many lines as the terminal takes.
    Flood,
}

/// A running server and its desktop.
pub(crate) struct Stage {
    pub(crate) port: u16,
    server: Server,
    display: Display,
}

#[expect(dead_code, reason = "the relay is held for its life alone")]
enum Server {
    Ours(Relay, Desk),
    Beside(Process),
    /// The display's own X server.
    Within,
    None,
}

impl Stage {
    pub(crate) fn raise(peer: Peer, terminal: Option<Terminal>, film: bool) -> Self {
        let [port] = free_ports();
        let mut display = match peer {
            Peer::Xtigervnc => Display::start(xtigervnc(port)),
            _ => Display::xvfb(Size::DEFAULT),
        };
        display.manage();
        if let Some(terminal) = terminal {
            open(&mut display, terminal);
        }
        if film {
            display.run(&scene(), &["film"]);
        }
        display.wait_for_windows(usize::from(terminal.is_some()) + usize::from(film));
        let (server, port) = match peer {
            Peer::Nobody => return Self { port, server: Server::None, display },
            Peer::Ours => {
                let desk = Desk::start(&display);
                let relay = Relay::to(&desk.socket);
                let port = relay.port;
                (Server::Ours(relay, desk), port)
            }
            Peer::X11vnc => (Server::Beside(beside(&display, x11vnc(port))), port),
            Peer::X0tigervnc => (Server::Beside(beside(&display, x0tigervnc(port))), port),
            Peer::Xtigervnc => (Server::Within, port),
        };
        let listens = wait::blocking(PATIENCE, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(listens, "{} does not listen", peer.name());
        Self { port, server, display }
    }

    /// Who is counted as the server and its X server.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let x = self.display.server_pid();
        match &self.server {
            Server::Ours(_, desk) => vec![desk.pid(), x],
            Server::Beside(server) => vec![server.pid(), x],
            Server::Within | Server::None => vec![x],
        }
    }

    /// The X server, where it is not the server itself.
    pub(crate) fn x_pid(&self) -> Vec<i32> {
        let is_apart = !matches!(self.server, Server::Within);
        is_apart.then(|| self.display.server_pid()).into_iter().collect()
    }

    /// Stops film and lines where they are: the screen is still from now on.
    pub(crate) fn freeze(&self) {
        let own = i32::try_from(std::process::id()).expect("a process id");
        for found in processes::descendants(own) {
            if found.command.first().is_some_and(|program| *program == scene()) {
                kill(Pid::from_raw(found.pid), Signal::SIGSTOP).expect("stop a scene");
            }
        }
    }

    pub(crate) fn pixels(&self) -> Vec<u32> {
        self.display.pixels()
    }
}

/// An xterm of 100x40 characters at the left edge.
fn open(display: &mut Display, terminal: Terminal) {
    let lines = scene();
    let program: &[&str] = match terminal {
        Terminal::Prompt => &["env", "PS1=$ ", "bash", "--norc", "--noprofile"],
        Terminal::Lines => &[&lines, "lines"],
        Terminal::Flood => &["seq", "1", "1000000000"],
    };
    display.run("xterm", &[&["-fn", "fixed", "-geometry", "100x40+4+20", "-e"], program].concat());
}

fn scene() -> String {
    processes::binary("bench-scene").display().to_string()
}

fn beside(display: &Display, mut command: Command) -> Process {
    display.dress(&mut command);
    command.args(["-display", &display.name]);
    Process::start("the VNC server", command, &display.path("vnc.log"))
}

fn x11vnc(port: u16) -> Command {
    let mut command = Command::new("x11vnc");
    // With RECORD, which is its default, it is twice as slow.
    command.args(["-noxrecord", "-nopw", "-localhost", "-forever", "-shared", "-quiet", "-rfbport", &port.to_string()]);
    command
}

fn x0tigervnc(port: u16) -> Command {
    let mut command = Command::new("X0tigervnc");
    command.args(TIGERVNC).args(["-rfbport", &port.to_string()]);
    command
}

fn xtigervnc(port: u16) -> Command {
    let mut command = Command::new("Xtigervnc");
    let size = format!("{}x{}", Size::DEFAULT.width, Size::DEFAULT.height);
    command.args(TIGERVNC).args(["-rfbport", &port.to_string()]);
    command.args(["-geometry", &size, "-depth", "24", "-nolisten", "tcp", "-noreset", "-localhost"]);
    command
}

/// Connections that only look whether it listens yet would otherwise be taken for an attack.
const TIGERVNC: [&str; 5] = ["-SecurityTypes", "None", "-AlwaysShared", "-BlacklistThreshold", "1000000"];
