//! The sidecar: in every VM, in two halves that run as two users.
//!
//! [`gate`] holds identity, network and the agent loop; [`desk`] alone touches the screen, opens
//! files and starts children. They talk over [`link`].

pub mod config;
pub mod desk;
pub mod gate;
pub mod link;
