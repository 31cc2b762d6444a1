//! What the record becomes when a server that speaks Chat Completions is asked again.

use protocol::{
    MessageId, UserId,
    desktop::Size,
    event::{ActionTrace, EventBody, ResultBlock, ToolResult, Usage},
    model::ModelApi,
};

use super::*;

fn history(bodies: Vec<EventBody>) -> Vec<Value> {
    let events: Vec<Event> = bodies.into_iter().zip(1..).map(|(body, seq)| Event { seq, at: 0, body }).collect();
    messages(
        &Model::of("house".parse().unwrap(), ModelApi::OpenaiChat, "m"),
        &events,
        &[("ab".to_owned(), Some("QUJD".into()))].into(),
    )
}

fn said(text: &str) -> EventBody {
    EventBody::UserMessage { message_id: MessageId::generate(), user_id: UserId::generate(), text: text.to_owned() }
}

fn answered(content: Vec<Value>) -> EventBody {
    EventBody::AssistantMessage(AssistantMessage {
        message_id: MessageId::generate(),
        content,
        stop_reason: "tool_use".to_owned(),
        model: "m".to_owned(),
        api: Some(ModelApi::OpenaiChat),
        variant: None,
        usage: Usage::default(),
        cost_microusd: None,
    })
}

fn result(id: &str, is_error: bool, text: &str, shows: bool) -> EventBody {
    let size = Size { width: 4, height: 4 };
    let picture = Picture { sha256: "ab".to_owned(), media_type: "image/png".to_owned(), size, bytes: 9 };
    let mut content = vec![ResultBlock::Text { text: text.to_owned() }];
    content.extend(shows.then_some(ResultBlock::Image { picture }));
    EventBody::ToolResult(ToolResult { tool_use_id: id.to_owned(), is_error, content, trace: ActionTrace::default() })
}

fn used(id: &str, name: &str) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "toolset_name": "computer", "input": {"text": "a"}})
}

#[test]
fn every_call_is_answered_at_once_in_words_and_pictures_come_from_the_user() {
    let thought = json!({"type": "thinking", "thinking": "Hm"});
    let messages = history(vec![
        said("go"),
        answered(vec![thought, json!({"type": "text", "text": "I look."}), used("a", "screenshot"), used("b", "key")]),
        result("b", true, "Error: no", true),
        result("a", false, "", true),
        said("faster"),
    ]);

    insta::assert_json_snapshot!(messages[1..], @r#"
    [
      {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
          {
            "id": "a",
            "type": "function",
            "function": {
              "name": "screenshot",
              "arguments": "{\"text\":\"a\"}"
            }
          },
          {
            "id": "b",
            "type": "function",
            "function": {
              "name": "key",
              "arguments": "{\"text\":\"a\"}"
            }
          }
        ]
      },
      {
        "role": "tool",
        "tool_call_id": "a",
        "content": "[see the picture]"
      },
      {
        "role": "tool",
        "tool_call_id": "b",
        "content": "Error: no"
      },
      {
        "role": "user",
        "content": [
          {
            "type": "text",
            "text": "[the picture of screenshot (a)]"
          },
          {
            "type": "image_url",
            "image_url": {
              "url": "data:image/png;base64,QUJD"
            }
          },
          {
            "type": "text",
            "text": "faster"
          }
        ]
      }
    ]
    "#);
}

#[test]
fn a_message_that_says_nothing_is_left_out() {
    let messages = history(vec![said("go"), answered(vec![json!({"type": "text", "text": " "})]), said("on")]);

    assert_eq!(messages.len(), 2);
}

#[test]
fn a_name_that_is_none_is_not_sent_back() {
    let messages = history(vec![said("go"), answered(vec![used("a", "multi_tool_use.parallel"), used("b", "key")])]);

    let calls = messages[1]["tool_calls"].as_array().unwrap();
    let names: Vec<&Value> = calls.iter().map(|call| &call["function"]["name"]).collect();
    assert_eq!(names, ["unknown_tool", "key"]);
}

#[test]
fn history_only_ever_grows() {
    let bodies = vec![
        said("go"),
        answered(vec![used("a", "key")]),
        result("a", false, "Pressed a.", true),
        answered(vec![json!({"type": "text", "text": "ok"})]),
        said("more"),
        answered(vec![json!({"type": "text", "text": "ok"})]),
    ];

    let whole = history(bodies.clone());

    for cut in [1, 3, 5] {
        let part = history(bodies[..cut].to_vec());
        assert_eq!(part, whole[..part.len()]);
    }
}
