//! Opening a WebSocket as a browser or a program does, and reading why it was refused.

use std::time::Duration;

use http::{HeaderMap, header};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, client::IntoClientRequest},
};
use url::Url;

pub type Socket = WebSocketStream<TcpStream>;

/// The answer in place of a WebSocket.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub body: String,
}

/// Opens `url` (`http://…`) as a WebSocket with these headers, and the subprotocol if one is given.
pub async fn open(url: &Url, headers: &HeaderMap, subprotocol: Option<&'static str>) -> Result<Socket, Refused> {
    let mut ws = url.clone();
    ws.set_scheme("ws").expect("an http address");
    let mut request = ws.as_str().into_client_request().expect("a WebSocket request");
    request.headers_mut().extend(headers.clone());
    if let Some(subprotocol) = subprotocol {
        let value = http::HeaderValue::from_static(subprotocol);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    let address = (url.host_str().expect("a host"), url.port_or_known_default().expect("a port"));
    let stream = TcpStream::connect(address).await.unwrap_or_else(|error| panic!("connect to {url}: {error}"));
    stream.set_nodelay(true).expect("set TCP_NODELAY");

    match timeout(Duration::from_secs(20), client_async(request, stream)).await {
        Ok(Ok((socket, answer))) => {
            let chosen = answer.headers().get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok());
            assert_eq!(chosen, subprotocol, "the subprotocol that {url} answered");
            Ok(socket)
        }
        Ok(Err(Error::Http(answer))) => Err(Refused {
            status: answer.status().as_u16(),
            body: String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).into_owned(),
        }),
        Ok(Err(error)) => panic!("open the WebSocket {url}: {error}"),
        Err(_) => panic!("open the WebSocket {url}: no answer in 20 s"),
    }
}
