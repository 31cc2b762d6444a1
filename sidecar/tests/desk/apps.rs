//! Launching: which window came of it, whoever opened it.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use protocol::window::{Evidence, Launch, Launched};
use sidecar::link::{Answer, Call, Refusal, RefusalKind};
use tokio::net::UnixStream;

use crate::display::{Desk, Display, answer, eventually};

/// A program of which one instance runs: another start only tells that one what to do.
const SINGLE: &str = "
import gi, os, socket, sys
gi.require_version('Gtk', '3.0')
from gi.repository import GLib, Gtk
order = sys.argv[1]
path = os.environ['HOME'] + '/single.sock'
try:
    there = socket.socket(socket.AF_UNIX)
    there.connect(path)
    there.send(order.encode())
    sys.exit(0)
except OSError:
    pass
GLib.set_prgname('single')
def show(title):
    window = Gtk.Window(title=title)
    window.set_default_size(200, 100)
    window.show_all()
    return window
first = show('first')
door = socket.socket(socket.AF_UNIX)
door.bind(path)
door.listen()
def told(*_):
    order = door.accept()[0].recv(100).decode()
    if order == 'retitle': first.set_title('retitled')
    elif order == 'another': show('another')
    return True
GLib.io_add_watch(door.fileno(), GLib.IO_IN, told)
Gtk.main()
";

fn entry(display: &Display, id: &str, exec: &str, more: &str) {
    let folder = display.path(".local/share/applications");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("[Desktop Entry]\nType=Application\nName=The {id}\nExec={exec}\n{more}\n");
    std::fs::write(folder.join(format!("{id}.desktop")), text).unwrap();
}

fn call(launch: Launch, timeout_ms: u64) -> Call {
    Call::Launch { launch, timeout_ms, picture: None }
}

async fn launch_within(desk: &Desk, application: &str, timeout_ms: u64) -> Result<Launched, Refusal> {
    match desk.call(&call(Launch::Application(application.into()), timeout_ms)).await? {
        Answer::Launched(launched) => Ok(launched),
        other => panic!("{other:?}"),
    }
}

/// The title of the window that came, and how it was found.
async fn launch(desk: &Desk, application: &str) -> (String, Evidence) {
    let launched = launch_within(desk, application, 15_000).await.unwrap();
    (launched.window.expect("a window").title, launched.evidence.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_listed_and_launched_until_its_window_is_drawn() {
    let mut display = Display::fixed();
    display.managed().await;
    entry(&display, "term", "xterm -T \"A term\" -e sleep 600", "");
    entry(&display, "secret", "xterm", "NoDisplay=true");
    let desk = display.desk().await;

    let Ok(Answer::Applications { applications }) = desk.call(&Call::Applications).await else { panic!("no list") };
    let listed: Vec<&str> = applications.iter().map(|application| application.id.as_str()).collect();
    assert!(listed.contains(&"term") && !listed.contains(&"secret"), "{listed:?}");

    let launched = launch_within(&desk, "The TERM", 15_000).await.unwrap();

    let window = launched.window.unwrap();
    assert_eq!((window.title.as_str(), launched.settled, launched.evidence), ("A term", true, Some(Evidence::Process)));
    assert_eq!(desk.window("A term").await.bounds, window.bounds);
    let environment = std::fs::read(format!("/proc/{}/environ", window.pid.unwrap())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("CLOUDBOT_"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_application_is_waited_for_past_a_window_that_has_nothing_to_do_with_it() {
    let mut display = Display::fixed();
    display.managed().await;
    entry(&display, "slow", "sh -c \"while ! [ -e $HOME/go ]; do sleep 0.05; done; xterm -T slow -e sleep 600\"", "");
    let desk = display.desk().await;

    let mut stream = desk.begin(&call(Launch::Application("slow".into()), 15_000)).await;
    display.run("xterm", &["-T", "unrelated", "-class", "Other", "-e", "sleep", "600"]);
    desk.window("unrelated").await;
    std::fs::write(display.path("go"), "").unwrap();

    let Ok(Answer::Launched(launched)) = answer(&mut stream).await else { panic!("not launched") };
    assert_eq!(launched.window.unwrap().title, "slow");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_a_running_instance_opens_or_changes_is_found() {
    let mut display = Display::fixed();
    display.managed().await;
    std::fs::write(display.path("single.py"), SINGLE).unwrap();
    let script = display.path("single.py");
    for order in ["start", "another", "retitle", "nothing"] {
        let exec = format!("/usr/bin/python3 {} {order}", script.display());
        entry(&display, order, &exec, "StartupWMClass=single");
    }
    let desk = display.desk().await;

    let (first, evidence) = launch(&desk, "start").await;
    assert_eq!((first.as_str(), evidence <= Evidence::Process), ("first", true));
    eventually("it listens", async || UnixStream::connect(display.path("single.sock")).await.is_ok()).await;
    assert_eq!(launch(&desk, "another").await, ("another".to_owned(), Evidence::Class));
    assert_eq!(launch(&desk, "retitle").await, ("retitled".to_owned(), Evidence::Changed));
    assert_eq!(launch(&desk, "nothing").await.1, Evidence::Existing);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opens_no_window_is_told_and_what_fails_says_so() {
    let mut display = Display::fixed();
    display.managed().await;
    entry(&display, "silent", "sleep 600", "");
    entry(&display, "broken", "sh -c \"exit 3\"", "");
    let desk = display.desk().await;

    let silent = launch_within(&desk, "silent", 300).await.unwrap();
    assert_eq!((silent.window, silent.evidence), (None, None));
    let broken = launch_within(&desk, "broken", 15_000).await.unwrap_err();
    assert!(broken.kind == RefusalKind::Failed && broken.message.contains("exit status: 3"), "{broken}");
    let unknown = launch_within(&desk, "no such thing", 15_000).await.unwrap_err();
    assert!(unknown.kind == RefusalKind::NotFound && unknown.message.contains("silent"), "{unknown}");
    for launch in [Launch::File("relative".into()), Launch::File("/no/such".into()), Launch::Url("/etc/passwd".into())]
    {
        assert_eq!(desk.call(&call(launch, 100)).await.unwrap_err().kind, RefusalKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_opened_by_what_the_desktop_opens_it_with() {
    let mut display = Display::fixed();
    display.managed().await;
    let programs = display.path("bin");
    std::fs::create_dir(&programs).unwrap();
    // Ends at once, as openers do that ask a running program.
    std::fs::write(programs.join("xdg-open"), "#!/bin/sh\nsetsid -f xterm -T \"$1\" -e sleep 600\n").unwrap();
    std::fs::set_permissions(programs.join("xdg-open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let child = display.desk_command(&[]).env("PATH", path).spawn().unwrap();
    let desk = Desk { child, socket: display.path("desk.sock") };
    eventually("it listens", async || UnixStream::connect(&desk.socket).await.is_ok()).await;
    let file = display.path("a file.txt");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap().to_owned();

    let launched = desk.call(&call(Launch::File(file.clone()), 15_000)).await;

    let Ok(Answer::Launched(launched)) = launched else { panic!("{launched:?}") };
    assert_eq!((launched.window.unwrap().title, launched.evidence), (file, Some(Evidence::Process)));
    assert!(launched.waited_ms < Duration::from_secs(15).as_millis() as u64);
}
