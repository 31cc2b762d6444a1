//! Prometheus metrics of the process.

use anyhow::Context;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Installs the recorder of the process; [`PrometheusHandle::render`] is what `/metrics` answers.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().context("install the Prometheus recorder")
}
