//! THE table of the tools that a desktop offers by name: how they are described, what they take, what they need.
//!
//! A provider that knows its own computer tools is told of those by their type; everybody else is told this.

use protocol::capability::Scope;
use serde_json::{Value, json};

use super::{own, record::ToolUse};

/// One tool, as a program or a model without tools of its own kind is told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    pub name: &'static str,
    pub description: String,
    /// A JSON Schema of an object.
    pub input: Value,
    pub scope: Scope,
    pub touch: Touch,
    toolset: Option<&'static str>,
}

/// What a use of it may do to the desktop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// It only looks.
    Nothing,
    /// Nothing that was there is lost by it.
    Adds,
    /// Anything.
    Everything,
}

impl Tool {
    /// Is it mouse, keyboard or screen?
    pub fn is_computer(&self) -> bool {
        self.toolset.is_some()
    }

    /// A use of this tool, as [`tools::plan`](super::tools::plan) reads it.
    pub fn used(&self, input: Value) -> ToolUse {
        let toolset = self.toolset.map(str::to_owned);
        ToolUse { name: self.name.to_owned(), toolset, input, ..ToolUse::default() }
    }
}

/// All of them, in the order in which they are shown.
pub fn tools() -> Vec<Tool> {
    let mut tools = computer();
    tools.push(Tool {
        name: "bash",
        description: "Runs a command in a persistent bash on the desktop's machine and answers what it printed, and its \
            exit code unless that is 0. A command is ended after two minutes: run long ones in the background."
            .to_owned(),
        input: object(
            json!({
                "command": {"type": "string"},
                "restart": {"type": "boolean", "description": "Instead of a command: ends the shell and all it started."}
            }),
            &[],
        ),
        scope: Scope::Shell,
        touch: Touch::Everything,
        toolset: None,
    });
    tools.push(Tool {
        name: "str_replace_based_edit_tool",
        description: "Views, creates and edits text files on the desktop's machine. Paths are absolute.".to_owned(),
        input: editor(),
        scope: Scope::Files,
        touch: Touch::Everything,
        toolset: None,
    });
    tools.extend(own::definitions().iter().filter_map(of_our_own));
    tools
}

/// The family to which the tool of this name belongs.
pub fn toolset_of(name: &str) -> Option<&'static str> {
    tools().iter().find(|tool| tool.name == name)?.toolset
}

/// Is the result of this tool a picture?
pub fn shows_a_picture(name: &str) -> bool {
    matches!(name, "screenshot" | "zoom")
}

fn of_our_own(definition: &Value) -> Option<Tool> {
    // They tell more than the picture does, such as what covered windows hold, so looking takes `control` as well.
    let (name, touch) = match definition["name"].as_str()? {
        "open" => ("open", Touch::Adds),
        "windows" => ("windows", Touch::Everything),
        "accessibility_tree" => ("accessibility_tree", Touch::Nothing),
        _ => return None,
    };
    let description = definition["description"].as_str()?.to_owned();
    Some(Tool {
        name,
        description,
        input: definition["input_schema"].clone(),
        scope: Scope::Control,
        touch,
        toolset: None,
    })
}

fn computer() -> Vec<Tool> {
    let look = |name, description: &str, input| member(name, description, input, Scope::View, Touch::Nothing);
    let act = |name, description: &str, input| member(name, description, input, Scope::Control, Touch::Everything);
    let aimed = || object(json!({"coordinate": point(), "text": held()}), &[]);
    let nothing = || object(json!({}), &[]);
    let mut tools = vec![
        look("screenshot", "Shows the screen. Coordinates of all tools are pixels of the latest one.", nothing()),
        look(
            "zoom",
            "Shows a part of the screen at its full resolution. Coordinates stay those of the latest screenshot.",
            object(json!({"region": numbers(4, "[x0, y0, x1, y1]")}), &["region"]),
        ),
        look("cursor_position", "Tells where the mouse pointer is.", nothing()),
        // The desk does one action at a time: who may only look must not keep the others waiting.
        member("wait", "Waits.", object(json!({"duration": seconds()}), &["duration"]), Scope::Control, Touch::Nothing),
        member(
            "mouse_move",
            "Moves the mouse pointer.",
            object(json!({"coordinate": point()}), &["coordinate"]),
            Scope::Control,
            Touch::Adds,
        ),
    ];
    for (name, description) in [
        ("left_click", "Clicks the left mouse button, at the pointer unless a place is told."),
        ("right_click", "Clicks the right mouse button, at the pointer unless a place is told."),
        ("middle_click", "Clicks the middle mouse button, at the pointer unless a place is told."),
        ("double_click", "Clicks the left mouse button twice, at the pointer unless a place is told."),
        ("triple_click", "Clicks the left mouse button three times, at the pointer unless a place is told."),
    ] {
        tools.push(act(name, description, aimed()));
    }
    tools.extend([
        act(
            "left_click_drag",
            "Drags with the left mouse button.",
            object(
                json!({"start_coordinate": point(), "coordinate": point(), "text": held()}),
                &["start_coordinate", "coordinate"],
            ),
        ),
        act("left_mouse_down", "Presses the left mouse button and keeps it down.", nothing()),
        act("left_mouse_up", "Releases the left mouse button.", nothing()),
        act(
            "scroll",
            "Turns the mouse wheel, at the pointer unless a place is told.",
            object(
                json!({
                    "scroll_direction": {"type": "string", "enum": ["up", "down", "left", "right"]},
                    "scroll_amount": {"type": "integer", "minimum": 1, "maximum": 100, "description": "In notches."},
                    "coordinate": point(),
                    "text": held()
                }),
                &["scroll_direction", "scroll_amount"],
            ),
        ),
        act(
            "type",
            "Types a text as it stands, line breaks included.",
            object(json!({"text": {"type": "string", "minLength": 1}}), &["text"]),
        ),
        act(
            "key",
            "Presses a key or a combination, such as Return or ctrl+s.",
            object(json!({"text": keys(), "repeat": {"type": "integer", "minimum": 1, "maximum": 100}}), &["text"]),
        ),
        act(
            "hold_key",
            "Holds a key or a combination down for a time.",
            object(json!({"text": keys(), "duration": seconds()}), &["text", "duration"]),
        ),
    ]);
    tools
}

fn member(name: &'static str, description: &str, input: Value, scope: Scope, touch: Touch) -> Tool {
    Tool { name, description: description.to_owned(), input, scope, touch, toolset: Some("computer") }
}

fn editor() -> Value {
    object(
        json!({
            "command": {"type": "string", "enum": ["view", "create", "str_replace", "insert"]},
            "path": {"type": "string", "description": "Of a file; for view also of a folder."},
            "view_range": numbers(2, "view: the first and the last line, from 1; -1 is the end."),
            "file_text": {"type": "string", "description": "create: the whole text."},
            "old_str": {"type": "string", "description": "str_replace: what stands there exactly once."},
            "new_str": {"type": "string", "description": "str_replace: what shall stand there instead."},
            "insert_line": {"type": "integer", "minimum": 0, "description": "insert: after this line."},
            "insert_text": {"type": "string", "description": "insert: the text."}
        }),
        &["command", "path"],
    )
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

fn point() -> Value {
    numbers(2, "[x, y] in pixels of the latest screenshot.")
}

fn numbers(count: u32, description: &str) -> Value {
    json!({
        "type": "array",
        "items": {"type": "integer"},
        "minItems": count,
        "maxItems": count,
        "description": description
    })
}

fn held() -> Value {
    json!({"type": "string", "description": "Keys to hold meanwhile, such as shift or ctrl+alt."})
}

fn keys() -> Value {
    json!({"type": "string", "minLength": 1, "description": "Names of keys, joined by + where they go together."})
}

fn seconds() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 60, "description": "In seconds."})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::agent::tools::plan;

    /// An input that has whatever the schema says, and nothing else.
    fn input(schema: &Value) -> Value {
        let value = |name: &str, schema: &Value| match schema["type"].as_str().unwrap() {
            "array" => (0..schema["minItems"].as_u64().unwrap()).map(|n| json!(n + 1)).collect(),
            "string" if schema["enum"].is_array() => schema["enum"][0].clone(),
            "string" => json!("a"),
            "boolean" => json!(false),
            "integer" | "number" => json!(7),
            other => panic!("{name} is of the type {other}"),
        };
        let properties = schema["properties"].as_object().unwrap();
        Value::Object(properties.iter().map(|(name, schema)| (name.clone(), value(name, schema))).collect())
    }

    #[test]
    fn what_the_table_describes_is_what_is_understood() {
        for tool in tools() {
            let whole = input(&tool.input);
            let required: Vec<&str> =
                tool.input["required"].as_array().into_iter().flatten().flat_map(Value::as_str).collect();

            assert!(plan(&tool.used(whole.clone())).is_ok(), "{}: {:?}", tool.name, plan(&tool.used(whole.clone())));
            for name in &required {
                let mut without = whole.clone();
                without.as_object_mut().unwrap().shift_remove(*name);
                // The editor reads its own input, on the desk.
                if tool.name != "str_replace_based_edit_tool" {
                    assert!(plan(&tool.used(without)).is_err(), "{} without {name}", tool.name);
                }
            }
        }
    }

    #[test]
    fn what_a_tool_needs_and_what_it_may_do_is_told() {
        let lines: Vec<String> =
            tools().iter().map(|tool| format!("{}: {:?}, {:?}", tool.name, tool.scope, tool.touch)).collect();

        insta::assert_snapshot!(lines.join("\n"), @r"
        screenshot: View, Nothing
        zoom: View, Nothing
        cursor_position: View, Nothing
        wait: Control, Nothing
        mouse_move: Control, Adds
        left_click: Control, Everything
        right_click: Control, Everything
        middle_click: Control, Everything
        double_click: Control, Everything
        triple_click: Control, Everything
        left_click_drag: Control, Everything
        left_mouse_down: Control, Everything
        left_mouse_up: Control, Everything
        scroll: Control, Everything
        type: Control, Everything
        key: Control, Everything
        hold_key: Control, Everything
        bash: Shell, Everything
        str_replace_based_edit_tool: Files, Everything
        open: Control, Adds
        windows: Control, Everything
        accessibility_tree: Control, Nothing
        ");
    }
}
