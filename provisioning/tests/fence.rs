//! What a desktop's fence keeps out, seen from inside: as the agent's shell would look for a way out.

mod support;

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{fs::MetadataExt, net::SocketAddr},
    },
    time::Duration,
};

use protocol::DesktopId;
use provisioning::{LaunchSpec, Provisioner};
use support::{House, spec};

/// A desktop in whose fence a script has run.
struct Inside {
    house: House,
    spec: LaunchSpec,
    said: String,
}

/// Runs a script of bash inside of a fence.
async fn inside(script: &str) -> Inside {
    // The script stands in single quotes in the stand-in for the desk.
    assert!(!script.contains('\''), "the script must do without single quotes");
    let house = House::new(&format!("bash -c '{script}' >~/said.new 2>&1; mv ~/said.new ~/said"));
    let spec = spec(&DesktopId::generate(), 1);
    house.provider().launch(&spec).await.unwrap();
    let said = house.appears(&spec.desktop_id, "said").await;
    Inside { house, spec, said }
}

/// In the script: says how connecting ended, and how many seconds it took.
const TRY: &str = r#"try() {
    SECONDS=0
    if timeout 5 bash -c "exec 3<>/dev/tcp/$1/$2" 2>/tmp/error; then echo "$1 let in"
    else echo "$1 $(grep -o "refused\|unreachable\|No route" /tmp/error | head -1) within $SECONDS s"; fi
}
"#;

#[tokio::test]
async fn nobody_is_root_or_has_a_capability() {
    let Inside { said, spec, house } =
        inside("id -u; grep -E \"^(Cap|NoNewPrivs)\" /proc/self/status; echo home >~/file").await;

    let mut lines = said.lines();
    assert_ne!(lines.next(), Some("0"));
    for line in lines {
        let (name, value) = line.split_once(":\t").unwrap();
        let expected = if name == "NoNewPrivs" { "1" } else { "0000000000000000" };
        assert_eq!(value, expected, "{name}");
    }
    let kernel_uid = fs::metadata(house.home(&spec.desktop_id).join("file")).unwrap().uid();
    assert_ne!(kernel_uid, 0, "root outside must not be behind the user inside");
}

#[tokio::test]
async fn the_system_is_read_only() {
    let script = "for f in /x /usr/x /usr/bin/x /etc/x /run/x /run/cloudbot/bin/x /var/x /bin/x; do touch $f && echo wrote $f; done 2>/dev/null
        for f in /etc/passwd /run/cloudbot/bin/sidecar /usr/bin/bash; do : >>$f && echo wrote $f; done 2>/dev/null
        touch ~/x /tmp/x /dev/shm/x && echo own folders are writable";

    assert_eq!(inside(script).await.said, "own folders are writable\n");
}

#[tokio::test]
async fn the_hosts_files_are_not_there() {
    let there = inside("cat /etc/shadow; ls -A /root /home /var/lib /var/log /srv /mnt /media /opt /boot /sys 2>/dev/null; ls /run/user | wc -l").await;

    let own: Vec<_> = there.said.lines().filter(|line| !line.ends_with(':') && !line.is_empty()).collect();
    assert_eq!(own, ["cat: /etc/shadow: No such file or directory", "user", "1"]);
}

#[tokio::test]
async fn the_hosts_processes_are_not_there() {
    let host = fs::read_link("/proc/self/ns/pid").unwrap();
    let there =
        inside("readlink /proc/self/ns/pid; cat /proc/[0-9]*/cmdline | tr \"\\0\" \" \"; kill -0 -1 && echo").await;

    let (namespace, processes) = there.said.split_once('\n').unwrap();
    assert_ne!(namespace, host.to_str().unwrap());
    assert!(processes.contains("session"), "{processes}");
    for outside in ["desktop-supervisor vm", "slirp4netns", "bwrap", "sidecar gate", "fence-"] {
        assert!(!processes.contains(outside), "{outside} in {processes}");
    }
}

#[tokio::test]
async fn what_the_gate_knows_is_not_there() {
    let script = "find / -name user-data.json -o -name record.json -o -path \"*cloudbot/gate*\" 2>/dev/null
        grep -als a-token-of-the-test /proc/[0-9]*/environ /proc/[0-9]*/cmdline /run/cloudbot/* /etc/* 2>/dev/null | grep -v /desk
        echo searched";
    let there = inside(script).await;

    let vm = there.house.vm(&there.spec);
    let user_data = vm.join("user-data.json");
    assert!(fs::read_to_string(&user_data).unwrap().contains("a-token-of-the-test"), "it is there to be found");
    assert_eq!(fs::metadata(&user_data).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(vm.join("gate")).unwrap().mode() & 0o777, 0o700);
    let own_process_only = there.said.lines().filter(|line| !line.starts_with("/proc/")).collect::<Vec<_>>();
    assert_eq!(own_process_only, ["searched"]);
}

#[tokio::test]
async fn another_desktops_home_is_not_there() {
    let house = House::new(
        "(ls -A /home; find / -name secret-of-* 2>/dev/null; echo looked) >~/said.new; touch ~/secret-of-me; mv ~/said.new ~/said",
    );
    let (one, other) = (spec(&DesktopId::generate(), 1), spec(&DesktopId::generate(), 1));
    let provider = house.provider();
    provider.launch(&one).await.unwrap();
    house.appears(&one.desktop_id, "secret-of-me").await;

    provider.launch(&other).await.unwrap();
    let said = house.appears(&other.desktop_id, "said").await;

    assert_eq!(said, "user\nlooked\n");
    if nix_is_root() {
        let owner = |spec: &LaunchSpec| fs::metadata(house.home(&spec.desktop_id)).unwrap().uid();
        assert_ne!(owner(&one), owner(&other));
    }
}

#[tokio::test]
async fn the_hosts_loopback_lets_nobody_in() {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it is open to the host itself");
    let mut script = TRY.to_owned();
    for address in ["127.0.0.1", "10.0.2.2", "10.0.2.3", "0.0.0.0", "localhost"]
        .into_iter()
        .map(str::to_owned)
        .chain(own_address())
    {
        script.push_str(&format!("try {address} {port}\n"));
    }
    script.push_str("grep -c tap0 /proc/net/dev");

    let said = inside(&script).await.said;

    assert!(!said.contains("let in"), "{said}");
    assert_eq!(said.lines().last(), Some("1"), "the fence has its network: {said}");
}

#[tokio::test]
async fn the_clouds_metadata_is_unreachable_at_once() {
    let script = format!("{TRY}try 169.254.169.254 80; try 169.254.170.2 80; try fd00:ec2::254 80");

    let said = inside(&script).await.said;

    for line in said.lines() {
        let (_, how) = line.split_once(' ').unwrap();
        let at_once =
            ["unreachable within 0 s", "unreachable within 1 s", "No route within 0 s", "No route within 1 s"];
        assert!(at_once.contains(&how), "{said}");
    }
    assert_eq!(said.lines().count(), 3);
}

#[tokio::test]
async fn a_user_namespace_inside_does_not_open_the_network() {
    let script = format!(
        "unshare --user --map-root-user true && echo nested
        unshare --user --map-root-user ip route del unreachable 169.254.0.0/16 && echo opened
        unshare --user --map-root-user ip route add 169.254.169.254/32 via 10.0.2.2 && echo went round
        unshare --user --map-root-user mount -o remount,rw /usr && echo writable
        {TRY}try 169.254.169.254 80"
    );

    let said = inside(&script).await.said;

    for won in ["opened", "went round", "writable", "let in"] {
        assert!(!said.contains(won), "{said}");
    }
    assert!(said.contains("nested"), "the browser's own sandbox needs one: {said}");
}

#[tokio::test]
async fn the_hosts_abstract_sockets_are_not_there() {
    let name = format!("cloudbot-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    assert!(fs::read_to_string("/proc/net/unix").unwrap().contains(&name), "it is there to be found");

    let said = inside("cat /proc/net/unix").await.said;

    assert!(said.contains(".X11-unix"), "the fence has its own: {said}");
    assert!(!said.contains(&name));
}

#[tokio::test]
async fn a_home_of_odd_permissions_and_links_is_deleted_and_nothing_else() {
    let outside = tempfile::NamedTempFile::new().unwrap();
    writeln!(outside.as_file(), "kept").unwrap();
    let script = format!(
        "mkdir -p ~/a/b/c; touch ~/a/b/c/file; ln -s {outside} ~/a/link; ln -s / ~/a/root; chmod 000 ~/a/b/c ~/a/b; touch ~/-rf",
        outside = outside.path().display()
    );
    let there = inside(&script).await;
    let provider = there.house.provider();
    provider.terminate(&there.spec.vm_id).await.unwrap();

    provider.delete_home(&there.spec.desktop_id).await.unwrap();

    assert!(!there.house.desktop(&there.spec.desktop_id).exists());
    assert_eq!(fs::read_to_string(outside.path()).unwrap(), "kept\n");
}

/// This machine's address towards others, if it has one.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    // A datagram socket sends nothing when it connects, it only chooses its address.
    socket.connect(("192.0.2.1", 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then(|| address.to_string())
}

fn nix_is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}
