//! Whoever may no longer do what they were let in for is out at once, in the middle of it, and nobody else is.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use harness::{Api, Stack, websocket::Socket};
use protocol::{DesktopId, SessionId};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_is_open_ends_with_the_credential_that_opened_it() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    let elsewhere = stack.anonymous();
    elsewhere.log_in("ada@example.org").await.expect("log in");
    let made: Value = ada.post("tokens", &serde_json::json!({ "name": "a program" })).await.expect("create a token");
    let program = Api::with_bearer(&stack.url(), made["secret"].as_str().expect("a secret"));
    let mut here = sockets(&ada, &desktop, &session).await;
    let mut there = sockets(&elsewhere, &desktop, &session).await;
    let mut its = sockets(&program, &desktop, &session).await;

    ada.delete("auth/sessions").await.expect("sign all other browsers out");
    all_end("a browser that is signed out", &mut there).await;

    let id = made["id"].as_str().expect("an id");
    ada.delete(&format!("tokens/{id}")).await.expect("delete the token");
    all_end("a program whose token is deleted", &mut its).await;

    for socket in &mut here {
        assert!(is_open(socket).await, "who did all this stays");
    }
    ada.order(&format!("desktops/{desktop}/stop")).await.expect("stop the desktop");
    all_end("who watches a desktop that stops", &mut here).await;
}

/// The screen and the chat.
async fn sockets(api: &Api, desktop: &DesktopId, session: &SessionId) -> [Socket; 2] {
    let chat = format!("desktops/{desktop}/chat?session={session}&after=0");
    let vnc = format!("desktops/{desktop}/vnc");
    [api.socket(&vnc, Some("binary")).await.expect("the screen"), api.socket(&chat, None).await.expect("the chat")]
}

async fn all_end(who: &str, sockets: &mut [Socket]) {
    let began = Instant::now();
    for socket in sockets {
        let ended = async { while socket.next().await.is_some_and(|message| message.is_ok()) {} };
        tokio::time::timeout(SOON, ended).await.unwrap_or_else(|_| panic!("{who} is still in"));
    }
    eprintln!("{who} is out after {:?}", began.elapsed());
}

/// Is it quiet, or says something, rather than ends?
async fn is_open(socket: &mut Socket) -> bool {
    let quiet = Duration::from_millis(500);
    while let Ok(message) = tokio::time::timeout(quiet, socket.next()).await {
        if message.is_none_or(|message| message.is_err()) {
            return false;
        }
    }
    true
}
