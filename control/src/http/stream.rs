//! Server-sent events: whatever is called out makes a stream look again, and send what is new.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use protocol::{
    edge::Revocation,
    error::{Code, Problem},
};

use crate::{
    app::App,
    error::ApiError,
    hub::{Change, Listener},
    users::{Caller, account},
};

/// What a stream has to send now, and whether there is more at once.
pub type Looked = Result<(Vec<Event>, bool), ApiError>;

/// A stream that calls `look` at once, and again after each change that `concerns` it, or when its caller may have been
/// signed out.
///
/// It ends when `look` fails: the client comes again, and is told why if it may not.
pub fn looking<L, F>(
    listener: Listener,
    caller: Caller,
    concerns: impl Fn(&Change) -> bool + Send + Sync + 'static,
    look: L,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    L: FnMut() -> F + Send + 'static,
    F: Future<Output = Looked> + Send,
{
    let state = (listener, caller, concerns, look, true);
    let batches =
        futures_util::stream::unfold(state, |(mut listener, caller, concerns, mut look, at_once)| async move {
            if !at_once {
                listener.next(|change| may_end(change, &caller) || concerns(change)).await;
            }
            let (events, more) = look().await.ok()?;
            Some((futures_util::stream::iter(events.into_iter().map(Ok)), (listener, caller, concerns, look, more)))
        });
    Sse::new(futures_util::StreamExt::flatten(batches)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

fn may_end(change: &Change, caller: &Caller) -> bool {
    match change {
        Change::Revoked(Revocation::Credential { credential_id }) => *credential_id == caller.credential(),
        Change::Revoked(Revocation::Browsers { user_id, .. }) => *user_id == caller.user_id,
        _ => false,
    }
}

/// Ends a stream whose caller has been signed out since.
pub async fn demand_still(app: &App, caller: &Caller) -> Result<(), ApiError> {
    if account::is_still(app, &caller.user_id, &caller.credential()).await? {
        return Ok(());
    }
    Err(Problem::new(Code::NotSignedIn, "Sign in again.").into())
}

/// One event with `value` as its data.
pub fn event<T: serde::Serialize>(value: &T) -> Result<Event, ApiError> {
    Event::default().json_data(value).map_err(|e| anyhow::Error::new(e).context("write an event").into())
}
