//! Orders for a thread that also waits for the X server.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{Arc, mpsc},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use tokio::sync::oneshot;

use crate::link::Refusal;

/// Makes a mailbox. It needs no bound: who sends waits for the reply before it sends again.
pub(crate) fn mailbox<T>() -> io::Result<(Sender<T>, Receiver<T>)> {
    let (bell, ear) = UnixStream::pair()?;
    bell.set_nonblocking(true)?;
    ear.set_nonblocking(true)?;
    let (orders, inbox) = mpsc::channel();
    Ok((Sender { orders, bell: Arc::new(bell) }, Receiver { inbox, ear }))
}

pub(crate) struct Sender<T> {
    orders: mpsc::Sender<T>,
    bell: Arc<UnixStream>,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { orders: self.orders.clone(), bell: self.bell.clone() }
    }
}

impl<T> Sender<T> {
    /// Hands over an order; `false` when the thread has ended.
    pub(crate) fn send(&self, order: T) -> bool {
        if self.orders.send(order).is_err() {
            return false;
        }
        // A full pipe means that the bell rings already.
        let _ = (&*self.bell).write(&[1]);
        true
    }

    /// Hands over an order that holds the sender of its reply, and waits for that.
    pub(crate) async fn ask<R>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<R, Refusal>>) -> T,
    ) -> Result<R, Refusal> {
        let (reply, answer) = oneshot::channel();
        if !self.send(order(reply)) {
            return Err(gone());
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> Refusal {
    Refusal::unavailable("the X server has gone away; the desktop is being restarted")
}

pub(crate) struct Receiver<T> {
    inbox: mpsc::Receiver<T>,
    ear: UnixStream,
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// Nobody holds a sender any more.
#[derive(Debug)]
pub(crate) struct Closed;

impl<T> Receiver<T> {
    /// The next order, if there is one.
    pub(crate) fn take(&self) -> Result<Option<T>, Closed> {
        match self.inbox.try_recv() {
            Ok(order) => Ok(Some(order)),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(Closed),
        }
    }

    /// Waits until an order may be there, `other` can be read or the time is up.
    pub(crate) fn wait(&self, other: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<()> {
        self.poll(&mut [readable(self.ear.as_fd()), readable(other)], timeout)
    }

    /// Waits until an order may be there or the time is up.
    pub(crate) fn wait_alone(&self, timeout: Duration) -> io::Result<()> {
        self.poll(&mut [readable(self.ear.as_fd())], Some(timeout))
    }

    fn poll(&self, fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
        match ppoll(fds, timeout.map(TimeSpec::from_duration), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut rings = [0; 64];
        while matches!((&self.ear).read(&mut rings), Ok(n) if n == rings.len()) {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_ends_the_wait_and_is_there() {
        let (sender, receiver) = mailbox().unwrap();
        let (_quiet, other) = UnixStream::pair().unwrap();

        let thread = std::thread::spawn(move || {
            receiver.wait(other.as_fd(), None).unwrap();
            receiver.take().unwrap()
        });
        sender.send(7);

        assert_eq!(thread.join().unwrap(), Some(7));
    }

    #[tokio::test]
    async fn whoever_asks_an_ended_thread_is_told_so() {
        let (sender, receiver) = mailbox::<oneshot::Sender<Result<(), Refusal>>>().unwrap();
        drop(receiver);

        let refused = sender.ask(|reply| reply).await.unwrap_err();

        assert_eq!(refused.kind, crate::link::RefusalKind::Unavailable);
    }
}
