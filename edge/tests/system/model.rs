//! The model gateway: the owner's key goes to the provider, and nowhere else.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::BodyExt;
use protocol::{DesktopId, UserId, VmId, edge::ModelKey, error::Code, model::ModelApi, vm::server_name};
use tokio::sync::mpsc;

use crate::support::{
    World, problem,
    upstream::{Seen, Upstream, json, streamed},
};

const KEY: &str = "sk-ant-secret-of-the-owner";
const PATH: &str = "/llm/anthropic/v1/messages";

async fn paying_vm(world: &World, provider: &Upstream) -> (VmId, reqwest::Client) {
    let vm = VmId::generate();
    world.control.pays(&vm, "anthropic", key(ModelApi::AnthropicMessages, provider));
    let client = world.vm_client(Some(&server_name(&vm)));
    (vm, client)
}

fn key(api: ModelApi, provider: &Upstream) -> ModelKey {
    ModelKey {
        user_id: UserId::generate(),
        desktop_id: DesktopId::generate(),
        session_id: None,
        api,
        base_url: format!("http://{}/gateway/", provider.address),
        allow_private: true,
        api_key: Some(KEY.into()),
    }
}

async fn echoing_provider() -> Upstream {
    Upstream::start(None, Arc::new(|request| Box::pin(async move { Seen::of("provider", request).await.answer() })))
        .await
}

#[tokio::test]
async fn the_provider_gets_the_owners_key_and_nothing_of_the_vms_own() {
    let world = World::start().await;
    let provider = echoing_provider().await;
    let (_vm, client) = paying_vm(&world, &provider).await;

    let answer = client
        .post(world.vm_url(&format!("{PATH}?beta=true")))
        .header("content-type", "application/json")
        .header("anthropic-version", "2026-10-21")
        .header("anthropic-beta", "a,b")
        .header("x-api-key", "the VM's own")
        .header("authorization", "Bearer x")
        .header("cookie", "a=b")
        .header("x-made-up", "1")
        .header("accept-encoding", "gzip")
        .body("{}")
        .send()
        .await
        .unwrap();

    let seen = Seen::read(answer).await;
    assert_eq!((seen.method.as_str(), seen.path.as_str(), seen.body), ("POST", "/gateway/v1/messages", 2));
    assert_eq!(seen.header("host"), Some(provider.address.to_string().as_str()));
    let mut names: Vec<_> = seen.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "anthropic-beta",
            "anthropic-version",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            "x-api-key"
        ]
    );
    assert_eq!(seen.header("x-api-key"), Some(KEY));
}

#[tokio::test]
async fn each_provider_gets_its_key_in_its_own_way_and_place() {
    let world = World::start().await;
    let provider = echoing_provider().await;
    let vm = VmId::generate();
    world.control.pays(&vm, "openai", key(ModelApi::OpenaiResponses, &provider));
    world.control.pays(&vm, "house", ModelKey { api_key: None, ..key(ModelApi::OpenaiChat, &provider) });
    let client = world.vm_client(Some(&server_name(&vm)));
    let post = async |path: &str| client.post(world.vm_url(path)).body("{}").send().await.unwrap();

    let responses = Seen::read(post("/llm/openai/v1/responses").await).await;
    let chat = Seen::read(post("/llm/house/v1/chat/completions").await).await;

    assert_eq!(responses.path, "/gateway/responses");
    assert_eq!(responses.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(responses.header("x-api-key"), None);
    assert_eq!((chat.path.as_str(), chat.header("authorization")), ("/gateway/chat/completions", None));
    // Another language than the provider speaks is none of its addresses.
    assert_eq!(post("/llm/openai/v1/messages").await.status(), 404);
    assert_eq!(post("/llm/house/v1/responses").await.status(), 404);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_gone_to_unless_its_operator_says_so() {
    let world = World::start().await;
    let provider = echoing_provider().await;
    let vm = VmId::generate();
    let base_url = format!("http://localhost:{}", provider.address.port());
    for (name, allow_private) in [("inside", true), ("outside", false)] {
        let key = ModelKey { allow_private, base_url: base_url.clone(), ..key(ModelApi::OpenaiChat, &provider) };
        world.control.pays(&vm, name, key);
    }
    let client = world.vm_client(Some(&server_name(&vm)));
    let post = async |name: &str| {
        client.post(world.vm_url(&format!("/llm/{name}/v1/chat/completions"))).body("{}").send().await.unwrap()
    };

    assert_eq!(post("inside").await.status(), 200);
    let connections = provider.connections();
    let refused = problem(post("outside").await).await;

    assert_eq!((refused.code, provider.connections()), (Code::Unavailable, connections));
}

#[tokio::test]
async fn a_provider_that_sends_elsewhere_says_nothing_of_where() {
    let world = World::start().await;
    let provider = Upstream::start(
        None,
        Arc::new(|_| {
            Box::pin(async move {
                let mut answer = json(307, &"elsewhere");
                answer.headers_mut().insert("location", "http://169.254.169.254/".parse().unwrap());
                answer
            })
        }),
    )
    .await;
    let (_vm, client) = paying_vm(&world, &provider).await;

    let answer = client.post(world.vm_url(PATH)).body("{}").send().await.unwrap();

    assert_eq!((answer.status().as_u16(), answer.headers().get("location")), (307, None));
    assert_eq!(provider.connections(), 1);
}

#[tokio::test]
async fn without_a_key_the_sidecar_can_tell() {
    let world = World::start().await;
    let client = world.vm_client(Some(&server_name(&VmId::generate())));

    let answer = client.post(world.vm_url(PATH)).body("{}").send().await.unwrap();

    insta::assert_json_snapshot!(problem(answer).await, @r#"
    {
      "status": 409,
      "code": "no_provider_key",
      "title": "No key for the model provider",
      "detail": "Store a key of Anthropic in the settings."
    }
    "#);
}

#[tokio::test]
async fn one_path_and_one_method_is_all_there_is() {
    let world = World::start().await;
    let provider = echoing_provider().await;
    let (_vm, client) = paying_vm(&world, &provider).await;

    assert_eq!(client.get(world.vm_url(PATH)).send().await.unwrap().status(), 405);
    for path in
        ["/llm/anthropic/v1/models", "/llm/anthropic/v1/messages/batches", "/llm/OPENAI/v1/responses", "/llm/", "/llm"]
    {
        assert_eq!(client.post(world.vm_url(path)).body("{}").send().await.unwrap().status(), 404, "{path}");
    }
    assert_eq!(provider.connections(), 0);
}

#[tokio::test]
async fn deltas_arrive_as_the_provider_sends_them() {
    let world = World::start().await;
    let (pieces, provider) = streaming_provider().await;
    let (_vm, client) = paying_vm(&world, &provider).await;

    let mut answer = client.post(world.vm_url(PATH)).body("{}").send().await.unwrap();

    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    // Cut in the middle of a line, as a network does.
    for piece in ["event: message_start\nda", "ta: {\"message\":{\"usage\":{\"input_tokens\":5}}}\n", "\n"] {
        pieces.send(Bytes::from_static(piece.as_bytes())).await.unwrap();
        let arrived = tokio::time::timeout(Duration::from_secs(5), answer.chunk()).await.expect("it is not held back");
        assert_eq!(arrived.unwrap().as_deref(), Some(piece.as_bytes()));
    }
    drop(pieces);
    assert_eq!(answer.chunk().await.unwrap(), None);
}

#[tokio::test]
async fn a_provider_that_breaks_off_breaks_off_here_too() {
    let world = World::start().await;
    let (pieces, provider) = streaming_provider().await;
    let (_vm, client) = paying_vm(&world, &provider).await;
    let mut answer = client.post(world.vm_url(PATH)).body("{}").send().await.unwrap();
    pieces.send(Bytes::from_static(b"data: 1\n\n")).await.unwrap();
    answer.chunk().await.unwrap();

    provider.stop().await;

    let ended = tokio::time::timeout(Duration::from_secs(10), answer.chunk()).await.expect("it does not hang");
    assert!(ended.is_err(), "an answer that was cut does not look whole: {ended:?}");
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_as_it_said_it() {
    let world = World::start().await;
    let provider = Upstream::start(
        None,
        Arc::new(|_| {
            Box::pin(async move {
                let mut answer =
                    json(529, &serde_json::json!({"type": "error", "error": {"type": "overloaded_error"}}));
                answer.headers_mut().insert("retry-after", "3".parse().unwrap());
                answer.headers_mut().insert("set-cookie", "a=b".parse().unwrap());
                answer
            })
        }),
    )
    .await;
    let (_vm, client) = paying_vm(&world, &provider).await;

    let answer = client.post(world.vm_url(PATH)).body("{}").send().await.unwrap();

    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (529, &"3".parse().unwrap()));
    assert!(!answer.headers().contains_key("set-cookie"));
    assert!(answer.text().await.unwrap().contains("overloaded_error"));
}

#[tokio::test]
async fn an_unreachable_provider_is_a_problem_that_shows_no_key() {
    let world = World::start().await;
    let provider = echoing_provider().await;
    let (_vm, client) = paying_vm(&world, &provider).await;
    provider.stop().await;

    let answer = client.post(world.vm_url(PATH)).body("{}").send().await.unwrap();

    assert!(!format!("{:?}", answer.headers()).contains(KEY));
    let told = problem(answer).await;
    assert_eq!(told.code, Code::Unavailable);
    assert!(!format!("{told:?}").contains(KEY));
}

#[tokio::test]
async fn a_conversation_with_many_pictures_fits_and_a_larger_one_does_not() {
    let world = World::start().await;
    let provider = echoing_provider().await;
    let (_vm, client) = paying_vm(&world, &provider).await;
    let post = |size: usize| client.post(world.vm_url(PATH)).body(vec![b' '; size]).send();

    assert_eq!(Seen::read(post(32 << 20).await.unwrap()).await.body, 32 << 20);
    assert_eq!(post((32 << 20) + 1).await.unwrap().status(), 413);
}

#[tokio::test]
async fn when_the_sidecar_hangs_up_the_provider_notices() {
    let world = World::start().await;
    let (pieces, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let provider = Upstream::start(
        None,
        Arc::new(move |request| {
            let receiver = receiver.clone();
            Box::pin(async move {
                let _ = request.into_body().collect().await;
                let receiver = receiver.lock().unwrap().take().unwrap();
                streamed("text/event-stream", tokio_stream(receiver))
            })
        }),
    )
    .await;
    let (_vm, client) = paying_vm(&world, &provider).await;
    let answer = client.post(world.vm_url(PATH)).body("{}").send().await.unwrap();

    drop(answer);

    // A stopped turn must not go on costing money.
    tokio::time::timeout(Duration::from_secs(10), pieces.closed()).await.expect("the call to the provider is ended");
}

fn tokio_stream(receiver: mpsc::Receiver<Bytes>) -> impl futures_util::Stream<Item = Bytes> {
    futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)))
}

/// A provider that answers its one call with the pieces that the test sends.
async fn streaming_provider() -> (mpsc::Sender<Bytes>, Upstream) {
    let (pieces, receiver) = mpsc::channel::<Bytes>(8);
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let provider = Upstream::start(
        None,
        Arc::new(move |_| {
            let receiver = receiver.lock().unwrap().take().unwrap();
            Box::pin(async move { streamed("text/event-stream", tokio_stream(receiver)) })
        }),
    )
    .await;
    (pieces, provider)
}
