//! What edges are granted: a capability for a desktop, a key for a model call.

use protocol::{
    Millis, VmId,
    desktop::DesktopState,
    edge::{Credential, Grant, ModelKey, ModelKeyRequest, Resolve, Resolved},
    error::{Code, Problem},
};
use secrecy::ExposeSecret;

use crate::{
    app::App,
    db::{self, Db, desktops::DesktopRow},
    desktops,
    error::ApiError,
    keys,
    users::{account, tickets},
    vms,
};

/// How long an edge may go by an answer, in milliseconds.
const FRESH: Millis = 15_000;

/// Who this is, whether the desktop is theirs, and where its sidecar listens.
pub async fn resolve(app: &App, question: &Resolve) -> Result<Resolved, ApiError> {
    let caller = match &question.credential {
        Credential::Ticket(ticket) => tickets::redeem(app, ticket, &question.desktop_id).await?,
        credential => account::authenticate(app, credential).await?,
    };
    let desktop = desktops::owned(app, &caller.user_id, &question.desktop_id).await?;
    let Some(Place { host, port, vm_id }) = place(&app.db, &desktop).await? else {
        let detail = format!("The desktop is {}: start it, or wait until it is ready.", desktop.state.as_str());
        return Err(Problem::new(Code::DesktopNotReady, detail).into());
    };
    let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let now = app.clock.now();
    let (actor, scopes, ends_at) = (caller.actor(), &caller.scopes, caller.ends_at());
    let (capability, good_until) =
        app.signer.capability(&caller.user_id, &desktop.id, desktop.generation, actor, scopes, now)?;
    // The sidecar's clock may be ahead of ours, so the capability's last seconds are not given out.
    let fresh_until = [now + FRESH, good_until - 10_000].into_iter().chain(ends_at).min().unwrap_or(now);
    Ok(Resolved {
        credential_id: caller.credential(),
        ends_at,
        user_id: caller.user_id,
        generation: desktop.generation,
        vm_id,
        address,
        capability,
        fresh_until,
    })
}

/// Does what was granted once still hold?
pub async fn holds(app: &App, grant: &Grant) -> Result<bool, ApiError> {
    if !account::is_still(app, &grant.user_id, &grant.credential_id).await? {
        return Ok(false);
    }
    let desktop = db::desktops::by_id(&app.db, &grant.desktop_id).await?;
    Ok(desktop.is_some_and(|desktop| {
        desktop.user_id == grant.user_id
            && desktop.generation == grant.generation
            && desktop.state == DesktopState::Ready
    }))
}

/// Where the sidecar of a desktop listens.
pub struct Place {
    pub host: String,
    pub port: u16,
    pub vm_id: VmId,
}

/// `None` while the desktop is not ready.
pub async fn place(db: &Db, desktop: &DesktopRow) -> sqlx::Result<Option<Place>> {
    let vm = match &desktop.vm_id {
        Some(vm) if desktop.state == DesktopState::Ready => db::vms::by_id(db, vm).await?,
        _ => None,
    };
    Ok(vm.and_then(|vm| Some(Place { host: vm.host?, port: vm.port?, vm_id: vm.id })))
}

/// The key of the desktop's owner, for the edge's memory alone.
pub async fn model_key(app: &App, question: &ModelKeyRequest) -> Result<ModelKey, ApiError> {
    let (_, desktop) = vms::current(app, &question.vm_id).await?;
    let provider = keys::demand_known(app, &question.provider)?;
    let key = if provider.needs_key {
        Some(keys::open(app, &desktop.user_id, &question.provider).await?)
    } else {
        // One that was stored all the same is meant to be used.
        keys::find(app, &desktop.user_id, &question.provider).await?
    };
    let session = db::sessions::next_work(&app.db, &desktop.id).await?;
    Ok(ModelKey {
        user_id: desktop.user_id,
        desktop_id: desktop.id,
        session_id: session.map(|session| session.id),
        api: provider.api,
        base_url: provider.url(""),
        allow_private: provider.allow_private,
        api_key: key.map(|key| key.expose_secret().to_owned()),
    })
}
