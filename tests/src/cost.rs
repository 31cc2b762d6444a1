//! What processes cost: processor time to the nanosecond, and memory.

use std::{fs, time::Duration};

use nix::{time::clock_getcpuclockid, unistd::Pid};

use crate::processes;

/// What these processes, all their threads and their living children have used so far.
pub fn cpu(pids: &[i32]) -> Duration {
    let children = pids.iter().flat_map(|pid| processes::descendants(*pid)).map(|found| found.pid);
    pids.iter().copied().chain(children).map(cpu_of_one).sum()
}

/// `/proc/PID/stat` counts hundredths of a second, too coarse for an idle server.
fn cpu_of_one(pid: i32) -> Duration {
    let clock = clock_getcpuclockid(Pid::from_raw(pid)).and_then(|clock| clock.now());
    clock.map(Duration::from).unwrap_or_default()
}

/// Resident memory in MiB; what is shared with other processes counts in full.
pub fn resident_mib(pid: i32) -> f64 {
    mib(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Resident memory in MiB; what is shared with other processes counts in part.
pub fn proportional_mib(pid: i32) -> f64 {
    mib(&format!("/proc/{pid}/smaps_rollup"), "Pss:")
}

fn mib(file: &str, field: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("read {file}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("{field} in {file}"));
    line.trim().trim_end_matches(" kB").parse::<f64>().expect("kibibytes") / 1024.0
}
