//! Desktops as their owners see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{DesktopId, Millis, lease::Holder, spelled::spelled};

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

spelled! {
    /// Where a desktop is in its life.
    DesktopState, "desktop state", {
        /// Stored; nothing runs yet.
        Requested => "requested",
        /// The provider has been asked for a VM.
        Launching => "launching",
        /// The VM runs, its sidecar does not answer yet.
        Booting => "booting",
        /// The sidecar answers and the screen is painted.
        Ready => "ready",
        /// The VM is being ended; the home stays.
        Stopping => "stopping",
        Stopped => "stopped",
        /// The VM was taken away; another one is on its way.
        Interrupted => "interrupted",
        /// It cannot go on by itself; `reason` says why. It can be started again or deleted.
        Failed => "failed",
        /// VM and home are being removed.
        Deleting => "deleting",
        Deleted => "deleted",
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
    /// The person who has taken control of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holder: Option<Holder>,
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
