//! Logging, metrics, shutdown and exit, set up once and alike for every binary.

pub mod exit;
pub mod logging;
pub mod metrics;
pub mod shutdown;
