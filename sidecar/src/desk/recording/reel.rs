//! The file of a recording: fragments are appended whole, and an index at the end makes it a plain MP4.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
};

use super::mp4::{self, Index, Piece, Sample, Track};

/// How much may be lost when the desk is killed.
pub(super) const FRAGMENT_MS: u64 = 2_000;
const FRAGMENT_BYTES: usize = 1 << 20;
/// No fragment of ours is longer: it holds a key frame and what fits beside it.
const MAX_FRAGMENT_HEAD: u64 = 1 << 20;
/// Before the first fragment: some hundreds of bytes.
const MAX_OPENING: u64 = 64 << 10;
/// A desktop whose disk is full cannot be worked on, so a recording leaves some of it.
const RESERVED_BYTES: u64 = 256 << 20;

pub(super) struct Reel {
    file: File,
    written: u64,
    fragments: u32,
    /// What comes with the next fragment.
    samples: Vec<Sample>,
    data: Vec<u8>,
}

impl Reel {
    /// Begins a file that is not there yet.
    pub(super) fn begin(path: &Path, track: &Track) -> io::Result<Reel> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let mut reel = Reel { file, written: 0, fragments: 0, samples: Vec::new(), data: Vec::new() };
        reel.find_room()?;
        reel.append(&mp4::opening(track))?;
        Ok(reel)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.written + self.data.len() as u64
    }

    /// When what was added is to be flushed, if anything was.
    pub(super) fn due(&self) -> Option<u64> {
        self.samples.first().map(|first| first.time + FRAGMENT_MS)
    }

    /// Adds a picture that is shown from `time` on; times only grow.
    pub(super) fn add(&mut self, time: u64, key: bool, data: &[u8]) -> io::Result<()> {
        if key || self.data.len() + data.len() > FRAGMENT_BYTES {
            self.flush(time)?;
        }
        self.samples.push(Sample { time, length: data.len() as u32, key });
        self.data.extend_from_slice(data);
        Ok(())
    }

    /// Writes what was added; the last picture is known to stay until `now`.
    pub(super) fn flush(&mut self, now: u64) -> io::Result<()> {
        if !self.samples.is_empty() {
            self.find_room()?;
        }
        self.write_pending(now)
    }

    fn write_pending(&mut self, now: u64) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        let mut fragment = mp4::fragment(self.fragments + 1, &self.samples, now);
        fragment.append(&mut self.data);
        self.samples.clear();
        self.append(&fragment)?;
        self.fragments += 1;
        Ok(())
    }

    /// Ends the recording at `now`. The file plays even when this fails.
    pub(super) fn finish(&mut self, now: u64) -> io::Result<()> {
        // What is seen already may use some of what is kept free.
        let flushed = self.write_pending(now);
        let finished = finish(&self.file, now);
        self.written = finished?;
        flushed
    }

    /// A recording leaves the desktop the room that it needs.
    fn find_room(&self) -> io::Result<()> {
        let room = nix::sys::statvfs::fstatvfs(&self.file)?;
        if (room.blocks_available() as u64).saturating_mul(room.fragment_size() as u64) < RESERVED_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(bytes, self.written) {
            // What is there of it would stand in the way of what follows.
            let _ = self.file.set_len(self.written);
            return Err(error);
        }
        self.written += bytes.len() as u64;
        Ok(())
    }
}

/// Makes a plain file of whatever a killed desk left at `path`.
pub(super) fn mend(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
    finish(&file, 0).map(drop)
}

/// Appends the index to a file of fragments, and seals it; a sealed file stays as it is. Answers its length.
fn finish(file: &File, end: u64) -> io::Result<u64> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "not a recording of ours");
    let length = file.metadata()?.len();
    let (mut at, mut opening, mut index, mut whole) = (0, None, Index::default(), 0);
    let mut fragment: Option<(u64, Vec<u8>)> = None;
    let mut head = [0; 16];
    while file.read_exact_at(&mut head, at).is_ok()
        && let Some((piece, size)) = mp4::piece(&head)
        && at.checked_add(size).is_some_and(|end| end <= length)
    {
        match piece {
            Piece::Sealed => return Ok(length),
            Piece::Movie if opening.is_none() && size <= MAX_OPENING => {
                opening = Some(read(file, at, size)?);
                whole = at + size;
            }
            Piece::Fragment if size <= MAX_FRAGMENT_HEAD => fragment = Some((at, read(file, at, size)?)),
            Piece::Data => {
                let Some((begins, head)) = fragment.take() else { break };
                if index.add(begins, &head, size - 8).is_none() {
                    break;
                }
                whole = at + size;
            }
            Piece::Other if opening.is_none() => {}
            _ => break,
        }
        at += size;
    }
    let opening = opening.ok_or_else(strange)?;
    if index.is_empty() {
        return Err(strange());
    }
    let index = index.write(&opening, end).ok_or_else(strange)?;
    // Behind the last whole fragment there is at most the beginning of another, or an index without a seal.
    file.set_len(whole)?;
    file.write_all_at(&index, whole)?;
    file.sync_data()?;
    file.write_all_at(&mp4::seal(whole), mp4::SEAL_AT)?;
    file.sync_data()?;
    Ok(whole + index.len() as u64)
}

fn read(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track() -> Track {
        Track { width: 64, height: 48, sps: vec![0x67, 66, 0, 30, 1], pps: vec![0x68, 1] }
    }

    fn recorded(path: &Path) -> Reel {
        let mut reel = Reel::begin(path, &track()).unwrap();
        for time in [0, 100, 250, 5_000, 5_100] {
            reel.add(time, time % 5_000 == 0, &[time as u8; 40]).unwrap();
        }
        reel.flush(5_200).unwrap();
        reel
    }

    #[test]
    fn what_a_killed_desk_left_is_mended_and_mending_it_again_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        drop(recorded(&path));
        let whole = std::fs::read(&path).unwrap();
        // A fragment that was cut off in the middle.
        std::fs::write(
            &path,
            [&whole[..], &mp4::fragment(3, &[Sample { time: 9_000, length: 9, key: true }], 1)].concat(),
        )
        .unwrap();

        mend(&path).unwrap();

        let mended = std::fs::read(&path).unwrap();
        assert_eq!(mended[44..whole.len()], whole[44..]);
        assert_eq!(&mended[32..36], b"mdat");
        mend(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), mended);
    }

    #[test]
    fn an_index_without_its_seal_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.mp4"), folder.path().join("b.mp4"));
        recorded(&path).finish(5_200).unwrap();
        let finished = std::fs::read(&path).unwrap();
        let mut unsealed = finished.clone();
        unsealed[28..44].copy_from_slice(b"\0\0\0\x10free\0\0\0\0\0\0\0\0");
        std::fs::write(&other, unsealed).unwrap();

        mend(&other).unwrap();

        assert_eq!(std::fs::read(&other).unwrap(), finished);
    }

    #[test]
    fn a_file_that_is_no_recording_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        for bytes in [&b""[..], b"hello", &[0; 100], b"\0\0\0\x10moov\0\0\0\x08trak", &[0xff; 64]] {
            std::fs::write(&path, bytes).unwrap();

            assert!(mend(&path).is_err());
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }
}
