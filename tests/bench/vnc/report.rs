//! The two tables: what was measured of each server, and ours as ratios to the others beside the targets.

use crate::{
    figures::{Figures, Measure},
    peers::Peer,
    workloads::Workload,
};

/// Which statistic of a figure is judged.
#[derive(Clone, Copy)]
enum Part {
    Median,
    Slowest,
}

/// Ours over theirs: at most, or at least, so much.
#[derive(Clone, Copy)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

struct Goal {
    what: &'static str,
    workload: Workload,
    measure: Measure,
    part: Part,
    against_x11vnc: Target,
    /// Against the better of the two TigerVNCs.
    against_tigervnc: Target,
}

/// The most of a core that an idle server and its X server may use: no ratio, since others may use nothing at all.
const IDLE: f64 = 0.002;

fn goals() -> Vec<Goal> {
    use Measure::{BytesPerPicture, BytesPerUpdate, Cpu, Latency, UpdatesPerSecond};
    use Target::{AtLeast, AtMost};
    let goal = |what, workload, measure, part, against_x11vnc, against_tigervnc| Goal {
        what,
        workload,
        measure,
        part,
        against_x11vnc,
        against_tigervnc,
    };
    let median = |what, workload, measure, x11vnc, tigervnc| {
        goal(what, workload, measure, Part::Median, AtMost(x11vnc), AtMost(tigervnc))
    };
    vec![
        median("key to picture, p50", Workload::Typing, Latency, 0.12, 0.25),
        goal("key to picture, p99", Workload::Typing, Latency, Part::Slowest, AtMost(0.25), AtMost(0.5)),
        median("the same beside a video, p50", Workload::TypingBesideFilm, Latency, 0.15, 0.3),
        median("scroll: CPU", Workload::Scroll, Cpu, 0.5, 0.6),
        median("scroll: bytes/update", Workload::Scroll, BytesPerUpdate, 0.5, 0.9),
        goal("flood: updates/s", Workload::Flood, UpdatesPerSecond, Part::Median, AtLeast(1.4), AtLeast(1.0)),
        median("flood: CPU", Workload::Flood, Cpu, 0.5, 0.2),
        median("video: CPU", Workload::Film, Cpu, 0.5, 0.8),
        median("video: bytes/picture", Workload::Film, BytesPerPicture, 1.0, 0.9),
        median("first full frame", Workload::FirstFrame, Latency, 0.1, 1.0),
        median("10 viewers, video: CPU", Workload::TenWatchFilm, Cpu, 0.3, 0.5),
        median("10 viewers, scroll: CPU", Workload::TenWatchScroll, Cpu, 0.3, 0.5),
    ]
}

/// Every figure of every server.
#[expect(clippy::print_stdout, reason = "the tables are what the program is for")]
pub(crate) fn print_figures(figures: &Figures, peers: &[Peer]) {
    print!("\n{:<16}{:<16}", "", "median [p99]");
    peers.iter().for_each(|peer| print!("{:>18}", peer.name()));
    println!();
    for workload in Workload::ALL {
        for measure in Measure::ALL {
            let cells: Vec<Option<String>> = peers.iter().map(|peer| cell(figures, workload, measure, *peer)).collect();
            if cells.iter().any(Option::is_some) {
                print!("{:<16}{:<16}", workload.name(), measure.name());
                cells.into_iter().for_each(|cell| print!("{:>18}", cell.unwrap_or_else(|| "-".to_owned())));
                println!();
            }
        }
    }
}

/// Ours against each, with the verdict.
#[expect(clippy::print_stdout, reason = "the tables are what the program is for")]
pub(crate) fn print_verdicts(figures: &Figures) {
    println!("\n{:<30}{:>28}{:>32}", "ours / theirs", "x11vnc -noxrecord", "better TigerVNC");
    for goal in goals() {
        let x11vnc = verdict(figures, &goal, &[Peer::X11vnc], goal.against_x11vnc);
        let tigervnc = verdict(figures, &goal, &[Peer::X0tigervnc, Peer::Xtigervnc], goal.against_tigervnc);
        if x11vnc.is_some() || tigervnc.is_some() {
            let [x11vnc, tigervnc] = [x11vnc, tigervnc].map(|verdict| verdict.unwrap_or_else(|| "-".to_owned()));
            println!("{:<30}{x11vnc:>28}{tigervnc:>32}", goal.what);
        }
    }
    if let Some(idle) = figures.median(Workload::Idle, Measure::Cpu, Peer::Ours) {
        println!("{:<30}{:>28}", "idle: CPU, of a core", format!("{idle:.4} ≤ {IDLE} {}", verdict_word(idle <= IDLE)));
    }
    let likenesses: Vec<String> = Peer::ALL.iter().filter_map(|peer| likeness(figures, *peer)).collect();
    if figures.median(Workload::Film, Measure::BytesPerPicture, Peer::Ours).is_some() {
        println!("the video's bytes buy this likeness to the original: {}", likenesses.join(", "));
    }
    println!("ours is met through a relay to its Unix socket, whose time counts against us in every latency");
}

/// Moving, or at rest where no picture came whole.
fn likeness(figures: &Figures, peer: Peer) -> Option<String> {
    let of = |measure| figures.median(Workload::Film, measure, peer);
    let decibels = of(Measure::Decibels).or_else(|| of(Measure::DecibelsAtRest))?;
    Some(format!("{} {decibels:.1} dB", peer.name()))
}

fn verdict(figures: &Figures, goal: &Goal, theirs: &[Peer], target: Target) -> Option<String> {
    let part = match goal.part {
        Part::Median => 0.5,
        Part::Slowest => 0.99,
    };
    let of = |peer| figures.quantile(goal.workload, goal.measure, peer, part);
    let theirs = theirs.iter().filter_map(|peer| of(*peer));
    let (best, limit, sign) = match target {
        Target::AtMost(limit) => (theirs.reduce(f64::min)?, limit, '≤'),
        Target::AtLeast(limit) => (theirs.reduce(f64::max)?, limit, '≥'),
    };
    let ratio = of(Peer::Ours)? / best;
    let is_met = match target {
        Target::AtMost(limit) => ratio <= limit,
        Target::AtLeast(limit) => ratio >= limit,
    };
    Some(format!("{ratio:.3} {sign} {limit} {}", verdict_word(is_met)))
}

fn verdict_word(is_met: bool) -> &'static str {
    if is_met { "PASS" } else { "miss" }
}

fn cell(figures: &Figures, workload: Workload, measure: Measure, peer: Peer) -> Option<String> {
    let median = figures.median(workload, measure, peer)?;
    let shown = match measure {
        Measure::Cpu | Measure::XCpu => format!("{median:.4}"),
        Measure::BytesPerUpdate | Measure::BytesPerPicture => format!("{median:.0}"),
        _ => format!("{median:.1}"),
    };
    if measure == Measure::Latency {
        let slowest = figures.quantile(workload, measure, peer, 0.99)?;
        return Some(format!("{median:.2} [{slowest:.2}]"));
    }
    Some(shown)
}
