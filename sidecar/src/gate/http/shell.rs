//! Single commands, for programs.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::HeaderMap,
};
use protocol::{
    action::{ShellOutput, ShellRequest},
    error::Code,
};

use super::{
    App,
    problem::{self, Refused},
};
use crate::{
    gate::desk::DeskError,
    link::{Answer, Call},
};

const USUAL_MS: u64 = 120_000;
const MOST_MS: u64 = 600_000;

/// `POST shell`: runs a command in the desktop's own persistent shell, apart from those of sessions.
pub async fn run(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ShellOutput>, Refused> {
    let ShellRequest { command, timeout_ms } = problem::json(&headers, body)?;
    let timeout_ms = timeout_ms.unwrap_or(USUAL_MS);
    if !(1..=MOST_MS).contains(&timeout_ms) {
        return Err(Refused::new(Code::InvalidValue, format!("`timeout_ms` is 1 to {MOST_MS}")));
    }
    let within = Duration::from_millis(timeout_ms) + Duration::from_secs(15);
    match app.desk.call(&Call::Bash { session: None, command, timeout_ms }, within).await? {
        Answer::Shell(output) => Ok(Json(output)),
        _ => Err(DeskError::Nonsense.into()),
    }
}
