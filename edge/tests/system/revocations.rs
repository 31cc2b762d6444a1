//! What control takes back while it is in use: cut, and nothing else is.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use protocol::{
    DesktopId, LoginId, TokenId,
    edge::{CredentialId, Resolved, Revocation},
};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;

use crate::{
    support::{PATIENCE, World, now_ms, resolved, until},
    websockets::open,
};

type Socket = WebSocketStream<TcpStream>;

/// A WebSocket to `desktop`, let in by what `answer` says.
async fn socket(world: &World, name: &str, desktop: &DesktopId, answer: Resolved) -> Socket {
    world.control.resolves(name, desktop, Ok(answer));
    let (mut socket, _) = open(world, desktop, &[("authorization", &format!("Bearer {name}"))]).await.unwrap();
    // What the sidecar saw.
    socket.next().await.unwrap().unwrap();
    socket
}

async fn is_cut(socket: &mut Socket) -> bool {
    let ended = async { while socket.next().await.is_some_and(|message| message.is_ok()) {} };
    tokio::time::timeout(PATIENCE, ended).await.is_ok()
}

async fn echoes(socket: &mut Socket) -> bool {
    socket.send("still there?".into()).await.unwrap();
    let echo = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
    matches!(echo, Some(Ok(echo)) if echo.to_text().is_ok_and(|text| text == "still there?"))
}

fn login() -> CredentialId {
    CredentialId::Login(LoginId::generate())
}

fn token() -> CredentialId {
    CredentialId::Token(TokenId::generate())
}

#[tokio::test]
async fn whoever_is_signed_out_is_cut_and_nobody_else() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let at = || resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    let [first, second, third] = [login(), login(), token()];
    let ada = at().user_id;
    let of_ada =
        |credential: &CredentialId| Resolved { user_id: ada.clone(), credential_id: credential.clone(), ..at() };
    let mut one = socket(&world, "user-1", &desktop, of_ada(&first)).await;
    let mut two = socket(&world, "user-2", &desktop, of_ada(&second)).await;
    let mut program = socket(&world, "user-3", &desktop, of_ada(&third)).await;
    let mut bob = socket(&world, "user-4", &desktop, Resolved { credential_id: login(), ..at() }).await;

    world.control.revoke(&Revocation::Credential { credential_id: first });
    assert!(is_cut(&mut one).await);
    assert!(echoes(&mut two).await && echoes(&mut program).await && echoes(&mut bob).await);

    world.control.revoke(&Revocation::Browsers { user_id: ada.clone(), but: None });
    assert!(is_cut(&mut two).await);
    assert!(echoes(&mut program).await && echoes(&mut bob).await);

    world.control.revoke(&Revocation::Desktop { desktop_id: desktop.clone() });
    assert!(is_cut(&mut program).await && is_cut(&mut bob).await);
}

#[tokio::test]
async fn the_browser_that_signs_the_others_out_stays() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let at = || resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    let (this, ada) = (LoginId::generate(), at().user_id);
    let of_ada = |credential_id: CredentialId| Resolved { user_id: ada.clone(), credential_id, ..at() };
    let mut here = socket(&world, "user-1", &desktop, of_ada(CredentialId::Login(this.clone()))).await;
    let mut there = socket(&world, "user-2", &desktop, of_ada(login())).await;

    world.control.revoke(&Revocation::Browsers { user_id: ada.clone(), but: Some(this) });

    assert!(is_cut(&mut there).await && echoes(&mut here).await);
}

#[tokio::test]
async fn what_is_taken_back_is_asked_for_anew() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let credential = token();
    let at = resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    let mut socket = socket(&world, "user-a", &desktop, Resolved { credential_id: credential.clone(), ..at }).await;

    world.control.revoke(&Revocation::Credential { credential_id: credential });
    assert!(is_cut(&mut socket).await);
    let before = world.control.resolved();
    open(&world, &desktop, &[("authorization", "Bearer user-a")]).await.unwrap();

    assert_eq!(world.control.resolved(), before + 1, "the kept answer is forgotten");
}

#[tokio::test]
async fn what_was_missed_while_control_was_silent_is_found_out() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let at = || resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    let (lost, kept) = (token(), token());
    let mut gone = socket(&world, "user-1", &desktop, Resolved { credential_id: lost.clone(), ..at() }).await;
    let mut stays = socket(&world, "user-2", &desktop, Resolved { credential_id: kept, ..at() }).await;

    world.control.loses(&lost);
    world.control.falls_silent();

    assert!(is_cut(&mut gone).await && echoes(&mut stays).await);
}

#[tokio::test]
async fn what_nobody_tells_of_is_found_out_too() {
    let world = World::start_with(|config| config.recheck = Duration::from_millis(200)).await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let at = resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    let credential = token();
    let mut socket = socket(&world, "user-a", &desktop, Resolved { credential_id: credential.clone(), ..at }).await;

    world.control.loses(&credential);

    assert!(is_cut(&mut socket).await);
}

#[tokio::test]
async fn one_that_was_being_let_in_just_then_is_made_sure_of() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let credential = token();
    let at = resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    world.control.resolves("user-a", &desktop, Ok(Resolved { credential_id: credential.clone(), ..at }));
    // Cut behind the other one, it shows that the edge has heard of that.
    let (elsewhere, other) = world.desktop("user-b").await;
    let witness = resolved(&other.vm, &other.upstream.address.to_string());
    let mut witness = socket(&world, "user-b", &elsewhere, witness).await;
    let before = world.control.resolved();
    let held = world.control.hold_answers().await;
    let headers = [("authorization", "Bearer user-a")];
    let opening = open(&world, &desktop, &headers);
    let taking_back = async {
        until("control is asked", || async { world.control.resolved() > before }).await;
        world.control.loses(&credential);
        world.control.revoke(&Revocation::Credential { credential_id: credential.clone() });
        world.control.revoke(&Revocation::Desktop { desktop_id: elsewhere.clone() });
        assert!(is_cut(&mut witness).await);
        drop(held);
    };

    let (opened, ()) = tokio::join!(opening, taking_back);

    assert!(is_cut(&mut opened.unwrap().0).await);
}

#[tokio::test]
async fn what_a_token_opened_ends_with_it() {
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-a").await;
    let at = resolved(&sidecar.vm, &sidecar.upstream.address.to_string());
    let (began, ends_at) = (Instant::now(), Some(now_ms() + 1_500));

    let mut socket = socket(&world, "user-a", &desktop, Resolved { ends_at, ..at }).await;

    assert!(is_cut(&mut socket).await);
    assert!(began.elapsed() >= Duration::from_millis(1_400), "not before its time");
}
