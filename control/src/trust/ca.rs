//! The private CA: one root, and certificates of days for control, edges and VMs.

use std::{path::Path, time::Duration};

use anyhow::{Context, ensure};
use protocol::{
    Millis, VmId,
    vm::{CONTROL_SERVER_NAME, EDGE_SERVER_NAME, server_name},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

use super::secret_file;
use crate::secret;

/// How long a certificate of the CA is good.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Certificates begin this much in the past: clocks differ.
const BACKDATED: Duration = Duration::from_secs(3600);

pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    root_pem: String,
}

/// A certificate with its private key, as PEM.
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Ca {
    /// The CA that is kept in `folder`, made there when there is none.
    pub fn open(folder: &Path, now: Millis) -> anyhow::Result<Self> {
        let key_path = folder.join("root.key.pem");
        let root_path = folder.join("root.cert.pem");
        if let (Some(key), Some(root)) = (secret_file::read(&key_path)?, secret_file::read(&root_path)?) {
            let key = KeyPair::from_pem(&key).context("read the CA's key")?;
            let issuer = Issuer::from_ca_cert_pem(&root, key).context("read the CA's certificate")?;
            return Ok(Self { issuer, root_pem: root });
        }
        let key = KeyPair::generate().context("make the CA's key")?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("CloudBot private CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid(&mut params, now, ROOT_LIFETIME)?;
        let root_pem = params.self_signed(&key).context("sign the CA's certificate")?.pem();
        // The certificate last: a crash in between makes both anew.
        secret_file::write(&key_path, &key.serialize_pem())?;
        secret_file::write(&root_path, &root_pem)?;
        Ok(Self { issuer: Issuer::from_ca_cert_pem(&root_pem, key).context("use the new CA")?, root_pem })
    }

    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    pub fn issue_control(&self, now: Millis) -> anyhow::Result<Identity> {
        self.issue(CONTROL_SERVER_NAME, LIFETIME, now)
    }

    pub fn issue_edge(&self, now: Millis) -> anyhow::Result<Identity> {
        self.issue_edge_for(LIFETIME, now)
    }

    pub fn issue_edge_for(&self, lifetime: Duration, now: Millis) -> anyhow::Result<Identity> {
        self.issue(EDGE_SERVER_NAME, lifetime, now)
    }

    /// Certifies a VM for the public key in `csr_pem`; nothing else of the request is taken.
    pub fn sign_vm(&self, csr_pem: &str, vm: &VmId, now: Millis) -> anyhow::Result<String> {
        let mut request = CertificateSigningRequestParams::from_pem(csr_pem).context("read the certificate request")?;
        request.params = leaf(&server_name(vm), LIFETIME, now)?;
        Ok(request.signed_by(&self.issuer).context("sign a VM's certificate")?.pem())
    }

    fn issue(&self, name: &str, lifetime: Duration, now: Millis) -> anyhow::Result<Identity> {
        let key = KeyPair::generate().context("make a key")?;
        let certificate =
            leaf(name, lifetime, now)?.signed_by(&key, &self.issuer).with_context(|| format!("certify {name}"))?;
        Ok(Identity { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// When a certificate issued at `now` ends.
pub fn expires_at(now: Millis) -> Millis {
    now + LIFETIME.as_millis() as Millis
}

/// SHA-256 of the public key in a certificate request, after checking that the requester holds the private one.
pub fn request_key_hash(csr_pem: &str) -> anyhow::Result<String> {
    use x509_parser::{certification_request::X509CertificationRequest, pem::parse_x509_pem, prelude::FromDer};
    ensure!(csr_pem.len() <= 8192, "the certificate request is larger than 8 KiB");
    let (_, pem) =
        parse_x509_pem(csr_pem.as_bytes()).map_err(|e| anyhow::anyhow!("the certificate request is no PEM: {e}"))?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents)
        .map_err(|e| anyhow::anyhow!("the certificate request cannot be read: {e}"))?;
    request.verify_signature().map_err(|e| anyhow::anyhow!("the certificate request is not signed by its key: {e}"))?;
    Ok(secret::hash(request.certification_request_info.subject_pki.raw))
}

fn leaf(name: &str, lifetime: Duration, now: Millis) -> anyhow::Result<CertificateParams> {
    let mut params =
        CertificateParams::new(vec![name.to_owned()]).with_context(|| format!("name a certificate {name}"))?;
    params.distinguished_name = named(name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, now, lifetime)?;
    Ok(params)
}

fn named(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    // X.520's upper bound of a common name is 64 characters; the DNS name is what counts.
    subject.push(DnType::CommonName, name.chars().take(64).collect::<String>());
    subject
}

fn valid(params: &mut CertificateParams, now: Millis, lifetime: Duration) -> anyhow::Result<()> {
    let start = time::OffsetDateTime::from_unix_timestamp(now / 1000).context("read the clock")?;
    params.not_before = start - BACKDATED;
    params.not_after = start + lifetime;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_700_000_000_000;

    fn request(key: &KeyPair, name: &str) -> String {
        CertificateParams::new(vec![name.to_owned()]).unwrap().serialize_request(key).unwrap().pem().unwrap()
    }

    fn dns_names(certificate_pem: &str) -> Vec<String> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(certificate_pem.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        names.value.general_names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn the_ca_is_the_same_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();

        let first = Ca::open(folder.path(), NOW).unwrap();
        let second = Ca::open(folder.path(), NOW).unwrap();

        assert_eq!(first.root_pem(), second.root_pem());
    }

    #[test]
    fn a_vm_cannot_name_itself_edge_in_its_request() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Ca::open(folder.path(), NOW).unwrap();
        let vm = VmId::generate();
        let csr = request(&KeyPair::generate().unwrap(), EDGE_SERVER_NAME);

        let names = dns_names(&ca.sign_vm(&csr, &vm, NOW).unwrap());

        assert_eq!(names.len(), 1);
        assert!(names[0].contains(&server_name(&vm)), "{names:?}");
    }

    #[test]
    fn two_requests_of_one_key_have_one_hash() {
        let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());

        let hash = request_key_hash(&request(&ours, "a.example")).unwrap();

        assert_eq!(hash, request_key_hash(&request(&ours, "b.example")).unwrap());
        assert_ne!(hash, request_key_hash(&request(&theirs, "a.example")).unwrap());
        assert!(request_key_hash("nonsense").is_err());
    }
}
