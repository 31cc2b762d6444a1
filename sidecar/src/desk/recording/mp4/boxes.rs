//! How boxes are written and found.

/// Appends a box whose content `fill` writes.
pub(super) fn put(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let length = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// The same with version and flags before the content.
pub(super) fn put_full(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    put(out, kind, |out| {
        put_u32(out, u32::from(version) << 24 | flags);
        fill(out);
    });
}

pub(super) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(super) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// The content of the first box of that path, one kind in the other.
pub(super) fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let (first, rest) = path.split_first()?;
    let mut bytes = bytes;
    loop {
        let length = u32_at(bytes, 0)? as usize;
        let whole = bytes.get(..length)?;
        let content = whole.get(8..)?;
        if whole.get(4..8)? == *first {
            return if rest.is_empty() { Some(content) } else { find(content, rest) };
        }
        bytes = &bytes[length..];
    }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_box_is_found_by_its_path() {
        let mut out = Vec::new();
        put(&mut out, b"free", |_| {});
        put(&mut out, b"moov", |out| {
            put(out, b"trak", |out| put_full(out, b"tkhd", 1, 3, |out| put_u16(out, 7)));
        });

        assert_eq!(find(&out, &[b"moov", b"trak", b"tkhd"]), Some([1, 0, 0, 3, 0, 7].as_slice()));
        assert_eq!(find(&out, &[b"moov", b"udta"]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_search_panic(bytes: Vec<u8>) {
            let _ = find(&bytes, &[b"moov", b"trak"]);
        }
    }
}
