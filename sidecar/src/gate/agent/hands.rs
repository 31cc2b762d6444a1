//! Doing what a tool was asked for, on the desk, and what the model and people get to see of it.

use std::time::{Duration, Instant};

use protocol::{
    SessionId,
    action::{Action, Point, ShellOutput},
    desktop::Size,
    event::{ActionTrace, Picture, ResultBlock, ToolResult},
};

use super::{
    Agent,
    record::ToolUse,
    run::Waiting,
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
const PICTURE_WITHIN: Duration = Duration::from_secs(15);
/// A PNG above this is taken again as a JPEG: every later request carries it.
const LARGE_PNG: usize = 1_500_000;
/// What the provider refuses, for one image: 5 MiB of base64, 2000 px an edge beside 20 others.
const MAX_PICTURE: usize = 5 * 1024 * 1024 / 4 * 3;
const MAX_EDGE: u32 = 2000;
/// The longest text of a result, in characters.
const MAX_TEXT: usize = 200_000;
const JPEG: Format = Format::Jpeg { quality: 80 };

/// The agent's hands in one session.
pub struct Hands<'a> {
    pub agent: &'a Agent,
    pub session: &'a SessionId,
    /// The size of the screenshot that the model saw last.
    pub picture: Option<Size>,
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
            Ok((content, trace)) => ToolResult { tool_use_id: tool.id.clone(), is_error: false, content, trace },
            Err(Failure { text, trace }) => {
                let text = if text.trim().is_empty() { "Error: it failed without a reason" } else { &text };
                ToolResult { trace, ..refusal(&tool.id, &clip(text)) }
            }
        }
    }

    async fn act(&self, action: &Action, done: &str, mark: Option<Point>) -> Done {
        let call = Call::Act { action: action.clone(), picture: self.picture };
        let outcome = match self.agent.0.desk.call(&call, deadline(action)).await? {
            Answer::Acted(outcome) => outcome,
            _ => return Err(DeskError::Nonsense.into()),
        };
        let mut trace = self.trace(mark).await;
        (trace.settled, trace.waited_ms) = (Some(outcome.settled), Some(outcome.waited_ms));
        trace.changed = outcome.changed;
        Ok((words(done), trace))
    }

    async fn cursor_position(&self) -> Done {
        let call = Call::Act { action: Action::CursorPosition, picture: self.picture };
        match self.agent.0.desk.call(&call, Duration::from_secs(15)).await? {
            Answer::Acted(outcome) => match outcome.position {
                Some(Point { x, y }) => Ok((words(&format!("X={x},Y={y}")), ActionTrace::default())),
                None => Err(DeskError::Nonsense.into()),
            },
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    async fn look(&self, call: ScreenshotCall) -> Done {
        let mut call = call;
        let mut shot = self.agent.0.desk.screenshot(call, PICTURE_WITHIN).await?;
        if shot.bytes.len() > LARGE_PNG {
            call.format = JPEG;
            shot = self.agent.0.desk.screenshot(call, PICTURE_WITHIN).await?;
        }
        if !is_acceptable(&shot, call.format) {
            return Err(Failure::new("Error: the picture is not one that can be shown to the model"));
        }
        let bytes = shot.bytes.clone();
        let picture = self.keep(shot, call.format).await?;
        self.agent.0.model.pictures.remember(&picture.sha256, &bytes);
        let trace = ActionTrace { picture: Some(picture.clone()), ..ActionTrace::default() };
        Ok((vec![ResultBlock::Image { picture }], trace))
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
        let Ok(shot) = self.agent.0.desk.screenshot(self.whole(JPEG), PICTURE_WITHIN).await else {
            return ActionTrace::default();
        };
        let mark = mark.map(|mark| scale(mark, self.picture.unwrap_or(shot.screen), shot.picture));
        if !is_acceptable(&shot, JPEG) {
            return ActionTrace::default();
        }
        let kept = self.keep(shot, JPEG).await.ok();
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

    fn whole(&self, format: Format) -> ScreenshotCall {
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

/// The desk is not trusted to have made what it was asked for.
fn is_acceptable(shot: &Shot, format: Format) -> bool {
    let begins: &[u8] = match format {
        Format::Png => b"\x89PNG\r\n\x1a\n",
        Format::Jpeg { .. } => b"\xff\xd8\xff",
    };
    let Size { width, height } = shot.picture;
    shot.bytes.starts_with(begins)
        && shot.bytes.len() <= MAX_PICTURE
        && (1..=MAX_EDGE).contains(&width)
        && (1..=MAX_EDGE).contains(&height)
        && (1..=Size::MAX.width).contains(&shot.screen.width)
        && (1..=Size::MAX.width).contains(&shot.screen.height)
}

fn scale(point: Point, from: Size, to: Size) -> Point {
    let along = |at: i32, from: u32, to: u32| (i64::from(at) * i64::from(to) / i64::from(from.max(1))) as i32;
    Point { x: along(point.x, from.width, to.width), y: along(point.y, from.height, to.height) }
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

    #[test]
    fn a_mark_is_moved_to_the_picture_it_is_shown_on() {
        let (screen, picture) = (Size { width: 2560, height: 1600 }, Size { width: 1280, height: 800 });

        assert_eq!(scale(Point { x: 300, y: 201 }, screen, picture), Point { x: 150, y: 100 });
    }

    #[test]
    fn a_picture_that_the_provider_would_refuse_is_never_stored() {
        let shot = |bytes: Vec<u8>, width| Shot {
            bytes,
            picture: Size { width, height: 10 },
            screen: Size { width: 10, height: 10 },
        };
        let png = b"\x89PNG\r\n\x1a\n".to_vec();
        let huge = [png.clone(), vec![0; MAX_PICTURE]].concat();

        assert!(is_acceptable(&shot(png.clone(), 10), Format::Png));
        assert!(!is_acceptable(&shot(png.clone(), 2001), Format::Png));
        assert!(!is_acceptable(&shot(huge, 10), Format::Png));
        assert!(!is_acceptable(&shot(png, 10), JPEG));
    }
}
