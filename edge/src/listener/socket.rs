//! A client's connection as pingora sees it: plain or TLS, and it can be cut from outside.
//!
//! pingora has no way to end a live WebSocket. Here the end of the stream is read when the connection's token is
//! cancelled, so pingora finishes the request as if the client had left, with its log line and its byte counts.
//!
//! Nor does pingora bound the time that a request's head may take altogether, only the time between two reads: a client that
//! sends a byte a minute would hold its place for weeks. Here it reads the end of the stream too.

use std::{
    fmt,
    future::Future,
    io,
    os::fd::AsRawFd,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType, l4::socket::SocketAddr, raw_connect::ProxyDigest,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::Sleep,
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::Connection;

pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(crate) struct Socket {
    wire: Wire,
    connection: Arc<Connection>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    digest: Arc<SocketDigest>,
    head_patience: Duration,
    /// Which head is coming, counted from 1, and when it has to be here.
    head_ends: Option<(u64, Pin<Box<Sleep>>)>,
}

impl Socket {
    pub(crate) fn new(wire: Wire, connection: Arc<Connection>, head_patience: Duration) -> Self {
        let digest = SocketDigest::from_raw_fd(wire.tcp().as_raw_fd());
        let _ = digest.peer_addr.set(Some(SocketAddr::Inet(connection.peer)));
        let cut = Box::pin(connection.cut.clone().cancelled_owned());
        Self { wire, connection, cut, digest: Arc::new(digest), head_patience, head_ends: None }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Has a head that began not ended in time? If not yet, the task is woken when it has.
    fn is_too_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let heads = self.connection.heads();
        let Some((awaited, ends)) = &mut self.head_ends else { return false };
        if *awaited <= heads {
            self.head_ends = None;
            return false;
        }
        ends.as_mut().poll(cx).is_ready()
    }

    /// Is it cut? If not, the task is woken when it is.
    fn is_cut(&mut self, cx: &mut Context<'_>) -> bool {
        self.connection.cut.is_cancelled() || self.cut.as_mut().poll(cx).is_ready()
    }
}

impl Socket {
    fn is_h2(&self) -> bool {
        self.selected_alpn_proto() == Some(ALPN::H2)
    }
}

impl Wire {
    fn tcp(&self) -> &TcpStream {
        match self {
            Wire::Plain(tcp) => tcp,
            Wire::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// Calls the same method of whichever stream it is.
macro_rules! on_wire {
    ($socket:expr, $method:ident $(, $argument:expr)*) => {
        match &mut $socket.wire {
            Wire::Plain(tcp) => Pin::new(tcp).$method($($argument),*),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) || self.is_too_slow(cx) {
            return Poll::Ready(Ok(()));
        }
        let read = on_wire!(self, poll_read, cx, buf);
        // One HTTP/2 connection has many heads; pingora and h2 bound those.
        if read.is_ready() && self.head_ends.is_none() && !self.connection.is_busy() && !self.is_h2() {
            let awaited = self.connection.heads() + 1;
            self.head_ends = Some((awaited, Box::pin(tokio::time::sleep(self.head_patience))));
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        on_wire!(self, poll_write, cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        on_wire!(self, poll_write_vectored, cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(tcp) => tcp.is_write_vectored(),
            Wire::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_cut(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        on_wire!(self, poll_flush, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        on_wire!(self, poll_shutdown, cx)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("peer", &self.connection.peer).finish_non_exhaustive()
    }
}

#[async_trait]
impl Shutdown for Socket {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Socket {
    fn id(&self) -> UniqueIDType {
        self.wire.tcp().as_raw_fd()
    }
}

impl Ssl for Socket {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match &self.wire {
            Wire::Plain(_) => None,
            Wire::Tls(tls) => match tls.get_ref().1.alpn_protocol()? {
                b"h2" => Some(ALPN::H2),
                _ => Some(ALPN::H1),
            },
        }
    }
}

impl GetTimingDigest for Socket {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Socket {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Socket {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.digest.clone())
    }
}

impl Peek for Socket {}
