//! What becomes of a stream of chunks, of servers that keep to the rules and of others.

use super::*;

fn assembly() -> Assembly {
    let message = format!("msg-{}", "0123456789abcdef".repeat(2)).parse().unwrap();
    Assembly::after(&message, Ids::of(["known".to_owned()].into()))
}

fn stream(chunks: &[Value]) -> Result<(Vec<Seen>, Assembly), Broken> {
    let (mut assembly, mut deltas) = (assembly(), Vec::new());
    for chunk in chunks {
        match assembly.take(&chunk.to_string())? {
            Seen::Nothing => {}
            seen => deltas.push(seen),
        }
    }
    Ok((deltas, assembly))
}

fn whole(chunks: &[Value]) -> Whole {
    let (_, mut assembly) = stream(chunks).unwrap();
    match assembly.take("[DONE]") {
        Ok(Seen::Done(whole)) => whole,
        other => panic!("{other:?}"),
    }
}

fn delta(delta: Value) -> Value {
    json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn ended(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn called(index: u32, id: Option<&str>, name: Option<&str>, arguments: &str) -> Value {
    delta(json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]}))
}

#[test]
fn thoughts_words_and_calls_come_together() {
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 60}}});
    let chunks = [
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"reasoning_content": "Hm"})),
        delta(json!({"content": "I lo"})),
        delta(json!({"content": "ok."})),
        called(0, Some("call_1"), Some("left_click"), ""),
        called(0, None, None, "{\"coord"),
        called(1, Some("call_2"), Some("bash"), "{\"command\":\"ls\"}"),
        called(0, None, None, "inate\":[1,2]}"),
        ended("tool_calls"),
        usage,
    ];

    let Whole { content, stop_reason, usage } = whole(&chunks);

    assert_eq!(
        content,
        [
            json!({"type": "thinking", "thinking": "Hm"}),
            json!({"type": "text", "text": "I look."}),
            json!({"type": "tool_use", "id": "call_1", "name": "left_click", "toolset_name": "computer", "input": {"coordinate": [1, 2]}}),
            json!({"type": "tool_use", "id": "call_2", "name": "bash", "input": {"command": "ls"}}),
        ]
    );
    assert_eq!(stop_reason, "tool_use");
    assert_eq!((usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens), (40, 60, 7));
}

#[test]
fn a_delta_says_how_many_characters_came_before() {
    let (deltas, _) = stream(&[delta(json!({"content": "hé🎉"})), delta(json!({"content": "!"}))]).unwrap();

    assert_eq!(deltas[1], Seen::Delta { block: 0, offset: 3, kind: DeltaKind::Text, text: "!".to_owned() });
}

#[test]
fn ids_that_are_missing_used_or_strange_are_replaced() {
    let ids: Vec<Value> = [None, Some("known"), Some("a b"), Some("ok"), Some("ok")]
        .into_iter()
        .zip(0..)
        .map(|(id, n)| called(n, id, Some("screenshot"), "{}"))
        .chain([ended("tool_calls")])
        .collect();

    let ids: Vec<String> = whole(&ids).content.iter().map(|block| block["id"].as_str().unwrap().to_owned()).collect();

    let own = |n: u32| format!("call_{}_{n}", "0123456789abcdef".repeat(2));
    assert_eq!(ids, [own(0), own(1), own(2), "ok".to_owned(), own(4)]);
}

#[test]
fn what_servers_do_differently_is_understood() {
    let object =
        delta(json!({"tool_calls": [{"id": "a", "function": {"name": "bash", "arguments": {"command": "ls"}}}]}));
    let says_stop = whole(&[object, ended("stop")]);
    let same_index = [called(0, Some("a"), Some("key"), "{\"text\":\"a\"}"), called(0, Some("b"), Some("bash"), "{}")];
    let two = whole(&[&same_index[..], &[ended("tool_calls")]].concat()).content;
    let both = whole(&[delta(json!({"reasoning_content": "Hm", "content": "I look."})), ended("stop")]).content;
    let (_, without_last_word) = stream(&[delta(json!({"content": "Hi"})), ended("stop")]).unwrap();
    let (_, broken_off) = stream(&[delta(json!({"content": "Hi"}))]).unwrap();

    assert_eq!(
        (says_stop.stop_reason.as_str(), &says_stop.content[0]["input"]),
        ("tool_use", &json!({"command": "ls"}))
    );
    assert_eq!((two.len(), &two[0]["input"], &two[1]["name"]), (2, &json!({"text": "a"}), &json!("bash")));
    assert_eq!(both.iter().map(|block| &block["type"]).collect::<Vec<_>>(), ["thinking", "text"]);
    assert_eq!(without_last_word.end().map(|whole| whole.stop_reason).as_deref(), Some("end_turn"));
    assert_eq!(broken_off.end(), None);
}

#[test]
fn why_a_message_ended_is_told_in_the_words_of_the_record() {
    let reason = |reason: &str| whole(&[delta(json!({"content": "Hi"})), ended(reason)]).stop_reason;

    assert_eq!([reason("stop"), reason("length"), reason("content_filter")], ["end_turn", "max_tokens", "refusal"]);
}

#[test]
fn an_error_in_mid_stream_breaks_the_attempt() {
    for error in [json!({"error": {"message": "overloaded", "code": 529}}), json!({"error": "overloaded"})] {
        assert_eq!(stream(&[delta(json!({"content": "Hi"})), error]).err(), Some(Broken::new("overloaded")));
    }
    assert!(assembly().take("[DONE]").is_err());
}

proptest::proptest! {
    #[test]
    fn no_chunk_makes_it_panic(n in proptest::num::i64::ANY, text in ".{0,20}") {
        let mut assembly = assembly();
        for value in [json!(n), json!(text), json!([n]), json!([{"index": n, "id": n, "function": text}]), json!({"arguments": n}), json!(null)] {
            let delta = json!({"content": value, "tool_calls": value, "reasoning_content": value});
            let _ = assembly.take(&json!({"choices": [{"delta": delta, "finish_reason": value}], "usage": value}).to_string());
            let _ = assembly.take(&json!({"choices": value, "usage": {"prompt_tokens": value}}).to_string());
        }
        let _ = assembly.take(&text);
        let _ = assembly.end();
    }
}
