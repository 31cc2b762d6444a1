//! The socket between the two halves of the sidecar.
//!
//! `sidecar desk` listens on a Unix socket; the gate opens one connection a call and writes one
//! [`Call`], and its bytes behind it if it has some. For most calls one [`Answer`] comes back, likewise, and the connection
//! ends. Closing it early cancels the call: a running command's process group is killed.
//! [`Call::Vnc`] turns the connection, after an empty answer, into the raw byte stream of RFB, [`Call::Connect`] into
//! that of a TCP connection, and [`Call::Child`] into the frames of [`child`].
//!
//! The desk runs where the agent's shell runs, so the gate treats whatever it answers as hostile:
//! every frame has a bound, and so has every wait.

pub mod child;
pub mod frame;
pub mod pace;
mod password;

use protocol::{
    SessionId,
    accessibility::{AccessibilityTree, TreeBounds},
    action::{Action, ActionOutcome, Rect, ShellOutput},
    desktop::Size,
    recording::{RecordingOrder, RecordingStatus},
    window::{Application, Launch, Launched, Window, WindowOutcome, WindowVerb},
};
use serde::{Deserialize, Serialize};

pub use self::password::Password;

/// What the gate asks of the desk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
pub enum Call {
    /// Is the desktop there and painted?
    Health,
    /// Coordinates are of `picture`, or of the screen itself. Screenshot and zoom go by [`Call::Screenshot`].
    Act {
        action: Action,
        picture: Option<Size>,
        /// The text is a secret: it goes by keys alone, past the clipboard and every other program.
        #[serde(default)]
        secret: bool,
    },
    Screenshot(ScreenshotCall),
    /// Runs a command in the persistent shell of `session`.
    Bash {
        session: Option<SessionId>,
        command: String,
        timeout_ms: u64,
    },
    /// Ends that shell and all it started; the next command gets a fresh one.
    BashRestart {
        session: Option<SessionId>,
    },
    /// One command of the editor tool (`view`, `create`, `str_replace`, `insert`), input as the model gave it.
    Editor {
        input: serde_json::Value,
    },
    /// All windows; bounds are in pixels of `picture`, or of the screen itself.
    Windows {
        picture: Option<Size>,
    },
    /// Does something with a window.
    Window {
        id: u32,
        verb: WindowVerb,
        picture: Option<Size>,
    },
    Applications,
    /// Launches an application, or what opens a file or a URL, and waits for its window.
    Launch {
        launch: Launch,
        timeout_ms: u64,
        picture: Option<Size>,
    },
    /// What the programs tell assistive technology; of one window's program, or of all.
    Accessibility {
        window: Option<u32>,
        bounds: TreeBounds,
        picture: Option<Size>,
    },
    /// What is on the clipboard, in this form or in the one it has; its bytes follow the answer.
    Clipboard {
        form: Option<ClipboardForm>,
    },
    /// Puts the bytes that follow the call on the clipboard.
    SetClipboard {
        form: ClipboardForm,
    },
    /// Lifts every held key and button, ends every command.
    ReleaseAll,
    /// Lifts every held key and button, and ends all that came of the shell of `session`.
    Stop {
        session: Option<SessionId>,
    },
    /// Says who drives from now on; keys and buttons come up. Once a person does, shells are frozen and nothing is
    /// recorded until that is over.
    Floor {
        rule: FloorRule,
    },
    /// Says how the recording stands, after doing what is asked.
    Recording {
        order: Option<RecordingOrder>,
    },
    /// A part of a recording's file.
    ReadRecording {
        name: String,
        offset: u64,
        length: u32,
    },
    /// A viewer of the screen; without `control` its input is dropped, and whatever it is while the floor is not
    /// its `seat`'s. One that comes with a `password` has to show that it knows it.
    Vnc {
        control: bool,
        seat: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password: Option<Password>,
    },
    /// Starts a program with pipes to it, in the home, with these variables beside the desktop's own. It and all that
    /// came of it end with the connection, and are frozen while a person drives.
    Child {
        command: String,
        args: Vec<String>,
        env: child::Variables,
    },
    /// Connects from the desktop's own network.
    Connect {
        host: String,
        port: u16,
    },
}

/// Whose input the desk takes from viewers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
pub enum FloorRule {
    /// The desktop is idle: whoever may control it.
    Anyone,
    /// The agent drives.
    Nobody,
    /// The person of this seat has taken control.
    Only { seat: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenshotCall {
    pub format: Format,
    /// A part of the screen, in pixels of `picture` (or of the screen); the whole screen unless told.
    pub region: Option<Rect>,
    pub picture: Option<Size>,
    /// The largest picture that is wanted; a larger screen is scaled down to fit, at its own aspect.
    pub fit: Option<Fit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Png,
    Jpeg { quality: u8 },
}

impl Format {
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg { .. } => "image/jpeg",
        }
    }
}

/// What can be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipboardForm {
    /// UTF-8.
    Text,
    Png,
}

/// A bound on a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fit {
    pub max_edge: u32,
    /// Number of 28x28 patches, counted as the provider counts them.
    pub max_patches: u32,
}

impl Fit {
    /// Up to here no model rescales a picture (Anthropic's documented bounds).
    pub const MODEL: Fit = Fit { max_edge: 1568, max_patches: 1568 };
}

/// What the desk answers; a picture's bytes follow as a second frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Done,
    Health {
        painted: bool,
        screen: Size,
        detail: String,
        /// What the gate said last; `None` when this desk has not been told anything yet.
        #[serde(default)]
        floor: Option<FloorRule>,
    },
    Acted(ActionOutcome),
    /// `picture` is the size of the encoded picture that follows, `screen` that of the screen.
    Screenshot {
        picture: Size,
        screen: Size,
    },
    Clipboard {
        form: ClipboardForm,
    },
    Windows {
        windows: Vec<Window>,
    },
    Window(WindowOutcome),
    Applications {
        applications: Vec<Application>,
    },
    Launched(Launched),
    Accessibility(AccessibilityTree),
    Shell(ShellOutput),
    Recording(RecordingStatus),
    /// The part follows; `total` is the length of the whole file.
    RecordingPart {
        total: u64,
    },
    Text {
        text: String,
    },
    Refused(Refusal),
}

/// Why a call was not done. `message` is for the model and for people: what was tried, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The call itself is wrong: out of range, unknown key, no such file.
    Invalid,
    /// There is no such thing: no such window, nothing of that form on the clipboard.
    NotFound,
    /// The desktop is not there (any more).
    Unavailable,
    /// It did not end in time.
    Timeout,
    Failed,
}

impl Refusal {
    pub fn invalid(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Invalid, message: message.into() }
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::NotFound, message: message.into() }
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Unavailable, message: message.into() }
    }

    pub fn timeout(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Timeout, message: message.into() }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Failed, message: message.into() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
