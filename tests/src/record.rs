//! Reading the record of a session: what was said, done and answered.

use protocol::event::{AssistantMessage, Event, EventBody, ResultBlock, ToolResult};

pub fn assistants(events: &[Event]) -> Vec<AssistantMessage> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::AssistantMessage(message) => Some(message.clone()),
            _ => None,
        })
        .collect()
}

/// Everything that was said, by the console or as a notice.
pub fn texts(events: &[Event]) -> String {
    let mut said = String::new();
    for event in events {
        match &event.body {
            EventBody::AssistantMessage(message) => {
                said.extend(message.content.iter().filter_map(|block| block["text"].as_str()));
            }
            EventBody::Notice { text } => said.push_str(text),
            _ => {}
        }
    }
    said
}

pub fn results(events: &[Event]) -> Vec<ToolResult> {
    events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::ToolResult(result) => Some(result.clone()),
            _ => None,
        })
        .collect()
}

pub fn only_result(events: &[Event]) -> ToolResult {
    let mut results = results(events);
    assert_eq!(results.len(), 1, "{events:?}");
    results.remove(0)
}

pub fn words_of(result: &ToolResult) -> String {
    result
        .content
        .iter()
        .filter_map(|block| match block {
            ResultBlock::Text { text } => Some(text.as_str()),
            ResultBlock::Image { .. } => None,
        })
        .collect()
}
