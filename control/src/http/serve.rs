//! The accept loop: TLS, the edge's certificate, then HTTP/1.1 or HTTP/2.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::trust::tls;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long requests may go on after the stop.
const DRAIN: Duration = Duration::from_secs(3);

/// Serves until cancelled. `tls` is replaced when the certificate is renewed.
pub async fn run(
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    router: Router,
    cancel: CancellationToken,
) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (config, router, cancel) = (tls.borrow().clone(), router.clone(), cancel.clone());
                connections.spawn(async move {
                    if let Err(e) = serve(stream, config, router, cancel).await {
                        tracing::debug!(error = format!("{e:#}"), "connection");
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others end, then there are some again.
                tracing::warn!(%error, "accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    connections.close();
    let _ = timeout(DRAIN, connections.wait()).await;
}

async fn serve(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    router: Router,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let stream = timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await??;
    tls::demand_edge(stream.get_ref().1.peer_certificates())?;
    let server = auto::Builder::new(TokioExecutor::new());
    let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        done = connection.as_mut() => return done.map_err(|e| anyhow::anyhow!(e)),
        () = cancel.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // Streams of events never end by themselves.
    let _ = timeout(DRAIN, connection).await;
    Ok(())
}
