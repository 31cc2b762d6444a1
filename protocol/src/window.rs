//! Windows and applications of a desktop, as programs and the agent handle them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{action::Rect, desktop::Size};

/// A window that a person could act on; panels and the wallpaper are none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Window {
    pub id: u32,
    pub title: String,
    /// The name of its kind, mostly the application's (`WM_CLASS`).
    pub class: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Where it stands with its frame; a part may be off the screen.
    pub bounds: Rect,
    pub focused: bool,
    pub minimised: bool,
    pub maximised: bool,
}

/// What can be done with a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum WindowVerb {
    /// Brings it to the front, back from being minimised, and gives it the keyboard.
    Focus,
    /// Gives it these bounds, frame included; some of it must be on the screen.
    MoveResize {
        to: Rect,
    },
    Minimise,
    Maximise,
    /// Back from being maximised or minimised.
    Restore,
    /// Asks it to close; it may ask its user first.
    Close,
}

/// Body of `POST desktops/{id}/windows/{window}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowRequest {
    #[serde(flatten)]
    pub verb: WindowVerb,
    /// The size of the picture that the bounds were read from; the screen's own unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Size>,
}

/// What became of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WindowOutcome {
    /// The window as it is now, which may not be as it was asked to be; absent when it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Did the screen come to rest within the bounds?
    pub settled: bool,
    /// How long the sidecar waited for that.
    pub waited_ms: u64,
}

/// An application that can be launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Application {
    /// The name of its desktop entry, without `.desktop`.
    pub id: String,
    pub name: String,
}

/// What is to be opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Launch {
    /// An application by its id, or by its name.
    Application(String),
    /// An absolute path, opened with what the desktop opens such files with.
    File(String),
    Url(String),
}

/// Body of `POST desktops/{id}/applications`: one of `application`, `file` and `url`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LaunchRequest {
    #[serde(flatten)]
    pub launch: Launch,
    /// How long to wait for its window: at most 60,000; 15,000 unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// How a window was found to be the one that was opened; the first is the surest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// It carries the id that the launched program was started with.
    StartupId,
    /// It belongs to the launched program, or to one that it started.
    Process,
    /// It is new, and of the application's class.
    Class,
    /// It was there before, and has shown something else since.
    Changed,
    /// It was there before, and it is the application's.
    Existing,
    /// It is the newest there is.
    Newest,
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Launched {
    /// The window that came; absent when none did in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Did the screen come to rest within the bounds?
    pub settled: bool,
    /// From the launch until the window was there and the screen at rest.
    pub waited_ms: u64,
}
