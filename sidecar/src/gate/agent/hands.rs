//! Doing what a tool was asked for, on the desk, and what the model and people get to see of it.

use std::time::{Duration, Instant};

use protocol::{
    SessionId,
    action::{Action, ActionOutcome, Point, ShellOutput},
    desktop::Size,
    event::{ActionTrace, Picture, ResultBlock, ToolResult},
};
use zeroize::Zeroizing;

use super::{
    Agent,
    record::ToolUse,
    run::Waiting,
    secrets,
    sight::{self, JPEG},
    step::refusal,
    tools::{self, Task},
};
use crate::{
    gate::{
        desk::{DeskError, Shot},
        http::actions::deadline,
    },
    link::{Answer, Call, Fit, Format, ScreenshotCall},
};

const COMMAND_MS: u64 = 120_000;
/// The longest text of a result, in characters.
const MAX_TEXT: usize = 200_000;

/// The agent's hands in one session.
pub struct Hands<'a> {
    pub agent: &'a Agent,
    pub session: &'a SessionId,
    /// The size of the screenshot that the model saw last.
    pub picture: Option<Size>,
    /// Does the model know the screen by the single tool of earlier models?
    pub is_single: bool,
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
            Task::CursorPosition => self.cursor_position().await,
            Task::Screenshot => self.look(ScreenshotCall { region: None, ..self.whole(Format::Png) }).await,
            Task::Zoom(region) => self.look(ScreenshotCall { region: Some(*region), ..self.whole(Format::Png) }).await,
            Task::Bash(command) => self.bash(command).await,
            Task::BashRestart => {
                let call = Call::BashRestart { session: Some(self.session.clone()) };
                self.plain(call, "The shell was restarted.").await
            }
            Task::Editor(input) => self.plain(Call::Editor { input: input.clone() }, "Done.").await,
            Task::Open(target) => self.open(target).await,
            Task::Windows => self.windows().await,
            Task::Window(id, verb) => self.window(*id, *verb).await,
            Task::Tree(window) => self.tree(*window).await,
        };
        match done {
            Ok((content, trace)) => {
                let content = content.into_iter().map(|block| self.masked(block)).collect();
                ToolResult { tool_use_id: tool.id.clone(), is_error: false, content, trace }
            }
            Err(Failure { text, trace }) => {
                let text = if text.trim().is_empty() { "Error: it failed without a reason" } else { &text };
                ToolResult { trace, ..refusal(&tool.id, &self.agent.0.masks.mask(clip(text))) }
            }
        }
    }

    /// Whatever a tool found out, a secret that was typed does not come back by it.
    fn masked(&self, block: ResultBlock) -> ResultBlock {
        match block {
            ResultBlock::Text { text } => ResultBlock::Text { text: self.agent.0.masks.mask(text) },
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
        let outcome = self.carry_out(action.clone(), false).await?;
        if !self.is_single {
            trace = self.trace(mark).await;
        }
        (trace.settled, trace.waited_ms) = (Some(outcome.settled), Some(outcome.waited_ms));
        trace.changed = outcome.changed;
        if !self.is_single {
            return Ok((words(done), trace));
        }
        // The single tool of earlier models answers every action with what the screen looks like then.
        let (picture, screen) = self.look_with(self.whole(Format::Png)).await?;
        trace.mark = mark.map(|mark| sight::scale(mark, self.picture.unwrap_or(screen), picture.size));
        trace.picture = Some(picture.clone());
        Ok((vec![ResultBlock::Text { text: done.to_owned() }, ResultBlock::Image { picture }], trace))
    }

    async fn carry_out(&self, action: Action, secret: bool) -> Result<ActionOutcome, Failure> {
        let within = deadline(&action);
        let call = Call::Act { action, picture: self.picture, secret };
        match self.agent.0.desk.call(&call, within).await? {
            Answer::Acted(outcome) => Ok(outcome),
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    /// Types a text with secrets put in. What the screen shows then is nobody's: there is no picture of it.
    async fn type_secret(&self, text: &str, done: &str) -> Done {
        let mut typed = Zeroizing::new(text.to_owned());
        for name in secrets::names(text) {
            let value = self
                .agent
                .journal()
                .secret(name)
                .await
                .map_err(|error| Failure::new(&format!("Error: the secret {name} cannot be read now: {error}")))?;
            let Some(value) = value else {
                let message = format!("Error: the user has no secret with the name {name}. Ask them to store it.");
                return Err(Failure::new(&message));
            };
            self.agent.0.masks.remember(name, &value);
            typed = secrets::put_in(&typed, name, &value);
        }
        let outcome = self.carry_out(Action::Type { text: typed.to_string() }, true).await?;
        let trace = ActionTrace {
            settled: Some(outcome.settled),
            waited_ms: Some(outcome.waited_ms),
            changed: outcome.changed,
            ..ActionTrace::default()
        };
        Ok((words(done), trace))
    }

    async fn cursor_position(&self) -> Done {
        match self.carry_out(Action::CursorPosition, false).await?.position {
            Some(Point { x, y }) => Ok((words(&format!("X={x},Y={y}")), ActionTrace::default())),
            None => Err(DeskError::Nonsense.into()),
        }
    }

    async fn look(&self, call: ScreenshotCall) -> Done {
        let (picture, _) = self.look_with(call).await?;
        let trace = ActionTrace { picture: Some(picture.clone()), ..ActionTrace::default() };
        Ok((vec![ResultBlock::Image { picture }], trace))
    }

    /// A stored picture for the model, and the size of the screen that it shows.
    async fn look_with(&self, call: ScreenshotCall) -> Result<(Picture, Size), Failure> {
        let Some((shot, format)) = sight::see(&self.agent.0.desk, call).await? else {
            return Err(Failure::new("Error: the picture is not one that can be shown to the model"));
        };
        let (bytes, screen) = (shot.bytes.clone(), shot.screen);
        let picture = self.keep(shot, format).await?;
        self.agent.0.model.pictures.remember(&picture.sha256, &bytes);
        Ok((picture, screen))
    }

    async fn bash(&self, command: &str) -> Done {
        let call =
            Call::Bash { session: Some(self.session.clone()), command: command.to_owned(), timeout_ms: COMMAND_MS };
        match self.agent.0.desk.call(&call, Duration::from_millis(COMMAND_MS) + Duration::from_secs(15)).await? {
            Answer::Shell(output) => {
                let text = clip(&shown(&output));
                if output.timed_out { Err(Failure::new(&text)) } else { Ok((words(&text), ActionTrace::default())) }
            }
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    /// A call that answers a text, or nothing.
    async fn plain(&self, call: Call, done: &str) -> Done {
        match self.agent.0.desk.call(&call, Duration::from_secs(30)).await? {
            Answer::Text { text } if !text.is_empty() => Ok((words(&clip(&text)), ActionTrace::default())),
            Answer::Text { .. } | Answer::Done => Ok((words(done), ActionTrace::default())),
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    /// The screen after an action, for people; without it the action is as good.
    pub(super) async fn trace(&self, mark: Option<Point>) -> ActionTrace {
        let Ok(Some((shot, format))) = sight::see(&self.agent.0.desk, self.whole(JPEG)).await else {
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
                    return Ok(Picture { sha256, media_type: media_type.to_owned(), size: shot.picture });
                }
                Err(error) => waiting
                    .after(error)
                    .await
                    .map_err(|error| Failure::new(&format!("Error: the picture could not be stored: {error}")))?,
            }
        }
    }

    pub(super) fn whole(&self, format: Format) -> ScreenshotCall {
        ScreenshotCall { format, region: None, picture: self.picture, fit: Some(Fit::MODEL) }
    }
}

pub(super) type Done = Result<(Vec<ResultBlock>, ActionTrace), Failure>;

/// What the model reads of a failure.
pub(super) struct Failure {
    text: String,
    trace: ActionTrace,
}

impl Failure {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), trace: ActionTrace::default() }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        let text = error.to_string();
        // The editor's own refusals are worded as the model knows them.
        Self::new(&if text.starts_with("Error") { text } else { format!("Error: {text}") })
    }
}

pub(super) fn words(text: &str) -> Vec<ResultBlock> {
    vec![ResultBlock::Text { text: text.to_owned() }]
}

/// What a command printed, as the model reads it.
fn shown(output: &ShellOutput) -> String {
    let mut text = String::new();
    if output.cut_bytes > 0 {
        text.push_str(&format!("[the first {} bytes were cut]\n", output.cut_bytes));
    }
    text.push_str(&output.output);
    let mut remark = |remark: String| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&remark);
    };
    match output.exit_code {
        _ if output.timed_out => remark(format!(
            "[the command was ended after {} s: run long ones in the background, with output to a file]",
            COMMAND_MS / 1000
        )),
        Some(0) => {}
        Some(code) => remark(format!("[exit code {code}]")),
        None => remark("[the command did not end by itself]".to_owned()),
    }
    if text.is_empty() { "[no output]".to_owned() } else { text }
}

/// The end of a text is what matters: there stand the errors.
fn clip(text: &str) -> String {
    let length = text.chars().count();
    if length <= MAX_TEXT {
        return text.to_owned();
    }
    let kept: String = text.chars().skip(length - MAX_TEXT).collect();
    format!("[the first {} characters were cut]\n{kept}", length - MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str, exit_code: Option<i32>) -> ShellOutput {
        ShellOutput { output: text.to_owned(), exit_code, timed_out: false, cut_bytes: 0 }
    }

    #[test]
    fn a_command_shows_its_output_and_how_it_ended() {
        assert_eq!(shown(&output("a\n", Some(0))), "a\n");
        assert_eq!(shown(&output("a", Some(2))), "a\n[exit code 2]");
        assert_eq!(shown(&output("", Some(0))), "[no output]");
    }
}
