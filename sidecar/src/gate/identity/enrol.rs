//! Becoming somebody: the certificate is asked for once, kept, and renewed at half of its life.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use protocol::{
    VmId,
    vm::{Assignment, EnrolRequest, Enrolled, RenewRequest, UserData},
};
use rustls::RootCertStore;
use tokio_util::sync::CancellationToken;

use super::{
    certificate::Certificate,
    key::{Key, StateDir},
    tls::{self, Shown},
};
use crate::gate::{
    clock::now,
    edge::Edge,
    patience::{Backoff, Told},
};

const FILE: &str = "certificate.pem";

/// This VM with its key and certificate.
pub struct Identity {
    pub vm: VmId,
    pub edge: Edge,
    pub shown: Arc<Shown>,
    pub roots: Arc<RootCertStore>,
    key: Key,
    state: StateDir,
    certificate: Certificate,
}

impl Identity {
    /// Takes the kept certificate while it is good, else enrols, trying for ever.
    pub async fn establish(user_data: &UserData, state: StateDir) -> anyhow::Result<Self> {
        let key = Key::load_or_make(&state)?;
        let roots = tls::roots(&user_data.ca_pem)?;
        let shown = Arc::new(Shown::default());
        let certificate = match kept(&state, &user_data.vm_id, &key) {
            Some(certificate) => certificate,
            None => enrol(user_data, &state, &key, &roots).await?,
        };
        shown.replace(&certificate, &key)?;
        let edge = Edge::new(&user_data.edge_url, tls::client(&roots, Some(shown.clone()))?)?;
        Ok(Self { vm: user_data.vm_id.clone(), edge, shown, roots, key, state, certificate })
    }

    /// Whom this VM serves, asked for until control knows.
    pub async fn assignment(&self) -> Assignment {
        let (mut backoff, mut told) = (Backoff::of_edge(), Told::default());
        loop {
            match self.edge.get("/vm/v1/assignment").await {
                Ok(assignment) => return assignment,
                Err(error) => told.failed("ask whom this VM serves", &error),
            };
            tokio::time::sleep(backoff.wait()).await;
        }
    }

    /// Renews the certificate for as long as the process lives.
    pub async fn keep_fresh(mut self, stop: CancellationToken) {
        let (mut backoff, mut told) = (Backoff::new(Duration::from_secs(1), Duration::from_secs(60)), Told::default());
        loop {
            let due = u64::try_from(self.certificate.renew_at() - now()).unwrap_or(0);
            // A long sleep would oversleep a machine that was suspended.
            let wait = Duration::from_millis(due).min(Duration::from_secs(60));
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
            if due > 60_000 {
                continue;
            }
            match self.renew().await {
                Ok(()) => {
                    told.succeeded("renew the certificate");
                    backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
                }
                Err(error) => {
                    told.failed("renew the certificate", &format!("{error:#}"));
                    if stop.run_until_cancelled(tokio::time::sleep(backoff.wait())).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    async fn renew(&mut self) -> anyhow::Result<()> {
        let request = RenewRequest { csr_pem: self.key.csr_pem()? };
        let renewed: Enrolled = self.edge.post("/vm/v1/renew", &request).await?;
        let certificate = keep(&renewed, &self.state, &self.vm, &self.key)?;
        self.shown.replace(&certificate, &self.key)?;
        self.certificate = certificate;
        tracing::info!(vm = %self.vm, "certificate renewed");
        Ok(())
    }
}

async fn enrol(
    user_data: &UserData,
    state: &StateDir,
    key: &Key,
    roots: &Arc<RootCertStore>,
) -> anyhow::Result<Certificate> {
    // A client of its own: its connections carry no certificate and must not be used again.
    let edge = Edge::new(&user_data.edge_url, tls::client(roots, None)?)?;
    let request = EnrolRequest {
        vm_id: user_data.vm_id.clone(),
        enrolment_token: user_data.enrolment_token.clone(),
        csr_pem: key.csr_pem()?,
    };
    let (mut backoff, mut told) = (Backoff::of_edge(), Told::default());
    loop {
        let tried = async {
            let enrolled: Enrolled = edge.post("/vm/v1/enrol", &request).await?;
            keep(&enrolled, state, &user_data.vm_id, key)
        };
        match tried.await {
            Ok(certificate) => {
                tracing::info!(vm = %user_data.vm_id, "enrolled");
                return Ok(certificate);
            }
            Err(error) => told.failed("enrol", &format!("{error:#}")),
        };
        tokio::time::sleep(backoff.wait()).await;
    }
}

fn keep(enrolled: &Enrolled, state: &StateDir, vm: &VmId, key: &Key) -> anyhow::Result<Certificate> {
    let certificate =
        Certificate::read(&enrolled.certificate_pem, vm, &key.public_spki()).context("check the new certificate")?;
    state.write(FILE, enrolled.certificate_pem.as_bytes())?;
    Ok(certificate)
}

fn kept(state: &StateDir, vm: &VmId, key: &Key) -> Option<Certificate> {
    let pem = state.read(FILE).ok().flatten()?;
    let certificate = Certificate::read(&pem, vm, &key.public_spki()).ok()?;
    certificate.is_valid_at(now()).then_some(certificate)
}
