//! The reconciler makes the cloud what the rows say, whatever happens to either.

use std::time::{Duration, Instant};

use control::desktops::reconcile;
use protocol::{
    DesktopId, VmId,
    desktop::{Desktop, DesktopState},
};
use provisioning::{
    Instance, InstanceState,
    fake::{Failure, Verb},
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Browser, Control};

facts!(
    a_desktop_becomes_ready_step_by_step,
    stop_ends_the_vm_and_keeps_the_home,
    start_launches_the_next_generation_on_the_same_home,
    reboot_gives_a_fresh_vm,
    delete_removes_vm_and_home,
    a_vm_that_vanishes_is_replaced,
    a_sidecar_that_falls_silent_is_replaced,
    a_sidecar_that_reports_is_left_alone,
    what_fails_again_and_again_is_given_up,
    a_desktop_that_was_steady_starts_to_count_anew,
    a_launch_that_fails_for_the_moment_is_tried_again,
    a_lost_answer_leaves_one_vm,
    a_launch_that_cannot_succeed_fails_with_its_reason,
    a_launch_without_end_fails_and_leaves_no_vm,
    a_boot_without_end_fails_and_leaves_no_vm,
    a_failed_desktop_can_be_started_again,
    orphans_are_ended,
    a_restarted_control_finds_its_desktops_again,
    a_cloud_that_cannot_be_observed_changes_nothing,
    stopping_everything_leaves_nothing_behind,
    a_stop_while_it_launches_wins,
    at_rest_everything_is_looked_at_once_a_tick,
);

async fn state(browser: &Browser, id: &DesktopId) -> DesktopState {
    browser.desktop(id).await.state
}

async fn create(browser: &Browser) -> DesktopId {
    browser.post("desktops", "{}").await.expect_status(201).json::<Desktop>().id
}

async fn a_desktop_becomes_ready_step_by_step(control: Control) {
    let browser = control.user("ada").await;
    let id = create(&browser).await;

    control.pass().await;
    let launching = browser.desktop(&id).await;
    control.pass().await;
    let booting = state(&browser, &id).await;
    let vm = control.vm_of(&id).await;
    vm.report(json!({ "state": "waiting", "reason": "no window manager" })).await.expect_success();
    control.settle().await;
    let waiting = state(&browser, &id).await;
    vm.report_painted().await.expect_success();
    control.settle().await;

    assert_eq!((launching.state, launching.generation), (DesktopState::Launching, 1));
    assert_eq!([booting, waiting, state(&browser, &id).await], {
        [DesktopState::Booting, DesktopState::Booting, DesktopState::Ready]
    });
    let spec = &control.cloud.launched()[0];
    assert_eq!(spec.user_data.edge_url.trim_end_matches('/'), "https://127.0.0.1:8443");
    assert!(spec.user_data.ca_pem.starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(serde_json::to_vec(&spec.user_data).unwrap().len() <= 16 << 10);
}

async fn stop_ends_the_vm_and_keeps_the_home(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;

    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;

    assert_eq!(state(&browser, &desktop.id).await, DesktopState::Stopped);
    assert!(control.instances(&desktop.id).await.is_empty());
    assert!(control.cloud.has_home(&desktop.id));
}

async fn start_launches_the_next_generation_on_the_same_home(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, first) = control.ready_desktop(&browser).await;
    browser.order(&format!("desktops/{}/stop", desktop.id)).await.expect_success();
    control.settle().await;

    browser.order(&format!("desktops/{}/start", desktop.id)).await.expect_success();
    control.settle().await;
    let second = control.vm_of(&desktop.id).await;
    second.report_painted().await.expect_success();
    control.settle().await;

    let now = browser.desktop(&desktop.id).await;
    assert_eq!((now.state, now.generation), (DesktopState::Ready, 2));
    assert_ne!(first.id(), second.id());
    assert_eq!(control.instances(&desktop.id).await.len(), 1);
}

async fn reboot_gives_a_fresh_vm(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, first) = control.ready_desktop(&browser).await;

    browser.order(&format!("desktops/{}/reboot", desktop.id)).await.expect_success();
    control.settle().await;

    let instances = control.instances(&desktop.id).await;
    assert_eq!(instances.len(), 1);
    assert_ne!(instances[0].vm_id, *first.id());
    assert_eq!(browser.desktop(&desktop.id).await.generation, 2);
}

async fn delete_removes_vm_and_home(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, _) = control.ready_desktop(&browser).await;

    browser.delete(&format!("desktops/{}", desktop.id)).await.expect_success();
    control.settle().await;

    assert_eq!(browser.get(&format!("desktops/{}", desktop.id)).await.status, 404);
    assert!(control.instances(&desktop.id).await.is_empty());
    assert!(!control.cloud.has_home(&desktop.id));
}

async fn a_vm_that_vanishes_is_replaced(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;

    control.cloud.end(vm.id(), "taken away");
    control.pass().await;
    let interrupted = browser.desktop(&desktop.id).await;
    control.pass_time(10_000);
    control.settle().await;
    let (_, again) = (control.vm_of(&desktop.id).await.report_painted().await, control.settle().await);

    assert_eq!(interrupted.state, DesktopState::Interrupted);
    assert!(interrupted.reason.unwrap().contains("taken away"));
    assert_eq!(again, ());
    let now = browser.desktop(&desktop.id).await;
    assert_eq!((now.state, now.generation), (DesktopState::Ready, 2));
}

async fn a_sidecar_that_falls_silent_is_replaced(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;

    control.pass_time(46_000);
    control.settle().await;
    control.pass_time(10_000);
    control.settle().await;

    let instances = control.instances(&desktop.id).await;
    assert_eq!(instances.len(), 1);
    assert_ne!(instances[0].vm_id, *vm.id());
}

async fn a_sidecar_that_reports_is_left_alone(control: Control) {
    let browser = control.user("ada").await.token(&[]).await;
    let (desktop, vm) = control.ready_desktop(&browser).await;

    for _ in 0..10 {
        control.pass_time(30_000);
        vm.report_painted().await.expect_success();
        control.settle().await;
    }

    let now = browser.desktop(&desktop.id).await;
    assert_eq!((now.state, now.generation), (DesktopState::Ready, 1));
}

async fn what_fails_again_and_again_is_given_up(control: Control) {
    let browser = control.user("ada").await.token(&[]).await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    control.cloud.end(vm.id(), "taken away");

    for _ in 0..10 {
        control.pass_time(40_000);
        control.settle().await;
        for instance in control.instances(&desktop.id).await {
            control.cloud.end(&instance.vm_id, "the X server crashed");
        }
    }

    let now = browser.desktop(&desktop.id).await;
    assert_eq!(now.state, DesktopState::Failed);
    assert!(now.reason.unwrap().contains("the X server crashed"));
    let launches = control.cloud.launched().len();
    assert!((2..=4).contains(&launches), "{launches} launches");
}

async fn a_desktop_that_was_steady_starts_to_count_anew(control: Control) {
    let browser = control.user("ada").await.token(&[]).await;
    let (desktop, mut vm) = control.ready_desktop(&browser).await;

    for _ in 0..6 {
        for _ in 0..4 {
            vm.report_painted().await.expect_success();
            control.settle().await;
            control.pass_time(30_000);
        }
        control.cloud.end(vm.id(), "taken away");
        control.settle().await;
        control.pass_time(10_000);
        control.settle().await;
        vm = control.vm_of(&desktop.id).await;
    }

    assert_ne!(state(&browser, &desktop.id).await, DesktopState::Failed);
    assert_eq!(control.instances(&desktop.id).await.len(), 1);
}

async fn a_launch_that_fails_for_the_moment_is_tried_again(control: Control) {
    for failure in [Failure::Transient, Failure::Capacity] {
        let browser = control.user(&format!("{failure:?}").to_lowercase()).await;
        control.cloud.fail_next(Verb::Launch, failure);
        let id = create(&browser).await;

        control.settle().await;
        control.pass_time(10_000);
        control.settle().await;

        assert_eq!(state(&browser, &id).await, DesktopState::Booting, "{failure:?}");
        assert_eq!(control.instances(&id).await.len(), 1);
    }
}

async fn a_lost_answer_leaves_one_vm(control: Control) {
    let browser = control.user("ada").await;
    control.cloud.fail_next(Verb::Launch, Failure::LostReply);
    let id = create(&browser).await;

    control.settle().await;
    control.pass_time(10_000);
    control.settle().await;

    assert_eq!(state(&browser, &id).await, DesktopState::Booting);
    assert_eq!(control.instances(&id).await.len(), 1);
    // Whichever launch it was: its VM can enrol.
    control.vm_of(&id).await.report_painted().await.expect_success();
    control.settle().await;
    assert_eq!(state(&browser, &id).await, DesktopState::Ready);
}

async fn a_launch_that_cannot_succeed_fails_with_its_reason(control: Control) {
    for failure in [Failure::Fatal, Failure::Quota] {
        let browser = control.user(&format!("{failure:?}").to_lowercase()).await;
        control.cloud.fail_next(Verb::Launch, failure);
        let id = create(&browser).await;

        control.settle().await;

        let desktop = browser.desktop(&id).await;
        assert_eq!(desktop.state, DesktopState::Failed, "{failure:?}");
        assert!(desktop.reason.unwrap().contains("script of the fake"), "it says why");
    }
}

async fn a_launch_without_end_fails_and_leaves_no_vm(control: Control) {
    let browser = control.user("ada").await.token(&[]).await;
    for _ in 0..200 {
        control.cloud.fail_next(Verb::Launch, Failure::Capacity);
    }
    let id = create(&browser).await;

    for _ in 0..30 {
        control.settle().await;
        control.pass_time(20_000);
    }

    let desktop = browser.desktop(&id).await;
    assert_eq!(desktop.state, DesktopState::Failed);
    assert!(desktop.reason.unwrap().contains("capacity"), "it says what it was that failed");
    assert!(control.instances(&id).await.is_empty());
}

async fn a_boot_without_end_fails_and_leaves_no_vm(control: Control) {
    let browser = control.user("ada").await.token(&[]).await;
    let id = create(&browser).await;
    control.settle().await;
    let vm = control.vm_of(&id).await;

    for _ in 0..10 {
        control.pass_time(20_000);
        let waiting = vm.report(json!({ "state": "waiting", "reason": "no window manager" })).await;
        if !waiting.status.is_success() {
            break;
        }
        control.settle().await;
    }

    let desktop = browser.desktop(&id).await;
    assert_eq!(desktop.state, DesktopState::Failed);
    assert!(desktop.reason.unwrap().contains("no window manager"));
    assert!(control.instances(&id).await.is_empty());
}

async fn a_failed_desktop_can_be_started_again(control: Control) {
    let browser = control.user("ada").await;
    control.cloud.fail_next(Verb::Launch, Failure::Fatal);
    let id = create(&browser).await;
    control.settle().await;

    let asked: Desktop = browser.order(&format!("desktops/{id}/start")).await.expect_success().json();
    control.settle().await;

    assert_eq!((asked.state, asked.reason), (DesktopState::Requested, None));
    assert_eq!(state(&browser, &id).await, DesktopState::Booting);
}

async fn orphans_are_ended(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    let orphan = |desktop_id: DesktopId, generation| Instance {
        vm_id: VmId::generate(),
        desktop_id,
        generation,
        state: InstanceState::Running,
        host: None,
        detail: None,
    };
    let (unknown, old) = (orphan(DesktopId::generate(), 1), orphan(desktop.id.clone(), 0));
    control.cloud.plant(unknown.clone());
    control.cloud.plant(old.clone());

    control.settle().await;

    for ended in [unknown, old] {
        assert_eq!(control.cloud.vm(&ended.vm_id).unwrap().state, InstanceState::Terminated);
    }
    assert_eq!(control.cloud.vm(vm.id()).unwrap().state, InstanceState::Running);
    assert_eq!(state(&browser, &desktop.id).await, DesktopState::Ready);
}

async fn a_restarted_control_finds_its_desktops_again(control: Control) {
    let browser = control.user("ada").await.token(&[]).await;
    let (desktop, vm) = control.ready_desktop(&browser).await;

    // It was away for an hour, in which nobody could report.
    control.pass_time(3_600_000);
    let control = control.restarted().await;
    let (browser, vm) = (browser.at(&control), vm.at(&control));
    control.settle().await;
    let found = browser.desktop(&desktop.id).await;
    control.pass_time(30_000);
    vm.report_painted().await.expect_success();
    control.pass_time(30_000);
    control.settle().await;
    let reporting = browser.desktop(&desktop.id).await;
    control.pass_time(60_000);
    control.settle().await;

    assert_eq!((found.state, found.generation), (DesktopState::Ready, 1));
    assert_eq!((reporting.state, reporting.generation), (DesktopState::Ready, 1));
    assert_ne!(browser.desktop(&desktop.id).await.generation, 1, "silence counts again");
}

async fn a_cloud_that_cannot_be_observed_changes_nothing(control: Control) {
    let browser = control.user("ada").await;
    let (desktop, vm) = control.ready_desktop(&browser).await;
    control.cloud.fail_next(Verb::Observe, Failure::Transient);

    let pass = control::desktops::reconcile::pass(&control.app).await;

    assert!(pass.is_err());
    assert_eq!(state(&browser, &desktop.id).await, DesktopState::Ready);
    assert_eq!(control.cloud.vm(vm.id()).unwrap().state, InstanceState::Running);
}

async fn stopping_everything_leaves_nothing_behind(control: Control) {
    let browser = control.user("ada").await;
    let (ready, _) = control.ready_desktop(&browser).await;
    let booting = create(&browser).await;
    control.settle().await;

    control::desktops::reconcile::stop_all(&control.app).await.unwrap();

    for id in [&ready.id, &booting] {
        assert!(control.instances(id).await.is_empty());
        assert_eq!(state(&browser, id).await, DesktopState::Stopped);
    }
}

async fn a_stop_while_it_launches_wins(control: Control) {
    let browser = control.user("ada").await;
    let id = create(&browser).await;
    control.pass().await;

    browser.order(&format!("desktops/{id}/stop")).await.expect_success();
    control.settle().await;

    assert_eq!(state(&browser, &id).await, DesktopState::Stopped);
    assert!(control.instances(&id).await.is_empty());
}

async fn at_rest_everything_is_looked_at_once_a_tick(control: Control) {
    let browser = control.user("ada").await;
    let (_, vm) = control.ready_desktop(&browser).await;
    control.ready_desktop(&browser).await;
    // One of the two goes through some states first, and calls with each; that brings looks forward, and no more.
    control.cloud.forget(vm.id());
    let looks = || control.cloud.calls().iter().filter(|verb| **verb == Verb::Observe).count();
    let (before, begun) = (looks(), Instant::now());
    let twenty_looks = async {
        while looks() < before + 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };

    tokio::select! {
        () = reconcile::run(control.app.clone(), CancellationToken::new()) => {}
        () = twenty_looks => {}
    }

    assert!(begun.elapsed() >= Duration::from_secs(2), "twenty looks within {:?}", begun.elapsed());
}
