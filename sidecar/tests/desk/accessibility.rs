//! The accessibility tree of real programs, over a real bus, within its bounds.

use std::process::Command;

use protocol::accessibility::{AccessibilityTree, AccessibleNode, TreeBound, TreeBounds};
use sidecar::link::{Answer, Call, Refusal, RefusalKind};

use crate::display::{Desk, Display, eventually};

const QT: &str = "
import sys
from PyQt5 import QtWidgets
app = QtWidgets.QApplication(sys.argv)
window = QtWidgets.QWidget()
window.setWindowTitle('Qt window')
box = QtWidgets.QVBoxLayout(window)
check = QtWidgets.QCheckBox('Agree')
check.setChecked(True)
box.addWidget(check)
button = QtWidgets.QPushButton('Send')
button.setEnabled(False)
box.addWidget(button)
box.addWidget(QtWidgets.QLineEdit('written'))
box.addWidget(QtWidgets.QPlainTextEdit('several words'))
window.show()
app.exec_()
";

async fn desk_with_bus(display: &mut Display) -> Desk {
    display.bus();
    display.managed().await;
    display.desk().await
}

async fn ask(desk: &Desk, bounds: TreeBounds, window: Option<u32>) -> Result<AccessibilityTree, Refusal> {
    match desk.call(&Call::Accessibility { window, bounds, picture: None }).await? {
        Answer::Accessibility(tree) => Ok(tree),
        other => panic!("{other:?}"),
    }
}

/// The tree, once something of this name is in it.
async fn tree_with(desk: &Desk, name: &str) -> AccessibilityTree {
    let ask = async || ask(desk, TreeBounds::USUAL, None).await.unwrap();
    eventually(name, async || ask().await.nodes.iter().any(|node| node.name == name)).await;
    ask().await
}

fn find<'a>(tree: &'a AccessibilityTree, role: &str, name: &str) -> &'a AccessibleNode {
    let found = tree.nodes.iter().find(|node| node.role == role && node.name == name);
    found.unwrap_or_else(|| panic!("no {role} {name:?} in {:#?}", tree.nodes))
}

fn has(node: &AccessibleNode, state: &str) -> bool {
    node.states.iter().any(|told| told == state)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gtk_and_qt_show_is_told_with_roles_texts_states_and_bounds() {
    let mut display = Display::fixed();
    let desk = desk_with_bus(&mut display).await;
    display.run("zenity", &["--entry", "--title", "Zed", "--text", "Your name", "--entry-text", "Ada"]);
    let zed = desk.window("Zed").await;
    let tree = tree_with(&desk, "Your name").await;

    let entry = tree.nodes.iter().find(|node| node.role == "text" || node.role == "entry").unwrap();
    let bounds = entry.bounds.unwrap();
    assert_eq!((entry.text.as_str(), has(entry, "focused"), has(entry, "editable")), ("Ada", true, true));
    assert!(bounds.x >= zed.bounds.x && bounds.y > zed.bounds.y && bounds.width <= zed.bounds.width, "{bounds:?}");
    assert!(!tree.truncated && tree.unanswered == 0, "{tree:?}");

    // Started before Qt is told that somebody reads.
    display.run("env", &["/usr/bin/python3", "-c", QT]);
    desk.window("Qt window").await;
    let tree = tree_with(&desk, "Agree").await;
    assert!(has(find(&tree, "check box", "Agree"), "checked"));
    assert!(has(find(&tree, "push button", "Send"), "disabled"));
    for text in ["written", "several words"] {
        assert!(tree.nodes.iter().any(|node| node.text == text), "no {text:?} in {:#?}", tree.nodes);
    }

    let only = ask(&desk, TreeBounds::USUAL, Some(desk.window("Qt window").await.id)).await.unwrap();
    assert!(only.nodes.iter().any(|node| node.name == "Agree") && only.nodes.iter().all(|node| node.name != "Zed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_told() {
    let mut display = Display::fixed();
    let desk = desk_with_bus(&mut display).await;
    display.run("zenity", &["--password", "--title", "Door"]);
    desk.window("Door").await;
    let hidden = async || ask(&desk, TreeBounds::USUAL, None).await.unwrap();
    eventually("it is there", async || hidden().await.nodes.iter().any(|node| node.role == "password text")).await;

    desk.act(serde_json::json!({"action": "type", "text": "sesame"})).await.unwrap();

    let tree = ask(&desk, TreeBounds::USUAL, None).await.unwrap();
    assert!(tree.nodes.iter().all(|node| !node.text.contains("sesame") && !node.name.contains("sesame")));
    let field = tree.nodes.iter().find(|node| node.role == "password text").unwrap();
    assert_eq!(field.text, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bound_cuts_and_says_so() {
    let mut display = Display::fixed();
    let desk = desk_with_bus(&mut display).await;
    let rows: Vec<String> = (0..400).map(|n| format!("row {n}")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    display.run("zenity", &[&["--list", "--title", "Long", "--height", "700", "--column", "C"], &rows[..]].concat());
    desk.window("Long").await;
    let whole = tree_with(&desk, "row 3").await;
    let cut = async |bounds: TreeBounds| ask(&desk, bounds, None).await.unwrap();
    let usual = TreeBounds::USUAL;

    assert!(!whole.nodes.iter().any(|node| node.name == "row 399"), "what is scrolled away is not shown");
    let few = cut(TreeBounds { nodes: 7, ..usual }).await;
    assert_eq!((few.nodes.len(), few.truncated, few.bounds_met.contains(&TreeBound::Nodes)), (7, true, true));
    let flat = cut(TreeBounds { depth: 2, ..usual }).await;
    assert!(flat.nodes.iter().all(|node| node.depth <= 2) && flat.bounds_met == [TreeBound::Depth], "{flat:?}");
    let small = cut(TreeBounds { bytes: 1_000, ..usual }).await;
    assert!(serde_json::to_string(&small.nodes).unwrap().len() < 1_500 && small.bounds_met == [TreeBound::Bytes]);
    let short = cut(TreeBounds { ms: 1, ..usual }).await;
    assert!(short.truncated && short.bounds_met.contains(&TreeBound::Time), "{short:?}");
    for bounds in
        [TreeBounds { nodes: 0, ..usual }, TreeBounds { depth: 61, ..usual }, TreeBounds { ms: 99_999, ..usual }]
    {
        assert_eq!(ask(&desk, bounds, None).await.unwrap_err().kind, RefusalKind::Invalid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_hangs_hides_no_other() {
    let mut display = Display::fixed();
    let desk = desk_with_bus(&mut display).await;
    display.run("zenity", &["--info", "--title", "Hangs", "--text", "hanging"]);
    let hanging = desk.window("Hangs").await;
    tree_with(&desk, "hanging").await;
    display.run("env", &["zenity", "--info", "--title", "Answers", "--text", "answering"]);
    tree_with(&desk, "answering").await;
    let pid = hanging.pid.unwrap().to_string();
    assert!(Command::new("kill").args(["-STOP", &pid]).status().unwrap().success());

    let tree = ask(&desk, TreeBounds::USUAL, None).await.unwrap();

    assert!(Command::new("kill").args(["-CONT", &pid]).status().unwrap().success());
    assert_eq!(tree.unanswered, 1);
    assert!(tree.nodes.iter().any(|node| node.name == "answering"), "{tree:?}");
    assert!(tree.nodes.iter().all(|node| node.name != "hanging"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_told_with_what_can_be_done_on_it() {
    let mut display = Display::fixed();
    let desk = desk_with_bus(&mut display).await;
    // Chromium looks for the bus once, when it starts. The desk starts the bus first thing; this waits for it.
    ask(&desk, TreeBounds::USUAL, None).await.unwrap();
    let page = "data:text/html,<title>Page</title><h1>Head</h1><button>Press me</button><input value=abc>";
    let profile = display.path("profile").display().to_string();
    let profile = format!("--user-data-dir={profile}");
    display.run("chromium", &["--no-sandbox", "--no-first-run", "--disable-gpu", &profile, page]);
    desk.window("Page - Chromium").await;
    let tree = tree_with(&desk, "Press me").await;

    assert_eq!(find(&tree, "push button", "Press me").bounds.map(|bounds| bounds.height > 10), Some(true));
    assert!(tree.nodes.iter().any(|node| node.role == "heading" && node.name == "Head"));
    assert!(tree.nodes.iter().any(|node| node.role == "entry" && node.text == "abc"), "{:#?}", tree.nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bus_that_is_said() {
    let mut display = Display::fixed();
    display.managed().await;
    let mut command = display.desk_command(&[]);
    command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    let desk = Desk { child: command.spawn().unwrap(), socket: display.path("desk.sock") };
    eventually("it listens", async || tokio::net::UnixStream::connect(&desk.socket).await.is_ok()).await;

    let refused = ask(&desk, TreeBounds::USUAL, None).await.unwrap_err();

    assert_eq!(refused.kind, RefusalKind::Unavailable);
    assert!(refused.message.contains("at-spi2-core"), "{refused}");
}
