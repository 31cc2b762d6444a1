//! What the record becomes when OpenAI's model is asked again.

use protocol::{
    MessageId, UserId,
    desktop::Size,
    event::{ActionTrace, EventBody, ResultBlock, Usage},
    key::ProviderName,
    model::ModelApi,
};

use super::*;

fn said(text: &str) -> EventBody {
    EventBody::UserMessage { message_id: MessageId::generate(), user_id: UserId::generate(), text: text.to_owned() }
}

fn answered_in(api: ModelApi, content: Vec<Value>) -> EventBody {
    EventBody::AssistantMessage(AssistantMessage {
        message_id: MessageId::generate(),
        content,
        stop_reason: "tool_use".to_owned(),
        model: "m".to_owned(),
        api: Some(api),
        variant: None,
        usage: Usage::default(),
        cost_microusd: None,
    })
}

fn answered(content: Vec<Value>) -> EventBody {
    answered_in(ModelApi::OpenaiResponses, content)
}

fn result(id: &str, is_error: bool, content: Vec<ResultBlock>) -> EventBody {
    EventBody::ToolResult(ToolResult { tool_use_id: id.to_owned(), is_error, content, trace: ActionTrace::default() })
}

fn words(text: &str) -> ResultBlock {
    ResultBlock::Text { text: text.to_owned() }
}

fn picture(name: &str) -> ResultBlock {
    let size = Size { width: 4, height: 4 };
    ResultBlock::Image {
        picture: Picture { sha256: name.to_owned(), media_type: "image/png".to_owned(), size, bytes: 9 },
    }
}

fn thought() -> Value {
    json!({"type": "thinking", "thinking": "", "item": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "eA"}})
}

/// A click and a key, as `assemble` has them.
fn batch(checks: Value) -> Vec<Value> {
    let item = json!({"type": "computer_call", "id": "cu_1", "call_id": "c", "status": "completed",
        "actions": [{"type": "click"}, {"type": "keypress"}], "pending_safety_checks": checks});
    vec![
        json!({"type": "tool_use", "id": "c", "name": "left_click", "toolset_name": "computer", "input": {"coordinate": [1, 2]}, "item": item}),
        json!({"type": "tool_use", "id": "c_1", "name": "key", "toolset_name": "computer", "input": {"text": "a"}, "call": "c", "picture": true}),
    ]
}

fn bash() -> Value {
    let item = json!({"type": "function_call", "id": "fc_1", "call_id": "f", "name": "bash", "arguments": "{}", "status": "completed"});
    json!({"type": "tool_use", "id": "f", "name": "bash", "input": {}, "item": item})
}

fn history(bodies: Vec<EventBody>) -> Vec<Value> {
    let events: Vec<Event> = bodies.into_iter().zip(1..).map(|(body, seq)| Event { seq, at: 0, body }).collect();
    let pictures = ["old", "new"].map(|name| (name.to_owned(), Some(name.into()))).into();
    input(&Model::of(ProviderName::openai(), ModelApi::OpenaiResponses, "m"), &events, &pictures)
}

fn handed_back(name: &str) -> EventBody {
    let ResultBlock::Image { picture } = picture(name) else { unreachable!() };
    EventBody::HandedBack { user_id: UserId::generate(), note: None, picture: Some(picture) }
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[test]
fn a_response_goes_back_as_it_was_with_one_output_for_each_call() {
    let mut content = vec![thought()];
    content.extend(batch(json!([])));
    content.push(bash());

    let items = history(vec![
        said("go"),
        answered(content),
        result("c", false, vec![words("Clicked.")]),
        result("c_1", false, vec![words("Pressed a."), picture("new")]),
        result("f", false, vec![words("ok")]),
        said("faster"),
    ]);

    let expected = [
        "message",
        "reasoning",
        "computer_call",
        "function_call",
        "computer_call_output",
        "function_call_output",
        "message",
    ];
    assert_eq!(kinds(&items), expected);
    let shown = json!({"type": "computer_screenshot", "image_url": "data:image/png;base64,new"});
    assert_eq!(items[4], json!({"type": "computer_call_output", "call_id": "c", "output": shown}));
    assert_eq!(items[5], json!({"type": "function_call_output", "call_id": "f", "output": "ok"}));
    assert_eq!(items[6]["content"], json!([{"type": "input_text", "text": "faster"}]));
}

#[test]
fn a_call_that_failed_shows_what_is_known_and_says_why() {
    let screenshot =
        vec![json!({"type": "tool_use", "id": "s", "name": "screenshot", "toolset_name": "computer", "input": {},
        "picture": true, "item": {"type": "computer_call", "call_id": "s", "pending_safety_checks": []}})];

    let items = history(vec![
        said("go"),
        answered(screenshot),
        result("s", false, vec![picture("old")]),
        answered(batch(json!([]))),
        result("c", true, vec![words("Error: out of the screen")]),
        result("c_1", true, vec![words("Not executed.")]),
    ]);

    assert_eq!(items[4]["output"]["image_url"], "data:image/png;base64,old");
    let notes: Vec<&str> =
        items[5]["content"].as_array().unwrap().iter().map(|part| part["text"].as_str().unwrap()).collect();
    assert_eq!(notes, ["[left_click: Error: out of the screen]", "[key: Not executed.]"]);
}

#[test]
fn a_call_that_can_show_nothing_is_told_in_words_and_its_thoughts_with_it_are_gone() {
    let mut content = vec![thought()];
    content.extend(batch(json!([])));

    let items = history(vec![said("go"), answered(content), result("c", true, vec![words("Interrupted")])]);

    assert_eq!(kinds(&items), ["message"; 4]);
    assert_eq!(items[1]["content"], "[used left_click {\"coordinate\":[1,2]}]");
    assert!(items[3]["content"][1]["text"].as_str().unwrap().starts_with("[key: Outcome unknown"), "{items:?}");
}

#[test]
fn a_part_of_the_screen_is_never_given_out_as_the_screen() {
    let screenshot =
        vec![json!({"type": "tool_use", "id": "s", "name": "screenshot", "toolset_name": "computer", "input": {},
        "picture": true, "item": {"type": "computer_call", "call_id": "s", "pending_safety_checks": []}})];
    let item =
        json!({"type": "function_call", "call_id": "f", "name": "zoom", "arguments": "{}", "status": "completed"});
    let zoom =
        json!({"type": "tool_use", "id": "f", "name": "zoom", "toolset_name": "computer", "input": {}, "item": item});

    let items = history(vec![
        said("go"),
        answered(screenshot),
        result("s", false, vec![picture("old")]),
        answered(vec![zoom]),
        result("f", false, vec![picture("new")]),
        answered(batch(json!([]))),
        result("c", true, vec![words("no")]),
    ]);

    let last = items.iter().rev().find(|item| item["type"] == "computer_call_output").unwrap();
    assert_eq!(last["output"]["image_url"], "data:image/png;base64,old");
}

#[test]
fn a_safety_check_is_acknowledged_by_what_was_done_and_by_nothing_else() {
    let checks = json!([{"id": "sc_1", "code": "a", "message": "b"}]);
    let after = |first: EventBody| {
        history(vec![
            said("go"),
            handed_back("old"),
            answered(batch(checks.clone())),
            first,
            result("c_1", false, vec![picture("new")]),
        ])
    };

    let done = after(result("c", false, vec![words("Clicked.")]));
    let denied = after(result("c", true, vec![words("The user did not grant permission.")]));

    assert_eq!(done[2]["acknowledged_safety_checks"], checks);
    assert!(!kinds(&denied).contains(&"computer_call"), "{denied:?}");
    assert!(denied.last().unwrap().to_string().contains("did not grant permission"), "{denied:?}");
}

#[test]
fn a_function_shows_its_picture_and_an_error_shows_none() {
    let shown = |is_error| {
        let result = result("f", is_error, vec![words("text"), picture("new")]);
        history(vec![said("go"), answered(vec![bash()]), result])[2]["output"].clone()
    };

    assert_eq!(
        shown(false)[1],
        json!({"type": "input_image", "image_url": "data:image/png;base64,new", "detail": "auto"})
    );
    assert_eq!(shown(true), "text");
}

#[test]
fn what_another_language_said_is_told_in_words() {
    let click = json!({"type": "tool_use", "id": "a", "name": "screenshot", "toolset_name": "computer", "input": {}});
    let thought = json!({"type": "thinking", "thinking": "secret", "signature": "x"});

    let items = history(vec![
        said("go"),
        answered_in(ModelApi::AnthropicMessages, vec![thought, click]),
        result("a", false, vec![words("Clicked."), picture("old")]),
        answered(batch(json!([]))),
        result("c", true, vec![words("no")]),
    ]);

    assert_eq!(items[1], json!({"type": "message", "role": "assistant", "content": "[used screenshot {}]"}));
    assert_eq!(items[2]["content"][0]["text"], "[result of screenshot]");
    assert!(!items[1].to_string().contains("secret"));
    // And the picture that was shown then is one that the model knows.
    assert_eq!(items[4]["output"]["image_url"], "data:image/png;base64,old");
}

#[test]
fn what_another_model_did_is_told_in_words_though_it_speaks_the_same() {
    let mut click = answered(batch(json!([])));
    if let EventBody::AssistantMessage(message) = &mut click {
        message.model = "another".to_owned();
    }

    let items = history(vec![said("go"), click, result("c_1", false, vec![picture("new")]), said("on")]);

    assert_eq!(kinds(&items), ["message"; 4]);
}

#[test]
fn what_the_name_stood_for_before_is_another_model() {
    let mut click = answered(batch(json!([])));
    let now = Model::of(ProviderName::openai(), ModelApi::OpenaiResponses, "m").variant();
    let mut asked_as = |variant: String| {
        if let EventBody::AssistantMessage(message) = &mut click {
            message.variant = Some(variant);
        }
        history(vec![said("go"), click.clone(), result("c_1", false, vec![picture("new")])])
    };

    assert!(kinds(&asked_as(now)).contains(&"computer_call"));
    assert!(!kinds(&asked_as("openai/m functions".to_owned())).contains(&"computer_call"));
}

#[test]
fn a_thought_that_is_not_sealed_is_not_sent_back() {
    let open = json!({"type": "thinking", "thinking": "", "item": {"type": "reasoning", "id": "rs_1", "summary": []}});

    let items = history(vec![said("go"), answered(vec![open, bash()]), result("f", false, vec![words("ok")])]);

    assert_eq!(kinds(&items), ["message", "function_call", "function_call_output"]);
}

#[test]
fn what_was_made_short_begins_the_conversation() {
    let short = json!({"type": "compaction", "id": "cmp_1", "encrypted_content": "eA"});
    let short = json!({"type": "compaction", "item": short});

    let items = history(vec![
        said("go"),
        answered(batch(json!([]))),
        result("c_1", false, vec![picture("old")]),
        answered(vec![short, bash()]),
        result("f", false, vec![words("ok")]),
        said("on"),
    ]);

    assert_eq!(kinds(&items), ["compaction", "function_call", "function_call_output", "message"]);
}

#[test]
fn a_response_that_was_cut_off_leaves_no_half_of_a_call() {
    let item = json!({"type": "function_call", "call_id": "f", "name": "bash", "arguments": "{\"comm", "status": "incomplete"});
    let cut = json!({"type": "tool_use", "id": "f", "name": "bash", "input": {}, "item": item});

    let items =
        history(vec![said("go"), answered(vec![thought(), cut]), result("f", true, vec![words("Not executed")])]);

    assert_eq!(kinds(&items), ["message"; 3]);
    assert!(!items.iter().any(|item| item.to_string().contains("{\\\"comm")), "{items:?}");
}

#[test]
fn history_only_ever_grows() {
    let bodies = vec![
        said("go"),
        answered(batch(json!([]))),
        result("c", false, vec![words("Clicked.")]),
        result("c_1", false, vec![picture("new")]),
        answered(vec![thought(), bash()]),
        result("f", true, vec![words("no")]),
        said("more"),
        answered(vec![thought()]),
    ];

    let whole = history(bodies.clone());

    for cut in [1, 4, 7] {
        let part = history(bodies[..cut].to_vec());
        assert_eq!(part, whole[..part.len()]);
    }
}
