//! The persistent shell: what it keeps, how it ends, and what it survives.

use std::time::Duration;

use protocol::action::ShellOutput;
use sidecar::link::{Answer, Call, RefusalKind};

use crate::display::{Desk, Display, answer, bash, eventually, read};

async fn desk() -> (Display, Desk) {
    let display = Display::fixed();
    let desk = display.desk().await;
    (display, desk)
}

fn ended(output: &str, code: i32) -> ShellOutput {
    ShellOutput { output: output.into(), exit_code: Some(code), timed_out: false, cut_bytes: 0 }
}

/// Does a process with exactly this command line run?
fn runs(command_line: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let wanted = command_line.replace(' ', "\0") + "\0";
    processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok()).any(|line| line == wanted.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_answers_what_it_printed_on_both_outputs_and_its_exit_code() {
    let (_display, desk) = desk().await;

    assert_eq!(desk.bash("echo out; echo err >&2; (exit 7)").await, ended("out\nerr\n", 7));
    assert_eq!(desk.bash("cat <<'X'\nit's $HOME\nX").await, ended("it's $HOME\n", 0));
    assert_eq!(desk.bash(r#"printf '\033[31mred\033[0m é你\n'"#).await, ended("red é你\n", 0));
    assert_eq!(desk.bash("").await, ended("", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_keeps_directory_variables_and_functions_between_commands() {
    let (_display, desk) = desk().await;

    desk.bash("cd /usr; export A=1; b=2; f() { echo called; }").await;

    assert_eq!(desk.bash("pwd; echo $A $b; f").await.output, "/usr\n1 2\ncalled\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_have_shells_of_their_own_and_a_restart_begins_afresh() {
    let (_display, desk) = desk().await;
    desk.bash("x=ours").await;
    let session = Some(protocol::SessionId::generate());
    let echo = |session| Call::Bash { session, command: "echo \"[$x]\"".into(), timeout_ms: 5_000 };

    assert_eq!(desk.call(&echo(session)).await, Ok(Answer::Shell(ended("[]\n", 0))));
    assert_eq!(desk.call(&echo(None)).await, Ok(Answer::Shell(ended("[ours]\n", 0))));
    desk.call(&Call::BashRestart { session: None }).await.unwrap();

    assert_eq!(desk.call(&echo(None)).await, Ok(Answer::Shell(ended("[]\n", 0))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_that_is_not_closed_is_an_error_of_that_command_only() {
    let (_display, desk) = desk().await;

    let broken = desk.bash("echo 'never closed").await;

    assert!(broken.output.contains("unexpected EOF") && broken.exit_code != Some(0), "{broken:?}");
    assert_eq!(desk.bash("echo fine").await, ended("fine\n", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn output_cannot_pass_for_the_end_of_a_command() {
    let (_display, desk) = desk().await;

    let output = desk.bash("printf '%032x 0\\n' 1; printf '%032x 0\\n' 1 >&2; exec 2>&1; echo still here").await;

    assert!(output.output.ends_with("still here\n"));
    assert_eq!(desk.bash("echo next; ls /none").await.exit_code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_child_that_keeps_the_pipe_does_not_hold_up_the_answer() {
    let (_display, desk) = desk().await;

    assert_eq!(desk.bash_within("sleep 4711 & echo done", 3_000).await, ended("done\n", 0));
    assert_eq!(desk.bash_within("kill %1; echo on", 3_000).await.exit_code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_ends_all_the_command_started_and_the_next_gets_a_fresh_shell() {
    let (_display, desk) = desk().await;

    let late = desk.bash_within("x=1; echo begun; sleep 4712 & sleep 4713", 400).await;

    assert_eq!(late, ShellOutput { output: "begun\n".into(), exit_code: None, timed_out: true, cut_bytes: 0 });
    eventually("both are gone", async || !runs("sleep 4712") && !runs("sleep 4713")).await;
    assert_eq!(desk.bash("echo \"[$x]\"").await, ended("[]\n", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_closes_ends_its_command() {
    let (_display, desk) = desk().await;
    let stream = desk.begin(&bash("sleep 4714", 60_000)).await;
    eventually("it runs", async || runs("sleep 4714")).await;

    drop(stream);

    eventually("it is gone", async || !runs("sleep 4714")).await;
    assert_eq!(desk.bash("echo on").await, ended("on\n", 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ends_its_own_shell_is_answered_and_survived() {
    let (_display, desk) = desk().await;

    for (command, code) in
        [("echo a; exit 3", Some(3)), ("echo a; kill -9 $$", None), ("echo a; set -e; false", Some(1))]
    {
        let output = desk.bash(command).await;

        assert_eq!((output.exit_code, output.timed_out), (code, false), "{command}");
        assert!(output.output.starts_with("a\n[the command ended the shell"), "{output:?}");
        assert_eq!(desk.bash("echo on").await, ended("on\n", 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_closes_or_redirects_the_shells_outputs_silences_itself_alone() {
    let (_display, desk) = desk().await;

    for command in ["exec >&- 2>&-", "exec >/dev/null 2>&1; echo unheard", "exec <&-"] {
        desk.bash(command).await;

        assert_eq!(desk.bash("echo on; echo errors >&2").await, ended("on\nerrors\n", 0), "after {command}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_of_a_long_output_is_kept_and_the_rest_counted() {
    let (_display, desk) = desk().await;

    let output = desk.bash("seq 1 100000").await;

    assert!(output.output.ends_with("99999\n100000\n"));
    assert_eq!(output.output.len(), 100 << 10);
    assert_eq!(output.cut_bytes + output.output.len() as u64, 588_895);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_no_input_no_terminal_and_none_of_the_desks_configuration() {
    let (display, desk) = desk().await;

    let output = desk.bash("cat; env | grep ^CLOUDBOT_; (: </dev/tty); pwd; echo $DISPLAY").await;

    assert!(!output.output.contains("CLOUDBOT_"), "{output:?}");
    assert!(output.output.contains("/dev/tty: No such device"), "{output:?}");
    let home = display.folder.path().canonicalize().unwrap();
    assert!(output.output.ends_with(&format!("{}\n{}\n", home.display(), display.name)), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_shell_can_run_is_refused() {
    let (_display, desk) = desk().await;

    for call in [bash("echo \0", 100), bash("true", 0), bash("true", 600_001), bash(&"x".repeat(300_000), 100)] {
        assert_eq!(desk.call(&call).await.unwrap_err().kind, RefusalKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn release_all_ends_a_running_command() {
    let (_display, desk) = desk().await;
    let mut running = desk.begin(&bash("sleep 4715", 60_000)).await;
    eventually("it runs", async || runs("sleep 4715")).await;

    desk.call(&Call::ReleaseAll).await.unwrap();

    let Ok(Answer::Shell(output)) = answer(&mut running).await else { panic!("no output") };
    assert_eq!((output.exit_code, output.timed_out), (None, false));
    assert!(!runs("sleep 4715"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starting_desk_ends_the_commands_that_a_killed_one_left() {
    let (display, mut first) = desk().await;
    first.bash("sleep 4716 >/dev/null & setsid sleep 4717 >/dev/null &").await;
    eventually("both run", async || runs("sleep 4716") && runs("sleep 4717")).await;
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    assert!(runs("sleep 4716"));

    let second = display.desk().await;

    eventually("it is gone", async || !runs("sleep 4716")).await;
    assert!(runs("sleep 4717"), "what went into a session of its own is a program that the user may still see");
    second.bash("pkill -f '^sleep 4717$'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desk_that_is_asked_to_end_takes_its_commands_along() {
    let (display, desk) = desk().await;
    desk.bash("sleep 4718 >/dev/null &").await;
    eventually("it runs", async || runs("sleep 4718")).await;

    drop(desk);

    eventually("it is gone", async || !runs("sleep 4718")).await;
    eventually("the desk is gone", async || !display.path("desk.sock").exists()).await;
    assert_eq!(read(&display.path("desk.commands")), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_never_stops_printing_does_not_hold_up_other_commands() {
    let (_display, desk) = desk().await;
    desk.bash("yes &").await;

    let output = tokio::time::timeout(Duration::from_secs(10), desk.bash("echo here; kill %1")).await.unwrap();

    assert_eq!(output.exit_code, Some(0));
}
