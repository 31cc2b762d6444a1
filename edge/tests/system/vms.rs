//! The VM listener: certificates decide.

use std::time::Duration;

use bytes::Bytes;
use protocol::{VmId, error::Code, vm::server_name};

use crate::support::{World, ca::Ca, problem, until, upstream::Seen};

#[tokio::test]
async fn enrolment_needs_no_certificate_and_everything_else_does() {
    let world = World::start().await;
    let client = world.vm_client(None);

    let enrol = client.post(world.vm_url("/vm/v1/enrol")).body("{}").send().await.unwrap();
    let seen = Seen::read(enrol).await;
    assert_eq!((seen.path.as_str(), seen.header("x-cloudbot-vm")), ("/vm/v1/enrol", None));

    for path in ["/vm/v1/work", "/vm/v1/renew", "/vm/v1/enrol/x", "/llm/anthropic/v1/messages", "/anything"] {
        let refused = client.post(world.vm_url(path)).body("{}").send().await.unwrap();
        assert_eq!(problem(refused).await.code, Code::NotSignedIn, "{path}");
    }
}

#[tokio::test]
async fn a_vm_is_who_its_certificate_says() {
    let world = World::start().await;
    let vm = VmId::generate();
    let client = world.vm_client(Some(&server_name(&vm)));

    let answer = client
        .post(world.vm_url("/vm/v1/report?x=1"))
        .header("x-cloudbot-vm", "vm-forged")
        .header("x-cloudbot-client", "6.6.6.6")
        .header("cookie", "cloudbot_access=x")
        .header("authorization", "Bearer x")
        .body("{}")
        .send()
        .await
        .unwrap();

    let seen = Seen::read(answer).await;
    let named: Vec<_> =
        seen.headers.iter().filter(|(name, _)| name == "x-cloudbot-vm").map(|(_, value)| value.as_str()).collect();
    assert_eq!(named, [vm.as_str()]);
    assert_eq!(seen.path, "/vm/v1/report?x=1");
    assert_eq!(seen.header("x-cloudbot-client"), Some("127.0.0.1"));
    assert_eq!((seen.header("cookie"), seen.header("authorization")), (None, None));
}

#[tokio::test]
async fn a_certificate_of_another_role_is_no_vm() {
    let world = World::start().await;

    for name in [protocol::vm::EDGE_SERVER_NAME, protocol::vm::CONTROL_SERVER_NAME, "vm-1.vm.cloudbot.internal"] {
        let refused = world.vm_client(Some(name)).get(world.vm_url("/vm/v1/work")).send().await.unwrap();
        assert_eq!(problem(refused).await.code, Code::NotSignedIn, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_not_even_greeted() {
    let world = World::start().await;
    let stranger = Ca::new().issue(&server_name(&VmId::generate()));
    let tls = world.ca.client(Some(stranger));
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .resolve(protocol::vm::EDGE_SERVER_NAME, world.edge().vm)
        .no_proxy()
        .build()
        .unwrap();

    assert!(client.post(world.vm_url("/vm/v1/enrol")).body("{}").send().await.is_err());
}

#[tokio::test]
async fn strangers_at_the_public_door_take_no_place_from_vms() {
    let world = World::start_with(|config| config.max_connections = 16).await;
    let public = world.edge().public;
    let mut strangers = Vec::new();
    for _ in 0..16 {
        strangers.push(tokio::net::TcpStream::connect(public).await.unwrap());
    }
    until("there is no place left for another", async || {
        let refused = world.http.get(world.url("/healthz")).send().await;
        refused.is_err()
    })
    .await;

    let vm = world.vm_client(Some(&server_name(&VmId::generate())));
    let answer = vm.get(world.vm_url("/vm/v1/work")).send().await.unwrap();

    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn the_public_api_is_not_on_this_listener() {
    let world = World::start().await;
    let client = world.vm_client(Some(&server_name(&VmId::generate())));

    for path in
        ["/api/v1/me", "/internal/v1/resolve", "/", "/healthz", "/vm/v2/work", "/vm/v1/../../internal/v1/resolve"]
    {
        let answer = client.get(world.vm_url(path)).send().await.unwrap();
        assert!([404, 400].contains(&answer.status().as_u16()), "{path}: {}", answer.status());
    }
    assert_eq!(world.control.connections(), 0);
}

#[tokio::test]
async fn notices_arrive_one_by_one_as_they_happen() {
    let world = World::start().await;
    let notices = world.control.streams();
    let client = world.vm_client(Some(&server_name(&VmId::generate())));

    let mut answer = client.get(world.vm_url("/vm/v1/notices")).send().await.unwrap();

    for n in 0..3 {
        let notice = Bytes::from(format!("data: {n}\n\n"));
        notices.send(notice.clone()).await.unwrap();
        let arrived = tokio::time::timeout(Duration::from_secs(5), answer.chunk()).await.expect("it is not held back");
        assert_eq!(arrived.unwrap(), Some(notice));
    }
}

#[tokio::test]
async fn a_picture_of_eight_mebibytes_fits_and_a_larger_one_does_not() {
    let world = World::start().await;
    let client = world.vm_client(Some(&server_name(&VmId::generate())));
    let put = |size: usize| client.put(world.vm_url("/vm/v1/blobs/0")).body(vec![0; size]).send();

    assert_eq!(Seen::read(put(8 << 20).await.unwrap()).await.body, 8 << 20);
    assert_eq!(put((8 << 20) + 1).await.unwrap().status(), 413);
}

#[tokio::test]
async fn renewed_certificates_are_used_without_a_restart() {
    let world = World::start().await;
    let vm = server_name(&VmId::generate());
    let before = served_certificate(&world).await;

    world.ca.issue(protocol::vm::EDGE_SERVER_NAME).write_to(&world.folder.path().join("edge"), &world.ca);

    crate::support::until("the listener shows the new certificate", || async {
        served_certificate(&world).await != before
    })
    .await;
    let answer = world.vm_client(Some(&vm)).get(world.vm_url("/vm/v1/work")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(world.get("/api/v1/me").await.status(), 200, "and control is still reached");
}

async fn served_certificate(world: &World) -> Vec<u8> {
    let tcp = tokio::net::TcpStream::connect(world.edge().vm).await.unwrap();
    let tls = tokio_rustls::TlsConnector::from(std::sync::Arc::new(world.ca.client(None)));
    let stream = tls.connect(protocol::vm::EDGE_SERVER_NAME.try_into().unwrap(), tcp).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}
