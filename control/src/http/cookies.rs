//! The two cookies of a signed-in browser: out of reach for scripts, other sites and other hosts.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use protocol::paths::{ACCESS_COOKIE, ACCESS_COOKIE_TLS, REFRESH_COOKIE, REFRESH_COOKIE_TLS};
use url::Url;

use crate::users::{access::ACCESS_LIFETIME_S, refresh};

pub fn access(headers: &HeaderMap, public: &Url) -> Option<String> {
    read(headers, if is_tls(public) { ACCESS_COOKIE_TLS } else { ACCESS_COOKIE })
}

pub fn refresh_token(headers: &HeaderMap, public: &Url) -> Option<String> {
    read(headers, if is_tls(public) { REFRESH_COOKIE_TLS } else { REFRESH_COOKIE })
}

/// The `Set-Cookie` headers that sign a browser in.
pub fn set(tokens: &refresh::Tokens, public: &Url) -> Vec<(HeaderName, HeaderValue)> {
    let (access, refresh_name) = names(public);
    vec![
        cookie(access, &tokens.access, ACCESS_LIFETIME_S, public),
        cookie(refresh_name, &tokens.refresh, refresh::LIFETIME / 1000, public),
    ]
}

/// Those that sign it out.
pub fn clear(public: &Url) -> Vec<(HeaderName, HeaderValue)> {
    let (access, refresh) = names(public);
    vec![cookie(access, "", 0, public), cookie(refresh, "", 0, public)]
}

fn names(public: &Url) -> (&'static str, &'static str) {
    if is_tls(public) { (ACCESS_COOKIE_TLS, REFRESH_COOKIE_TLS) } else { (ACCESS_COOKIE, REFRESH_COOKIE) }
}

fn is_tls(public: &Url) -> bool {
    public.scheme() == "https"
}

fn cookie(name: &str, value: &str, max_age_s: i64, public: &Url) -> (HeaderName, HeaderValue) {
    let secure = if is_tls(public) { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}");
    // Our tokens are base64url and dots; a value that were not would only sign nobody in.
    let mut value = HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    (header::SET_COOKIE, value)
}

fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}
