//! What edges are told: where a desktop is, for whom, and which key pays.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use protocol::{
    DesktopId,
    capability::{self, Actor, Capability, Scope},
    edge::{ModelKey, Resolved},
    error::Code,
    model::ModelApi,
    vm::Assignment,
};
use serde_json::{Value, json};

use crate::support::{Answer, Browser, Control, MODEL, Vm, provider};

facts!(
    an_owner_is_resolved_to_the_sidecar_with_a_capability,
    a_program_gets_the_scopes_of_its_token,
    a_stranger_is_told_that_there_is_no_such_desktop,
    nobody_is_told_to_sign_in,
    a_desktop_that_is_not_ready_says_so,
    the_key_of_the_desktops_owner_is_given_for_its_own_vm,
    where_no_key_is_wanted_none_is_given,
    without_a_key_there_is_none_to_give,
    a_vm_that_serves_no_more_gets_no_key,
    the_model_is_named_where_there_is_a_key,
);

async fn resolve(control: &Control, desktop: &DesktopId, credential: Value) -> Answer {
    let question = json!({ "desktop_id": desktop, "credential": credential });
    control.anonymous().post("/internal/v1/resolve", question.to_string()).await
}

fn cookie_of(browser: &Browser) -> Value {
    json!({ "kind": "cookie", "secret": browser.cookie(protocol::paths::ACCESS_COOKIE).unwrap() })
}

fn bearer_of(program: &Browser) -> Value {
    let header = program.headers.iter().find(|(name, _)| name == "authorization").unwrap();
    json!({ "kind": "bearer", "secret": header.1.strip_prefix("Bearer ").unwrap() })
}

async fn claims(vm: &Vm, token: &str) -> Capability {
    let assignment: Assignment = vm.get("assignment").await.json();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[capability::audience(&assignment.desktop_id, assignment.generation)]);
    validation.set_issuer(&[capability::ISSUER]);
    let key = DecodingKey::from_ed_pem(assignment.capability_key_pem.as_bytes()).unwrap();
    jsonwebtoken::decode(token, &key, &validation).unwrap().claims
}

async fn an_owner_is_resolved_to_the_sidecar_with_a_capability(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;

    let resolved: Resolved = resolve(&control, &desktop.id, cookie_of(&browser)).await.expect_status(200).json();

    assert_eq!(resolved.address, "127.0.0.1:40000");
    assert_eq!((resolved.generation, &resolved.vm_id), (1, vm.id()));
    let claims = claims(&vm, &resolved.capability).await;
    assert_eq!((claims.sub, claims.scopes), (resolved.user_id, Scope::ALL.to_vec()));
    assert_eq!(claims.actor, Actor::Person);
    assert_eq!(claims.exp - claims.iat, capability::LIFETIME_S);
    assert!(resolved.fresh_until <= claims.exp * 1000);
}

async fn a_program_gets_the_scopes_of_its_token(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let program = browser.token(&["view", "files"]).await;

    let resolved: Resolved = resolve(&control, &desktop.id, bearer_of(&program)).await.expect_status(200).json();

    let claims = claims(&vm, &resolved.capability).await;
    assert_eq!(claims.scopes, [Scope::View, Scope::Files]);
    assert_eq!(claims.actor, Actor::Program, "a program takes control from nobody");
}

async fn a_stranger_is_told_that_there_is_no_such_desktop(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (desktop, _) = control.ready_desktop(&ada).await;

    let theirs = resolve(&control, &desktop.id, cookie_of(&mallory)).await;
    let nowhere = resolve(&control, &DesktopId::generate(), cookie_of(&mallory)).await;

    assert_eq!((theirs.status.as_u16(), theirs.problem()), (404, nowhere.problem()));
}

async fn nobody_is_told_to_sign_in(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    let expired = cookie_of(&browser);
    let token = browser.cookie(protocol::paths::ACCESS_COOKIE).unwrap();
    control.pass_time(11 * 60 * 1000);

    assert_eq!(resolve(&control, &desktop.id, expired).await.code(), Code::TokenExpired);
    for (kind, secret) in [("cookie", "x"), ("bearer", "cbp_x"), ("bearer", &token), ("cookie", "")] {
        let refused = resolve(&control, &desktop.id, json!({ "kind": kind, "secret": secret })).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (401, Code::NotSignedIn), "{kind}");
    }
}

async fn a_desktop_that_is_not_ready_says_so(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();

    let refused = resolve(&control, &desktop.id, cookie_of(&browser)).await;

    assert_eq!((refused.status.as_u16(), refused.code()), (409, Code::DesktopNotReady));
    assert!(refused.problem().detail.contains("stopping"));
}

async fn model_key(control: &Control, vm: &Vm) -> Answer {
    let question = json!({ "vm_id": vm.id(), "provider": "anthropic" });
    control.anonymous().post("/internal/v1/model-key", question.to_string()).await
}

async fn the_key_of_the_desktops_owner_is_given_for_its_own_vm(control: Control) {
    let (ada, bob) = (control.user("ada").await, control.user("bob").await);
    let (desktop, hers) = control.ready_desktop(&ada).await;
    let (_, his) = control.ready_desktop(&bob).await;
    ada.put("keys/anthropic", json!({ "key": "sk-of-ada" })).await.expect_status(200);
    bob.put("keys/anthropic", json!({ "key": "sk-of-bob" })).await.expect_status(200);

    let key: ModelKey = model_key(&control, &hers).await.expect_status(200).json();
    let other: ModelKey = model_key(&control, &his).await.expect_status(200).json();

    assert_eq!((key.api_key.as_deref(), key.desktop_id), (Some("sk-of-ada"), desktop.id));
    assert_eq!(other.api_key.as_deref(), Some("sk-of-bob"));
    assert!(key.base_url.starts_with("http://127.0.0.1:9"));
}

async fn where_no_key_is_wanted_none_is_given(control: Control) {
    let house = provider::compatible("house", "http://llm.example.org", false, false);
    let control = control.with_settings(|settings| settings.models = provider::table([house]));
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    let ask = async |name: &str| {
        let question = json!({ "vm_id": vm.id(), "provider": name });
        control.anonymous().post("/internal/v1/model-key", question.to_string()).await
    };

    let key: ModelKey = ask("house").await.expect_status(200).json();
    let unknown = ask("nobody").await;

    assert_eq!((key.api_key, key.api, key.allow_private), (None, ModelApi::OpenaiChat, false));
    assert_eq!(unknown.code(), Code::NotFound);
}

async fn without_a_key_there_is_none_to_give(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;

    assert_eq!(model_key(&control, &vm).await.code(), Code::NoProviderKey);
}

async fn a_vm_that_serves_no_more_gets_no_key(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    browser.put("keys/anthropic", json!({ "key": "sk-of-ada" })).await.expect_status(200);
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;

    assert_eq!(model_key(&control, &vm).await.code(), Code::StaleGeneration);
}

async fn the_model_is_named_where_there_is_a_key(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let session = browser.create_session(&desktop.id).await.id;
    browser.say(&session, "c1", "Hello").await.expect_success();

    let without: Value = vm.get("work").await.json();
    browser.put("keys/anthropic", json!({ "key": "sk-of-ada" })).await.expect_status(200);
    let with: Value = vm.get("work").await.json();
    let events: Value = vm.get(&format!("sessions/{session}/events?after=0")).await.json();

    assert_eq!(without["session"].get("model"), None, "the chat is a console");
    assert_eq!(with["session"]["model"]["name"], MODEL);
    assert_eq!(events["model"]["name"], MODEL);
}
