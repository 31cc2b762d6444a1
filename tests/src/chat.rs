//! The chat socket as the web app uses it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use protocol::{
    DesktopId, SessionId,
    chat::{ChatDown, ChatUp},
};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    Api,
    websocket::{Refused, Socket},
};

pub struct Chat {
    socket: Socket,
}

impl Chat {
    /// Opens the chat of a session, with the events behind `after`.
    pub async fn open(api: &Api, desktop: &DesktopId, session: &SessionId, after: i64) -> Result<Self, Refused> {
        let socket = api.socket(&format!("desktops/{desktop}/chat?session={session}&after={after}"), None).await?;
        Ok(Self { socket })
    }

    pub async fn send(&mut self, frame: &ChatUp) {
        let text = serde_json::to_string(frame).expect("a frame as JSON");
        self.socket.send(Message::text(text)).await.expect("send to the chat");
    }

    /// The next frame; panics when the socket ends.
    pub async fn next(&mut self) -> ChatDown {
        self.try_next().await.expect("the chat socket has ended")
    }

    /// The next frame, or nothing when the socket has ended.
    pub async fn try_next(&mut self) -> Option<ChatDown> {
        loop {
            let message = timeout(Duration::from_secs(60), self.socket.next()).await.expect("a frame within 60 s")?;
            match message {
                Ok(Message::Text(text)) => {
                    let frame = serde_json::from_str(&text);
                    return Some(frame.unwrap_or_else(|error| panic!("a frame of the chat ({error}): {text}")));
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("the chat sent {other:?}"),
            }
        }
    }

    /// Reads on until a frame is of the wanted kind, and answers all that came, it included.
    pub async fn until(&mut self, mut wanted: impl FnMut(&ChatDown) -> bool) -> Vec<ChatDown> {
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            let found = wanted(&frame);
            frames.push(frame);
            if found {
                return frames;
            }
        }
    }
}
