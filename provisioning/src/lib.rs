//! Where VMs come from: launched, observed and terminated behind one trait, on this machine or in a cloud.

use std::net::IpAddr;

use async_trait::async_trait;
use protocol::{DesktopId, VmId, vm::UserData};
use serde::{Deserialize, Serialize};

pub mod fake;
pub mod local;

/// A source of VMs. Every verb may be repeated: the second time it finds the work done and says so.
///
/// A VM is disposable: stopping a desktop terminates its VM and keeps its home, starting it launches
/// another one of the next generation on the same home. One VM at a time uses a home.
#[async_trait]
pub trait Provisioner: Send + Sync + 'static {
    /// Launches the VM that `spec` names, on the home of its desktop (made when there is none).
    /// A VM that exists already is answered as it is, a terminated one included: an id is used once.
    /// While another VM of the same desktop has not ended, the answer is [`ProvisionError::Transient`].
    async fn launch(&self, spec: &LaunchSpec) -> Result<Instance, ProvisionError>;

    /// Every VM of ours that the provider knows, the recently terminated perhaps included. A VM that
    /// ended by itself says why in [`Instance::detail`].
    async fn observe(&self) -> Result<Vec<Instance>, ProvisionError>;

    /// Ends a VM. Its desktop's home stays. A VM that nobody knows (any more) counts as ended.
    ///
    /// When the answer comes the VM may still be [`InstanceState::Terminating`]: see what
    /// [`observe`](Self::observe) says.
    async fn terminate(&self, vm: &VmId) -> Result<(), ProvisionError>;

    /// Deletes the home of a desktop that has no VM any more; one that has none is deleted already.
    /// While a VM of it has not ended, the answer is [`ProvisionError::Transient`] and the home stays.
    async fn delete_home(&self, desktop: &DesktopId) -> Result<(), ProvisionError>;
}

/// What is to be launched.
#[derive(Clone)]
pub struct LaunchSpec {
    pub vm_id: VmId,
    pub desktop_id: DesktopId,
    pub generation: i64,
    pub user_data: UserData,
}

/// A VM as its provider sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub vm_id: VmId,
    pub desktop_id: DesktopId,
    pub generation: i64,
    pub state: InstanceState,
    /// Where its sidecar can be reached once it runs.
    pub host: Option<IpAddr>,
    /// For a person: why it is in this state, when there is more to say.
    pub detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    Pending,
    Running,
    Terminating,
    Terminated,
}

/// Why a provider did not do it; the reconciler decides by the kind, a person by the text.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    #[error("not found: {0}")]
    NotFound(String),
    /// None to be had here and now; elsewhere or later there may be.
    #[error("no capacity: {0}")]
    Capacity(String),
    /// The account's limit; trying again does not help.
    #[error("over the quota: {0}")]
    Quota(String),
    /// Worth trying again.
    #[error(transparent)]
    Transient(anyhow::Error),
    /// Not worth trying again: a person has to mend something.
    #[error(transparent)]
    Fatal(anyhow::Error),
}
