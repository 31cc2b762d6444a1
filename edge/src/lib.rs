//! The door of CloudBot: terminates connections, asks control who may pass, and carries what may to control, to a desktop
//! or to a model provider.
//!
//! Three listeners: the public one for browsers and programs, one for the VMs' sidecars (by certificate), one for metrics.

mod access_log;
mod certs;
pub mod config;
mod control;
mod door;
mod empty_frame;
mod error_page;
mod files;
mod forward;
mod headers;
mod hygiene;
mod limits;
mod listener;
mod llm;
mod metrics_page;
mod proxy;
mod resolve;
mod revoke;
mod route;
mod upgrade_socket;
mod verify;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use pingora::{apps::ServerApp, proxy::http_proxy, server::configuration::ServerConf};
use tokio::sync::{Semaphore, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    certs::Certs,
    config::Config,
    door::Door,
    listener::{Connections, Listener, Tls},
    proxy::Proxy,
    resolve::Resolver,
    revoke::Watch,
};

/// Unix time in milliseconds, from whoever tells the time here.
pub type Clock = Arc<dyn Fn() -> protocol::Millis + Send + Sync>;

/// Runs the edge until `stop` is cancelled.
pub async fn run(config: Config, metrics: PrometheusHandle, stop: CancellationToken) -> anyhow::Result<()> {
    let starting = Edge::start(config, metrics);
    let edge = tokio::select! {
        edge = starting => edge?,
        () = stop.cancelled() => return Ok(()),
    };
    tracing::info!(public = %edge.public, vm = %edge.vm, metrics = %edge.metrics, "listening");
    stop.cancelled().await;
    edge.shut_down().await;
    Ok(())
}

/// A running edge.
pub struct Edge {
    pub public: SocketAddr,
    pub vm: SocketAddr,
    pub metrics: SocketAddr,
    stop: CancellationToken,
    draining: watch::Sender<bool>,
    proxies: Vec<Arc<pingora::proxy::HttpProxy<Proxy>>>,
    connections: Arc<Connections>,
    tasks: TaskTracker,
    grace: Duration,
}

impl Edge {
    /// Takes the ports, waits for the certificates that control writes, and opens.
    pub async fn start(config: Config, metrics: PrometheusHandle) -> anyhow::Result<Self> {
        let public = listener::bind(config.listen, "CLOUDBOT_LISTEN").await?;
        let vm = listener::bind(config.vm_listen, "CLOUDBOT_VM_LISTEN").await?;
        let metrics_listener = listener::bind(config.metrics_listen, "CLOUDBOT_METRICS_LISTEN").await?;
        let addresses = (public.local_addr()?, vm.local_addr()?, metrics_listener.local_addr()?);
        let public_tls = config.tls.as_ref().map(certs::public_tls).transpose()?;
        let certs = Certs::load(&config.edge_certs, config.control_url.clone(), config.certs_patience).await?;

        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let connections = Connections::new();
        let all = limits::connections(config.max_connections);
        let of_vms = all / 4;
        let (draining, drain) = watch::channel(false);

        let server = Arc::new(ServerConf {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            max_retries: 3,
            // The connector trusts the private CA alone; the one peer outside it brings its own roots.
            ca_file: Some(config.edge_certs.join(certs::CA_FILE).to_string_lossy().into_owned()),
            ..ServerConf::default()
        });
        let clock: Clock = Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
        let watch = Watch {
            certs: certs.clone(),
            connections: connections.clone(),
            resolver: Arc::new(Resolver::new(clock.clone())),
            clock,
            every: config.recheck,
            missed: Arc::default(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        tasks.spawn(watch.clone().run());
        let mut proxies = Vec::new();
        let doors = [
            (public, Door::public(&config, addresses.0, watch)?, public_tls.map(Tls::Fixed), all - of_vms),
            (vm, Door::vm(certs.clone()), Some(Tls::Internal(certs.clone())), of_vms),
        ];
        for (socket, door, tls, places) in doors {
            let mut http = http_proxy(&server, Proxy::new(door, config.client_read_timeout));
            http.server_options = Some(limits::server_options());
            let http = Arc::new(http);
            proxies.push(http.clone());
            let listener = Listener {
                socket,
                tls,
                connections: connections.clone(),
                places: Arc::new(Semaphore::new(places)),
                head_patience: config.head_patience,
            };
            tasks.spawn(listener.serve(http, tasks.clone(), stop.clone(), drain.clone()));
        }
        tasks.spawn(metrics_page::serve(metrics_listener, metrics, stop.clone()));
        tasks.spawn(certs.clone().watch_files(stop.clone()));

        let (public, vm, metrics) = addresses;
        Ok(Self { public, vm, metrics, stop, draining, proxies, connections, tasks, grace: config.grace })
    }

    /// Closes: WebSockets and event streams at once, so that their clients look for another edge; everything else gets
    /// `grace` to end by itself.
    pub async fn shut_down(self) {
        self.stop.cancel();
        let _ = self.draining.send(true);
        for proxy in &self.proxies {
            proxy.cleanup().await;
        }
        self.connections.cut_long_lived();
        self.tasks.close();
        if tokio::time::timeout(self.grace, self.tasks.wait()).await.is_err() {
            self.connections.cut_all();
            let _ = tokio::time::timeout(Duration::from_millis(500), self.tasks.wait()).await;
        }
    }
}

/// The address that a configured host and port stand for now.
async fn look_up(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    addresses(host, port).await?.next().with_context(|| format!("{host} has no address"))
}

async fn addresses(host: &str, port: u16) -> anyhow::Result<impl Iterator<Item = SocketAddr>> {
    tokio::net::lookup_host((host.to_owned(), port)).await.with_context(|| format!("look up {host}"))
}
