//! Desktops on this machine: each behind a fence of its own.

use std::path::PathBuf;

/// What [`Local`] needs to know.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// Desktops live in `desktops/` below it.
    pub data_dir: PathBuf,
    /// The `sidecar` binary, run as gate outside and as desk inside of the fence.
    pub sidecar: PathBuf,
    /// The `desktop-supervisor` binary of this crate, one process a VM.
    pub supervisor: PathBuf,
}

impl LocalConfig {
    /// With the supervisor where the build puts it: beside the sidecar.
    pub fn new(data_dir: impl Into<PathBuf>, sidecar: impl Into<PathBuf>) -> Self {
        let sidecar = sidecar.into();
        Self { data_dir: data_dir.into(), supervisor: sidecar.with_file_name("desktop-supervisor"), sidecar }
    }
}
