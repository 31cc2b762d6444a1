//! The clipboard, shared with programs that are not ours: xclip, GTK, Qt.

use std::process::{Command, Stdio};

use sidecar::{
    desk::clipboard::{Clipboard, MAX_BYTES, MAX_PICTURE},
    link::RefusalKind,
};
use x11rb::protocol::xproto::ConnectionExt as _;

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

/// A picture of noise, so that the PNG is as large as its pixels.
fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut state = 1_u32;
    let pixels: Vec<u8> = (0..width * height * 3)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    bytes
}

/// Width, height and the pixels as RGB.
fn decoded(png: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::STRIP_16);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    pixels.truncate(info.buffer_size());
    if info.color_type == png::ColorType::Rgba {
        pixels = pixels.chunks(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
    }
    (info.width, info.height, pixels)
}

const GTK_PASTE: &str = "
import gi, sys
gi.require_version('Gtk', '3.0')
from gi.repository import Gtk, Gdk
picture = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_image()
text = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text()
picture.savev(sys.argv[1], 'png', [], [])
print(text)
";

const QT_COPY: &str = "
import sys
from PyQt5 import QtCore, QtGui, QtWidgets
app = QtWidgets.QApplication(sys.argv)
both = QtCore.QMimeData()
both.setText('beside it')
both.setImageData(QtGui.QImage(sys.argv[1]))
app.clipboard().setMimeData(both)
app.exec_()
";

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_set_can_be_pasted_by_programs_at_once_and_in_parts() {
    let display = Display::fixed();
    let clipboard = Clipboard::open(Some(&display.name)).await.unwrap();
    clipboard.set("before").await.unwrap();

    for (width, height) in [(64, 48), (2000, 1400)] {
        let picture = noise(width, height);
        clipboard.set_picture(picture.clone()).await.unwrap();

        let pasted = xclip(&display, &["-o", "-t", "image/png"]).output().unwrap().stdout;
        assert!(pasted == picture, "{} of {} bytes", pasted.len(), picture.len());
        let mut gtk = Command::new("timeout");
        gtk.args(["20", "/usr/bin/python3", "-c", GTK_PASTE])
            .arg(display.path("gtk.png"))
            .env("DISPLAY", &display.name);
        assert_eq!(String::from_utf8(gtk.output().unwrap().stdout).unwrap(), "None\n");
        assert!(decoded(&std::fs::read(display.path("gtk.png")).unwrap()) == decoded(&picture));
        assert!(*clipboard.picture().await.unwrap().unwrap() == *picture);
    }
    assert_eq!((&*clipboard.text(), paste(&display).as_str()), ("", ""));

    clipboard.set("after").await.unwrap();
    assert_eq!((paste(&display).as_str(), clipboard.picture().await.unwrap()), ("after", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_and_picture_that_a_program_copies_at_once_are_kept_apart() {
    let mut display = Display::fixed();
    let clipboard = Clipboard::open(Some(&display.name)).await.unwrap();
    let picture = noise(900, 700);
    std::fs::write(display.path("picture.png"), &picture).unwrap();

    // By way of env: the log is named after the program.
    display.run("env", &["/usr/bin/python3", "-c", QT_COPY, "picture.png"]);

    let mut watch = clipboard.watch();
    tokio::time::timeout(DEADLINE, watch.wait_for(|seen| **seen == *"beside it")).await.unwrap().unwrap();
    let copied = clipboard.picture().await.unwrap().unwrap();
    assert!(decoded(&copied) == decoded(&picture));

    std::fs::write(display.path("large.png"), noise(2000, 1400)).unwrap();
    display.run("xclip", &["-quiet", "-selection", "clipboard", "-t", "image/png", "-i", "large.png"]);
    eventually("a picture without a text replaces both", async || clipboard.text().is_empty()).await;
    assert!(*clipboard.picture().await.unwrap().unwrap() == *std::fs::read(display.path("large.png")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_over_the_bound_and_what_is_none_are_refused_and_the_next_one_comes() {
    let mut display = Display::fixed();
    let clipboard = Clipboard::open(Some(&display.name)).await.unwrap();
    let huge = [noise(8, 8), vec![0; MAX_PICTURE]].concat();

    assert_eq!(clipboard.set_picture(huge.clone()).await.unwrap_err().kind, RefusalKind::Invalid);
    assert_eq!(clipboard.set_picture(b"GIF89a".to_vec()).await.unwrap_err().kind, RefusalKind::Invalid);
    for (bytes, expected) in [(&huge[..], false), (b"GIF89a", false), (&noise(8, 8), true)] {
        std::fs::write(display.path("copied"), bytes).unwrap();
        display.run("xclip", &["-quiet", "-selection", "clipboard", "-t", "image/png", "-i", "copied"]);
        let pasted = async || xclip(&display, &["-o", "-t", "image/png"]).output().unwrap().stdout == bytes;
        eventually("the program owns it", pasted).await;

        assert_eq!(clipboard.picture().await.is_ok_and(|picture| picture.is_some()), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_answers_nothing_is_given_up_in_time() {
    let display = Display::fixed();
    let clipboard = Clipboard::open(Some(&display.name)).await.unwrap();
    let (x, number) = display.connect();
    let (window, root) = (x11rb::connection::Connection::generate_id(&x).unwrap(), number);
    let root = x11rb::connection::Connection::setup(&x).roots[root].root;
    let atom = x.intern_atom(false, b"CLIPBOARD").unwrap().reply().unwrap().atom;
    let class = x11rb::protocol::xproto::WindowClass::INPUT_ONLY;
    x.create_window(0, window, root, 0, 0, 1, 1, 0, class, 0, &Default::default()).unwrap().check().unwrap();
    x.set_selection_owner(window, atom, x11rb::CURRENT_TIME).unwrap().check().unwrap();

    let refused = clipboard.picture().await.unwrap_err();

    assert_eq!(refused.kind, RefusalKind::Timeout);
    clipboard.set("still there").await.unwrap();
    assert_eq!(paste(&display), "still there");
}
