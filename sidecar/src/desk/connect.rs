//! Connections from the desktop's own network, for the gate, which stands outside of it.

use std::{io, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::link::Refusal;

const WITHIN: Duration = Duration::from_secs(10);
/// After the gate has closed.
const LINGER: Duration = Duration::from_secs(2);

pub(super) async fn open(host: &str, port: u16) -> Result<TcpStream, Refusal> {
    match timeout(WITHIN, TcpStream::connect((host, port))).await {
        Ok(Ok(stream)) => {
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) => Err(Refusal::failed(format!("connect to {host} port {port}: {error}"))),
        Err(_) => {
            Err(Refusal::timeout(format!("connect to {host} port {port}: no answer within {} s", WITHIN.as_secs())))
        }
    }
}

/// Carries bytes both ways until both sides have closed, or until `stop`. Who the gate has left may say a last word, and
/// is left by us too.
pub(super) async fn carry(mut gate: UnixStream, mut other: TcpStream, stop: CancellationToken) -> io::Result<()> {
    let ((mut from_gate, mut to_gate), (mut from_other, mut to_other)) = (gate.split(), other.split());
    let left = CancellationToken::new();
    let outward = async {
        tokio::io::copy(&mut from_gate, &mut to_other).await?;
        left.cancel();
        to_other.shutdown().await
    };
    let inward = async {
        tokio::io::copy(&mut from_other, &mut to_gate).await?;
        to_gate.shutdown().await
    };
    let lingered = async {
        left.cancelled().await;
        tokio::time::sleep(LINGER).await;
    };
    tokio::select! {
        carried = async { tokio::try_join!(outward, inward) } => carried.map(drop),
        () = lingered => Ok(()),
        () = stop.cancelled() => Ok(()),
    }
}
