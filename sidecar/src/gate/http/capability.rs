//! The check of capabilities: signed by control, for this desktop and generation, not expired, with the scope.

use std::{str::FromStr, sync::Arc};

use anyhow::Context;
use axum::{
    extract::{RawPathParams, Request, State},
    middleware::Next,
    response::Response,
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use protocol::{
    DesktopId,
    capability::{self, Capability, Scope},
    error::Code,
    vm::Assignment,
};

use super::{App, problem::Refused};

/// Checks capabilities for one assignment.
pub struct Capabilities {
    desktop: DesktopId,
    key: DecodingKey,
    validation: Validation,
}

impl Capabilities {
    pub fn of(assignment: &Assignment) -> anyhow::Result<Self> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_audience(&[capability::audience(&assignment.desktop_id, assignment.generation)]);
        validation.set_issuer(&[capability::ISSUER]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        // For clocks that differ by a little.
        validation.leeway = 5;
        Ok(Self {
            desktop: assignment.desktop_id.clone(),
            key: DecodingKey::from_ed_pem(assignment.capability_key_pem.as_bytes())
                .context("read the key that capabilities are checked with")?,
            validation,
        })
    }

    /// What the bearer of `token` may do with `desktop`.
    fn check(&self, desktop: &str, token: Option<&str>) -> Result<Capability, Refused> {
        if DesktopId::from_str(desktop).ok().as_ref() != Some(&self.desktop) {
            return Err(Refused::new(Code::NotFound, "this machine serves another desktop"));
        }
        let token = token.ok_or_else(|| Refused::new(Code::NotSignedIn, "the request carries no capability"))?;
        let decoded = jsonwebtoken::decode::<Capability>(token, &self.key, &self.validation);
        decoded.map(|decoded| decoded.claims).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::ExpiredSignature => {
                Refused::new(Code::TokenExpired, "the capability has expired: ask again")
            }
            // What exactly is wrong with it is nobody's business.
            _ => Refused::new(Code::NotSignedIn, "the capability is not one of this desktop's"),
        })
    }
}

/// Lets only requests with a good capability pass, and hands it on as an extension.
pub async fn demand(
    State(app): State<Arc<App>>,
    path: RawPathParams,
    mut request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let desktop = path.iter().find(|(name, _)| *name == "id").map(|(_, id)| id).unwrap_or_default();
    let token = request.headers().get(capability::HEADER).and_then(|value| value.to_str().ok());
    let capability = app.capabilities.check(desktop, token)?;
    request.extensions_mut().insert(capability);
    Ok(next.run(request).await)
}

/// Lets only requests pass whose capability has `scope`.
pub async fn demand_scope(scope: Scope, request: Request, next: Next) -> Result<Response, Refused> {
    let allowed = request.extensions().get::<Capability>().is_some_and(|found| found.scopes.contains(&scope));
    if !allowed {
        return Err(Refused::new(Code::MissingScope, format!("this takes the scope {scope:?}").to_lowercase()));
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use protocol::{UserId, capability::Actor, desktop::Size};
    use rcgen::{KeyPair, PKCS_ED25519};

    use super::*;

    struct Control {
        pair: KeyPair,
        assignment: Assignment,
    }

    impl Control {
        fn new() -> Self {
            let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
            let assignment = Assignment {
                desktop_id: DesktopId::generate(),
                generation: 3,
                capability_key_pem: pair.public_key_pem(),
                size: Size::DEFAULT,
                lease: Default::default(),
            };
            Self { pair, assignment }
        }

        fn claims(&self) -> Capability {
            let now = jsonwebtoken::get_current_timestamp() as i64;
            Capability {
                iss: capability::ISSUER.to_owned(),
                aud: capability::audience(&self.assignment.desktop_id, self.assignment.generation),
                sub: UserId::generate(),
                actor: Actor::Person,
                scopes: vec![Scope::View],
                iat: now,
                exp: now + capability::LIFETIME_S,
            }
        }

        fn sign(&self, claims: &Capability) -> String {
            let key = EncodingKey::from_ed_der(self.pair.serialized_der());
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), claims, &key).unwrap()
        }

        fn check(&self, token: &str) -> Result<Capability, Code> {
            let capabilities = Capabilities::of(&self.assignment).unwrap();
            capabilities.check(self.assignment.desktop_id.as_str(), Some(token)).map_err(|refused| refused.0.code)
        }
    }

    #[test]
    fn a_capability_of_control_for_this_generation_is_taken() {
        let control = Control::new();
        let claims = control.claims();

        assert_eq!(control.check(&control.sign(&claims)), Ok(claims));
    }

    #[test]
    fn a_capability_of_another_generation_desktop_or_issuer_is_refused() {
        let control = Control::new();
        let own = control.claims();
        let foreign = [
            Capability { aud: capability::audience(&control.assignment.desktop_id, 2), ..own.clone() },
            Capability { aud: capability::audience(&DesktopId::generate(), 3), ..own.clone() },
            Capability { iss: "somebody".to_owned(), ..own.clone() },
        ];

        for claims in foreign {
            assert_eq!(control.check(&control.sign(&claims)), Err(Code::NotSignedIn));
        }
    }

    #[test]
    fn an_expired_capability_is_refused_as_expired() {
        let control = Control::new();
        let own = control.claims();

        let refused = control.check(&control.sign(&Capability { exp: own.iat - 10, ..own }));

        assert_eq!(refused, Err(Code::TokenExpired));
    }

    #[test]
    fn a_capability_signed_by_another_key_or_by_none_is_refused() {
        let (control, stranger) = (Control::new(), Control::new());
        let claims = control.claims();
        let public = EncodingKey::from_secret(control.assignment.capability_key_pem.as_bytes());
        let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &public).unwrap();
        let unsigned = format!("{}.", control.sign(&claims).rsplit_once('.').unwrap().0);

        for token in [stranger.sign(&claims), confused, unsigned, String::new(), "a.b.c".to_owned()] {
            assert_eq!(control.check(&token), Err(Code::NotSignedIn), "{token}");
        }
    }

    #[test]
    fn another_desktops_address_is_not_found() {
        let control = Control::new();
        let capabilities = Capabilities::of(&control.assignment).unwrap();
        let token = control.sign(&control.claims());

        let refused = capabilities.check(DesktopId::generate().as_str(), Some(&token)).unwrap_err();

        assert_eq!(refused.0.code, Code::NotFound);
    }
}
