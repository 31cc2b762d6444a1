//! JPEG from pixels where they lie: no copy of rows, one compressor and one buffer for many pictures.

pub(super) use turbojpeg::{Error, Image, PixelFormat, Subsamp};

/// No side of a JPEG is longer.
pub(super) const MAX_SIDE: u32 = 65_500;

pub(super) struct Jpeg {
    compressor: turbojpeg::Compressor,
    /// Long enough for the largest picture so far; pages of it that no picture needed were never touched.
    buffer: Vec<u8>,
}

impl Jpeg {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self { compressor: turbojpeg::Compressor::new()?, buffer: Vec::new() })
    }

    /// The picture as a JPEG of quality 1 to 100, which is good until the next one.
    pub(super) fn encode(&mut self, image: Image<&[u8]>, quality: u8, sampling: Subsamp) -> Result<&[u8], Error> {
        self.compressor.set_quality(quality.into())?;
        self.compressor.set_subsamp(sampling)?;
        let needed = self.compressor.buf_len(image.width, image.height)?;
        if self.buffer.len() < needed {
            self.buffer = vec![0; needed];
        }
        let length = self.compressor.compress_to_slice(image, &mut self.buffer)?;
        Ok(&self.buffer[..length])
    }
}
