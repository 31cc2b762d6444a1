//! A wire that can be cut, and that says when something goes through it: a TCP proxy between two programs of ours.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

pub struct FaultProxy {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    counter: Arc<Mutex<Counter>>,
    task: JoinHandle<()>,
}

/// Counts what goes through, either way, and does something before the n-th piece does.
#[derive(Default)]
struct Counter {
    left: u64,
    then: Option<Box<dyn FnOnce() + Send>>,
}

impl FaultProxy {
    /// Listens on a free port and passes everything on to `target`, which need not be there yet.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind the proxy");
        let address = listener.local_addr().expect("the proxy's address");
        let (whole, state) = watch::channel(true);
        let counter = Arc::new(Mutex::new(Counter::default()));
        #[expect(clippy::disallowed_methods, reason = "the proxy owns it and aborts it when dropped")]
        let task = tokio::spawn(serve(listener, target, state, counter.clone()));
        Self { address, whole, counter, task }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Breaks every connection and refuses new ones.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Lets new connections through again.
    pub fn mend(&self) {
        self.whole.send_replace(true);
    }

    /// When `pieces` have gone through, `then` is done before the next one does.
    pub fn after(&self, pieces: u64, then: impl FnOnce() + Send + 'static) {
        *lock(&self.counter) = Counter { left: pieces, then: Some(Box::new(then)) };
    }

    /// Has what was to be done [`after`](Self::after) some pieces been done? If not, it will not be any more.
    pub fn has_come_to_it(&self) -> bool {
        lock(&self.counter).then.take().is_none()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(counter: &Mutex<Counter>) -> MutexGuard<'_, Counter> {
    counter.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, target: SocketAddr, state: watch::Receiver<bool>, counter: Arc<Mutex<Counter>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((near, _)) = listener.accept() => {
                if *state.borrow() {
                    connections.spawn(pass_on(near, target, state.clone(), counter.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass_on(near: TcpStream, target: SocketAddr, mut state: watch::Receiver<bool>, counter: Arc<Mutex<Counter>>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let both = async {
        tokio::join!(pipe(from_near, to_far, &counter), pipe(from_far, to_near, &counter));
    };
    tokio::select! {
        () = both => {}
        _ = state.wait_for(|whole| !whole) => {}
    }
}

async fn pipe(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, counter: &Mutex<Counter>) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        count(counter);
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

fn count(counter: &Mutex<Counter>) {
    let mut counter = lock(counter);
    if counter.left > 0 {
        counter.left -= 1;
    } else if let Some(then) = counter.then.take() {
        then();
    }
}
