//! Viewers: people who see the screen, and drive it if they may.
//!
//! The stream that [`serve`] gets is a viewer who was let in already. [`rfb`](super::rfb) says what the bytes mean;
//! here they meet the screen, the keyboard and the clipboard.

mod accept;
mod clip;
mod flow;
mod hands;
mod outbox;
mod painter;
mod path;
mod session;
mod sizes;
mod studio;
mod view;

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

pub use self::studio::Studio;
use super::{clipboard::Clipboard, floor::Floor, input::Input, rfb::ProtocolError, screen::Screen};
use crate::link::{Password, Refusal};

/// Whom to serve, and with what.
pub struct Viewer {
    /// May it use keys, pointer and clipboard, and resize the screen? Without, all that is read and dropped.
    pub control: bool,
    /// Who it is, for the floor: a person may have several viewers.
    pub seat: String,
    /// Says when its input counts.
    pub floor: Floor,
    /// What it has to know besides, because it comes by a way on which others may come.
    pub password: Option<Password>,
    pub screen: Screen,
    pub input: Input,
    pub clipboard: Clipboard,
    /// Where the screen's viewers share their encodings.
    pub studio: Studio,
    /// What the desktop is called.
    pub name: String,
}

/// Why a viewer's connection ended before the viewer ended it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the viewer's connection broke")]
    Io(#[from] io::Error),
    #[error("the viewer did not finish the handshake in time")]
    HandshakeTimeout,
    #[error("the screen cannot be shown: {}", .0.message)]
    Screen(Refusal),
    #[error("the X server is gone")]
    ScreenGone,
    #[error("the encoder failed")]
    Encoder(#[source] tokio::task::JoinError),
}

/// Serves one viewer until it leaves, `cancel` is cancelled or something breaks.
///
/// Whatever it held down when it left is released. Cancel it by `cancel`: a future that is dropped releases nothing.
pub async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    viewer: Viewer,
    cancel: CancellationToken,
) -> Result<(), ServeError> {
    let mut hands =
        hands::Hands::new(viewer.control.then(|| viewer.input.clone()), viewer.floor.clone(), viewer.seat.clone());
    let served = async {
        let start = accept::accept(&mut stream, &viewer).await?;
        session::Session::new(&viewer, start, &mut hands)?.run(&mut stream).await
    };
    let result = tokio::select! {
        result = served => result,
        () = cancel.cancelled() => Ok(()),
        () = viewer.screen.gone() => Err(ServeError::ScreenGone),
    };
    hands.let_go().await;
    match result {
        // Browsers leave without a word.
        Err(ServeError::Io(error)) if is_departure(error.kind()) => Ok(()),
        other => other,
    }
}

fn is_departure(kind: io::ErrorKind) -> bool {
    use io::ErrorKind as K;
    matches!(kind, K::UnexpectedEof | K::BrokenPipe | K::ConnectionReset | K::ConnectionAborted)
}
