//! The gate's own accept loop: TLS with the VM's certificate, and only the edge is let in.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use protocol::vm::EDGE_SERVER_NAME;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::gate::identity::certificate::dns_names;

/// More than one edge needs for all viewers of one desktop.
const MAX_CONNECTIONS: usize = 512;
/// Connections that have not shown a certificate. The oldest makes room, so that silent ones keep no edge waiting.
const MAX_STRANGERS: usize = 128;

/// Serves until `stop`; connections end with the tasks in `tasks`.
pub async fn serve(
    listener: TcpListener,
    tls: ServerConfig,
    router: Router,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut newest = VecDeque::with_capacity(MAX_STRANGERS);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, for instance: it passes, and a tight loop would not help.
                tracing::warn!(%error, "accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if newest.len() == MAX_STRANGERS
            && let Some(oldest) = newest.pop_front()
        {
            CancellationToken::cancel(&oldest);
        }
        let pushed_out = CancellationToken::new();
        newest.push_back(pushed_out.clone());
        let (acceptor, router, places, stop) = (acceptor.clone(), router.clone(), places.clone(), stop.clone());
        tasks.spawn(async move {
            let shaken = tokio::select! {
                shaken = shake_hands(acceptor, stream) => shaken,
                () = pushed_out.cancelled() => None,
            };
            let Some(stream) = shaken else { return };
            match places.try_acquire() {
                Ok(_place) => converse(stream, router, stop).await,
                Err(_) => tracing::warn!("an edge's connection was refused: {MAX_CONNECTIONS} are served already"),
            }
        });
    }
}

async fn shake_hands(acceptor: TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(Duration::from_secs(10), acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection was refused");
            return None;
        }
        Err(_) => return None,
    };
    if is_edge(&stream) {
        Some(stream)
    } else {
        tracing::warn!("a connection with a certificate of another role than the edge's was refused");
        None
    }
}

/// The CA also signs VMs: one VM must not reach another.
fn is_edge(stream: &TlsStream<TcpStream>) -> bool {
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let names = certificate.and_then(|certificate| dns_names(certificate).ok()).unwrap_or_default();
    names == [EDGE_SERVER_NAME]
}

async fn converse(stream: TlsStream<TcpStream>, router: Router, stop: CancellationToken) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30)).max_buf_size(64 << 10);
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router)).into_owned();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(Duration::from_secs(5), connection).await;
        }
    }
}
