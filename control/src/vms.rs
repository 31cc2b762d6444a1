//! What control says to VMs: who they are, whom they serve; and what it hears from them.

use std::{collections::VecDeque, sync::Arc};

use futures_util::Stream;
use protocol::{
    DesktopId, VmId,
    desktop::DesktopState::{Booting, Interrupted, Launching, Ready, Stopping},
    error::{Code, Problem},
    lease::PutLease,
    vm::{Assignment, DeskHealth, EnrolRequest, Enrolled, Notice, Report},
};

use crate::{
    app::App,
    db::{self, desktops::DesktopRow, vms::VmRow},
    error::ApiError,
    hub::{Change, Heard, Listener},
    secret,
    trust::ca,
};

/// Certifies a VM that shows its one-time token. The same key may come again, another may not.
pub async fn enrol(app: &App, request: EnrolRequest) -> Result<Enrolled, ApiError> {
    let refused =
        || ApiError::from(Problem::new(Code::WrongCredentials, "The enrolment token is not good for this VM and key."));
    let key_hash = ca::request_key_hash(&request.csr_pem)
        .map_err(|e| Problem::new(Code::InvalidValue, format!("The certificate request is refused: {e:#}.")))?;
    let vm = db::vms::by_id(&app.db, &request.vm_id).await?.ok_or_else(refused)?;
    serving(app, &vm).await?;
    if !db::vms::enrol(&app.db, &request.vm_id, &secret::hash(&request.enrolment_token), &key_hash).await? {
        tracing::warn!(vm = %request.vm_id, "an enrolment was refused: wrong token, or it was bound to another key");
        return Err(refused());
    }
    tracing::info!(vm = %request.vm_id, desktop = %vm.desktop_id, "enrolled");
    certify(app, &request.vm_id, &request.csr_pem)
}

/// Certifies a VM again, for the key that it enrolled with.
pub async fn renew(app: &App, id: &VmId, csr_pem: &str) -> Result<Enrolled, ApiError> {
    let (vm, _) = current(app, id).await?;
    let key_hash = ca::request_key_hash(csr_pem)
        .map_err(|e| Problem::new(Code::InvalidValue, format!("The certificate request is refused: {e:#}.")))?;
    if vm.key_hash.as_deref() != Some(key_hash.as_str()) {
        return Err(
            Problem::new(Code::WrongCredentials, "A certificate is renewed for the key it was issued to.").into()
        );
    }
    certify(app, id, csr_pem)
}

pub async fn assignment(app: &App, id: &VmId) -> Result<Assignment, ApiError> {
    let (vm, desktop) = current(app, id).await?;
    Ok(Assignment {
        desktop_id: desktop.id,
        generation: vm.generation,
        capability_key_pem: app.signer.public_pem().to_owned(),
        size: desktop.size,
        lease: desktop.lease,
    })
}

/// Remembers who drives. What is older than what is known changes nothing.
pub async fn put_lease(app: &App, id: &VmId, put: PutLease) -> Result<(), ApiError> {
    let (vm, desktop) = current(app, id).await?;
    demand_generation(&vm, put.generation)?;
    if db::desktops::put_lease(&app.db, &desktop.id, &put.lease).await? {
        let holder = put.lease.holder.as_ref().map(|holder| holder.user_id.as_str());
        tracing::info!(desktop = %desktop.id, epoch = put.lease.epoch, holder, "control of the desktop has changed");
        app.hub.call(Change::Desktop { user_id: desktop.user_id });
    }
    Ok(())
}

/// Stores a sign of life.
pub async fn report(app: &App, id: &VmId, report: Report) -> Result<(), ApiError> {
    let (vm, _) = current(app, id).await?;
    demand_generation(&vm, report.generation)?;
    let (painted, health) = match &report.desk {
        DeskHealth::Painted { .. } => (true, "painted".to_owned()),
        DeskHealth::Waiting { reason } => (false, reason.chars().filter(|c| !c.is_control()).take(500).collect()),
    };
    db::vms::report(&app.db, id, report.port, painted, &health, app.clock.now()).await?;
    if painted && !vm.painted {
        app.wake.notify_one();
    }
    Ok(())
}

/// What a VM is told, as long as it serves: "hello" whenever it should look at everything, and what changes.
pub async fn notices(app: Arc<App>, vm: VmId) -> Result<impl Stream<Item = Notice> + Send, ApiError> {
    let listener = app.hub.listen();
    let (_, desktop) = current(&app, &vm).await?;
    let hearing = Hearing { app, vm, desktop: desktop.id, listener, to_tell: VecDeque::new(), version: None };
    Ok(futures_util::stream::unfold(hearing, |mut hearing| async move {
        let notice = hearing.next().await?;
        Some((notice, hearing))
    }))
}

struct Hearing {
    app: Arc<App>,
    vm: VmId,
    desktop: DesktopId,
    listener: Listener,
    to_tell: VecDeque<Notice>,
    /// When everything was last looked at.
    version: Option<Version>,
}

/// Of the desktop's sessions and of its MCP servers.
type Version = ((i64, i64, i64), i64);

impl Hearing {
    /// `None` once the VM serves no more, or nobody can say.
    async fn next(&mut self) -> Option<Notice> {
        loop {
            if let Some(notice) = self.to_tell.pop_front() {
                return Some(notice);
            }
            if self.version.is_none() {
                self.look().await?;
                continue;
            }
            let desktop = self.desktop.clone();
            let concerns = move |change: &Change| match change {
                Change::Session { desktop_id, by_vm, .. } => *desktop_id == desktop && !by_vm,
                Change::Stop { desktop_id, .. } | Change::McpServers { desktop_id } => *desktop_id == desktop,
                Change::Desktop { .. } | Change::Revoked(_) => false,
            };
            match self.listener.next(concerns).await {
                Heard::Change(Change::Session { session_id, .. }) => return Some(Notice::Work { session_id }),
                Heard::Change(Change::Stop { session_id, .. }) => return Some(Notice::Stop { session_id }),
                Heard::Change(Change::McpServers { .. }) => return Some(Notice::McpServers),
                Heard::Change(Change::Desktop { .. } | Change::Revoked(_)) => {}
                Heard::Missed => self.version = None,
                // Another control on the same database calls nothing out here.
                Heard::Quiet => {
                    current(&self.app, &self.vm).await.ok()?;
                    if self.version != Some(self.version_now().await?) {
                        self.version = None;
                    }
                }
            }
        }
    }

    async fn look(&mut self) -> Option<()> {
        current(&self.app, &self.vm).await.ok()?;
        self.version = Some(self.version_now().await?);
        let to_stop = db::sessions::to_stop(&self.app.db, &self.desktop).await.ok()?;
        self.to_tell.push_back(Notice::Hello);
        self.to_tell.extend(to_stop.into_iter().map(|session_id| Notice::Stop { session_id }));
        Some(())
    }

    async fn version_now(&self) -> Option<Version> {
        let sessions = db::sessions::version(&self.app.db, &self.desktop).await.ok()?;
        let servers = db::mcp_servers::version(&self.app.db, &self.desktop).await.ok()?;
        Some((sessions, servers))
    }
}

/// The VM and the desktop that it serves; refused when the desktop has another VM by now.
pub async fn current(app: &App, id: &VmId) -> Result<(VmRow, DesktopRow), ApiError> {
    let vm = db::vms::by_id(&app.db, id).await?.ok_or_else(stale)?;
    let desktop = serving(app, &vm).await?;
    Ok((vm, desktop))
}

/// A VM speaks for its own generation alone.
pub fn demand_generation(vm: &VmRow, generation: i64) -> Result<(), ApiError> {
    if vm.generation == generation { Ok(()) } else { Err(stale()) }
}

async fn serving(app: &App, vm: &VmRow) -> Result<DesktopRow, ApiError> {
    let desktop = db::desktops::by_id(&app.db, &vm.desktop_id).await?;
    let serves = |desktop: &DesktopRow| {
        // One that is being ended may still store what it has just done; one that has ended says nothing any more.
        let may_run = matches!(desktop.state, Launching | Booting | Ready | Stopping | Interrupted);
        may_run && desktop.vm_id.as_ref() == Some(&vm.id) && desktop.generation == vm.generation
    };
    desktop.filter(serves).ok_or_else(stale)
}

fn certify(app: &App, id: &VmId, csr_pem: &str) -> Result<Enrolled, ApiError> {
    let now = app.clock.now();
    Ok(Enrolled { certificate_pem: app.ca.sign_vm(csr_pem, id, now)?, expires_at: ca::expires_at(now) })
}

fn stale() -> ApiError {
    Problem::new(Code::StaleGeneration, "This VM serves no desktop any more.").into()
}
