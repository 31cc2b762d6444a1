//! The native action set: everything a mouse, a keyboard and a pair of eyes can do on a desktop.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::desktop::Size;

/// A pixel, counted from the top left corner of the picture that the caller saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Point {
    pub x: i32,
    pub y: i32,
}

/// A rectangle of pixels; `width` and `height` are at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Rect {
    pub x: i32,
    pub y: i32,
    pub width: u32,
    pub height: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    Left,
    Middle,
    Right,
    Back,
    Forward,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Up,
    Down,
    Left,
    Right,
}

/// One thing done with mouse, keyboard or eyes. Keys are named as xdotool names them (`ctrl+l`, `Return`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Presses and releases a key or chord, `repeat` times (1 to 100).
    Key {
        keys: String,
        #[serde(default = "once")]
        repeat: u32,
    },
    /// Holds a key or chord down for `duration_ms` (at most 60,000).
    HoldKey {
        keys: String,
        duration_ms: u64,
    },
    /// Types a text as a person would; newline is Return, tab is Tab.
    Type {
        text: String,
    },
    MouseMove {
        to: Point,
    },
    MouseDown {
        #[serde(default = "left")]
        button: Button,
    },
    MouseUp {
        #[serde(default = "left")]
        button: Button,
    },
    /// Clicks `count` times (1 to 3) where the pointer is, or at `at`, with modifiers such as `ctrl+shift` held.
    Click {
        #[serde(default = "left")]
        button: Button,
        #[serde(default = "once")]
        count: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Point>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        modifiers: Option<String>,
    },
    /// Presses the left button at the first point, moves along the others, releases at the last; 2 to 1,000 points.
    Drag {
        path: Vec<Point>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        modifiers: Option<String>,
    },
    /// Turns the wheel by `notches` (1 to 100).
    Scroll {
        direction: Direction,
        notches: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Point>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        modifiers: Option<String>,
    },
    /// Does nothing for `duration_ms` (at most 60,000).
    Wait {
        duration_ms: u64,
    },
    CursorPosition,
    Screenshot,
    /// A part of the screen at the display's own resolution.
    Zoom {
        region: Rect,
    },
}

fn once() -> u32 {
    1
}

fn left() -> Button {
    Button::Left
}

/// Body of `POST desktops/{id}/actions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActionRequest {
    #[serde(flatten)]
    pub action: Action,
    /// The size of the picture that the coordinates were read from; the screen's own unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Size>,
}

/// What an action did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActionOutcome {
    /// Did the screen come to rest within the bounds of this action?
    pub settled: bool,
    /// How long the sidecar waited for that.
    pub waited_ms: u64,
    /// Where the pointer is, in the caller's picture; set by `cursor_position`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Point>,
    /// The part of the screen that changed, in the caller's picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Rect>,
}

/// Body of `POST desktops/{id}/shell`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShellRequest {
    pub command: String,
    /// At most 600,000; 120,000 unless told.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShellOutput {
    /// stdout and stderr as they came, without ANSI sequences, the last 100 KiB.
    pub output: String,
    /// `None` when the command did not end by itself.
    pub exit_code: Option<i32>,
    /// Was it ended because its time was up?
    pub timed_out: bool,
    /// How many bytes were cut from the beginning.
    pub cut_bytes: u64,
}
