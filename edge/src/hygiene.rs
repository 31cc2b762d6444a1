//! Refuses requests that two programs might read differently: odd hosts, odd paths.

use pingora::http::RequestHeader;
use protocol::error::{Code, Problem};

/// A request whose host and path mean one thing only.
pub(crate) fn check(request: &RequestHeader) -> Result<(), Problem> {
    check_host(request)?;
    let target = request.raw_path();
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    check_path(path).map_err(|why| malformed(&why))?;
    if target.iter().any(|byte| !byte.is_ascii_graphic() || *byte == b'#') {
        return Err(malformed("the address has a character that must be percent-encoded"));
    }
    Ok(())
}

/// A path is refused when some program on the way might resolve it to another one.
pub(crate) fn check_path(path: &[u8]) -> Result<(), String> {
    if path.first() != Some(&b'/') {
        return Err("the path does not begin with a slash".into());
    }
    if path.windows(2).any(|two| two == b"//") {
        return Err("the path has an empty segment".into());
    }
    for segment in path.split(|byte| *byte == b'/') {
        let decoded = decode(segment).ok_or("a percent sign in the path is not followed by two hex digits")?;
        if decoded.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f)) {
            return Err("a slash, backslash or control character stands inside a path segment".into());
        }
        if decoded == b"." || decoded == b".." {
            return Err("the path has a dot segment".into());
        }
    }
    Ok(())
}

/// Percent-decodes one segment; `None` when an escape is not whole.
pub(crate) fn decode(segment: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'%' {
            let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(*byte);
        }
    }
    Some(decoded)
}

fn check_host(request: &RequestHeader) -> Result<(), Problem> {
    let mut hosts = request.headers.get_all(http::header::HOST).iter();
    let header = hosts.next().map(|host| host.as_bytes());
    if hosts.next().is_some() {
        return Err(malformed("there are two Host headers"));
    }
    let authority = request.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = header.or(authority).unwrap_or_default();
    if is_host(host) { Ok(()) } else { Err(malformed("the Host header is missing or is not a host")) }
}

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`.
fn is_host(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let (name, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", if rest.is_empty() { None } else { rest.strip_prefix(':').or(Some("")) })
        }
        None => host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))),
    };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    let port_is_one = port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok());
    plain && port_is_one && (1..=253).contains(&name.len())
}

fn malformed(why: &str) -> Problem {
    Problem::new(Code::MalformedRequest, format!("The request was refused: {why}."))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_refused() {
        for path in [
            "",
            "api",
            "/a/../b",
            "/..",
            "/a/.",
            "//a",
            "/a//b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a%5Cb",
            "/%2e%2e/a",
            "/%2E./a",
            "/.%2e",
            "/a%00b",
            "/a%0ab",
            "/a\\b",
            "/a%",
            "/a%4",
            "/a%zz",
            "/%7f",
        ] {
            assert!(check_path(path.as_bytes()).is_err(), "{path}");
        }
    }

    #[test]
    fn ordinary_paths_pass() {
        for path in
            ["/", "/api/v1/desktops", "/files/a%20b%C3%BC.txt", "/a/", "/...", "/.well-known", "/%25", "/a%252fb"]
        {
            assert_eq!(check_path(path.as_bytes()), Ok(()), "{path}");
        }
    }

    #[test]
    fn only_hosts_are_hosts() {
        for host in ["localhost", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:8080", "a-b.example.org"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["", ":80", "a b", "a/b", "a@b", "a:b", "a:99999", "[::1", "[x]:1", "[::1]x", "a:1:2", "a\u{e9}"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    proptest! {
        #[test]
        fn a_path_that_passes_stays_inside_whoever_resolves_it(path in "(/(a|\\.|%2e|%2E|%2f|%5c|%25|%252e|%|\\\\|b%20){0,3}){1,5}") {
            if check_path(path.as_bytes()).is_err() {
                return Ok(());
            }

            // Resolve it as a file system does, as it stands and decoded.
            let once = String::from_utf8_lossy(&decode(path.as_bytes()).unwrap()).into_owned();
            for text in [path.as_str(), once.as_str()] {
                let mut depth = 0_i32;
                for part in text.split(['/', '\\']) {
                    depth += match part { "" | "." => 0, ".." => -1, _ => 1 };
                    prop_assert!(depth >= 0, "{text}");
                }
                prop_assert!(!text.split('/').any(|part| part == ".."));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(path in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = check_path(&path);
            let _ = is_host(&path);
        }
    }
}
