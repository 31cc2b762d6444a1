//! What every test here needs: a CA, an edge, and upstreams that play control and sidecars.

pub(crate) mod ca;
pub(crate) mod control;
pub(crate) mod sidecar;
pub(crate) mod upstream;

use std::{future::Future, path::Path, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use edge::{Edge, config::Config};
use metrics_exporter_prometheus::PrometheusBuilder;
use protocol::{
    DesktopId, TokenId, UserId, VmId,
    edge::{CredentialId, Resolved},
    error::Problem,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use self::{ca::Ca, control::Control, sidecar::Sidecar};

/// Longer than anything here takes on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An edge and its neighbours.
pub(crate) struct World {
    pub(crate) edge: Option<Edge>,
    pub(crate) ca: Ca,
    pub(crate) control: Control,
    pub(crate) folder: TempDir,
    pub(crate) http: reqwest::Client,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let ca = Ca::new();
        let control = Control::start(&ca).await;
        let folder = tempfile::tempdir().unwrap();
        let certs = folder.path().join("edge");
        ca.issue(protocol::vm::EDGE_SERVER_NAME).write_to(&certs, &ca);
        let web = folder.path().join("dist");
        std::fs::create_dir_all(web.join("assets")).unwrap();
        std::fs::write(web.join("index.html"), "<p>page</p>").unwrap();
        std::fs::write(web.join("assets/app-1a2b.js"), "app()").unwrap();

        // What is found out by asking now and then shows nothing of what is told.
        let recheck = Duration::from_secs(3600);
        let mut config = Config { edge_certs: certs, web, control_url: control.url(), recheck, ..Config::bounds() };
        change(&mut config);
        let edge = Edge::start(config, PrometheusBuilder::new().build_recorder().handle()).await.unwrap();
        until("the edge listens", || async { control.has_listener() }).await;
        Self { edge: Some(edge), ca, control, folder, http: plain_client() }
    }

    pub(crate) fn edge(&self) -> &Edge {
        self.edge.as_ref().unwrap()
    }

    /// An address on the public listener.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.edge().public)
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://localhost:{}", self.edge().public.port())
    }

    /// An address on the VM listener.
    pub(crate) fn vm_url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", protocol::vm::EDGE_SERVER_NAME, self.edge().vm.port())
    }

    /// A client of the VM listener, with the certificate of `name` if there is one.
    pub(crate) fn vm_client(&self, name: Option<&str>) -> reqwest::Client {
        let tls = self.ca.client(name.map(|name| self.ca.issue(name)));
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .resolve(protocol::vm::EDGE_SERVER_NAME, self.edge().vm)
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap()
    }

    /// A desktop that `credential` may reach, with a running sidecar.
    pub(crate) async fn desktop(&self, credential: &str) -> (DesktopId, Sidecar) {
        let vm = VmId::generate();
        let sidecar = Sidecar::start(&self.ca, &vm).await;
        let desktop = DesktopId::generate();
        self.control.resolves(credential, &desktop, Ok(resolved(&vm, &sidecar.upstream.address.to_string())));
        (desktop, sidecar)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) fn web(&self) -> &Path {
        self.folder.path()
    }
}

/// What control answers for a desktop that is served by `vm` at `address`.
pub(crate) fn resolved(vm: &VmId, address: &str) -> Resolved {
    let exp = now_ms() / 1000 + 60;
    let claims = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{exp}}}"#));
    Resolved {
        user_id: UserId::generate(),
        credential_id: CredentialId::Token(TokenId::generate()),
        ends_at: None,
        generation: 1,
        vm_id: vm.clone(),
        address: address.to_owned(),
        capability: format!("header.{claims}.signature"),
        fresh_until: now_ms() + 30_000,
    }
}

pub(crate) fn now_ms() -> i64 {
    i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

pub(crate) fn plain_client() -> reqwest::Client {
    // Any TLS configuration will do: without one the client looks for a default provider.
    let tls = rustls::ClientConfig::builder_with_provider(ca::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

pub(crate) async fn problem(answer: reqwest::Response) -> Problem {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Problem = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(problem.status, status);
    problem
}

/// Sends bytes that no well-behaved client would, and reads all that comes back.
pub(crate) async fn raw(address: std::net::SocketAddr, request: &str) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer)).await.expect("the edge closes");
    let _ = read;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until `condition` holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "waited in vain until {what}");
}
