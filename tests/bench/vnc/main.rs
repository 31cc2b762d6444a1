//! `make bench-vnc`: our VNC against x11vnc and TigerVNC, in the same call, each on a desktop of its own.
//!
//! `ROUNDS` (3 unless told) says how often each workload runs, `ONLY` which ones (names of the table, with commas between),
//! `PEERS` who besides us.

mod client;
#[allow(dead_code, reason = "one decoder for all viewers, and the sidecar may not import this crate")]
#[path = "../../../sidecar/tests/vnc/decoder.rs"]
mod decoder;
mod figures;
mod likeness;
mod peers;
mod relay;
mod report;
mod verify;
mod workloads;

use std::process::ExitCode;

use figures::{Figures, Measure};
use peers::Peer;
use workloads::Workload;

fn main() -> ExitCode {
    harness::display::end_all_on_interrupt();
    let rounds = chosen("ROUNDS").and_then(|text| text.parse().ok()).unwrap_or(3);
    let workloads = picked("ONLY", Workload::ALL.to_vec(), |workload| workload.name());
    let mut peers = picked("PEERS", Peer::ALL.to_vec(), |peer| peer.name());
    if !peers.contains(&Peer::Ours) {
        peers.insert(0, Peer::Ours);
    }

    let (mut figures, mut is_right) = (Figures::default(), true);
    for peer in peers.iter().filter(|peer| **peer != Peer::Nobody) {
        let likeness = verify::verify(*peer);
        let verdict = if likeness.is_enough() { "as the X server's own" } else { "WRONG" };
        eprintln!(
            "pixels of {}: {verdict} (dB: text {:.1}, film {:.1}, screen {:.1})",
            peer.name(),
            likeness.text,
            likeness.film,
            likeness.screen
        );
        figures.add(Workload::Film, Measure::DecibelsAtRest, *peer, likeness.film);
        is_right &= likeness.is_enough() || *peer != Peer::Ours;
    }
    for round in 1..=rounds {
        for workload in workloads.iter().filter(|workload| round == 1 || !workload.is_once()) {
            for peer in &peers {
                eprintln!("round {round} of {rounds}: {}, {}", workload.name(), peer.name());
                workload.run(*peer, &mut figures);
            }
        }
    }
    report::print_figures(&figures, &peers);
    report::print_verdicts(&figures);
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An environment variable that says something.
fn chosen(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Those that a variable names, or all.
fn picked<T>(variable: &str, all: Vec<T>, name: impl Fn(&T) -> &'static str) -> Vec<T> {
    let Some(wanted) = chosen(variable) else { return all };
    let names: Vec<&str> = all.iter().map(&name).collect();
    for wanted in wanted.split(',') {
        assert!(names.contains(&wanted), "{variable}={wanted}: not one of {}", names.join(", "));
    }
    all.into_iter().filter(|one| wanted.split(',').any(|wanted| wanted == name(one))).collect()
}
