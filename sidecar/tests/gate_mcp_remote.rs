//! MCP servers by HTTP: over the desk's network alone, with headers that nobody sees, and within bounds.

mod support;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::TcpListener as Port,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{any, post},
};
use futures_util::{StreamExt, stream};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use protocol::{
    SessionId,
    mcp::{McpServerConfig, McpState, McpTransport},
    session::SessionState,
};
use serde_json::{Value, json};
use support::{
    House,
    authority::Authority,
    edge::Edge,
    servers::{Servers, bad, ends, everything, house, house_with, results, tool, uses, words},
};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_rustls::TlsAcceptor;

fn remote(name: &str, url: String, headers: &[(&str, &str)]) -> McpServerConfig {
    let headers: BTreeMap<_, _> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let transport = McpTransport::Http { url, headers };
    McpServerConfig { name: name.to_owned(), transport, autostart: true }
}

/// A server in this process, which remembers what it was sent, and when it was asked for its events.
struct Counter {
    port: u16,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    listened: Arc<Mutex<Vec<Instant>>>,
    _tasks: JoinSet<()>,
}

impl Counter {
    async fn start(how: &'static str) -> Self {
        Self::start_with(how, None).await
    }

    async fn start_with(how: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let (seen, listened) = (Arc::default(), Arc::default());
        let router = Router::new()
            .route("/mcp", post(answer).get(listen).fallback(|| async { StatusCode::METHOD_NOT_ALLOWED }))
            .route("/elsewhere", any(|| async { "never" }))
            .with_state(Script { how, seen: Arc::clone(&seen), listened: Arc::clone(&listened) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (router, tls) = (router.clone(), tls.clone());
                connections.spawn(async move {
                    let (builder, service) =
                        (auto::Builder::new(TokioExecutor::new()), TowerToHyperService::new(router));
                    let _ = match tls {
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            builder.serve_connection(TokioIo::new(stream), service).await
                        }
                        None => builder.serve_connection(TokioIo::new(stream), service).await,
                    };
                });
            }
        });
        Self { port, seen, listened, _tasks: tasks }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

#[derive(Clone)]
struct Script {
    how: &'static str,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    listened: Arc<Mutex<Vec<Instant>>>,
}

/// Wants to be asked again at once, and ends.
async fn listen(State(script): State<Script>) -> Response {
    if script.how != "ends" {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    script.listened.lock().unwrap().push(Instant::now());
    events(Body::from("retry: 0\ndata:\n\n"))
}

fn events(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// Asks without end.
fn pings() -> Body {
    let ping = |id| Ok::<_, Infallible>(format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": id, "method": "ping"})));
    Body::from_stream(stream::iter(0..1000).map(ping).chain(stream::pending()))
}

async fn answer(
    State(Script { how, seen, .. }): State<Script>,
    headers: HeaderMap,
    Json(message): Json<Value>,
) -> Response {
    seen.lock().unwrap().push(headers.clone());
    let id = message["id"].clone();
    let answer = |result: Value| Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response();
    let large = "x".repeat(9 << 20);
    let Some(method) = message["method"].as_str() else {
        // That is an answer to what we asked.
        return std::future::pending().await;
    };
    match (method, how) {
        (_, "moved") => Redirect::temporary("/elsewhere").into_response(),
        (_, "tells") => {
            let key = headers["x-key"].to_str().unwrap();
            (StatusCode::FORBIDDEN, format!("{}{key}", "x".repeat(190))).into_response()
        }
        (_, "closed") => (StatusCode::UNAUTHORIZED, "who are you?").into_response(),
        ("initialize", _) => (
            [("mcp-session-id", "one")],
            answer(json!({
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "counter", "version": "1"}
            })),
        )
            .into_response(),
        ("tools/list", _) => answer(json!({"tools": [{"name": "act", "inputSchema": {"type": "object"}}]})),
        ("tools/call", "large") => answer(json!({"content": [{"type": "text", "text": large}]})),
        ("tools/call", "streams") => events(Body::from(format!("data: {large}\n\n"))),
        ("tools/call", "pings") => events(pings()),
        ("tools/call", _) => {
            let key = headers["x-key"].to_str().unwrap();
            answer(json!({"content": [{"type": "text", "text": format!("it is {key}")}]}))
        }
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

/// A program that ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_agent_uses_a_server_by_http_that_we_did_not_write_until_it_is_gone() {
    let port = Port::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (node, server) = everything();
    let mut command = Command::new(node);
    command.arg(server).arg("streamableHttp").env("PORT", port.to_string());
    let process = Process(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < deadline, "the server does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sum = |id, a| tool(id, "mcp__everything__get-sum", json!({"a": a, "b": 3}));
    let config = remote("everything", format!("http://localhost:{port}/mcp"), &[]);
    let (_screen, house) =
        house(vec![config], vec![uses(&[sum("t1", 2)]), ends(), uses(&[sum("t2", 4)]), ends()]).await;
    let servers = Servers(&house);
    servers.until("everything", McpState::Running).await;

    house.edge.with(|control| control.say("add"));
    house.edge.until_state(SessionState::Idle).await;
    drop(process);
    house.edge.with(|control| control.say("add"));
    house.edge.until("the second answer", |control| control.asked.len() == 4).await;

    house.edge.with(|control| {
        let results = results(control);
        assert!(words(&results["t1"]).1.contains('5') && !results["t1"].is_error, "{:?}", results["t1"]);
        let (is_error, text) = words(&results["t2"]);
        assert!(is_error && text.starts_with("Error: the MCP server everything gave no answer: "), "{text}");
        assert!(text.contains("refused"), "{text}");
    });
    assert_eq!(servers.order("everything", "stop").await.state, McpState::Stopped);
}

#[tokio::test]
async fn a_secret_is_not_sent_where_everything_on_the_desktop_could_read_it() {
    let counter = Counter::start("fine").await;
    let config = remote("counter", counter.url(), &[("X-Key", "Bearer {{secret:KEY}}")]);
    let (_screen, house) = house_with(vec![config], vec![], with_the_key).await;

    let reason = Servers(&house).until("counter", McpState::Failed).await.reason.unwrap();

    assert!(reason.contains("begins with http://"), "{reason}");
    assert!(counter.seen.lock().unwrap().is_empty());
}

fn with_the_key(edge: &Edge) {
    edge.with(|control| drop(control.secrets.insert("KEY".to_owned(), "hunter2-and-more".to_owned())));
}

#[tokio::test]
async fn a_server_that_says_no_or_sends_elsewhere_fails_with_its_word_for_it() {
    let (moved, closed) = (Counter::start("moved").await, Counter::start("closed").await);
    let nobody = format!("http://127.0.0.1:{}/mcp", Port::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let chosen = remote("chosen", moved.url(), &[("Host", "metadata")]);
    let all = vec![
        remote("moved", moved.url(), &[]),
        remote("closed", closed.url(), &[]),
        remote("nobody", nobody, &[]),
        remote("scheme", "file:///etc/passwd".to_owned(), &[]),
        chosen,
    ];
    let (_screen, house) = house(all, vec![]).await;
    let servers = Servers(&house);

    for (name, why) in [
        ("moved", "redirects are not followed"),
        ("closed", "401 Unauthorized (check its headers) who are you?"),
        ("nobody", "refused"),
        ("scheme", "its address names no host"),
        ("chosen", "its header \"host\" cannot be chosen"),
    ] {
        let reason = servers.until(name, McpState::Failed).await.reason.unwrap();
        assert!(reason.contains(why), "{name}: {reason}");
    }
    assert_eq!(moved.seen.lock().unwrap().len(), 1, "it was asked once, and what it points to never");
}

#[tokio::test]
async fn a_server_that_sends_more_than_is_taken_is_left_for_it() {
    let (large, streams) = (Counter::start("large").await, Counter::start("streams").await);
    let (_screen, house) = house(
        vec![remote("large", large.url(), &[]), remote("streams", streams.url(), &[]), bad("fine")],
        vec![
            uses(&[
                tool("t1", "mcp__large__act", json!({})),
                tool("t2", "mcp__streams__act", json!({})),
                tool("t3", "mcp__fine__act", json!({})),
            ]),
            ends(),
        ],
    )
    .await;
    let servers = Servers(&house);
    for name in ["large", "streams", "fine"] {
        servers.until(name, McpState::Running).await;
    }

    house.edge.with(|control| control.say("act"));
    house.edge.until_state(SessionState::Idle).await;

    let why = "it sent a message of more than 8 MiB";
    house.edge.with(|control| {
        let results = results(control);
        for (id, name) in [("t1", "large"), ("t2", "streams")] {
            let error = format!("Error: the MCP server {name} is not running: {why}");
            assert_eq!(words(&results[id]), (true, error.as_str()));
        }
        assert_eq!(words(&results["t3"]), (false, "done"));
    });
    assert_eq!(servers.status("large").await.reason.as_deref(), Some(why));
}

#[tokio::test]
async fn a_secret_reaches_by_tls_who_the_system_trusts_and_nobody_else() {
    let (trusted, stranger) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, trusted.ca_pem()).unwrap();
    // SAFETY: nothing else runs in this process yet.
    unsafe { std::env::set_var("SSL_CERT_FILE", &roots) };
    let serve = async |authority: &Authority| {
        Counter::start_with("fine", Some(TlsAcceptor::from(Arc::new(authority.server("localhost"))))).await
    };
    let (good, bad) = (serve(&trusted).await, serve(&stranger).await);
    let url = |counter: &Counter| format!("https://localhost:{}/mcp", counter.port);
    let other_name = format!("https://127.0.0.1:{}/mcp", good.port);
    let header = [("X-Key", "Bearer {{secret:KEY}}")];
    let all =
        vec![remote("good", url(&good), &header), remote("bad", url(&bad), &header), remote("named", other_name, &[])];
    let replies = vec![uses(&[tool("t1", "mcp__good__act", json!({}))]), ends()];
    let (_screen, house) = house_with(all, replies, with_the_key).await;
    let servers = Servers(&house);
    servers.until("good", McpState::Running).await;

    house.edge.with(|control| control.say("act"));
    house.edge.until_state(SessionState::Idle).await;

    house.edge.with(|control| {
        assert_eq!(words(&results(control)["t1"]), (false, "it is Bearer {{secret:KEY}}"));
    });
    let seen = good.seen.lock().unwrap().clone();
    assert!(seen.len() >= 4 && seen.iter().all(|headers| headers["x-key"] == "Bearer hunter2-and-more"));
    assert!(seen.iter().all(|headers| headers["host"] == format!("localhost:{}", good.port).as_str()));
    for name in ["bad", "named"] {
        let reason = servers.until(name, McpState::Failed).await.reason.unwrap();
        assert!(reason.contains("TLS with") && reason.contains("certificate"), "{reason}");
    }
    assert!(bad.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_gate_itself_connects_to_nobody() {
    let counter = Counter::start("fine").await;
    // This desk lets nothing through.
    let house = House::open_with(|edge: &Edge| {
        edge.with(|control| {
            control.session = Some(SessionId::generate());
            control.mcp_servers = vec![remote("counter", counter.url(), &[])];
        });
    })
    .await;

    let failed = Servers(&house).until("counter", McpState::Failed).await;

    assert!(failed.reason.as_ref().unwrap().contains("there is no desktop"), "{failed:?}");
    assert!(counter.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_take_our_answers_is_left_for_it() {
    let counter = Counter::start("pings").await;
    let (_screen, house) = house(vec![remote("pings", counter.url(), &[])], vec![]).await;
    let servers = Servers(&house);
    servers.until("pings", McpState::Running).await;

    let tried = servers.call("pings", "act", json!({})).await;

    let why = "it does not take the answers to what it asks";
    assert_eq!(tried.text, format!("Error: the MCP server pings is not running: {why}"));
    assert_eq!(servers.status("pings").await.reason.as_deref(), Some(why));
}

#[tokio::test]
async fn a_server_that_wants_to_be_asked_again_at_once_is_asked_once_a_second() {
    let counter = Counter::start("ends").await;
    let (_screen, house) = house(vec![remote("ends", counter.url(), &[])], vec![]).await;
    Servers(&house).until("ends", McpState::Running).await;

    house.edge.until("it is asked three times", |_| counter.listened.lock().unwrap().len() >= 3).await;

    let listened = counter.listened.lock().unwrap();
    assert!(listened[2] - listened[0] >= Duration::from_millis(1_900), "{:?}", listened[2] - listened[0]);
}

#[tokio::test]
async fn of_a_header_that_a_server_gives_back_not_even_a_half_is_shown() {
    let counter = Counter::start("tells").await;
    let config = remote("tells", counter.url(), &[("X-Key", "Bearer hunter2-and-more")]);
    let (_screen, house) = house(vec![config], vec![]).await;

    let reason = Servers(&house).until("tells", McpState::Failed).await.reason.unwrap();

    assert!(reason.contains("403 Forbidden") && reason.contains("xxx[•••") && !reason.contains("Bear"), "{reason}");
}
