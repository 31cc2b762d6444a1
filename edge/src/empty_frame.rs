//! Workaround for pingora's bug #935: a request whose body ends with an empty frame ends twice.
//!
//! An HTTP/2 client may close its body with an empty DATA frame. pingora hands that on as "zero bytes, and
//! that is the end"; written to a chunked HTTP/1.1 upstream, the zero bytes are the last chunk, and the end is another
//! one. The second terminator stays in the pooled connection and becomes the beginning of the next
//! request, perhaps another user's. "Nothing, and that is the end" is written once.

use bytes::Bytes;

/// To be called on every piece of a request's body, `end` with the last one.
pub(crate) fn drop_empty_end(body: &mut Option<Bytes>, end: bool) {
    if end && body.as_ref().is_some_and(Bytes::is_empty) {
        *body = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_last_piece_is_dropped() {
        let dropped = |piece: Option<&'static [u8]>, end| {
            let mut body = piece.map(Bytes::from_static);
            drop_empty_end(&mut body, end);
            body
        };

        assert_eq!(dropped(Some(b""), true), None);
        assert_eq!(dropped(Some(b"x"), true).as_deref(), Some(b"x".as_slice()));
        assert_eq!(dropped(Some(b""), false).as_deref(), Some(b"".as_slice()));
        assert_eq!(dropped(None, true), None);
    }
}
