//! The VM's certificate: when it is worth keeping, when it is renewed.

use anyhow::{Context, bail};
use protocol::{Millis, VmId, vm::server_name};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A certificate chain as the CA gave it.
#[derive(Clone)]
pub struct Certificate {
    pub chain: Vec<CertificateDer<'static>>,
    not_before: Millis,
    not_after: Millis,
}

impl Certificate {
    /// Reads a chain and checks that it is this VM's, for this key.
    pub fn read(pem: &str, vm: &VmId, public_spki: &[u8]) -> anyhow::Result<Self> {
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .context("read the certificate as PEM")?;
        let Some(leaf) = chain.first() else { bail!("there is no certificate in it") };
        let (_, parsed) = X509Certificate::from_der(leaf).context("read the certificate")?;
        if parsed.public_key().raw != public_spki {
            bail!("the certificate is for another key");
        }
        if !dns_names(leaf)?.contains(&server_name(vm)) {
            bail!("the certificate is for another VM");
        }
        let validity = parsed.validity();
        let (not_before, not_after) =
            (validity.not_before.timestamp().saturating_mul(1000), validity.not_after.timestamp().saturating_mul(1000));
        Ok(Self { chain, not_before, not_after })
    }

    pub fn is_valid_at(&self, now: Millis) -> bool {
        (self.not_before..self.not_after).contains(&now)
    }

    /// Half of its life: early enough for a week of failures of a certificate of two weeks.
    pub fn renew_at(&self) -> Millis {
        self.not_before + (self.not_after - self.not_before) / 2
    }
}

/// The DNS names that a certificate was issued for.
pub fn dns_names(certificate: &CertificateDer<'_>) -> anyhow::Result<Vec<String>> {
    let (_, parsed) = X509Certificate::from_der(certificate).context("read the certificate")?;
    let names = parsed.subject_alternative_name().context("read the certificate's names")?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    Ok(names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PublicKeyData, date_time_ymd};

    use super::*;

    fn issue(name: &str, key: &KeyPair) -> String {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 1, 3);
        params.self_signed(key).unwrap().pem()
    }

    #[test]
    fn a_certificate_is_renewed_at_half_of_its_life() {
        let (vm, key) = (VmId::generate(), KeyPair::generate().unwrap());

        let certificate =
            Certificate::read(&issue(&server_name(&vm), &key), &vm, &key.subject_public_key_info()).unwrap();

        let second_day = 1_767_312_000_000;
        assert_eq!(certificate.renew_at(), second_day);
        assert!(certificate.is_valid_at(second_day) && !certificate.is_valid_at(second_day + 86_400_000));
    }

    #[test]
    fn a_certificate_of_another_key_or_vm_is_refused() {
        let (vm, key, other) = (VmId::generate(), KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let pem = issue(&server_name(&vm), &key);

        assert!(Certificate::read(&pem, &vm, &other.subject_public_key_info()).is_err());
        assert!(Certificate::read(&pem, &VmId::generate(), &key.subject_public_key_info()).is_err());
    }

    #[test]
    fn bytes_that_are_no_certificate_are_refused() {
        let vm = VmId::generate();
        for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0\u{ffff}"] {
            assert!(Certificate::read(pem, &vm, &[]).is_err());
        }
    }
}
