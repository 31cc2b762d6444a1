//! What the model's tools mean here: members of the computer toolset, bash, the editor, and our own.

use protocol::{
    action::{Action, Button, Direction, Point, Rect},
    window::WindowVerb,
};
use serde_json::Value;

use super::{own, record::ToolUse};
use crate::gate::servers::names;

const LONGEST_S: f64 = 60.0;
/// What the desk takes for one drag.
const MAX_PATH: usize = 1000;

/// What is to be done for one use of a tool.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// An action, and what the model reads when it is done.
    Act {
        action: Action,
        done: String,
    },
    CursorPosition,
    Screenshot,
    Zoom(Rect),
    Bash(String),
    BashRestart,
    Editor(Value),
    Open(String),
    Windows,
    Window(u32, WindowVerb),
    Tree(Option<u32>),
    /// A tool of a server that the user added, by what the model calls it.
    Mcp {
        name: String,
        input: Value,
    },
}

/// Reads a use of a tool; the error is what the model reads.
pub fn plan(tool: &ToolUse) -> Result<Task, String> {
    if let Some(fault) = &tool.fault {
        return Err(format!("Error: {fault}"));
    }
    match (tool.toolset.as_deref(), tool.name.as_str()) {
        (Some("computer"), member) => computer(member, &tool.input),
        // The single tool of earlier models: its actions are named and built as the members are.
        (None, "computer") => computer(&text(&tool.input, "action")?, &tool.input),
        (None, "bash") => bash(&tool.input),
        (None, "str_replace_based_edit_tool") => Ok(Task::Editor(tool.input.clone())),
        (None, "open") => Ok(Task::Open(text(&tool.input, "target")?)),
        (None, "windows") => match window(&tool.input)? {
            None if tool.input.get("verb").is_some() => Err("Error: `window` must be the id of a window".to_owned()),
            None => Ok(Task::Windows),
            Some(id) => Ok(Task::Window(id, own::verb(&tool.input)?)),
        },
        (None, "accessibility_tree") => Ok(Task::Tree(window(&tool.input)?)),
        (None, name) if name.starts_with(names::PREFIX) => {
            Ok(Task::Mcp { name: name.to_owned(), input: tool.input.clone() })
        }
        (_, name) => Err(format!("Error: there is no tool '{}'", name.chars().take(100).collect::<String>())),
    }
}

/// Where in the caller's picture an action points, for the mark on the chat's card.
pub fn mark(task: &Task) -> Option<Point> {
    let Task::Act { action, .. } = task else { return None };
    match action {
        Action::Click { at, .. } | Action::Scroll { at, .. } => *at,
        Action::MouseMove { to } => Some(*to),
        Action::Drag { path, .. } => path.last().copied(),
        _ => None,
    }
}

fn computer(member: &str, input: &Value) -> Result<Task, String> {
    let act = |action: Action, done: &str| Ok(Task::Act { action, done: done.to_owned() });
    let click = |button: Button, count: u32, done: &str| {
        let (at, modifiers) = (optional_point(input, "coordinate")?, modifiers(input)?);
        act(Action::Click { button, count, at, modifiers }, done)
    };
    match member {
        "key" => {
            let keys = text(input, "text")?;
            let repeat = match input.get("repeat") {
                None | Some(Value::Null) => 1,
                Some(repeat) => repeat
                    .as_u64()
                    .filter(|repeat| (1..=100).contains(repeat))
                    .ok_or("Error: `repeat` must be a whole number from 1 to 100")?
                    as u32,
            };
            let done = format!("Pressed {keys}.");
            Ok(Task::Act { action: Action::Key { keys, repeat }, done })
        }
        "hold_key" => {
            let (keys, (duration_ms, shown)) = (text(input, "text")?, duration(input)?);
            let done = format!("Held {keys} for {shown}s.");
            Ok(Task::Act { action: Action::HoldKey { keys, duration_ms }, done })
        }
        "type" => act(Action::Type { text: text(input, "text")? }, "Typed."),
        "cursor_position" => Ok(Task::CursorPosition),
        "mouse_move" => act(Action::MouseMove { to: point(input, "coordinate")? }, "Moved the mouse."),
        "left_mouse_down" => act(Action::MouseDown { button: Button::Left }, "Left mouse button pressed."),
        "left_mouse_up" => act(Action::MouseUp { button: Button::Left }, "Left mouse button released."),
        "left_click" => click(Button::Left, 1, "Clicked."),
        "right_click" => click(Button::Right, 1, "Right-clicked."),
        "middle_click" => click(Button::Middle, 1, "Middle-clicked."),
        "back_click" => click(Button::Back, 1, "Clicked."),
        "forward_click" => click(Button::Forward, 1, "Clicked."),
        "double_click" => click(Button::Left, 2, "Double-clicked."),
        "triple_click" => click(Button::Left, 3, "Triple-clicked."),
        "left_click_drag" => {
            let path = vec![point(input, "start_coordinate")?, point(input, "coordinate")?];
            act(Action::Drag { path, modifiers: modifiers(input)? }, "Dragged.")
        }
        "drag" => {
            let points = input.get("path").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let path: Option<Vec<Point>> = points.iter().map(point_of).collect();
            let path = path
                .filter(|path| (2..=MAX_PATH).contains(&path.len()))
                .ok_or("Error: `path` must be 2 to 1000 points [x, y] in whole pixels of the screenshot")?;
            act(Action::Drag { path, modifiers: modifiers(input)? }, "Dragged.")
        }
        "scroll" => {
            let named = text(input, "scroll_direction")?;
            let direction = match named.as_str() {
                "up" => Direction::Up,
                "down" => Direction::Down,
                "left" => Direction::Left,
                "right" => Direction::Right,
                _ => return Err("Error: `scroll_direction` must be up, down, left or right".to_owned()),
            };
            let notches = input.get("scroll_amount").and_then(Value::as_u64);
            let notches = notches
                .filter(|notches| (1..=100).contains(notches))
                .ok_or("Error: `scroll_amount` must be a whole number from 1 to 100")?;
            let (at, modifiers) = (optional_point(input, "coordinate")?, modifiers(input)?);
            let action = Action::Scroll { direction, notches: notches as u32, at, modifiers };
            Ok(Task::Act { action, done: format!("Scrolled {named}.") })
        }
        "wait" => {
            let (duration_ms, shown) = duration(input)?;
            Ok(Task::Act { action: Action::Wait { duration_ms }, done: format!("Waited {shown}s.") })
        }
        "screenshot" => Ok(Task::Screenshot),
        "zoom" => Ok(Task::Zoom(region(input)?)),
        other => {
            let shown: String = other.chars().take(100).collect();
            Err(format!("Error: unknown computer toolset member '{shown}'"))
        }
    }
}

fn bash(input: &Value) -> Result<Task, String> {
    if input.get("restart").and_then(Value::as_bool) == Some(true) {
        return Ok(Task::BashRestart);
    }
    Ok(Task::Bash(text(input, "command")?))
}

fn text(input: &Value, name: &str) -> Result<String, String> {
    match input.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(format!("Error: `{name}` must be a non-empty text")),
    }
}

fn window(input: &Value) -> Result<Option<u32>, String> {
    match input.get("window") {
        None | Some(Value::Null) => Ok(None),
        Some(id) => match id.as_u64().map(u32::try_from) {
            Some(Ok(id)) => Ok(Some(id)),
            _ => Err("Error: `window` must be the id of a window, as `windows` lists it".to_owned()),
        },
    }
}

/// Keys held during an action: `text` in the toolset, `key` in the single tool.
fn modifiers(input: &Value) -> Result<Option<String>, String> {
    match input.get("text").or_else(|| input.get("key")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(keys)) if keys.is_empty() => Ok(None),
        Some(Value::String(keys)) => Ok(Some(keys.clone())),
        Some(_) => Err("Error: `text` must name the keys to hold".to_owned()),
    }
}

fn point(input: &Value, name: &str) -> Result<Point, String> {
    optional_point(input, name)?.ok_or_else(|| format!("Error: `{name}` is missing: give [x, y]"))
}

fn optional_point(input: &Value, name: &str) -> Result<Option<Point>, String> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match point_of(value) {
            None => Err(format!("Error: `{name}` must be [x, y] in whole pixels of the screenshot")),
            point => Ok(point),
        },
    }
}

fn point_of(value: &Value) -> Option<Point> {
    match numbers(value)?.as_slice() {
        [x, y] => Some(Point { x: *x, y: *y }),
        _ => None,
    }
}

fn region(input: &Value) -> Result<Rect, String> {
    match input.get("region").and_then(numbers).as_deref() {
        Some([x0, y0, x1, y1]) if x0 < x1 && y0 < y1 && *x0 >= 0 && *y0 >= 0 => {
            Ok(Rect { x: *x0, y: *y0, width: x1.abs_diff(*x0), height: y1.abs_diff(*y0) })
        }
        _ => Err("Error: `region` must be [x0, y0, x1, y1] with x0 < x1 and y0 < y1".to_owned()),
    }
}

fn numbers(value: &Value) -> Option<Vec<i32>> {
    let whole = |value: &Value| {
        // 512.0 is a whole number too.
        let number = value.as_i64().or_else(|| value.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64))?;
        i32::try_from(number).ok()
    };
    value.as_array()?.iter().map(whole).collect()
}

/// Milliseconds, and the seconds as they were written.
fn duration(input: &Value) -> Result<(u64, String), String> {
    let value = input.get("duration").unwrap_or(&Value::Null);
    match value.as_f64() {
        Some(seconds) if (0.0..=LONGEST_S).contains(&seconds) => Ok(((seconds * 1000.0) as u64, value.to_string())),
        _ => Err(format!("Error: `duration` must be 0 to {LONGEST_S} seconds")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn member(name: &str, input: Value) -> ToolUse {
        ToolUse {
            id: "t".to_owned(),
            name: name.to_owned(),
            toolset: Some("computer".to_owned()),
            input,
            ..ToolUse::default()
        }
    }

    fn done(name: &str, input: Value) -> String {
        match plan(&member(name, input)) {
            Ok(Task::Act { done, .. }) => done,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn every_pure_action_is_confirmed_in_the_providers_words() {
        let at = json!({"coordinate": [1, 2]});
        let said = [
            done("key", json!({"text": "ctrl+s"})),
            done("hold_key", json!({"text": "a", "duration": 2})),
            done("type", json!({"text": "x"})),
            done("mouse_move", at.clone()),
            done("left_mouse_down", json!({})),
            done("left_mouse_up", json!({})),
            done("left_click", at.clone()),
            done("left_click_drag", json!({"start_coordinate": [0, 0], "coordinate": [5, 5]})),
            done("right_click", at.clone()),
            done("middle_click", json!({})),
            done("double_click", at.clone()),
            done("triple_click", at),
            done("scroll", json!({"scroll_direction": "down", "scroll_amount": 3})),
            done("wait", json!({"duration": 1})),
        ];

        insta::assert_snapshot!(said.join("\n"), @r"
        Pressed ctrl+s.
        Held a for 2s.
        Typed.
        Moved the mouse.
        Left mouse button pressed.
        Left mouse button released.
        Clicked.
        Dragged.
        Right-clicked.
        Middle-clicked.
        Double-clicked.
        Triple-clicked.
        Scrolled down.
        Waited 1s.
        ");
    }

    #[test]
    fn a_modifier_may_stand_in_text_or_in_key() {
        for name in ["text", "key"] {
            let mut input = json!({"coordinate": [3, 4]});
            input[name] = json!("shift");

            let Ok(Task::Act { action: Action::Click { modifiers, at, .. }, .. }) = plan(&member("left_click", input))
            else {
                panic!("no click")
            };

            assert_eq!((modifiers.as_deref(), at), (Some("shift"), Some(Point { x: 3, y: 4 })));
        }
    }

    #[test]
    fn the_single_tools_actions_are_the_members() {
        let single = |input| plan(&ToolUse { toolset: None, ..member("computer", input) });
        for (name, input) in [
            ("left_click", json!({"coordinate": [3, 4], "key": "ctrl"})),
            ("key", json!({"text": "Return"})),
            ("hold_key", json!({"text": "shift", "duration": 1})),
            ("scroll", json!({"coordinate": [3, 4], "scroll_direction": "up", "scroll_amount": 2, "text": "alt"})),
            ("left_click_drag", json!({"start_coordinate": [0, 0], "coordinate": [5, 5]})),
            ("zoom", json!({"region": [0, 0, 10, 10]})),
            ("screenshot", json!({})),
        ] {
            let mut with_action = input.clone();
            with_action["action"] = json!(name);

            let task = single(with_action);

            assert!(task.is_ok(), "{task:?}");
            assert_eq!(task, plan(&member(name, input)));
        }
        assert!(single(json!({"coordinate": [1, 2]})).unwrap_err().contains("`action`"));
    }

    #[test]
    fn a_use_that_is_at_fault_is_not_run_whatever_it_is() {
        let faulty =
            ToolUse { fault: Some("the arguments are no object".to_owned()), ..member("screenshot", json!({})) };

        assert_eq!(plan(&faulty).unwrap_err(), "Error: the arguments are no object");
    }

    #[test]
    fn an_unknown_member_and_a_foreign_toolset_are_named_in_the_error() {
        assert_eq!(plan(&member("fly", json!({}))).unwrap_err(), "Error: unknown computer toolset member 'fly'");
        let browser = ToolUse { toolset: Some("browser".to_owned()), ..member("left_click", json!({})) };
        assert_eq!(plan(&browser).unwrap_err(), "Error: there is no tool 'left_click'");
    }

    #[test]
    fn inputs_that_make_no_sense_are_refused_in_words() {
        for (name, input) in [
            ("left_click", json!({"coordinate": [1]})),
            ("left_click", json!({"coordinate": [1.5, 2]})),
            ("mouse_move", json!({})),
            ("mouse_move", json!({"coordinate": [1e300, 0]})),
            ("key", json!({"text": ""})),
            ("key", json!({"text": "a", "repeat": 0})),
            ("wait", json!({"duration": -1})),
            ("wait", json!({"duration": 61})),
            ("scroll", json!({"scroll_direction": "in", "scroll_amount": 1})),
            ("zoom", json!({"region": [5, 5, 5, 9]})),
            ("zoom", json!({"region": [i32::MIN, 0, i32::MAX, 9]})),
            ("type", json!("text")),
        ] {
            let refused = plan(&member(name, input.clone())).unwrap_err();
            assert!(refused.starts_with("Error: "), "{name} {input}: {refused}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_makes_it_panic(name in "[a-z_]{0,16}", toolset in proptest::bool::ANY, json in ".{0,64}", n in proptest::num::f64::ANY) {
            let toolset = toolset.then(|| "computer".to_owned());
            for name in [name.as_str(), "zoom", "scroll", "left_click_drag", "hold_key"] {
                let input = json!({"text": json, "coordinate": [n, n], "region": [n, 0, 1, n], "duration": n, "scroll_amount": n});
                let _ = plan(&ToolUse { name: name.to_owned(), toolset: toolset.clone(), input, ..ToolUse::default() });
            }
        }
    }
}
