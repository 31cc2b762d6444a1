//! Launches: the generation, the VM and its one-time token are written down before the provider is asked.

use protocol::{VmId, vm::UserData};
use provisioning::{LaunchSpec, ProvisionError};

use super::{
    entered, reconcile,
    state::{self, Event},
};
use crate::{
    app::App,
    db::{self, desktops::DesktopRow, vms::VmRow},
    secret,
};

/// Writes the next generation down and asks for its VM.
pub(super) async fn begin(app: &App, desktop: &DesktopRow) -> anyhow::Result<()> {
    let now = app.clock.now();
    let next = match state::on(desktop.state, Event::Launch) {
        Ok(next) => next,
        Err(refused) => anyhow::bail!("{refused:?}"),
    };
    let (vm, token) = (VmId::generate(), secret::generate("cbe_"));
    let mut to = entered(desktop, next, None, now);
    to.generation = desktop.generation + 1;
    to.vm_id = Some(vm.clone());
    // The VM's row first: a crash in between leaves a row that nothing points to, which harms nobody.
    let row = VmRow {
        id: vm,
        desktop_id: desktop.id.clone(),
        generation: to.generation,
        enrolment_hash: secret::hash(&token),
        key_hash: None,
        host: None,
        port: None,
        painted: false,
        health: None,
        reported_at: None,
        created_at: now,
    };
    db::vms::insert(&app.db, &row).await?;
    if !db::desktops::update(&app.db, desktop, &to).await? {
        return Ok(());
    }
    tracing::info!(desktop = %to.id, generation = to.generation, vm = %row.id, "launching");
    app.hub.call(crate::hub::Change::Desktop { user_id: to.user_id.clone() });
    ask(app, &to, row.id, token).await
}

/// Asks again for a VM that was written down but never launched, with a new token: the old one is lost.
pub(super) async fn again(app: &App, desktop: &DesktopRow) -> anyhow::Result<()> {
    if app.clock.now() < desktop.next_try_at {
        return Ok(());
    }
    let Some(vm) = desktop.vm_id.clone() else { anyhow::bail!("{} is launching without a VM", desktop.id) };
    let token = secret::generate("cbe_");
    db::vms::set_enrolment(&app.db, &vm, &secret::hash(&token)).await?;
    ask(app, desktop, vm, token).await
}

async fn ask(app: &App, desktop: &DesktopRow, vm_id: VmId, token: String) -> anyhow::Result<()> {
    let spec = LaunchSpec {
        vm_id: vm_id.clone(),
        desktop_id: desktop.id.clone(),
        generation: desktop.generation,
        user_data: UserData {
            vm_id,
            edge_url: app.settings.vm_url.to_string(),
            ca_pem: app.ca.root_pem().to_owned(),
            enrolment_token: token,
            size: desktop.size,
        },
    };
    match app.provisioner.launch(&spec).await {
        Ok(_) => {
            app.wake.notify_one();
            Ok(())
        }
        // Tried again until the launch's deadline.
        Err(e @ (ProvisionError::Capacity(_) | ProvisionError::Transient(_) | ProvisionError::NotFound(_))) => {
            let later = DesktopRow { next_try_at: app.clock.now() + 2_000, reason: Some(told(&e)), ..desktop.clone() };
            reconcile::write(app, desktop, &later).await
        }
        Err(e @ (ProvisionError::Quota(_) | ProvisionError::Fatal(_))) => {
            tracing::error!(desktop = %desktop.id, error = told(&e), "launch");
            reconcile::give_up(app, desktop, &told(&e)).await
        }
    }
}

/// The whole chain of causes, for the person who has to mend it.
fn told(error: &ProvisionError) -> String {
    match error {
        ProvisionError::Transient(e) | ProvisionError::Fatal(e) => format!("{e:#}"),
        other => other.to_string(),
    }
}
