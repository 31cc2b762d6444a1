//! Identity, network and the agent loop, as a user of its own.

pub mod agent;
pub mod chat;
pub mod clock;
pub mod desk;
pub mod edge;
pub mod http;
pub mod identity;
pub mod lease;
pub mod mcp;
pub mod model;
pub mod patience;
pub mod servers;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use protocol::vm::{DeskHealth, Report};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    agent::{Agent, journal::Journal},
    desk::Desk,
    http::{App, capability::Capabilities, control::Preview},
    identity::{enrol::Identity, key::StateDir, report, tls, user_data},
    lease::Lease,
    mcp::{Mcp, seats::Bounds},
    servers::Servers,
};

/// What the gate is told when it starts.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The VM's user-data: who it is, where the edge is, the CA, the enrolment token.
    #[arg(long, env = "CLOUDBOT_USER_DATA", value_name = "FILE")]
    pub user_data: PathBuf,
    /// The folder for key and certificate; made when it is not there, closed to other users.
    #[arg(long, env = "CLOUDBOT_STATE", value_name = "DIR")]
    pub state: PathBuf,
    /// The socket on which `sidecar desk` listens.
    #[arg(long, env = "CLOUDBOT_DESK_SOCKET", value_name = "PATH")]
    pub desk_socket: PathBuf,
    /// The user who must be at the other end of that socket; anybody unless told.
    #[arg(long, env = "CLOUDBOT_DESK_UID", value_name = "UID")]
    pub desk_uid: Option<u32>,
    /// Where the edge reaches this gate; port 0 takes a free one, and control is told which.
    #[arg(long, env = "CLOUDBOT_GATE_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub servers: servers::ServerArgs,
}

/// So long the gate waits for a desk before it serves without one.
const DESK_WITHIN: Duration = Duration::from_secs(5);

/// Runs the gate until `stop`.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<()> {
    let user_data = user_data::read(&args.user_data)?;
    let state = StateDir::open(&args.state)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("listen on {}: choose another address with --listen", args.listen))?;
    let port = listener.local_addr().context("ask for the port")?.port();
    let desk = Desk::new(args.desk_socket, args.desk_uid);
    let tasks = TaskTracker::new();

    // The desktop comes up while the VM enrols.
    let (health, watched) = watch::channel(DeskHealth::Waiting { reason: "the desktop starts".to_owned() });
    let (knows, desk_knows) = watch::channel(None);
    tasks.spawn(report::watch_desk(desk.clone(), health, knows, stop.clone()));
    let begin = async {
        let identity = Identity::establish(&user_data, state.clone()).await?;
        let assignment = identity.assignment().await;
        anyhow::Ok((identity, assignment))
    };
    if let Some(begun) = stop.run_until_cancelled(begin).await {
        let (identity, assignment) = begun?;
        tracing::info!(vm = %identity.vm, desktop = %assignment.desktop_id, generation = assignment.generation, port, "serving");
        let over = CancellationToken::new();
        let report = Report {
            generation: assignment.generation,
            port,
            desk: DeskHealth::Waiting { reason: String::new() },
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        tasks.spawn(report::report(identity.edge.clone(), report, watched.clone(), over.clone(), stop.clone()));
        let journal = Journal { edge: identity.edge.clone(), generation: assignment.generation };
        // Whatever a former life left running is ended first: it must not be taken for what comes now.
        let _ = tokio::time::timeout(DESK_WITHIN, desk_knows.clone().wait_for(Option::is_some)).await;
        let lease = Lease::open(state, assignment.lease.clone())?;
        tasks.spawn(lease.clone().keep_floor(desk.clone(), desk_knows, stop.clone()));
        tasks.spawn(lease.clone().report(identity.edge.clone(), assignment.generation, over.clone(), stop.clone()));
        let with = (desk.clone(), journal.clone(), lease.clone());
        let servers = Servers::new(with, watched.clone(), &args.servers, tasks.clone(), stop.clone());
        tasks.spawn(servers.clone().follow(over.clone(), stop.clone()));
        let agent = Agent::new(journal, desk.clone(), lease.clone(), servers.clone());
        tasks.spawn(agent.clone().work(watched, over.clone(), stop.clone()));
        tasks.spawn(agent.clone().heed_notices(over, stop.clone()));
        let mcp = Mcp::new(desk.clone(), lease.clone(), Bounds::USUAL, stop.clone());
        tasks.spawn(mcp.clone().tidy(stop.clone()));
        let app = App {
            capabilities: Capabilities::of(&assignment)?,
            desk,
            agent,
            lease,
            mcp,
            servers,
            preview: Preview::default(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let tls = tls::server(&identity.roots, identity.shown.clone())?;
        tasks.spawn(http::serve::serve(listener, tls, http::router(Arc::new(app)), tasks.clone(), stop.clone()));
        tasks.spawn(identity.keep_fresh(stop.clone()));
        stop.cancelled().await;
    }
    tasks.close();
    if tokio::time::timeout(Duration::from_secs(8), tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "some tasks did not end in time");
    }
    Ok(())
}
