//! Tickets: good once, soon, for one desktop, and for no more than their maker may do.

use protocol::{
    DesktopId,
    capability::Scope,
    edge::{CredentialId, Resolved},
    error::Code,
    ticket::{CreatedTicket, LIFETIME_MS},
    user::AccessToken,
};
use serde_json::{Value, json};

use crate::support::{Answer, Browser, Control};

facts!(
    a_ticket_is_good_once_for_its_desktop,
    a_ticket_ends_after_half_a_minute,
    a_ticket_is_nothing_for_another_desktop_and_used_up_all_the_same,
    a_ticket_may_do_no_more_than_its_maker,
    a_ticket_ends_with_what_made_it,
    a_ticket_is_good_for_nothing_else,
    nobody_makes_one_for_somebody_elses_desktop,
    nobody_piles_them_up,
);

async fn ticket(maker: &Browser, desktop: &DesktopId, scopes: &[&str]) -> String {
    let wish = json!({ "desktop_id": desktop, "scopes": scopes });
    maker.post("tickets", wish.to_string()).await.expect_status(201).json::<CreatedTicket>().ticket
}

async fn redeem(control: &Control, desktop: &DesktopId, ticket: &str) -> Answer {
    let credential = json!({ "kind": "ticket", "secret": ticket });
    let question = json!({ "desktop_id": desktop, "credential": credential });
    control.anonymous().post("/internal/v1/resolve", question.to_string()).await
}

fn scopes(resolved: &Resolved) -> Vec<Scope> {
    use base64::Engine;
    let claims = resolved.capability.split('.').nth(1).expect("a JWT");
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).expect("base64");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    serde_json::from_value(claims["scopes"].clone()).expect("scopes")
}

async fn a_ticket_is_good_once_for_its_desktop(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let ticket = ticket(&browser, &desktop.id, &[]).await;

    let first = redeem(&control, &desktop.id, &ticket).await;
    let second = redeem(&control, &desktop.id, &ticket).await;

    let resolved: Resolved = first.expect_status(200).json();
    assert_eq!(resolved.user_id, browser.id().await);
    assert_eq!(scopes(&resolved), Scope::ALL);
    assert_eq!(second.code(), Code::NotSignedIn);
}

async fn a_ticket_ends_after_half_a_minute(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let (young, old) = (ticket(&browser, &desktop.id, &[]).await, ticket(&browser, &desktop.id, &[]).await);

    control.pass_time(LIFETIME_MS - 10_000);
    let in_time = redeem(&control, &desktop.id, &young).await;
    control.pass_time(10_000);
    let late = redeem(&control, &desktop.id, &old).await;

    in_time.expect_status(200);
    assert_eq!(late.code(), Code::NotSignedIn);
}

async fn a_ticket_is_nothing_for_another_desktop_and_used_up_all_the_same(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let ticket = ticket(&browser, &desktop.id, &[]).await;

    let elsewhere = redeem(&control, &DesktopId::generate(), &ticket).await;
    let here = redeem(&control, &desktop.id, &ticket).await;

    assert_eq!((elsewhere.code(), here.code()), (Code::NotSignedIn, Code::NotSignedIn));
}

async fn a_ticket_may_do_no_more_than_its_maker(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let program = browser.token(&["view", "chat"]).await;
    let more = json!({ "desktop_id": desktop.id, "scopes": ["view", "shell"] }).to_string();

    let refused = program.post("tickets", more).await;
    let (all, one) = (ticket(&program, &desktop.id, &[]).await, ticket(&program, &desktop.id, &["view", "view"]).await);

    assert_eq!(refused.code(), Code::MissingScope);
    let all: Resolved = redeem(&control, &desktop.id, &all).await.expect_status(200).json();
    let one: Resolved = redeem(&control, &desktop.id, &one).await.expect_status(200).json();
    assert_eq!((scopes(&all), scopes(&one)), (vec![Scope::View, Scope::Chat], vec![Scope::View]));
}

async fn a_ticket_ends_with_what_made_it(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let program = browser.token(&["view"]).await;
    let (used, unused) = (ticket(&program, &desktop.id, &[]).await, ticket(&program, &desktop.id, &[]).await);
    let tokens: Vec<AccessToken> = browser.get("tokens").await.expect_status(200).json();

    let resolved: Resolved = redeem(&control, &desktop.id, &used).await.expect_status(200).json();
    browser.delete(&format!("tokens/{}", tokens[0].id)).await.expect_success();
    let late = redeem(&control, &desktop.id, &unused).await;

    assert_eq!(resolved.credential_id, CredentialId::Token(tokens[0].id.clone()), "so that it is cut with it");
    assert_eq!(resolved.ends_at, Some(tokens[0].expires_at));
    assert_eq!(late.code(), Code::NotSignedIn);
}

async fn a_ticket_is_good_for_nothing_else(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let ticket = ticket(&browser, &desktop.id, &[]).await;

    let as_a_token = browser.program(&ticket).get("desktops").await;

    assert_eq!(as_a_token.code(), Code::NotSignedIn);
    redeem(&control, &desktop.id, &ticket).await.expect_status(200);
}

async fn nobody_makes_one_for_somebody_elses_desktop(control: Control) {
    let (ada, bob) = (control.user("ada").await, control.user("bob").await);
    let (desktop, _) = control.ready_desktop(&ada).await;
    let wish = json!({ "desktop_id": desktop.id }).to_string();

    assert_eq!(bob.post("tickets", wish.clone()).await.code(), Code::NotFound);
    assert_eq!(control.anonymous().post("tickets", wish).await.code(), Code::NotSignedIn);
}

async fn nobody_piles_them_up(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    for _ in 0..100 {
        ticket(&browser, &desktop.id, &[]).await;
    }

    let refused = browser.post("tickets", json!({ "desktop_id": desktop.id }).to_string()).await;
    control.pass_time(LIFETIME_MS);
    ticket(&browser, &desktop.id, &[]).await;

    assert_eq!(refused.code(), Code::TooManyRequests);
}
