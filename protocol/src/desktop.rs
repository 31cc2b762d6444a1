//! Desktops as their owners see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DesktopId, Millis};

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// What a new desktop gets: no model rescales a picture of this size.
    pub const DEFAULT: Size = Size { width: 1280, height: 800 };
    pub const MIN: Size = Size { width: 320, height: 240 };
    pub const MAX: Size = Size { width: 3840, height: 2160 };

    pub fn is_acceptable(self) -> bool {
        (Self::MIN.width..=Self::MAX.width).contains(&self.width)
            && (Self::MIN.height..=Self::MAX.height).contains(&self.height)
    }
}

/// Where a desktop is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DesktopState {
    /// Stored; nothing runs yet.
    Requested,
    /// The provider has been asked for a VM.
    Launching,
    /// The VM runs, its sidecar does not answer yet.
    Booting,
    /// The sidecar answers and the screen is painted.
    Ready,
    /// The VM is being ended; the home stays.
    Stopping,
    Stopped,
    /// The VM was taken away; another one is on its way.
    Interrupted,
    /// It cannot go on by itself; `reason` says why. It can be started again or deleted.
    Failed,
    /// VM and home are being removed.
    Deleting,
    Deleted,
}

impl DesktopState {
    pub const ALL: &[DesktopState] = &[
        Self::Requested,
        Self::Launching,
        Self::Booting,
        Self::Ready,
        Self::Stopping,
        Self::Stopped,
        Self::Interrupted,
        Self::Failed,
        Self::Deleting,
        Self::Deleted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Launching => "launching",
            Self::Booting => "booting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}

impl std::str::FromStr for DesktopState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .iter()
            .copied()
            .find(|s| s.as_str() == text)
            .ok_or_else(|| format!("no desktop state is called {text:?}"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Desktop {
    pub id: DesktopId,
    pub name: String,
    pub state: DesktopState,
    /// Why it is in this state, for a person; set when `failed` or `interrupted`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The screen it was asked to have.
    pub size: Size,
    /// Counts its launches; a VM of an older one has nothing to say any more.
    pub generation: i64,
    pub created_at: Millis,
    /// When it entered its present state.
    pub state_since: Millis,
}

/// Body of `POST desktops`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateDesktop {
    /// 1 to 100 characters; "Desktop" and a number unless told.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub size: Option<Size>,
}

/// Body of `PATCH desktops/{id}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatchDesktop {
    #[serde(default)]
    pub name: Option<String>,
}
