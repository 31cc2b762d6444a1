//! Doing what a tool was asked for, on the desk, and what the model and people get to see of it.

use std::time::Instant;

use protocol::{
    SessionId,
    action::{Action, Point},
    desktop::Size,
    event::{ActionTrace, Picture, ResultBlock, ToolResult},
};
use serde_json::Value;

use super::{
    Agent,
    doer::{Did, Doer, Failure},
    record::ToolUse,
    secrets,
    sight::{self, JPEG},
    step::refusal,
    tools::{self, Task},
    waiting::Waiting,
};
use crate::{
    gate::{desk::Shot, servers::results::Part},
    link::Format,
};

/// The agent's hands in one session.
pub struct Hands<'a> {
    pub agent: &'a Agent,
    pub session: &'a SessionId,
    /// The size of the screenshot that the model saw last.
    pub picture: Option<Size>,
    /// Does every result show the screen?
    pub shows: bool,
}

impl Hands<'_> {
    /// Runs a tool to its end. Dropping the future cancels what runs on the desktop.
    pub async fn run(&self, tool: &ToolUse) -> ToolResult {
        let started = Instant::now();
        let mut result = match tools::plan(tool) {
            Ok(task) => self.perform(tool, &task).await,
            Err(error) => refusal(&tool.id, &error),
        };
        result.trace.took_ms = started.elapsed().as_millis() as u64;
        result
    }

    async fn perform(&self, tool: &ToolUse, task: &Task) -> ToolResult {
        let done = match task {
            Task::Act { action, done } => self.act(action, done, tools::mark(task)).await,
            Task::Mcp { name, input } => return self.mcp(&tool.id, name, input).await,
            other => self.other(other).await,
        };
        match done {
            Ok((content, trace)) => {
                let content = content.into_iter().map(|block| self.masked(block)).collect();
                ToolResult { tool_use_id: tool.id.clone(), is_error: false, content, trace }
            }
            Err(failure) => refusal(&tool.id, &self.agent.masks().mask(failure.words())),
        }
    }

    /// Whatever a tool found out, a secret that was typed does not come back by it.
    fn masked(&self, block: ResultBlock) -> ResultBlock {
        match block {
            ResultBlock::Text { text } => ResultBlock::Text { text: self.agent.masks().mask(text) },
            image @ ResultBlock::Image { .. } => image,
        }
    }

    async fn act(&self, action: &Action, done: &str, mark: Option<Point>) -> Done {
        if let Action::Type { text } = action
            && secrets::has_placeholder(text)
        {
            return self.type_secret(text, done).await;
        }
        let mut trace = ActionTrace::default();
        let outcome = self.doer().carry_out(action.clone(), false).await?;
        if !self.shows {
            trace = self.trace(mark).await;
        }
        (trace.settled, trace.waited_ms) = (Some(outcome.settled), Some(outcome.waited_ms));
        trace.changed = outcome.changed;
        if !self.shows {
            return Ok((words(done), trace));
        }
        // Some tools answer every action with what the screen looks like then.
        let (shot, format) = self.doer().look(None).await?;
        let screen = shot.screen;
        let picture = self.show(shot, format).await?;
        trace.mark = mark.map(|mark| sight::scale(mark, self.picture.unwrap_or(screen), picture.size));
        trace.picture = Some(picture.clone());
        Ok((vec![ResultBlock::Text { text: done.to_owned() }, ResultBlock::Image { picture }], trace))
    }

    async fn other(&self, task: &Task) -> Done {
        match self.doer().run(task).await? {
            Did::Told(text) => Ok((words(&text), ActionTrace::default())),
            Did::Moved { text, settled, waited_ms } => {
                let trace = self.trace(None).await;
                Ok((words(&text), ActionTrace { settled: Some(settled), waited_ms: Some(waited_ms), ..trace }))
            }
            Did::Seen(shot, format) => {
                let picture = self.show(shot, format).await?;
                let trace = ActionTrace { picture: Some(picture.clone()), ..ActionTrace::default() };
                Ok((vec![ResultBlock::Image { picture }], trace))
            }
        }
    }

    /// Calls a tool of a server that the user added.
    async fn mcp(&self, id: &str, name: &str, input: &Value) -> ToolResult {
        let outcome = match self.agent.servers().call(name, input).await {
            Ok(outcome) => outcome,
            Err(words) => return refusal(id, &words),
        };
        if outcome.is_error {
            // Providers take texts alone where something failed.
            return refusal(id, &outcome.words());
        }
        let mut content = Vec::new();
        for part in outcome.parts {
            match part {
                Part::Text(text) => content.push(ResultBlock::Text { text }),
                Part::Picture(shot, format) => match self.show(shot, format).await {
                    Ok(picture) => content.push(ResultBlock::Image { picture }),
                    Err(failure) => return refusal(id, &failure.words()),
                },
            }
        }
        ToolResult { tool_use_id: id.to_owned(), is_error: false, content, trace: ActionTrace::default() }
    }

    /// Types a text with secrets put in. What the screen shows then is nobody's: there is no picture of it.
    async fn type_secret(&self, text: &str, done: &str) -> Done {
        let typed = secrets::fill(self.agent.journal(), self.agent.masks(), text).await;
        let typed = typed.map_err(|error| Failure::new(&format!("Error: {error}")))?;
        let outcome = self.doer().carry_out(Action::Type { text: typed.to_string() }, true).await?;
        let trace = ActionTrace {
            settled: Some(outcome.settled),
            waited_ms: Some(outcome.waited_ms),
            changed: outcome.changed,
            ..ActionTrace::default()
        };
        Ok((words(done), trace))
    }

    /// Stores a picture that the model is shown.
    async fn show(&self, shot: Shot, format: Format) -> Result<Picture, Failure> {
        let bytes = shot.bytes.clone();
        let picture = self.keep(shot, format).await?;
        self.agent.0.model.pictures.remember(&picture.sha256, &bytes);
        Ok(picture)
    }

    /// The screen after an action, for people; without it the action is as good.
    pub(super) async fn trace(&self, mark: Option<Point>) -> ActionTrace {
        let Ok(Some((shot, format))) = sight::see(&self.agent.0.desk, self.doer().whole(JPEG)).await else {
            return ActionTrace::default();
        };
        let mark = mark.map(|mark| sight::scale(mark, self.picture.unwrap_or(shot.screen), shot.picture));
        let kept = self.keep(shot, format).await.ok();
        ActionTrace { mark: mark.filter(|_| kept.is_some()), picture: kept, ..ActionTrace::default() }
    }

    /// Stores a picture; waits for control as long as it takes.
    async fn keep(&self, shot: Shot, format: Format) -> Result<Picture, Failure> {
        let media_type = format.media_type();
        let mut waiting = Waiting::new(self.agent, self.session);
        loop {
            match self.agent.0.journal.put_blob(media_type, shot.bytes.clone()).await {
                Ok(sha256) => {
                    let (media_type, bytes) = (media_type.to_owned(), shot.bytes.len() as u64);
                    return Ok(Picture { sha256, media_type, size: shot.picture, bytes });
                }
                Err(error) => waiting
                    .after(error)
                    .await
                    .map_err(|error| Failure::new(&format!("Error: the picture could not be stored: {error}")))?,
            }
        }
    }

    fn doer(&self) -> Doer<'_> {
        Doer { desk: &self.agent.0.desk, shell: Some(self.session.clone()), picture: self.picture }
    }
}

type Done = Result<(Vec<ResultBlock>, ActionTrace), Failure>;

fn words(text: &str) -> Vec<ResultBlock> {
    vec![ResultBlock::Text { text: text.to_owned() }]
}
