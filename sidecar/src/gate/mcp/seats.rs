//! Who speaks MCP with this desktop: sessions, each its user's own, bounded in number and in time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use protocol::{
    SessionId, UserId,
    desktop::Size,
    error::{Code, Problem},
};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of the desktop.
    pub sessions: usize,
    /// Sessions that have a shell of their own at the same time. The desk keeps a few more, for the agent's sessions.
    pub shells: usize,
    /// At the same time, in one session.
    pub calls: usize,
    /// So long a session lives without a request.
    pub idle: Duration,
}

impl Bounds {
    pub const USUAL: Bounds = Bounds { sessions: 32, shells: 4, calls: 8, idle: Duration::from_secs(600) };
}

/// All sessions of this desktop.
pub struct Seats {
    bounds: Bounds,
    held: Mutex<HashMap<Key, Arc<Seat>>>,
    shells: Mutex<Shells>,
    /// A session with a shell has ended.
    left: Notify,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Session(String),
    /// Newer clients have no sessions: what they do is their user's.
    User(UserId),
}

#[derive(Default)]
struct Shells {
    free: Vec<SessionId>,
    /// Of sessions that have ended, with all that still runs in them.
    left: Vec<SessionId>,
}

/// One session, or all that a user does without one.
pub struct Seat {
    key: Key,
    user: UserId,
    state: Mutex<State>,
    over: CancellationToken,
}

struct State {
    used: Instant,
    picture: Option<Size>,
    shell: Option<SessionId>,
    running: HashMap<u64, Running>,
    next: u64,
}

struct Running {
    id: Option<String>,
    cancel: CancellationToken,
}

/// A call that runs; over when it is dropped.
pub struct Turn<'a> {
    seat: &'a Seat,
    number: u64,
    pub cancelled: CancellationToken,
}

impl Seats {
    pub fn new(bounds: Bounds) -> Self {
        let free = (0..bounds.shells).map(|_| SessionId::generate()).collect();
        let shells = Mutex::new(Shells { free, left: Vec::new() });
        Self { bounds, held: Mutex::default(), shells, left: Notify::new() }
    }

    /// Begins a session of `user`; it is known by the name that comes back.
    pub fn open(&self, user: &UserId) -> Result<(String, Arc<Seat>), Problem> {
        let name = format!("{:032x}", rand::random::<u128>());
        let seat = self.admit(&mut self.held(), Key::Session(name.clone()), user)?;
        Ok((name, seat))
    }

    /// The session of this name, if it is `user`'s. Somebody else's is not there for them.
    pub fn find(&self, name: &str, user: &UserId) -> Result<Arc<Seat>, Problem> {
        let mut held = self.held();
        let seat = held.get(&Key::Session(name.to_owned())).filter(|seat| seat.user == *user).cloned();
        let seat = seat.ok_or_else(no_session)?;
        if seat.idle() > self.bounds.idle {
            self.end(&mut held, &seat);
            return Err(no_session());
        }
        seat.touch();
        Ok(seat)
    }

    /// What `user` does without a session.
    pub fn of_user(&self, user: &UserId) -> Result<Arc<Seat>, Problem> {
        let (mut held, key) = (self.held(), Key::User(user.clone()));
        match held.get(&key) {
            Some(seat) => {
                seat.touch();
                Ok(seat.clone())
            }
            None => self.admit(&mut held, key, user),
        }
    }

    /// Ends a session: what runs in it is cancelled.
    pub fn close(&self, seat: &Seat) {
        self.end(&mut self.held(), seat);
    }

    /// Ends the sessions that nobody has used for long.
    pub fn sweep(&self) {
        let mut held = self.held();
        let idle: Vec<Arc<Seat>> = held.values().filter(|seat| seat.idle() > self.bounds.idle).cloned().collect();
        for seat in idle {
            self.end(&mut held, &seat);
        }
    }

    /// The shells of sessions that have ended.
    pub fn left_shells(&self) -> Vec<SessionId> {
        std::mem::take(&mut self.shells().left)
    }

    /// Nothing runs in this shell any more.
    pub fn shell_is_free(&self, shell: SessionId) {
        self.shells().free.push(shell);
    }

    /// Waits until a session with a shell may have ended.
    pub async fn shell_left(&self) {
        self.left.notified().await;
    }

    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// The shell of this session, from now on.
    pub fn shell_of(&self, seat: &Seat) -> Result<SessionId, String> {
        let mut state = seat.state();
        if seat.over.is_cancelled() {
            return Err("Error: the session has ended".to_owned());
        }
        if state.shell.is_none() {
            state.shell = self.shells().free.pop();
        }
        state.shell.clone().ok_or_else(|| {
            format!(
                "Error: {} MCP sessions have a shell already. End one of them, or wait: one that is not used ends after \
                 {} minutes.",
                self.bounds.shells,
                self.bounds.idle.as_secs() / 60
            )
        })
    }

    /// Lets a call begin. In a session its id names it for a cancellation, so it must be its own.
    pub fn begin<'a>(&self, seat: &'a Seat, id: String) -> Result<Turn<'a>, String> {
        let id = matches!(seat.key, Key::Session(_)).then_some(id);
        let mut state = seat.state();
        if state.running.len() >= self.bounds.calls {
            return Err(format!("Error: {} calls run already: wait for one to end", self.bounds.calls));
        }
        if id.is_some() && state.running.values().any(|running| running.id == id) {
            return Err("Error: a call with the same id runs already".to_owned());
        }
        let (number, cancelled) = (state.next, seat.over.child_token());
        state.next += 1;
        state.running.insert(number, Running { id, cancel: cancelled.clone() });
        Ok(Turn { seat, number, cancelled })
    }

    fn admit(&self, held: &mut HashMap<Key, Arc<Seat>>, key: Key, user: &UserId) -> Result<Arc<Seat>, Problem> {
        if held.len() >= self.bounds.sessions {
            let outgoing = outgoing(held).ok_or_else(|| {
                Problem::new(Code::TooManyRequests, "All MCP sessions of this desktop are at work: try again later.")
            })?;
            self.end(held, &outgoing);
        }
        let seat = Arc::new(Seat {
            key: key.clone(),
            user: user.clone(),
            state: Mutex::new(State {
                used: Instant::now(),
                picture: None,
                shell: None,
                running: HashMap::new(),
                next: 0,
            }),
            over: CancellationToken::new(),
        });
        held.insert(key, seat.clone());
        Ok(seat)
    }

    fn end(&self, held: &mut HashMap<Key, Arc<Seat>>, seat: &Seat) {
        held.remove(&seat.key);
        let mut state = seat.state();
        seat.over.cancel();
        if let Some(shell) = state.shell.take() {
            self.shells().left.push(shell);
            self.left.notify_one();
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Key, Arc<Seat>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shells(&self) -> MutexGuard<'_, Shells> {
        self.shells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who has the most sessions makes room, with the one used least recently; so nobody can keep others out.
fn outgoing(held: &HashMap<Key, Arc<Seat>>) -> Option<Arc<Seat>> {
    let mut sessions: HashMap<&UserId, usize> = HashMap::new();
    for seat in held.values() {
        *sessions.entry(&seat.user).or_default() += 1;
    }
    let idle = held.values().filter(|seat| seat.state().running.is_empty());
    idle.max_by_key(|seat| (sessions[&seat.user], seat.idle())).cloned()
}

impl Seat {
    /// The size of the last screenshot: coordinates are of that.
    pub fn picture(&self) -> Option<Size> {
        self.state().picture
    }

    pub fn saw(&self, picture: Size) {
        self.state().picture = Some(picture);
    }

    /// Cancels the call of this id.
    pub fn cancel(&self, id: &str) {
        for running in self.state().running.values().filter(|running| running.id.as_deref() == Some(id)) {
            running.cancel.cancel();
        }
    }

    fn touch(&self) {
        self.state().used = Instant::now();
    }

    fn idle(&self) -> Duration {
        let state = self.state();
        if state.running.is_empty() { state.used.elapsed() } else { Duration::ZERO }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.seat.state();
        state.running.remove(&self.number);
        state.used = Instant::now();
    }
}

fn no_session() -> Problem {
    Problem::new(Code::NotFound, "There is no such MCP session of yours, or it has ended: send `initialize` again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Bounds = Bounds { sessions: 3, shells: 1, calls: 2, idle: Duration::from_secs(600) };

    fn code<T>(found: Result<T, Problem>) -> Option<Code> {
        found.err().map(|problem| problem.code)
    }

    #[test]
    fn a_session_is_its_users_own() {
        let (seats, ada, bob) = (Seats::new(SMALL), UserId::generate(), UserId::generate());
        let (name, _) = seats.open(&ada).unwrap();

        assert_eq!(code(seats.find(&name, &bob)), Some(Code::NotFound));
        assert_eq!(code(seats.find(&name, &ada)), None);
    }

    #[test]
    fn who_has_the_most_sessions_makes_room_for_others() {
        let (seats, ada, bob) = (Seats::new(SMALL), UserId::generate(), UserId::generate());
        let (of_ada, _) = seats.open(&ada).unwrap();

        let of_bob: Vec<String> = (0..1000).map(|_| seats.open(&bob).unwrap().0).collect();

        assert_eq!(code(seats.find(&of_ada, &ada)), None, "she keeps her place");
        assert_eq!(seats.held().len(), 3);
        assert_eq!(code(seats.find(&of_bob[999], &bob)), None);
        assert_eq!(code(seats.find(&of_bob[0], &bob)), Some(Code::NotFound));
    }

    #[test]
    fn what_is_at_work_makes_no_room() {
        let (seats, ada) = (Seats::new(SMALL), UserId::generate());
        let busy: Vec<_> = (0..3).map(|_| seats.open(&ada).unwrap().1).collect();
        let turns: Vec<_> = busy.iter().map(|seat| seats.begin(seat, "1".to_owned()).unwrap()).collect();

        assert_eq!(code(seats.open(&ada)), Some(Code::TooManyRequests));
        drop(turns);
        assert_eq!(code(seats.open(&ada)), None);
    }

    #[test]
    fn a_session_that_nobody_uses_ends_and_one_at_work_does_not() {
        let seats = Seats::new(Bounds { idle: Duration::ZERO, ..SMALL });
        let ada = UserId::generate();
        let ((idle, _), (busy, seat)) = (seats.open(&ada).unwrap(), seats.open(&ada).unwrap());
        let turn = seats.begin(&seat, "1".to_owned()).unwrap();

        seats.sweep();

        assert_eq!(seats.held().len(), 1);
        assert_eq!(code(seats.find(&idle, &ada)), Some(Code::NotFound));
        assert_eq!(code(seats.find(&busy, &ada)), None);
        drop(turn);
        assert_eq!(code(seats.find(&busy, &ada)), Some(Code::NotFound));
    }

    #[test]
    fn the_end_of_a_session_cancels_its_calls_and_gives_its_shell_back() {
        let (seats, ada) = (Seats::new(SMALL), UserId::generate());
        let ((_, one), (_, other)) = (seats.open(&ada).unwrap(), seats.open(&ada).unwrap());
        let turn = seats.begin(&one, "1".to_owned()).unwrap();
        let shell = seats.shell_of(&one).unwrap();
        assert_eq!(seats.shell_of(&one), Ok(shell.clone()), "it keeps it");
        assert!(seats.shell_of(&other).unwrap_err().starts_with("Error: 1 MCP sessions have a shell"));

        seats.close(&one);

        assert!(turn.cancelled.is_cancelled());
        assert!(seats.shell_of(&one).is_err());
        assert_eq!(seats.left_shells(), std::slice::from_ref(&shell));
        assert!(seats.shell_of(&other).is_err(), "something may still run in it");
        seats.shell_is_free(shell.clone());
        assert_eq!(seats.shell_of(&other), Ok(shell));
    }

    #[test]
    fn calls_are_bounded_and_cancelled_by_their_id() {
        let (seats, ada) = (Seats::new(SMALL), UserId::generate());
        let (_, seat) = seats.open(&ada).unwrap();
        let (one, two) = (seats.begin(&seat, "1".to_owned()).unwrap(), seats.begin(&seat, "2".to_owned()).unwrap());
        assert!(seats.begin(&seat, "3".to_owned()).is_err());

        seat.cancel("2");
        seat.cancel("unknown");

        assert_eq!((one.cancelled.is_cancelled(), two.cancelled.is_cancelled()), (false, true));
        drop(two);
        assert!(seats.begin(&seat, "1".to_owned()).is_err(), "the id is taken");
        assert!(seats.begin(&seat, "3".to_owned()).is_ok());
    }

    #[test]
    fn clients_without_sessions_may_use_the_same_ids() {
        let (seats, ada) = (Seats::new(SMALL), UserId::generate());
        let seat = seats.of_user(&ada).unwrap();
        assert!(Arc::ptr_eq(&seat, &seats.of_user(&ada).unwrap()));

        let _one = seats.begin(&seat, "1".to_owned()).unwrap();

        assert!(seats.begin(&seat, "1".to_owned()).is_ok());
    }
}
