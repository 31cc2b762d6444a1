//! The desktop as an MCP server: what clients see and do, whose word counts, and what a hostile one gets.

mod support;

use std::{collections::HashMap, time::Duration};

use protocol::{
    UserId,
    action::{Action, Point},
    capability::{self, Actor, Scope},
    error::{Code, Problem},
    lease::Driver,
    vm::EDGE_SERVER_NAME,
};
use reqwest::{Response, StatusCode};
use rmcp::{
    ClientLifecycleMode, RoleClient, ServiceError, ServiceExt,
    model::{CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, ContentBlock, ProtocolVersion},
    service::{PeerRequestOptions, RunningService, serve_client_with_lifecycle},
    transport::{StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig},
};
use serde_json::{Value, json};
use sidecar::{gate::agent::words, link::Call};
use support::{House, desk::Seen, visit::Visitor};

const LOOKS: &[&str] = &["screenshot", "zoom", "cursor_position"];

/// A client that we did not write.
fn transport(visitor: &Visitor) -> StreamableHttpClientTransport<reqwest::Client> {
    let headers = HashMap::from([(capability::HEADER.parse().unwrap(), visitor.capability.parse().unwrap())]);
    let config = StreamableHttpClientTransportConfig::with_uri(visitor.of_desktop("mcp")).custom_headers(headers);
    StreamableHttpClientTransport::with_client(visitor.client(Some(EDGE_SERVER_NAME)), config)
}

async fn client(visitor: &Visitor) -> RunningService<RoleClient, ()> {
    ().serve(transport(visitor)).await.unwrap()
}

fn call(name: &'static str, input: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(name).with_arguments(input.as_object().unwrap().clone())
}

fn text(result: &CallToolResult) -> &str {
    match &result.content[..] {
        [ContentBlock::Text(text)] => &text.text,
        other => panic!("not a text: {other:?}"),
    }
}

/// A client as simple as can be, with another capability for each request where that is wanted.
struct Raw {
    http: reqwest::Client,
    url: String,
    session: Option<String>,
}

impl Raw {
    async fn open(visitor: &Visitor) -> Self {
        let http = visitor.client(Some(EDGE_SERVER_NAME));
        let mut raw = Self { http, url: visitor.of_desktop("mcp"), session: None };
        let answer = raw.say(&visitor.capability, &initialize()).await;
        assert_eq!(answer.status(), StatusCode::OK);
        raw.session = Some(answer.headers()["mcp-session-id"].to_str().unwrap().to_owned());
        raw
    }

    async fn say(&self, capability: &str, message: &Value) -> Response {
        self.say_bytes(capability, message.to_string()).await
    }

    async fn say_bytes(&self, capability: &str, body: impl Into<reqwest::Body>) -> Response {
        let request = self.http.post(&self.url).header(capability::HEADER, capability).body(body);
        let request =
            request.header("accept", "application/json, text/event-stream").header("content-type", "application/json");
        let request = match &self.session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn call(&self, capability: &str, name: &str, input: Value) -> Value {
        let params = json!({"name": name, "arguments": input});
        answer(self.say(capability, &request(7, "tools/call", params)).await).await
    }

    async fn end(&self, capability: &str) -> Response {
        let request = self.http.delete(&self.url).header(capability::HEADER, capability);
        request.header("mcp-session-id", self.session.as_deref().unwrap()).send().await.unwrap()
    }
}

fn request(id: i64, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn initialize() -> Value {
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"}
    });
    request(1, "initialize", params)
}

/// The message in an answer, or in its event stream.
async fn answer(response: Response) -> Value {
    let status = response.status();
    let body = response.text().await.unwrap();
    assert_eq!(status, StatusCode::OK, "{body}");
    if let Ok(message) = serde_json::from_str(&body) {
        return message;
    }
    let data = body.lines().find_map(|line| line.strip_prefix("data:").filter(|data| !data.trim().is_empty()));
    serde_json::from_str(data.unwrap_or_else(|| panic!("no message: {body}"))).unwrap()
}

async fn refused(answer: Response) -> Code {
    let status = answer.status();
    let problem: Problem = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(status.as_u16(), problem.status);
    problem.code
}

/// How much the desk was asked for by callers; the gate has calls of its own.
fn calls(desk: &Seen) -> usize {
    let by_callers = |call: &&Call| {
        matches!(
            call,
            Call::Act { .. } | Call::Screenshot(_) | Call::Bash { .. } | Call::Editor { .. } | Call::Windows { .. }
        )
    };
    desk.calls.iter().filter(by_callers).count()
}

async fn until_calls(house: &House, count: usize) {
    house.desk.until("the calls", |desk| calls(desk) == count).await;
}

async fn take(house: &House) -> Driver {
    let taken = house.visitor(&[Scope::View, Scope::Control]).post("control/take", json!({})).await;
    let status: protocol::lease::ControlStatus = serde_json::from_slice(&taken.bytes().await.unwrap()).unwrap();
    status.driver
}

#[tokio::test]
async fn a_client_that_we_did_not_write_drives_the_desktop() {
    let house = House::open().await;
    house.desk.paint(9);
    let client = client(&house.program(Scope::ALL)).await;
    let call = async |name, input| client.call_tool(call(name, input)).await.unwrap();

    let seen = call("screenshot", json!({})).await;
    let clicked = call("left_click", json!({"coordinate": [3, 4]})).await;
    let typed = call("type", json!({"text": "{{secret:NAME}}"})).await;
    let ran = call("bash", json!({"command": "ls"})).await;
    let edited = call("str_replace_based_edit_tool", json!({"command": "view", "path": "/tmp"})).await;
    let opened = call("open", json!({"target": "xterm"})).await;
    let windows = call("windows", json!({})).await;
    let tree = call("accessibility_tree", json!({})).await;

    let [ContentBlock::Image(image)] = &seen.content[..] else { panic!("no picture: {seen:?}") };
    assert_eq!((image.mime_type.as_str(), &image.data[..11]), ("image/png", "iVBORw0KGgo"));
    assert_eq!((text(&clicked), text(&typed), text(&ran)), ("Clicked.", "Typed.", "ran ls\n"));
    assert_eq!((text(&edited), clicked.is_error), ("edited", Some(false)));
    assert!(text(&opened).starts_with("Opened: window 7"), "{opened:?}");
    assert!(text(&windows).starts_with("window 7"), "{windows:?}");
    assert_eq!(text(&tree), "push button \"Save\" @25,40\n");
    house.desk.with(|desk| {
        let acted: Vec<_> = desk.calls.iter().filter(|call| matches!(call, Call::Act { .. })).collect();
        let [Call::Act { action: click, picture, .. }, Call::Act { action: type_, secret: false, .. }] = acted[..]
        else {
            panic!("{acted:?}")
        };
        assert!(matches!(click, Action::Click { at: Some(Point { x: 3, y: 4 }), .. }));
        assert!(picture.is_some(), "coordinates are of the screenshot that was seen");
        assert!(matches!(type_, Action::Type { text } if text == "{{secret:NAME}}"), "no secret is put in");
    });
    house.edge.with(|control| assert!(control.appends.is_empty() && control.blobs.is_empty(), "nothing is recorded"));
}

#[tokio::test]
async fn a_client_of_the_version_without_sessions_drives_the_desktop_too() {
    let house = House::open().await;
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = ClientLifecycleMode::Discover { preferred_versions };
    let client = serve_client_with_lifecycle((), transport(&house.program(Scope::ALL)), lifecycle).await.unwrap();

    assert_eq!(client.list_all_tools().await.unwrap().len(), 22);
    client.call_tool(call("screenshot", json!({}))).await.unwrap();
    let clicked = client.call_tool(call("left_click", json!({"coordinate": [3, 4]}))).await.unwrap();

    assert_eq!(text(&clicked), "Clicked.");
    house.desk.with(|desk| {
        let click = desk.calls.iter().find(|call| matches!(call, Call::Act { .. }));
        assert!(matches!(click, Some(Call::Act { picture: Some(_), .. })), "{click:?}");
    });
}

#[tokio::test]
async fn each_caller_sees_and_calls_what_its_capability_allows() {
    let house = House::open().await;
    for (scopes, allowed, refused) in [
        (&[Scope::View][..], LOOKS.to_vec(), "left_click"),
        (&[Scope::Shell], vec!["bash"], "screenshot"),
        (&[Scope::Files], vec!["str_replace_based_edit_tool"], "bash"),
        (&[Scope::Chat], vec![], "screenshot"),
    ] {
        let client = client(&house.program(scopes)).await;

        let listed = client.list_all_tools().await.unwrap();
        let answer = client.call_tool(call(refused, json!({"command": "ls"}))).await;

        let names: Vec<_> = listed.iter().map(|tool| tool.name.as_ref()).collect();
        assert_eq!(names, allowed, "{scopes:?}");
        let Err(ServiceError::McpError(error)) = answer else { panic!("{answer:?}") };
        assert!(error.message.starts_with(&format!("'{refused}' takes the scope ")), "{error:?}");
    }
    assert_eq!(house.desk.with(calls), 0, "the desk was asked for nothing");
}

#[tokio::test]
async fn tools_say_truly_what_they_may_do() {
    let house = House::open().await;

    let tools = client(&house.program(Scope::ALL)).await.list_all_tools().await.unwrap();

    let hint = |name: &str| {
        let tool = tools.iter().find(|tool| tool.name == name).unwrap();
        let hints = tool.annotations.as_ref().unwrap();
        (hints.read_only_hint, hints.destructive_hint)
    };
    assert_eq!(hint("screenshot"), (Some(true), None));
    assert_eq!(hint("mouse_move"), (Some(false), Some(false)));
    assert_eq!(hint("bash"), (Some(false), Some(true)));
    assert!(tools.iter().all(|tool| tool.input_schema["type"] == "object" && tool.description.is_some()));
}

#[tokio::test]
async fn a_tools_failure_is_a_result_and_an_unknown_tool_is_an_error() {
    let house = House::open().await;
    let client = client(&house.program(Scope::ALL)).await;

    for (name, input, words) in [
        ("left_click", json!({"coordinate": [99999, 0]}), "Error: (99999, 0) is outside of the screen"),
        ("left_click", json!({"coordinate": "here"}), "Error: `coordinate` must be [x, y]"),
        ("windows", json!({"window": 8, "verb": "close"}), "Error: there is no such window"),
    ] {
        let failed = client.call_tool(call(name, input)).await.unwrap();
        assert_eq!(failed.is_error, Some(true));
        assert!(text(&failed).starts_with(words), "{failed:?}");
    }
    let unknown = client.call_tool(call("fly", json!({}))).await;
    let Err(ServiceError::McpError(error)) = unknown else { panic!("{unknown:?}") };
    assert_eq!((error.code.0, error.message.as_ref()), (-32602, "there is no tool 'fly'"));
}

#[tokio::test]
async fn a_person_who_takes_control_interrupts_what_runs_and_all_is_refused_until_the_hand_back() {
    let house = House::open().await;
    let client = client(&house.program(Scope::ALL)).await;
    let (interrupted, _) = tokio::join!(client.call_tool(call("bash", json!({"command": "sleep 600"}))), async {
        until_calls(&house, 1).await;
        assert_eq!(take(&house).await, Driver::Person);
    });
    assert_eq!(text(&interrupted.unwrap()), words::TAKEN_MEANWHILE);
    house.desk.until("the command's end", |desk| desk.cancelled == ["sleep 600"]).await;
    let before = house.desk.with(calls);

    for name in ["screenshot", "windows", "left_click", "bash"] {
        let refused = client.call_tool(call(name, json!({"command": "ls"}))).await.unwrap();
        assert_eq!((refused.is_error, text(&refused)), (Some(true), words::NOT_WHILE_A_PERSON_DRIVES), "{name}");
    }
    // Not even for the person who drives: MCP is on the agent's side.
    let own = Raw::open(&house.visitor(Scope::ALL)).await;
    let refused = own.call(&house.visitor(Scope::ALL).capability, "screenshot", json!({})).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    assert_eq!(house.desk.with(calls), before, "the desk was asked for nothing");
    assert!(!client.list_all_tools().await.unwrap().is_empty());

    house.visitor(&[Scope::View, Scope::Control]).post("control/release", json!({})).await;
    assert_eq!(text(&client.call_tool(call("bash", json!({"command": "ls"}))).await.unwrap()), "ran ls\n");
}

#[tokio::test]
async fn a_cancelled_call_and_a_closed_connection_end_the_command() {
    let house = House::open().await;
    let client = client(&house.program(Scope::ALL)).await;
    let sleep = |name: &str| {
        let params = CallToolRequestParams::new("bash")
            .with_arguments(json!({"command": format!("sleep {name}")}).as_object().unwrap().clone());
        ClientRequest::CallToolRequest(CallToolRequest::new(params))
    };
    let running = client.send_cancellable_request(sleep("1"), PeerRequestOptions::default()).await.unwrap();
    until_calls(&house, 1).await;
    running.cancel(None).await.unwrap();
    house.desk.until("the command's end", |desk| desk.cancelled == ["sleep 1"]).await;

    let program = house.program(Scope::ALL);
    let raw = Raw::open(&program).await;
    let params = json!({"name": "bash", "arguments": {"command": "sleep 2"}});
    let stream = raw.say(&program.capability, &request(2, "tools/call", params)).await;
    until_calls(&house, 2).await;
    drop(stream);

    house.desk.until("the command's end", |desk| desk.cancelled.last().is_some_and(|last| last == "sleep 2")).await;
}

#[tokio::test]
async fn a_session_is_its_users_own_and_every_request_needs_a_capability_of_its_own() {
    let house = House::open().await;
    let ada = house.program(Scope::ALL);
    let session = Raw::open(&ada).await;
    let bob = house.visitor_as(&UserId::generate(), Actor::Program, Scope::ALL);

    let list = request(2, "tools/list", json!({}));
    assert_eq!(refused(session.say(&bob.capability, &list).await).await, Code::NotFound);
    assert_eq!(refused(session.end(&bob.capability).await).await, Code::NotFound);
    assert_eq!(refused(session.say("", &list).await).await, Code::NotSignedIn);
    assert_eq!(refused(session.say("a.b.c", &list).await).await, Code::NotSignedIn);
    let expired = house.authority.expired_capability(&house.user, Actor::Program, Scope::ALL);
    assert_eq!(refused(session.say(&expired, &list).await).await, Code::TokenExpired);

    // Its scopes count, not those that the session began with.
    let weaker = house.program(&[Scope::View]);
    let error = session.call(&weaker.capability, "bash", json!({"command": "ls"})).await;
    assert_eq!(error["error"]["message"], "'bash' takes the scope shell");
    assert_eq!(house.desk.with(calls), 0);
    let ran = session.call(&ada.capability, "bash", json!({"command": "ls"})).await;
    assert_eq!(ran["result"]["content"][0]["text"], "ran ls\n");

    assert_eq!(session.end(&ada.capability).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(refused(session.say(&ada.capability, &list).await).await, Code::NotFound);
}

#[tokio::test]
async fn sessions_have_shells_of_their_own_which_end_with_them() {
    let house = House::open().await;
    let program = house.program(Scope::ALL);
    let (one, other) = (Raw::open(&program).await, Raw::open(&program).await);
    for session in [&one, &other, &one] {
        session.call(&program.capability, "bash", json!({"command": "ls"})).await;
    }
    let shells: Vec<_> = house.desk.with(|desk| {
        let shell = |call: &Call| if let Call::Bash { session, .. } = call { session.clone() } else { None };
        desk.calls.iter().filter_map(shell).collect()
    });
    assert!(shells[0] == shells[2] && shells[0] != shells[1], "{shells:?}");

    one.end(&program.capability).await;

    let ended = Call::BashRestart { session: Some(shells[0].clone()) };
    house.desk.until("the shell's end", |desk| desk.calls.contains(&ended)).await;
}

#[tokio::test]
async fn sessions_and_their_calls_are_bounded_and_nobody_keeps_others_out() {
    let house = House::open().await;
    let (ada, mallory) = (house.program(Scope::ALL), house.visitor_as(&UserId::generate(), Actor::Program, Scope::ALL));
    let hers = Raw::open(&ada).await;
    let mut first = None;
    for _ in 0..100 {
        first.get_or_insert(Raw::open(&mallory).await);
    }

    let list = request(2, "tools/list", json!({}));
    assert_eq!(refused(first.unwrap().say(&mallory.capability, &list).await).await, Code::NotFound);
    assert_eq!(hers.say(&ada.capability, &list).await.status(), StatusCode::OK);

    let sleep = |id| request(id, "tools/call", json!({"name": "bash", "arguments": {"command": "sleep 600"}}));
    let mut running = Vec::new();
    for id in 10..18 {
        running.push(hers.say(&ada.capability, &sleep(id)).await);
    }
    until_calls(&house, 8).await;
    let ninth = answer(hers.say(&ada.capability, &sleep(18)).await).await;
    assert_eq!(ninth["result"]["content"][0]["text"], "Error: 8 calls run already: wait for one to end");
}

#[tokio::test]
async fn garbage_gets_errors_and_harms_nobody() {
    let house = House::open().await;
    let program = house.program(Scope::ALL);
    let raw = Raw::open(&program).await;
    let say = async |body: String| raw.say_bytes(&program.capability, body).await;

    for (body, status) in [
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        ("\u{0}".repeat(1000), StatusCode::BAD_REQUEST),
        ("[".repeat(100_000), StatusCode::UNPROCESSABLE_ENTITY),
        ("[]".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (format!(r#"{{"params":{}"#, "[".repeat(100_000)), StatusCode::BAD_REQUEST),
        ("7".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (" ".repeat((1 << 20) + 1), StatusCode::PAYLOAD_TOO_LARGE),
        (
            json!({"jsonrpc": "2.0", "id": "x".repeat(500_000), "method": "ping"}).to_string(),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (json!({"jsonrpc": "2.0", "id": {}, "method": "ping"}).to_string(), StatusCode::UNPROCESSABLE_ENTITY),
        (
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}}).to_string(),
            StatusCode::ACCEPTED,
        ),
    ] {
        let shown: String = body.chars().take(60).collect();
        assert_eq!(say(body).await.status(), status, "{shown}");
    }
    for body in ["{}", r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
        assert!(say(body.to_owned()).await.status().is_client_error(), "{body}");
    }
    for (method, params) in [("fly", json!({})), ("tools/call", json!({})), ("tools/call", json!({"name": 7}))] {
        let error = say(request(3, method, params).to_string()).await;
        let (status, body) = (error.status(), error.text().await.unwrap());
        assert!(status.is_client_error() || body.contains("\"error\""), "{method}: {status} {body}");
    }
    for name in ["", "0", "../..", &"f".repeat(4000)] {
        let stranger = Raw { http: raw.http.clone(), url: raw.url.clone(), session: Some(name.to_owned()) };
        let list = request(2, "tools/list", json!({}));
        assert_eq!(refused(stranger.say(&program.capability, &list).await).await, Code::NotFound, "{name}");
    }
    assert_eq!(program.get("mcp").await.status(), StatusCode::METHOD_NOT_ALLOWED, "the server never speaks first");

    let ran = raw.call(&program.capability, "bash", json!({"command": "ls"})).await;
    assert_eq!(ran["result"]["content"][0]["text"], "ran ls\n");
}

#[tokio::test]
async fn the_end_of_the_gate_ends_the_streams() {
    let mut house = House::open().await;
    let program = house.program(Scope::ALL);
    let raw = Raw::open(&program).await;
    let params = json!({"name": "bash", "arguments": {"command": "sleep 600"}});
    let stream = raw.say(&program.capability, &request(2, "tools/call", params)).await;
    until_calls(&house, 1).await;

    let (ended, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(4), stream.bytes()), house.stop());

    assert!(ended.is_ok(), "the stream ended before the gate gave up waiting");
    house.desk.until("the command's end", |desk| desk.cancelled == ["sleep 600"]).await;
}
