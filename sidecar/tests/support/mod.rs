//! What the gate's tests stand on: a private CA, the edge's VM listener, a desk and the edge as a client.

#![allow(dead_code, unreachable_pub, reason = "every test binary uses another part of it")]

pub mod authority;
pub mod desk;
pub mod edge;
pub mod screen;
pub mod script;
pub mod servers;
pub mod visit;

use std::time::Duration;

use protocol::{
    UserId, VmId,
    capability::{Actor, Scope},
    desktop::Size,
    vm::UserData,
};
use sidecar::gate;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::{authority::Authority, desk::Desk, edge::Edge, visit::Visitor};

/// A gate that runs in this process, with everything around it.
pub struct House {
    pub authority: Authority,
    pub edge: Edge,
    pub desk: Desk,
    pub user: UserId,
    pub folder: tempfile::TempDir,
    gate: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl House {
    /// Starts a gate and waits until it reports a painted desktop.
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// The same, with what control remembers and what the model will say set up before.
    pub async fn open_with(prepare: impl FnOnce(&Edge)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::start(&folder.path().join("desk.sock"));
        Self::open_at(folder, desk, prepare).await
    }

    /// Beside a desk of its own, whose socket is `desk.sock` in this folder.
    pub async fn open_at(folder: tempfile::TempDir, desk: Desk, prepare: impl FnOnce(&Edge)) -> Self {
        let authority = Authority::new();
        let edge = Edge::start(&authority).await;
        prepare(&edge);
        let user_data = UserData {
            vm_id: authority.vm.clone(),
            edge_url: format!("https://127.0.0.1:{}", edge.port),
            ca_pem: authority.ca_pem(),
            enrolment_token: "once".to_owned(),
            size: Size::DEFAULT,
        };
        std::fs::write(folder.path().join("user-data"), serde_json::to_vec(&user_data).unwrap()).unwrap();
        let mut house = Self {
            authority,
            edge,
            desk,
            user: UserId::generate(),
            folder,
            gate: JoinSet::new(),
            stop: CancellationToken::new(),
        };
        house.start().await;
        house
    }

    /// Starts the gate (again).
    pub async fn start(&mut self) {
        self.stop = CancellationToken::new();
        let args = gate::Args {
            user_data: self.folder.path().join("user-data"),
            state: self.folder.path().join("state"),
            desk_socket: self.folder.path().join("desk.sock"),
            desk_uid: Some(nix::unistd::geteuid().as_raw()),
            listen: "127.0.0.1:0".parse().unwrap(),
            servers: gate::servers::ServerArgs { mcp_start_seconds: 10, mcp_call_seconds: 3 },
        };
        let before = self.edge.with(|control| control.reports.len());
        self.gate.spawn(gate::run(args, self.stop.clone()));
        let painted = self.edge.until("a report of a painted desktop", |control| {
            control.reports[before..].iter().any(|report| format!("{:?}", report.desk).starts_with("Painted"))
        });
        painted.await;
    }

    /// Ends the gate as SIGTERM does.
    pub async fn stop(&mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.gate.join_next()).await;
        ended.expect("the gate ends in time").expect("it ran").expect("it did not panic").expect("it ended well");
    }

    /// The edge, on behalf of the user in a browser, with these scopes.
    pub fn visitor(&self, scopes: &[Scope]) -> Visitor {
        self.visitor_as(&self.user, Actor::Person, scopes)
    }

    /// The same, on behalf of a program of the user.
    pub fn program(&self, scopes: &[Scope]) -> Visitor {
        self.visitor_as(&self.user, Actor::Program, scopes)
    }

    pub fn visitor_as(&self, user: &UserId, actor: Actor, scopes: &[Scope]) -> Visitor {
        let port = self.edge.with(|control| control.reports.last().expect("it reported").port);
        Visitor::new(&self.authority, port, self.authority.capability(user, actor, scopes))
    }

    pub fn vm(&self) -> &VmId {
        &self.authority.vm
    }
}
