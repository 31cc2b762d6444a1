//! HTTP to model providers: they are outside, unless the operator says that they are not.

use std::sync::Arc;

use anyhow::Context;
use protocol::address::is_private;
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

use crate::models::Provider;

/// Clients that trust what this system trusts, and follow no redirect.
pub struct Clients {
    anywhere: Client,
    outside: Client,
}

impl Clients {
    pub fn new() -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        // A system without certificates can still be worked with: only the check of a key then says that it cannot connect.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A proxy would look names up by itself.
        let client = || Client::builder().tls_backend_preconfigured(tls.clone()).redirect(Policy::none()).no_proxy();
        let tried = "make a client for model providers";
        Ok(Self {
            anywhere: client().build().context(tried)?,
            outside: client().dns_resolver(OutsideOnly).build().context(tried)?,
        })
    }

    /// The one that reaches this provider.
    pub fn of(&self, provider: &Provider) -> &Client {
        if provider.allow_private { &self.anywhere } else { &self.outside }
    }
}

/// Finds no private address, whatever a name says.
struct OutsideOnly;

impl Resolve for OutsideOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside: Vec<_> = found.filter(|address| !is_private(address.ip())).collect();
            if outside.is_empty() {
                return Err("the name leads to no address outside of private networks".into());
            }
            Ok(Box::new(outside.into_iter()) as Addrs)
        })
    }
}
