//! Where a request goes, how the edge connects there, and what it says there in the client's name.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use pingora::{
    http::{RequestHeader, ResponseHeader},
    protocols::TcpKeepalive,
    upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy},
};
use protocol::{
    DesktopId, VmId, capability,
    edge::{CLIENT_ADDRESS_HEADER, Credential, Resolved, VM_HEADER},
    error::{Code, Problem},
    paths::REQUEST_ID_HEADER,
    vm::{CONTROL_SERVER_NAME, server_name},
};

use crate::{certs::Identity, headers, llm, upgrade_socket::UpgradeConnector};

const CONNECT: Duration = Duration::from_secs(3);
const CONNECT_AND_HANDSHAKE: Duration = Duration::from_secs(6);
/// The longest command takes 10 minutes.
const DESKTOP_SILENCE: Duration = Duration::from_secs(660);
/// An event stream may be silent for long; what is dead is found by TCP keepalive.
const CONTROL_SILENCE: Duration = Duration::from_secs(600);
/// Shorter than any server's own patience, so that a request seldom meets a connection that is being closed.
const IDLE: Duration = Duration::from_secs(20);

/// Who answers a request.
pub(crate) enum Target {
    /// The edge itself.
    Nobody,
    Control {
        /// From the certificate, on the VM listener.
        vm: Option<VmId>,
    },
    Desktop(Box<ToDesktop>),
    Model(Box<llm::Model>),
}

pub(crate) struct ToDesktop {
    pub(crate) desktop: DesktopId,
    pub(crate) credential: Credential,
    pub(crate) answer: Arc<Resolved>,
    /// Was the answer kept from an earlier request?
    pub(crate) kept: bool,
    /// The resolver's, from before it was asked.
    pub(crate) epoch: u64,
}

impl Target {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Target::Nobody => "edge",
            Target::Control { .. } => "control",
            Target::Desktop(_) => "desktop",
            Target::Model(_) => "model",
        }
    }

    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Target::Desktop(to) => Some(to.answer.user_id.as_str()),
            Target::Model(model) => Some(model.user.as_str()),
            Target::Nobody | Target::Control { .. } => None,
        }
    }

    /// Makes the client's request the edge's own.
    pub(crate) fn rewrite(
        &self,
        request: &mut RequestHeader,
        client: Option<IpAddr>,
        request_id: &str,
    ) -> pingora::Result<()> {
        if let Target::Model(model) = self {
            return model.rewrite(request);
        }
        headers::strip_internal(request);
        request.insert_header(REQUEST_ID_HEADER, request_id)?;
        match self {
            Target::Control { vm } => {
                if let Some(client) = client {
                    request.insert_header(CLIENT_ADDRESS_HEADER, client.to_string())?;
                }
                if let Some(vm) = vm {
                    headers::strip_credentials(request);
                    request.insert_header(VM_HEADER, vm.as_str())?;
                }
            }
            Target::Desktop(to) => {
                headers::strip_credentials(request);
                headers::strip_tickets(request)?;
                let capability = headers::secret(&to.answer.capability);
                let bad = || pingora::Error::new_in(pingora::ErrorType::InvalidHTTPHeader);
                request.insert_header(capability::HEADER, capability.ok_or_else(bad)?)?;
            }
            Target::Nobody | Target::Model(_) => {}
        }
        Ok(())
    }

    /// Looks at the head of the answer.
    pub(crate) fn answered(&mut self, response: &mut ResponseHeader) {
        if let Target::Model(model) = self {
            model.answered(response);
        }
    }

    /// Looks back when it is over.
    pub(crate) fn record(&mut self) {
        if let Target::Model(model) = self {
            model.record();
        }
    }

    /// What a broken connection there means to the client.
    pub(crate) fn failed(&self, timeout: bool) -> Problem {
        if timeout {
            return Problem::new(Code::Timeout, "The answer did not come in time. Try again.");
        }
        match self {
            Target::Desktop(_) => Problem::new(
                Code::DesktopUnreachable,
                "The desktop does not answer. It may be starting or stopping: look at its state, and try again.",
            ),
            Target::Model(_) => {
                Problem::new(Code::Unavailable, "The model provider cannot be reached. Try again in a moment.")
            }
            Target::Nobody | Target::Control { .. } => {
                Problem::new(Code::Unavailable, "CloudBot's control service does not answer. Try again in a moment.")
            }
        }
    }
}

/// control, by mutual TLS. Nothing is ever upgraded there.
pub(crate) async fn control_peer(identity: &Identity) -> anyhow::Result<HttpPeer> {
    let mut peer = mutual(identity, identity.control.address().await?, CONTROL_SERVER_NAME.to_owned());
    peer.group_key = identity.version;
    peer.options.read_timeout = Some(CONTROL_SILENCE);
    peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
    Ok(peer)
}

/// A desktop's sidecar, by mutual TLS. Its name is that of the very VM, so that another VM that got the same address
/// later is not taken for it; nor is a connection of an earlier generation.
pub(crate) async fn desktop_peer(identity: &Identity, to: &ToDesktop, upgrade: bool) -> anyhow::Result<HttpPeer> {
    let address = match to.answer.address.parse::<SocketAddr>() {
        Ok(address) => address,
        Err(_) => {
            let (host, port) = to.answer.address.rsplit_once(':').context("the desktop's address has no port")?;
            crate::look_up(host.trim_matches(['[', ']']), port.parse().context("the desktop's port")?).await?
        }
    };
    let mut peer = mutual(identity, address, server_name(&to.answer.vm_id));
    let mut group = DefaultHasher::new();
    (&to.desktop, to.answer.generation, &to.answer.vm_id, identity.version, upgrade).hash(&mut group);
    peer.group_key = group.finish();
    if upgrade {
        peer.options.custom_l4 = Some(UpgradeConnector::new(CONNECT));
        peer.options.idle_timeout = Some(Duration::ZERO);
    } else {
        peer.options.read_timeout = Some(DESKTOP_SILENCE);
    }
    Ok(peer)
}

fn mutual(identity: &Identity, address: SocketAddr, name: String) -> HttpPeer {
    let mut peer = HttpPeer::new_mtls(address, name, identity.client.clone());
    peer.options.ca = Some(identity.ca.clone());
    bounds(&mut peer);
    peer
}

/// What holds for every upstream.
pub(crate) fn bounds(peer: &mut HttpPeer) {
    peer.options.connection_timeout = Some(CONNECT);
    peer.options.total_connection_timeout = Some(CONNECT_AND_HANDSHAKE);
    peer.options.write_timeout = Some(Duration::from_secs(60));
    peer.options.idle_timeout = Some(IDLE);
    peer.options.tcp_keepalive = Some(TcpKeepalive {
        idle: Duration::from_secs(30),
        interval: Duration::from_secs(10),
        count: 3,
        user_timeout: Duration::from_secs(0),
    });
}
