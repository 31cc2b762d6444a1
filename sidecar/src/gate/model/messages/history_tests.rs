//! What the record becomes when the model is asked again.

use std::collections::HashMap;

use protocol::{
    MessageId, UserId,
    desktop::Size,
    event::{ActionTrace, AssistantMessage, EventBody, Usage},
    session::SessionState,
};

use super::*;
use crate::gate::model::conversation::pictures;

fn said(text: &str) -> EventBody {
    EventBody::UserMessage { message_id: MessageId::generate(), user_id: UserId::generate(), text: text.to_owned() }
}

fn answered(model: &str, stop_reason: &str, content: Vec<Value>) -> EventBody {
    EventBody::AssistantMessage(AssistantMessage {
        message_id: MessageId::generate(),
        content,
        stop_reason: stop_reason.to_owned(),
        model: model.to_owned(),
        api: None,
        variant: None,
        usage: Usage::default(),
        cost_microusd: None,
    })
}

fn result(id: &str, is_error: bool, content: Vec<ResultBlock>) -> EventBody {
    EventBody::ToolResult(ToolResult { tool_use_id: id.to_owned(), is_error, content, trace: ActionTrace::default() })
}

fn words(text: &str) -> ResultBlock {
    ResultBlock::Text { text: text.to_owned() }
}

fn picture() -> ResultBlock {
    let size = Size { width: 4, height: 4 };
    ResultBlock::Image {
        picture: Picture { sha256: "ab".repeat(32), media_type: "image/png".to_owned(), size, bytes: 9 },
    }
}

fn click(id: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": "left_click", "toolset_name": "computer", "input": {}})
}

fn history(bodies: Vec<EventBody>) -> Vec<Value> {
    let events: Vec<Event> = bodies.into_iter().zip(1..).map(|(body, seq)| Event { seq, at: 0, body }).collect();
    let pictures = HashMap::from([("ab".repeat(32), Some("QUJD".into()))]);
    messages(&Model::named("m"), &events, &pictures)
}

#[test]
fn results_come_first_and_in_order_whatever_was_said_in_between() {
    let messages = history(vec![
        said("go"),
        EventBody::StateChanged { state: SessionState::Running, reason: None },
        answered("m", "tool_use", vec![click("a"), click("b")]),
        result("b", false, vec![words("Clicked.")]),
        said("faster"),
        result("a", true, vec![words("Error: no")]),
        EventBody::Notice { text: "for people only".to_owned() },
    ]);

    insta::assert_json_snapshot!(messages[2], @r#"
    {
      "role": "user",
      "content": [
        {
          "type": "tool_result",
          "tool_use_id": "a",
          "toolset_name": "computer",
          "content": [
            {
              "type": "text",
              "text": "Error: no"
            }
          ],
          "is_error": true
        },
        {
          "type": "tool_result",
          "tool_use_id": "b",
          "toolset_name": "computer",
          "content": [
            {
              "type": "text",
              "text": "Clicked."
            }
          ]
        },
        {
          "type": "text",
          "text": "faster"
        }
      ]
    }
    "#);
}

#[test]
fn thinking_and_unknown_blocks_go_back_unchanged() {
    let thinking = json!({"type": "thinking", "thinking": "", "signature": "c2ln", "later": 1});
    let unknown = json!({"type": "hologram", "of": [1, 2]});

    let messages = history(vec![said("go"), answered("m", "end_turn", vec![thinking.clone(), unknown.clone()])]);

    assert_eq!(messages[1]["content"], json!([thinking, unknown]));
}

#[test]
fn a_text_of_nothing_but_spaces_is_left_out() {
    let blank = json!({"type": "text", "text": "\n\n"});
    let messages = history(vec![said("go"), answered("m", "tool_use", vec![blank, click("a")]), said("on")]);

    assert_eq!(messages[1]["content"], json!([click("a")]));
}

#[test]
fn a_picture_is_shown_and_a_lost_one_is_told() {
    let screenshot =
        json!({"type": "tool_use", "id": "a", "name": "screenshot", "toolset_name": "computer", "input": {}});
    let bodies = vec![said("go"), answered("m", "tool_use", vec![screenshot]), result("a", false, vec![picture()])];
    let events: Vec<Event> = bodies.into_iter().zip(1..).map(|(body, seq)| Event { seq, at: 0, body }).collect();

    let shown = messages(&Model::named("m"), &events, &HashMap::from([("ab".repeat(32), Some("QUJD".into()))]));
    let lost = messages(&Model::named("m"), &events, &HashMap::from([("ab".repeat(32), None)]));

    assert_eq!(pictures(&events, &Model::named("m")), ["ab".repeat(32)]);
    assert_eq!(shown[2]["content"][0]["content"][0]["source"]["data"], "QUJD");
    assert_eq!(lost[2]["content"][0]["content"][0]["text"], "[this picture is not available any more]");
}

#[test]
fn an_error_never_carries_a_picture_and_never_says_nothing() {
    let messages = history(vec![
        said("go"),
        answered("m", "tool_use", vec![click("a"), click("b")]),
        result("a", true, vec![picture(), words("no")]),
        result("b", true, vec![picture()]),
    ]);

    let results = messages[2]["content"].as_array().unwrap();
    assert_eq!(results[0]["content"], json!([{"type": "text", "text": "no"}]));
    assert!(!results[1]["content"][0]["text"].as_str().unwrap().is_empty());
}

#[test]
fn what_the_console_did_is_told_in_words() {
    let open = json!({"type": "tool_use", "id": "toolu_x_0", "name": "open", "input": {"target": "https://x.org"}});

    let messages = history(vec![
        said("/open https://x.org"),
        answered("console", "tool_use", vec![open]),
        result("toolu_x_0", false, vec![words("Opened.")]),
        answered("console", "end_turn", vec![json!({"type": "text", "text": "Done."})]),
        said("now you"),
    ]);

    let text = serde_json::to_string(&messages).unwrap();
    assert!(!text.contains("tool_use") && !text.contains("tool_result"), "{text}");
    assert!(text.contains("the person used open") && text.contains("Opened."), "{text}");
}

#[test]
fn history_only_ever_grows() {
    let bodies = vec![
        said("go"),
        answered("m", "tool_use", vec![click("a")]),
        result("a", false, vec![words("Clicked.")]),
        answered("m", "end_turn", vec![json!({"type": "text", "text": "ok"})]),
        said("more"),
        answered("m", "end_turn", vec![json!({"type": "text", "text": "ok"})]),
    ];

    let whole = history(bodies.clone());

    for cut in [1, 3, 5] {
        let part = history(bodies[..cut].to_vec());
        assert_eq!(part, whole[..part.len()]);
    }
}

#[test]
fn a_hand_back_tells_the_model_what_it_sees_and_nothing_of_what_was_done() {
    let ResultBlock::Image { picture } = picture() else { unreachable!() };
    let handed = |note: Option<&str>, picture| EventBody::HandedBack {
        user_id: UserId::generate(),
        note: note.map(str::to_owned),
        picture,
    };

    let messages = history(vec![
        said("go"),
        answered("m", "tool_use", vec![click("a")]),
        result("a", true, vec![words("Interrupted")]),
        handed(Some("I have signed in."), Some(picture.clone())),
        handed(None, None),
    ]);

    let blocks = messages[2]["content"].as_array().unwrap();
    let kinds: Vec<&str> = blocks.iter().map(|block| block["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["tool_result", "text", "image", "text"]);
    assert!(blocks[1]["text"].as_str().unwrap().ends_with("The screen is now:]\nI have signed in."), "{blocks:?}");
    assert_eq!(blocks[2]["source"]["data"], "QUJD");
    assert!(blocks[3]["text"].as_str().unwrap().contains("Take a screenshot"), "{blocks:?}");
}
