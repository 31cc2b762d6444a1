//! A session's record as a conversation, before it is put into a provider's words. Pure, and the same for the same
//! record: what was sent once is sent again unchanged, which is what prompt caching and thinking blocks want.

use protocol::{
    event::{AssistantMessage, Event, EventBody, Picture, ResultBlock, ToolResult},
    model::{Model, ModelApi},
};
use serde_json::Value;

use super::fold::{self, Fold};
use crate::gate::agent::{
    console,
    record::{ToolUse, tool_uses},
    words::UNKNOWN,
};

/// In the place of a picture that the record has not any more.
pub const LOST_PICTURE: &str = "[this picture is not available any more]";

/// One side's turn; they alternate, and a person begins.
#[derive(Debug, PartialEq)]
pub enum Turn<'a> {
    /// Results come first.
    User(Vec<Part<'a>>),
    /// Of the model that is asked now.
    Own(&'a AssistantMessage),
    /// What another one said and did, in words: its tools need not be declared now, and its thoughts are sealed for it.
    Told(Vec<String>),
}

#[derive(Debug, PartialEq)]
pub enum Part<'a> {
    Result(Box<ToolUse>, Option<&'a ToolResult>),
    Text(String),
    /// The whole screen.
    Screen(&'a Picture),
    /// Of something else, or of a part.
    Picture(&'a Picture),
}

/// The pictures that the model is shown.
pub fn pictures(events: &[Event], model: &Model) -> Vec<String> {
    let fold = fold::of(events, |message| is_own(message, model));
    let mut names: Vec<String> = Vec::new();
    for picture in events[fold.shown_from..].iter().flat_map(fold::pictures) {
        if !names.contains(&picture.sha256) {
            names.push(picture.sha256.clone());
        }
    }
    names
}

/// Did this very model say it, in the language that it is asked in now?
fn is_own(message: &AssistantMessage, model: &Model) -> bool {
    let api = message.api.unwrap_or(ModelApi::AnthropicMessages);
    let is_variant = message.variant.as_ref().is_none_or(|variant| *variant == model.variant());
    message.model != console::NAME && (&message.model, api) == (&model.name, model.api) && is_variant
}

pub fn pictures_of(result: &ToolResult) -> impl Iterator<Item = &Picture> {
    result.content.iter().filter_map(|block| match block {
        ResultBlock::Image { picture } => Some(picture),
        ResultBlock::Text { .. } => None,
    })
}

/// What a result says in words, never nothing.
pub fn words_of(result: Option<&ToolResult>) -> String {
    let Some(result) = result else { return UNKNOWN.to_owned() };
    let texts = result.content.iter().filter_map(|block| match block {
        ResultBlock::Text { text } if !text.trim().is_empty() => Some(text.as_str()),
        _ => None,
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    match text.as_str() {
        "" if result.is_error => "Error: it failed without a reason".to_owned(),
        "" if pictures_of(result).next().is_some() => "[see the picture]".to_owned(),
        "" => "Done.".to_owned(),
        _ => text,
    }
}

/// Did it fail, as far as is known?
pub fn is_error(result: Option<&ToolResult>) -> bool {
    result.is_none_or(|result| result.is_error)
}

/// The turns, for this model.
pub fn turns<'a>(events: &'a [Event], model: &'a Model) -> Vec<Turn<'a>> {
    let fold = fold::of(events, |message| is_own(message, model));
    let mut conversation = Conversation {
        model,
        turns: Vec::new(),
        before: Vec::new(),
        asked: Vec::new(),
        results: Vec::new(),
        said: Vec::new(),
    };
    if fold.at > 0 {
        conversation.begin_at(&fold, events);
    }
    for (at, event) in events.iter().enumerate().skip(fold.unread_from) {
        match &event.body {
            EventBody::UserMessage { text, .. } => conversation.said.push(Part::Text(text.clone())),
            EventBody::HandedBack { note, picture, .. } => {
                conversation.handed_back(note.as_deref(), picture.as_ref().filter(|_| at >= fold.shown_from));
            }
            EventBody::AssistantMessage(message) => {
                conversation.end_user_turn();
                conversation.model_turn(message);
            }
            EventBody::ToolResult(result) => conversation.results.push((result, at >= fold.shown_from)),
            // What the model is to know of an approval stands in the result.
            EventBody::ApprovalAsked(_) | EventBody::ApprovalAnswered(_) => {}
            EventBody::StateChanged { .. } | EventBody::Notice { .. } | EventBody::AnswerLost(_) => {}
        }
    }
    conversation.end_user_turn();
    conversation.turns
}

struct Conversation<'a> {
    model: &'a Model,
    turns: Vec<Turn<'a>>,
    /// What is told of the time before the fold.
    before: Vec<Part<'a>>,
    /// What the last turn of the model asked for, and whether it is told in words.
    asked: Vec<(ToolUse, bool)>,
    /// And whether the pictures in it are shown.
    results: Vec<(&'a ToolResult, bool)>,
    /// What people said and showed since.
    said: Vec<Part<'a>>,
}

impl<'a> Conversation<'a> {
    /// What came before in short, and the last pictures of it.
    fn begin_at(&mut self, fold: &Fold, events: &'a [Event]) {
        self.before.push(Part::Text(fold::told(events, fold)));
        let mut uses = Vec::new();
        for (at, event) in events[..fold.unread_from].iter().enumerate() {
            if let EventBody::AssistantMessage(message) = &event.body {
                uses = tool_uses(message);
            }
            if at < fold.shown_from {
                continue;
            }
            let sees = match &event.body {
                EventBody::ToolResult(result) => {
                    uses.iter().any(|tool| tool.id == result.tool_use_id && tool.sees_the_screen())
                }
                _ => true,
            };
            let shown = if sees { Part::Screen } else { Part::Picture };
            self.before.extend(fold::pictures(event).map(shown));
        }
        if self.before.len() > 1 {
            self.before.insert(1, Part::Text("[The last pictures of that time, the oldest first:]".to_owned()));
        }
        if fold.unread_from < fold.at {
            // What came of these comes after it.
            self.asked = uses.into_iter().map(|tool| (tool, true)).collect();
        }
    }

    fn model_turn(&mut self, message: &'a AssistantMessage) {
        // The conversation begins with a person.
        if self.turns.is_empty() {
            return;
        }
        let is_own = is_own(message, self.model);
        self.asked = tool_uses(message).into_iter().map(|tool| (tool, !is_own)).collect();
        if is_own {
            self.turns.push(Turn::Own(message));
            return;
        }
        let who = if message.model == console::NAME { "the person used" } else { "used" };
        let told: Vec<String> = message.content.iter().filter_map(|block| in_words(block, who)).collect();
        if !told.is_empty() {
            self.turns.push(Turn::Told(told));
        }
    }

    fn end_user_turn(&mut self) {
        let mut parts = std::mem::take(&mut self.before);
        for (tool, in_words) in std::mem::take(&mut self.asked) {
            let found = self.results.iter().find(|(result, _)| result.tool_use_id == tool.id).copied();
            let (result, shows) = (found.map(|(result, _)| result), found.is_some_and(|(_, shows)| shows));
            if !in_words {
                parts.push(Part::Result(Box::new(tool), result));
                continue;
            }
            parts.push(Part::Text(format!("[result of {}]", tool.name)));
            let shown = if tool.sees_the_screen() { Part::Screen } else { Part::Picture };
            for block in result.map(|result| result.content.as_slice()).unwrap_or_default() {
                parts.push(match block {
                    ResultBlock::Text { text } => Part::Text(text.clone()),
                    ResultBlock::Image { picture } if shows => shown(picture),
                    ResultBlock::Image { .. } => Part::Text(LOST_PICTURE.to_owned()),
                });
            }
        }
        self.results.clear();
        parts.append(&mut self.said);
        if !parts.is_empty() {
            self.turns.push(Turn::User(parts));
        }
    }

    fn handed_back(&mut self, note: Option<&str>, picture: Option<&'a Picture>) {
        let now = match picture {
            Some(_) => "The screen is now:",
            None => "Take a screenshot before you go on.",
        };
        let mut told =
            format!("[A person drove the desktop and has handed it back. What they did was not recorded. {now}]");
        if let Some(note) = note {
            told.push_str(&format!("\n{note}"));
        }
        self.said.push(Part::Text(told));
        self.said.extend(picture.map(Part::Screen));
    }
}

/// What another one did is told, not replayed: its tools and its thoughts are not those of who is asked now.
fn in_words(block: &Value, who: &str) -> Option<String> {
    if let Some(tool) = ToolUse::read(block) {
        return Some(format!("[{who} {} {}]", tool.name, tool.input));
    }
    let text = block["text"].as_str().filter(|text| block["type"] == "text" && !text.trim().is_empty());
    text.map(str::to_owned)
}
