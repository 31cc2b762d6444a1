//! The request, as a server that speaks Chat Completions reads it.

use protocol::{
    desktop::Size,
    model::{Model, ModelApi},
};

use super::*;
use crate::gate::model::language::ToolDefinition;

#[test]
fn every_tool_is_a_function_and_the_words_for_the_system_come_first() {
    let model =
        Model { id: "qwen3-vl:32b".to_owned(), ..Model::of("house".parse().unwrap(), ModelApi::OpenaiChat, "qwen") };
    let more = [ToolDefinition {
        name: "mcp__mail__send".to_owned(),
        description: "Sends a mail.".to_owned(),
        input_schema: json!({"type": "object"}),
    }];
    let asked = Asked {
        model: &model,
        screen: Size::DEFAULT,
        system_prompt: Some("Be brief."),
        max_tokens: 4_000,
        tools: &more,
        key: "ses-1",
    };

    let request = request(&asked, vec![json!({"role": "user", "content": "hello"})]);

    let names: Vec<&str> =
        request["tools"].as_array().unwrap().iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect();
    let mut expected: Vec<&str> = catalogue::tools().iter().map(|tool| tool.name).collect();
    expected.push("mcp__mail__send");
    assert_eq!(names, expected);
    assert_eq!((&request["model"], &request["max_tokens"]), (&json!("qwen3-vl:32b"), &json!(4_000)));
    assert!(request["messages"][0]["content"].as_str().unwrap().ends_with("Be brief."));
    assert_eq!(request["messages"][1]["content"], "hello");
}
