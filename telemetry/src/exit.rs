//! How a program ends: its exit code, and one plain line for whoever started it.

use std::{io::Write, process::ExitCode};

/// The exit code of what a program's run gave. An error is told on stderr with all its causes, without a backtrace:
/// who reads it started the program and wants to know what to mend.
pub fn code(program: &str, outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
