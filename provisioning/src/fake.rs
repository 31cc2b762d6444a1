//! A provider that exists only in memory and fails when told to: for tests of what stands above a provider.
//!
//! ```
//! # use provisioning::{Provisioner, LaunchSpec, ProvisionError, fake::{Fake, Failure, Verb}};
//! # async fn example(spec: LaunchSpec) {
//! let cloud = Fake::slow();
//! cloud.fail_next(Verb::Launch, Failure::Capacity);
//! assert!(matches!(cloud.launch(&spec).await, Err(ProvisionError::Capacity(_))));
//! cloud.launch(&spec).await.unwrap(); // Pending
//! cloud.now_running(&spec.vm_id);
//! cloud.end(&spec.vm_id, "taken away"); // as a spot interruption does
//! # }
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use protocol::{DesktopId, VmId};

use crate::{Instance, InstanceState, LaunchSpec, ProvisionError, Provisioner};

/// The fake cloud. A clone is another client of the same cloud, as a restarted control is.
#[derive(Clone)]
pub struct Fake {
    slow: bool,
    cloud: Arc<Mutex<Cloud>>,
}

/// A verb of [`Provisioner`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    Launch,
    Observe,
    Terminate,
    DeleteHome,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    NotFound,
    Capacity,
    Quota,
    Transient,
    Fatal,
    /// The work is done, the answer is lost: the caller sees [`ProvisionError::Transient`].
    LostReply,
}

#[derive(Default)]
struct Cloud {
    vms: BTreeMap<VmId, Instance>,
    homes: BTreeSet<DesktopId>,
    scripted: BTreeMap<Verb, VecDeque<Failure>>,
    calls: Vec<Verb>,
    launched: Vec<LaunchSpec>,
}

impl Default for Fake {
    fn default() -> Self {
        Self::new()
    }
}

impl Fake {
    /// VMs run as soon as they are launched and are gone as soon as they are terminated.
    pub fn new() -> Self {
        Self { slow: false, cloud: Arc::default() }
    }

    /// VMs stay pending until [`now_running`](Self::now_running), and terminating until
    /// [`now_terminated`](Self::now_terminated).
    pub fn slow() -> Self {
        Self { slow: true, ..Self::new() }
    }

    /// The next call of `verb` fails so. Several wait in a queue; calls after them succeed again.
    pub fn fail_next(&self, verb: Verb, failure: Failure) {
        self.cloud().scripted.entry(verb).or_default().push_back(failure);
    }

    /// A pending VM runs.
    pub fn now_running(&self, vm: &VmId) {
        self.change(vm, |vm| {
            vm.state = InstanceState::Running;
            vm.host = Some(HOST);
        });
    }

    /// A terminating VM has ended.
    pub fn now_terminated(&self, vm: &VmId) {
        self.change(vm, |vm| end(vm, None));
    }

    /// A VM ends by itself, as by a crash or a spot interruption; `why` becomes its detail.
    pub fn end(&self, vm: &VmId, why: &str) {
        self.change(vm, |vm| end(vm, Some(why.to_owned())));
    }

    /// The provider does not know the VM any more.
    pub fn forget(&self, vm: &VmId) {
        self.cloud().vms.remove(vm);
    }

    /// A VM of ours that no row tells of.
    pub fn plant(&self, vm: Instance) {
        let mut cloud = self.cloud();
        cloud.homes.insert(vm.desktop_id.clone());
        cloud.vms.insert(vm.vm_id.clone(), vm);
    }

    /// A VM as it is now.
    pub fn vm(&self, vm: &VmId) -> Option<Instance> {
        self.cloud().vms.get(vm).cloned()
    }

    pub fn has_home(&self, desktop: &DesktopId) -> bool {
        self.cloud().homes.contains(desktop)
    }

    /// Every call so far, the failed ones included.
    pub fn calls(&self) -> Vec<Verb> {
        self.cloud().calls.clone()
    }

    /// What was launched, each VM once.
    pub fn launched(&self) -> Vec<LaunchSpec> {
        self.cloud().launched.clone()
    }

    fn cloud(&self) -> MutexGuard<'_, Cloud> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, vm: &VmId, change: impl FnOnce(&mut Instance)) {
        change(self.cloud().vms.get_mut(vm).unwrap_or_else(|| panic!("the test never launched {vm}")));
    }

    /// Counts the call, fails it if the script says so, else does it; a lost reply fails it afterwards.
    fn call<T>(
        &self,
        verb: Verb,
        work: impl FnOnce(&mut Cloud) -> Result<T, ProvisionError>,
    ) -> Result<T, ProvisionError> {
        let mut cloud = self.cloud();
        cloud.calls.push(verb);
        let scripted = cloud.scripted.get_mut(&verb).and_then(VecDeque::pop_front);
        let say = || format!("the script of the fake fails this {verb:?}");
        match scripted {
            None => work(&mut cloud),
            Some(Failure::NotFound) => Err(ProvisionError::NotFound(say())),
            Some(Failure::Capacity) => Err(ProvisionError::Capacity(say())),
            Some(Failure::Quota) => Err(ProvisionError::Quota(say())),
            Some(Failure::Transient) => Err(ProvisionError::Transient(anyhow::anyhow!(say()))),
            Some(Failure::Fatal) => Err(ProvisionError::Fatal(anyhow::anyhow!(say()))),
            Some(Failure::LostReply) => {
                work(&mut cloud)?;
                Err(ProvisionError::Transient(anyhow::anyhow!("the answer to this {verb:?} was lost")))
            }
        }
    }
}

#[async_trait]
impl Provisioner for Fake {
    async fn launch(&self, spec: &LaunchSpec) -> Result<Instance, ProvisionError> {
        self.call(Verb::Launch, |cloud| {
            if let Some(vm) = cloud.vms.get(&spec.vm_id) {
                return Ok(vm.clone());
            }
            if let Some(other) = cloud.live_vm_of(&spec.desktop_id) {
                return Err(ProvisionError::Transient(anyhow::anyhow!("{other} still uses this desktop's home")));
            }
            let vm = Instance {
                vm_id: spec.vm_id.clone(),
                desktop_id: spec.desktop_id.clone(),
                generation: spec.generation,
                state: if self.slow { InstanceState::Pending } else { InstanceState::Running },
                host: (!self.slow).then_some(HOST),
                detail: None,
            };
            cloud.homes.insert(spec.desktop_id.clone());
            cloud.vms.insert(spec.vm_id.clone(), vm.clone());
            cloud.launched.push(spec.clone());
            Ok(vm)
        })
    }

    async fn observe(&self) -> Result<Vec<Instance>, ProvisionError> {
        self.call(Verb::Observe, |cloud| Ok(cloud.vms.values().cloned().collect()))
    }

    async fn terminate(&self, vm: &VmId) -> Result<(), ProvisionError> {
        self.call(Verb::Terminate, |cloud| {
            match cloud.vms.get_mut(vm) {
                Some(vm) if vm.state == InstanceState::Terminated => {}
                Some(vm) if self.slow => vm.state = InstanceState::Terminating,
                Some(vm) => end(vm, None),
                None => {}
            }
            Ok(())
        })
    }

    async fn delete_home(&self, desktop: &DesktopId) -> Result<(), ProvisionError> {
        self.call(Verb::DeleteHome, |cloud| {
            if let Some(vm) = cloud.live_vm_of(desktop) {
                return Err(ProvisionError::Transient(anyhow::anyhow!("{vm} still uses this desktop's home")));
            }
            cloud.homes.remove(desktop);
            Ok(())
        })
    }
}

impl Cloud {
    fn live_vm_of(&self, desktop: &DesktopId) -> Option<VmId> {
        let live = |vm: &&Instance| vm.desktop_id == *desktop && vm.state != InstanceState::Terminated;
        self.vms.values().find(live).map(|vm| vm.vm_id.clone())
    }
}

/// Where every fake VM is said to be.
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn end(vm: &mut Instance, why: Option<String>) {
    vm.state = InstanceState::Terminated;
    vm.host = None;
    vm.detail = why;
}

#[cfg(test)]
mod tests {
    use protocol::{desktop::Size, vm::UserData};

    use super::*;

    #[tokio::test]
    async fn a_scripted_failure_fails_one_call_and_does_nothing() {
        let cloud = Fake::new();
        let spec = spec();
        cloud.fail_next(Verb::Launch, Failure::Quota);

        let first = cloud.launch(&spec).await;
        let none = cloud.observe().await.unwrap();
        let second = cloud.launch(&spec).await;

        assert!(matches!(first, Err(ProvisionError::Quota(_))));
        assert!(none.is_empty());
        assert_eq!(second.unwrap().state, InstanceState::Running);
    }

    #[tokio::test]
    async fn a_lost_reply_leaves_the_work_done() {
        let cloud = Fake::new();
        let spec = spec();
        cloud.fail_next(Verb::Launch, Failure::LostReply);

        let answer = cloud.launch(&spec).await;

        assert!(matches!(answer, Err(ProvisionError::Transient(_))));
        assert_eq!(cloud.observe().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_slow_cloud_waits_for_the_test() {
        let cloud = Fake::slow();
        let spec = spec();

        let launched = cloud.launch(&spec).await.unwrap().state;
        cloud.now_running(&spec.vm_id);
        let running = cloud.vm(&spec.vm_id).unwrap().state;
        cloud.terminate(&spec.vm_id).await.unwrap();
        let terminating = cloud.vm(&spec.vm_id).unwrap().state;
        cloud.now_terminated(&spec.vm_id);

        assert_eq!(
            [launched, running, terminating, cloud.vm(&spec.vm_id).unwrap().state],
            [InstanceState::Pending, InstanceState::Running, InstanceState::Terminating, InstanceState::Terminated]
        );
    }

    fn spec() -> LaunchSpec {
        let vm_id = VmId::generate();
        LaunchSpec {
            vm_id: vm_id.clone(),
            desktop_id: DesktopId::generate(),
            generation: 1,
            user_data: UserData {
                vm_id,
                edge_url: "https://127.0.0.1:1".into(),
                ca_pem: String::new(),
                enrolment_token: "token".into(),
                size: Size::DEFAULT,
            },
        }
    }
}
