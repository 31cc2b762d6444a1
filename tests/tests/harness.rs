//! What the other tests rely on, held itself: the scripted provider, the search for leftovers, the cut wire, PostgreSQL.

use std::{process::Command, time::Duration};

use harness::{
    ModelServer, Turn,
    fault_proxy::FaultProxy,
    model_server::{KEY, text, tool},
    postgres::Postgres,
    processes::{self, Process},
    wait,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn the_scripted_provider_streams_what_the_script_says() {
    let model = ModelServer::start().await;
    model.script([Turn::asks([text("Grüße 你好 🎉"), tool("left_click", json!({ "coordinate": [3, 4] }))])]);

    let answer = ask(&model, KEY, &question("hello")).await;

    assert_eq!(answer.status(), 200);
    let stream = answer.text().await.expect("the whole stream");
    let events: Vec<Value> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    let joined = |field: &str| events.iter().filter_map(|event| event["delta"][field].as_str()).collect::<String>();
    assert_eq!(joined("text"), "Grüße 你好 🎉");
    assert_eq!(joined("partial_json"), r#"{"coordinate":[3,4]}"#);
    assert_eq!(events.last().expect("events")["type"], "message_stop");
    let use_block = events.iter().find(|event| event["content_block"]["type"] == "tool_use").expect("a tool use");
    assert_eq!(use_block["content_block"]["toolset_name"], "computer");
}

#[tokio::test]
async fn the_scripted_provider_refuses_what_the_real_one_refuses() {
    let model = ModelServer::start().await;
    model.script([Turn::ends("never said")]);
    let mut unanswered = question("hello");
    let tool_use = json!({ "type": "tool_use", "id": "t1", "name": "left_click", "input": {} });
    unanswered["messages"]
        .as_array_mut()
        .expect("messages")
        .extend([json!({ "role": "assistant", "content": [tool_use] }), json!({ "role": "user", "content": "go on" })]);

    let wrong_key = ask(&model, "sk-ant-api03-another", &question("hello")).await;
    let broken = ask(&model, KEY, &unanswered).await;

    assert_eq!(wrong_key.status(), 401);
    assert_eq!(broken.status(), 400);
    assert_eq!(model.violations().len(), 1);
    assert_eq!(model.turns_left(), 1, "neither took a turn of the script");
}

#[tokio::test]
async fn a_broken_answer_breaks_in_the_way_that_the_script_says() {
    let model = ModelServer::start().await;
    model.script([
        Turn::is_overloaded(),
        Turn::limits_the_rate(1),
        Turn::BreaksWithError { content: vec![text("half an answer")] },
        Turn::HangsUp { content: vec![text("half an answer")] },
    ]);

    let overloaded = ask(&model, KEY, &question("1")).await;
    let limited = ask(&model, KEY, &question("2")).await;
    let error = ask(&model, KEY, &question("3")).await.text().await.expect("a clean end");
    let hung_up = ask(&model, KEY, &question("4")).await.text().await;

    assert_eq!(overloaded.status(), 529);
    assert_eq!(limited.headers()["retry-after"], "1");
    assert!(error.contains("event: error") && !error.contains("message_stop"), "{error}");
    assert!(hung_up.is_err(), "{hung_up:?}");
}

#[tokio::test]
async fn a_silent_answer_ends_when_the_client_goes() {
    let model = ModelServer::start().await;
    model.script([Turn::FallsSilent { content: vec![text("half an answer")] }]);
    let mut answer = ask(&model, KEY, &question("hello")).await;
    answer.chunk().await.expect("the beginning");
    assert!(model.requests()[0].answered_at.is_none());

    drop(answer);

    wait::until("the model server sees it", Duration::from_secs(10), async || model.requests()[0].answered_at).await;
}

#[test]
fn a_process_that_stayed_behind_is_found_inside_a_fence_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fenced = Command::new("bwrap");
    fenced.args(["--ro-bind", "/", "/", "--proc", "/proc", "--tmpfs", "/tmp", "--unshare-pid", "--bind"]);
    fenced.arg(folder.path()).args(["/mnt", "env", "-i", "-C", "/", "/bin/sleep", "300"]);
    let log = tempfile::NamedTempFile::new().expect("a log file");
    let process = Process::start("bwrap", fenced, log.path());

    let sleeps = || processes::of_folder(folder.path()).into_iter().find(|found| found.program() == "sleep");
    let found = wait::blocking(Duration::from_secs(10), || sleeps().is_some());

    assert!(found, "{}{:?}", process.log(), processes::of_folder(folder.path()));
    drop(process);
    if let Some(left) = sleeps() {
        left.kill();
    }
    assert!(wait::blocking(Duration::from_secs(10), || processes::of_folder(folder.path()).is_empty()));
}

#[tokio::test]
async fn a_cut_wire_breaks_what_is_open_and_refuses_what_comes() {
    let far = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let wire = FaultProxy::start(far.local_addr().expect("an address")).await;
    let mut near = TcpStream::connect(("127.0.0.1", wire.port())).await.expect("connect");
    let (mut end, _) = far.accept().await.expect("accept");
    near.write_all(b"hello").await.expect("write");
    end.read_exact(&mut [0; 5]).await.expect("it comes through");

    wire.cut();

    assert_eq!(near.read(&mut [0; 8]).await.unwrap_or(0), 0, "the near end is closed");
    assert_eq!(end.read(&mut [0; 8]).await.unwrap_or(0), 0, "the far end is closed");
    let mut refused = TcpStream::connect(("127.0.0.1", wire.port())).await.expect("connect");
    assert_eq!(refused.read(&mut [0; 8]).await.unwrap_or(0), 0);
    wire.mend();
    let mut again = TcpStream::connect(("127.0.0.1", wire.port())).await.expect("connect");
    again.write_all(b"again").await.expect("write");
    far.accept().await.expect("accept").0.read_exact(&mut [0; 5]).await.expect("it comes through");
}

#[tokio::test]
async fn a_database_of_the_tests_own_comes_and_goes() {
    let postgres = Postgres::start().await;

    assert!(postgres.dump().contains("PostgreSQL database dump"));
    assert!(postgres.url().starts_with("postgres:///"));
}

fn question(words: &str) -> Value {
    json!({
        "model": "claude-opus-5-5", "max_tokens": 100, "stream": true,
        "messages": [{ "role": "user", "content": words }],
    })
}

async fn ask(model: &ModelServer, key: &str, body: &Value) -> reqwest::Response {
    harness::http()
        .build()
        .expect("an HTTP client")
        .post(format!("{}/v1/messages", model.url()))
        .header("x-api-key", key)
        .header("anthropic-version", "2026-10-21")
        .json(body)
        .send()
        .await
        .expect("an answer")
}
