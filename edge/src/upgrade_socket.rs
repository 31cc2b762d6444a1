//! Workaround for pingora's bug #946: a WebSocket that is lost right after its 101.
//!
//! pingora reads the upstream's answer and passes on the request's body in one `select!`. When a fast upstream has
//! answered before the "end of body" of the (empty) request was passed on, the 101 is seen first, and the
//! end of body that comes behind it is taken for the end of the new WebSocket. So the first read after every write
//! of this socket yields once: the other branch, which is ready, then always comes first.
//!
//! The yield must follow a write and not only the connecting: under TLS the first reads belong to the handshake.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use pingora::{
    Error, ErrorType, OrErr,
    connectors::L4Connect,
    protocols::l4::{
        ext::set_tcp_keepalive,
        socket::SocketAddr,
        stream::Stream,
        virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream},
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Connects upgrade requests to their upstream. pingora never pools such a socket, having no descriptor of it.
#[derive(Debug)]
pub(crate) struct UpgradeConnector {
    timeout: Duration,
    yields: bool,
}

impl UpgradeConnector {
    pub(crate) fn new(timeout: Duration) -> Arc<Self> {
        Arc::new(Self { timeout, yields: true })
    }
}

#[async_trait]
impl L4Connect for UpgradeConnector {
    async fn connect(&self, address: &SocketAddr) -> pingora::Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::ConnectError, "an upgrade goes over TCP only");
        };
        let connected = tokio::time::timeout(self.timeout, TcpStream::connect(address)).await;
        let tcp = connected
            .or_err(ErrorType::ConnectTimedout, "connect an upgrade request")?
            .or_err(ErrorType::ConnectError, "connect an upgrade request")?;
        let socket = UpgradeSocket { tcp, yields: self.yields, written: true };
        Ok(Stream::from(VirtualSocketStream::new(Box::new(socket))))
    }
}

struct UpgradeSocket {
    tcp: TcpStream,
    yields: bool,
    written: bool,
}

impl fmt::Debug for UpgradeSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UpgradeSocket").field(&self.tcp).finish()
    }
}

impl AsyncRead for UpgradeSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.written) && self.yields {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for UpgradeSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written = true;
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

impl VirtualSocket for UpgradeSocket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.tcp.set_nodelay(true),
            VirtualSockOpt::KeepAlive(keepalive) => set_tcp_keepalive(&self.tcp, &keepalive).map_err(io::Error::other),
            #[allow(unreachable_patterns)]
            _ => Ok(()),
        }
    }
}
