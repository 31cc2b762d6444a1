//! The handshake with a viewer, on its stream.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{ServeError, Viewer};
use crate::desk::{
    rfb::{
        handshake::{GREETING, Handshake},
        server,
    },
    screen::Frame,
};

/// A viewer answers at once; who does not is no viewer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where a session begins.
pub(super) struct Start {
    /// The size that the viewer was told.
    pub(super) size: (u16, u16),
    pub(super) frames: tokio::sync::watch::Receiver<Arc<Frame>>,
    /// What came after the handshake.
    pub(super) input: BytesMut,
}

pub(super) async fn accept(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    viewer: &Viewer,
) -> Result<Start, ServeError> {
    let input = tokio::time::timeout(PATIENCE, shake_hands(stream, handshake(viewer)))
        .await
        .map_err(|_| ServeError::HandshakeTimeout)??;
    let frames = viewer.screen.subscribe();
    let frame = viewer.screen.fresh().await.map_err(ServeError::Screen)?;
    let (width, height) = super::sizes::of(&frame)?;
    let mut out = BytesMut::new();
    server::write_init(width, height, &viewer.name, &mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    Ok(Start { size: (width, height), frames, input })
}

fn handshake(viewer: &Viewer) -> Handshake {
    match &viewer.password {
        Some(password) => Handshake::with_password(password.bytes(), rand::random()),
        None => Handshake::open(),
    }
}

async fn shake_hands(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    mut handshake: Handshake,
) -> Result<BytesMut, ServeError> {
    let (mut input, mut out) = (BytesMut::new(), BytesMut::from(&GREETING[..]));
    loop {
        let progress = handshake.advance(&mut input, &mut out);
        stream.write_all(&out.split()).await?;
        stream.flush().await?;
        if progress? {
            return Ok(input);
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    }
}
