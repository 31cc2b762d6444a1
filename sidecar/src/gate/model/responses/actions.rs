//! What OpenAI's computer tool calls its actions, as the members of ours.

use serde_json::{Value, json};

/// A wheel's notch scrolls a page by about so many pixels.
const PIXELS_OF_A_NOTCH: f64 = 100.0;
/// More than anybody scrolls at once; ours takes no more.
const MOST_NOTCHES: f64 = 100.0;
/// `wait` says no time; the screen is waited for after every action anyhow.
const WAIT_S: u32 = 1;

/// Members of our toolset and their inputs, in the order in which they are to be done: none of them is left out, so
/// that what is not known is answered with an error.
pub fn members(call: &Value) -> Vec<(String, Value)> {
    let one = [call["action"].clone()];
    let actions = match call["actions"].as_array() {
        Some(actions) => actions.as_slice(),
        None if call["action"].is_object() => &one,
        None => &[],
    };
    let mut members: Vec<(String, Value)> = actions.iter().flat_map(member).collect();
    if members.is_empty() {
        // Something has to be answered, and the answer is always a picture.
        members.push(("screenshot".to_owned(), json!({})));
    }
    members
}

fn member(action: &Value) -> Vec<(String, Value)> {
    let at = json!([action["x"], action["y"]]);
    let mut aimed = json!({"coordinate": at});
    let keys = keys(action);
    if !keys.is_empty() {
        aimed["text"] = json!(keys);
    }
    let one = |name: &str, input: Value| vec![(name.to_owned(), input)];
    match action["type"].as_str().unwrap_or_default() {
        "click" => match action["button"].as_str() {
            Some("left") | None => one("left_click", aimed),
            Some("right") => one("right_click", aimed),
            Some("wheel") => one("middle_click", aimed),
            Some(other) => one(&format!("{other}_click"), aimed),
        },
        "double_click" => one("double_click", aimed),
        "drag" => {
            let points = action["path"].as_array().into_iter().flatten();
            let mut input = json!({"path": points.map(|at| json!([at["x"], at["y"]])).collect::<Vec<_>>()});
            if let Some(keys) = aimed.get("text") {
                input["text"] = keys.clone();
            }
            one("drag", input)
        }
        "keypress" => one("key", json!({"text": keys})),
        "move" => one("mouse_move", json!({"coordinate": at})),
        "screenshot" => one("screenshot", json!({})),
        "scroll" => scroll(action, &aimed),
        "type" => one("type", json!({"text": action["text"]})),
        "wait" => one("wait", json!({"duration": WAIT_S})),
        other => one(other, action.clone()),
    }
}

fn keys(action: &Value) -> String {
    let keys: Vec<&str> = action["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    keys.join("+")
}

/// One turn of the wheel for each direction that is meant.
fn scroll(action: &Value, aimed: &Value) -> Vec<(String, Value)> {
    let along = |pixels: &Value, back: &str, forth: &str| {
        let pixels = pixels.as_f64().filter(|pixels| *pixels != 0.0)?;
        let notches = (pixels.abs() / PIXELS_OF_A_NOTCH).round().clamp(1.0, MOST_NOTCHES);
        let mut input = aimed.clone();
        input["scroll_direction"] = json!(if pixels < 0.0 { back } else { forth });
        input["scroll_amount"] = json!(notches as u32);
        Some(("scroll".to_owned(), input))
    };
    let turns: Vec<_> = [along(&action["scroll_y"], "up", "down"), along(&action["scroll_x"], "left", "right")]
        .into_iter()
        .flatten()
        .collect();
    // By no pixel at all: the pointer still goes there.
    if turns.is_empty() { vec![("mouse_move".to_owned(), json!({"coordinate": aimed["coordinate"]}))] } else { turns }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gate::agent::{record::ToolUse, tools::plan};

    fn line((name, input): &(String, Value)) -> String {
        let tool = ToolUse {
            name: name.clone(),
            toolset: Some("computer".to_owned()),
            input: input.clone(),
            ..Default::default()
        };
        let planned = if plan(&tool).is_ok() { "" } else { "  (refused)" };
        format!("{name} {input}{planned}\n")
    }

    #[test]
    fn every_action_is_one_of_ours() {
        let call = json!({"actions": [
            {"type": "click", "button": "left", "x": 1, "y": 2},
            {"type": "click", "button": "right", "x": 1, "y": 2, "keys": ["CTRL", "SHIFT"]},
            {"type": "click", "button": "wheel", "x": 1, "y": 2},
            {"type": "click", "button": "back", "x": 1, "y": 2},
            {"type": "click", "button": "forward", "x": 1, "y": 2},
            {"type": "double_click", "x": 1, "y": 2, "keys": null},
            {"type": "drag", "path": [{"x": 1, "y": 2}, {"x": 3, "y": 4}, {"x": 5, "y": 6}], "keys": ["ALT"]},
            {"type": "keypress", "keys": ["CTRL", "L"]},
            {"type": "move", "x": 1, "y": 2},
            {"type": "screenshot"},
            {"type": "scroll", "x": 1, "y": 2, "scroll_x": 0, "scroll_y": 250},
            {"type": "scroll", "x": 1, "y": 2, "scroll_x": -10, "scroll_y": -99999},
            {"type": "scroll", "x": 1, "y": 2, "scroll_x": 0, "scroll_y": 0},
            {"type": "type", "text": "hello"},
            {"type": "wait"},
            {"type": "fly", "x": 1},
        ]});

        let lines: String = members(&call).iter().map(line).collect();

        insta::assert_snapshot!(lines, @r#"
        left_click {"coordinate":[1,2]}
        right_click {"coordinate":[1,2],"text":"CTRL+SHIFT"}
        middle_click {"coordinate":[1,2]}
        back_click {"coordinate":[1,2]}
        forward_click {"coordinate":[1,2]}
        double_click {"coordinate":[1,2]}
        drag {"path":[[1,2],[3,4],[5,6]],"text":"ALT"}
        key {"text":"CTRL+L"}
        mouse_move {"coordinate":[1,2]}
        screenshot {}
        scroll {"coordinate":[1,2],"scroll_direction":"down","scroll_amount":3}
        scroll {"coordinate":[1,2],"scroll_direction":"up","scroll_amount":100}
        scroll {"coordinate":[1,2],"scroll_direction":"left","scroll_amount":1}
        mouse_move {"coordinate":[1,2]}
        type {"text":"hello"}
        wait {"duration":1}
        fly {"type":"fly","x":1}  (refused)
        "#);
    }

    #[test]
    fn a_single_action_is_a_batch_of_one_and_none_is_a_look() {
        assert_eq!(members(&json!({"action": {"type": "wait"}})), [("wait".to_owned(), json!({"duration": WAIT_S}))]);
        assert_eq!(members(&json!({"actions": []})), [("screenshot".to_owned(), json!({}))]);
        assert_eq!(members(&json!({})), [("screenshot".to_owned(), json!({}))]);
    }

    proptest! {
        #[test]
        fn no_action_makes_it_panic(kind in "click|drag|keypress|scroll|type|wait|.{0,8}", n in proptest::num::f64::ANY, text in ".{0,8}") {
            for value in [json!(n), json!(text), json!([n]), json!([text]), json!({"x": n}), json!([{"x": n}]), json!(null)] {
                let _ = members(&json!({"actions": [{"type": kind, "button": value, "x": value, "keys": value, "path": value, "scroll_y": value, "text": value}]}));
            }
        }
    }
}
