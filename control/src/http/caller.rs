//! Who calls: a program by its token, a browser by its cookie and, for changes, by its origin.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Method, header, request::Parts},
};
use protocol::{
    UserId,
    capability::Scope,
    edge::{CLIENT_ADDRESS_HEADER, Credential},
    error::{Code, Problem},
    paths::REQUEST_HEADER,
};
use url::Url;

use super::{Shared, cookies};
use crate::{
    error::ApiError,
    users::{self, Caller, account},
};

/// A caller who may do all that the user may: a browser, or a token with every scope.
pub struct Owner(pub Caller);

impl Owner {
    pub fn id(&self) -> &UserId {
        &self.0.user_id
    }
}

impl FromRequestParts<Shared> for Owner {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let caller = authenticate(parts, app).await?;
        demand_everything(&caller)?;
        Ok(Self(caller))
    }
}

/// A caller who may do something, whatever it is.
pub struct Somebody(pub Caller);

impl FromRequestParts<Shared> for Somebody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        authenticate(parts, app).await.map(Self)
    }
}

/// A caller who may see what there is.
pub struct Viewer(pub Caller);

impl Viewer {
    pub fn id(&self) -> &UserId {
        &self.0.user_id
    }
}

impl FromRequestParts<Shared> for Viewer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        with(parts, app, Scope::View).await.map(Self)
    }
}

/// A caller who may talk with the agent.
pub struct Talker(pub Caller);

impl Talker {
    pub fn id(&self) -> &UserId {
        &self.0.user_id
    }
}

impl FromRequestParts<Shared> for Talker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        with(parts, app, Scope::Chat).await.map(Self)
    }
}

/// A request without a credential that changes something, from our own pages: signing in and up.
pub struct OwnPage;

impl FromRequestParts<Shared> for OwnPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        demand_own_page(&parts.headers, &app.settings.public_url)?;
        Ok(Self)
    }
}

/// Refuses a token that may do only part of what its user may.
pub fn demand_everything(caller: &Caller) -> Result<(), ApiError> {
    let everything = Scope::ALL.iter().all(|scope| caller.scopes.contains(scope));
    if everything { Ok(()) } else { Err(missing("everything")) }
}

/// Where a request comes from, as the edge and the browser tell it.
pub fn origin_of(headers: &HeaderMap) -> users::sign_in::From<'_> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    users::sign_in::From { address: text(CLIENT_ADDRESS_HEADER), user_agent: text("user-agent") }
}

async fn with(parts: &mut Parts, app: &Shared, scope: Scope) -> Result<Caller, ApiError> {
    let caller = authenticate(parts, app).await?;
    if caller.scopes.contains(&scope) { Ok(caller) } else { Err(missing(&format!("{scope:?}").to_lowercase())) }
}

async fn authenticate(parts: &Parts, app: &Shared) -> Result<Caller, ApiError> {
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let token =
            token.ok_or_else(|| Problem::new(Code::NotSignedIn, "Send the token as: Authorization: Bearer …"))?;
        return account::authenticate(app, &Credential::Bearer(token.trim().to_owned())).await;
    }
    let token = cookies::access(&parts.headers, &app.settings.public_url);
    let token = token.ok_or_else(|| Problem::new(Code::NotSignedIn, "Sign in, or send an access token."))?;
    if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        demand_own_page(&parts.headers, &app.settings.public_url)?;
    }
    account::authenticate(app, &Credential::Cookie(token)).await
}

/// Another site's page can send a form with our cookies, but neither this header nor our origin.
fn demand_own_page(headers: &HeaderMap, public: &Url) -> Result<(), ApiError> {
    if !headers.contains_key(REQUEST_HEADER) {
        return Err(Problem::new(
            Code::MissingRequestHeader,
            format!("Send the header {REQUEST_HEADER}: 1 with every change."),
        )
        .into());
    }
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    if origin.is_some_and(|origin| is_own(origin, public)) {
        return Ok(());
    }
    let detail = format!(
        "Changes are taken from {} only; set CLOUDBOT_PUBLIC_URL if CloudBot is somewhere else.",
        public.origin().ascii_serialization()
    );
    Err(Problem::new(Code::ForbiddenOrigin, detail).into())
}

/// The very origin; on loopback its three names are one.
fn is_own(origin: &str, public: &Url) -> bool {
    const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
    if origin == public.origin().ascii_serialization() {
        return true;
    }
    let Ok(other) = Url::parse(origin) else { return false };
    let names = (other.host_str().unwrap_or_default(), public.host_str().unwrap_or_default());
    other.origin().ascii_serialization() == origin
        && other.scheme() == public.scheme()
        && other.port_or_known_default() == public.port_or_known_default()
        && LOOPBACK.contains(&names.0)
        && LOOPBACK.contains(&names.1)
}

fn missing(scope: &str) -> ApiError {
    Problem::new(
        Code::MissingScope,
        format!("The access token does not allow this: create one with the scope for {scope}."),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_very_origin_is_ours() {
        let public = Url::parse("https://cloudbot.example/").unwrap();

        assert!(is_own("https://cloudbot.example", &public));
        for foreign in [
            "http://cloudbot.example",
            "https://cloudbot.example:8443",
            "https://cloudbot.example.evil.test",
            "https://evil.test",
            "null",
            "",
            "https://cloudbot.example/",
        ] {
            assert!(!is_own(foreign, &public), "{foreign}");
        }
    }

    #[test]
    fn on_loopback_every_name_of_this_machine_is_ours_at_the_same_port() {
        let public = Url::parse("http://localhost:8080/").unwrap();

        assert!(is_own("http://127.0.0.1:8080", &public));
        assert!(!is_own("http://127.0.0.1:9090", &public));
        assert!(!is_own("http://dsk-1.localhost:8080", &public));
    }
}
