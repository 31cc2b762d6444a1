//! The viewer's pipe: WebSocket binary frames on one side, the desk's RFB bytes on the other.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use http::HeaderMap;
use protocol::{
    capability::{self, Actor, Capability, Scope},
    error::Code,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::{App, problem::Refused};
use crate::link::Password;

const SUBPROTOCOL: &str = "binary";
/// The largest thing that a viewer sends is its clipboard.
const MAX_MESSAGE: usize = 1 << 20;
/// One read of the desk becomes one frame.
const CHUNK: usize = 64 << 10;
const PING_EVERY: Duration = Duration::from_secs(20);
/// A viewer that has not even answered three pings is gone.
const SILENT_FOR: Duration = Duration::from_secs(65);
/// One that takes nothing for so long keeps a place that another could have, whatever it says meanwhile.
const STALLED_FOR: Duration = Duration::from_secs(60);

/// `WS vnc`: without the scope `control` the desk drops the viewer's input.
pub async fn view(
    State(app): State<Arc<App>>,
    Extension(capability): Extension<Capability>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let upgrade = upgrade.map_err(|error| {
        Refused::new(Code::MalformedRequest, format!("open this as a WebSocket: {}", error.body_text()))
    })?;
    let password = password(&headers)?;
    let control = capability.scopes.contains(&Scope::Control);
    if password.is_some() {
        tracing::info!(user = %capability.sub, control, "an operator's viewer comes");
    }
    let desk = app.desk.vnc(control, seat(&capability), password).await?;
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    let tracker = app.tasks.clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tracker.track_future(async move {
            let (from_desk, to_desk) = desk.into_split();
            let (mut to_viewer, from_viewer) = socket.split();
            let farewell = tokio::select! {
                () = app.stop.cancelled() => Some((close_code::AWAY, "the desktop is going away")),
                farewell = receive(from_viewer, to_desk) => farewell,
                farewell = send(from_desk, &mut to_viewer) => farewell,
            };
            if let Some((code, reason)) = farewell {
                let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
                let _ = tokio::time::timeout(Duration::from_secs(2), to_viewer.send(close)).await;
            }
        })
    }))
}

/// A program never sits in the place of its user: what a person has taken is not a program's.
fn seat(capability: &Capability) -> String {
    match capability.actor {
        Actor::Person => capability.sub.to_string(),
        Actor::Program => format!("program of {}", capability.sub),
    }
}

/// Of all who reach a gate only control's operator sets it: the edge takes such headers away from everybody else.
fn password(headers: &HeaderMap) -> Result<Option<Password>, Refused> {
    let given = headers.get(capability::PASSWORD_HEADER);
    let parsed = given.map(|given| Password::parse(given.as_bytes())).transpose();
    parsed.map_err(|wrong| Refused::new(Code::InvalidValue, wrong.to_string()))
}

type Farewell = Option<(u16, &'static str)>;

/// What is not written to the desk yet is not read from the viewer: the wait is passed on.
async fn receive(mut from: SplitStream<WebSocket>, mut to: OwnedWriteHalf) -> Farewell {
    loop {
        match tokio::time::timeout(SILENT_FOR, from.next()).await {
            Ok(Some(Ok(Message::Binary(bytes)))) => {
                if to.write_all(&bytes).await.is_err() {
                    return Some((close_code::AWAY, "the desktop's screen went away"));
                }
            }
            Ok(Some(Ok(Message::Text(_)))) => {
                return Some((close_code::UNSUPPORTED, "only binary frames are understood"));
            }
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return None,
        }
    }
}

async fn send(mut from: OwnedReadHalf, to: &mut SplitSink<WebSocket, Message>) -> Farewell {
    let mut ping = tokio::time::interval_at(tokio::time::Instant::now() + PING_EVERY, PING_EVERY);
    let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
    loop {
        chunk.reserve(CHUNK);
        let message = tokio::select! {
            read = from.read_buf(&mut chunk) => match read {
                Ok(0) | Err(_) => return Some((close_code::AWAY, "the desktop's screen went away")),
                Ok(_) => Message::Binary(chunk.split().freeze()),
            },
            _ = ping.tick() => Message::Ping(bytes::Bytes::new()),
        };
        match tokio::time::timeout(STALLED_FOR, to.send(message)).await {
            Ok(sent) => sent.ok()?,
            Err(_) => {
                tracing::info!("a viewer took nothing any more, and was let go");
                return None;
            }
        }
    }
}
