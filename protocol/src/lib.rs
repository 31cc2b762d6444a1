//! The types that two of CloudBot's programs, or a program and its users, exchange.
//!
//! Times are Unix milliseconds (`i64`), sizes are pixels, byte counts are bytes. Every type
//! that leaves a program has a snapshot in `tests/wire*.rs`: a change there is a change of the API.

pub mod accessibility;
pub mod action;
pub mod address;
pub mod approval;
pub mod capability;
pub mod chat;
pub mod desktop;
pub mod edge;
pub mod error;
pub mod event;
pub mod ids;
pub mod journal;
pub mod key;
pub mod lease;
pub mod mcp;
pub mod model;
pub mod paths;
pub mod recording;
pub mod secret;
pub mod session;
pub mod settings;
mod spelled;
pub mod ticket;
pub mod user;
pub mod vm;
pub mod window;

pub use ids::*;

/// Unix time in milliseconds.
pub type Millis = i64;
