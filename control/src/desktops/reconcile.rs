//! Makes desktops what their rows say, again and again. Every step may run twice.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use protocol::{DesktopId, Millis, VmId, desktop::DesktopState};
use provisioning::{Instance, InstanceState, ProvisionError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    entered, launch,
    state::{self, Event},
};
use crate::{
    app::App,
    db::{self, desktops::DesktopRow, vms::VmRow},
    hub::Change,
    sessions::blobs,
};

/// How often everything is looked at when nothing calls.
const TICK: Duration = Duration::from_millis(500);
/// How long steps that have begun may take when control is stopped.
const FINISH: Duration = Duration::from_secs(30);
/// From the launch to a running VM.
const LAUNCH_DEADLINE: Millis = 120_000;
/// From a running VM to a painted screen.
const BOOT_DEADLINE: Millis = 180_000;
/// A sidecar reports every 10 s; after this long without it is taken for lost.
const SILENCE: Millis = 45_000;
/// A desktop that was ready for this long has forgotten its earlier failures.
const STEADY: Millis = 60_000;
/// Launches in a row that may fail.
const MAX_FAILURES: i64 = 3;
/// Before the next launch, times the failures so far.
const BACKOFF: Millis = 2_000;

/// Runs until cancelled. Each step is a task of its own: one that takes long holds no other desktop up.
pub async fn run(app: Arc<App>, cancel: CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut busy: HashMap<tokio::task::Id, DesktopId> = HashMap::new();
    // Those that a look found busy: each is looked at again, alone, as soon as it is not.
    let mut waiting: HashSet<DesktopId> = HashSet::new();
    let mut alone: Option<DesktopId> = None;
    let mut next = tokio::time::Instant::now();
    while !cancel.is_cancelled() {
        match look(&app).await {
            Ok(seen) => {
                // Whoever is busy was busy when this look began: what was seen of it may be old.
                let still: HashSet<DesktopId> = busy.values().cloned().collect();
                for task in seen.into_iter().filter(|task| alone.as_ref().is_none_or(|id| id == task.desktop())) {
                    let desktop = task.desktop().clone();
                    if still.contains(&desktop) {
                        waiting.insert(desktop);
                    } else {
                        busy.insert(tasks.spawn(task.run(app.clone())).id(), desktop);
                    }
                }
            }
            Err(e) => tracing::warn!(error = format!("{e:#}"), "reconcile"),
        }
        if alone.is_none() {
            next = tokio::time::Instant::now() + TICK;
        }
        alone = loop {
            tokio::select! {
                () = cancel.cancelled() => break None,
                () = app.wake.notified() => break None,
                () = tokio::time::sleep_until(next) => break None,
                // A step that changed something has called; one that did not must not make anything be looked at again.
                Some(done) = tasks.join_next_with_id() => {
                    let desktop = busy.remove(&done.map_or_else(|e| e.id(), |(id, ())| id));
                    if let Some(desktop) = desktop.filter(|desktop| waiting.remove(desktop)) {
                        break Some(desktop);
                    }
                }
            }
        };
    }
    // A launch that is cut off could leave a VM that nobody knows.
    let _ = tokio::time::timeout(FINISH, async { while tasks.join_next().await.is_some() {} }).await;
}

/// Looks at everything once, and takes one step with each desktop that needs one.
pub async fn pass(app: &Arc<App>) -> anyhow::Result<()> {
    let tasks = look(app).await?;
    futures_util::future::join_all(tasks.into_iter().map(|task| task.run(app.clone()))).await;
    Ok(())
}

enum Task {
    Step(Box<DesktopRow>, Option<Instance>),
    /// A VM that no row has.
    End(Instance),
}

impl Task {
    fn desktop(&self) -> &DesktopId {
        match self {
            Task::Step(desktop, _) => &desktop.id,
            Task::End(orphan) => &orphan.desktop_id,
        }
    }

    async fn run(self, app: Arc<App>) {
        let (desktop, done) = match self {
            Task::Step(desktop, instance) => (desktop.id.clone(), step(&app, &desktop, instance.as_ref()).await),
            Task::End(orphan) => {
                tracing::warn!(vm = %orphan.vm_id, desktop = %orphan.desktop_id, generation = orphan.generation, "ending an orphan");
                (orphan.desktop_id.clone(), terminate(&app, &orphan).await)
            }
        };
        if let Err(e) = done {
            tracing::warn!(%desktop, error = format!("{e:#}"), "reconcile");
        }
    }
}

async fn look(app: &App) -> anyhow::Result<Vec<Task>> {
    // Rows before instances: an instance of a row that is read here is then never taken for an orphan.
    let desktops = db::desktops::all(&app.db).await?;
    let instances = app.provisioner.observe().await?;
    let ours: HashSet<&VmId> = desktops.iter().filter_map(|desktop| desktop.vm_id.as_ref()).collect();
    let runs = |instance: &&Instance| matches!(instance.state, InstanceState::Pending | InstanceState::Running);
    let orphans: Vec<Task> = instances
        .iter()
        .filter(runs)
        .filter(|instance| !ours.contains(&instance.vm_id))
        .map(|orphan| Task::End(orphan.clone()))
        .collect();
    let by_vm: HashMap<&VmId, &Instance> = instances.iter().map(|instance| (&instance.vm_id, instance)).collect();
    let steps = desktops.iter().map(|desktop| {
        let instance = desktop.vm_id.as_ref().and_then(|vm| by_vm.get(vm).copied().cloned());
        Task::Step(Box::new(desktop.clone()), instance)
    });
    Ok(steps.chain(orphans).collect())
}

async fn step(app: &App, desktop: &DesktopRow, instance: Option<&Instance>) -> anyhow::Result<()> {
    let now = app.clock.now();
    let alive = instance.filter(|instance| instance.state != InstanceState::Terminated);
    match desktop.state {
        DesktopState::Requested | DesktopState::Interrupted => {
            if let Some(instance) = alive {
                // Of an earlier generation: it has to be gone before the next one may have the home.
                terminate(app, instance).await
            } else if now >= desktop.next_try_at {
                launch::begin(app, desktop).await
            } else {
                Ok(())
            }
        }
        DesktopState::Launching => match alive {
            Some(instance) if instance.state == InstanceState::Running => {
                if let (Some(host), Some(vm)) = (instance.host, &desktop.vm_id) {
                    db::vms::set_host(&app.db, vm, &host.to_string()).await?;
                }
                become_(app, desktop, Event::VmRuns, None).await
            }
            Some(instance) if instance.state == InstanceState::Terminating => gone(app, desktop, Some(instance)).await,
            _ if now - desktop.state_since > LAUNCH_DEADLINE => {
                let why = desktop.reason.as_deref().unwrap_or("its provider did not say why");
                give_up(app, desktop, &format!("no VM ran within two minutes: {why}")).await
            }
            None if instance.is_some() => gone(app, desktop, instance).await,
            // The process that began this launch may have died before it asked the provider.
            None => launch::again(app, desktop).await,
            Some(_) => Ok(()),
        },
        DesktopState::Booting => {
            let vm = present_vm(app, desktop).await?;
            if alive.is_none_or(|instance| instance.state == InstanceState::Terminating) {
                gone(app, desktop, instance).await
            } else if vm.as_ref().is_some_and(|vm| vm.painted) {
                become_(app, desktop, Event::Painted, None).await
            } else if now - desktop.state_since > BOOT_DEADLINE {
                let said = vm.and_then(|vm| vm.health).unwrap_or_else(|| "its sidecar never reported".into());
                give_up(app, desktop, &format!("the desktop was not painted within three minutes: {said}")).await
            } else {
                Ok(())
            }
        }
        DesktopState::Ready => {
            if alive.is_none_or(|instance| instance.state == InstanceState::Terminating) {
                return gone(app, desktop, instance).await;
            }
            let vm = present_vm(app, desktop).await?;
            let heard = vm.and_then(|vm| vm.reported_at).unwrap_or(0);
            // While control was away nobody could report.
            let heard = heard.max(desktop.state_since).max(app.since);
            if now - heard > SILENCE {
                return interrupted(app, desktop, "its sidecar fell silent").await;
            }
            if desktop.failures > 0 && now - desktop.state_since > STEADY {
                let steady = DesktopRow { failures: 0, ..desktop.clone() };
                db::desktops::update(&app.db, desktop, &steady).await?;
            }
            Ok(())
        }
        DesktopState::Stopping => match alive {
            Some(instance) => terminate(app, instance).await,
            None => {
                let wanted = db::sessions::has_work_since(&app.db, &desktop.id, desktop.state_since).await?;
                become_(app, desktop, Event::VmEnded, None).await?;
                if wanted {
                    super::wake(app, &desktop.user_id, &desktop.id)
                        .await
                        .map_err(crate::error::ApiError::into_cause)?;
                }
                Ok(())
            }
        },
        DesktopState::Failed | DesktopState::Stopped => match alive {
            Some(instance) => terminate(app, instance).await,
            None => Ok(()),
        },
        DesktopState::Deleting => match alive {
            Some(instance) => terminate(app, instance).await,
            None => remove(app, desktop).await,
        },
        DesktopState::Deleted => Ok(()),
    }
}

async fn remove(app: &App, desktop: &DesktopRow) -> anyhow::Result<()> {
    match app.provisioner.delete_home(&desktop.id).await {
        Ok(()) | Err(ProvisionError::NotFound(_)) => {}
        Err(e) => return Err(e.into()),
    }
    let pictures = db::blobs::delete_desktop(&app.db, &desktop.id).await?;
    blobs::remove(app, &pictures).await?;
    tracing::info!(desktop = %desktop.id, "deleted");
    app.hub.call(Change::Desktop { user_id: desktop.user_id.clone() });
    Ok(())
}

/// The VM went without being asked.
async fn gone(app: &App, desktop: &DesktopRow, instance: Option<&Instance>) -> anyhow::Result<()> {
    let why = instance.and_then(|instance| instance.detail.clone()).unwrap_or_else(|| "its VM is gone".into());
    interrupted(app, desktop, &why).await
}

/// Another VM is due, after a while that grows, unless it has failed too often.
async fn interrupted(app: &App, desktop: &DesktopRow, why: &str) -> anyhow::Result<()> {
    let failures = desktop.failures + 1;
    if failures >= MAX_FAILURES {
        return give_up(app, desktop, &format!("it ended {failures} times in a row, the last time because {why}"))
            .await;
    }
    let now = app.clock.now();
    let next = match state::on(desktop.state, Event::VmGone) {
        Ok(next) => next,
        Err(refused) => anyhow::bail!("{refused:?}"),
    };
    let mut to = entered(desktop, next, Some(why.to_owned()), now);
    to.failures = failures;
    to.next_try_at = now + BACKOFF * (failures - 1);
    write(app, desktop, &to).await
}

pub(super) async fn give_up(app: &App, desktop: &DesktopRow, why: &str) -> anyhow::Result<()> {
    become_(app, desktop, Event::GiveUp, Some(why.to_owned())).await
}

pub(super) async fn become_(
    app: &App,
    desktop: &DesktopRow,
    event: Event,
    reason: Option<String>,
) -> anyhow::Result<()> {
    match state::on(desktop.state, event) {
        Ok(next) => write(app, desktop, &entered(desktop, next, reason, app.clock.now())).await,
        Err(refused) => anyhow::bail!("{refused:?}"),
    }
}

/// Writes a row, unless somebody else changed it since it was read; then the next pass decides again.
pub(super) async fn write(app: &App, from: &DesktopRow, to: &DesktopRow) -> anyhow::Result<()> {
    if db::desktops::update(&app.db, from, to).await? {
        let took_ms = to.state_since - from.state_since;
        tracing::info!(desktop = %to.id, generation = to.generation, from = from.state.as_str(), reason = to.reason, took_ms, "{}", to.state.as_str());
        super::left(app, from, to);
        app.hub.call(Change::Desktop { user_id: to.user_id.clone() });
        app.wake.notify_one();
    }
    Ok(())
}

async fn present_vm(app: &App, desktop: &DesktopRow) -> anyhow::Result<Option<VmRow>> {
    Ok(match &desktop.vm_id {
        Some(vm) => db::vms::by_id(&app.db, vm).await?,
        None => None,
    })
}

async fn terminate(app: &App, instance: &Instance) -> anyhow::Result<()> {
    match app.provisioner.terminate(&instance.vm_id).await {
        Ok(()) => {
            // What is already on its way out is seen at the next tick.
            if instance.state != InstanceState::Terminating {
                app.wake.notify_one();
            }
            Ok(())
        }
        Err(ProvisionError::NotFound(_)) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Ends all VMs and marks their desktops stopped: for a control that takes its desktops with it.
pub async fn stop_all(app: &Arc<App>) -> anyhow::Result<()> {
    for desktop in db::desktops::all(&app.db).await? {
        if let Ok(next) = state::on(desktop.state, Event::StopAsked) {
            let to = entered(&desktop, next, None, app.clock.now());
            if db::desktops::update(&app.db, &desktop, &to).await? {
                super::left(app, &desktop, &to);
            }
        }
    }
    let instances = app.provisioner.observe().await?;
    let ended = instances
        .iter()
        .filter(|instance| instance.state != InstanceState::Terminated)
        .map(|instance| app.provisioner.terminate(&instance.vm_id));
    for result in futures_util::future::join_all(ended).await {
        if let Err(e) = result {
            tracing::warn!(error = format!("{e:#}"), "end a VM at shutdown");
        }
    }
    pass(app).await
}
