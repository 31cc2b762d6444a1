//! Where a long conversation is folded. No provider takes pictures without end, and what a model thought is bound to all
//! that it had read: no old picture can be left out alone. So now and then all that came before is told anew, in short.
//!
//! Pure: where a fold lies follows from the record alone, and stays there as the record grows.

use std::{borrow::Cow, collections::VecDeque};

use protocol::event::{AssistantMessage, Event, EventBody, Picture};
use serde_json::Value;

use super::conversation::{pictures_of, words_of};
use crate::gate::agent::record::{ToolUse, tool_uses};

/// Anthropic's models with the smallest window take 100 in a request.
const MOST_PICTURES: usize = 90;
/// Providers take 32 MB in a request; this much of it may be pictures, before base64.
const MOST_BYTES: u64 = 16 << 20;
/// What is still shown right after a fold.
const KEPT_PICTURES: usize = 10;
const KEPT_BYTES: u64 = 4 << 20;
/// In what is told anew, in characters: of what anybody said, of what a tool was given and answered, of all together.
const MAX_SAID: usize = 4_000;
const MAX_DONE: usize = 400;
const MAX_TOLD: usize = 100_000;

/// The newest fold of a conversation; none is one at its begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fold {
    /// The first event that is told as it was: an answer of the model, or what comes next.
    pub at: usize,
    /// The first event whose pictures are shown.
    pub shown_from: usize,
    /// The provider itself has made short what came before.
    pub is_the_providers: bool,
}

/// Finds it. `is_own` knows the messages of the model that is asked.
pub fn of(events: &[Event], is_own: impl Fn(&AssistantMessage) -> bool) -> Fold {
    let (mut fold, mut shown) = (Fold::default(), Shown::default());
    for (at, event) in events.iter().enumerate() {
        if let EventBody::AssistantMessage(message) = &event.body {
            // The model was asked here, with all that came before.
            if shown.are_too_many() {
                fold = shown.fold(at);
            }
            if is_own(message) && message.content.iter().any(is_compaction) {
                shown = Shown::default();
                fold = Fold { at, shown_from: at, is_the_providers: true };
            }
        }
        pictures(event).for_each(|picture| shown.push(at, picture));
    }
    if shown.are_too_many() { shown.fold(events.len()) } else { fold }
}

/// The pictures of an event that a model is shown.
pub fn pictures(event: &Event) -> impl Iterator<Item = &Picture> {
    let (result, handed_back) = match &event.body {
        EventBody::ToolResult(result) => (Some(result), None),
        EventBody::HandedBack { picture, .. } => (None, picture.as_ref()),
        _ => (None, None),
    };
    result.into_iter().flat_map(pictures_of).chain(handed_back)
}

/// What came before the fold, in short.
pub fn told(events: &[Event], fold: &Fold) -> String {
    let mut uses: Vec<ToolUse> = Vec::new();
    let mut lines = VecDeque::new();
    for event in &events[..fold.at] {
        match &event.body {
            EventBody::UserMessage { text, .. } => lines.push_back(format!("The person said: {}", said(text))),
            EventBody::HandedBack { note, .. } => {
                let note = note.as_deref().map_or(String::new(), |note| format!(", and said: {}", said(note)));
                lines.push_back(format!("The person drove the desktop and handed it back{note}"));
            }
            EventBody::AssistantMessage(message) => {
                uses = tool_uses(message);
                let texts = message.content.iter().filter(|block| block["type"] == "text");
                let texts = texts.filter_map(|block| block["text"].as_str()).filter(|text| !text.trim().is_empty());
                lines.extend(texts.map(|text| format!("You said: {}", said(text))));
            }
            EventBody::ToolResult(result) => {
                let Some(tool) = uses.iter().find(|tool| tool.id == result.tool_use_id) else { continue };
                // Quoted, so that nothing in it can pass for a line of its own.
                let came = Value::from(cut(&words_of(Some(result)), MAX_DONE).as_ref());
                let input = tool.input.to_string();
                lines.push_back(format!("You used {} {}: {came}", tool.called(), cut(&input, MAX_DONE)));
            }
            _ => {}
        }
        if fold.is_the_providers && !lines.is_empty() {
            // It reads nothing of this, but a conversation begins with a person.
            break;
        }
    }
    let first = lines.pop_front().unwrap_or_default();
    let mut length: usize = lines.iter().map(|line| line.len() + 1).sum();
    let mut left_out = "";
    while length > MAX_TOLD {
        length -= lines.pop_front().map_or(0, |line| line.len() + 1);
        left_out = "[…]\n";
    }
    let rest: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("[What came before in this conversation, in short and without its pictures:]\n{first}\n{left_out}{rest}")
}

/// The pictures since the last fold.
#[derive(Default)]
struct Shown {
    /// In which event each stands, and its bytes.
    pictures: VecDeque<(usize, u64)>,
    bytes: u64,
}

impl Shown {
    fn push(&mut self, at: usize, picture: &Picture) {
        self.pictures.push_back((at, picture.bytes));
        self.bytes = self.bytes.saturating_add(picture.bytes);
    }

    fn are_too_many(&self) -> bool {
        self.pictures.len() > MOST_PICTURES || self.bytes > MOST_BYTES
    }

    /// Folds what came before `at`; the newest pictures stay, those of one event together.
    fn fold(&mut self, at: usize) -> Fold {
        let mut shown_from = at;
        while self.pictures.len() > KEPT_PICTURES || self.bytes > KEPT_BYTES {
            let Some((event, bytes)) = self.pictures.pop_front() else { break };
            self.bytes -= bytes;
            while self.pictures.front().is_some_and(|(other, _)| *other == event) {
                self.bytes -= self.pictures.pop_front().map_or(0, |(_, bytes)| bytes);
            }
        }
        if let Some((event, _)) = self.pictures.front() {
            shown_from = *event;
        }
        Fold { at, shown_from, is_the_providers: false }
    }
}

/// One of the provider's own, that did not fail.
fn is_compaction(block: &Value) -> bool {
    block["type"] == "compaction" && (block["content"].is_string() || block["item"]["encrypted_content"].is_string())
}

fn said(text: &str) -> String {
    // Indented, so that no line of it can pass for one of its own.
    cut(text.trim(), MAX_SAID).replace('\n', "\n  ")
}

fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((at, _)) => Cow::Owned(format!("{}…", &text[..at])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
