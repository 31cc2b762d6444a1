//! Who is nobody, or somebody else, gets nothing: on HTTP and on WebSockets, from control and from the desktop itself.

use harness::{Api, Stack, api::Failure, chat::Chat, viewer::Viewer};
use http::{Method, StatusCode};
use protocol::{DesktopId, SessionId, error::Code, paths};
use serde_json::{Value, json};

#[tokio::test]
async fn what_is_not_theirs_does_not_exist_for_anyone() {
    let stack = Stack::start().await;
    let ada = stack.user("ada").await;
    let desktop = ada.ready_desktop().await.id;
    let session = ada.create_session(&desktop).await.id;
    ada.say(&session, "!echo mine").await;
    let program = ada.token("a program of hers").await;

    another_user_finds_nothing(&stack.user("mallory").await, &desktop, &session).await;
    let mallory = stack.anonymous();
    mallory.log_in("mallory@example.org").await.expect("log in");
    another_user_finds_nothing(&mallory.token("a program of hers").await, &desktop, &session).await;
    let forgeries = forgeries(&stack, &ada);
    for (kind, nobody) in &forgeries {
        nobody_is_let_in(kind, nobody, &desktop, &session).await;
    }
    another_site_is_refused(&ada, &desktop, &session).await;
    a_change_needs_the_header(&stack, &ada).await;
    a_token_ends_with_its_deletion(&ada, &desktop).await;

    // All of it changed nothing for her.
    assert_eq!(program.desktop(&desktop).await.expect("her desktop").id, desktop);
    assert_eq!(ada.shell(&desktop, "echo still mine").await.output.trim(), "still mine");
    Viewer::open(&program, &desktop).await.expect("her screen");
    Chat::open(&program, &desktop, &session, 0).await.expect("her chat");
}

/// Every request that names the desktop or the session.
fn requests(desktop: &DesktopId, session: &SessionId) -> Vec<(Method, String, Value)> {
    let click = json!({ "action": "click", "at": { "x": 1, "y": 1 } });
    let say = json!({ "text": "hello", "client_id": "c1" });
    let server = json!({ "name": "theirs", "transport": { "type": "stdio", "command": "id" } });
    [
        (Method::GET, format!("desktops/{desktop}"), Value::Null),
        (Method::PATCH, format!("desktops/{desktop}"), json!({ "name": "taken over" })),
        (Method::POST, format!("desktops/{desktop}/start"), Value::Null),
        (Method::POST, format!("desktops/{desktop}/stop"), Value::Null),
        (Method::POST, format!("desktops/{desktop}/reboot"), Value::Null),
        (Method::GET, format!("desktops/{desktop}/screenshot"), Value::Null),
        (Method::POST, format!("desktops/{desktop}/actions"), click),
        (Method::POST, format!("desktops/{desktop}/shell"), json!({ "command": "id" })),
        (Method::GET, format!("desktops/{desktop}/files/.profile"), Value::Null),
        (Method::GET, format!("desktops/{desktop}/mcp-servers"), Value::Null),
        (Method::POST, format!("desktops/{desktop}/mcp-servers"), server),
        (Method::DELETE, format!("desktops/{desktop}/mcp-servers/theirs"), Value::Null),
        (Method::GET, format!("desktops/{desktop}/mcp-servers/theirs/logs"), Value::Null),
        (Method::POST, format!("desktops/{desktop}/mcp-servers/theirs/start"), Value::Null),
        (Method::POST, "sessions".to_owned(), json!({ "desktop_id": desktop })),
        (Method::GET, format!("sessions/{session}"), Value::Null),
        (Method::PATCH, format!("sessions/{session}"), json!({ "archived": true })),
        (Method::GET, format!("sessions/{session}/messages"), Value::Null),
        (Method::POST, format!("sessions/{session}/messages"), say),
        (Method::GET, format!("sessions/{session}/events?after=0"), Value::Null),
        (Method::POST, format!("sessions/{session}/stop"), Value::Null),
        (Method::DELETE, format!("sessions/{session}"), Value::Null),
        (Method::DELETE, format!("desktops/{desktop}"), Value::Null),
    ]
    .into()
}

fn sockets(desktop: &DesktopId, session: &SessionId) -> [(String, Option<&'static str>); 2] {
    [
        (format!("desktops/{desktop}/vnc"), Some("binary")),
        (format!("desktops/{desktop}/chat?session={session}&after=0"), None),
    ]
}

async fn another_user_finds_nothing(mallory: &Api, desktop: &DesktopId, session: &SessionId) {
    for (method, path, body) in requests(desktop, session) {
        let refused = refused(mallory, &method, &path, &body).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::NOT_FOUND, Code::NotFound), "{method} {path}");
    }
    for (path, subprotocol) in sockets(desktop, session) {
        let refused = mallory.socket(&path, subprotocol).await.expect_err("a stranger's WebSocket");
        assert_eq!(refused.status, 404, "{path}: {}", refused.body);
    }
    let listed: Value = mallory.get("desktops").await.expect("list desktops");
    assert!(!listed.to_string().contains(desktop.as_str()), "{listed}");
    let listed: Value = mallory.get("sessions").await.expect("list sessions");
    assert!(!listed.to_string().contains(session.as_str()), "{listed}");
}

/// Callers that show something which is no credential.
fn forgeries(stack: &Stack, ada: &Api) -> Vec<(&'static str, Api)> {
    let genuine = ada.cookie(paths::ACCESS_COOKIE).expect("a session cookie");
    let cookie = |value: String| stack.anonymous().with_cookie(&format!("{}={value}; Path=/", paths::ACCESS_COOKIE));
    let bearer = |value: &str| Api::with_bearer(&stack.url(), value);
    vec![
        ("nothing", stack.anonymous()),
        ("a made-up token", bearer("cbp_0123456789abcdef0123456789abcdef0123456789abcdef")),
        ("no token at all", bearer("x")),
        ("a made-up cookie", cookie("abc".to_owned())),
        ("a cookie whose signature is another", cookie(with_last_changed(&genuine))),
        ("a cookie whose claims are another's", cookie(with_claims_changed(&genuine))),
        ("a cookie without signature", cookie(unsigned(&genuine))),
        ("a refresh token in place of the access token", cookie(ada.cookie(paths::REFRESH_COOKIE).expect("a cookie"))),
    ]
}

async fn nobody_is_let_in(kind: &str, nobody: &Api, desktop: &DesktopId, session: &SessionId) {
    for (method, path, body) in requests(desktop, session) {
        let refused = refused(nobody, &method, &path, &body).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{kind}: {method} {path}: {}", refused.body);
        refused.problem();
    }
    for (path, subprotocol) in sockets(desktop, session) {
        let refused = nobody.socket(&path, subprotocol).await.expect_err(kind);
        assert_eq!(refused.status, 401, "{kind}: {path}: {}", refused.body);
    }
}

async fn another_site_is_refused(ada: &Api, desktop: &DesktopId, session: &SessionId) {
    for origin in ["https://evil.example", "http://localhost.evil.example", "http://localhost:1", "null"] {
        let page = ada.as_if_from(origin);
        for (path, subprotocol) in sockets(desktop, session) {
            let refused = page.socket(&path, subprotocol).await.expect_err("a WebSocket of another site");
            assert_eq!(refused.status, 403, "{origin}: {path}: {}", refused.body);
        }
        let refused = refused(&page, &Method::POST, &format!("desktops/{desktop}/stop"), &Value::Null).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, Code::ForbiddenOrigin), "{origin}");
        let click = json!({ "action": "cursor_position" });
        let refused = self::refused(&page, &Method::POST, &format!("desktops/{desktop}/actions"), &click).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, Code::ForbiddenOrigin), "{origin}");
    }
}

async fn a_change_needs_the_header(stack: &Stack, ada: &Api) {
    let cookie = format!("{}={}", paths::ACCESS_COOKIE, ada.cookie(paths::ACCESS_COOKIE).expect("a cookie"));
    let answer = harness::http()
        .build()
        .expect("an HTTP client")
        .post(ada.url("desktops"))
        .header("cookie", cookie)
        .header("origin", stack.url().origin().ascii_serialization())
        .json(&json!({}))
        .send()
        .await
        .expect("a request");

    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let problem: Value = answer.json().await.expect("a problem document");
    assert_eq!(problem["code"], "missing_request_header");
}

async fn a_token_ends_with_its_deletion(ada: &Api, desktop: &DesktopId) {
    let made: Value = ada.post("tokens", &json!({ "name": "short-lived" })).await.expect("create a token");
    let program = Api::with_bearer(&ada.url("/"), made["secret"].as_str().expect("a secret"));
    program.desktop(desktop).await.expect("the token works");

    let id = made["id"].as_str().expect("an id");
    ada.delete(&format!("tokens/{id}")).await.expect("delete the token");

    let refused = program.desktop(desktop).await.expect_err("a deleted token");
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let said = program.socket(&format!("desktops/{desktop}/vnc"), Some("binary")).await;
    assert_eq!(said.expect_err("a deleted token").status, 401);
}

async fn refused(api: &Api, method: &Method, path: &str, body: &Value) -> Failure {
    let body = (!body.is_null()).then_some(body);
    match api.send(method.clone(), path, body).await {
        Err(failure) => failure,
        Ok(answer) => panic!("{method} {path} was answered: {}", String::from_utf8_lossy(&answer)),
    }
}

fn with_last_changed(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').expect("a JWT");
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{other}{}", &signature[1..])
}

fn with_claims_changed(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let claims = decode(parts[1]).replacen("usr-", "usr-f", 1);
    format!("{}.{}.{}", parts[0], encode(&claims), parts[2])
}

fn unsigned(token: &str) -> String {
    let claims = token.split('.').nth(1).expect("a JWT");
    format!("{}.{claims}.", encode(r#"{"alg":"none","typ":"JWT"}"#))
}

fn encode(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

fn decode(text: &str) -> String {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}
