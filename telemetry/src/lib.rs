//! Logging, metrics and shutdown, set up once and alike for every binary.

pub mod logging;
pub mod metrics;
pub mod shutdown;
