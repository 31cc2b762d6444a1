//! Who drives a desktop, as control remembers it for its sidecar.

use protocol::{error::Code, lease::Lease, vm::Assignment};

use crate::support::{Control, Vm};

facts!(
    nobody_drives_a_new_desktop,
    who_drives_is_remembered_and_shown,
    what_is_older_changes_nothing,
    a_lease_outlives_its_vm,
    a_lease_outlives_the_sign_in_of_who_holds_it,
    only_the_vm_that_serves_the_desktop_says_who_drives,
);

async fn lease_of(vm: &Vm) -> Lease {
    vm.get("assignment").await.expect_status(200).json::<Assignment>().lease
}

async fn nobody_drives_a_new_desktop(control: Control) {
    let browser = control.user("ada").await;

    let (desktop, vm) = control.ready_desktop(&browser).await;

    assert_eq!(desktop.holder, None);
    assert_eq!(lease_of(&vm).await, Lease::default());
}

async fn who_drives_is_remembered_and_shown(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let me = browser.id().await;

    vm.put_lease(1, Some(&me)).await.expect_status(204);
    let taken = (lease_of(&vm).await, browser.desktop(&desktop.id).await.holder);
    vm.put_lease(2, None).await.expect_status(204);
    let handed_back = (lease_of(&vm).await, browser.desktop(&desktop.id).await.holder);

    let holder = taken.1.expect("somebody drives");
    assert_eq!((&holder.user_id, holder.since), (&me, 1_001));
    assert_eq!(taken.0, Lease { epoch: 1, holder: Some(holder) });
    assert_eq!(handed_back, (Lease { epoch: 2, holder: None }, None));
}

async fn what_is_older_changes_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    let me = browser.id().await;
    vm.put_lease(5, Some(&me)).await.expect_status(204);
    let before = lease_of(&vm).await;

    for epoch in [5, 4, 0, -1, i64::MIN] {
        vm.put_lease(epoch, None).await.expect_status(204);
    }

    assert_eq!(lease_of(&vm).await, before);
}

async fn a_lease_outlives_its_vm(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    vm.put_lease(3, Some(&browser.id().await)).await.expect_status(204);
    let before = lease_of(&vm).await;

    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;
    let stopped = browser.desktop(&desktop.id).await;
    browser.order(&format!("desktops/{}/start", desktop.id)).await.expect_success();
    control.settle().await;
    let next = control.vm_of(&desktop.id).await;

    assert_eq!(next.spec.generation, 2);
    assert_eq!(lease_of(&next).await, before, "the agent stays paused until it is handed back");
    assert_eq!(stopped.holder, before.holder);
}

async fn a_lease_outlives_the_sign_in_of_who_holds_it(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    vm.put_lease(1, Some(&browser.id().await)).await.expect_status(204);

    browser.order("auth/logout").await.expect_success();
    browser.log_in("ada@example.org", crate::support::PASSWORD).await.expect_status(200);

    assert!(browser.desktop(&desktop.id).await.holder.is_some());
}

async fn only_the_vm_that_serves_the_desktop_says_who_drives(control: Control) {
    let (ada, mallory) = (control.user("ada").await, control.user("mallory").await);
    let (desktop, mut vm) = control.ready_desktop(&ada).await;
    let (theirs, stranger) = control.ready_desktop(&mallory).await;
    let me = ada.id().await;

    stranger.put_lease(9, Some(&mallory.id().await)).await.expect_status(204);
    vm.spec.generation = 0;
    let claimed = vm.put_lease(1, Some(&me)).await;
    vm.spec.generation = 1;
    ada.order(&format!("desktops/{}/reboot", desktop.id)).await.expect_success();
    control.settle().await;
    let late = vm.put_lease(2, Some(&me)).await;

    assert_eq!((claimed.code(), late.code()), (Code::StaleGeneration, Code::StaleGeneration));
    assert_eq!(ada.desktop(&desktop.id).await.holder, None);
    assert!(mallory.desktop(&theirs.id).await.holder.is_some());
}
