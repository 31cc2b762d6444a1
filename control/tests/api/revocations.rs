//! What edges are told of those who may no longer do what they were let in for.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use protocol::{
    LoginId,
    edge::{CredentialId, Grant, Holds, Resolved, Revocation},
    error::Code,
    user::{AccessToken, Login},
};
use serde_json::json;

use crate::support::{Answer, Browser, Control, PASSWORD};

facts!(
    a_sign_out_is_told,
    a_deleted_token_is_told,
    a_changed_password_takes_all_other_browsers_out,
    a_desktop_that_is_left_is_told_however_it_comes,
    where_nobody_else_is_signed_in_nobody_is_told,
    a_sign_in_that_has_expired_holds_no_longer,
    a_stream_of_a_browser_that_is_signed_out_ends_at_once,
    what_was_granted_holds_until_it_is_taken_back,
    nobody_asks_for_more_than_can_be_looked_up_at_once,
);

const SOON: Duration = Duration::from_secs(20);

/// What an edge hears.
struct Edge {
    body: Body,
    text: String,
}

impl Edge {
    async fn of(control: &Control) -> Self {
        let answer = control.anonymous().open("/internal/v1/revocations").await;
        assert_eq!(answer.status(), 200);
        let mut edge = Self { body: answer.into_body(), text: String::new() };
        assert_eq!(edge.line().await, Revocation::Alive, "so that it knows from when on it hears all");
        edge
    }

    async fn hears(&mut self) -> Revocation {
        let told = async {
            loop {
                match self.line().await {
                    Revocation::Alive => {}
                    other => return other,
                }
            }
        };
        tokio::time::timeout(SOON, told).await.expect("a revocation in time")
    }

    async fn line(&mut self) -> Revocation {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let revocation = serde_json::from_str(line).expect("a revocation");
                self.text = rest.to_owned();
                return revocation;
            }
            let frame = self.body.frame().await.expect("the stream goes on").expect("a frame");
            self.text.push_str(std::str::from_utf8(&frame.into_data().expect("data")).expect("UTF-8"));
        }
    }
}

async fn login_of(browser: &Browser) -> LoginId {
    let logins: Vec<Login> = browser.get("auth/sessions").await.expect_status(200).json();
    logins.into_iter().find(|login| login.current).expect("this browser").id
}

async fn a_sign_out_is_told(control: Control) {
    let (here, there) = (control.user("ada").await, control.anonymous());
    there.log_in("ada@example.org", PASSWORD).await.expect_status(200);
    let (first, second) = (login_of(&here).await, login_of(&there).await);
    let mut edge = Edge::of(&control).await;

    here.delete(&format!("auth/sessions/{second}")).await.expect_success();
    let ended = edge.hears().await;
    here.order("auth/logout").await.expect_success();
    let left = edge.hears().await;

    assert_eq!(ended, Revocation::Credential { credential_id: CredentialId::Login(second) });
    assert_eq!(left, Revocation::Credential { credential_id: CredentialId::Login(first) });
}

async fn a_deleted_token_is_told(control: Control) {
    let browser = control.user("ada").await;
    browser.token(&["view"]).await;
    let tokens: Vec<AccessToken> = browser.get("tokens").await.expect_status(200).json();
    let mut edge = Edge::of(&control).await;

    browser.delete(&format!("tokens/{}", tokens[0].id)).await.expect_success();

    let credential_id = CredentialId::Token(tokens[0].id.clone());
    assert_eq!(edge.hears().await, Revocation::Credential { credential_id });
}

async fn a_changed_password_takes_all_other_browsers_out(control: Control) {
    let browser = control.user("ada").await;
    let (user_id, but) = (browser.id().await, login_of(&browser).await);
    let mut edge = Edge::of(&control).await;

    let other = control.anonymous();
    other.log_in("ada@example.org", PASSWORD).await.expect_status(200);
    browser.delete("auth/sessions").await.expect_success();
    let asked = edge.hears().await;
    other.log_in("ada@example.org", PASSWORD).await.expect_status(200);
    let wish = json!({ "current_password": PASSWORD, "new_password": "another long sentence" });
    browser.put("me/password", wish).await.expect_success();
    let changed = edge.hears().await;

    let all_others = Revocation::Browsers { user_id, but: Some(but) };
    assert_eq!((&changed, &asked), (&all_others, &all_others));
}

async fn where_nobody_else_is_signed_in_nobody_is_told(control: Control) {
    let browser = control.user("ada").await;
    let login = login_of(&browser).await;
    let mut edge = Edge::of(&control).await;

    browser.delete("auth/sessions").await.expect_success();
    browser.order("auth/logout").await.expect_success();

    let credential_id = CredentialId::Login(login);
    assert_eq!(edge.hears().await, Revocation::Credential { credential_id }, "the first that is told");
}

async fn a_sign_in_that_has_expired_holds_no_longer(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let credential_id = CredentialId::Login(login_of(&browser).await);
    let grant = Grant { user_id: browser.id().await, credential_id, desktop_id: desktop.id, generation: 1 };
    let before = holds(&control, &[&grant]).await;

    control.pass_time(31 * 24 * 3600 * 1000);

    assert_eq!((before, holds(&control, &[&grant]).await), (vec![true], vec![false]));
}

async fn a_desktop_that_is_left_is_told_however_it_comes(control: Control) {
    for verb in ["stop", "reboot", ""] {
        let browser = control.user(&format!("ada{verb}")).await;
        let (desktop, _) = control.ready_desktop(&browser).await;
        let mut edge = Edge::of(&control).await;

        match verb {
            "" => browser.delete(&format!("desktops/{}", desktop.id)).await.expect_success(),
            verb => browser.order(&format!("desktops/{}/{verb}", desktop.id)).await.expect_success(),
        };

        assert_eq!(edge.hears().await, Revocation::Desktop { desktop_id: desktop.id.clone() }, "{verb}");
    }
}

async fn a_stream_of_a_browser_that_is_signed_out_ends_at_once(control: Control) {
    let browser = control.user("ada").await;
    browser.post("desktops", "{}").await.expect_status(201);
    let mut body = browser.open("desktops/events").await.into_body();
    body.frame().await.expect("the desktop").expect("a frame");

    browser.order("auth/logout").await.expect_success();

    let ended = async { while body.frame().await.is_some() {} };
    // It would be looked at after ten seconds anyhow.
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the stream ends");
}

async fn what_was_granted_holds_until_it_is_taken_back(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let cookie = browser.cookie(protocol::paths::ACCESS_COOKIE).expect("signed in");
    let credential = json!({ "kind": "cookie", "secret": cookie });
    let question = json!({ "desktop_id": desktop.id, "credential": credential }).to_string();
    let resolved: Resolved = control.anonymous().post("/internal/v1/resolve", question).await.json();
    let grant = resolved.grant(&desktop.id);
    let bob = control.user("bob").await;
    let (his, _) = control.ready_desktop(&bob).await;
    let forged = Grant { user_id: bob.id().await, ..grant.clone() };
    let elsewhere = Grant { desktop_id: his.id, ..grant.clone() };
    let earlier = Grant { generation: grant.generation - 1, ..grant.clone() };

    let before = holds(&control, &[&grant, &forged, &elsewhere, &earlier]).await;
    browser.order("auth/logout").await.expect_success();
    let after = holds(&control, &[&grant]).await;

    assert_eq!((before, after), (vec![true, false, false, false], vec![false]));
}

async fn nobody_asks_for_more_than_can_be_looked_up_at_once(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let credential_id = CredentialId::Login(login_of(&browser).await);
    let grant = Grant { user_id: browser.id().await, credential_id, desktop_id: desktop.id, generation: 1 };

    let refused = ask(&control, &vec![&grant; protocol::edge::MAX_GRANTS + 1]).await;

    assert_eq!(refused.code(), Code::InvalidValue);
}

async fn holds(control: &Control, grants: &[&Grant]) -> Vec<bool> {
    ask(control, grants).await.expect_status(200).json::<Holds>().holds
}

async fn ask(control: &Control, grants: &[&Grant]) -> Answer {
    control.anonymous().post("/internal/v1/grants", json!({ "grants": grants }).to_string()).await
}
