//! Doing what a tool was asked for, on the desk, for whoever is on the agent's side: without session, record or secrets.

use std::time::Duration;

use protocol::{
    SessionId,
    action::{Action, ActionOutcome, Point, Rect, ShellOutput},
    desktop::Size,
};

use super::{sight, tools::Task};
use crate::{
    gate::{
        desk::{Desk, DeskError, Shot},
        http::actions::deadline,
    },
    link::{Answer, Call, Fit, Format, ScreenshotCall},
};

const COMMAND_MS: u64 = 120_000;
/// The longest text of a result, in characters.
const MAX_TEXT: usize = 200_000;

/// Somebody's hands on the desk.
pub struct Doer<'a> {
    pub desk: &'a Desk,
    /// Whose shell commands run in; the desktop's own unless told.
    pub shell: Option<SessionId>,
    /// The size of the screenshot that was seen last: coordinates are of that.
    pub picture: Option<Size>,
}

/// What came of it.
pub enum Did {
    Told(String),
    /// The screen may look different now.
    Moved {
        text: String,
        settled: bool,
        waited_ms: u64,
    },
    Seen(Shot, Format),
}

/// Why it was not done, as a model reads it.
pub struct Failure(pub String);

impl Doer<'_> {
    /// Dropping the future cancels what runs on the desktop.
    pub async fn run(&self, task: &Task) -> Result<Did, Failure> {
        match task {
            Task::Act { action, done } => {
                let ActionOutcome { settled, waited_ms, .. } = self.carry_out(action.clone(), false).await?;
                Ok(Did::Moved { text: done.clone(), settled, waited_ms })
            }
            Task::CursorPosition => self.cursor_position().await,
            Task::Screenshot => self.look(None).await.map(|(shot, format)| Did::Seen(shot, format)),
            Task::Zoom(region) => self.look(Some(*region)).await.map(|(shot, format)| Did::Seen(shot, format)),
            Task::Bash(command) => self.bash(command).await,
            Task::BashRestart => {
                self.plain(Call::BashRestart { session: self.shell.clone() }, "The shell was restarted.").await
            }
            Task::Editor(input) => self.plain(Call::Editor { input: input.clone() }, "Done.").await,
            Task::Open(target) => self.open(target).await,
            Task::Windows => self.windows().await,
            Task::Window(id, verb) => self.window(*id, *verb).await,
            Task::Tree(window) => self.tree(*window).await,
            Task::Mcp { .. } => Err(Failure::new("Error: only the agent uses the tools of other servers")),
        }
    }

    /// The screen, or a part of it, as a model may be shown it.
    pub async fn look(&self, region: Option<Rect>) -> Result<(Shot, Format), Failure> {
        let call = ScreenshotCall { region, ..self.whole(Format::Png) };
        let seen = sight::see(self.desk, call).await?;
        seen.ok_or_else(|| Failure::new("Error: the picture is not one that can be shown to the model"))
    }

    pub fn whole(&self, format: Format) -> ScreenshotCall {
        ScreenshotCall { format, region: None, picture: self.picture, fit: Some(Fit::MODEL) }
    }

    /// A secret goes by keys alone.
    pub async fn carry_out(&self, action: Action, secret: bool) -> Result<ActionOutcome, Failure> {
        let within = deadline(&action);
        let call = Call::Act { action, picture: self.picture, secret };
        match self.desk.call(&call, within).await? {
            Answer::Acted(outcome) => Ok(outcome),
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    async fn cursor_position(&self) -> Result<Did, Failure> {
        match self.carry_out(Action::CursorPosition, false).await?.position {
            Some(Point { x, y }) => Ok(Did::Told(format!("X={x},Y={y}"))),
            None => Err(DeskError::Nonsense.into()),
        }
    }

    async fn bash(&self, command: &str) -> Result<Did, Failure> {
        let call = Call::Bash { session: self.shell.clone(), command: command.to_owned(), timeout_ms: COMMAND_MS };
        match self.desk.call(&call, Duration::from_millis(COMMAND_MS) + Duration::from_secs(15)).await? {
            Answer::Shell(output) => {
                let text = clip(&shown(&output));
                if output.timed_out { Err(Failure(text)) } else { Ok(Did::Told(text)) }
            }
            _ => Err(DeskError::Nonsense.into()),
        }
    }

    /// A call that answers a text, or nothing.
    async fn plain(&self, call: Call, done: &str) -> Result<Did, Failure> {
        match self.desk.call(&call, Duration::from_secs(30)).await? {
            Answer::Text { text } if !text.is_empty() => Ok(Did::Told(clip(&text))),
            Answer::Text { .. } | Answer::Done => Ok(Did::Told(done.to_owned())),
            _ => Err(DeskError::Nonsense.into()),
        }
    }
}

impl Failure {
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Never empty, never endless.
    pub fn words(&self) -> String {
        if self.0.trim().is_empty() { "Error: it failed without a reason".to_owned() } else { clip(&self.0) }
    }
}

impl From<DeskError> for Failure {
    fn from(error: DeskError) -> Self {
        let text = error.to_string();
        // The editor's own refusals are worded as the model knows them.
        Self(if text.starts_with("Error") { text } else { format!("Error: {text}") })
    }
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
