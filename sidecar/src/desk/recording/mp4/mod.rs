//! An MP4 file of one H.264 track, without I/O.
//!
//! While it grows it is a fragmented file: each fragment is complete in itself, so whatever ends the writer
//! leaves a file that plays. When it is done, an index is appended, and sixteen bytes at its beginning turn
//! all that came before into mere data ([`seal`]): now it is a plain file that every player can seek in.

mod boxes;
mod index;

use boxes::{put, put_full, put_u16, put_u32, put_u64};

pub(super) use index::{Index, Piece, piece};

/// Ticks of a second: times are milliseconds.
const TIMESCALE: u32 = 1000;
const TRACK: u32 = 1;
/// No rotation, no scaling.
const MATRIX: [u32; 9] = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000];
const KEY: u32 = 0x0200_0000;
const NOT_KEY: u32 = 0x0101_0000;

/// What a decoder must know before the first picture.
pub(super) struct Track {
    pub(super) width: u16,
    pub(super) height: u16,
    /// Parameter sets as the encoder gave them, without start codes.
    pub(super) sps: Vec<u8>,
    pub(super) pps: Vec<u8>,
}

/// One coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) time: u64,
    pub(super) length: u32,
    pub(super) key: bool,
}

/// Where the sixteen bytes stand that [`seal`] replaces.
pub(super) const SEAL_AT: u64 = 28;

/// All that comes before the first fragment.
pub(super) fn opening(track: &Track) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"isom\0\0\x02\0isomiso6mp41");
    });
    debug_assert_eq!(out.len() as u64, SEAL_AT);
    put(&mut out, b"free", |out| put_u64(out, 0));
    let mut description = Vec::new();
    put_description(&mut description, track);
    let size = (track.width, track.height);
    out.extend_from_slice(&index::movie(size, &description, &Index::default(), 0));
    out
}

/// Replaces the bytes at [`SEAL_AT`] in a file whose index begins at `end`.
pub(super) fn seal(end: u64) -> [u8; 16] {
    let mut seal = [0; 16];
    seal[..4].copy_from_slice(&1u32.to_be_bytes());
    seal[4..8].copy_from_slice(b"mdat");
    seal[8..].copy_from_slice(&(end - SEAL_AT).to_be_bytes());
    seal
}

/// The head of a fragment; the samples' bytes follow it. `end` is when its last sample ends.
pub(super) fn fragment(number: u32, samples: &[Sample], end: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let begins = samples.first().map_or(0, |first| first.time);
    let mut data_offset = 0;
    put(&mut out, b"moof", |out| {
        put_full(out, b"mfhd", 0, 0, |out| put_u32(out, number));
        put(out, b"traf", |out| {
            // Offsets count from this fragment's beginning.
            put_full(out, b"tfhd", 0, 0x02_0000, |out| put_u32(out, TRACK));
            put_full(out, b"tfdt", 1, 0, |out| put_u64(out, begins));
            // With offset, and each sample with duration, size and flags.
            put_full(out, b"trun", 0, 0x701, |out| {
                put_u32(out, samples.len() as u32);
                data_offset = out.len();
                put_u32(out, 0);
                for (i, sample) in samples.iter().enumerate() {
                    let next = samples.get(i + 1).map_or(end, |next| next.time);
                    put_u32(out, next.saturating_sub(sample.time) as u32);
                    put_u32(out, sample.length);
                    put_u32(out, if sample.key { KEY } else { NOT_KEY });
                }
            });
        });
    });
    let offset = (out.len() + 8) as u32;
    out[data_offset..data_offset + 4].copy_from_slice(&offset.to_be_bytes());
    let length: u32 = samples.iter().map(|sample| sample.length).sum();
    put_u32(&mut out, length + 8);
    out.extend_from_slice(b"mdat");
    out
}

fn put_description(out: &mut Vec<u8>, track: &Track) {
    put_full(out, b"stsd", 0, 0, |out| {
        put_u32(out, 1);
        put(out, b"avc1", |out| {
            out.extend_from_slice(&[0; 6]);
            put_u16(out, 1);
            out.extend_from_slice(&[0; 16]);
            put_u16(out, track.width);
            put_u16(out, track.height);
            put_u32(out, 72 << 16);
            put_u32(out, 72 << 16);
            put_u32(out, 0);
            put_u16(out, 1);
            out.extend_from_slice(&[0; 32]);
            put_u16(out, 24);
            put_u16(out, u16::MAX);
            put(out, b"avcC", |out| {
                out.push(1);
                // Profile, compatibility and level stand in the parameter set itself.
                out.extend((1..4).map(|at| track.sps.get(at).copied().unwrap_or_default()));
                // Lengths of four bytes; one parameter set of each kind.
                out.extend_from_slice(&[0xff, 0xe1]);
                put_u16(out, track.sps.len() as u16);
                out.extend_from_slice(&track.sps);
                out.push(1);
                put_u16(out, track.pps.len() as u16);
                out.extend_from_slice(&track.pps);
            });
        });
    });
}
