//! Where recordings lie: a folder of the desktop's home, which outlives the VM and is the user's own.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use protocol::recording::RecordingFile;
use time::OffsetDateTime;

use super::reel;
use crate::link::Refusal;

const FOLDER: &str = "Recordings";
const EXTENSION: &str = ".mp4";
const MAX_NAME: usize = 64;
/// That many are listed, the newest first.
const MAX_LISTED: usize = 200;
/// In one answer to the gate.
const MAX_PART: u32 = 1 << 20;

#[derive(Debug, Clone)]
pub(super) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    pub(super) fn in_home(home: &Path) -> Shelf {
        Shelf { folder: home.join(FOLDER) }
    }

    /// A name that sorts by time and is not taken, with its path.
    pub(super) fn place(&self, now: OffsetDateTime) -> io::Result<(String, PathBuf)> {
        std::fs::create_dir_all(&self.folder)?;
        let (date, time) = (now.date(), now.time());
        let stem = format!(
            "{:04}{:02}{:02}-{:02}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second()
        );
        for number in 1.. {
            let name = if number == 1 { format!("{stem}{EXTENSION}") } else { format!("{stem}-{number}{EXTENSION}") };
            let path = self.folder.join(&name);
            if path.symlink_metadata().is_err() {
                return Ok((name, path));
            }
        }
        unreachable!("some number is free")
    }

    /// The recordings that are there. What a killed desk left, all but `current`, is made whole first.
    pub(super) fn list(&self, current: Option<&str>) -> Vec<RecordingFile> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let named = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = named.filter(|name| is_name(name)).collect();
        names.sort_unstable_by(|a, b| b.cmp(a));
        names.truncate(MAX_LISTED);
        let file = |name: String| {
            let path = self.folder.join(&name);
            if current != Some(&name)
                && let Err(error) = reel::mend(&path)
            {
                tracing::debug!(%error, "a file among the recordings is none, or cannot be mended");
            }
            let found = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some(RecordingFile { bytes: found.len(), name })
        };
        names.into_iter().filter_map(file).collect()
    }

    /// A part of a recording, and how long it is.
    pub(super) fn read(&self, name: &str, offset: u64, length: u32) -> Result<(u64, Vec<u8>), Refusal> {
        if !is_name(name) {
            return Err(missing(name));
        }
        // Whoever owns the home may have put anything there: a pipe must not hold this up.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(self.folder.join(name));
        let file = opened.map_err(|_| missing(name))?;
        let failed = |e: io::Error| Refusal::failed(format!("read the recording {name}: {e}"));
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() {
            return Err(missing(name));
        }
        let wanted = u64::from(length.min(MAX_PART)).min(found.len().saturating_sub(offset));
        let mut part = vec![0; wanted as usize];
        file.read_exact_at(&mut part, offset).map_err(failed)?;
        Ok((found.len(), part))
    }
}

fn missing(name: &str) -> Refusal {
    Refusal::not_found(format!("there is no recording {name:?}; ask for the list"))
}

fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(EXTENSION).unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !stem.is_empty() && name.len() <= MAX_NAME && stem.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::RefusalKind;

    #[test]
    fn names_tell_the_time_and_are_never_taken_twice() {
        let home = tempfile::tempdir().unwrap();
        let shelf = Shelf::in_home(home.path());
        let now = OffsetDateTime::from_unix_timestamp(1_700_000_000).unwrap();

        let (first, path) = shelf.place(now).unwrap();
        std::fs::write(path, "x").unwrap();

        assert_eq!(first, "20231114-221320.mp4");
        assert_eq!(shelf.place(now).unwrap().0, "20231114-221320-2.mp4");
    }

    #[test]
    fn only_plain_files_of_the_folder_are_read_however_they_are_named() {
        let home = tempfile::tempdir().unwrap();
        let shelf = Shelf::in_home(home.path());
        let folder = home.path().join("Recordings");
        std::fs::create_dir_all(folder.join("folder.mp4")).unwrap();
        std::fs::write(home.path().join("secret.mp4"), "secret").unwrap();
        std::os::unix::fs::symlink("../secret.mp4", folder.join("link.mp4")).unwrap();
        nix::unistd::mkfifo(&folder.join("pipe.mp4"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        std::fs::write(folder.join("good.mp4"), "0123456789").unwrap();

        for name in ["../secret.mp4", "link.mp4", "pipe.mp4", "folder.mp4", "none.mp4", ".mp4", "", "/etc/passwd"] {
            assert_eq!(shelf.read(name, 0, 9).unwrap_err().kind, RefusalKind::NotFound, "{name}");
        }
        assert_eq!(shelf.read("good.mp4", 4, 3).unwrap(), (10, b"456".to_vec()));
        assert_eq!(shelf.read("good.mp4", u64::MAX, u32::MAX).unwrap(), (10, vec![]));
        assert_eq!(shelf.list(None), [RecordingFile { name: "good.mp4".into(), bytes: 10 }]);
    }
}
