//! What is on the desktop, for programs: windows, applications, and the accessibility tree.
//!
//! All of it takes the scope `control`: it tells more than the picture does, such as what covered windows hold.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State, rejection::BytesRejection},
    http::HeaderMap,
};
use protocol::{
    accessibility::{AccessibilityTree, TreeBounds},
    error::Code,
    window::{Application, LaunchRequest, Launched, Window, WindowOutcome, WindowRequest},
};

use super::{
    App,
    problem::{self, Refused},
};
use crate::{
    gate::desk::DeskError,
    link::{Answer, Call},
};

const WITHIN: Duration = Duration::from_secs(15);
/// For a launched application's window to come.
const USUAL_MS: u64 = 15_000;
const MOST_MS: u64 = 60_000;

/// `GET windows`: the topmost first.
pub async fn windows(State(app): State<Arc<App>>) -> Result<Json<Vec<Window>>, Refused> {
    match app.desk.call(&Call::Windows { picture: None }, WITHIN).await? {
        Answer::Windows { windows } => Ok(Json(windows)),
        _ => Err(DeskError::Nonsense.into()),
    }
}

/// `POST windows/{window}`.
pub async fn window(
    State(app): State<Arc<App>>,
    Path(path): Path<HashMap<String, String>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<WindowOutcome>, Refused> {
    let Some(id) = path.get("window").and_then(|id| id.parse().ok()) else {
        return Err(Refused::new(Code::NotFound, "a window's id is a number: list the windows"));
    };
    let WindowRequest { verb, picture } = problem::json(&headers, body)?;
    match app.desk.call(&Call::Window { id, verb, picture }, WITHIN).await? {
        Answer::Window(outcome) => Ok(Json(outcome)),
        _ => Err(DeskError::Nonsense.into()),
    }
}

/// `GET applications`.
pub async fn applications(State(app): State<Arc<App>>) -> Result<Json<Vec<Application>>, Refused> {
    match app.desk.call(&Call::Applications, WITHIN).await? {
        Answer::Applications { applications } => Ok(Json(applications)),
        _ => Err(DeskError::Nonsense.into()),
    }
}

/// `POST applications`: launches, and answers the window that came.
pub async fn launch(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Launched>, Refused> {
    let LaunchRequest { launch, timeout_ms } = problem::json(&headers, body)?;
    let timeout_ms = timeout_ms.unwrap_or(USUAL_MS);
    if !(1..=MOST_MS).contains(&timeout_ms) {
        return Err(Refused::new(Code::InvalidValue, format!("`timeout_ms` is 1 to {MOST_MS}")));
    }
    let call = Call::Launch { launch, timeout_ms, picture: None };
    match app.desk.call(&call, Duration::from_millis(timeout_ms) + WITHIN).await? {
        Answer::Launched(launched) => Ok(Json(launched)),
        _ => Err(DeskError::Nonsense.into()),
    }
}

/// `GET accessibility?window=&depth=&nodes=&ms=&bytes=`.
pub async fn accessibility(
    State(app): State<Arc<App>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<AccessibilityTree>, Refused> {
    let mut bounds = TreeBounds::USUAL;
    let mut window = None;
    for (name, value) in &query {
        let wrong = |_| Refused::new(Code::InvalidValue, format!("`{name}` is a whole number"));
        let value: u64 = value.parse().map_err(wrong)?;
        let small = u32::try_from(value).unwrap_or(u32::MAX);
        match name.as_str() {
            "window" => window = Some(small),
            "depth" => bounds.depth = small,
            "nodes" => bounds.nodes = small,
            "bytes" => bounds.bytes = small,
            "ms" => bounds.ms = value,
            _ => return Err(Refused::new(Code::InvalidValue, "the bounds are depth, nodes, ms and bytes")),
        }
    }
    if !bounds.are_allowed() {
        return Err(Refused::new(
            Code::InvalidValue,
            "`depth` is 1 to 60, `nodes` 1 to 5000, `ms` 1 to 10000, `bytes` 1000 to 1000000",
        ));
    }
    match app.desk.call(&Call::Accessibility { window, bounds, picture: None }, WITHIN).await? {
        Answer::Accessibility(tree) => Ok(Json(tree)),
        _ => Err(DeskError::Nonsense.into()),
    }
}
