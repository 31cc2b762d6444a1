//! Secrets on disk: readable by their owner alone, written whole or not at all.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use anyhow::{Context, bail};

/// Reads the secret, or makes it with `make` when there is none.
pub fn read_or_create(path: &Path, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    match read(path)? {
        Some(secret) => Ok(secret),
        None => {
            let secret = make()?;
            write(path, &secret)?;
            Ok(secret)
        }
    }
}

/// The secret in the file; `None` when there is no file. A file that others can read is refused: its secret may be known.
pub fn read(path: &Path) -> anyhow::Result<Option<String>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| format!("look at {}", path.display())),
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "{path} can be read by others (mode {mode:o}), so its secret may be known. If nobody has read it, run: chmod 600 {path}",
            path = path.display()
        );
    }
    let secret = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(Some(secret))
}

/// Writes the file with mode 0600 under another name and moves it into place.
pub fn write(path: &Path, secret: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a secret's file needs a folder")?;
    create_folder(folder)?;
    let temporary = path.with_extension("new");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .with_context(|| format!("create {}: check the folder's owner and the free space", temporary.display()))?;
    file.write_all(secret.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("write {}", temporary.display()))?;
    fs::rename(&temporary, path).with_context(|| format!("move {} into place", path.display()))
}

/// A folder that only its owner can enter.
pub fn create_folder(path: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(path)
        .with_context(|| format!("create {}: check the owner of its parent and the free space", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("close {} to others", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/secret");

        let first = read_or_create(&path, || Ok("one".into())).unwrap();
        let second = read_or_create(&path, || Ok("two".into())).unwrap();

        assert_eq!((first.as_str(), second.as_str()), ("one", "one"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

        assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
