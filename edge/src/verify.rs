//! Who asks, and is it really they: credentials, and the checks that keep other sites out of a browser's session.

use http::{HeaderMap, Method, header};
use protocol::{
    edge::Credential,
    error::{Code, Problem},
    paths::{ACCESS_COOKIE, ACCESS_COOKIE_TLS, REQUEST_HEADER},
};
use url::Url;

use crate::headers;

/// Longer than any token of ours.
const MAX_CREDENTIAL: usize = 4096;

/// What the edge demands of a browser.
#[derive(Debug, Clone)]
pub(crate) struct Browsers {
    /// Exactly as browsers send them.
    origins: Vec<String>,
    cookie: &'static str,
}

impl Browsers {
    /// For the address that people type. On loopback, `localhost` and `127.0.0.1` are the same place.
    pub(crate) fn at(public_url: &Url) -> Self {
        let mut origins = vec![public_url.origin().ascii_serialization()];
        let secure = public_url.scheme() == "https";
        if is_loopback(public_url) {
            for host in ["localhost", "127.0.0.1", "[::1]"] {
                let mut url = public_url.clone();
                if url.set_host(Some(host)).is_ok() {
                    let origin = url.origin().ascii_serialization();
                    if !origins.contains(&origin) {
                        origins.push(origin);
                    }
                }
            }
        }
        Self { origins, cookie: if secure { ACCESS_COOKIE_TLS } else { ACCESS_COOKIE } }
    }

    pub(crate) fn origins(&self) -> &[String] {
        &self.origins
    }

    pub(crate) fn are_secure(&self) -> bool {
        self.cookie == ACCESS_COOKIE_TLS
    }

    /// The credential of a request for a desktop, once it is certain that no other site caused it.
    pub(crate) fn credential(&self, method: &Method, headers: &HeaderMap) -> Result<Credential, Problem> {
        if let Some(authorization) = headers.get(header::AUTHORIZATION) {
            let token = authorization.to_str().ok().and_then(bearer).filter(|token| token.len() <= MAX_CREDENTIAL);
            return token.map(|token| Credential::Bearer(token.to_owned())).ok_or_else(not_signed_in);
        }
        if is_websocket(method, headers) {
            // Whoever has one was given it: no other site can make a browser send it.
            match headers::tickets(headers).as_slice() {
                [] => {}
                [ticket] if ticket.len() <= MAX_CREDENTIAL => return Ok(Credential::Ticket((*ticket).to_owned())),
                _ => return Err(not_signed_in()),
            }
        }
        let cookie = self.cookie(headers).ok_or_else(not_signed_in)?;
        self.check_site(method, headers)?;
        Ok(Credential::Cookie(cookie))
    }

    fn cookie(&self, headers: &HeaderMap) -> Option<String> {
        let lines = headers.get_all(header::COOKIE);
        let mut pairs = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(';'));
        let (_, value) = pairs.find_map(|pair| pair.trim().split_once('=').filter(|(name, _)| *name == self.cookie))?;
        (!value.is_empty() && value.len() <= MAX_CREDENTIAL).then(|| value.to_owned())
    }

    /// Another site can make a browser send its cookies, but neither our origin nor our header.
    fn check_site(&self, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
        let changes = !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let upgrades = headers.contains_key(header::UPGRADE);
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (Some(origin), None) if self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()) => {}
            (None, None) if !changes && !upgrades => {}
            _ => {
                return Err(Problem::new(
                    Code::ForbiddenOrigin,
                    "A browser may do this only from CloudBot's own page. Open CloudBot at the address its operator gave.",
                ));
            }
        }
        if changes && !headers.contains_key(REQUEST_HEADER) {
            return Err(Problem::new(Code::MissingRequestHeader, "Send the header x-cloudbot: 1 with every change."));
        }
        Ok(())
    }
}

fn is_websocket(method: &Method, headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(header::UPGRADE).iter();
    let is_one = upgrades.next().is_some_and(|wanted| wanted.as_bytes().eq_ignore_ascii_case(b"websocket"));
    is_one && upgrades.next().is_none() && *method == Method::GET
}

/// A browser that wants this as a script, a style or a frame would run what a desktop's user or agent wrote, as ours.
pub(crate) fn refuse_embedding(headers: &HeaderMap) -> Result<(), Problem> {
    const RUNS: &[&str] = &[
        "script",
        "worker",
        "serviceworker",
        "sharedworker",
        "audioworklet",
        "paintworklet",
        "style",
        "xslt",
        "object",
        "embed",
        "frame",
        "iframe",
        "manifest",
    ];
    let wanted = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
    if wanted.is_some_and(|wanted| RUNS.contains(&wanted)) {
        return Err(Problem::new(Code::ForbiddenOrigin, "What a desktop serves cannot be embedded in a page."));
    }
    Ok(())
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn not_signed_in() -> Problem {
    Problem::new(Code::NotSignedIn, "Sign in, or send a personal access token as Authorization: Bearer.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn browsers() -> Browsers {
        Browsers::at(&Url::parse("http://localhost:8080").unwrap())
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn code(method: Method, pairs: &[(&'static str, &str)]) -> Result<&'static str, Code> {
        match browsers().credential(&method, &headers(pairs)) {
            Ok(Credential::Cookie(_)) => Ok("cookie"),
            Ok(Credential::Bearer(_)) => Ok("bearer"),
            Ok(Credential::Ticket(_)) => Ok("ticket"),
            Err(problem) => Err(problem.code),
        }
    }

    const COOKIE: (&str, &str) = ("cookie", "a=b; cloudbot_access=jwt; c=d");
    const OWN: (&str, &str) = ("origin", "http://localhost:8080");
    const ASKED: (&str, &str) = ("x-cloudbot", "1");
    const UPGRADE: (&str, &str) = ("upgrade", "websocket");

    #[test]
    fn nobody_is_not_signed_in() {
        assert_eq!(code(Method::GET, &[]), Err(Code::NotSignedIn));
        assert_eq!(code(Method::GET, &[("cookie", "cloudbot_access="), OWN]), Err(Code::NotSignedIn));
        assert_eq!(code(Method::GET, &[("cookie", "__Host-cloudbot_access=x"), OWN]), Err(Code::NotSignedIn));
    }

    #[test]
    fn a_program_needs_no_origin() {
        assert_eq!(code(Method::POST, &[("authorization", "Bearer cbp_x")]), Ok("bearer"));
        assert_eq!(code(Method::GET, &[("authorization", "bearer cbp_x"), UPGRADE]), Ok("bearer"));
    }

    #[test]
    fn a_wrong_authorization_does_not_fall_back_to_the_cookie() {
        for wrong in ["Basic eDp5", "Bearer", "Bearer ", "Bearer a b", "cbp_x"] {
            assert_eq!(code(Method::GET, &[("authorization", wrong), COOKIE, OWN]), Err(Code::NotSignedIn), "{wrong}");
        }
    }

    #[test]
    fn a_ticket_opens_a_websocket_and_nothing_else() {
        let ticket = ("sec-websocket-protocol", "binary, ticket.cbt_x");
        let two = ("sec-websocket-protocol", "ticket.cbt_x, ticket.cbt_y");

        assert_eq!(code(Method::GET, &[UPGRADE, ticket, ("origin", "https://else.example")]), Ok("ticket"));
        assert_eq!(code(Method::GET, &[UPGRADE, ticket, ("authorization", "Bearer cbp_x")]), Ok("bearer"));
        assert_eq!(code(Method::GET, &[ticket]), Err(Code::NotSignedIn));
        assert_eq!(code(Method::POST, &[UPGRADE, ticket]), Err(Code::NotSignedIn));
        assert_eq!(code(Method::GET, &[("upgrade", "x"), ticket]), Err(Code::NotSignedIn));
        assert_eq!(code(Method::GET, &[UPGRADE, two, COOKIE, OWN]), Err(Code::NotSignedIn));
    }

    #[test]
    fn a_browser_reads_from_its_own_origin_or_from_none() {
        assert_eq!(code(Method::GET, &[COOKIE]), Ok("cookie"));
        assert_eq!(code(Method::GET, &[COOKIE, OWN]), Ok("cookie"));
        assert_eq!(code(Method::GET, &[COOKIE, ("origin", "http://127.0.0.1:8080")]), Ok("cookie"));
        assert_eq!(code(Method::GET, &[COOKIE, ("origin", "http://localhost:8081")]), Err(Code::ForbiddenOrigin));
        assert_eq!(code(Method::GET, &[COOKIE, ("origin", "null")]), Err(Code::ForbiddenOrigin));
    }

    #[test]
    fn a_browsers_change_needs_origin_and_header() {
        assert_eq!(code(Method::POST, &[COOKIE, OWN, ASKED]), Ok("cookie"));
        assert_eq!(code(Method::POST, &[COOKIE, OWN]), Err(Code::MissingRequestHeader));
        assert_eq!(code(Method::POST, &[COOKIE, ASKED]), Err(Code::ForbiddenOrigin));
        assert_eq!(
            code(Method::DELETE, &[COOKIE, ("origin", "https://evil.example"), ASKED]),
            Err(Code::ForbiddenOrigin)
        );
    }

    #[test]
    fn a_browsers_upgrade_needs_the_exact_origin() {
        assert_eq!(code(Method::GET, &[COOKIE, UPGRADE, OWN]), Ok("cookie"));
        assert_eq!(code(Method::GET, &[COOKIE, UPGRADE]), Err(Code::ForbiddenOrigin));
        for origin in [
            "http://localhost:80800",
            "http://localhost:8080.evil.example",
            "https://localhost:8080",
            "HTTP://localhost:8080",
        ] {
            assert_eq!(
                code(Method::GET, &[COOKIE, UPGRADE, ("origin", origin)]),
                Err(Code::ForbiddenOrigin),
                "{origin}"
            );
        }
        assert_eq!(code(Method::GET, &[COOKIE, ("upgrade", "h2c")]), Err(Code::ForbiddenOrigin));
    }

    #[test]
    fn a_public_address_has_one_origin_and_the_host_bound_cookie() {
        let browsers = Browsers::at(&Url::parse("https://cloudbot.example.org").unwrap());

        assert_eq!(browsers.origins(), ["https://cloudbot.example.org"]);
        let plain = headers(&[COOKIE, ("origin", "https://cloudbot.example.org")]);
        assert!(browsers.credential(&Method::GET, &plain).is_err(), "a plain cookie may come from a neighbour");
    }
}
