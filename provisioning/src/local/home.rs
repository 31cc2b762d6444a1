//! The home of a desktop: made, given to its owner, and removed whatever was left in it.

use std::{
    fs, io,
    os::{
        fd::AsRawFd,
        unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    },
    path::Path,
};

use nix::libc;

use super::registry::make_private;

/// Makes a folder of `uid`'s own unless it is there; one that belongs to somebody else is refused.
pub(crate) fn make(path: &Path, uid: u32) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() && found.uid() == uid => return Ok(()),
        Ok(found) => {
            let what = if found.is_dir() { format!("belongs to uid {}", found.uid()) } else { "is no folder".into() };
            return Err(io::Error::other(format!("{} {what}, a folder of uid {uid} was expected", path.display())));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    // Under another name until it is the owner's: a crash in between leaves nothing that looks finished.
    let new = path.with_extension("new");
    remove(&new)?;
    make_private(&new)?;
    chown(&new, Some(uid), Some(uid)).or_else(|e| if owner(&new)? == uid { Ok(()) } else { Err(e) })?;
    fs::rename(&new, path)
}

/// Removes a file, or a folder with all that is in it; what is not there is removed already.
///
/// No symlink is followed. Folders without permissions are opened first, and a folder in a folder is
/// moved up before it is looked into, so no depth of nesting exhausts stack, paths or descriptors.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
        Ok(found) if !found.is_dir() => return fs::remove_file(path),
        Ok(_) => {}
    }
    open_up(path)?;
    let mut moved_up = 0_u64;
    loop {
        let mut folders = 0;
        for folder in fs::read_dir(path)? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                fs::remove_file(folder.path())?;
                continue;
            }
            folders += 1;
            open_up(&folder.path())?;
            for entry in fs::read_dir(folder.path())? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    // A folder that moves changes its "..", which needs the right to write to it.
                    open_up(&entry.path())?;
                    fs::rename(entry.path(), free_name(path, &mut moved_up))?;
                } else {
                    fs::remove_file(entry.path())?;
                }
            }
            fs::remove_dir(folder.path())?;
        }
        if folders == 0 {
            return fs::remove_dir(path);
        }
    }
}

fn owner(path: &Path) -> io::Result<u32> {
    Ok(fs::symlink_metadata(path)?.uid())
}

/// Lets the owner list and change a folder.
fn open_up(folder: &Path) -> io::Result<()> {
    // Opened without following a last symlink, and changed by that handle.
    let handle = fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY)
        .open(folder)?;
    if handle.metadata()?.permissions().mode() & 0o700 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(format!("/proc/self/fd/{}", handle.as_raw_fd()), fs::Permissions::from_mode(0o700))
}

fn free_name(folder: &Path, counter: &mut u64) -> std::path::PathBuf {
    loop {
        *counter += 1;
        let name = folder.join(format!("{counter}"));
        if fs::symlink_metadata(&name).is_err() {
            return name;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_symlink_points_to_survives() {
        let dir = tempfile::tempdir().unwrap();
        let (home, outside) = (dir.path().join("home"), dir.path().join("outside"));
        fs::create_dir_all(home.join("a/b")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        symlink(&outside, home.join("link")).unwrap();
        symlink(&outside, home.join("a/b/link")).unwrap();
        symlink(outside.join("kept"), home.join("a/file-link")).unwrap();

        remove(&home).unwrap();

        assert!(!home.exists());
        assert!(outside.join("kept").exists());
    }

    #[test]
    fn a_home_that_is_itself_a_symlink_loses_only_the_link() {
        let dir = tempfile::tempdir().unwrap();
        let (home, outside) = (dir.path().join("home"), dir.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        symlink(&outside, &home).unwrap();

        remove(&home).unwrap();

        assert!(outside.join("kept").exists());
        assert!(fs::symlink_metadata(&home).is_err());
    }

    #[test]
    fn odd_permissions_and_names_are_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        fs::create_dir_all(home.join("1/2/3")).unwrap();
        fs::write(home.join("1/2/3/file"), "").unwrap();
        fs::write(home.join("2"), "").unwrap();
        for folder in ["1/2/3", "1/2", "1", ""] {
            fs::set_permissions(home.join(folder), fs::Permissions::from_mode(0o000)).unwrap();
        }

        remove(&home).unwrap();

        assert!(!home.exists());
    }

    #[test]
    fn nesting_deeper_than_any_path_may_be_long_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        // Built from the inside out: each round puts the tree so far into a new folder.
        for _ in 0..3000 {
            let outer = dir.path().join("outer");
            fs::create_dir(&outer).unwrap();
            fs::rename(&home, outer.join("a-name-of-some-length")).unwrap();
            fs::rename(&outer, &home).unwrap();
        }

        remove(&home).unwrap();

        assert!(!home.exists());
    }

    #[test]
    fn what_is_not_there_is_removed_already() {
        let dir = tempfile::tempdir().unwrap();

        remove(&dir.path().join("nothing")).unwrap();
    }
}
