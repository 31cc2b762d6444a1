//! Whose word an action needs, how it is shown to that person, and whether what it aims at is still the same. Pure.

use std::fmt::Write as _;

use protocol::{
    action::{Action, Point, Rect},
    approval::{ApprovalPolicy, Risk, ToolRule},
    desktop::Size,
    settings::SessionSettings,
};
use serde_json::Value;

use super::{
    record::ToolUse,
    secrets,
    tools::{self, Task},
};
use crate::gate::servers::names;

/// The longest input that a person can be expected to read, in characters.
const MAX_SHOWN: usize = 20_000;
/// What must stay the same around the point of a click.
const AROUND: (u32, u32) = (160, 96);

/// May a tool run?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Granted,
    /// Only when a person says so.
    Asked(Option<Risk>),
    Refused,
}

/// A rule for the very tool is stronger than the policy.
pub fn permission(settings: &SessionSettings, tool: &ToolUse) -> Permission {
    let risk = risk(tool);
    match rule(settings, tool.called()) {
        Some(ToolRule::Deny) => Permission::Refused,
        // Only a person can acknowledge one.
        _ if !tool.safety_checks.is_empty() => Permission::Asked(risk),
        Some(ToolRule::Allow) => Permission::Granted,
        Some(ToolRule::Ask) => Permission::Asked(risk),
        None => match settings.approvals {
            ApprovalPolicy::Never => Permission::Granted,
            ApprovalPolicy::Risky if risk.is_none() => Permission::Granted,
            ApprovalPolicy::Always if only_looks(tool) => Permission::Granted,
            ApprovalPolicy::Risky | ApprovalPolicy::Always => Permission::Asked(risk),
        },
    }
}

/// For the very tool, or for all tools of an MCP server: `mcp:SERVER`.
fn rule(settings: &SessionSettings, called: &str) -> Option<ToolRule> {
    let of_server = || {
        // A server's name has no underscore.
        let (server, _) = called.strip_prefix("mcp__")?.split_once("__")?;
        settings.tools.get(&format!("mcp:{server}"))
    };
    // OpenAI's drag by a path is the other one with more points.
    let of_drag = || settings.tools.get("left_click_drag").filter(|_| called == "drag");
    settings.tools.get(called).or_else(of_drag).or_else(of_server).copied()
}

fn risk(tool: &ToolUse) -> Option<Risk> {
    if !tool.safety_checks.is_empty() {
        return Some(Risk::SafetyCheck);
    }
    let text = |name: &str| tool.input.get(name).and_then(Value::as_str).unwrap_or_default();
    match tool.called() {
        "bash" => Some(Risk::Shell),
        "str_replace_based_edit_tool" => (text("command") != "view").then_some(Risk::FileWrite),
        "type" if secrets::has_placeholder(text("text")) => Some(Risk::Secret),
        "type" => text("text").contains(['\n', '\r']).then_some(Risk::Submit),
        "key" | "hold_key" => submits(text("text")).then_some(Risk::Submit),
        name if name.starts_with(names::PREFIX) => Some(Risk::Mcp),
        _ => None,
    }
}

/// Could one of these keys be Return? Names of keys have many spellings, so in doubt it could.
fn submits(keys: &str) -> bool {
    let keys = keys.to_ascii_lowercase();
    let by_name = ["enter", "return", "linefeed", "ctrl+m", "ctrl+j", "control+m", "control+j", "0x", "\n", "\r"];
    let by_number = |key: &str| {
        key.strip_prefix('u').is_some_and(|hex| hex.len() > 1 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    by_name.iter().any(|name| keys.contains(name)) || keys.split([' ', '+']).any(by_number)
}

fn only_looks(tool: &ToolUse) -> bool {
    match tool.called() {
        "screenshot" | "zoom" | "cursor_position" | "wait" | "accessibility_tree" => true,
        "windows" => tool.input.get("verb").is_none(),
        "str_replace_based_edit_tool" => tool.input.get("command").and_then(Value::as_str) == Some("view"),
        _ => false,
    }
}

/// The exact input for a person's eyes; `None` when it is too long to be read.
pub fn shown(tool: &ToolUse) -> Option<String> {
    let text = match &tool.input {
        // Of tools that we do not know a value says nothing without its name, and nothing may look like a name.
        input if tool.called().starts_with("mcp__") => visible(&format!("{input:#}")),
        Value::Object(members) if members.len() == 1 => members.values().next().map(plain).unwrap_or_default(),
        Value::Object(members) => {
            let line = |(name, value): (&String, &Value)| format!("{}: {}\n", visible(name), plain(value));
            members.iter().map(line).collect()
        }
        other => plain(other),
    };
    let checks: String = tool.safety_checks.iter().map(|check| format!("safety check: {}\n", visible(check))).collect();
    let then: String = tool.then.iter().map(|then| format!("then {}\n", visible(then))).collect();
    let text = match checks.as_str() {
        "" => text,
        // Whoever acknowledges a check acknowledges it for all that comes with it.
        checks => format!("{}\n{then}{checks}", text.trim_end_matches('\n')),
    };
    (text.chars().count() <= MAX_SHOWN).then_some(text)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => visible(text),
        other => visible(&other.to_string()),
    }
}

/// A text whose every character can be seen: what has no form of its own stands there by its number.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let trails = matches!(c, ' ' | '\t') && matches!(characters.peek(), None | Some('\n'));
        if trails || is_invisible(c) {
            let _ = write!(shown, "\\u{{{:x}}}", c as u32);
        } else if c == '\\' && characters.peek() == Some(&'u') {
            // So that a text cannot pretend that something was escaped.
            shown.push_str("\\u{5c}");
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Controls, formats, fillers, and spaces that look like none or like another; by Unicode's general categories Cc,
/// Cf, Zl, Zp, Zs, Co and its Default_Ignorable_Code_Point.
fn is_invisible(c: char) -> bool {
    match c {
        '\n' | '\t' | ' ' => false,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}' => true,
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' => true,
        '\u{2800}' | '\u{e000}'..='\u{f8ff}' => true,
        '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' => true,
        '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}' => true,
        c => c.is_control() || (c.is_whitespace() && c != ' '),
    }
}

/// What an action aims at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// Nothing of the screen.
    Nothing,
    /// The window that has the keyboard.
    Focus,
    Place(Rect),
}

/// Of a picture of this size.
pub fn aim(task: &Task, picture: Size) -> Aim {
    let Task::Act { action, .. } = task else { return Aim::Nothing };
    match action {
        Action::Key { .. } | Action::HoldKey { .. } | Action::Type { .. } => Aim::Focus,
        Action::Drag { path, .. } => {
            let places = path.iter().filter_map(|point| around(*point, picture));
            places.reduce(union).map_or(Aim::Nothing, Aim::Place)
        }
        // Where the pointer is, is in nobody's picture.
        Action::Click { at: None, .. } | Action::Scroll { at: None, .. } => Aim::Place(whole(picture)),
        Action::MouseDown { .. } | Action::MouseUp { .. } => Aim::Place(whole(picture)),
        _ => tools::mark(task).and_then(|mark| around(mark, picture)).map_or(Aim::Nothing, Aim::Place),
    }
}

pub fn whole(picture: Size) -> Rect {
    Rect { x: 0, y: 0, width: picture.width, height: picture.height }
}

/// What of the picture lies around a point; `None` for one outside.
fn around(at: Point, picture: Size) -> Option<Rect> {
    clip(
        Rect {
            x: at.x.saturating_sub(AROUND.0 as i32 / 2),
            y: at.y.saturating_sub(AROUND.1 as i32 / 2),
            width: AROUND.0,
            height: AROUND.1,
        },
        picture,
    )
}

/// The part of `rect` that lies in the picture.
pub fn clip(rect: Rect, picture: Size) -> Option<Rect> {
    let along = |at: i32, length: u32, most: u32| {
        let from = i64::from(at).clamp(0, i64::from(most));
        let to = (i64::from(at) + i64::from(length)).clamp(0, i64::from(most));
        (from as i32, (to - from) as u32)
    };
    let ((x, width), (y, height)) =
        (along(rect.x, rect.width, picture.width), along(rect.y, rect.height, picture.height));
    (width > 0 && height > 0).then_some(Rect { x, y, width, height })
}

fn union(one: Rect, other: Rect) -> Rect {
    let (x, y) = (one.x.min(other.x), one.y.min(other.y));
    let right = (one.x + one.width as i32).max(other.x + other.width as i32);
    let bottom = (one.y + one.height as i32).max(other.y + other.height as i32);
    Rect { x, y, width: (right - x) as u32, height: (bottom - y) as u32 }
}

/// A part of the screen, as a PNG of the desk.
#[derive(Clone)]
pub struct Pixels {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
    /// Of one pixel.
    depth: usize,
}

impl Pixels {
    /// `None` for what is no PNG, or a larger one than any screen.
    pub fn read(png: &[u8]) -> Option<Self> {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().ok()?;
        let (width, height) = (reader.info().width, reader.info().height);
        if width > Size::MAX.width || height > Size::MAX.width {
            return None;
        }
        let mut bytes = vec![0; reader.output_buffer_size()?];
        let info = reader.next_frame(&mut bytes).ok()?;
        bytes.truncate(info.buffer_size());
        Some(Self { width: width as usize, height: height as usize, bytes, depth: info.color_type.samples() })
    }

    /// Is it the same picture, but for a caret that blinks?
    pub fn is_same_but_for_a_caret(&self, now: &Self) -> bool {
        if (self.width, self.height, self.depth) != (now.width, now.height, now.depth) {
            return false;
        }
        let row = self.width * self.depth;
        let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
        for (y, (before, after)) in self.bytes.chunks(row).zip(now.bytes.chunks(row)).enumerate() {
            if before == after {
                continue;
            }
            (top, bottom) = (top.min(y), y + 1);
            let pixels = before.chunks(self.depth).zip(after.chunks(self.depth)).enumerate();
            for (x, _) in pixels.filter(|(_, (before, after))| before != after) {
                (left, right) = (left.min(x), right.max(x + 1));
            }
        }
        // Thinner than any character that says something, and as high as one.
        top == usize::MAX || (right - left <= 2 && (8..=64).contains(&(bottom - top)))
    }
}

#[cfg(test)]
#[path = "approve_tests.rs"]
mod tests;
