//! A native VNC viewer over TCP, and the operator's command that lets it in.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use des::{
    Des,
    cipher::{Block, BlockCipherEncrypt, KeyInit},
};
use protocol::DesktopId;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::Stack;

const PATIENCE: Duration = Duration::from_secs(30);

/// `control admin vnc`, running.
pub struct Invitation {
    command: Child,
    printed: Lines<BufReader<ChildStdout>>,
    pub address: SocketAddr,
    pub password: String,
}

/// What the command says when it has ended.
pub struct Ended {
    pub success: bool,
    pub log: String,
}

impl Invitation {
    /// Runs the command; the error is what it said instead of an address.
    pub async fn print(stack: &Stack, desktop: &DesktopId, arguments: &[&str]) -> Result<Self, Ended> {
        let mut command = stack.layout.command("control");
        command.args(["admin", "vnc", desktop.as_str()]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = Command::from(command).kill_on_drop(true).spawn().expect("start control");
        let mut printed = BufReader::new(command.stdout.take().expect("its output")).lines();
        let mut values = Vec::new();
        for label in ["address:", "password:"] {
            match timeout(PATIENCE, printed.next_line()).await.expect("it prints in time").expect("read its output") {
                Some(line) => values.push(line.strip_prefix(label).expect(label).trim().to_owned()),
                None => return Err(end(command).await),
            }
        }
        let address = values[0].parse().expect("an address");
        Ok(Self { command, printed, address, password: values[1].clone() })
    }

    /// Waits until the command has ended by itself.
    pub async fn end(mut self) -> Ended {
        while timeout(PATIENCE, self.printed.next_line()).await.expect("it ends").expect("read its output").is_some() {}
        end(self.command).await
    }
}

async fn end(mut command: Child) -> Ended {
    let mut log = String::new();
    let mut errors = command.stderr.take().expect("its log");
    timeout(PATIENCE, errors.read_to_string(&mut log)).await.expect("it ends").expect("read its log");
    let status = timeout(PATIENCE, command.wait()).await.expect("it ends").expect("wait for it");
    Ended { success: status.success(), log }
}

pub struct NativeViewer {
    stream: TcpStream,
    pub size: (u16, u16),
}

/// Why the server did not let a viewer in.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl NativeViewer {
    /// Shakes hands as RFB 3.8 and shows the password.
    pub async fn connect(address: SocketAddr, password: &str) -> Result<Self, Refused> {
        let mut stream = greeted(address).await;
        stream.write_all(&[2]).await.expect("choose VNC authentication");
        let mut challenge = [0; 16];
        stream.read_exact(&mut challenge).await.expect("a challenge");
        stream.write_all(&answer(password, challenge)).await.expect("answer it");
        verdict(&mut stream).await?;
        stream.write_all(&[1]).await.expect("share the desktop");
        let size = (read_u16(&mut stream).await, read_u16(&mut stream).await);
        stream.read_exact(&mut [0; 16]).await.expect("a pixel format");
        let mut name = vec![0; stream.read_u32().await.expect("a length") as usize];
        stream.read_exact(&mut name).await.expect("a name");
        Ok(Self { stream, size })
    }

    /// Answers `security` whatever was offered.
    pub async fn insist(address: SocketAddr, security: u8) -> Refused {
        let mut stream = greeted(address).await;
        stream.write_all(&[security]).await.expect("choose");
        verdict(&mut stream).await.expect_err("it was not offered")
    }

    /// The whole screen in Raw, as the server's own pixels.
    pub async fn screen(&mut self) -> Vec<u8> {
        let (width, height) = self.size;
        self.stream.write_all(&[2, 0, 0, 1, 0, 0, 0, 0]).await.expect("set the encodings");
        let [w, h] = [width.to_be_bytes(), height.to_be_bytes()];
        self.stream.write_all(&[3, 0, 0, 0, 0, 0, w[0], w[1], h[0], h[1]]).await.expect("ask for an update");
        let wanted = usize::from(width) * usize::from(height) * 4;
        let mut pixels = Vec::new();
        while pixels.len() < wanted {
            assert_eq!(self.stream.read_u16().await.expect("an update"), 0);
            for _ in 0..read_u16(&mut self.stream).await {
                let mut header = [0; 12];
                self.stream.read_exact(&mut header).await.expect("a rectangle");
                let side = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
                let mut bytes = vec![0; side(4) * side(6) * 4];
                self.stream.read_exact(&mut bytes).await.expect("its pixels");
                pixels.extend(bytes);
            }
        }
        pixels
    }

    pub async fn pointer(&mut self, x: u16, y: u16) {
        let [x, y] = [x.to_be_bytes(), y.to_be_bytes()];
        self.stream.write_all(&[5, 0, x[0], x[1], y[0], y[1]]).await.expect("move the pointer");
    }
}

async fn greeted(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    let mut greeting = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut greeting)).await.expect("it greets").expect("a greeting");
    assert_eq!(&greeting, b"RFB 003.008\n");
    stream.write_all(&greeting).await.expect("greet");
    let mut offered = [0; 2];
    stream.read_exact(&mut offered).await.expect("security types");
    assert_eq!(offered, [1, 2], "VNC authentication, and nothing else");
    stream
}

async fn verdict(stream: &mut TcpStream) -> Result<(), Refused> {
    match stream.read_u32().await.expect("a verdict") {
        0 => Ok(()),
        _ => {
            let mut reason = vec![0; stream.read_u32().await.expect("a length") as usize];
            stream.read_exact(&mut reason).await.expect("a reason");
            // It is the last thing that is said.
            assert_eq!(timeout(PATIENCE, stream.read(&mut [0])).await.expect("it hangs up").unwrap_or(0), 0);
            Err(Refused(String::from_utf8(reason).expect("a text")))
        }
    }
}

async fn read_u16(stream: &mut TcpStream) -> u16 {
    timeout(PATIENCE, stream.read_u16()).await.expect("it answers").expect("a number")
}

fn answer(password: &str, mut challenge: [u8; 16]) -> [u8; 16] {
    let mut key = [0; 8];
    for (into, byte) in key.iter_mut().zip(password.bytes()) {
        *into = byte.reverse_bits();
    }
    let des = Des::new(&key.into());
    for half in challenge.chunks_exact_mut(8) {
        des.encrypt_block(<&mut Block<Des>>::try_from(half).expect("eight bytes"));
    }
    challenge
}
