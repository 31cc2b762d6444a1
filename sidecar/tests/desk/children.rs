//! Programs that the gate speaks to by pipes: what they find, how they end, and that nothing of them is left.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use sidecar::link::{
    Answer, Call, FloorRule, RefusalKind,
    child::{Exit, Frames, FromChild, ToChild, Variables},
};
use tokio::net::UnixStream;
use tokio_util::codec::Framed;

use crate::display::{DEADLINE, Desk, Display, answer, eventually, read};

/// A running child, as the gate has it.
struct Child(Framed<UnixStream, Frames<FromChild>>);

impl Child {
    async fn say(&mut self, text: &str) {
        self.0.send(ToChild::Input(Bytes::copy_from_slice(text.as_bytes()))).await.unwrap();
    }

    async fn next(&mut self) -> FromChild {
        tokio::time::timeout(DEADLINE, self.0.next()).await.expect("a frame in time").expect("it is open").unwrap()
    }

    /// Its outputs, and how it ended.
    async fn ended(&mut self) -> (String, String, Exit) {
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        loop {
            match self.next().await {
                FromChild::Output(bytes) => output.extend_from_slice(&bytes),
                FromChild::Error(bytes) => errors.extend_from_slice(&bytes),
                FromChild::Ended(exit) => {
                    return (String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap(), exit);
                }
            }
        }
    }
}

fn call(program: &[&str], env: &[(&str, &str)]) -> Call {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>();
    let args = program[1..].iter().map(|argument| (*argument).to_owned()).collect();
    Call::Child { command: program[0].to_owned(), args, env: Variables(env) }
}

async fn start(desk: &Desk, program: &[&str]) -> Child {
    start_with(desk, program, &[]).await
}

async fn start_with(desk: &Desk, program: &[&str], env: &[(&str, &str)]) -> Child {
    let mut stream = desk.begin(&call(program, env)).await;
    assert_eq!(answer(&mut stream).await, Ok(Answer::Done));
    Child(Framed::new(stream, Frames::default()))
}

/// How many processes have this as their last argument, and are no zombies.
fn count(argument: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| line.split(|b| *b == 0).rev().nth(1) == Some(argument.as_bytes())).count()
}

const CODE: fn(i32) -> Exit = |code| Exit { code: Some(code), signal: None };

#[tokio::test(flavor = "multi_thread")]
async fn a_child_reads_and_writes_by_pipes_that_are_told_apart() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let mut child = start(&desk, &["sh", "-c", "read a; echo \"out $a\"; echo \"err $a\" >&2; exit 7"]).await;

    child.say("hello\n").await;

    assert_eq!(child.ended().await, ("out hello\n".to_owned(), "err hello\n".to_owned(), CODE(7)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_is_in_the_home_with_the_desktops_variables_and_its_own_and_none_of_the_desks() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let script = "pwd; echo $DISPLAY $MINE; env | grep -c ^CLOUDBOT_";
    let variables = [("MINE", "a b"), ("", "x"), ("A=B", "x")];

    let (output, ..) = start_with(&desk, &["sh", "-c", script], &variables).await.ended().await;

    let home = display.folder.path().canonicalize().unwrap();
    assert_eq!(output, format!("{}\n{} a b\n0\n", home.display(), display.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_says_so_where_errors_are_read() {
    let display = Display::fixed();
    let desk = display.desk().await;

    let (_, errors, exit) = start(&desk, &["no-such-program", "x"]).await.ended().await;

    assert!(errors.starts_with("cannot start no-such-program: No such file"), "{errors}");
    assert_eq!(exit, CODE(127));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_killed_tells_the_signal() {
    let display = Display::fixed();
    let desk = display.desk().await;

    let (.., exit) = start(&desk, &["sh", "-c", "kill -SEGV $$"]).await.ended().await;

    assert_eq!(exit, Exit { code: None, signal: Some(11) });
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_to_stop_may_say_goodbye() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let script = "trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = start(&desk, &["sh", "-c", script]).await;
    assert_eq!(child.next().await, FromChild::Output(Bytes::from_static(b"ready\n")));

    child.0.send(ToChild::Stop).await.unwrap();

    // The shell remarks that its `sleep` was ended as well.
    let (output, _, exit) = child.ended().await;
    assert_eq!((output.as_str(), exit), ("bye\n", CODE(4)));
}

/// Something that ignores being asked, and has put a part of itself where no group, no session and no variable tells
/// that it belongs to it.
fn stubborn(mark: &str) -> String {
    format!(
        "trap '' TERM; env -i PATH=\"$PATH\" setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' {mark} & \
         echo ready; while :; do sleep 1; done"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_child_outlives_its_connection() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let mut child = start(&desk, &["sh", "-c", &stubborn("hides-1"), "stays-1"]).await;
    assert_eq!(child.next().await, FromChild::Output(Bytes::from_static(b"ready\n")));
    // The keeper names it too.
    eventually("both run", async || count("hides-1") == 1 && count("stays-1") == 2).await;

    drop(child);

    eventually("all is gone", async || count("hides-1") == 0 && count("stays-1") == 0).await;
    eventually("it is forgotten", async || read(&display.path("desk.children")).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_child_that_died_left_behind_is_ended() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let script =
        "env -i PATH=\"$PATH\" setsid sh -c 'while :; do sleep 1; done' hides-2 >/dev/null 2>&1 & sleep 0.2; exit 3";

    let (.., exit) = start(&desk, &["sh", "-c", script]).await.ended().await;

    assert_eq!((exit, count("hides-2")), (CODE(3), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_ends_takes_its_children_along() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let mut child = start(&desk, &["sh", "-c", &stubborn("hides-3"), "stays-3"]).await;
    assert_eq!(child.next().await, FromChild::Output(Bytes::from_static(b"ready\n")));
    eventually("both run", async || count("hides-3") == 1).await;

    drop(desk);

    assert_eq!((count("hides-3"), count("stays-3")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starting_desk_ends_the_children_that_a_killed_one_left() {
    let display = Display::fixed();
    let mut first = display.desk().await;
    let mut child = start(&first, &["sh", "-c", &stubborn("hides-4"), "stays-4"]).await;
    assert_eq!(child.next().await, FromChild::Output(Bytes::from_static(b"ready\n")));
    eventually("both run", async || count("hides-4") == 1).await;
    first.child.kill().unwrap();
    first.child.wait().unwrap();

    let _second = display.desk().await;

    eventually("all is gone", async || count("hides-4") == 0 && count("stays-4") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_never_reads_can_still_be_stopped() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let mut child = start(&desk, &["sleep", "4721"]).await;
    for _ in 0..20 {
        child.say(&"x".repeat(60_000)).await;
    }

    child.0.send(ToChild::Stop).await.unwrap();

    assert_eq!(child.ended().await.2, Exit { code: None, signal: Some(15) });
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_person_drives_children_stand_still_and_none_is_started() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let counting = "i=0; while :; do i=$((i+1)); echo $i > $0; sleep 0.01; done";
    let (plain, hidden) = (display.path("plain"), display.path("hidden"));
    let script = format!("env -i PATH=\"$PATH\" setsid sh -c '{counting}' {} & {counting}", hidden.display());
    let _child = start(&desk, &["sh", "-c", &script, plain.to_str().unwrap()]).await;
    let counts = || [&plain, &hidden].map(|file| read(file));
    let go_on = async |before: [String; 2]| {
        eventually("both count", async || {
            counts().iter().zip(&before).all(|(now, then)| now != then && !now.is_empty())
        })
        .await;
    };
    go_on([String::new(), String::new()]).await;

    desk.call(&Call::Floor { rule: FloorRule::Only { seat: "ada".into() } }).await.unwrap();
    let frozen = counts();
    let refused = desk.call(&call(&["true"], &[])).await.unwrap_err();

    assert_eq!(counts(), frozen);
    assert_eq!(refused.kind, RefusalKind::Unavailable);
    desk.call(&Call::Floor { rule: FloorRule::Nobody }).await.unwrap();
    go_on(frozen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_stands_still_can_be_stopped() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let mut child = start(&desk, &["sh", "-c", &stubborn("hides-5"), "stays-5"]).await;
    assert_eq!(child.next().await, FromChild::Output(Bytes::from_static(b"ready\n")));
    desk.call(&Call::Floor { rule: FloorRule::Only { seat: "ada".into() } }).await.unwrap();

    child.0.send(ToChild::Stop).await.unwrap();

    child.ended().await;
    assert_eq!((count("hides-5"), count("stays-5")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_killed_its_keeper_is_ended_all_the_same() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let other = start(&desk, &["sleep", "4722"]).await;
    let script = "env -i PATH=\"$PATH\" setsid sh -c 'while :; do sleep 1; done' hides-6 & \
                  read go; kill -9 $PPID; while :; do sleep 1; done";
    let mut child = start(&desk, &["sh", "-c", script, "stays-6"]).await;
    eventually("both run", async || count("hides-6") == 1 && count("stays-6") == 2).await;

    child.say("go\n").await;

    assert_eq!(child.ended().await.2, Exit { code: None, signal: Some(9) });
    assert_eq!((count("hides-6"), count("stays-6")), (0, 0));
    assert_eq!(count("4722"), 2, "what has a keeper stays");
    drop(other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starting_desk_ends_what_killed_its_keeper_and_its_desk() {
    let display = Display::fixed();
    let mut first = display.desk().await;
    let script = "env -i PATH=\"$PATH\" setsid sh -c 'while :; do sleep 1; done' hides-7 & \
                  read go; kill -9 $PPID; kill -9 $$";
    let mut child = start(&first, &["sh", "-c", script, "stays-7"]).await;
    eventually("both run", async || count("hides-7") == 1 && count("stays-7") == 2).await;
    // It stands still, so that it cannot do anything about it.
    let stopped = nix::unistd::Pid::from_raw(first.child.id() as i32);
    nix::sys::signal::kill(stopped, nix::sys::signal::Signal::SIGSTOP).unwrap();
    child.say("go\n").await;
    drop(child);
    first.child.kill().unwrap();
    first.child.wait().unwrap();

    let _second = display.desk().await;

    eventually("all is gone", async || count("hides-7") == 0 && count("stays-7") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_floods_its_errors_is_slowed_down_and_heard_all_the_same() {
    const A_SECOND: usize = 256 << 10;
    let display = Display::fixed();
    let desk = display.desk().await;
    let script = "yes '' >&2 & while read line; do echo \"got $line\"; done";
    let mut child = start(&desk, &["sh", "-c", script]).await;
    let began = Instant::now();
    let (mut errors, mut heard) = (0, Vec::new());

    while errors < 2 * A_SECOND {
        if heard.len() < errors * 8 / A_SECOND {
            child.say("it\n").await;
            heard.push(Instant::now());
            loop {
                match child.next().await {
                    FromChild::Error(bytes) => errors += bytes.len(),
                    FromChild::Output(bytes) => break assert_eq!(&bytes[..], b"got it\n"),
                    FromChild::Ended(exit) => panic!("it ended with {exit}"),
                }
            }
        } else if let FromChild::Error(bytes) = child.next().await {
            errors += bytes.len();
        }
    }

    // What comes in the first second is free.
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
    assert!(heard.len() >= 4, "{}", heard.len());
}
