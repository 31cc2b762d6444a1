//! What the system tests stand on: a whole CloudBot on free ports, and the people, programs and faults that meet it.
//!
//! A [`Stack`] starts the very binaries that `make run` starts, in a temporary data folder, and leaves nothing
//! behind, not even when a test fails. Around it: [`api`] (a person or program with a credential), [`browser`]
//! (Chromium), [`viewer`] (a bare RFB client), [`chat`] (the chat socket), [`model_server`] (a scripted provider of
//! models), [`fault_proxy`] (a wire that can be cut) and [`postgres`]. The benchmarks need less: a [`display`] with a
//! [`desk`] on it, and a film ([`plasma`]).

use std::path::{Path, PathBuf};

pub mod api;
pub mod browser;
pub mod chat;
pub mod cost;
pub mod desk;
pub mod display;
pub mod edit;
pub mod fault_proxy;
pub mod model_server;
pub mod native_viewer;
pub mod picture;
pub mod plasma;
pub mod postgres;
pub mod processes;
pub mod record;
pub mod stack;
pub mod table;
pub mod viewer;
pub mod wait;
pub mod websocket;

pub use api::Api;
pub use model_server::{ModelServer, Turn};
pub use stack::{Options, Stack};

/// The top folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests stand in the repository").to_owned()
}

/// Where a test leaves what a person may want to look at afterwards: screenshots, and the logs of a failed stack.
pub fn artefacts(test: &str) -> PathBuf {
    let folder = processes::target_folder().join("system-tests").join(test);
    std::fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("create {}: {error}", folder.display()));
    folder
}

/// The name under which a blob is kept.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An HTTP client that keeps nothing and follows nothing.
pub fn http() -> reqwest::ClientBuilder {
    // The process may have one already: another test's client has come before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(std::time::Duration::from_secs(120))
}
