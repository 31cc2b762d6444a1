//! The clipboard, shared with a program that is not ours.

use std::process::{Command, Stdio};

use sidecar::desk::clipboard::{Clipboard, MAX_BYTES};

use crate::display::{DEADLINE, Display, eventually};

fn xclip(display: &Display, arguments: &[&str]) -> Command {
    // xclip has no time limit of its own.
    let mut command = Command::new("timeout");
    command.args(["10", "xclip", "-selection", "clipboard"]).args(arguments).env("DISPLAY", &display.name);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn paste(display: &Display) -> String {
    String::from_utf8(xclip(display, &["-o", "-t", "UTF8_STRING"]).output().unwrap().stdout).unwrap()
}

/// Has a program own `text`; it serves the clipboard until the display ends.
fn copy(display: &mut Display, text: &str) {
    std::fs::write(display.path("copied"), text).unwrap();
    display.run("xclip", &["-quiet", "-selection", "clipboard", "-i", "copied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_can_be_pasted_by_a_program() {
    let display = Display::fixed();
    let clipboard = Clipboard::open(Some(&display.name)).await.unwrap();

    for text in ["héllo 你好 🎉\nsecond line", &"long ".repeat(150_000), ""] {
        clipboard.set(text).await.unwrap();

        assert!(paste(&display) == *text, "{} bytes", text.len());
        assert_eq!(*clipboard.text(), *text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_copies_is_seen_even_in_parts() {
    let mut display = Display::fixed();
    let clipboard = Clipboard::open(Some(&display.name)).await.unwrap();
    let mut watch = clipboard.watch();

    // xclip hands the second over in parts.
    for text in ["ünïcode 你好", &"0123456789é".repeat(60_000)] {
        copy(&mut display, text);

        let seen = tokio::time::timeout(DEADLINE, watch.wait_for(|seen| **seen == *text)).await;
        assert!(seen.is_ok(), "{} bytes did not arrive", text.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_over_the_bound_is_neither_set_nor_taken() {
    let mut display = Display::fixed();
    let clipboard = Clipboard::open(Some(&display.name)).await.unwrap();
    let large = "x".repeat(MAX_BYTES + 1);

    assert!(clipboard.set(&large).await.is_err());
    copy(&mut display, &large);
    eventually("the program owns it", async || paste(&display).len() == large.len()).await;
    copy(&mut display, "small");

    let mut watch = clipboard.watch();
    tokio::time::timeout(DEADLINE, watch.wait_for(|seen| **seen == *"small")).await.unwrap().unwrap();
}
