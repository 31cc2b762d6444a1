//! Where a long conversation is folded. No provider takes pictures without end, and what a model thought is bound to all
//! that it had read: no old picture can be left out alone. So now and then all that came before is told anew, in short.
//!
//! Pure: where a fold lies follows from the record alone, and stays there as the record grows.

use std::{borrow::Cow, collections::VecDeque};

use protocol::event::{AssistantMessage, Event, EventBody, Picture};
use serde_json::Value;

use super::conversation::{pictures_of, words_of};
use crate::gate::agent::{
    console,
    record::{ToolUse, tool_uses},
};

/// Anthropic's models with the smallest window take 100 in a request.
const MOST_PICTURES: usize = 90;
/// Providers take 32 MB in a request; this much of it may be pictures, before base64.
const MOST_BYTES: u64 = 16 << 20;
/// What is still shown right after a fold.
const KEPT_PICTURES: usize = 10;
const KEPT_BYTES: u64 = 4 << 20;
/// In what is told anew, in characters: of what anybody said at once, of what a tool was given and of what it answered.
const MAX_SAID: usize = 4_000;
const MAX_DONE: usize = 400;
/// Of all that is told anew, and of what of it people said, in bytes.
const MAX_TOLD: usize = 100_000;
const MAX_OF_PEOPLE: usize = MAX_TOLD / 2;

/// The newest fold of a conversation; none is one at its begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fold {
    /// The first event that is told as it was: an answer of the model, or what comes next.
    pub at: usize,
    /// The first event that is told in words, but whole: what the model had not read yet. All before is told in short.
    pub unread_from: usize,
    /// The first event whose pictures are shown.
    pub shown_from: usize,
    /// The provider itself has made short what came before.
    pub is_the_providers: bool,
}

/// Finds it. `is_own` knows the messages of the model that is asked.
pub fn of(events: &[Event], is_own: impl Fn(&AssistantMessage) -> bool) -> Fold {
    let (mut fold, mut shown, mut unread_from) = (Fold::default(), Shown::default(), 0);
    for (at, event) in events.iter().enumerate() {
        if let EventBody::AssistantMessage(message) = &event.body {
            // The model was asked here, with all that came before. Who was asked before there were folds, read it all.
            if shown.are_too_many() && message.variant.is_some() {
                fold = shown.fold(at, unread_from);
            }
            if is_own(message) && message.content.iter().any(is_compaction) {
                shown = Shown::default();
                fold = Fold { at, unread_from: at, shown_from: at, is_the_providers: true };
            }
            unread_from = at + 1;
        }
        pictures(event).for_each(|picture| shown.push(at, picture));
    }
    if shown.are_too_many() { shown.fold(events.len(), unread_from) } else { fold }
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
    let mut lines = lines(&events[..fold.unread_from]);
    if fold.is_the_providers {
        // It reads nothing of this, but a conversation begins with a person.
        lines.truncate(1);
    }
    let is_kept = kept(&lines);
    let mut text = "[What came before in this conversation, in short and without its pictures:]\n".to_owned();
    let mut is_gap = false;
    for (line, is_kept) in lines.iter().zip(is_kept) {
        if is_kept {
            text.push_str(&line.text);
            text.push('\n');
        } else if !is_gap {
            text.push_str("[…]\n");
        }
        is_gap = !is_kept;
    }
    text
}

/// Which lines there is room for: the newest, people's before all others, and always what began it all.
fn kept(lines: &[Line]) -> Vec<bool> {
    let mut is_kept: Vec<bool> = (0..lines.len()).map(|at| at == 0).collect();
    let mut room = MAX_TOLD;
    for (of_people, most) in [(true, MAX_OF_PEOPLE), (false, MAX_TOLD)] {
        let mut room_here = room.min(most);
        for (at, line) in lines.iter().enumerate().rev().filter(|(_, line)| line.is_of_a_person == of_people) {
            let length = line.text.len() + 1;
            if length > room_here {
                break;
            }
            (room, room_here) = (room - length, room_here - length);
            is_kept[at] = true;
        }
    }
    is_kept
}

struct Line {
    text: String,
    is_of_a_person: bool,
}

fn lines(events: &[Event]) -> Vec<Line> {
    let (mut lines, mut uses, mut who) = (Vec::new(), Vec::new(), "You");
    for event in events {
        match &event.body {
            EventBody::UserMessage { text, .. } => {
                lines.push(Line { text: format!("The person said: {}", said(text)), is_of_a_person: true });
            }
            EventBody::HandedBack { note, .. } => {
                let note = note.as_deref().map_or(String::new(), |note| format!(", and said: {}", said(note)));
                let text = format!("The person drove the desktop and handed it back{note}");
                lines.push(Line { text, is_of_a_person: true });
            }
            EventBody::AssistantMessage(message) => {
                uses = tool_uses(message);
                who = if message.model == console::NAME { "The person" } else { "You" };
                if who == "You" {
                    let texts = message.content.iter().filter(|block| block["type"] == "text");
                    let texts = texts.filter_map(|block| block["text"].as_str()).filter(|text| !text.trim().is_empty());
                    let line = |text| Line { text: format!("You said: {}", said(text)), is_of_a_person: false };
                    lines.extend(texts.map(line));
                }
            }
            EventBody::ToolResult(result) => {
                let Some(at) = uses.iter().position(|tool| tool.id == result.tool_use_id) else { continue };
                let tool = uses.remove(at);
                // Quoted, so that nothing in it can pass for a line of its own.
                let came = Value::from(cut(&words_of(Some(result)), MAX_DONE).as_ref());
                lines.push(Line { text: format!("{who} used {}: {came}", use_of(&tool)), is_of_a_person: false });
            }
            _ => {}
        }
    }
    let follows = |tool: &ToolUse| format!("{who} used {}; what came of it follows", use_of(tool));
    lines.extend(uses.iter().map(|tool| Line { text: follows(tool), is_of_a_person: false }));
    lines
}

fn use_of(tool: &ToolUse) -> String {
    format!("{} {}", tool.called(), cut(&tool.input.to_string(), MAX_DONE))
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
        // One of an old record that does not tell is rather thought too large.
        let pixels = u64::from(picture.size.width) * u64::from(picture.size.height);
        let bytes = if picture.bytes == 0 { pixels } else { picture.bytes };
        self.pictures.push_back((at, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn are_too_many(&self) -> bool {
        self.pictures.len() > MOST_PICTURES || self.bytes > MOST_BYTES
    }

    /// Folds what came before `at`; the newest pictures stay, those of one event together.
    fn fold(&mut self, at: usize, unread_from: usize) -> Fold {
        while self.pictures.len() > KEPT_PICTURES || self.bytes > KEPT_BYTES {
            let oldest = self.pictures.front().map(|(event, _)| *event);
            let newest = self.pictures.back().map(|(event, _)| *event);
            if oldest == newest && !self.are_too_many() {
                break;
            }
            while let Some((_, bytes)) = self.pictures.pop_front_if(|(event, _)| Some(*event) == oldest) {
                self.bytes -= bytes;
            }
        }
        let shown_from = self.pictures.front().map_or(at, |(event, _)| *event);
        Fold { at, unread_from, shown_from, is_the_providers: false }
    }
}

/// One of the provider's own, that did not fail.
pub fn is_compaction(block: &Value) -> bool {
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
