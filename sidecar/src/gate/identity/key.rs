//! The VM's private key: made once, kept in the state folder, never sent anywhere.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use zeroize::Zeroizing;

/// The key pair of this VM.
pub struct Key(KeyPair);

impl Key {
    /// Reads the key of `state`, or makes it: a restart enrols with the same key again.
    pub fn load_or_make(state: &StateDir) -> anyhow::Result<Self> {
        if let Some(pem) = state.read("key.pem")? {
            return Ok(Self(KeyPair::from_pem(&pem).context("read the VM's key: the file key.pem is damaged")?));
        }
        let key = KeyPair::generate().context("make the VM's key")?;
        state.write("key.pem", Zeroizing::new(key.serialize_pem()).as_bytes())?;
        Ok(Self(key))
    }

    /// A certificate signing request. control takes only the public key from it.
    pub fn csr_pem(&self) -> anyhow::Result<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&self.0).context("make a certificate request")?;
        request.pem().context("write the certificate request as PEM")
    }

    pub fn private_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.0.serialize_der().into())
    }

    /// The public key as it stands in a certificate (SubjectPublicKeyInfo).
    pub fn public_spki(&self) -> Vec<u8> {
        use rcgen::PublicKeyData;
        self.0.subject_public_key_info()
    }
}

/// The folder that holds what survives a restart of the sidecar; only its own user may enter.
#[derive(Clone)]
pub struct StateDir(PathBuf);

impl StateDir {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("make the state folder {}", path.display()))?;
        let metadata =
            std::fs::symlink_metadata(path).with_context(|| format!("look at the state folder {}", path.display()))?;
        if !metadata.is_dir() || metadata.uid() != nix::unistd::geteuid().as_raw() {
            bail!("the state folder {} must be a folder of this process's own user", path.display());
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("close the state folder {} to others", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// The text of a file, `None` when there is none.
    pub fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.0.join(name);
        let file = match OpenOptions::new().read(true).custom_flags(nix::libc::O_NOFOLLOW).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("open {}", path.display())),
        };
        let mut text = String::new();
        file.take(1 << 20).read_to_string(&mut text).with_context(|| format!("read {}", path.display()))?;
        Ok(Some(text))
    }

    /// Writes a file that only its owner reads, whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let (path, fresh) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let write = || {
            let _ = std::fs::remove_file(&fresh);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)
        };
        write().with_context(|| format!("write {}: is the disk full?", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_finds_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();

        let first = Key::load_or_make(&state).unwrap().public_spki();

        assert_eq!(Key::load_or_make(&state).unwrap().public_spki(), first);
    }

    #[test]
    fn key_and_folder_are_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        Key::load_or_make(&StateDir::open(&path).unwrap()).unwrap();

        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;

        assert_eq!((mode(&path), mode(&path.join("key.pem"))), (0o700, 0o600));
    }

    #[test]
    fn a_link_in_place_of_the_key_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let state = StateDir::open(&path).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", path.join("key.pem")).unwrap();

        assert!(Key::load_or_make(&state).is_err());
    }
}
