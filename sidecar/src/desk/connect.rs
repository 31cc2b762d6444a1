//! Connections from the desktop's own network, for the gate, which stands outside of it.

use std::{io, time::Duration};

use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::link::Refusal;

const WITHIN: Duration = Duration::from_secs(10);

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

/// Carries bytes both ways until both sides have closed, or until `stop`.
pub(super) async fn carry(mut gate: UnixStream, mut other: TcpStream, stop: CancellationToken) -> io::Result<()> {
    tokio::select! {
        carried = tokio::io::copy_bidirectional(&mut gate, &mut other) => carried.map(drop),
        () = stop.cancelled() => Ok(()),
    }
}
