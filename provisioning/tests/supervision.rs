//! What dies is started again, or seen; nothing outlives its VM.

mod support;

use std::{fs, path::Path};

use protocol::DesktopId;
use provisioning::{InstanceState, LaunchSpec, Provisioner};
use support::{House, eventually, observed, reaches, read_json, spec};

/// Counts its starts in the home, then stays.
const COUNTS_STARTS: &str = "echo start >>~/starts";

async fn running(house: &House) -> LaunchSpec {
    let spec = spec(&DesktopId::generate(), 1);
    house.provider().launch(&spec).await.unwrap();
    house.appears(&spec.desktop_id, "starts").await;
    spec
}

#[tokio::test]
async fn a_desk_that_dies_is_started_again() {
    let house = House::new(COUNTS_STARTS);
    let spec = running(&house).await;

    kill(find(&house, &spec, "sidecar desk"));

    eventually("it has started twice", || async {
        (fs::read_to_string(house.home(&spec.desktop_id).join("starts")).unwrap().lines().count() == 2).then_some(())
    })
    .await;
    assert_eq!(observed(&house.provider(), &spec.vm_id).await.unwrap().state, InstanceState::Running);
}

#[tokio::test]
async fn a_gate_that_dies_is_started_again() {
    let house = House::new(COUNTS_STARTS);
    let spec = running(&house).await;
    let first = eventually("the gate runs", || async { gate(&house, &spec) }).await;

    kill(first);

    eventually("another gate runs", || async { gate(&house, &spec).filter(|pid| *pid != first) }).await;
}

#[tokio::test]
async fn a_network_that_dies_is_connected_again() {
    let house = House::new(COUNTS_STARTS);
    let spec = running(&house).await;
    let slirp = |house: &House, spec: &LaunchSpec| {
        descendants(house, spec).into_iter().find(|pid| command(*pid).starts_with("slirp4netns"))
    };
    let first = slirp(&house, &spec).unwrap();

    kill(first);

    eventually("another slirp4netns runs", || async { slirp(&house, &spec).filter(|pid| *pid != first) }).await;
}

#[tokio::test]
async fn a_dead_x_server_ends_the_vm_and_is_told() {
    let house = House::new(COUNTS_STARTS);
    let spec = running(&house).await;

    kill(find(&house, &spec, "/usr/lib/xorg/Xorg"));

    let ended = reaches(&house.provider(), &spec.vm_id, InstanceState::Terminated).await;
    assert_eq!(ended.detail.as_deref(), Some("its X server ended"));
}

#[tokio::test]
async fn a_killed_supervisor_takes_all_of_its_vm_with_it() {
    let house = House::new(COUNTS_STARTS);
    let spec = running(&house).await;
    let all = descendants(&house, &spec);
    assert!(all.len() > 8, "X, bus, session, gate, network: {all:?}");

    kill(supervisor(&house, &spec));

    eventually("all of them have ended", || async { all.iter().all(|pid| has_ended(*pid)).then_some(()) }).await;
    let seen = observed(&house.provider(), &spec.vm_id).await.unwrap();
    assert_eq!(seen.state, InstanceState::Terminated);
    assert_eq!(seen.detail.as_deref(), Some("its supervisor was killed"));
    house.provider().terminate(&spec.vm_id).await.unwrap();
    assert!(!house.vm(&spec).join("user-data.json").exists(), "its secrets go when control has seen it");
}

#[tokio::test]
async fn a_terminated_vm_leaves_no_process_and_no_secret() {
    let house = House::new(COUNTS_STARTS);
    let spec = running(&house).await;
    let all = descendants(&house, &spec);

    house.provider().terminate(&spec.vm_id).await.unwrap();

    let left: Vec<_> = all.into_iter().filter(|pid| !has_ended(*pid)).map(command).collect();
    assert_eq!(left, Vec::<String>::new());
    for secret in ["user-data.json", "gate"] {
        assert!(!house.vm(&spec).join(secret).exists(), "{secret}");
    }
}

#[tokio::test]
async fn what_was_in_the_home_is_there_after_the_next_launch() {
    let house = House::new(COUNTS_STARTS);
    let first = running(&house).await;
    let second = support::spec(&first.desktop_id, 2);
    house.provider().terminate(&first.vm_id).await.unwrap();

    house.provider().launch(&second).await.unwrap();

    eventually("both have written", || async {
        (fs::read_to_string(house.home(&first.desktop_id).join("starts")).unwrap().lines().count() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_link_to_nowhere_in_the_home_does_not_cost_its_owner_the_desktop() {
    let house = House::new("rm -rf ~/Downloads; ln -s /nowhere ~/Downloads; echo start >>~/starts");
    let first = running(&house).await;
    let second = support::spec(&first.desktop_id, 2);
    house.provider().terminate(&first.vm_id).await.unwrap();

    house.provider().launch(&second).await.unwrap();

    eventually("the session has started again", || async {
        (fs::read_to_string(house.home(&first.desktop_id).join("starts")).unwrap().lines().count() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_fence_that_cannot_be_made_is_told_and_leaves_nothing() {
    let house = House::new("");
    let spec = spec(&DesktopId::generate(), 1);
    let home = house.home(&spec.desktop_id);
    fs::create_dir_all(home.parent().unwrap()).unwrap();
    fs::write(&home, "in the way").unwrap();

    let refused = house.provider().launch(&spec).await.unwrap_err().to_string();

    assert!(refused.contains("home"), "{refused}");
    assert_eq!(observed(&house.provider(), &spec.vm_id).await.map(|vm| vm.state), Some(InstanceState::Terminated));
    fs::remove_file(&home).unwrap();
    assert_eq!(house.provider().launch(&spec).await.unwrap().state, InstanceState::Running);
}

fn gate(house: &House, spec: &LaunchSpec) -> Option<i32> {
    descendants(house, spec)
        .into_iter()
        .find(|pid| command(*pid).contains("sidecar gate --user-data") && !command(*pid).starts_with("bwrap"))
}

fn find(house: &House, spec: &LaunchSpec, what: &str) -> i32 {
    let fits = |pid: &i32| command(*pid).contains(what) && !command(*pid).starts_with("bwrap");
    descendants(house, spec).into_iter().find(fits).unwrap_or_else(|| panic!("no {what} runs"))
}

fn supervisor(house: &House, spec: &LaunchSpec) -> i32 {
    read_json(&house.vm(spec).join("processes.json"))["supervisor"]["pid"].as_i64().unwrap() as i32
}

/// Everything that the VM's supervisor has started.
fn descendants(house: &House, spec: &LaunchSpec) -> Vec<i32> {
    let mut found = vec![supervisor(house, spec)];
    let parents: Vec<(i32, i32)> =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| parent(&entry.path())).collect();
    let mut next = 0;
    while next < found.len() {
        let of = found[next];
        found.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

fn parent(process: &Path) -> Option<(i32, i32)> {
    let pid = process.file_name()?.to_str()?.parse().ok()?;
    Some((pid, stat(pid)?.1))
}

/// State and parent.
fn stat(pid: i32) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn has_ended(pid: i32) -> bool {
    stat(pid).is_none_or(|(state, _)| state == "Z" || state == "X")
}

fn command(pid: i32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn kill(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}
