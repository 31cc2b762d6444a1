//! A zlib stream that lives as long as its viewer, and ends each rectangle at a byte.

use flate2::{Compress, Compression, FlushCompress, Status};

pub(super) struct Stream {
    zlib: Compress,
    level: u32,
}

impl Stream {
    pub(super) fn new(level: u32) -> Self {
        Self { zlib: Compress::new(Compression::new(level), true), level }
    }

    pub(super) fn level(&self) -> u32 {
        self.level
    }

    /// Forgets what went through it, as a viewer does that is told to reset its own.
    pub(super) fn reset(&mut self) {
        self.zlib.reset();
    }

    /// Appends `data`, compressed and flushed: the viewer can read all of it from what was written so far.
    pub(super) fn compress(&mut self, mut data: &[u8], out: &mut Vec<u8>) {
        loop {
            if out.capacity() - out.len() < 64 {
                out.reserve(data.len() / 2 + 1024);
            }
            let before = self.zlib.total_in();
            let status = self.zlib.compress_vec(data, out, FlushCompress::Sync);
            data = &data[(self.zlib.total_in() - before) as usize..];
            // Room left means that the flush is complete.
            let done = data.is_empty() && out.len() < out.capacity();
            if done || !matches!(status, Ok(Status::Ok)) {
                return;
            }
        }
    }
}

/// How much time an update may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Little data: compressed well, which costs a fraction of a millisecond.
    Thorough,
    /// Much data: half the bytes would cost five times the time.
    Quick,
}

/// The level of zlib for a viewer's wish of 0 (fastest) to 9 (smallest).
///
/// Thorough levels above 6 cost ten times as much for one byte in twenty.
pub(super) fn level(wish: Option<u8>, effort: Effort) -> u32 {
    match (wish.unwrap_or(2), effort) {
        (0, _) => 1,
        (1, Effort::Thorough) => 2,
        (2, Effort::Thorough) => 3,
        (_, Effort::Thorough) => 6,
        (..=2, Effort::Quick) => 1,
        (3..=5, Effort::Quick) => 2,
        (_, Effort::Quick) => 4,
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Decompress, FlushDecompress};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn each_piece_can_be_read_before_the_next_is_written(
            pieces in prop::collection::vec(prop::collection::vec(0_u8..5, 1..20_000), 1..6), level in 1_u32..7,
        ) {
            let (mut stream, mut reader) = (Stream::new(level), Decompress::new(true));
            for piece in pieces {
                let (mut wire, mut read) = (Vec::new(), Vec::with_capacity(piece.len() + 1));
                stream.compress(&piece, &mut wire);
                reader.decompress_vec(&wire, &mut read, FlushDecompress::Sync).unwrap();
                prop_assert_eq!(read, piece);
            }
        }
    }

    #[test]
    fn noise_that_does_not_shrink_comes_through_whole() {
        let mut seed = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .take(500_000)
        .collect();
        let (mut wire, mut read) = (Vec::new(), Vec::with_capacity(noise.len() + 1));

        Stream::new(1).compress(&noise, &mut wire);
        Decompress::new(true).decompress_vec(&wire, &mut read, FlushDecompress::Sync).unwrap();

        assert!(read == noise);
    }
}
