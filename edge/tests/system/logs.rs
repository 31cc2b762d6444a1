//! What the edge writes down: enough to find a request again, and nothing that opens a door.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use protocol::{DesktopId, UserId, VmId, edge::ModelKey, vm::server_name};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::support::{World, resolved};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_no_query_and_no_id_of_a_file_is_written_down() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn,edge=trace"))
        .with_ansi(false)
        .with_writer(written.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::start().await;
    let (desktop, sidecar) = world.desktop("user-credential").await;
    let vm = VmId::generate();
    world.control.pays(
        &vm,
        "anthropic",
        ModelKey {
            user_id: UserId::generate(),
            desktop_id: DesktopId::generate(),
            session_id: None,
            // Nobody listens there.
            base_url: "http://127.0.0.1:1".into(),
            api: protocol::model::ModelApi::AnthropicMessages,
            allow_private: true,
            api_key: Some("sk-ant-key".into()),
        },
    );

    let get = async |path: &str| {
        let url = world.url(&format!("/api/v1/desktops/{desktop}/{path}"));
        world
            .http
            .get(url)
            .bearer_auth("user-credential")
            .header("cookie", "cloudbot_access=cookie")
            .send()
            .await
            .unwrap()
            .status()
    };
    assert_eq!(get("files/diary.txt?token=query").await, 200);
    world.http.post(world.url("/api/v1/auth/login?token=query")).header("cookie", "c=cookie").send().await.unwrap();
    let model = world.vm_client(Some(&server_name(&vm)));
    assert_eq!(model.post(world.vm_url("/llm/anthropic/v1/messages")).body("{}").send().await.unwrap().status(), 503);
    let lost = resolved(&sidecar.vm, "127.0.0.1:1");
    world.control.resolves("user-credential", &desktop, Ok(lost));
    sidecar.upstream.stop().await;
    assert_eq!(get("screenshot?token=query").await, 502);

    let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    for told in ["/api/v1/desktops/{id}/files/{path}", "/api/v1/auth/login", "/llm/anthropic/v1/messages", "request_id"]
    {
        assert!(written.contains(told), "{told} is not in:\n{written}");
    }
    for secret in ["credential", "cookie", "query", "sk-ant", "diary", "header.", "signature"] {
        assert!(!written.contains(secret), "{secret} is in:\n{written}");
    }
}
