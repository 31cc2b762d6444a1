//! Programs that the gate speaks to by pipes, as MCP servers are: each ends with its connection, and with it all that
//! came of it.

pub mod keep;
mod strays;

use std::{
    collections::BTreeMap,
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    sync::mpsc,
    time::timeout,
};
use tokio_util::{
    codec::{FramedRead, FramedWrite},
    sync::CancellationToken,
};

use super::shell::{
    bash::is_private,
    family::{MARK, Reach},
    leftovers::Leftovers,
};
use crate::link::{
    Refusal,
    child::{Exit, Frames, FromChild, MAX, ToChild, Variables},
    pace::Pace,
};

/// Frames that wait for a child that does not read: about 16 MiB. Then it never will.
const UNREAD: usize = 256;
/// What is read of a child's standard error, in bytes a second. Who complains faster is kept waiting, and its standard
/// output, which comes by the same link, is not.
const COMPLAINTS: usize = 256 << 10;
/// For what was written before the end, and for word of it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// All children of the desk.
pub(super) struct Children {
    leftovers: Leftovers,
    frozen: AtomicBool,
}

/// What is to be started.
pub(super) struct Program {
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: Variables,
}

/// A child with its keeper, which is what we know of it.
pub(super) struct Kept<'a> {
    of: &'a Children,
    keeper: Child,
    session: i32,
    input: ChildStdin,
    output: ChildStdout,
    errors: ChildStderr,
}

impl Children {
    /// `note` is the file in which a killed desk leaves word of what it ran; all that is ended first.
    pub(super) fn new(note: PathBuf) -> Children {
        let leftovers = Leftovers::clear(note, Reach::Descent);
        strays::end();
        Children { leftovers, frozen: AtomicBool::new(false) }
    }

    pub(super) async fn start(&self, program: Program) -> Result<Kept<'_>, Refusal> {
        if self.is_frozen() {
            return Err(Refusal::unavailable("a person drives: nothing is started until control is handed back"));
        }
        let kept = self.spawn(program).map_err(|e| Refusal::failed(format!("start the keeper of a child: {e}")))?;
        // A takeover that came meanwhile may have missed it.
        if self.is_frozen() {
            self.freeze().await;
        }
        Ok(kept)
    }

    /// Stops every child and all that came of it where it is, until [`Children::thaw`]; none is started.
    pub(super) async fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
        let leftovers = self.leftovers.clone();
        let _ = tokio::task::spawn_blocking(move || leftovers.freeze()).await;
    }

    pub(super) async fn thaw(&self) {
        let leftovers = self.leftovers.clone();
        let _ = tokio::task::spawn_blocking(move || leftovers.thaw()).await;
        self.frozen.store(false, Ordering::SeqCst);
    }

    fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    fn spawn(&self, Program { command, args, env: Variables(env) }: Program) -> io::Result<Kept<'_>> {
        // This very program, whatever has become of its file meanwhile.
        let mut keeper = Command::new("/proc/self/exe");
        keeper.arg0("sidecar").args(["keep", "--"]).arg(command).args(args);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_private(&name.to_string_lossy())) {
            keeper.env_remove(name);
        }
        keeper.envs(sane(env)).env(MARK, "1");
        if let Some(home) = std::env::var_os("HOME").filter(|home| Path::new(home).is_dir()) {
            keeper.current_dir(home);
        }
        keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut keeper = keeper.spawn()?;
        let session = keeper.id().ok_or(io::ErrorKind::BrokenPipe)? as i32;
        self.leftovers.started(session);
        let input = keeper.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let output = keeper.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let errors = keeper.stderr.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Kept { of: self, keeper, session, input, output, errors })
    }
}

impl Kept<'_> {
    /// Carries what it reads and writes until it has ended, or is to end: then it, and all that came of it, does.
    pub(super) async fn serve(self, stream: UnixStream, stop: CancellationToken) -> io::Result<()> {
        let Kept { of, mut keeper, session, input, output, errors } = self;
        let (from_gate, to_gate) = stream.into_split();
        let mut to_gate = FramedWrite::new(to_gate, Frames::<ToChild>::default());
        let (unread, inputs) = mpsc::channel(UNREAD);
        let exit = {
            let living = async {
                tokio::select! {
                    status = keeper.wait() => status,
                    () = listen(from_gate, unread) => end(&mut keeper, of, session).await,
                    () = stop.cancelled() => end(&mut keeper, of, session).await,
                }
            };
            let (mut living, mut printing) =
                (std::pin::pin!(living), std::pin::pin!(print(output, errors, &mut to_gate)));
            let (mut feeding, mut prints, mut feeds) = (std::pin::pin!(feed(inputs, input)), true, true);
            let status = loop {
                tokio::select! {
                    status = &mut living => break status,
                    () = &mut printing, if prints => prints = false,
                    () = &mut feeding, if feeds => feeds = false,
                }
            };
            if prints {
                let _ = timeout(LAST_WORDS, printing).await;
            }
            status.map(exit_of)
        };
        let leftovers = of.leftovers.clone();
        let _ = tokio::task::spawn_blocking(move || {
            leftovers.end(session, Reach::Descent);
            strays::end();
        })
        .await;
        let ended = FromChild::Ended(exit.unwrap_or(Exit { code: None, signal: None }));
        timeout(LAST_WORDS, to_gate.send(ended)).await?
    }
}

/// Hears what the gate says until that is to stop: by a word, by closing the connection, or by more than the child reads.
async fn listen(from: OwnedReadHalf, unread: mpsc::Sender<Bytes>) {
    let mut frames = FramedRead::new(from, Frames::<ToChild>::default());
    while let Some(Ok(ToChild::Input(bytes))) = frames.next().await {
        match unread.try_send(bytes) {
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!("a child does not read what it is sent; it is ended");
                return;
            }
            // It has closed its input, and may still have something to say.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }
}

async fn feed(mut inputs: mpsc::Receiver<Bytes>, mut to: ChildStdin) {
    while let Some(bytes) = inputs.recv().await {
        if to.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Passes both outputs on until they are closed, or nobody takes them.
async fn print(
    mut output: ChildStdout,
    mut errors: ChildStderr,
    to: &mut FramedWrite<OwnedWriteHalf, Frames<ToChild>>,
) {
    let (mut printed, mut complained) = (BytesMut::new(), BytesMut::new());
    let (mut prints, mut complains) = (true, true);
    let mut pace = Pace::new(COMPLAINTS);
    while prints || complains {
        let frame = tokio::select! {
            read = part(&mut output, &mut printed), if prints => {
                prints = !read.is_empty();
                FromChild::Output(read)
            }
            read = async {
                pace.ready().await;
                part(&mut errors, &mut complained).await
            }, if complains => {
                complains = !read.is_empty();
                pace.spend(read.len());
                FromChild::Error(read)
            }
        };
        if to.send(frame).await.is_err() {
            return;
        }
    }
}

/// What can be read at once, as much as goes into a frame; nothing at the end.
async fn part(from: &mut (impl AsyncRead + Unpin), buffer: &mut BytesMut) -> Bytes {
    buffer.reserve(MAX);
    match from.take(MAX as u64).read_buf(buffer).await {
        Ok(_) => buffer.split().freeze(),
        Err(_) => Bytes::new(),
    }
}

/// Asks the keeper to end all it keeps. One that cannot, because it is frozen, is ended with all of it.
async fn end(keeper: &mut Child, of: &Children, session: i32) -> io::Result<ExitStatus> {
    if keeper.id().is_some() {
        let _ = kill(Pid::from_raw(session), Signal::SIGTERM);
    }
    if let Ok(ended) = timeout(keep::GRACE + Duration::from_secs(1), keeper.wait()).await {
        return ended;
    }
    let leftovers = of.leftovers.clone();
    let _ = tokio::task::spawn_blocking(move || leftovers.end(session, Reach::Descent)).await;
    keeper.wait().await
}

/// Variables that a process can have.
fn sane(env: BTreeMap<String, String>) -> impl Iterator<Item = (String, String)> {
    env.into_iter().filter(|(name, value)| !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0'))
}

fn exit_of(status: ExitStatus) -> Exit {
    Exit { code: status.code(), signal: status.signal() }
}
