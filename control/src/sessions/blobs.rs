//! Pictures on disk, each under the SHA-256 of its bytes: `blobs/ab/cdef…`.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use protocol::{
    DesktopId,
    error::{Code, Problem},
};
use tokio::{io::AsyncWriteExt, sync::Mutex};

use crate::{app::App, db, error::ApiError, secret};

/// The largest blob, in bytes.
pub const MAX_BYTES: usize = 8 << 20;

pub struct Blobs {
    folder: PathBuf,
    /// Held while files and rows are made to agree: what is being stored is not being removed.
    turn: Mutex<()>,
}

/// Stores a picture of this desktop. Once this answers it is on the disk.
pub async fn store(app: &App, desktop: &DesktopId, sha256: &str, bytes: &[u8]) -> Result<(), ApiError> {
    let _turn = app.blobs.turn.lock().await;
    app.blobs.put(sha256, bytes).await?;
    Ok(db::blobs::insert(&app.db, desktop, sha256).await?)
}

/// A picture that this desktop has stored.
pub async fn of_desktop(
    app: &App,
    desktop: &DesktopId,
    sha256: &str,
) -> Result<Option<(Vec<u8>, &'static str)>, ApiError> {
    if !is_hash(sha256) || !db::blobs::is_of(&app.db, desktop, sha256).await? {
        return Ok(None);
    }
    app.blobs.get(sha256).await
}

/// Removes those that nobody knows any more.
pub async fn remove(app: &App, candidates: &[String]) -> anyhow::Result<()> {
    let _turn = app.blobs.turn.lock().await;
    for sha256 in candidates.iter().filter(|sha256| is_hash(sha256)) {
        if !db::blobs::is_known(&app.db, sha256).await? {
            match tokio::fs::remove_file(app.blobs.path(sha256)).await {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e).context("remove a picture"),
                _ => {}
            }
        }
    }
    Ok(())
}

impl Blobs {
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        crate::trust::secret_file::create_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), turn: Mutex::default() })
    }

    /// Stores `bytes`, whose hash must be `sha256`. Once this answers they are on the disk.
    async fn put(&self, sha256: &str, bytes: &[u8]) -> Result<(), ApiError> {
        let invalid = |detail: &str| ApiError::from(Problem::new(Code::InvalidValue, detail));
        if !is_hash(sha256) || secret::hash(bytes) != sha256 {
            return Err(invalid("A blob's name is the SHA-256 of its bytes in hex."));
        }
        if media_type(bytes).is_none() {
            return Err(invalid("A blob is a PNG or a JPEG picture."));
        }
        let path = self.path(sha256);
        if tokio::fs::try_exists(&path).await? {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.folder);
        tokio::fs::create_dir_all(folder).await?;
        let temporary = folder.join(secret::generate(".new-"));
        let stored = write(&temporary, &path, bytes).await;
        if stored.is_err() {
            let _ = tokio::fs::remove_file(&temporary).await;
        }
        Ok(stored?)
    }

    /// The bytes and what they are; `None` when there is no such blob.
    pub async fn get(&self, sha256: &str) -> Result<Option<(Vec<u8>, &'static str)>, ApiError> {
        if !is_hash(sha256) {
            return Ok(None);
        }
        match tokio::fs::read(self.path(sha256)).await {
            Ok(bytes) => {
                let media_type = media_type(&bytes).unwrap_or("application/octet-stream");
                Ok(Some((bytes, media_type)))
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(&sha256[..2]).join(&sha256[2..])
    }
}

/// 64 lower-case hex digits, and so nothing that leads out of the folder.
pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

async fn write(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tokio::fs::File::create_new(temporary).await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(temporary, path).await
}

fn media_type(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some("image/png")
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some("image/jpeg")
    } else {
        None
    }
}
