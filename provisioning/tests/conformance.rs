//! One suite of facts for every provider.

mod support;

use protocol::DesktopId;
use provisioning::{InstanceState, ProvisionError, Provisioner, fake::Fake};
use support::{House, observed, reaches, spec};

macro_rules! facts {
    ($($fact:ident),+ $(,)?) => {
        mod fake {
            $(#[tokio::test] async fn $fact() { super::$fact(&super::FakeCloud(super::Fake::new())).await; })+
        }
        mod local {
            $(#[tokio::test] async fn $fact() { super::$fact(&super::House::new("")).await; })+
        }
    };
}

facts!(
    launched_twice_it_is_one_vm,
    a_vm_runs_and_says_where,
    terminated_twice_it_is_terminated,
    a_vm_that_nobody_knows_counts_as_ended,
    a_terminated_vm_is_not_launched_again,
    the_next_generation_runs_on_the_same_home,
    two_vms_never_share_a_home,
    a_restarted_control_finds_its_vms,
    a_home_in_use_is_not_deleted,
    a_deleted_home_is_gone_with_its_vms,
    two_desktops_run_side_by_side,
);

/// A provider as the suite needs it: connected to anew, as by a restarted control.
trait Cloud {
    fn connect(&self) -> Box<dyn Provisioner>;
}

struct FakeCloud(Fake);

impl Cloud for FakeCloud {
    fn connect(&self) -> Box<dyn Provisioner> {
        Box::new(self.0.clone())
    }
}

impl Cloud for House {
    fn connect(&self) -> Box<dyn Provisioner> {
        Box::new(self.provider())
    }
}

async fn launched_twice_it_is_one_vm(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let spec = spec(&DesktopId::generate(), 1);

    let first = provider.launch(&spec).await.unwrap();
    let second = provider.launch(&spec).await.unwrap();

    assert_eq!(first, second);
    assert_eq!(provider.observe().await.unwrap().len(), 1);
}

async fn a_vm_runs_and_says_where(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let spec = spec(&DesktopId::generate(), 7);
    provider.launch(&spec).await.unwrap();

    let running = reaches(&*provider, &spec.vm_id, InstanceState::Running).await;

    assert_eq!((running.desktop_id, running.generation), (spec.desktop_id, 7));
    assert!(running.host.is_some());
    assert_eq!(running.detail, None);
}

async fn terminated_twice_it_is_terminated(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let spec = spec(&DesktopId::generate(), 1);
    provider.launch(&spec).await.unwrap();

    provider.terminate(&spec.vm_id).await.unwrap();
    provider.terminate(&spec.vm_id).await.unwrap();

    let terminated = reaches(&*provider, &spec.vm_id, InstanceState::Terminated).await;
    assert_eq!(terminated.detail, None, "it ended because it was asked to");
    assert_eq!(terminated.host, None);
}

async fn a_vm_that_nobody_knows_counts_as_ended(cloud: &dyn Cloud) {
    let provider = cloud.connect();

    provider.terminate(&protocol::VmId::generate()).await.unwrap();
    provider.delete_home(&DesktopId::generate()).await.unwrap();
}

async fn a_terminated_vm_is_not_launched_again(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let spec = spec(&DesktopId::generate(), 1);
    provider.launch(&spec).await.unwrap();
    provider.terminate(&spec.vm_id).await.unwrap();

    let answer = provider.launch(&spec).await.unwrap();

    assert_eq!(answer.state, InstanceState::Terminated);
}

async fn the_next_generation_runs_on_the_same_home(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let first = spec(&DesktopId::generate(), 1);
    let second = spec(&first.desktop_id, 2);
    provider.launch(&first).await.unwrap();
    provider.terminate(&first.vm_id).await.unwrap();
    reaches(&*provider, &first.vm_id, InstanceState::Terminated).await;

    provider.launch(&second).await.unwrap();

    assert_eq!(reaches(&*provider, &second.vm_id, InstanceState::Running).await.generation, 2);
}

async fn two_vms_never_share_a_home(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let first = spec(&DesktopId::generate(), 1);
    let second = spec(&first.desktop_id, 2);
    provider.launch(&first).await.unwrap();

    let refused = provider.launch(&second).await;

    assert!(matches!(refused, Err(ProvisionError::Transient(_))), "{refused:?}");
    assert_eq!(observed(&*provider, &second.vm_id).await, None);
}

async fn a_restarted_control_finds_its_vms(cloud: &dyn Cloud) {
    let spec = spec(&DesktopId::generate(), 3);
    let launched = cloud.connect().launch(&spec).await.unwrap();

    let provider = cloud.connect();
    let found = observed(&*provider, &spec.vm_id).await;
    let answer = provider.launch(&spec).await.unwrap();

    assert_eq!(found, Some(launched.clone()));
    assert_eq!(answer, launched);
}

async fn a_home_in_use_is_not_deleted(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let spec = spec(&DesktopId::generate(), 1);
    provider.launch(&spec).await.unwrap();

    let refused = provider.delete_home(&spec.desktop_id).await;

    assert!(matches!(refused, Err(ProvisionError::Transient(_))), "{refused:?}");
    reaches(&*provider, &spec.vm_id, InstanceState::Running).await;
}

async fn a_deleted_home_is_gone_with_its_vms(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let spec = spec(&DesktopId::generate(), 1);
    provider.launch(&spec).await.unwrap();
    provider.terminate(&spec.vm_id).await.unwrap();
    reaches(&*provider, &spec.vm_id, InstanceState::Terminated).await;

    provider.delete_home(&spec.desktop_id).await.unwrap();
    provider.delete_home(&spec.desktop_id).await.unwrap();

    let live: Vec<_> =
        provider.observe().await.unwrap().into_iter().filter(|vm| vm.state != InstanceState::Terminated).collect();
    assert_eq!(live, []);
}

async fn two_desktops_run_side_by_side(cloud: &dyn Cloud) {
    let provider = cloud.connect();
    let (one, other) = (spec(&DesktopId::generate(), 1), spec(&DesktopId::generate(), 1));

    provider.launch(&one).await.unwrap();
    provider.launch(&other).await.unwrap();
    provider.terminate(&one.vm_id).await.unwrap();

    reaches(&*provider, &one.vm_id, InstanceState::Terminated).await;
    reaches(&*provider, &other.vm_id, InstanceState::Running).await;
}
