//! What was measured of whom, round by round.

use std::collections::BTreeMap;

use crate::{peers::Peer, workloads::Workload};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Measure {
    /// Milliseconds, one value an event.
    Latency,
    /// Of server and X server, as a part of one core.
    Cpu,
    /// The X server's part of it, where that is a process of its own.
    XCpu,
    UpdatesPerSecond,
    BytesPerUpdate,
    KilobytesPerSecond,
    /// For as many pixels as one picture of the film has: a server may cut a picture into several updates.
    BytesPerPicture,
    /// How near the moving film's pictures come to the originals; none where pictures are torn between two.
    Decibels,
    /// The same of a film that was stopped.
    DecibelsAtRest,
}

impl Measure {
    pub(crate) const ALL: [Measure; 9] = [
        Measure::Latency,
        Measure::Cpu,
        Measure::XCpu,
        Measure::UpdatesPerSecond,
        Measure::BytesPerUpdate,
        Measure::KilobytesPerSecond,
        Measure::BytesPerPicture,
        Measure::Decibels,
        Measure::DecibelsAtRest,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Measure::Latency => "ms",
            Measure::Cpu => "CPU, of a core",
            Measure::XCpu => "of it X server",
            Measure::UpdatesPerSecond => "updates/s",
            Measure::BytesPerUpdate => "bytes/update",
            Measure::KilobytesPerSecond => "kB/s",
            Measure::BytesPerPicture => "bytes/picture",
            Measure::Decibels => "PSNR, dB",
            Measure::DecibelsAtRest => "PSNR at rest",
        }
    }
}

#[derive(Default)]
pub(crate) struct Figures {
    values: BTreeMap<(Workload, Measure, Peer), Vec<f64>>,
}

impl Figures {
    pub(crate) fn add(&mut self, workload: Workload, measure: Measure, peer: Peer, value: f64) {
        self.values.entry((workload, measure, peer)).or_default().push(value);
    }

    pub(crate) fn median(&self, workload: Workload, measure: Measure, peer: Peer) -> Option<f64> {
        self.quantile(workload, measure, peer, 0.5)
    }

    /// Of the values of all rounds together.
    pub(crate) fn quantile(&self, workload: Workload, measure: Measure, peer: Peer, part: f64) -> Option<f64> {
        let mut sorted = self.values.get(&(workload, measure, peer))?.clone();
        sorted.sort_by(f64::total_cmp);
        Some(sorted[((sorted.len() - 1) as f64 * part).round() as usize])
    }
}
