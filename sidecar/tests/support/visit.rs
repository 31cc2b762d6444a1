//! The edge as a client of the gate: requests and WebSockets with a capability.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use protocol::{
    SessionId, capability,
    chat::{ChatDown, ChatUp},
    vm::{EDGE_SERVER_NAME, server_name},
};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::authority::Authority;

pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

pub struct Visitor {
    authority: Authority,
    port: u16,
    pub capability: String,
}

impl Visitor {
    pub fn new(authority: &Authority, port: u16, capability: String) -> Self {
        Self { authority: authority.clone(), port, capability }
    }

    /// A client whose certificate says `name`.
    pub fn client(&self, name: Option<&str>) -> reqwest::Client {
        let at = SocketAddr::from(([127, 0, 0, 1], self.port));
        reqwest::Client::builder()
            .tls_backend_preconfigured(self.authority.client(name))
            .http1_only()
            .no_proxy()
            .resolve(&server_name(&self.authority.vm), at)
            .build()
            .unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", server_name(&self.authority.vm), self.port)
    }

    /// The address of something of this desktop.
    pub fn of_desktop(&self, rest: &str) -> String {
        self.url(&format!("/api/v1/desktops/{}/{rest}", self.authority.desktop))
    }

    pub async fn get(&self, rest: &str) -> reqwest::Response {
        let request = self.client(Some(EDGE_SERVER_NAME)).get(self.of_desktop(rest));
        request.header(capability::HEADER, &self.capability).send().await.unwrap()
    }

    pub async fn post(&self, rest: &str, body: serde_json::Value) -> reqwest::Response {
        let request = self.client(Some(EDGE_SERVER_NAME)).post(self.of_desktop(rest));
        request.header(capability::HEADER, &self.capability).json(&body).send().await.unwrap()
    }

    pub async fn put(&self, rest: &str, media_type: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = self.client(Some(EDGE_SERVER_NAME)).put(self.of_desktop(rest)).header("content-type", media_type);
        request.header(capability::HEADER, &self.capability).body(body).send().await.unwrap()
    }

    /// Opens a WebSocket; the error is the gate's answer.
    pub async fn socket(&self, rest: &str, subprotocol: Option<&str>) -> Result<Socket, Error> {
        self.open(rest, subprotocol.map(|subprotocol| ("sec-websocket-protocol", subprotocol))).await
    }

    /// The same, as control's operator opens it for a native viewer.
    pub async fn socket_with_password(&self, rest: &str, password: &str) -> Result<Socket, Error> {
        self.open(rest, Some((capability::PASSWORD_HEADER, password))).await
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    async fn open(&self, rest: &str, header: Option<(&'static str, &str)>) -> Result<Socket, Error> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let connector = TlsConnector::from(Arc::new(self.authority.client(Some(EDGE_SERVER_NAME))));
        let name = ServerName::try_from(server_name(&self.authority.vm)).unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let url = self.of_desktop(rest).replace("https", "wss");
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert(capability::HEADER, self.capability.parse().unwrap());
        if let Some((name, value)) = header {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        client_async(request, stream).await.map(|(socket, _)| socket)
    }

    pub async fn chat(&self, session: &SessionId, after: i64) -> Chat {
        Chat(self.socket(&format!("chat?session={session}&after={after}"), None).await.unwrap())
    }
}

/// A browser's chat.
pub struct Chat(pub Socket);

impl Chat {
    pub async fn say(&mut self, client_id: &str, text: &str) {
        self.send(&ChatUp::Send { client_id: client_id.to_owned(), text: text.to_owned() }).await;
    }

    pub async fn send(&mut self, frame: &ChatUp) {
        self.0.send(Message::text(serde_json::to_string(frame).unwrap())).await.unwrap();
    }

    /// The next frame.
    pub async fn next(&mut self) -> ChatDown {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a frame: {other:?}"),
        }
    }

    /// All frames up to and with the one for which `last` holds.
    pub async fn until(&mut self, last: impl Fn(&ChatDown) -> bool) -> Vec<ChatDown> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.next().await);
            if last(frames.last().unwrap()) {
                return frames;
            }
        }
    }

    pub async fn close(&mut self) -> CloseFrame {
        loop {
            if let Message::Close(Some(close)) = self.message().await {
                return close;
            }
        }
    }

    async fn message(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(Duration::from_secs(60), self.0.next());
            match next.await.expect("a frame comes in time").expect("the socket is open").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }
}
