//! Accepts connections, finishes TLS, learns who is at the other end, and hands them to pingora.

mod connections;
mod socket;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use pingora::{
    apps::ServerApp,
    protocols::{TcpKeepalive, l4::ext::set_tcp_keepalive},
    proxy::HttpProxy,
};
use protocol::VmId;
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::{
    connections::{Connection, Connections, Granted},
    socket::{Socket, Wire},
};
use crate::{certs::Certs, proxy::Proxy};

const HANDSHAKE: Duration = Duration::from_secs(10);

/// How a listener gets its TLS configuration for the next connection.
pub(crate) enum Tls {
    Fixed(Arc<ServerConfig>),
    /// The VM listener's, which changes when control renews the certificates.
    Internal(Certs),
}

impl Tls {
    fn now(&self) -> Arc<ServerConfig> {
        match self {
            Tls::Fixed(config) => config.clone(),
            Tls::Internal(certs) => certs.now().vm_server.clone(),
        }
    }
}

/// Takes a port, or says in plain words why not.
pub(crate) async fn bind(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bail!(
            "port {} on {} is taken by another program: stop that one, or set {variable} to another address",
            address.port(),
            address.ip()
        ),
        Err(error) => Err(error).with_context(|| format!("listen on {address} ({variable})")),
    }
}

pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) tls: Option<Tls>,
    pub(crate) connections: Arc<Connections>,
    /// For so many at once: of its own, so that strangers at one door take no place at the other.
    pub(crate) places: Arc<Semaphore>,
    /// How long a request's head may take from its first byte to its last.
    pub(crate) head_patience: Duration,
}

impl Listener {
    pub(crate) async fn serve(
        self,
        proxy: Arc<HttpProxy<Proxy>>,
        tasks: TaskTracker,
        stop: CancellationToken,
        drain: watch::Receiver<bool>,
    ) {
        while let Some(accepted) = stop.run_until_cancelled(self.socket.accept()).await {
            let (tcp, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: at full speed this loop would only make it worse.
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Some(admitted) = self.connections.admit(&self.places) else {
                metrics::counter!("cloudbot_edge_connections_refused_total").increment(1);
                continue;
            };
            let tls = self.tls.as_ref().map(Tls::now);
            let (proxy, drain, head_patience) = (proxy.clone(), drain.clone(), self.head_patience);
            tasks.spawn(async move {
                match open(tcp, tls).await {
                    Ok((wire, vm)) => {
                        let connection = admitted.register(peer, vm);
                        let socket = Socket::new(wire, connection.shared(), head_patience);
                        proxy.process_new(Box::new(socket), &drain).await;
                    }
                    Err(error) => tracing::debug!(%peer, error = format!("{error:#}"), "handshake"),
                }
            });
        }
    }
}

async fn open(tcp: TcpStream, tls: Option<Arc<ServerConfig>>) -> anyhow::Result<(Wire, Option<VmId>)> {
    tcp.set_nodelay(true)?;
    // An idle WebSocket has no time-out: this is what finds out that its client is gone.
    let keepalive = TcpKeepalive {
        idle: Duration::from_secs(60),
        interval: Duration::from_secs(15),
        count: 4,
        user_timeout: Duration::from_secs(0),
    };
    set_tcp_keepalive(&tcp, &keepalive).map_err(|error| anyhow::anyhow!("{error}"))?;
    let Some(config) = tls else { return Ok((Wire::Plain(tcp), None)) };
    let accepting = TlsAcceptor::from(config).accept(tcp);
    let stream = tokio::time::timeout(HANDSHAKE, accepting).await.context("TLS handshake")??;
    let vm = stream.get_ref().1.peer_certificates().and_then(|chain| vm_of(chain.first()?));
    Ok((Wire::Tls(Box::new(stream)), vm))
}

/// The VM that a (verified) certificate names: its one DNS name is `<vm id>.vm.cloudbot.internal`. A certificate of
/// another role, or of more names than one, is no VM's.
fn vm_of(cert: &CertificateDer<'_>) -> Option<VmId> {
    let (_, cert) = x509_parser::parse_x509_certificate(cert).ok()?;
    let names = &cert.subject_alternative_name().ok()??.value.general_names;
    let [x509_parser::extensions::GeneralName::DNSName(name)] = names.as_slice() else { return None };
    let vm: VmId = name.split_once('.')?.0.parse().ok()?;
    (protocol::vm::server_name(&vm) == *name).then_some(vm)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cert(names: &[&str]) -> CertificateDer<'static> {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        rcgen::generate_simple_self_signed(names).unwrap().cert.der().clone()
    }

    #[test]
    fn a_certificate_of_the_role_vm_names_its_vm() {
        let vm = VmId::generate();

        assert_eq!(vm_of(&cert(&[&protocol::vm::server_name(&vm)])), Some(vm));
    }

    #[test]
    fn a_certificate_of_another_role_or_of_two_names_is_no_vm() {
        let vm = protocol::vm::server_name(&VmId::generate());

        for names in [
            vec![protocol::vm::EDGE_SERVER_NAME],
            vec![protocol::vm::CONTROL_SERVER_NAME],
            vec![vm.as_str(), protocol::vm::EDGE_SERVER_NAME],
            vec!["vm-1.vm.cloudbot.internal"],
            vec![&vm.replace(".vm.cloudbot.internal", ".vm.example.org")],
        ] {
            assert_eq!(vm_of(&cert(&names)), None, "{names:?}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_variable_that_moves_it() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();

        let refused = bind(taken.local_addr().unwrap(), "CLOUDBOT_LISTEN").await.unwrap_err().to_string();

        assert!(refused.contains("is taken") && refused.contains("CLOUDBOT_LISTEN"), "{refused}");
    }
}
