//! What becomes of a stream of events, whole, broken off or strange.

use super::*;

fn stream(events: &[Value]) -> Result<(Vec<Seen>, Option<Whole>), Broken> {
    let mut assembly = Assembly::default();
    let (mut deltas, mut whole) = (Vec::new(), None);
    for event in events {
        match assembly.take(&event.to_string())? {
            Seen::Nothing => {}
            Seen::Done(done) => whole = Some(done),
            delta => deltas.push(delta),
        }
    }
    Ok((deltas, whole))
}

fn end(stop_reason: &str) -> Vec<Value> {
    vec![
        json!({"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_stop"}),
    ]
}

fn whole(events: Vec<Value>, stop_reason: &str) -> Whole {
    stream(&[events, end(stop_reason)].concat()).unwrap().1.unwrap()
}

#[test]
fn text_thinking_and_tool_input_come_together_block_by_block() {
    let events = vec![
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "ping"}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t1", "name": "left_click", "toolset_name": "computer", "input": {}, "caller": {"type": "direct"}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"coord"}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "inate\":[1,2]}"}}),
        json!({"type": "content_block_stop", "index": 1}),
    ];

    let done = whole(events, "tool_use");

    assert_eq!(done.content[0], json!({"type": "thinking", "thinking": "Hm", "signature": "c2ln"}));
    assert_eq!(done.content[1]["input"], json!({"coordinate": [1, 2]}));
    assert_eq!(done.content[1]["caller"], json!({"type": "direct"}));
    assert_eq!((done.usage.input_tokens, done.usage.output_tokens), (3, 7));
}

#[test]
fn a_delta_says_how_many_characters_came_before() {
    let events = [
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hé🎉"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}}),
    ];

    let (deltas, _) = stream(&events).unwrap();

    let expected = Seen::Delta { block: 0, offset: 3, kind: DeltaKind::Text, text: "!".to_owned() };
    assert_eq!(deltas[1], expected);
}

#[test]
fn a_tool_without_streamed_input_gets_an_empty_one() {
    let block = json!({"type": "tool_use", "id": "t", "name": "screenshot", "input": {}});
    let events = vec![json!({"type": "content_block_start", "index": 0, "content_block": block})];

    assert_eq!(whole(events, "tool_use").content[0]["input"], json!({}));
}

#[test]
fn unknown_events_blocks_and_deltas_are_kept_or_passed_over() {
    let events = vec![
        json!({"type": "new_thing"}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "of": 1}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "hologram_delta", "x": 1}}),
    ];

    assert_eq!(whole(events, "end_turn").content, [json!({"type": "hologram", "of": 1})]);
}

#[test]
fn a_conversation_made_shorter_is_kept_and_paid_for() {
    let events = vec![
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "compaction", "content": null}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "compaction_delta", "content": "So far…", "encrypted_content": "eA"}}),
        json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7, "iterations": [
            {"type": "compaction", "input_tokens": 1000, "output_tokens": 20}, {"type": "message", "input_tokens": 3, "output_tokens": 7},
        ]}}),
    ];

    let done = whole(events, "end_turn");

    assert_eq!(done.content, [json!({"type": "compaction", "content": "So far…", "encrypted_content": "eA"})]);
    assert_eq!((done.usage.input_tokens, done.usage.output_tokens), (1003, 27));
}

#[test]
fn what_cannot_be_used_breaks_the_attempt() {
    let start = |block: Value| json!({"type": "content_block_start", "index": 0, "content_block": block});
    let second = |block: Value| json!({"type": "content_block_start", "index": 1, "content_block": block});
    let half = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"a"}});
    let tool = json!({"type": "tool_use", "id": "t", "name": "key", "input": {}});
    let cases = [
        vec![json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})],
        vec![json!({"type": "message_stop"})],
        vec![half.clone()],
        vec![json!({"type": "content_block_start", "index": 5, "content_block": {}})],
        [vec![start(tool.clone()), half.clone()], end("tool_use")].concat(),
        [vec![start(json!({"type": "tool_use", "name": "key"}))], end("tool_use")].concat(),
        [vec![start(tool.clone()), second(tool.clone())], end("tool_use")].concat(),
    ];

    for case in cases {
        assert!(stream(&case).is_err(), "{case:?}");
    }
    assert_eq!(whole(vec![start(tool), half], "max_tokens").content[0]["input"], json!({}));
}

#[test]
fn an_id_that_was_used_before_breaks_the_attempt() {
    let block = json!({"type": "tool_use", "id": "t", "name": "screenshot", "input": {}});
    let mut assembly = Assembly::after(Ids::of(["t".to_owned()].into()));
    let event = json!({"type": "content_block_start", "index": 0, "content_block": block});
    assembly.take(&event.to_string()).unwrap();
    let [reason, stop] = &end("tool_use")[..] else { panic!("two events") };
    assembly.take(&reason.to_string()).unwrap();

    assert!(assembly.take(&stop.to_string()).is_err());
}

proptest::proptest! {
    #[test]
    fn no_event_makes_it_panic(kind in "message_start|content_block_start|content_block_delta|message_delta|message_stop|error", index in proptest::num::i64::ANY, text in ".{0,20}") {
        let mut assembly = Assembly::default();
        for value in [json!(index), json!(text), json!([text]), json!({"type": text}), json!(null)] {
            let _ = assembly.take(&json!({"type": kind, "index": index, "content_block": value, "delta": value, "message": value, "usage": value, "error": value}).to_string());
        }
        let _ = assembly.take(&text);
    }
}
