//! The accessibility bus, and questions to the programs on it, each with a bound.

use std::time::{Duration, Instant};

use serde::{Serialize, de::DeserializeOwned};
use zbus::{
    Connection,
    zvariant::{DynamicType, OwnedObjectPath, Type, Value},
};

use crate::link::Refusal;

/// A program that is asked something answers within this, or is taken as one that hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Opening it may start the bus and its registry.
const OPEN_WITHIN: Duration = Duration::from_secs(8);

const ACCESSIBLE: &str = "org.a11y.atspi.Accessible";

/// One thing on the bus: the program's name there, and the thing's path in it.
pub(super) type Reference = (String, OwnedObjectPath);

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Bus {
    connection: Connection,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The thing is gone, or cannot be asked this.
    No,
    /// The program hangs, or the time is up.
    Late,
}

impl Bus {
    /// Starts the bus, if there is a session to start it. Chromium looks for it only once, when it starts itself.
    pub(super) async fn wake() {
        let woken = async {
            let session = Connection::session().await?;
            let bus = Some("org.a11y.Bus");
            session.call_method(bus, "/org/a11y/bus", bus, "GetAddress", &()).await.map(drop)
        };
        match tokio::time::timeout(OPEN_WITHIN, woken).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::info!(%error, "no accessibility bus"),
            Err(_) => tracing::info!("the accessibility bus did not start in time"),
        }
    }

    /// Finds the bus, which starts it, and asks all programs to put up their trees.
    pub(super) async fn open() -> Result<Bus, Refusal> {
        let opened = tokio::time::timeout(OPEN_WITHIN, async {
            let session = Connection::session().await?;
            // Not `ScreenReaderEnabled`: a session may start a screen reader for it.
            let enable = ("org.a11y.Status", "IsEnabled", Value::from(true));
            let properties = Some("org.freedesktop.DBus.Properties");
            session.call_method(Some("org.a11y.Bus"), "/org/a11y/bus", properties, "Set", &enable).await?;
            let told = session
                .call_method(Some("org.a11y.Bus"), "/org/a11y/bus", Some("org.a11y.Bus"), "GetAddress", &())
                .await?;
            let address: String = told.body().deserialize()?;
            zbus::connection::Builder::address(address.as_str())?.build().await
        });
        match opened.await {
            Ok(Ok(connection)) => Ok(Bus { connection }),
            Ok(Err(error)) => Err(Refusal::unavailable(format!(
                "the desktop has no accessibility bus ({error}); it comes with the package at-spi2-core and a session bus"
            ))),
            Err(_) => Err(Refusal::timeout("the desktop's accessibility bus did not start in time")),
        }
    }

    /// All programs that show something to assistive technology.
    pub(super) async fn applications(&self) -> Result<Vec<Reference>, Refusal> {
        let root = OwnedObjectPath::try_from("/org/a11y/atspi/accessible/root").map_err(broken)?;
        let registry = ("org.a11y.atspi.Registry".to_owned(), root);
        // The first question starts it.
        let deadline = Instant::now() + OPEN_WITHIN;
        self.ask_within(&registry, ACCESSIBLE, "GetChildren", &(), deadline).await.map_err(|why| match why {
            Unanswered::No => Refusal::unavailable("the accessibility bus has no registry of programs"),
            Unanswered::Late => Refusal::timeout("the registry of the accessibility bus did not answer in time"),
        })
    }

    /// The process behind a name.
    pub(super) async fn pid(&self, name: &str, deadline: Instant) -> Option<u32> {
        let path = OwnedObjectPath::try_from("/org/freedesktop/DBus").ok()?;
        let bus = ("org.freedesktop.DBus".to_owned(), path);
        self.ask(&bus, "org.freedesktop.DBus", "GetConnectionUnixProcessID", &name, deadline).await.ok()
    }

    pub(super) async fn ask<A, R>(
        &self,
        at: &Reference,
        interface: &str,
        method: &str,
        argument: &A,
        deadline: Instant,
    ) -> Result<R, Unanswered>
    where
        A: Serialize + DynamicType,
        R: DeserializeOwned + Type,
    {
        self.ask_within(at, interface, method, argument, deadline.min(Instant::now() + ANSWER_WITHIN)).await
    }

    async fn ask_within<A, R>(
        &self,
        (name, path): &Reference,
        interface: &str,
        method: &str,
        argument: &A,
        deadline: Instant,
    ) -> Result<R, Unanswered>
    where
        A: Serialize + DynamicType,
        R: DeserializeOwned + Type,
    {
        let left = deadline.saturating_duration_since(Instant::now());
        let call = self.connection.call_method(Some(name.as_str()), path.as_str(), Some(interface), method, argument);
        let answer = tokio::time::timeout(left, call).await.map_err(|_| Unanswered::Late)?;
        let answer = answer.map_err(|_| Unanswered::No)?;
        answer.body().deserialize().map_err(|_| Unanswered::No)
    }
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    Refusal::failed(format!("speak to the accessibility bus: {error}"))
}
