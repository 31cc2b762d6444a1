//! A server that is a child of the desk: its messages by way of the link, a line each.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_util::{
    codec::{FramedRead, FramedWrite},
    sync::CancellationToken,
};

use super::{End, MAX_MESSAGE, logs::Logs};
use crate::link::{
    child::{Frames, FromChild, MAX, ToChild},
    pace::Pace,
};

/// What is read ahead of who reads messages.
const AHEAD: usize = 256 << 10;
/// Of what it complains, in bytes a second. A desk reads no more than half of that; one that does not keep to it waits
/// here with all that it sends.
const COMPLAINTS: usize = 512 << 10;
/// For the link to take the word to stop.
const TAKES_WITHIN: Duration = Duration::from_secs(2);

/// The child's end of the link.
pub(super) struct Child {
    link: UnixStream,
    messages: DuplexStream,
    logs: Logs,
}

impl Child {
    /// The child, and the end that messages are read from and written to.
    pub(super) fn new(link: UnixStream, logs: Logs) -> (Self, DuplexStream) {
        let (messages, end) = tokio::io::duplex(AHEAD);
        (Self { link, messages, logs }, end)
    }

    /// Carries messages until the child has ended. `stop` asks for that.
    pub(super) async fn run(self, stop: CancellationToken) -> End {
        let (from_link, to_link) = self.link.into_split();
        let (from_us, to_us) = tokio::io::split(self.messages);
        let inward = Inward { to_us: Some(to_us), line: 0, too_long: false, logs: self.logs, stop: stop.clone() };
        tokio::select! {
            end = inward.carry(from_link) => end,
            () = outward(from_us, to_link, stop) => End::Lost,
        }
    }
}

struct Inward {
    /// Until nobody may hear more.
    to_us: Option<WriteHalf<DuplexStream>>,
    /// The length so far of the line that comes.
    line: usize,
    too_long: bool,
    logs: Logs,
    stop: CancellationToken,
}

impl Inward {
    async fn carry(mut self, from: OwnedReadHalf) -> End {
        let mut frames = FramedRead::new(from, Frames::<FromChild>::default());
        let mut complaints = Pace::new(COMPLAINTS);
        while let Some(Ok(frame)) = frames.next().await {
            match frame {
                FromChild::Error(bytes) => {
                    self.logs.printed(&bytes);
                    complaints.spend(bytes.len());
                    complaints.ready().await;
                    // All that the gate does, it does on this thread.
                    tokio::task::yield_now().await;
                }
                FromChild::Output(bytes) => self.output(&bytes).await,
                FromChild::Ended(_) if self.too_long => return End::TooLong,
                FromChild::Ended(exit) => return End::Exited(exit),
            }
        }
        End::Lost
    }

    async fn output(&mut self, bytes: &[u8]) {
        if self.is_too_long(bytes) {
            self.too_long = true;
            self.to_us = None;
            self.stop.cancel();
        }
        let Some(to_us) = &mut self.to_us else { return };
        // Empty is its end, which is passed on as the end.
        if bytes.is_empty() || to_us.write_all(bytes).await.is_err() {
            self.to_us = None;
        }
    }

    fn is_too_long(&mut self, bytes: &[u8]) -> bool {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            self.line += part.len();
            if self.line > MAX_MESSAGE {
                return true;
            }
            if part.ends_with(b"\n") {
                self.line = 0;
            }
        }
        false
    }
}

/// Ends only when the link is broken.
async fn outward(mut from: ReadHalf<DuplexStream>, to: OwnedWriteHalf, stop: CancellationToken) {
    let mut to = FramedWrite::new(to, Frames::<FromChild>::default());
    let mut bytes = BytesMut::new();
    let mut open = true;
    loop {
        let frame = tokio::select! {
            read = part(&mut from, &mut bytes), if open => match read {
                Some(bytes) => ToChild::Input(bytes),
                None => {
                    open = false;
                    continue;
                }
            },
            () = stop.cancelled() => ToChild::Stop,
        };
        let is_last = frame == ToChild::Stop;
        let sent = tokio::select! {
            sent = to.send(frame) => sent,
            // It takes nothing more; closing the link has the same effect.
            () = late(&stop) => return,
        };
        if sent.is_err() {
            return;
        }
        if is_last {
            // The link stays open for what the child still says.
            std::future::pending::<()>().await;
        }
    }
}

/// What can be read at once, as much as goes into a frame.
async fn part(from: &mut ReadHalf<DuplexStream>, buffer: &mut BytesMut) -> Option<Bytes> {
    buffer.reserve(MAX);
    match from.take(MAX as u64).read_buf(buffer).await {
        Ok(length) if length > 0 => Some(buffer.split().freeze()),
        _ => None,
    }
}

async fn late(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(TAKES_WITHIN).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::link::child::Exit;

    #[tokio::test]
    async fn a_flood_of_complaints_is_taken_slowly_whatever_the_desk_does() {
        let (link, desk) = UnixStream::pair().unwrap();
        let (child, _messages) = Child::new(link, Logs::new(Arc::default()));
        let flood = async {
            let mut frames = FramedWrite::new(desk, Frames::<ToChild>::default());
            for _ in 0..2 * COMPLAINTS / MAX {
                frames.send(FromChild::Error(vec![b'\n'; MAX].into())).await.unwrap();
            }
            frames.send(FromChild::Ended(Exit { code: Some(0), signal: None })).await.unwrap();
            frames
        };
        let began = Instant::now();

        let (end, _open) = tokio::join!(child.run(CancellationToken::new()), flood);

        assert!(matches!(end, End::Exited(_)));
        // The first second's worth is free.
        assert!(began.elapsed() >= Duration::from_millis(950), "{:?}", began.elapsed());
    }
}
