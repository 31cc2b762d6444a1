//! The way to the desk: one connection a call, each with a deadline; closing it cancels the call.
//!
//! The desk runs where the agent's shell runs, so its answers are taken as hostile.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::UnixStream;

use crate::link::{Answer, Call, ClipboardForm, Password, Refusal, ScreenshotCall, child::Variables, frame};
use protocol::desktop::Size;

/// Why the desk did not do it.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error("{}", .0.message)]
    Refused(Refusal),
    #[error("the desktop's helper cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    #[error("the socket of the desktop's helper belongs to user {0}: it is not used")]
    Stranger(u32),
    #[error("the desktop's helper did not answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the desktop's helper answered something else than was asked")]
    Nonsense,
}

/// A picture as the desk sent it.
pub struct Shot {
    pub bytes: Vec<u8>,
    pub picture: Size,
    pub screen: Size,
}

/// The desk's socket; cheap to clone.
#[derive(Clone)]
pub struct Desk {
    socket: Arc<PathBuf>,
    /// Who must be at the other end; anybody unless told.
    uid: Option<u32>,
}

impl Desk {
    pub fn new(socket: PathBuf, uid: Option<u32>) -> Self {
        Self { socket: Arc::new(socket), uid }
    }

    /// Makes one call. Dropping the future closes the connection, which cancels what it started.
    pub async fn call(&self, call: &Call, within: Duration) -> Result<Answer, DeskError> {
        bounded(within, async {
            let mut connection = self.connect().await?;
            exchange(&mut connection, call).await
        })
        .await
    }

    pub async fn screenshot(&self, call: ScreenshotCall, within: Duration) -> Result<Shot, DeskError> {
        bounded(within, async {
            let mut connection = self.connect().await?;
            match exchange(&mut connection, &Call::Screenshot(call)).await? {
                Answer::Screenshot { picture, screen } => {
                    let bytes = frame::read_bytes(&mut connection).await.map_err(DeskError::Unreachable)?;
                    Ok(Shot { bytes, picture, screen })
                }
                _ => Err(DeskError::Nonsense),
            }
        })
        .await
    }

    /// What is on the desktop's clipboard, in this form or in the one it has.
    pub async fn clipboard(
        &self,
        form: Option<ClipboardForm>,
        within: Duration,
    ) -> Result<(ClipboardForm, Vec<u8>), DeskError> {
        bounded(within, async {
            let mut connection = self.connect().await?;
            match exchange(&mut connection, &Call::Clipboard { form }).await? {
                Answer::Clipboard { form: given } if form.is_none_or(|form| form == given) => {
                    Ok((given, frame::read_bytes(&mut connection).await.map_err(DeskError::Unreachable)?))
                }
                _ => Err(DeskError::Nonsense),
            }
        })
        .await
    }

    /// A part of a recording, and the length of the whole.
    pub async fn recording(
        &self,
        name: String,
        offset: u64,
        length: u32,
        within: Duration,
    ) -> Result<(u64, Vec<u8>), DeskError> {
        bounded(within, async {
            let mut connection = self.connect().await?;
            match exchange(&mut connection, &Call::ReadRecording { name, offset, length }).await? {
                Answer::RecordingPart { total } => {
                    let part = frame::read_bytes(&mut connection).await.map_err(DeskError::Unreachable)?;
                    Ok((total, part))
                }
                _ => Err(DeskError::Nonsense),
            }
        })
        .await
    }

    pub async fn set_clipboard(&self, form: ClipboardForm, bytes: &[u8], within: Duration) -> Result<(), DeskError> {
        bounded(within, async {
            let mut connection = self.connect().await?;
            frame::write_json(&mut connection, &Call::SetClipboard { form }).await.map_err(DeskError::Unreachable)?;
            frame::write_bytes(&mut connection, bytes).await.map_err(DeskError::Unreachable)?;
            match answer(&mut connection).await? {
                Answer::Done => Ok(()),
                _ => Err(DeskError::Nonsense),
            }
        })
        .await
    }

    /// A viewer's raw byte stream of RFB.
    pub async fn vnc(&self, control: bool, seat: String, password: Option<Password>) -> Result<UnixStream, DeskError> {
        self.lasting(&Call::Vnc { control, seat, password }, Duration::from_secs(10)).await
    }

    /// A child with pipes to it: frames of [`link::child`](crate::link::child) from now on.
    pub async fn child(&self, command: String, args: Vec<String>, env: Variables) -> Result<UnixStream, DeskError> {
        self.lasting(&Call::Child { command, args, env }, Duration::from_secs(10)).await
    }

    /// The raw bytes of a TCP connection from the desktop's own network.
    pub async fn connect_to(&self, host: &str, port: u16) -> Result<UnixStream, DeskError> {
        self.lasting(&Call::Connect { host: host.to_owned(), port }, Duration::from_secs(15)).await
    }

    async fn lasting(&self, call: &Call, within: Duration) -> Result<UnixStream, DeskError> {
        bounded(within, async {
            let mut connection = self.connect().await?;
            match exchange(&mut connection, call).await? {
                Answer::Done => Ok(connection),
                _ => Err(DeskError::Nonsense),
            }
        })
        .await
    }

    async fn connect(&self) -> Result<UnixStream, DeskError> {
        let connection = UnixStream::connect(self.socket.as_path()).await.map_err(DeskError::Unreachable)?;
        let peer = connection.peer_cred().map_err(DeskError::Unreachable)?.uid();
        match self.uid {
            Some(uid) if uid != peer => Err(DeskError::Stranger(peer)),
            _ => Ok(connection),
        }
    }
}

async fn exchange(connection: &mut UnixStream, call: &Call) -> Result<Answer, DeskError> {
    frame::write_json(connection, call).await.map_err(DeskError::Unreachable)?;
    answer(connection).await
}

async fn answer(connection: &mut UnixStream) -> Result<Answer, DeskError> {
    match frame::read_json(connection).await.map_err(DeskError::Unreachable)? {
        Answer::Refused(refusal) => Err(DeskError::Refused(refusal)),
        answer => Ok(answer),
    }
}

async fn bounded<T>(within: Duration, call: impl Future<Output = Result<T, DeskError>>) -> Result<T, DeskError> {
    tokio::time::timeout(within, call).await.unwrap_or(Err(DeskError::Late(within)))
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    fn desk(uid: Option<u32>) -> (Desk, UnixListener, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("desk");
        let listener = UnixListener::bind(&socket).unwrap();
        (Desk::new(socket, uid), listener, folder)
    }

    #[tokio::test]
    async fn a_socket_of_another_user_is_not_spoken_to() {
        let (desk, _listener, _folder) = desk(Some(nix::unistd::geteuid().as_raw() + 1));

        let refused = desk.call(&Call::Health, Duration::from_secs(5)).await.unwrap_err();

        assert!(matches!(refused, DeskError::Stranger(_)), "{refused}");
    }

    #[tokio::test]
    async fn a_desk_that_says_nothing_is_given_up() {
        let (desk, _listener, _folder) = desk(None);

        let refused = desk.call(&Call::Health, Duration::from_millis(20)).await.unwrap_err();

        assert!(matches!(refused, DeskError::Late(_)), "{refused}");
    }

    #[tokio::test]
    async fn an_answer_to_another_question_is_an_error() {
        let (desk, listener, _folder) = desk(Some(nix::unistd::geteuid().as_raw()));
        let answer = async {
            let (mut connection, _) = listener.accept().await.unwrap();
            let _: Call = frame::read_json(&mut connection).await.unwrap();
            frame::write_json(&mut connection, &Answer::Text { text: "x".repeat(1000) }).await.unwrap();
        };

        let (refused, ()) = tokio::join!(desk.vnc(true, "ada".to_owned(), None), answer);

        assert!(matches!(refused, Err(DeskError::Nonsense)));
    }

    #[tokio::test]
    async fn dropping_a_call_closes_its_connection() {
        let (desk, listener, _folder) = desk(None);
        let call = Call::Bash { session: None, command: "sleep 600".to_owned(), timeout_ms: 600_000 };
        let (mut connection, _) = tokio::select! {
            _ = desk.call(&call, Duration::from_secs(600)) => unreachable!("nobody answers"),
            accepted = async {
                let (mut connection, address) = listener.accept().await.unwrap();
                let _: Call = frame::read_json(&mut connection).await.unwrap();
                (connection, address)
            } => accepted,
        };

        let end = tokio::time::timeout(Duration::from_secs(5), frame::read_bytes(&mut connection)).await.unwrap();

        assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
