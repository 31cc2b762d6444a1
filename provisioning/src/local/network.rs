//! The way out of a fence: slirp4netns brings the internet in, routes put in from outside keep the
//! cloud's metadata and this machine itself out of reach.

use std::{
    collections::BTreeSet,
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use nix::libc;
use serde::Deserialize;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    process::{Child, Command as AsyncCommand},
    time::timeout,
};

use super::child;

/// How long slirp4netns may take.
const BOUND: Duration = Duration::from_secs(10);
/// slirp4netns' own addresses inside: the gateway, the resolver and the desktop.
const SLIRP: [Ipv4Addr; 3] = [Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 2, 3), Ipv4Addr::new(10, 0, 2, 100)];
/// Link-local, with the metadata service of every large cloud in it.
const LINK_LOCAL: &str = "169.254.0.0/16";

/// The network namespace of a fence.
pub(crate) struct Network {
    net: OwnedFd,
    /// The user namespace that owns it, when it is not this process' own.
    user: Option<OwnedFd>,
}

impl Network {
    /// That of a process which is known to live.
    pub(crate) fn of(pid: i32) -> anyhow::Result<Self> {
        let net: OwnedFd =
            File::open(format!("/proc/{pid}/ns/net")).context("open the fence's network namespace")?.into();
        let owner = owner(&net).context("find the owner of the fence's network namespace")?;
        let own = std::fs::metadata("/proc/self/ns/user").context("look at the own user namespace")?;
        let theirs = owner.metadata().context("look at the fence's user namespace")?;
        let same = (own.dev(), own.ino()) == (theirs.dev(), theirs.ino());
        Ok(Self { net, user: (!same).then(|| owner.into()) })
    }

    /// Makes link-local addresses and this machine's own unreachable. Nobody inside can undo it:
    /// it takes a capability over the namespace's owner.
    pub(crate) async fn shut(&self) -> anyhow::Result<()> {
        let mut commands = format!("route add unreachable {LINK_LOCAL}\n");
        for address in own_addresses().await? {
            commands.push_str(&format!("route add unreachable {address}/32\n"));
        }
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/self/fd/{}", self.net.as_raw_fd()));
        if let Some(user) = &self.user {
            command.arg(format!("--user=/proc/self/fd/{}", user.as_raw_fd())).arg("--preserve-credentials");
        }
        command.args(["--", "ip", "-batch", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        self.lend(&mut command, &[]);
        let mut running = AsyncCommand::from(command).kill_on_drop(true).spawn().context("run nsenter")?;
        let mut stdin = running.stdin.take().context("talk to nsenter")?;
        tokio::io::AsyncWriteExt::write_all(&mut stdin, commands.as_bytes()).await.context("write the routes")?;
        drop(stdin);
        let output = timeout(BOUND, running.wait_with_output()).await.context("wait for the routes")??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "block {LINK_LOCAL} in the fence by nsenter and ip: {}", said.trim());
        Ok(())
    }

    /// Starts slirp4netns and waits until the interface is up.
    pub(crate) async fn connect(&self, log: &File) -> anyhow::Result<Child> {
        let (ready, report) = child::pipe().context("make a pipe")?;
        let mut command = Command::new("slirp4netns");
        command.args(["--configure", "--disable-host-loopback", "--mtu", "65520", "--enable-seccomp"]);
        command.args(["--netns-type", "path", "--ready-fd", &report.as_raw_fd().to_string()]);
        match &self.user {
            Some(user) => command.arg(format!("--userns-path=/proc/self/fd/{}", user.as_raw_fd())),
            // As root it gives up its capabilities and sees no file system.
            None => command.arg("--enable-sandbox"),
        };
        command.arg(format!("/proc/self/fd/{}", self.net.as_raw_fd())).arg("tap0");
        child::log_to(&mut command, log).context("open its log")?;
        self.lend(&mut command, &[&report]);
        let mut running = AsyncCommand::from(command).kill_on_drop(true).spawn().context("run slirp4netns")?;
        drop(report);
        let mut ready = pipe::Receiver::from_owned_fd(ready).context("listen to slirp4netns")?;
        match timeout(BOUND, ready.read_u8()).await {
            Ok(Ok(_)) => Ok(running),
            Ok(Err(_)) => {
                let status = running.wait().await.context("wait for slirp4netns")?;
                bail!("slirp4netns ended ({status}) before the network was up, see slirp4netns.log")
            }
            Err(_) => bail!("slirp4netns did not bring the network up within {BOUND:?}, see slirp4netns.log"),
        }
    }

    /// Lets a child use the namespaces, and die with this process.
    fn lend(&self, command: &mut Command, more: &[&OwnedFd]) {
        let mut keep = vec![&self.net];
        keep.extend(&self.user);
        keep.extend(more);
        child::inherit(command, &keep, None);
        child::die_with_parent(command);
    }
}

/// The user namespace that owns another namespace.
fn owner(namespace: &OwnedFd) -> io::Result<File> {
    const NS_GET_USERNS: libc::Ioctl = 0xb701;
    // SAFETY: this ioctl takes no argument and answers a new descriptor or an error.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), NS_GET_USERNS) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor, nobody else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}

#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    addr_info: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(default)]
    local: Option<IpAddr>,
}

/// This machine's addresses but loopback: through them the fence would reach whatever listens on all interfaces.
async fn own_addresses() -> anyhow::Result<BTreeSet<Ipv4Addr>> {
    let output = AsyncCommand::new("ip").args(["-json", "-4", "address", "show"]).output().await.context("run ip")?;
    ensure!(
        output.status.success(),
        "list this machine's addresses: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    addresses(&output.stdout)
}

fn addresses(json: &[u8]) -> anyhow::Result<BTreeSet<Ipv4Addr>> {
    let interfaces: Vec<Interface> = serde_json::from_slice(json).context("understand ip's list of addresses")?;
    let all = interfaces.into_iter().flat_map(|interface| interface.addr_info).filter_map(|address| address.local);
    let v4 = all.filter_map(|address| if let IpAddr::V4(v4) = address { Some(v4) } else { None });
    Ok(v4.filter(|address| !address.is_loopback() && !SLIRP.contains(address)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_the_fences_own_addresses_stay_reachable() {
        let json = br#"[{"ifname":"lo","addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8}]},
            {"ifname":"eth0","addr_info":[{"local":"192.0.2.7"},{"local":"10.0.2.2"}]},{},{"addr_info":[{}]}]"#;

        assert_eq!(addresses(json).unwrap(), [Ipv4Addr::new(192, 0, 2, 7)].into());
    }
}
