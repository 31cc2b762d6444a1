//! Without a model the chat is a console: commands become uses of the very same tools.

use protocol::{MessageId, event::ToolResult};
use serde_json::{Value, json};

/// Who answers when no model does.
pub const NAME: &str = "console";

const COMMANDS: &str = "Commands:\n\
    /screenshot - look at the screen\n\
    /click X Y - click there\n\
    /type TEXT - type a text\n\
    /key KEYS - press keys, for example ctrl+l or Return\n\
    /open WHAT - open an application, an address or a file, and wait for its window\n\
    /windows - list the windows\n\
    /tree - list what the programs show\n\
    !COMMAND - run a command in the shell\n\
    /help - this list";

/// A message as a model would have answered it.
#[derive(Debug, PartialEq)]
pub struct Said {
    pub content: Vec<Value>,
    pub stop_reason: &'static str,
}

/// Answers what people said since the last message, or closes after that message's tools.
pub fn answer(message: &MessageId, unheard: &[&str], results: &[&ToolResult]) -> Said {
    if unheard.is_empty() {
        let failed = results.iter().filter(|result| result.is_error).count();
        let text = match failed {
            0 => "Done.".to_owned(),
            _ if results.len() == 1 => "That did not work; the result says why.".to_owned(),
            failed => format!("{failed} of {} did not work; the results say why.", results.len()),
        };
        return Said { content: vec![json!({"type": "text", "text": text})], stop_reason: "end_turn" };
    }
    let mut content = Vec::new();
    let mut stop_reason = "end_turn";
    for text in unheard {
        match command(text) {
            Ok((toolset, name, input)) => {
                // The message's id makes it unique in the session.
                let id = format!("toolu_{}_{}", message.as_str().trim_start_matches("msg-"), content.len());
                let mut block = json!({"type": "tool_use", "id": id, "name": name, "input": input});
                if let Some(toolset) = toolset {
                    block["toolset_name"] = json!(toolset);
                }
                content.push(block);
                stop_reason = "tool_use";
            }
            Err(text) => content.push(json!({"type": "text", "text": text})),
        }
    }
    Said { content, stop_reason }
}

type Command = (Option<&'static str>, &'static str, Value);

fn command(said: &str) -> Result<Command, String> {
    let said = said.trim();
    if let Some(command) = said.strip_prefix('!') {
        return match command.trim() {
            "" => Err("Say which command to run, for example: !ls -la".to_owned()),
            command => Ok((None, "bash", json!({"command": command}))),
        };
    }
    let (name, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    let rest = rest.trim_start();
    let computer = |name, input| Ok((Some("computer"), name, input));
    match name {
        "/screenshot" => computer("screenshot", json!({})),
        "/click" => {
            let numbers: Option<Vec<i32>> =
                rest.split([' ', ',']).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect();
            match numbers.as_deref() {
                Some([x, y]) => computer("left_click", json!({"coordinate": [x, y]})),
                _ => Err("Say where to click, in pixels: /click 300 200".to_owned()),
            }
        }
        "/type" if !rest.is_empty() => computer("type", json!({"text": rest})),
        "/type" => Err("Say what to type: /type hello".to_owned()),
        "/key" if !rest.is_empty() => computer("key", json!({"text": rest.trim_end()})),
        "/key" => Err("Say which keys to press: /key ctrl+l".to_owned()),
        "/open" if !rest.is_empty() => Ok((None, "open", json!({"target": rest.trim_end()}))),
        "/open" => Err("Say what to open: /open https://example.org or /open xterm".to_owned()),
        "/windows" => Ok((None, "windows", json!({}))),
        "/tree" => Ok((None, "accessibility_tree", json!({}))),
        "/help" => Err(COMMANDS.to_owned()),
        _ if name.starts_with('/') => Err(format!("There is no command {name}.\n\n{COMMANDS}")),
        _ => Err(format!(
            "No model is connected, so nobody here can understand that. Store a model provider's key under Settings, \
             Model keys, and the agent answers from the next message on. Until then this chat is a console.\n\n{COMMANDS}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::agent::{record::ToolUse, step::refusal, tools};

    fn message() -> MessageId {
        "msg-0193a5b2c4d67e8f9a0b1c2d3e4f5061".parse().unwrap()
    }

    #[test]
    fn commands_become_uses_of_tools_that_are_understood() {
        let said = answer(
            &message(),
            &[
                "/screenshot",
                "/click 300 200",
                "/type  hello  you",
                "/key ctrl+l",
                "/open https://x.org",
                "!ls -la",
                "/windows",
                "/tree",
            ],
            &[],
        );

        let plans: Vec<_> =
            said.content.iter().map(|block| tools::plan(&ToolUse::read(block).unwrap()).unwrap()).collect();
        assert_eq!((said.stop_reason, plans.len()), ("tool_use", 8));
        insta::assert_json_snapshot!(said.content[1], @r#"
        {
          "type": "tool_use",
          "id": "toolu_0193a5b2c4d67e8f9a0b1c2d3e4f5061_1",
          "name": "left_click",
          "input": {
            "coordinate": [
              300,
              200
            ]
          },
          "toolset_name": "computer"
        }
        "#);
    }

    #[test]
    fn plain_words_are_answered_with_what_to_do() {
        let said = answer(&message(), &["book me a flight"], &[]);

        let text = said.content[0]["text"].as_str().unwrap();
        assert_eq!(said.stop_reason, "end_turn");
        assert!(text.starts_with("No model is connected") && text.contains("/screenshot"), "{text}");
    }

    #[test]
    fn a_command_without_what_it_needs_is_explained() {
        for said in ["/click here", "/type", "/key ", "/open", "!", "/fly"] {
            assert_eq!(answer(&message(), &[said], &[]).stop_reason, "end_turn", "{said}");
        }
    }

    #[test]
    fn after_its_tools_a_turn_is_closed() {
        let failed = refusal("t", "Error");

        let said = answer(&message(), &[], &[&failed]);

        assert_eq!(said.stop_reason, "end_turn");
        assert_eq!(said.content[0]["text"], "That did not work; the result says why.");
    }
}
