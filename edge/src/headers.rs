//! Headers that must not pass, and headers that every answer carries.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::http::{RequestHeader, ResponseHeader};
use protocol::{paths::REQUEST_ID_HEADER, ticket::SUBPROTOCOL};

use crate::verify::Browsers;

/// Whose answer it is decides what a browser may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The web app's own files.
    App,
    /// control's JSON.
    Api,
    /// control's page of the API, which is a small app with inline styles.
    Docs,
    /// Whatever a desktop serves: written by its user, its agent, or by somebody who fooled the agent.
    Desktop,
    /// Not for a browser.
    Program,
}

/// Takes away what only the edge may say: who the client is, which VM it is, what it may do.
pub(crate) fn strip_internal(request: &mut RequestHeader) {
    remove(request, |name| {
        name.starts_with("x-cloudbot-") || name.starts_with("x-forwarded-") || matches!(name, "forwarded" | "x-real-ip")
    });
    request.remove_header(REQUEST_ID_HEADER);
}

/// Takes away the user's own credentials, for whom they are none of the business.
pub(crate) fn strip_credentials(request: &mut RequestHeader) {
    request.remove_header(&header::COOKIE);
    request.remove_header(&header::AUTHORIZATION);
    request.remove_header(&header::PROXY_AUTHORIZATION);
}

/// The tickets among the subprotocols that a WebSocket's client offers.
pub(crate) fn tickets(headers: &HeaderMap) -> Vec<&str> {
    subprotocols(headers).filter_map(|offered| offered.strip_prefix(SUBPROTOCOL)).collect()
}

/// Takes the tickets away: to whom the WebSocket leads, they are none of the business.
pub(crate) fn strip_tickets(request: &mut RequestHeader) -> pingora::Result<()> {
    if tickets(&request.headers).is_empty() {
        return Ok(());
    }
    let rest: Vec<&str> = subprotocols(&request.headers).filter(|offered| !offered.starts_with(SUBPROTOCOL)).collect();
    let rest = rest.join(", ");
    request.remove_header(&header::SEC_WEBSOCKET_PROTOCOL);
    if !rest.is_empty() {
        request.insert_header(header::SEC_WEBSOCKET_PROTOCOL, rest)?;
    }
    Ok(())
}

fn subprotocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|offered| !offered.is_empty())
}

/// Leaves only the headers that `keep` names.
pub(crate) fn keep_only(request: &mut RequestHeader, keep: &[&str]) {
    remove(request, |name| !keep.contains(&name));
}

fn remove(request: &mut RequestHeader, unwanted: impl Fn(&str) -> bool) {
    let names: Vec<HeaderName> = request.headers.keys().filter(|name| unwanted(name.as_str())).cloned().collect();
    for name in names {
        request.remove_header(&name);
    }
}

/// A header value that no debug output shows.
pub(crate) fn secret(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Makes an answer safe to show, and traceable.
pub(crate) fn secure(
    response: &mut ResponseHeader,
    origin: Origin,
    browsers: Option<&Browsers>,
    request_id: &str,
) -> pingora::Result<()> {
    response.insert_header(REQUEST_ID_HEADER, request_id)?;
    response.remove_header(&header::SERVER);
    if origin == Origin::Desktop {
        // On the app's origin a desktop must not sign anybody in or out, open the API to other sites, or send people away.
        for name in
            ["set-cookie", "clear-site-data", "service-worker-allowed", "refresh", "link", "strict-transport-security"]
        {
            response.remove_header(name);
        }
        let names: Vec<HeaderName> =
            response.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
        for name in names {
            response.remove_header(&name);
        }
    }
    if origin == Origin::Program || response.status.is_informational() {
        return Ok(());
    }
    response.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    response.insert_header(header::REFERRER_POLICY, "no-referrer")?;
    response.insert_header("cross-origin-resource-policy", "same-origin")?;
    response.insert_header("cross-origin-opener-policy", "same-origin")?;
    response.insert_header(header::X_FRAME_OPTIONS, "DENY")?;
    response.insert_header(header::CONTENT_SECURITY_POLICY, policy(origin, browsers))?;
    if browsers.is_some_and(Browsers::are_secure) {
        response.insert_header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")?;
    }
    if !response.headers.contains_key(header::CACHE_CONTROL) {
        response.insert_header(header::CACHE_CONTROL, "no-store")?;
    }
    Ok(())
}

fn policy(origin: Origin, browsers: Option<&Browsers>) -> String {
    match origin {
        // Panels and the viewer's canvas are placed by style attributes, hence the inline styles; never inline scripts.
        Origin::App => format!(
            "default-src 'self'; connect-src 'self'{}; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; font-src \
             'self' data:; media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action \
             'self'; frame-ancestors 'none'",
            sockets(browsers)
        ),
        Origin::Docs => "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; style-src 'self' \
                         'unsafe-inline'; font-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            .into(),
        Origin::Api | Origin::Desktop | Origin::Program => "default-src 'none'; frame-ancestors 'none'; sandbox".into(),
    }
}

/// Not every browser takes `'self'` for WebSockets too.
fn sockets(browsers: Option<&Browsers>) -> String {
    let origins = browsers.map(Browsers::origins).unwrap_or_default();
    // A policy cannot name an IPv6 address.
    let sources = origins.iter().filter(|origin| !origin.contains('['));
    sources.map(|origin| format!(" {}", origin.replacen("http", "ws", 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_edge_may_say_is_taken_away() {
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for name in [
            "x-cloudbot-vm",
            "X-CloudBot-Client",
            "x-cloudbot-capability",
            "x-request-id",
            "X-Forwarded-For",
            "x-cloudbot",
        ] {
            request.append_header(name, "1").unwrap();
            request.append_header(name, "2").unwrap();
        }

        strip_internal(&mut request);

        let left: Vec<_> = request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-cloudbot"]);
    }

    #[test]
    fn tickets_are_taken_away_and_the_other_subprotocols_stay() {
        let left = |offered: &[&str]| {
            let mut request = RequestHeader::build("GET", b"/", None).unwrap();
            for line in offered {
                request.append_header("sec-websocket-protocol", *line).unwrap();
            }
            strip_tickets(&mut request).unwrap();
            let lines = request.headers.get_all("sec-websocket-protocol").iter();
            lines.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };

        assert_eq!(left(&["binary, ticket.x"]), ["binary"]);
        assert_eq!(left(&["ticket.x,base64", " binary ,ticket.y"]), ["base64, binary"]);
        assert_eq!(left(&["ticket.x"]), Vec::<String>::new());
        assert_eq!(left(&["binary,  base64"]), ["binary,  base64"]);
    }

    #[test]
    fn a_secret_value_is_not_printed() {
        assert!(!format!("{:?}", secret("hunter2")).contains("hunter2"));
    }

    #[test]
    fn a_desktop_cannot_set_cookies_and_its_pages_run_in_a_sandbox() {
        let mut response = ResponseHeader::build(200, None).unwrap();
        for (name, value) in [
            ("set-cookie", "cloudbot_access=x"),
            ("access-control-allow-origin", "*"),
            ("content-security-policy", "default-src *"),
            ("clear-site-data", "*"),
        ] {
            response.insert_header(name, value).unwrap();
        }

        secure(&mut response, Origin::Desktop, None, "r").unwrap();

        assert!(!response.headers.contains_key("set-cookie"));
        assert!(!response.headers.contains_key("access-control-allow-origin"));
        assert!(!response.headers.contains_key("clear-site-data"));
        assert_eq!(response.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'; sandbox");
    }

    #[test]
    fn the_apps_policy_names_its_own_sockets_and_nobody_elses() {
        let browsers = Browsers::at(&url::Url::parse("http://localhost:8080").unwrap());

        let policy = policy(Origin::App, Some(&browsers));

        assert!(policy.contains("connect-src 'self' ws://localhost:8080 ws://127.0.0.1:8080;"), "{policy}");
        assert!(!policy.contains("script-src"), "scripts fall under default-src 'self': {policy}");
    }
}
