//! Frames of the link: a `u32` big-endian length, then that many bytes.

use std::io;

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A JSON frame, in bytes: the largest is a command's output or a file's view, escaped.
pub const MAX_JSON: u32 = 4 << 20;
/// A picture, in bytes: 3840x2160 as an incompressible PNG.
pub const MAX_BYTES: u32 = 40 << 20;

/// Writes a JSON frame.
pub async fn write_json<W: AsyncWrite + Unpin, T: Serialize>(to: &mut W, value: &T) -> io::Result<()> {
    write_bytes(to, &serde_json::to_vec(value)?).await
}

/// Writes a frame of plain bytes.
pub async fn write_bytes<W: AsyncWrite + Unpin>(to: &mut W, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| too_large(u32::MAX))?;
    to.write_all(&length.to_be_bytes()).await?;
    to.write_all(bytes).await?;
    to.flush().await
}

/// Reads a JSON frame of at most [`MAX_JSON`] bytes.
pub async fn read_json<R: AsyncRead + Unpin, T: DeserializeOwned>(from: &mut R) -> io::Result<T> {
    Ok(serde_json::from_slice(&read(from, MAX_JSON).await?)?)
}

/// Reads a frame of plain bytes, at most [`MAX_BYTES`].
pub async fn read_bytes<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Vec<u8>> {
    read(from, MAX_BYTES).await
}

async fn read<R: AsyncRead + Unpin>(from: &mut R, limit: u32) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    if length > limit {
        return Err(too_large(length));
    }
    // Grows with what really arrives: a length alone allocates nothing.
    let mut bytes = Vec::new();
    let read = from.take(u64::from(length)).read_to_end(&mut bytes).await?;
    if read as u64 == u64::from(length) { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn too_large(length: u32) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes is larger than the link allows"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_reads_back_as_it_was_written() {
        let mut pipe = Vec::new();
        write_json(&mut pipe, &vec!["a", "ü"]).await.unwrap();
        write_bytes(&mut pipe, &[0, 255]).await.unwrap();

        let mut from = pipe.as_slice();

        assert_eq!(read_json::<_, Vec<String>>(&mut from).await.unwrap(), ["a", "ü"]);
        assert_eq!(read_bytes(&mut from).await.unwrap(), [0, 255]);
    }

    #[tokio::test]
    async fn a_length_over_the_bound_is_refused_before_anything_is_read() {
        let mut from: &[u8] = &u32::MAX.to_be_bytes();

        let refused = read_bytes(&mut from).await.unwrap_err();

        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[tokio::test]
    async fn a_frame_that_breaks_off_is_an_error_not_a_short_answer() {
        let mut from: &[u8] = &[0, 0, 0, 4, 1, 2];

        assert_eq!(read_bytes(&mut from).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
