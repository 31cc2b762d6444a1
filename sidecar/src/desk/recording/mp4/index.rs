//! Where each picture lies in the file: read from the fragments, written as the tables of a plain file.

use super::{
    KEY, MATRIX, Sample, TIMESCALE, TRACK,
    boxes::{find, put, put_full, put_u16, put_u32, put_u64, u32_at, u64_at},
};

/// What a box at the file's top level is, by its first sixteen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Piece {
    Movie,
    Fragment,
    /// The data of the fragment before it.
    Data,
    /// All that a sealed file holds.
    Sealed,
    Other,
}

/// The kind and length of the box that begins with `head`; `None` when there is none.
pub(in super::super) fn piece(head: &[u8; 16]) -> Option<(Piece, u64)> {
    let short = u32_at(head, 0)?;
    let piece = match &head[4..8] {
        b"moov" => Piece::Movie,
        b"moof" => Piece::Fragment,
        b"mdat" if short == 1 => Piece::Sealed,
        b"mdat" => Piece::Data,
        b"ftyp" | b"free" => Piece::Other,
        _ => return None,
    };
    let length = if short == 1 { u64_at(head, 8)? } else { u64::from(short) };
    (length >= 8).then_some((piece, length))
}

/// The pictures of a file, by fragment.
#[derive(Debug, Default)]
pub(in super::super) struct Index {
    samples: Vec<Sample>,
    /// Where each fragment's data begins, and with which sample.
    chunks: Vec<(u64, usize)>,
    /// When the last sample ends.
    end: u64,
}

impl Index {
    /// Takes in a fragment that stands at `at`; `data` is the length of what its data box holds.
    /// `None` when it is not one of ours.
    pub(in super::super) fn add(&mut self, at: u64, fragment: &[u8], data: u64) -> Option<()> {
        let content = fragment.get(8..)?;
        let traf = find(content, &[b"traf"])?;
        let mut time = u64_at(find(traf, &[b"tfdt"])?, 4)?;
        let run = find(traf, &[b"trun"])?;
        let count = u32_at(run, 4)? as usize;
        let entries = run.get(12..)?;
        if count == 0 || entries.len() != count.checked_mul(12)? || time < self.end {
            return None;
        }
        let mut samples = Vec::with_capacity(count);
        let mut total = 0;
        for entry in entries.chunks_exact(12) {
            let (duration, length) = (u32_at(entry, 0)?, u32_at(entry, 4)?);
            samples.push(Sample { time, length, key: u32_at(entry, 8)? == KEY });
            time = time.checked_add(u64::from(duration))?;
            total += u64::from(length);
        }
        if total != data {
            return None;
        }
        self.chunks.push((at + fragment.len() as u64 + 8, self.samples.len()));
        self.samples.append(&mut samples);
        self.end = time;
        Some(())
    }

    pub(in super::super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// The index as a box, for the file whose own movie box is `movie`. The last picture stays until `end`.
    pub(in super::super) fn write(mut self, opening: &[u8], end: u64) -> Option<Vec<u8>> {
        let inside = find(opening, &[b"moov"])?;
        let tkhd = find(inside, &[b"trak", b"tkhd"])?;
        let edge = |at: usize| Some((u32_at(tkhd, tkhd.len().checked_sub(at)?)? >> 16) as u16);
        let size = (edge(8)?, edge(4)?);
        let entries = find(inside, &[b"trak", b"mdia", b"minf", b"stbl", b"stsd"])?;
        let mut description = Vec::with_capacity(entries.len() + 8);
        put(&mut description, b"stsd", |out| out.extend_from_slice(entries));
        self.end = self.end.max(end);
        let duration = u32::try_from(self.end).ok()?;
        Some(movie(size, &description, &self, duration))
    }
}

/// The `moov` box; with an empty index it announces fragments.
pub(super) fn movie(size: (u16, u16), description: &[u8], index: &Index, duration: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, b"moov", |out| {
        put_full(out, b"mvhd", 0, 0, |out| {
            out.extend_from_slice(&[0; 8]);
            put_u32(out, TIMESCALE);
            put_u32(out, duration);
            put_u32(out, 0x10000);
            put_u16(out, 0x100);
            out.extend_from_slice(&[0; 10]);
            MATRIX.iter().for_each(|value| put_u32(out, *value));
            out.extend_from_slice(&[0; 24]);
            put_u32(out, TRACK + 1);
        });
        put(out, b"trak", |out| {
            // Enabled, and part of the presentation.
            put_full(out, b"tkhd", 0, 3, |out| {
                out.extend_from_slice(&[0; 8]);
                put_u32(out, TRACK);
                put_u32(out, 0);
                put_u32(out, duration);
                out.extend_from_slice(&[0; 16]);
                MATRIX.iter().for_each(|value| put_u32(out, *value));
                put_u32(out, u32::from(size.0) << 16);
                put_u32(out, u32::from(size.1) << 16);
            });
            put(out, b"mdia", |out| {
                put_full(out, b"mdhd", 0, 0, |out| {
                    out.extend_from_slice(&[0; 8]);
                    put_u32(out, TIMESCALE);
                    put_u32(out, duration);
                    // The language "und", in five bits a letter.
                    put_u16(out, 0x55c4);
                    put_u16(out, 0);
                });
                put_full(out, b"hdlr", 0, 0, |out| {
                    put_u32(out, 0);
                    out.extend_from_slice(b"vide");
                    out.extend_from_slice(&[0; 12]);
                    out.extend_from_slice(b"screen\0");
                });
                put(out, b"minf", |out| {
                    put_full(out, b"vmhd", 0, 1, |out| out.extend_from_slice(&[0; 8]));
                    put(out, b"dinf", |out| {
                        put_full(out, b"dref", 0, 0, |out| {
                            put_u32(out, 1);
                            // In this very file.
                            put_full(out, b"url ", 0, 1, |_| {});
                        });
                    });
                    put(out, b"stbl", |out| {
                        out.extend_from_slice(description);
                        put_tables(out, index);
                    });
                });
            });
        });
        if index.is_empty() {
            put(out, b"mvex", |out| {
                put_full(out, b"trex", 0, 0, |out| {
                    put_u32(out, TRACK);
                    put_u32(out, 1);
                    out.extend_from_slice(&[0; 12]);
                });
            });
        }
    });
    out
}

fn put_tables(out: &mut Vec<u8>, index: &Index) {
    let samples = &index.samples;
    let times = samples.iter().map(|sample| sample.time).chain([index.end]).collect::<Vec<_>>();
    let durations: Vec<u64> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    put_full(out, b"stts", 0, 0, |out| {
        let runs: Vec<_> = durations.chunk_by(|a, b| a == b).collect();
        put_u32(out, runs.len() as u32);
        for run in runs {
            put_u32(out, run.len() as u32);
            put_u32(out, run[0] as u32);
        }
    });
    put_full(out, b"stsc", 0, 0, |out| {
        let ends = index.chunks.iter().skip(1).map(|(_, first)| *first).chain([samples.len()]);
        let counts: Vec<_> = index.chunks.iter().zip(ends).map(|((_, first), end)| end - first).collect();
        let mut runs = Vec::new();
        for (chunk, count) in counts.iter().enumerate() {
            if chunk == 0 || counts[chunk - 1] != *count {
                runs.push((chunk as u32 + 1, *count as u32));
            }
        }
        put_u32(out, runs.len() as u32);
        for (chunk, count) in runs {
            put_u32(out, chunk);
            put_u32(out, count);
            put_u32(out, 1);
        }
    });
    put_full(out, b"stsz", 0, 0, |out| {
        put_u32(out, 0);
        put_u32(out, samples.len() as u32);
        samples.iter().for_each(|sample| put_u32(out, sample.length));
    });
    let keys: Vec<u32> = (1..).zip(samples).filter(|(_, sample)| sample.key).map(|(number, _)| number).collect();
    put_full(out, b"stss", 0, 0, |out| {
        put_u32(out, keys.len() as u32);
        keys.iter().for_each(|number| put_u32(out, *number));
    });
    put_full(out, b"co64", 0, 0, |out| {
        put_u32(out, index.chunks.len() as u32);
        index.chunks.iter().for_each(|(at, _)| put_u64(out, *at));
    });
}
