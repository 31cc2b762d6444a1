//! The recording: read back by a decoder that is not ours.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use protocol::recording::{RecordingOrder, RecordingState, RecordingStatus};
use serde_json::{Value, json};
use sidecar::link::{Answer, Call, Refusal, RefusalKind, frame};

use super::display::{Desk, Display, answer, eventually, whole};

async fn record(desk: &Desk, order: impl Into<Option<RecordingOrder>>) -> Result<RecordingStatus, Refusal> {
    match desk.call(&Call::Recording { order: order.into() }).await? {
        Answer::Recording(status) => Ok(status),
        other => panic!("{other:?}"),
    }
}

/// What ffprobe says of a file, pictures included.
fn probe(path: &Path) -> Value {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_frames"]);
    let output = ffprobe.arg(path).output().expect("ffprobe is installed (package ffmpeg)");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn seconds(value: &Value) -> f64 {
    value.as_str().unwrap_or_else(|| panic!("no time: {value}")).parse().unwrap()
}

/// The picture at a time (in seconds), or the last one, as red, green and blue.
fn picture_at(path: &Path, at: impl Into<Option<f64>>) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error"]);
    match at.into() {
        Some(at) => ffmpeg.args(["-ss", &at.to_string(), "-i"]).arg(path).args(["-frames:v", "1"]),
        // Each picture overwrites the one before.
        None => ffmpeg.arg("-i").arg(path).args(["-vsync", "0", "-update", "1"]),
    };
    let picture = tempfile::NamedTempFile::with_suffix(".png").unwrap();
    ffmpeg.args(["-y", "-f", "image2", "-c:v", "png", "-pix_fmt", "rgb24"]).arg(picture.path());
    let output = ffmpeg.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    rgb(&std::fs::read(picture.path()).unwrap())
}

fn rgb(bytes: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut rgb).unwrap();
    rgb
}

async fn screen(desk: &Desk) -> Vec<u8> {
    rgb(&desk.screenshot(whole()).await.unwrap().1)
}

/// Peak signal to noise of two pictures, in decibels.
fn likeness(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let error: f64 = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum();
    10.0 * (255.0 * 255.0 / (error / a.len() as f64).max(1e-9)).log10()
}

fn path(display: &Display, status: &RecordingStatus) -> PathBuf {
    display.path("Recordings").join(status.name.as_ref().unwrap())
}

/// A terminal in which something runs.
fn terminal(display: &mut Display, script: &str) {
    display.run("xterm", &["-geometry", "150x50+0+0", "-e", "sh", "-c", script]);
}

async fn lasted(desk: &Desk, ms: u64) -> RecordingStatus {
    eventually("the recording has lasted", async || record(desk, None).await.unwrap().duration_ms >= ms).await;
    record(desk, None).await.unwrap()
}

#[tokio::test]
async fn a_recording_shows_what_the_screen_showed_and_can_be_sought_in() {
    let mut display = Display::fixed();
    let desk = display.desk().await;
    assert_eq!(record(&desk, None).await.unwrap().state, RecordingState::Off);
    let before = screen(&desk).await;
    let begun = record(&desk, RecordingOrder::Start).await.unwrap();
    assert_eq!(begun.state, RecordingState::Recording);
    terminal(&mut display, "for i in $(seq 60); do seq $i $((i + 45)); sleep 0.05; done; sleep 99");
    lasted(&desk, 4_500).await;
    eventually("the terminal is at rest", async || {
        let (a, b) = (screen(&desk).await, screen(&desk).await);
        a == b && a != before && record(&desk, None).await.unwrap().duration_ms > 6_000
    })
    .await;

    let after = screen(&desk).await;
    let ended = record(&desk, RecordingOrder::Stop).await.unwrap();

    assert_eq!((ended.state, &ended.reason), (RecordingState::Off, &None));
    let path = path(&display, &ended);
    assert_eq!(ended.recordings.len(), 1);
    assert_eq!(ended.recordings[0].bytes, path.metadata().unwrap().len());
    let probed = probe(&path);
    let stream = &probed["streams"][0];
    assert_eq!(
        [&stream["codec_name"], &stream["width"], &stream["height"]],
        [&json!("h264"), &json!(1280), &json!(800)]
    );
    let told = ended.duration_ms as f64 / 1000.0;
    assert!((seconds(&probed["format"]["duration"]) - told).abs() < 0.2, "{probed} {told}");
    assert!(probed["frames"].as_array().unwrap().len() > 10);
    assert!(likeness(&picture_at(&path, 0.0), &before) > 40.0);
    assert!(likeness(&picture_at(&path, None), &after) > 30.0, "{}", likeness(&picture_at(&path, None), &after));
    let middle = picture_at(&path, told / 2.0);
    assert!(likeness(&middle, &before) < 30.0);
}

#[tokio::test]
async fn a_killed_desk_leaves_a_film_that_plays_and_the_next_one_mends_it() {
    let mut display = Display::fixed();
    let mut desk = display.desk().await;
    terminal(&mut display, "i=0; while :; do i=$((i + 1)); seq $i $((i + 45)); sleep 0.1; done");
    let begun = record(&desk, RecordingOrder::Start).await.unwrap();
    lasted(&desk, 5_000).await;

    desk.child.kill().unwrap();
    desk.child.wait().unwrap();

    let path = path(&display, &begun);
    let left = probe(&path);
    let pictures = left["frames"].as_array().unwrap().len();
    let last = seconds(&left["frames"][pictures - 1]["pts_time"]);
    assert!(last > 2.5, "at most one fragment is lost, and it ends at {last} s");
    let desk = display.desk().await;
    let listed = record(&desk, None).await.unwrap();
    assert_eq!(listed.recordings.len(), 1);
    let mended = probe(&path);
    assert_eq!(mended["frames"].as_array().unwrap().len(), pictures);
    assert!(seconds(&mended["format"]["duration"]) >= last);
    assert!(likeness(&picture_at(&path, last), &picture_at(&path, 0.0)) < 99.0);
}

#[tokio::test]
async fn while_it_is_paused_nothing_of_the_screen_is_recorded() {
    let display = Display::fixed();
    let desk = display.desk().await;
    let fill = async |colour: &str| {
        let set = desk.bash(&format!("xsetroot -solid '{colour}'")).await;
        assert_eq!(set.exit_code, Some(0), "{}", set.output);
    };
    fill("#00ff00").await;
    record(&desk, RecordingOrder::Start).await.unwrap();
    lasted(&desk, 300).await;
    let paused = record(&desk, RecordingOrder::Pause).await.unwrap();
    fill("#ff0000").await;
    let resumed_at = lasted(&desk, paused.duration_ms + 500).await.duration_ms;
    fill("#0000ff").await;
    record(&desk, RecordingOrder::Resume).await.unwrap();
    lasted(&desk, resumed_at + 500).await;
    let ended = record(&desk, RecordingOrder::Stop).await.unwrap();

    assert_eq!(paused.state, RecordingState::Paused);
    let path = path(&display, &ended);
    let frames = probe(&path)["frames"].as_array().unwrap().clone();
    let mut kinds = Vec::new();
    for frame in &frames {
        let picture = picture_at(&path, seconds(&frame["pts_time"]));
        let [r, g, b] = [picture[0], picture[1], picture[2]].map(u32::from);
        kinds.push(match (r, g, b) {
            (0..60, 200.., 0..60) => "green",
            (200.., 0..60, 0..60) => "red",
            (0..60, 0..60, 200..) => "blue",
            _ => "card",
        });
    }
    kinds.dedup();
    assert_eq!(kinds, ["green", "card", "blue"]);
    let card = frames.iter().map(|frame| seconds(&frame["pts_time"])).find(|at| *at * 1000.0 >= 300.0).unwrap();
    assert!((card * 1000.0 - paused.duration_ms as f64).abs() < 300.0, "the card comes at {card} s");
}

#[tokio::test]
async fn a_still_screen_costs_nothing_and_what_makes_no_sense_is_refused() {
    let display = Display::fixed();
    let desk = display.desk().await;

    let nothing = record(&desk, RecordingOrder::Stop).await.unwrap_err();
    record(&desk, RecordingOrder::Pause).await.unwrap();
    let paused = record(&desk, RecordingOrder::Start).await.unwrap_err();
    record(&desk, RecordingOrder::Resume).await.unwrap();
    record(&desk, RecordingOrder::Start).await.unwrap();
    let twice = record(&desk, RecordingOrder::Start).await.unwrap_err();
    let early = lasted(&desk, 2_500).await;
    let late = lasted(&desk, 4_500).await;
    let ended = record(&desk, RecordingOrder::Stop).await.unwrap();

    assert!([nothing, paused, twice].iter().all(|refused| refused.kind == RefusalKind::Invalid));
    assert_eq!(early.bytes, late.bytes);
    let probed = probe(&path(&display, &ended));
    assert_eq!(probed["frames"].as_array().unwrap().len(), 1);
    assert!(seconds(&probed["format"]["duration"]) >= 4.5);
}

#[tokio::test]
async fn a_film_keeps_its_size_when_the_screen_gets_another() {
    let display = Display::resizable();
    let desk = display.desk().await;
    record(&desk, RecordingOrder::Start).await.unwrap();
    let sized = desk.bash("xrandr --newmode 1001x701 60 1001 1001 1001 1001 701 701 701 701 && xrandr --addmode DUMMY0 1001x701 && xrandr --output DUMMY0 --mode 1001x701").await;
    assert_eq!(sized.exit_code, Some(0), "{}", sized.output);
    desk.bash("xsetroot -solid '#00ff00'").await;
    lasted(&desk, 1_000).await;

    let ended = record(&desk, RecordingOrder::Stop).await.unwrap();

    assert_eq!(ended.reason, None);
    let stream = &probe(&path(&display, &ended))["streams"][0];
    let (width, height) = (stream["width"].as_u64().unwrap() as usize, stream["height"].as_u64().unwrap() as usize);
    let last = picture_at(&path(&display, &ended), None);
    let centre = &last[(height / 2 * width + width / 2) * 3..][..3];
    assert!(centre[0] < 60 && centre[1] > 200 && centre[2] < 60, "{centre:?} of {width}x{height}");
}

#[tokio::test]
async fn a_full_disk_ends_the_recording_and_leaves_the_rest_alone() {
    let mut display = Display::fixed();
    let home = display.path("home");
    std::fs::create_dir(&home).unwrap();
    let socket = display.path("desk.sock");
    let mut fenced = Command::new("unshare");
    // A disk of its own, that a developer without privileges may fill.
    fenced.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    fenced.arg("mount -t tmpfs -o size=300m none \"$HOME\" && exec \"$@\"").args(["sh", env!("CARGO_BIN_EXE_sidecar")]);
    fenced.args(["desk", "--gate-uid", "0", "--socket"]).arg(&socket);
    fenced.env("DISPLAY", &display.name).env("HOME", &home);
    fenced.stdin(Stdio::null());
    let desk = Desk { child: fenced.spawn().unwrap(), socket };
    eventually("the desk listens", async || tokio::net::UnixStream::connect(&desk.socket).await.is_ok()).await;
    record(&desk, RecordingOrder::Start).await.unwrap();
    terminal(&mut display, "i=0; while :; do i=$((i + 1)); seq $i $((i + 45)); sleep 0.1; done");

    desk.bash("head -c 100M /dev/zero > ~/large").await;

    eventually("the recording ends", async || record(&desk, None).await.unwrap().state == RecordingState::Off).await;
    let ended = record(&desk, None).await.unwrap();
    assert_eq!(ended.reason.as_deref(), Some("the disk is nearly full"));
    assert_eq!(desk.bash("echo still here").await.output, "still here\n");
    let again = record(&desk, RecordingOrder::Start).await.unwrap_err();
    assert!(again.message.contains("nearly full"), "{again}");
    let film = fetch(&desk, ended.name.as_ref().unwrap(), ended.recordings[0].bytes).await;
    let mut copy = tempfile::NamedTempFile::with_suffix(".mp4").unwrap();
    copy.write_all(&film).unwrap();
    assert!(!probe(copy.path())["frames"].as_array().unwrap().is_empty());
}

async fn fetch(desk: &Desk, name: &str, bytes: u64) -> Vec<u8> {
    let mut film = Vec::new();
    while (film.len() as u64) < bytes {
        let call = Call::ReadRecording { name: name.into(), offset: film.len() as u64, length: u32::MAX };
        let mut stream = desk.begin(&call).await;
        assert_eq!(answer(&mut stream).await.unwrap(), Answer::RecordingPart { total: bytes });
        let part =
            tokio::time::timeout(Duration::from_secs(10), frame::read_bytes(&mut stream)).await.unwrap().unwrap();
        assert!(!part.is_empty());
        film.extend(part);
    }
    film
}
