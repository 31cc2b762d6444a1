//! What is measured: one desktop, one server, one or ten viewers, a few seconds.

use std::{
    thread,
    time::{Duration, Instant},
};

use harness::{cost, plasma};

use crate::{
    client::{Client, Look, Totals, part},
    decoder::Place,
    figures::{Figures, Measure},
    likeness::decibels,
    peers::{Peer, Stage, Terminal},
};

/// Where the terminal and the film stand.
pub(crate) const TERMINAL: Place = (0, 0, 628, 620);
pub(crate) const FILM: Place = (632, 300, plasma::WIDTH, plasma::HEIGHT);

/// The first requests, the first paint and a refinement of it are not what is measured.
const WARM_UP: Duration = Duration::from_secs(1);
const STREAM: Duration = Duration::from_secs(5);
/// Longer, since an idle server wakes up now and then only.
const IDLE: Duration = Duration::from_secs(20);
const IDLE_WARM_UP: Duration = Duration::from_secs(3);
const FILM_COMPARED: Duration = Duration::from_secs(2);
const KEYS: u32 = 60;
/// After a key that never shows, the next one is pressed.
const KEY_PATIENCE: Duration = Duration::from_secs(2);
const FIRST_FRAMES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(300);
const VIEWERS: usize = 10;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Workload {
    Typing,
    TypingBesideFilm,
    Scroll,
    Flood,
    Film,
    Idle,
    FirstFrame,
    TenWatchFilm,
    TenWatchScroll,
}

impl Workload {
    pub(crate) const ALL: [Workload; 9] = [
        Workload::Typing,
        Workload::TypingBesideFilm,
        Workload::Scroll,
        Workload::Flood,
        Workload::Film,
        Workload::Idle,
        Workload::FirstFrame,
        Workload::TenWatchFilm,
        Workload::TenWatchScroll,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Workload::Typing => "typing",
            Workload::TypingBesideFilm => "beside",
            Workload::Scroll => "scroll",
            Workload::Flood => "flood",
            Workload::Film => "video",
            Workload::Idle => "idle",
            Workload::FirstFrame => "first",
            Workload::TenWatchFilm => "viewers-video",
            Workload::TenWatchScroll => "viewers-scroll",
        }
    }

    /// Its figure is a sum over so long a time that once is enough.
    pub(crate) fn is_once(self) -> bool {
        self == Workload::Idle
    }

    pub(crate) fn run(self, peer: Peer, figures: &mut Figures) {
        let terminal = match self {
            Workload::Typing | Workload::TypingBesideFilm | Workload::Idle | Workload::FirstFrame => {
                Some(Terminal::Prompt)
            }
            Workload::Scroll | Workload::TenWatchScroll => Some(Terminal::Lines),
            Workload::Flood => Some(Terminal::Flood),
            Workload::Film | Workload::TenWatchFilm => None,
        };
        let film = matches!(self, Workload::Film | Workload::TenWatchFilm | Workload::TypingBesideFilm);
        let stage = Stage::raise(peer, terminal, film);
        let mut note = |measure, value| figures.add(self, measure, peer, value);
        if peer == Peer::Nobody {
            return draw(&stage, &mut note);
        }
        match self {
            Workload::Typing => type_keys(&stage, Duration::from_millis(50), &mut note),
            Workload::TypingBesideFilm => type_keys(&stage, Duration::from_millis(30), &mut note),
            Workload::Idle => watch(&stage, 1, IDLE_WARM_UP, IDLE, &mut note),
            Workload::FirstFrame => connect_often(&stage, &mut note),
            Workload::Film => {
                compare_film(&stage, &mut note);
                watch(&stage, 1, WARM_UP, STREAM, &mut note);
            }
            Workload::Scroll | Workload::Flood => watch(&stage, 1, WARM_UP, STREAM, &mut note),
            Workload::TenWatchFilm | Workload::TenWatchScroll => watch(&stage, VIEWERS, WARM_UP, STREAM, &mut note),
        }
    }
}

/// Lets the desktop draw, with nobody to see it.
fn draw(stage: &Stage, note: &mut impl FnMut(Measure, f64)) {
    let_pass(WARM_UP);
    let load = Load::begin(stage);
    let_pass(STREAM);
    load.end(stage, note);
}

fn let_pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// Presses a key, waits until the viewer shows something else where the terminal is, pauses, and again.
fn type_keys(stage: &Stage, shortest_pause: Duration, note: &mut impl FnMut(Measure, f64)) {
    let mut client = Client::connect(stage.port, Look::At(TERMINAL));
    client.whole();
    client.click(300, 300);
    client.watch_until(Instant::now() + WARM_UP);
    let load = Load::begin(stage);
    for count in 0..KEYS {
        // The golden ratio spreads the pauses evenly over every clock that a server may have.
        let more = Duration::from_millis(50).mul_f64(f64::from(count) * 0.618_034 % 1.0);
        client.watch_until(Instant::now() + shortest_pause + more);
        let bytes = client.totals.bytes;
        let pressed = Instant::now();
        client.press(u32::from('a') + count % 26);
        let shown = loop {
            match client.next(pressed + KEY_PATIENCE) {
                Some(update) if update.changed => break update.arrived - pressed,
                Some(_) => {}
                None => break KEY_PATIENCE,
            }
        };
        note(Measure::Latency, shown.as_secs_f64() * 1000.0);
        note(Measure::BytesPerUpdate, (client.totals.bytes - bytes) as f64);
    }
    load.end(stage, note);
}

fn connect_often(stage: &Stage, note: &mut impl FnMut(Measure, f64)) {
    for _ in 0..FIRST_FRAMES {
        let begun = Instant::now();
        let mut client = Client::connect(stage.port, Look::Count);
        client.whole();
        note(Measure::Latency, begun.elapsed().as_secs_f64() * 1000.0);
        note(Measure::BytesPerUpdate, client.totals.bytes as f64);
        client.watch_until(Instant::now() + PAUSE);
    }
}

/// Looks at the moving film closely, and compares each whole picture with the one that was played.
fn compare_film(stage: &Stage, note: &mut impl FnMut(Measure, f64)) {
    let mut client = Client::connect(stage.port, Look::At(FILM));
    client.whole();
    let end = Instant::now() + FILM_COMPARED;
    let (mut original, mut last) = (vec![0; plasma::WIDTH * plasma::HEIGHT], None);
    while let Some(update) = client.next(end) {
        let shown = part(&client.canvas, FILM);
        let number = plasma::number(&shown).filter(|number| update.changed && last != Some(*number));
        if let Some(number) = number {
            plasma::paint(number, &mut original);
            note(Measure::Decibels, decibels(&shown, &original));
            last = Some(number);
        }
    }
}

/// Lets viewers take what comes, and counts it and what it costs.
fn watch(stage: &Stage, viewers: usize, warm_up: Duration, measured: Duration, note: &mut impl FnMut(Measure, f64)) {
    let mut clients: Vec<Client> = (0..viewers).map(|_| Client::connect(stage.port, Look::Count)).collect();
    let begin = Instant::now() + warm_up;
    let end = begin + measured;
    let (mine, others) = clients.split_first_mut().expect("a viewer");
    let watched = |client: &mut Client| {
        client.whole();
        client.watch_until(begin);
        let before = client.totals;
        client.watch_until(end);
        since(client.totals, before)
    };
    let totals = thread::scope(|threads| {
        let others: Vec<_> = others.iter_mut().map(|client| threads.spawn(|| watched(client))).collect();
        mine.whole();
        mine.watch_until(begin);
        let (before, load) = (mine.totals, Load::begin(stage));
        mine.watch_until(end);
        load.end(stage, note);
        let mine = since(mine.totals, before);
        others.into_iter().map(|viewer| viewer.join().expect("a viewer's thread")).chain([mine]).reduce(sum)
    });
    let totals = totals.expect("a viewer");
    let (seconds, each) = (measured.as_secs_f64(), viewers as f64);
    note(Measure::UpdatesPerSecond, totals.updates as f64 / seconds / each);
    note(Measure::BytesPerUpdate, totals.bytes as f64 / totals.updates.max(1) as f64);
    note(Measure::KilobytesPerSecond, totals.bytes as f64 / seconds / each / 1000.0);
    if totals.pixels > 0 {
        let pictures = totals.pixels as f64 / (plasma::WIDTH * plasma::HEIGHT) as f64;
        note(Measure::BytesPerPicture, totals.bytes as f64 / pictures);
    }
}

fn since(now: Totals, before: Totals) -> Totals {
    Totals {
        updates: now.updates - before.updates,
        pixels: now.pixels - before.pixels,
        bytes: now.bytes - before.bytes,
    }
}

fn sum(one: Totals, two: Totals) -> Totals {
    Totals { updates: one.updates + two.updates, pixels: one.pixels + two.pixels, bytes: one.bytes + two.bytes }
}

/// What server and X server use from its beginning to its end.
struct Load {
    begun: Instant,
    all: Duration,
    x: Duration,
}

impl Load {
    fn begin(stage: &Stage) -> Self {
        Self { begun: Instant::now(), all: cost::cpu(&stage.pids()), x: cost::cpu(&stage.x_pid()) }
    }

    fn end(self, stage: &Stage, note: &mut impl FnMut(Measure, f64)) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let part = |used: Duration, before: Duration| (used - before).as_secs_f64() / seconds;
        note(Measure::Cpu, part(cost::cpu(&stage.pids()), self.all));
        note(Measure::XCpu, part(cost::cpu(&stage.x_pid()), self.x));
    }
}
