//! `desktops/{id}/mcp`: MCP's streamable HTTP. Sessions are kept here; what is said in them is for rmcp to read.

use std::sync::Arc;

use axum::{
    Extension,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri},
    response::Response,
};
use protocol::{capability::Capability, error::Code};
use serde_json::{Map, Value};

use super::{
    App,
    problem::{self, Refused},
};
use crate::gate::mcp::{seats::Seat, server::Caller};

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const MAX_ID: usize = 200;

/// `POST mcp`: one message of a client.
pub async fn speak(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refused> {
    let text = body.as_ref().map(Bytes::clone).unwrap_or_default();
    let message: Map<String, Value> = problem::json(&headers, body)?;
    message.get("id").map(short).transpose()?;
    let (method, params) = (message.get("method").and_then(Value::as_str), message.get("params"));
    let seats = &app.mcp.seats;
    let mut begun = None;
    let seat = match (session(&headers)?, method) {
        (Some(name), _) => seats.find(name, &capability.sub).map_err(Refused)?,
        (None, Some("initialize")) => {
            let (name, seat) = seats.open(&capability.sub).map_err(Refused)?;
            begun = Some((name, seat.clone()));
            seat
        }
        (None, _) => seats.of_user(&capability.sub).map_err(Refused)?,
    };
    if method == Some("notifications/cancelled") {
        cancel(&seat, params)?;
    }
    let mut request = Request::new(http_body_util::Full::new(text));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (Method::POST, uri, headers);
    request.extensions_mut().insert(Caller { capability, seat });
    let tool = params.and_then(|params| params.get("name")).and_then(Value::as_str);
    let mut response = app.mcp.answer(request, tool).await;
    if let Some((name, seat)) = begun {
        match HeaderValue::from_str(&name) {
            Ok(name) if response.status().is_success() => drop(response.headers_mut().insert(SESSION, name)),
            _ => seats.close(&seat),
        }
    }
    Ok(response)
}

/// `DELETE mcp`: ends the caller's session.
pub async fn end(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
    headers: HeaderMap,
) -> Result<StatusCode, Refused> {
    let name = session(&headers)?.ok_or_else(|| Refused::new(Code::MalformedRequest, "name it by Mcp-Session-Id"))?;
    let seat = app.mcp.seats.find(name, &capability.sub).map_err(Refused)?;
    app.mcp.seats.close(&seat);
    Ok(StatusCode::NO_CONTENT)
}

fn session(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let unreadable = |_| Refused::new(Code::MalformedRequest, "Mcp-Session-Id cannot be read");
    headers.get(SESSION).map(|name| name.to_str().map_err(unreadable)).transpose()
}

fn cancel(seat: &Seat, params: Option<&Value>) -> Result<(), Refused> {
    if let Some(id) = params.and_then(|params| params.get("requestId")) {
        seat.cancel(&short(id)?);
    }
    Ok(())
}

/// An id, as rmcp shows it too.
fn short(id: &Value) -> Result<String, Refused> {
    match id {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) if text.len() <= MAX_ID => Ok(text.clone()),
        Value::String(_) => Err(Refused::new(Code::InvalidValue, format!("an id has at most {MAX_ID} bytes"))),
        _ => Err(Refused::new(Code::InvalidValue, "an id is a number or a text")),
    }
}
