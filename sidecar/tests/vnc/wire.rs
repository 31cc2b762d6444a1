//! Ways to a viewer: one that carries a byte at a time, and one that is narrow and long.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, ReadHalf, WriteHalf},
    sync::mpsc,
    task::JoinSet,
    time::Instant,
};

/// Writes and reads a byte at a time.
pub(crate) struct Drip<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> AsyncRead for Drip<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        std::task::ready!(Pin::new(&mut self.0).poll_read(cx, &mut one))?;
        buf.put_slice(one.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Drip<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A way with a bottleneck towards the viewer, and a queue without end before it.
#[derive(Clone, Copy)]
pub(crate) struct Narrow {
    pub(crate) bytes_per_s: f64,
    /// In each direction.
    pub(crate) delay: Duration,
}

/// What a narrow way has seen.
#[derive(Clone, Default)]
pub(crate) struct Meter(Arc<AtomicU64>);

impl Meter {
    /// The most bytes that waited before the bottleneck since the last call.
    pub(crate) fn most_waiting(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Narrow {
    /// The viewer's end of a way to `server`. It ends with the tasks.
    pub(crate) fn lead_to(self, server: DuplexStream, tasks: &mut JoinSet<()>) -> (DuplexStream, Meter) {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let meter = Meter::default();
        let (from_server, to_server) = tokio::io::split(server);
        let (from_viewer, to_viewer) = tokio::io::split(theirs);
        let up = Self { bytes_per_s: f64::INFINITY, ..self };
        tasks.spawn(up.carry(from_viewer, to_server, Meter::default()));
        tasks.spawn(self.carry(from_server, to_viewer, meter.clone()));
        (ours, meter)
    }

    async fn carry(self, mut from: ReadHalf<DuplexStream>, to: WriteHalf<DuplexStream>, meter: Meter) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let take = async move {
            let mut leaves = Instant::now();
            let mut chunk = vec![0; 4096];
            while let Ok(read @ 1..) = from.read(&mut chunk).await {
                let now = Instant::now();
                leaves = leaves.max(now) + Duration::from_secs_f64(read as f64 / self.bytes_per_s);
                let waiting = (leaves - now).as_secs_f64() * self.bytes_per_s;
                if waiting.is_finite() {
                    meter.0.fetch_max(waiting as u64, Ordering::Relaxed);
                }
                if sender.send((leaves + self.delay, chunk[..read].to_vec())).is_err() {
                    return;
                }
            }
        };
        tokio::join!(take, deliver(receiver, to));
    }
}

async fn deliver(mut from: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>, mut to: WriteHalf<DuplexStream>) {
    while let Some((at, bytes)) = from.recv().await {
        tokio::time::sleep_until(at).await;
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}
