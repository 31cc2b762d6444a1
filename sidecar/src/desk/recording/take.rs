//! One recording: the task that follows the screen, at its own pace and beside everything else.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{Film, MAX_BYTES, MAX_DURATION, PACE, shelf::Shelf};
use crate::{
    desk::screen::{Frame, Screen},
    link::Refusal,
};

/// The handle to a recording, also after its end.
pub(super) struct Take {
    orders: mpsc::Sender<Order>,
    seen: watch::Receiver<Progress>,
    began: Instant,
    /// The one task.
    task: JoinSet<()>,
}

/// What can be told of a recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) duration_ms: u64,
    pub(super) bytes: u64,
    /// Why it ended by itself.
    pub(super) ended: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    name: String,
    bytes: u64,
    end: Option<End>,
}

#[derive(Debug, Clone)]
struct End {
    at: u64,
    /// `None` when it was asked for.
    reason: Option<String>,
}

enum Order {
    Pause(oneshot::Sender<()>),
    Resume(oneshot::Sender<()>),
    Stop,
}

impl Take {
    /// Returns when the first picture is in the file.
    pub(super) async fn begin(screen: Screen, shelf: Shelf) -> Result<Take, Refusal> {
        let began = Instant::now();
        let frames = screen.subscribe();
        let first = screen.fresh().await?;
        let opened = blocking(move || {
            let (name, path) = shelf.place(SystemTime::now().into())?;
            Film::begin(&path, first).map(|film| (name, film))
        });
        let (name, film) = opened.await.map_err(|e| Refusal::failed(format!("begin a recording: {}", why(&e))))?;
        tracing::info!(name, "recording");
        let (progress, seen) = watch::channel(Progress { name, bytes: film.bytes(), end: None });
        let (orders, inbox) = mpsc::channel(4);
        let mut task = JoinSet::new();
        task.spawn(Recording { screen, film: Arc::new(Mutex::new(film)), began, progress }.run(inbox, frames));
        Ok(Take { orders, seen, began, task })
    }

    pub(super) fn runs(&self) -> bool {
        self.seen.borrow().end.is_none()
    }

    pub(super) fn seen(&self) -> Seen {
        let progress = self.seen.borrow().clone();
        let (duration_ms, ended) = match progress.end {
            Some(End { at, reason }) => (at, reason),
            None => (self.began.elapsed().as_millis() as u64, None),
        };
        Seen { name: progress.name, duration_ms, bytes: progress.bytes, ended }
    }

    pub(super) async fn pause(&mut self) {
        self.order(Order::Pause).await;
    }

    pub(super) async fn resume(&mut self) {
        self.order(Order::Resume).await;
    }

    pub(super) async fn stop(&mut self) {
        let _ = self.orders.send(Order::Stop).await;
        while self.task.join_next().await.is_some() {}
    }

    /// Returns when it is done, or the recording has ended.
    async fn order(&self, order: impl FnOnce(oneshot::Sender<()>) -> Order) {
        let (done, was_done) = oneshot::channel();
        if self.orders.send(order(done)).await.is_ok() {
            let _ = was_done.await;
        }
    }
}

struct Recording {
    screen: Screen,
    /// Worked on by one at a time, on threads where computing disturbs nobody.
    film: Arc<Mutex<Film>>,
    began: Instant,
    progress: watch::Sender<Progress>,
}

type Frames = watch::Receiver<Arc<Frame>>;

impl Recording {
    async fn run(mut self, mut inbox: mpsc::Receiver<Order>, frames: Frames) {
        let ended = self.follow(&mut inbox, frames).await;
        let at = self.began.elapsed().as_millis() as u64;
        let finished = self.write(Film::finish).await;
        let reason = ended.and(finished).err();
        tracing::info!(ms = at, reason, "the recording ended");
        self.progress.send_modify(|progress| progress.end = Some(End { at, reason }));
    }

    /// Until it is told to stop, or has to: then it says why.
    async fn follow(&mut self, inbox: &mut mpsc::Receiver<Order>, frames: Frames) -> Result<(), String> {
        // None while paused: who holds no receiver causes no capture either.
        let mut frames = Some(frames);
        let mut next = self.began + PACE;
        let last = self.began + MAX_DURATION;
        loop {
            let due = self.due();
            tokio::select! {
                biased;
                order = inbox.recv() => match order {
                    None | Some(Order::Stop) => return Ok(()),
                    Some(Order::Pause(done)) => {
                        if frames.take().is_some() {
                            self.write(|film, at| film.hide(at)).await?;
                        }
                        let _ = done.send(());
                    }
                    Some(Order::Resume(done)) => {
                        if frames.is_none() {
                            frames = Some(self.screen.subscribe());
                            let frame = self.screen.fresh().await.map_err(|refusal| refusal.message)?;
                            self.write(move |film, at| film.show(frame, at)).await?;
                            next = Instant::now() + PACE;
                        }
                        let _ = done.send(());
                    }
                },
                () = sleep_until(last) => {
                    return Err(format!("it reached {} hours", MAX_DURATION.as_secs() / 3600));
                }
                () = wait(due) => self.write(|film, at| film.flush(at)).await?,
                frame = drawn(&mut frames, next) => {
                    let Some(frame) = frame else { return Err("the X server has gone away".into()) };
                    next = Instant::now() + PACE;
                    self.write(move |film, at| film.show(frame, at)).await?;
                }
            }
        }
    }

    /// Works on the film, and tells how long it has become.
    async fn write(
        &mut self,
        work: impl FnOnce(&mut Film, u64) -> io::Result<()> + Send + 'static,
    ) -> Result<(), String> {
        let (film, began) = (self.film.clone(), self.began);
        let written = blocking(move || {
            let mut film = film.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut film, began.elapsed().as_millis() as u64)?;
            Ok(film.bytes())
        });
        let bytes = written.await.map_err(|error| why(&error))?;
        self.progress.send_modify(|progress| progress.bytes = bytes);
        if bytes < MAX_BYTES { Ok(()) } else { Err(format!("it reached {} GiB", MAX_BYTES >> 30)) }
    }

    fn due(&self) -> Option<Instant> {
        let due = self.film.lock().unwrap_or_else(PoisonError::into_inner).due();
        due.map(|due| self.began + Duration::from_millis(due))
    }
}

/// The newest frame, not before `next`.
async fn drawn(frames: &mut Option<Frames>, next: Instant) -> Option<Arc<Frame>> {
    let Some(frames) = frames else { return std::future::pending().await };
    sleep_until(next).await;
    frames.changed().await.ok()?;
    Some(frames.borrow_and_update().clone())
}

async fn wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(io::Error::other(e)))
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "the disk is nearly full".into(),
        _ => error.to_string(),
    }
}
