//! Doing the same on the same screen, again and again: the sign that a person should be asked.

use protocol::event::{ResultBlock, ToolResult};

use super::{
    journal::sha256,
    record::{Step, ToolUse},
};

/// How often the same few actions may come to the same.
const ROUNDS: usize = 5;
/// Who waits for something looks more often, and the screen stays as it is.
const ROUNDS_OF_WAITING: usize = 20;
/// The longest line of actions that is taken for one round.
const LONGEST: usize = 4;

/// What a use of a tool came to, as far as it can be compared.
pub fn step(tool: &ToolUse, result: &ToolResult) -> Step {
    let read: String = result
        .content
        .iter()
        .map(|block| match block {
            ResultBlock::Text { text } => text.as_str(),
            ResultBlock::Image { picture } => picture.sha256.as_str(),
        })
        .collect();
    // Where nothing changed the screen is the one before; else it is known by its picture.
    let screen = match (&result.trace.changed, &result.trace.picture) {
        (Some(_), Some(picture)) => picture.sha256.as_str(),
        _ => "",
    };
    let digest = |text: &str| sha256(text.as_bytes());
    Step {
        call: digest(&format!("{} {}", tool.called(), tool.input)),
        result: digest(&format!("{} {read} {screen}", result.is_error)),
        waits: tool.called() == "wait",
    }
}

/// Do the last steps go round in a circle?
pub fn is_stuck(steps: &[Step]) -> bool {
    (1..=LONGEST).any(|length| {
        let Some(last) = steps.len().checked_sub(length).map(|from| &steps[from..]) else { return false };
        let rounds = steps.rchunks_exact(length).take_while(|round| round == &last).count();
        rounds >= if last.iter().any(|step| step.waits) { ROUNDS_OF_WAITING } else { ROUNDS }
    })
}

#[cfg(test)]
mod tests {
    use protocol::{action::Rect, desktop::Size, event::ActionTrace, event::Picture};
    use serde_json::{Value, json};

    use super::*;

    fn done(name: &str, input: Value, screen: Option<&str>) -> Step {
        let tool = ToolUse { name: name.to_owned(), toolset: Some("computer".to_owned()), input, ..ToolUse::default() };
        let picture = |sha256: &str| Picture {
            sha256: sha256.to_owned(),
            media_type: "image/jpeg".to_owned(),
            size: Size::DEFAULT,
            bytes: 9,
        };
        let trace = ActionTrace {
            picture: Some(picture(screen.unwrap_or("same"))),
            changed: screen.map(|_| Rect { x: 0, y: 0, width: 1, height: 1 }),
            ..ActionTrace::default()
        };
        let content = vec![ResultBlock::Text { text: "Clicked.".to_owned() }];
        step(&tool, &ToolResult { tool_use_id: String::new(), is_error: false, content, trace })
    }

    fn click(screen: Option<&str>) -> Step {
        done("left_click", json!({"coordinate": [1, 2]}), screen)
    }

    #[test]
    fn the_same_click_without_any_effect_is_noticed() {
        assert!(!is_stuck(&vec![click(None); ROUNDS - 1]));
        assert!(is_stuck(&vec![click(None); ROUNDS]));
        assert!(is_stuck(&[vec![done("key", json!({"text": "a"}), None)], vec![click(None); ROUNDS]].concat()));
    }

    #[test]
    fn a_circle_of_two_is_noticed_too() {
        let round = [click(Some("a")), done("key", json!({"text": "Escape"}), Some("b"))];

        assert!(is_stuck(&[&round[..]; ROUNDS].concat()));
        assert!(!is_stuck(&[&round[..]; ROUNDS].concat()[1..]));
    }

    #[test]
    fn the_same_click_on_another_screen_each_time_is_progress() {
        let steps: Vec<Step> = (0..50).map(|n| click(Some(&n.to_string()))).collect();

        assert!(!is_stuck(&steps));
    }

    #[test]
    fn who_waits_may_look_more_often() {
        let round = [done("wait", json!({"duration": 5}), None), done("screenshot", json!({}), None)];

        assert!(!is_stuck(&[&round[..]; ROUNDS_OF_WAITING - 1].concat()));
        assert!(is_stuck(&[&round[..]; ROUNDS_OF_WAITING].concat()));
    }

    #[test]
    fn nothing_is_no_circle() {
        assert!(!is_stuck(&[]));
    }
}
