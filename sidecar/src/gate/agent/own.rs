//! The tools of our own, beside the provider's: how the model is told of them, and their results as text.

use protocol::{
    accessibility::{AccessibilityTree, AccessibleNode, TreeBound, TreeBounds},
    action::Rect,
    window::{Launched, Window, WindowOutcome, WindowVerb},
};
use serde_json::{Value, json};

/// What a model reads of the tree: enough for a full window, and no more than a screenshot costs several times over.
pub const TREE: TreeBounds = TreeBounds { depth: 40, nodes: 700, ms: 3_000, bytes: 100_000 };
/// Of the tree as text, in characters.
const MAX_TREE: usize = 24_000;

/// For the request.
pub fn definitions() -> Vec<Value> {
    vec![
        json!({
            "name": "open",
            "description": "Starts an application, or opens a web address or a file with the application for it, waits \
                until the window is there and drawn, and tells its title and place. Surer than a shell command or the menu.",
            "input_schema": {
                "type": "object",
                "properties": {"target": {
                    "type": "string",
                    "description": "An application's name (xterm, chromium), a URL, or an absolute path."
                }},
                "required": ["target"]
            }
        }),
        json!({
            "name": "windows",
            "description": "Without input: lists all windows, the topmost first, with their ids. With `window` and `verb`: \
                changes that window and tells what became of it.",
            "input_schema": {
                "type": "object",
                "properties": {
                    "window": {"type": "integer"},
                    "verb": {"type": "string", "enum": ["focus", "move_resize", "minimise", "maximise", "restore", "close"]},
                    "to": {
                        "type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4,
                        "description": "For move_resize: [x, y, width, height] in pixels of the screenshot."
                    }
                }
            }
        }),
        json!({
            "name": "accessibility_tree",
            "description": "Lists what programs say they show: roles, names, texts, states, and the point to click for each, \
                in pixels of the screenshot. Good for small text, long lists and exact targets. Some programs say nothing; \
                then look at a screenshot.",
            "input_schema": {
                "type": "object",
                "properties": {"window": {"type": "integer", "description": "Only this window's program; all unless told."}}
            }
        }),
    ]
}

/// The verb of a use of `windows`; the error is what the model reads.
pub fn verb(input: &Value) -> Result<WindowVerb, String> {
    Ok(match input.get("verb").and_then(Value::as_str) {
        Some("focus") => WindowVerb::Focus,
        Some("minimise") => WindowVerb::Minimise,
        Some("maximise") => WindowVerb::Maximise,
        Some("restore") => WindowVerb::Restore,
        Some("close") => WindowVerb::Close,
        Some("move_resize") => {
            let numbers = input.get("to").and_then(Value::as_array).into_iter().flatten();
            let numbers: Vec<i32> = numbers.filter_map(|n| i32::try_from(n.as_i64()?).ok()).collect();
            match *numbers.as_slice() {
                [x, y, width, height] if width > 0 && height > 0 => {
                    WindowVerb::MoveResize { to: Rect { x, y, width: width as u32, height: height as u32 } }
                }
                _ => {
                    return Err(
                        "Error: `to` must be [x, y, width, height] in whole pixels of the screenshot".to_owned()
                    );
                }
            }
        }
        _ => {
            return Err("Error: `verb` must be focus, move_resize, minimise, maximise, restore or close".to_owned());
        }
    })
}

pub fn list_of(windows: &[Window]) -> String {
    if windows.is_empty() {
        return "There are no windows.".to_owned();
    }
    windows.iter().map(|window| line_of(window) + "\n").collect()
}

pub fn told_of(verb: WindowVerb, outcome: &WindowOutcome) -> String {
    match (&outcome.window, verb) {
        (None, WindowVerb::Close) => "Closed.".to_owned(),
        (None, _) => "The window is gone.".to_owned(),
        (Some(window), WindowVerb::Close) => {
            format!("The window is still there, and may be asking something: {}", line_of(window))
        }
        (Some(window), _) => format!("Now: {}", line_of(window)),
    }
}

pub fn launch_of(launched: &Launched) -> String {
    match &launched.window {
        Some(window) => format!("Opened: {}", line_of(window)),
        None => "Started, but no window has come so far. Take a screenshot.".to_owned(),
    }
}

/// One thing a line, indented by how deep it stands. What only groups other things is left out.
pub fn tree_of(tree: &AccessibilityTree) -> String {
    let mut text = String::new();
    // The depths of the things above the next one that have a line.
    let mut above: Vec<u32> = Vec::new();
    let mut cut = false;
    for node in &tree.nodes {
        above.retain(|depth| *depth < node.depth);
        if !says_something(node) {
            continue;
        }
        let line = format!("{}{}\n", "  ".repeat(above.len()), thing(node));
        if text.len() + line.len() > MAX_TREE {
            cut = true;
            break;
        }
        above.push(node.depth);
        text.push_str(&line);
    }
    if text.is_empty() {
        text.push_str("No program tells what it shows; look at a screenshot.\n");
    }
    if tree.unanswered > 0 {
        text.push_str(&format!("[{} programs did not answer]\n", tree.unanswered));
    }
    if tree.truncated || cut {
        let met: Vec<&str> = tree.bounds_met.iter().map(|bound| name_of(*bound)).collect();
        let met = if met.is_empty() { "length".to_owned() } else { met.join(", ") };
        text.push_str(&format!("[there is more; cut by: {met}. Ask for one window]\n"));
    }
    text
}

fn says_something(node: &AccessibleNode) -> bool {
    let groups = [
        "panel",
        "filler",
        "section",
        "static",
        "scroll pane",
        "viewport",
        "notification",
        "separator",
        "redundant object",
    ];
    let states = node.states.iter().any(|state| state == "focused" || state == "selected");
    !node.name.is_empty() || !node.text.is_empty() || states || !groups.contains(&node.role.as_str())
}

fn thing(node: &AccessibleNode) -> String {
    let mut line = node.role.clone();
    if !node.name.is_empty() {
        line.push_str(&format!(" {:?}", node.name));
    }
    if !node.text.is_empty() && node.text != node.name {
        line.push_str(&format!(" text={:?}", node.text));
    }
    if !node.states.is_empty() {
        line.push_str(&format!(" [{}]", node.states.join(" ")));
    }
    if let Some(Rect { x, y, width, height }) = node.bounds {
        line.push_str(&format!(" @{},{}", i64::from(x) + i64::from(width / 2), i64::from(y) + i64::from(height / 2)));
    }
    line
}

fn name_of(bound: TreeBound) -> &'static str {
    match bound {
        TreeBound::Depth => "depth",
        TreeBound::Nodes => "number of things",
        TreeBound::Time => "time",
        TreeBound::Bytes => "size",
        TreeBound::Children => "a very long list",
    }
}

fn line_of(window: &Window) -> String {
    let Rect { x, y, width, height } = window.bounds;
    let mut line = format!("window {} {:?} ({}) at {x},{y} {width}x{height}", window.id, window.title, window.class);
    for (is, word) in [(window.focused, " focused"), (window.minimised, " minimised"), (window.maximised, " maximised")]
    {
        if is {
            line.push_str(word);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(depth: u32, role: &str, name: &str) -> AccessibleNode {
        AccessibleNode {
            depth,
            role: role.to_owned(),
            name: name.to_owned(),
            text: String::new(),
            states: Vec::new(),
            bounds: None,
        }
    }

    fn tree(nodes: Vec<AccessibleNode>) -> AccessibilityTree {
        AccessibilityTree { nodes, truncated: false, bounds_met: Vec::new(), unanswered: 0, took_ms: 1 }
    }

    #[test]
    fn the_tree_is_one_thing_a_line_without_what_only_groups() {
        let mut entry = node(4, "entry", "Name");
        entry.text = "Ada".to_owned();
        entry.states = vec!["focused".to_owned()];
        entry.bounds = Some(Rect { x: 10, y: 20, width: 101, height: 30 });
        let nodes = vec![
            node(0, "application", "zenity"),
            node(1, "frame", "Zed"),
            node(2, "panel", ""),
            node(3, "label", "Your name"),
            entry,
            node(2, "push button", "OK"),
        ];
        let mut cut = tree(nodes);
        (cut.truncated, cut.bounds_met, cut.unanswered) = (true, vec![TreeBound::Nodes], 1);

        insta::assert_snapshot!(tree_of(&cut), @r#"
        application "zenity"
          frame "Zed"
            label "Your name"
              entry "Name" text="Ada" [focused] @60,35
            push button "OK"
        [1 programs did not answer]
        [there is more; cut by: number of things. Ask for one window]
        "#);
    }

    #[test]
    fn a_tree_without_end_is_cut() {
        let long = tree((0..5_000).map(|n| node(n % 50, "push button", &"x".repeat(150))).collect());

        let text = tree_of(&long);

        assert!(text.len() < MAX_TREE + 200 && text.ends_with("Ask for one window]\n"), "{}", text.len());
    }

    #[test]
    fn verbs_are_read_and_nonsense_is_explained() {
        let to = Rect { x: -3, y: 4, width: 500, height: 6 };
        assert_eq!(verb(&json!({"verb": "move_resize", "to": [-3, 4, 500, 6]})), Ok(WindowVerb::MoveResize { to }));
        for input in [json!({}), json!({"verb": "explode"}), json!({"verb": "move_resize", "to": [1, 2, 0, 4]})] {
            assert!(verb(&input).unwrap_err().starts_with("Error: "), "{input}");
        }
    }
}
