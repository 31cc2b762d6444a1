//! The Unix socket on which the gate asks, one connection a call.

use std::{
    io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream, unix::UCred},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    calls::Desk,
    children::Program,
    connect,
    rfb::ProtocolError,
    vnc::{self, ServeError},
};
use crate::link::{Answer, Call, Password, Refusal, frame};

/// At once. Calls last for seconds; viewers stay for hours, and however many there are, calls have their own places.
const MAX_CALLS: usize = 64;
const MAX_VIEWERS: usize = 32;
const MAX_CHILDREN: usize = 24;
const MAX_CONNECTIONS: usize = 128;
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// After a failed accept (too many open files) the next try waits.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens at `path`; a socket that a killed desk left there is removed, anything else is not.
pub(super) fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    match path.symlink_metadata() {
        Ok(found) if found.file_type().is_socket() => {
            std::fs::remove_file(path).with_context(|| format!("remove the stale socket {}", path.display()))?;
        }
        Ok(_) => anyhow::bail!("{} exists and is no socket; move it away or name another --socket", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("look at {}", path.display())),
    }
    let listener = UnixListener::bind(path).with_context(|| format!("listen on {}", path.display()))?;
    // The gate is another user; who it is, each connection is asked.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))
        .with_context(|| format!("open {} to the gate", path.display()))?;
    Ok(listener)
}

/// Serves connections until `stop`.
pub(super) async fn serve(listener: UnixListener, desk: Desk, gate_uid: Option<u32>, stop: CancellationToken) {
    let tasks = TaskTracker::new();
    let places = Places {
        calls: Arc::new(Semaphore::new(MAX_CALLS)),
        viewers: Arc::new(Semaphore::new(MAX_VIEWERS)),
        children: Arc::new(Semaphore::new(MAX_CHILDREN)),
        connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match stream.peer_cred() {
            Ok(peer) if is_gate(&peer, gate_uid) => {}
            peer => {
                let uid = peer.map(|peer| peer.uid()).ok();
                tracing::warn!(uid, "refused a connection: it is not the gate's");
                continue;
            }
        }
        let (desk, stop, places) = (desk.clone(), stop.clone(), places.clone());
        tasks.spawn(async move {
            if let Err(error) = connection(stream, desk, places, stop).await {
                tracing::debug!(%error, "a call broke off");
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// The kernel names the other end's process; 0 is one that this PID namespace cannot see, so outside the fence.
fn is_gate(peer: &UCred, gate_uid: Option<u32>) -> bool {
    Some(peer.uid()) == gate_uid || peer.pid().is_none_or(|pid| pid == 0)
}

#[derive(Clone)]
struct Places {
    calls: Arc<Semaphore>,
    viewers: Arc<Semaphore>,
    children: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

async fn connection(mut stream: UnixStream, desk: Desk, places: Places, stop: CancellationToken) -> io::Result<()> {
    let call = match timeout(CALL_TIMEOUT, frame::read_json::<_, Call>(&mut stream)).await? {
        Ok(call) => call,
        Err(error) => {
            let refusal = Refusal::invalid(format!("the call cannot be read: {error}"));
            return timeout(ANSWER_TIMEOUT, frame::write_json(&mut stream, &Answer::Refused(refusal))).await?;
        }
    };
    let (kind, most, free) = match call {
        Call::Vnc { .. } => ("viewers", MAX_VIEWERS, &places.viewers),
        Call::Child { .. } => ("children", MAX_CHILDREN, &places.children),
        Call::Connect { .. } => ("connections", MAX_CONNECTIONS, &places.connections),
        _ => ("calls", MAX_CALLS, &places.calls),
    };
    let Ok(_place) = free.try_acquire() else {
        let refusal = Refusal::unavailable(format!("the desk already serves {most} {kind}; end one"));
        return timeout(ANSWER_TIMEOUT, frame::write_json(&mut stream, &Answer::Refused(refusal))).await?;
    };
    // These keep the connection.
    let call = match call {
        Call::Vnc { control, seat, password } => {
            agree(&mut stream, Ok(())).await?;
            return view(stream, desk, Guest { control, seat, password }, stop).await;
        }
        Call::Child { command, args, env } => {
            return match desk.children.start(Program { command, args, env }).await {
                Ok(child) => {
                    // A gate that is gone already is noticed by what serves it, which ends the child.
                    let _ = agree(&mut stream, Ok(())).await;
                    child.serve(stream, stop).await
                }
                Err(refusal) => agree::<()>(&mut stream, Err(refusal)).await.map(drop),
            };
        }
        Call::Connect { host, port } => {
            let opened = connect::open(&host, port).await;
            return match agree(&mut stream, opened).await? {
                Some(other) => connect::carry(stream, other, stop).await,
                None => Ok(()),
            };
        }
        call => call,
    };
    let body = match call {
        Call::SetClipboard { .. } => timeout(BODY_TIMEOUT, frame::read_bytes(&mut stream)).await??,
        _ => Vec::new(),
    };
    let (mut reader, mut writer) = stream.split();
    let (answer, bytes) = tokio::select! {
        answered = desk.answer(call, body) => answered,
        // The gate writes nothing more, so whatever comes now is the end of the connection.
        _ = reader.read_u8() => return Ok(()),
        () = stop.cancelled() => return Ok(()),
    };
    let written = async {
        frame::write_json(&mut writer, &answer).await?;
        match bytes {
            Some(bytes) => frame::write_bytes(&mut writer, &bytes).await,
            None => Ok(()),
        }
    };
    timeout(ANSWER_TIMEOUT, written).await?
}

/// Answers that what was asked for begins, or why it does not.
async fn agree<T>(stream: &mut UnixStream, begun: Result<T, Refusal>) -> io::Result<Option<T>> {
    let (answer, begun) = match begun {
        Ok(begun) => (Answer::Done, Some(begun)),
        Err(refusal) => (Answer::Refused(refusal), None),
    };
    timeout(ANSWER_TIMEOUT, frame::write_json(stream, &answer)).await??;
    Ok(begun)
}

/// What the gate says of a viewer.
struct Guest {
    control: bool,
    seat: String,
    password: Option<Password>,
}

/// Serves a viewer to its end; it is never dropped on the way, so that it can lift what it holds.
async fn view(stream: UnixStream, desk: Desk, guest: Guest, stop: CancellationToken) -> io::Result<()> {
    let Desk { screen, input, clipboard, studio, floor, .. } = desk;
    let Guest { control, seat, password } = guest;
    let viewer =
        vnc::Viewer { control, seat, floor, password, screen, input, clipboard, studio, name: "CloudBot".into() };
    let served = vnc::serve(stream, viewer, stop).await;
    if let Err(ServeError::Protocol(ProtocolError::Password)) = &served {
        tracing::warn!("a viewer was refused: its password is wrong");
    }
    served.map_err(io::Error::other)
}
