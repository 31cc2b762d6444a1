//! The pictures of a conversation as the provider takes them, kept in memory within a bound.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use protocol::error::Code;

use crate::gate::{agent::journal::Journal, edge::EdgeError};

/// Some hundreds of screenshots.
const MAX_BYTES: usize = 64 << 20;

/// A picture in base64; `None` when the record does not have it any more.
pub type Loaded = HashMap<String, Option<Arc<str>>>;

#[derive(Default)]
pub struct Pictures(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    by_name: HashMap<String, Arc<str>>,
    oldest_first: VecDeque<String>,
    bytes: usize,
}

impl Pictures {
    pub fn remember(&self, sha256: &str, bytes: &[u8]) -> Arc<str> {
        let encoded: Arc<str> = BASE64_STANDARD.encode(bytes).into();
        let mut kept = self.kept();
        if kept.by_name.insert(sha256.to_owned(), encoded.clone()).is_none() {
            kept.bytes += encoded.len();
            kept.oldest_first.push_back(sha256.to_owned());
        }
        while kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.oldest_first.pop_front() else { break };
            kept.bytes -= kept.by_name.remove(&oldest).map_or(0, |gone| gone.len());
        }
        encoded
    }

    /// Loads what is missing in `loaded`; after an error it goes on where it was.
    pub async fn load(&self, journal: &Journal, names: &[String], loaded: &mut Loaded) -> Result<(), EdgeError> {
        for name in names {
            if loaded.contains_key(name) {
                continue;
            }
            let known = self.kept().by_name.get(name).cloned();
            let found = match known {
                Some(known) => Some(known),
                None => match journal.blob(name).await {
                    Ok(bytes) => Some(self.remember(name, &bytes)),
                    Err(error) if error.is(Code::NotFound) => None,
                    Err(error) => return Err(error),
                },
            };
            loaded.insert(name.clone(), found);
        }
        Ok(())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let pictures = Pictures::default();
        let large = vec![0; MAX_BYTES / 2];

        for name in ["a", "b", "c"] {
            pictures.remember(name, &large);
        }

        let kept = pictures.kept();
        assert_eq!(kept.by_name.keys().collect::<Vec<_>>(), ["c"]);
        assert!(kept.bytes <= MAX_BYTES);
    }
}
