//! control's own door: TLS that opens for edges alone.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use control::{http::serve, trust::tls};
use protocol::vm::CONTROL_SERVER_NAME;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::support::Control;

struct Door {
    control: Control,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Door {
    async fn open() -> Self {
        let control = Control::on_sqlite().await;
        let (app, now) = (&control.app, control.app.clock.now());
        let config = tls::server_config(&app.ca, &app.ca.issue_control(now).unwrap()).unwrap();
        let (_, config) = watch::channel(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let mut serving = JoinSet::new();
        serving.spawn(serve::run(listener, config, control.router.clone(), stop.clone()));
        Self { control, address, stop, serving }
    }

    /// Asks whether it is ready, with this certificate and key.
    async fn ask(&self, identity: Option<(&str, &str)>) -> Result<u16, reqwest::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.control.app.ca.root_pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .resolve(CONTROL_SERVER_NAME, self.address)
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()
            .unwrap();
        let url = format!("https://{CONTROL_SERVER_NAME}:{}/readyz", self.address.port());
        client.get(url).send().await.map(|answer| answer.status().as_u16())
    }
}

#[tokio::test]
async fn an_edge_is_let_in() {
    let door = Door::open().await;
    let edge = door.control.app.ca.issue_edge(door.control.app.clock.now()).unwrap();

    assert_eq!(door.ask(Some((&edge.certificate_pem, &edge.key_pem))).await.unwrap(), 204);
}

#[tokio::test]
async fn nobody_else_is_let_in() {
    let door = Door::open().await;
    let (app, now) = (&door.control.app, door.control.app.clock.now());
    let browser = door.control.user("ada").await;
    let (_, vm) = door.control.ready_desktop(&browser).await;
    let vm_certificate = crate::support::vm::certificate_of(&vm.renew().await);
    let itself = app.ca.issue_control(now).unwrap();
    let stranger = Control::on_sqlite().await.app.ca.issue_edge(now).unwrap();
    let expired = app.ca.issue_edge(now - 8 * 24 * 3600 * 1000).unwrap();

    for (who, identity) in [
        ("nobody", None),
        ("a VM", Some((&vm_certificate, &vm.key.serialize_pem()))),
        ("control itself", Some((&itself.certificate_pem, &itself.key_pem))),
        ("an edge of another CA", Some((&stranger.certificate_pem, &stranger.key_pem))),
        ("an edge of long ago", Some((&expired.certificate_pem, &expired.key_pem))),
    ] {
        let answer = door.ask(identity.map(|(certificate, key)| (certificate.as_str(), key.as_str()))).await;
        assert!(answer.is_err(), "{who} was answered: {answer:?}");
    }
}

#[tokio::test]
async fn a_silent_client_holds_nobody_up_and_the_door_closes() {
    let mut door = Door::open().await;
    let _silent = tokio::net::TcpStream::connect(door.address).await.unwrap();
    let edge = door.control.app.ca.issue_edge(door.control.app.clock.now()).unwrap();
    assert_eq!(door.ask(Some((&edge.certificate_pem, &edge.key_pem))).await.unwrap(), 204);

    door.stop.cancel();

    let closed = tokio::time::timeout(Duration::from_secs(15), door.serving.join_next()).await;
    assert!(closed.is_ok(), "it ends, whatever its clients do");
}
