//! A check of requests that the provider's own SDK makes: one Python process for all requests of a server.
//!
//! Which script knows the requests of a path stands in [`of`]; what it asks and answers stands in the script.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::repository;

type Verdict = Option<String>;

/// Starts with the first question, and ends when it is dropped.
pub(super) struct Checker {
    questions: Sender<(Value, oneshot::Sender<Verdict>)>,
}

/// The checker of what is sent to a path.
pub(super) fn of(path: &str) -> Option<Checker> {
    match path {
        "/v1/messages" => Some(Checker::new("check_messages.py")),
        _ => None,
    }
}

impl Checker {
    fn new(script: &'static str) -> Self {
        let (questions, asked) = channel();
        // A client that goes away in the middle of a check must not mix up questions and answers.
        std::thread::spawn(move || serve(script, &asked));
        Self { questions }
    }

    /// What is wrong with a request, once that is known.
    pub(super) fn ask(&self, question: Value) -> impl Future<Output = Verdict> + use<> {
        let (sender, verdict) = oneshot::channel();
        let sent = self.questions.send((question, sender));
        async move {
            let gone = || Some("the checker of requests is gone".to_owned());
            if sent.is_ok() { verdict.await.unwrap_or_else(|_| gone()) } else { gone() }
        }
    }
}

fn serve(script: &str, asked: &Receiver<(Value, oneshot::Sender<Verdict>)>) {
    let mut process: Option<Process> = None;
    while let Ok((question, sender)) = asked.recv() {
        let verdict = match process.take().map_or_else(|| Process::start(script), Ok) {
            Ok(running) => process.insert(running).ask(&question),
            Err(error) => Err(error),
        };
        let verdict = verdict.unwrap_or_else(|error| {
            let missing = "run `scripts/setup test`, which installs what it needs into .venv";
            Some(format!("the checker of requests ({script}) does not answer ({error}): {missing}"))
        });
        // Who asked may be gone.
        let _ = sender.send(verdict);
    }
}

struct Process {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(script: &str) -> io::Result<Self> {
        let repository = repository();
        let mut python = Command::new(repository.join(".venv/bin/python"));
        // Leaves no compiled files between the sources.
        python.arg("-B").arg(repository.join("tests/sdk").join(script));
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let answers = BufReader::new(child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        Ok(Self { child, questions, answers })
    }

    fn ask(&mut self, question: &Value) -> io::Result<Verdict> {
        self.questions.write_all(format!("{question}\n").as_bytes())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
