//! Which shells run, kept in a file so that the next desk can end what a killed one left.

use std::{
    collections::HashSet,
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use super::family::{self, Reach};

#[derive(Clone)]
pub(in crate::desk) struct Leftovers {
    file: Arc<PathBuf>,
    sessions: Arc<Mutex<HashSet<i32>>>,
}

impl Leftovers {
    /// Ends what an earlier desk left running, as far as `reach` goes.
    pub(in crate::desk) fn clear(file: PathBuf, reach: Reach) -> Leftovers {
        let earlier = fs::read_to_string(&file).unwrap_or_default();
        let earlier: HashSet<i32> = earlier.lines().filter_map(|line| line.parse().ok()).filter(|s| *s > 1).collect();
        if !earlier.is_empty() {
            let ended = family::end(&earlier, reach);
            tracing::info!(ended, "ended commands that an earlier desk left");
        }
        let _ = fs::remove_file(&file);
        Leftovers { file: Arc::new(file), sessions: Arc::default() }
    }

    pub(in crate::desk) fn started(&self, session: i32) {
        self.change(|sessions| sessions.insert(session));
    }

    pub(in crate::desk) fn end(&self, session: i32, reach: Reach) {
        family::end(&HashSet::from([session]), reach);
        self.change(|sessions| sessions.remove(&session));
    }

    /// Ends what stayed in any session.
    pub(in crate::desk) fn end_all(&self) {
        let all = self.all();
        if !all.is_empty() {
            family::end(&all, Reach::Session);
        }
    }

    /// Stops all that came of any session where it is.
    pub(in crate::desk) fn freeze(&self) -> usize {
        family::freeze(&self.all(), Reach::Descent)
    }

    pub(in crate::desk) fn thaw(&self) {
        family::thaw(&self.all());
    }

    fn all(&self) -> HashSet<i32> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut HashSet<i32>) -> bool) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sessions);
        let lines: String = sessions.iter().map(|session| format!("{session}\n")).collect();
        if let Err(error) = fs::write(self.file.as_path(), lines) {
            tracing::warn!(%error, file = %self.file.display(), "cannot note which commands run");
        }
    }
}
