//! What a browser says in the chat socket, heard whatever it takes of what it is told: a stop counts at once, also by
//! a line on which much is still to be sent.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, close_code};
use futures_util::{StreamExt, stream::SplitStream};
use protocol::{
    SessionId,
    chat::ChatUp,
    error::{Code, Problem},
};
use tokio::sync::mpsc;

use super::{End, GONE, SLOW};
use crate::gate::agent::Agent;

const SILENT_FOR: Duration = Duration::from_secs(65);

/// A frame, or what is wrong with it.
pub(super) type Heard = Result<ChatUp, Problem>;

/// Until the browser leaves, or says more than can be waited for.
pub(super) async fn listen(
    mut stream: SplitStream<WebSocket>,
    agent: Agent,
    session: SessionId,
    to_chat: mpsc::Sender<Heard>,
) -> End {
    loop {
        let text = match tokio::time::timeout(SILENT_FOR, stream.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Binary(_)))) => return (close_code::UNSUPPORTED, "only text frames are understood"),
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return GONE,
        };
        // serde's message may quote what was typed.
        let heard = serde_json::from_str(&text).map_err(|error| {
            Problem::new(Code::MalformedRequest, format!("column {} is not understood", error.column()))
        });
        match &heard {
            Ok(ChatUp::Stop) => {
                agent.stop(&session);
                continue;
            }
            Ok(ChatUp::Deny { approval }) => agent.deny(&session, *approval),
            _ => {}
        }
        if to_chat.try_send(heard).is_err() {
            return SLOW;
        }
    }
}
