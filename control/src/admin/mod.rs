//! What an operator does at control's own data, beside the running service.
//!
//! Whoever can read that folder holds control's keys already: these commands let nobody do more, they make it orderly.

pub mod vnc;

use anyhow::{Context, ensure};
use nix::unistd::{User, getuid};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    config::{AdminCommand, StoreArgs},
    db::Db,
    trust::{ca::Ca, secret_file},
    users::access::Signer,
};

/// Carries the command out; what it has to say goes to `out`.
pub async fn run(
    store: &StoreArgs,
    command: AdminCommand,
    out: &mut (impl std::io::Write + Send),
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let desk = Authority::open(store).await?;
    match command {
        AdminCommand::Vnc(args) => vnc::run(&desk, &args, out, cancel).await,
    }
}

/// control's keys and its database.
pub struct Authority {
    db: Db,
    clock: Clock,
    ca: Ca,
    signer: Signer,
    /// Who started the command, for the record.
    operator: String,
}

impl Authority {
    /// Nothing is made here: a folder without keys belongs to no control.
    async fn open(store: &StoreArgs) -> anyhow::Result<Self> {
        let own = store.data.join("control");
        let signing = secret_file::read(&own.join("signing.pem"))?
            .with_context(|| format!("{} holds no control's keys: set CLOUDBOT_DATA", store.data.display()))?;
        let ca = own.join("ca");
        ensure!(ca.join("root.cert.pem").is_file(), "{} holds no certificate authority", ca.display());
        let clock = Clock::default();
        let uid = getuid();
        Ok(Self {
            db: match &store.database_url {
                Some(url) => Db::connect(url.expose_secret()).await?,
                None => Db::embedded(&own.join("cloudbot.db")).await?,
            },
            ca: Ca::open(&ca, clock.now())?,
            signer: Signer::new(&signing)?,
            clock,
            operator: User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name),
        })
    }
}
