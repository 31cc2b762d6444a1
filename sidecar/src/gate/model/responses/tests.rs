//! The request, as OpenAI reads it.

use protocol::{
    desktop::Size,
    key::ProviderName,
    model::{Model, ModelApi},
};

use super::*;

fn model(computer: ComputerTool) -> Model {
    let model = Model::of(ProviderName::openai(), ModelApi::OpenaiResponses, "gpt-6-astra");
    Model { computer, thinks: computer.thinks(), ..model }
}

fn request(model: &Model) -> Value {
    let asked = Asked {
        model,
        screen: Size::DEFAULT,
        system_prompt: Some("Be brief."),
        max_tokens: 32_000,
        tools: &[],
        key: "ses-1",
    };
    super::request(&asked, vec![json!({"type": "message", "role": "user", "content": []})])
}

fn names(request: &Value) -> Vec<&str> {
    let tools = request["tools"].as_array().unwrap().iter();
    tools.map(|tool| tool["name"].as_str().or(tool["type"].as_str()).unwrap()).collect()
}

#[test]
fn a_request_has_the_computer_tool_and_stores_nothing_there() {
    insta::assert_json_snapshot!(request(&model(ComputerTool::Computer)), {
        ".instructions" => "[our prompt]",
        ".tools[].description" => "[what it does]",
        ".tools[].parameters" => "[what it takes]",
    }, @r#"
    {
      "model": "gpt-6-astra",
      "max_output_tokens": 32000,
      "stream": true,
      "store": false,
      "prompt_cache_key": "ses-1",
      "instructions": "[our prompt]",
      "tools": [
        {
          "type": "computer"
        },
        {
          "type": "function",
          "name": "zoom",
          "description": "[what it does]",
          "parameters": "[what it takes]",
          "strict": false
        },
        {
          "type": "function",
          "name": "bash",
          "description": "[what it does]",
          "parameters": "[what it takes]",
          "strict": false
        },
        {
          "type": "function",
          "name": "str_replace_based_edit_tool",
          "description": "[what it does]",
          "parameters": "[what it takes]",
          "strict": false
        },
        {
          "type": "function",
          "name": "open",
          "description": "[what it does]",
          "parameters": "[what it takes]",
          "strict": false
        },
        {
          "type": "function",
          "name": "windows",
          "description": "[what it does]",
          "parameters": "[what it takes]",
          "strict": false
        },
        {
          "type": "function",
          "name": "accessibility_tree",
          "description": "[what it does]",
          "parameters": "[what it takes]",
          "strict": false
        }
      ],
      "input": [
        {
          "type": "message",
          "role": "user",
          "content": []
        }
      ],
      "reasoning": {
        "summary": "auto"
      },
      "include": [
        "reasoning.encrypted_content"
      ],
      "context_management": [
        {
          "type": "compaction",
          "compact_threshold": 150000
        }
      ]
    }
    "#);
}

#[test]
fn without_a_computer_tool_every_action_is_a_function() {
    let plain = request(&model(ComputerTool::Functions));
    let all: Vec<&str> = catalogue::tools().iter().map(|tool| tool.name).collect();

    assert_eq!(names(&plain), all);
    assert!(plain.get("reasoning").is_none() && plain.get("include").is_none());
}

#[test]
fn the_preview_is_told_the_screens_size() {
    let preview = request(&model(ComputerTool::ComputerUsePreview));

    let tool =
        json!({"type": "computer_use_preview", "environment": "linux", "display_width": 1280, "display_height": 800});
    assert_eq!(preview["tools"][0], tool);
    assert_eq!(preview["truncation"], "auto");
}

#[test]
fn what_the_session_says_stands_behind_our_own_words() {
    let request = request(&model(ComputerTool::Computer));

    let instructions = request["instructions"].as_str().unwrap();
    assert!(instructions.starts_with(prompt::SYSTEM) && instructions.ends_with("\n\nBe brief."));
}
