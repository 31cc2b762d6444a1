//! A check of requests that the provider's own SDK makes: one Python process for all requests of an API.
//!
//! What it is asked and answers stands in `tests/sdk/check.py`.

use std::{
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::repository;

type Verdict = Option<String>;

/// Starts with the first question, and ends when it is dropped.
pub(super) struct Checker {
    /// Nothing while it is dropped.
    questions: Option<Sender<(Value, oneshot::Sender<Verdict>)>>,
    thread: Option<JoinHandle<()>>,
    /// What the model has said since the last question.
    said: Vec<Value>,
}

impl Checker {
    pub(super) fn new(api: &'static str) -> Self {
        let (questions, asked) = channel();
        // A client that goes away in the middle of a check must not mix up questions and answers.
        let thread = std::thread::spawn(move || serve(api, &asked));
        Self { questions: Some(questions), thread: Some(thread), said: Vec::new() }
    }

    /// Has to be known before the next question.
    pub(super) fn hear(&mut self, said: Option<Value>) {
        self.said.extend(said);
    }

    /// What is wrong with a request, once that is known.
    pub(super) fn ask(&mut self, mut question: Value) -> impl Future<Output = Verdict> + use<> {
        let (sender, verdict) = oneshot::channel();
        question["answers"] = Value::Array(std::mem::take(&mut self.said));
        let sent = self.questions.as_ref().is_some_and(|questions| questions.send((question, sender)).is_ok());
        async move {
            let gone = || Some("the checker of requests is gone".to_owned());
            if sent { verdict.await.unwrap_or_else(|_| gone()) } else { gone() }
        }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        // Without questions the thread ends its process, and then itself.
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, and has said so.
            let _ = thread.join();
        }
    }
}

fn serve(api: &str, asked: &Receiver<(Value, oneshot::Sender<Verdict>)>) {
    let mut process: Option<Process> = None;
    while let Ok((question, sender)) = asked.recv() {
        let verdict = match process.take().map_or_else(|| Process::start(api), Ok) {
            Ok(running) => process.insert(running).ask(&question),
            Err(error) => Err(error),
        };
        let verdict = verdict.unwrap_or_else(|error| {
            let missing = "run `scripts/setup test`, which installs what it needs into .venv";
            Some(format!("the checker of requests ({api}) does not answer ({error}): {missing}"))
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
    fn start(api: &str) -> io::Result<Self> {
        let repository = repository();
        let mut python = Command::new(repository.join(".venv/bin/python"));
        // Leaves no compiled files between the sources.
        python.arg("-B").arg(repository.join("tests/sdk/check.py")).arg(api);
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
