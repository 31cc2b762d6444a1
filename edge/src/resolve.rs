//! Which sidecar serves a desktop for a credential: control's answers, kept as long as control allows.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use protocol::{
    DesktopId, Millis,
    edge::{Credential, Grant, Resolved},
    error::Problem,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::Clock;

/// Of a few hundred bytes each.
const MAX_KEPT: usize = 10_000;
/// A capability this close to its end would arrive expired.
const CAPABILITY_MARGIN_MS: Millis = 5_000;

/// Answers by credential and desktop. Credentials are kept as hashes only.
pub(crate) struct Resolver {
    kept: Mutex<HashMap<Key, Slot>>,
    /// How often something was revoked.
    revoked: AtomicU64,
    clock: Clock,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    credential: [u8; 32],
    desktop: DesktopId,
}

/// One question at a time for a key: the others wait for its answer.
type Slot = Arc<tokio::sync::Mutex<Option<Kept>>>;

struct Kept {
    answer: Arc<Resolved>,
    until: Millis,
}

impl Resolver {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { kept: Mutex::default(), revoked: AtomicU64::new(0), clock }
    }

    /// Changes whenever something is revoked: an answer of an earlier time has to be made sure of.
    pub(crate) fn epoch(&self) -> u64 {
        self.revoked.load(Ordering::SeqCst)
    }

    /// Forgets the answers by which a right was given that is `taken`.
    pub(crate) fn revoke(&self, taken: impl Fn(&Grant) -> bool) {
        let mut kept = self.lock();
        // Under the lock: whoever sees the new epoch finds none of what is taken away below.
        self.revoked.fetch_add(1, Ordering::SeqCst);
        // A slot that is in use goes too: what comes of it is of the epoch before.
        kept.retain(|key, slot| {
            slot.try_lock().is_ok_and(|kept| !kept.as_ref().is_some_and(|kept| taken(&kept.answer.grant(&key.desktop))))
        });
    }

    /// The kept answer, or what `ask` gives. Refusals are not kept.
    pub(crate) async fn resolve<F>(
        &self,
        desktop: &DesktopId,
        credential: &Credential,
        ask: F,
    ) -> Result<Arc<Resolved>, Problem>
    where
        F: Future<Output = Result<Resolved, Problem>>,
    {
        let slot = self.slot(key(desktop, credential));
        let mut kept = slot.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| (self.clock)() < kept.until) {
            return Ok(kept.answer.clone());
        }
        *kept = None;
        let epoch = self.epoch();
        let answer = Arc::new(ask.await?);
        if self.epoch() != epoch {
            return Ok(answer);
        }
        let capability = capability_end(&answer.capability).unwrap_or(0) - CAPABILITY_MARGIN_MS;
        *kept = Some(Kept { answer: answer.clone(), until: answer.fresh_until.min(capability) });
        Ok(answer)
    }

    /// Asks anew next time: what was answered did not hold.
    pub(crate) fn forget(&self, desktop: &DesktopId, credential: &Credential) {
        self.lock().remove(&key(desktop, credential));
    }

    fn slot(&self, key: Key) -> Slot {
        let mut kept = self.lock();
        if kept.len() >= MAX_KEPT && !kept.contains_key(&key) {
            let now = (self.clock)();
            // A slot that is locked is in use and stays.
            kept.retain(|_, slot| slot.try_lock().map_or(true, |k| k.as_ref().is_some_and(|k| now < k.until)));
            if kept.len() >= MAX_KEPT {
                kept.clear();
            }
        }
        kept.entry(key).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Slot>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(desktop: &DesktopId, credential: &Credential) -> Key {
    let (kind, secret) = match credential {
        Credential::Cookie(secret) => (b'c', secret),
        Credential::Bearer(secret) => (b'b', secret),
        Credential::Ticket(secret) => (b't', secret),
    };
    let mut hash = Sha256::new();
    hash.update([kind]);
    hash.update(secret.as_bytes());
    Key { credential: hash.finalize().into(), desktop: desktop.clone() }
}

/// When a capability ends, read without checking it: control sent it, and the sidecar is who checks.
fn capability_end(jwt: &str) -> Option<Millis> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let claims = BASE64_URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok()?.exp.checked_mul(1000)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicUsize};

    use protocol::{TokenId, UserId, VmId, edge::CredentialId, error::Code};

    use super::*;

    struct Told {
        now: Arc<AtomicI64>,
        asked: AtomicUsize,
        resolver: Resolver,
        desktop: DesktopId,
    }

    impl Told {
        fn new() -> Self {
            let now = Arc::new(AtomicI64::new(0));
            let clock = now.clone();
            let resolver = Resolver::new(Arc::new(move || clock.load(Ordering::SeqCst)));
            Self { now, asked: AtomicUsize::new(0), resolver, desktop: DesktopId::generate() }
        }

        async fn ask(&self, secret: &str, fresh_until: Millis, capability_s: i64) -> Result<Arc<Resolved>, Problem> {
            let claims = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{capability_s}}}"#));
            let answer = Resolved {
                user_id: UserId::generate(),
                credential_id: CredentialId::Token(TokenId::generate()),
                ends_at: None,
                generation: 1,
                vm_id: VmId::generate(),
                address: "127.0.0.1:1".into(),
                capability: format!("h.{claims}.s"),
                fresh_until,
            };
            let ask = async {
                self.asked.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                Ok(answer)
            };
            self.resolver.resolve(&self.desktop, &Credential::Bearer(secret.into()), ask).await
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test]
    async fn an_answer_is_kept_until_control_says_and_no_longer() {
        let told = Told::new();
        told.ask("a", 1_000, 60).await.unwrap();
        told.now.store(999, Ordering::SeqCst);
        told.ask("a", 1_000, 60).await.unwrap();
        assert_eq!(told.asked(), 1);

        told.now.store(1_000, Ordering::SeqCst);
        told.ask("a", 2_000, 60).await.unwrap();

        assert_eq!(told.asked(), 2);
    }

    #[tokio::test]
    async fn an_answer_is_never_kept_longer_than_its_capability_lives() {
        let told = Told::new();
        told.ask("a", 1_000_000, 60).await.unwrap();

        told.now.store(60_000 - CAPABILITY_MARGIN_MS, Ordering::SeqCst);
        told.ask("a", 1_000_000, 60).await.unwrap();

        assert_eq!(told.asked(), 2);
    }

    #[tokio::test]
    async fn one_credentials_answer_is_not_anothers() {
        let told = Told::new();

        let (a, b) = (told.ask("a", 1_000, 60).await.unwrap(), told.ask("b", 1_000, 60).await.unwrap());

        assert_ne!(a.user_id, b.user_id);
    }

    #[tokio::test]
    async fn many_at_once_ask_once() {
        let told = Told::new();

        futures_util::future::join_all((0..50).map(|_| told.ask("a", 1_000, 60))).await;

        assert_eq!(told.asked(), 1);
    }

    #[tokio::test]
    async fn a_refusal_is_not_kept() {
        let told = Told::new();
        let credential = Credential::Bearer("a".into());
        let refused = async { Err(Problem::new(Code::NotFound, "")) };
        assert!(told.resolver.resolve(&told.desktop, &credential, refused).await.is_err());

        assert!(told.ask("a", 1_000, 60).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_forgotten_is_asked_again() {
        let told = Told::new();
        told.ask("a", 1_000, 60).await.unwrap();

        told.resolver.forget(&told.desktop, &Credential::Bearer("a".into()));
        told.ask("a", 1_000, 60).await.unwrap();

        assert_eq!(told.asked(), 2);
    }

    #[tokio::test]
    async fn what_is_taken_back_is_asked_again_and_nothing_else() {
        let told = Told::new();
        let taken = told.ask("a", 1_000, 60).await.unwrap().user_id.clone();
        told.ask("b", 1_000, 60).await.unwrap();

        told.resolver.revoke(|grant| grant.user_id == taken);
        told.ask("a", 1_000, 60).await.unwrap();
        told.ask("b", 1_000, 60).await.unwrap();

        assert_eq!(told.asked(), 3);
    }

    #[tokio::test]
    async fn an_answer_that_is_being_read_while_it_is_taken_back_is_not_kept_either() {
        let told = Told::new();
        told.ask("a", 1_000, 60).await.unwrap();
        let slot = told.resolver.slot(key(&told.desktop, &Credential::Bearer("a".into())));
        let reading = slot.lock().await;

        told.resolver.revoke(|_| true);
        drop(reading);
        told.ask("a", 1_000, 60).await.unwrap();

        assert_eq!(told.asked(), 2);
    }

    #[tokio::test]
    async fn an_answer_that_was_under_way_while_something_was_taken_back_is_not_kept() {
        let told = Told::new();
        let answer = told.ask("z", 1_000, 60).await.unwrap();
        let asking = async {
            told.resolver.revoke(|_| true);
            Ok(Resolved::clone(&answer))
        };
        let credential = Credential::Bearer("a".into());
        told.resolver.resolve(&told.desktop, &credential, asking).await.unwrap();

        told.ask("a", 1_000, 60).await.unwrap();

        assert_eq!(told.asked(), 2);
    }

    #[tokio::test]
    async fn it_does_not_grow_without_bound() {
        let told = Told::new();

        for n in 0..MAX_KEPT + 10 {
            told.ask(&n.to_string(), 1_000, 60).await.unwrap();
        }

        assert!(told.resolver.lock().len() <= MAX_KEPT);
    }
}
