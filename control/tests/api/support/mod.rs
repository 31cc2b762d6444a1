//! A control of the test's own: router, database, clock and a fake cloud.

pub(crate) mod browser;
pub(crate) mod postgres;
pub(crate) mod provider;
pub(crate) mod vm;

use std::sync::Arc;

use axum::Router;
use control::{
    app::{App, Settings},
    db::Db,
    keys::seal::Sealer,
    models::Models,
    sessions::blobs::Blobs,
    trust::ca::Ca,
    users::{access::Signer, password::Hasher},
};
use protocol::{DesktopId, SessionId, desktop::Desktop, desktop::DesktopState, session::SessionState};
use provisioning::{Instance, fake::Fake};
use tempfile::TempDir;

pub(crate) use self::{
    browser::{Answer, Browser},
    vm::Vm,
};

pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const ORIGIN: &str = "http://localhost:8080";
pub(crate) const MODEL: &str = "claude-test";

pub(crate) struct Control {
    pub(crate) app: Arc<App>,
    pub(crate) cloud: Fake,
    pub(crate) router: Router,
    pub(crate) folder: Arc<TempDir>,
    url: String,
    _database: Option<Arc<postgres::Database>>,
}

impl Control {
    pub(crate) async fn on_sqlite() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let url = format!("sqlite:{}", folder.path().join("control.db").display());
        Self::at(&url, folder, None, Fake::new(), Default::default()).await
    }

    pub(crate) async fn on_postgres() -> Self {
        let database = postgres::Database::create().await;
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::at(&database.url(), folder, Some(Arc::new(database)), Fake::new(), Default::default()).await
    }

    async fn at(
        url: &str,
        folder: Arc<TempDir>,
        database: Option<Arc<postgres::Database>>,
        cloud: Fake,
        clock: control::clock::Clock,
    ) -> Self {
        let app = Arc::new(App {
            db: Db::connect(url).await.expect("connect to the database"),
            settings: Settings {
                public_url: ORIGIN.parse().expect("a URL"),
                vm_url: "https://127.0.0.1:8443".parse().expect("a URL"),
                models: Models::named(MODEL, provider::at(provider::NOWHERE)).expect("a table"),
                desktops_per_user: 2,
            },
            sealer: Sealer::new(&Sealer::generate_master_key().into()).expect("a sealer"),
            signer: Signer::new(&Signer::generate_pem().expect("a key")).expect("a signer"),
            ca: Ca::open(&folder.path().join("ca"), clock.now()).expect("a CA"),
            hasher: Hasher::new().expect("a hasher"),
            attempts: Default::default(),
            blobs: Blobs::new(&folder.path().join("blobs")).expect("a folder of blobs"),
            hub: Default::default(),
            provisioner: Arc::new(cloud.clone()),
            wake: Default::default(),
            provider_clients: control::keys::outside::Clients::new().expect("an HTTP client"),
            since: clock.now(),
            clock,
        });
        let router = control::http::router(app.clone());
        Self { app, cloud, router, folder, url: url.to_owned(), _database: database }
    }

    /// The same control with other settings, as after a restart with another configuration.
    pub(crate) fn with_settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        self.router = Router::new();
        let app = Arc::get_mut(&mut self.app).expect("nobody else holds the app yet");
        change(&mut app.settings);
        self.router = control::http::router(self.app.clone());
        self
    }

    /// The same control after a restart: on the same database and cloud, with nothing in its memory.
    pub(crate) async fn restarted(&self) -> Self {
        let (folder, database) = (self.folder.clone(), self._database.clone());
        Self::at(&self.url, folder, database, self.cloud.clone(), self.app.clock.clone()).await
    }

    /// Somebody without a credential.
    pub(crate) fn anonymous(&self) -> Browser {
        Browser::new(self.router.clone())
    }

    /// A new user's browser, signed in.
    pub(crate) async fn user(&self, name: &str) -> Browser {
        let browser = self.anonymous();
        browser.sign_up(&format!("{name}@example.org")).await.expect_status(201);
        browser
    }

    /// Does to the database what control itself never does.
    pub(crate) async fn sql(&self, text: &str) {
        let statements = sqlx::raw_sql(sqlx::AssertSqlSafe(text.to_owned()));
        let done = match &self.app.db {
            Db::Sqlite(pool) => statements.execute(pool).await.map(drop),
            Db::Postgres(pool) => statements.execute(pool).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{error}: {text}"));
    }

    /// One text of each row that the database answers.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        let query = sqlx::AssertSqlSafe(query.to_owned());
        let rows = match &self.app.db {
            Db::Sqlite(pool) => sqlx::query_scalar(query).fetch_all(pool).await,
            Db::Postgres(pool) => sqlx::query_scalar(query).fetch_all(pool).await,
        };
        rows.expect("an answer of the database")
    }

    pub(crate) fn pass_time(&self, millis: i64) {
        self.app.clock.advance(millis);
    }

    /// Lets the reconciler look until it has nothing left to do.
    pub(crate) async fn settle(&self) {
        for _ in 0..8 {
            self.pass().await;
        }
    }

    pub(crate) async fn pass(&self) {
        control::desktops::reconcile::pass(&self.app).await.expect("a pass of the reconciler");
    }

    /// What the cloud runs for this desktop.
    pub(crate) async fn instances(&self, desktop: &DesktopId) -> Vec<Instance> {
        let all = provisioning::Provisioner::observe(&self.cloud).await.expect("observe the cloud");
        let live = |vm: &Instance| vm.desktop_id == *desktop && vm.state != provisioning::InstanceState::Terminated;
        all.into_iter().filter(live).collect()
    }

    /// A desktop of this user that is ready, with the VM that serves it.
    pub(crate) async fn ready_desktop(&self, owner: &Browser) -> (Desktop, Vm) {
        let desktop: Desktop = owner.post("desktops", "{}").await.expect_status(201).json();
        self.settle().await;
        let vm = self.vm_of(&desktop.id).await;
        vm.report_painted().await.expect_success();
        self.settle().await;
        let desktop = owner.desktop(&desktop.id).await;
        assert_eq!(desktop.state, DesktopState::Ready, "{desktop:?}");
        (desktop, vm)
    }

    /// A session at work on a ready desktop: it was said something to, and runs from event 2 on.
    pub(crate) async fn running_session(&self, owner: &Browser) -> (SessionId, Vm) {
        let (desktop, vm) = self.ready_desktop(owner).await;
        let session = owner.create_session(&desktop.id).await.id;
        owner.say(&session, "c1", "Hello").await.expect_success();
        vm.becomes(&session, 2, SessionState::Running).await.expect_success();
        (session, vm)
    }

    /// The VM that was launched last for this desktop, enrolled.
    pub(crate) async fn vm_of(&self, desktop: &DesktopId) -> Vm {
        let launched = self.cloud.launched();
        let spec = launched.into_iter().rfind(|spec| spec.desktop_id == *desktop).expect("it was launched");
        let vm = Vm::new(self.router.clone(), spec);
        vm.enrol().await.expect_success();
        vm
    }
}
