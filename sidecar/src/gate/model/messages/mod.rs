//! Anthropic's Messages API: model, tools, system prompt, where it is cached, where it is made shorter.

pub mod assemble;
pub mod history;

use protocol::{desktop::Size, model::ComputerTool};
use serde_json::{Value, json};

use super::{language::Asked, prompt};
use crate::gate::agent::own;

pub const VERSION: &str = "2026-10-21";
/// The provider takes 4 in a request: one for tools and system, these for the newest messages.
const MESSAGE_BREAKPOINTS: usize = 3;
/// The results of so many tools stay when older ones are left out.
const KEPT_TOOL_USES: u32 = 20;

/// The body of a streaming call.
pub fn request(asked: &Asked<'_>, mut messages: Vec<Value>) -> Value {
    let Asked { model, screen, system_prompt, max_tokens, tools: more, .. } = asked;
    mark_newest(&mut messages);
    let mut tools = vec![
        computer(model.computer, *screen),
        json!({"type": "bash_20250124", "name": "bash"}),
        json!({"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}),
    ];
    tools.extend(own::definitions());
    tools
        .extend(more.iter().map(
            |tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}),
        ));
    let mut system = vec![json!({"type": "text", "text": prompt::SYSTEM})];
    system.extend(prompt::own(*system_prompt).map(|text| json!({"type": "text", "text": text})));
    if let Some(last) = system.last_mut() {
        // Tools come before the system prompt in what is cached, so this covers both.
        last["cache_control"] = json!({"type": "ephemeral"});
    }
    let mut request = json!({
        "model": model.id,
        "max_tokens": max_tokens,
        "stream": true,
        "tools": tools,
        "system": system,
        "messages": messages,
    });
    if model.thinks {
        // Without a display the text between calls stays empty, and the chat silent.
        request["thinking"] = json!({"type": "adaptive", "display": "summarized"});
    }
    if is_newest(model.computer) {
        request["context_management"] = shorter(model.compact_at);
    }
    request
}

/// What has to be asked for by name.
pub fn betas(computer: ComputerTool) -> Vec<&'static str> {
    match computer {
        ComputerTool::Computer20251124 => vec!["computer-use-2025-11-24"],
        ComputerTool::Computer20250124 => vec!["computer-use-2025-01-24"],
        ComputerTool::Computer20241022 => vec!["computer-use-2024-10-22"],
        _ => vec!["context-management-2025-06-27", "compact-2026-01-12"],
    }
}

fn is_newest(computer: ComputerTool) -> bool {
    computer == ComputerTool::Toolset20260801
}

/// History is bound to what was thought on it, so only the provider may leave something out: first old results, screenshots
/// above all, and when that is not enough, everything before in few words.
fn shorter(compact_at: u32) -> Value {
    let tokens = |value: u32| json!({"type": "input_tokens", "value": value});
    let clear_at = compact_at / 3 * 2;
    json!({"edits": [
        {
            "type": "clear_tool_uses_20250919",
            "trigger": tokens(clear_at),
            "keep": {"type": "tool_uses", "value": KEPT_TOOL_USES},
            // What was cached has to be read again: it must be worth that.
            "clear_at_least": tokens(clear_at / 4),
        },
        {"type": "compact_20260112", "trigger": tokens(compact_at)},
    ]})
}

fn computer(computer: ComputerTool, screen: Size) -> Value {
    if computer == ComputerTool::Toolset20260801 {
        return json!({"type": computer.as_str()});
    }
    let mut tool = json!({
        "type": computer.as_str(),
        "name": "computer",
        "display_width_px": screen.width,
        "display_height_px": screen.height,
    });
    if computer == ComputerTool::Computer20251124 {
        tool["enable_zoom"] = json!(true);
    }
    tool
}

fn mark_newest(messages: &mut [Value]) {
    let newest = messages.iter_mut().rev().filter(|message| message["role"] == "user").take(MESSAGE_BREAKPOINTS);
    for message in newest {
        if let Some(block) = message["content"].as_array_mut().and_then(|content| content.last_mut()) {
            block["cache_control"] = json!({"type": "ephemeral"});
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::model::Model;

    use super::*;

    fn asked(model: &Model) -> Asked<'_> {
        Asked { model, screen: Size::DEFAULT, system_prompt: None, max_tokens: 32_000, tools: &[], key: "" }
    }

    fn user(text: &str) -> Value {
        json!({"role": "user", "content": [{"type": "text", "text": text}]})
    }

    #[test]
    fn a_request_names_the_toolset_and_no_sampling() {
        let request = request(&asked(&Model::named("claude-opus-5-5")), vec![user("hello")]);

        insta::assert_json_snapshot!(request, {
            ".system[0].text" => "[our prompt]",
            ".tools[].description" => "[what it does]",
            ".tools[].input_schema" => "[what it takes]",
        }, @r#"
        {
          "model": "claude-opus-5-5",
          "max_tokens": 32000,
          "stream": true,
          "tools": [
            {
              "type": "computer_toolset_20260801"
            },
            {
              "type": "bash_20250124",
              "name": "bash"
            },
            {
              "type": "text_editor_20250728",
              "name": "str_replace_based_edit_tool"
            },
            {
              "name": "open",
              "description": "[what it does]",
              "input_schema": "[what it takes]"
            },
            {
              "name": "windows",
              "description": "[what it does]",
              "input_schema": "[what it takes]"
            },
            {
              "name": "accessibility_tree",
              "description": "[what it does]",
              "input_schema": "[what it takes]"
            }
          ],
          "system": [
            {
              "type": "text",
              "text": "[our prompt]",
              "cache_control": {
                "type": "ephemeral"
              }
            }
          ],
          "messages": [
            {
              "role": "user",
              "content": [
                {
                  "type": "text",
                  "text": "hello",
                  "cache_control": {
                    "type": "ephemeral"
                  }
                }
              ]
            }
          ],
          "thinking": {
            "type": "adaptive",
            "display": "summarized"
          },
          "context_management": {
            "edits": [
              {
                "type": "clear_tool_uses_20250919",
                "trigger": {
                  "type": "input_tokens",
                  "value": 100000
                },
                "keep": {
                  "type": "tool_uses",
                  "value": 20
                },
                "clear_at_least": {
                  "type": "input_tokens",
                  "value": 25000
                }
              },
              {
                "type": "compact_20260112",
                "trigger": {
                  "type": "input_tokens",
                  "value": 150000
                }
              }
            ]
          }
        }
        "#);
    }

    #[test]
    fn at_most_four_places_are_cached() {
        let messages = (0..9).map(|n| user(&n.to_string())).collect();
        let model = Model::named("m");
        let request = request(&Asked { system_prompt: Some("Be brief."), ..asked(&model) }, messages).to_string();

        assert_eq!(request.matches("cache_control").count(), 4);
    }

    #[test]
    fn an_earlier_model_gets_the_single_tool_with_the_screens_size_and_no_thinking() {
        let request = |computer| {
            let model = Model { computer, thinks: computer.thinks(), ..Model::named("m") };
            request(&asked(&model), vec![user("a")])
        };
        let tool = |computer| request(computer)["tools"][0].clone();

        let newest = json!({"type": "computer_20251124", "name": "computer", "display_width_px": 1280, "display_height_px": 800, "enable_zoom": true});
        assert_eq!(tool(ComputerTool::Computer20251124), newest);
        assert!(tool(ComputerTool::Computer20241022).get("enable_zoom").is_none());
        let whole = request(ComputerTool::Computer20250124);
        assert!(whole.get("thinking").is_none() && whole.get("context_management").is_none());
        assert_eq!(betas(ComputerTool::Computer20250124), ["computer-use-2025-01-24"]);
    }
}
