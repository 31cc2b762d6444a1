//! control: users, keys, desktops, sessions and the record of everything.

pub mod admin;
pub mod app;
pub mod clock;
pub mod config;
pub mod db;
pub mod desktops;
pub mod error;
pub mod grants;
pub mod http;
pub mod hub;
pub mod keys;
pub mod models;
pub mod secret;
pub mod sessions;
pub mod trust;
pub mod users;
pub mod vms;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use provisioning::local::{Local, LocalConfig};
use rustls::ServerConfig;
use secrecy::ExposeSecret;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, Settings},
    config::Config,
    db::Db,
    keys::seal::Sealer,
    models::Models,
    trust::{ca, ca::Ca, secret_file, tls},
    users::access::Signer,
};

/// Runs the service until cancelled.
pub async fn run(config: Config, cancel: CancellationToken) -> anyhow::Result<()> {
    let data = &config.store.data;
    let own = data.join("control");
    secret_file::create_folder(&own).context("CLOUDBOT_DATA cannot be used")?;
    // Before anything else is done: a second control on one data folder ends here.
    let address = config.listen.control_listen;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("listen on {address}: if another program uses it, stop that one or set CLOUDBOT_CONTROL_LISTEN")
    })?;
    let app = Arc::new(build(&config).await?);
    let edge_certs = config.listen.edge_certs.clone().unwrap_or_else(|| data.join("edge"));
    let (sender, receiver) = watch::channel(certify(&app, &edge_certs)?);
    tracing::info!(%address, "control listens");

    let reconciler = desktops::reconcile::run(app.clone(), cancel.clone());
    let server = http::serve::run(listener, receiver, http::router(app.clone()), cancel.clone());
    let renewal = renew(app.clone(), edge_certs, sender, cancel.clone());
    tokio::join!(reconciler, server, renewal);
    if config.desktops.stop_desktops_on_exit {
        desktops::reconcile::stop_all(&app).await.context("end the desktops")?;
    }
    app.db.close().await;
    Ok(())
}

async fn build(config: &Config) -> anyhow::Result<App> {
    let clock = clock::Clock::default();
    let data = &config.store.data;
    let own = data.join("control");
    let sealer = match &config.store.master_key {
        Some(key) => Sealer::new(key).context("CLOUDBOT_MASTER_KEY")?,
        None => {
            let path = own.join("master.key");
            let key = secret_file::read_or_create(&path, || Ok(Sealer::generate_master_key()))?;
            Sealer::new(&key.into()).with_context(|| path.display().to_string())?
        }
    };
    let signing = secret_file::read_or_create(&own.join("signing.pem"), Signer::generate_pem)?;
    let local = Local::new(LocalConfig::new(data, sidecar(config)?))?;
    local.preflight().await.context("desktops cannot run on this machine yet")?;
    let known = models::known(&config.model.anthropic_url, &config.model.openai_url);
    Ok(App {
        db: match &config.store.database_url {
            Some(url) => Db::connect(url.expose_secret()).await?,
            None => Db::embedded(&own.join("cloudbot.db")).await?,
        },
        settings: Settings {
            public_url: config.listen.public_url.clone(),
            vm_url: config.listen.vm_url.clone(),
            models: match &config.model.models {
                Some(path) => Models::read(path, known)?,
                None => Models::named(&config.model.anthropic_model, known).context("CLOUDBOT_ANTHROPIC_MODEL")?,
            },
            desktops_per_user: i64::from(config.desktops.desktops_per_user),
        },
        sealer,
        signer: Signer::new(&signing)?,
        ca: Ca::open(&own.join("ca"), clock.now())?,
        hasher: users::password::Hasher::new()?,
        attempts: Default::default(),
        blobs: sessions::blobs::Blobs::new(&data.join("blobs"))?,
        hub: Default::default(),
        provisioner: Arc::new(local),
        wake: Default::default(),
        provider_clients: keys::outside::Clients::new()?,
        since: clock.now(),
        clock,
    })
}

fn sidecar(config: &Config) -> anyhow::Result<PathBuf> {
    let path = match &config.desktops.sidecar {
        Some(path) => path.clone(),
        None => std::env::current_exe().context("find control's own binary")?.with_file_name("sidecar"),
    };
    anyhow::ensure!(
        path.is_file(),
        "the sidecar's binary is not at {}: build it, or set CLOUDBOT_SIDECAR",
        path.display()
    );
    Ok(path)
}

/// Issues certificates for control and the edge; the edge's are put where it looks for them.
fn certify(app: &App, edge_certs: &std::path::Path) -> anyhow::Result<Arc<ServerConfig>> {
    let now = app.clock.now();
    let edge = app.ca.issue_edge(now)?;
    tls::write_edge_folder(edge_certs, &app.ca, &edge).context("write the edge's certificate (CLOUDBOT_EDGE_CERTS)")?;
    Ok(Arc::new(tls::server_config(&app.ca, &app.ca.issue_control(now)?)?))
}

/// Renews both at half of their life.
async fn renew(
    app: Arc<App>,
    edge_certs: PathBuf,
    sender: watch::Sender<Arc<ServerConfig>>,
    cancel: CancellationToken,
) {
    let mut wait = ca::LIFETIME / 2;
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        match certify(&app, &edge_certs) {
            Ok(config) => {
                tracing::info!("certificates renewed");
                sender.send_replace(config);
                wait = ca::LIFETIME / 2;
            }
            Err(e) => {
                tracing::error!(error = format!("{e:#}"), "renew certificates; trying again in a minute");
                wait = Duration::from_secs(60);
            }
        }
    }
}
