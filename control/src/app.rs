//! What every verb works with: the database, the clock, keys, the provider.

use std::sync::Arc;

use protocol::Millis;
use provisioning::Provisioner;
use tokio::sync::Notify;
use url::Url;

use crate::{
    clock::Clock,
    db::Db,
    hub::Hub,
    keys::{outside::Clients, seal::Sealer},
    models::Models,
    sessions::blobs::Blobs,
    trust::ca::Ca,
    users::{access::Signer, password::Hasher, sign_in::Attempts},
};

pub struct App {
    pub db: Db,
    pub clock: Clock,
    /// When this control began: before, nobody could tell it anything.
    pub since: Millis,
    pub settings: Settings,
    pub sealer: Sealer,
    pub signer: Signer,
    pub ca: Ca,
    pub hasher: Hasher,
    pub attempts: Attempts,
    pub blobs: Blobs,
    pub hub: Hub,
    pub provisioner: Arc<dyn Provisioner>,
    /// Wakes the reconciler.
    pub wake: Notify,
    /// Asks model providers.
    pub provider_clients: Clients,
}

/// What an operator may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where browsers find CloudBot: the origin that their requests must come from.
    pub public_url: Url,
    /// Where sidecars find the edge's VM listener.
    pub vm_url: Url,
    pub models: Models,
    pub desktops_per_user: i64,
}
