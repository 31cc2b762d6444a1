//! People: how they sign up, sign in, and let programs in.

pub mod access;
pub mod account;
pub mod password;
pub mod refresh;
pub mod secrets;
pub mod sign_in;
pub mod tokens;

use protocol::{
    LoginId, Millis, TokenId, UserId,
    capability::{Actor, Scope},
    edge::CredentialId,
};

/// Who asks, as a credential has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub user_id: UserId,
    pub via: Via,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    Browser(LoginId),
    /// A personal access token, what it may do, and until when.
    Token {
        id: TokenId,
        scopes: Vec<Scope>,
        ends_at: Millis,
    },
}

impl Caller {
    /// What this caller may do with desktops.
    pub fn scopes(&self) -> &[Scope] {
        match &self.via {
            Via::Browser(_) => Scope::ALL,
            Via::Token { scopes, .. } => scopes,
        }
    }

    /// Whether a person or a program uses the credential.
    pub fn actor(&self) -> Actor {
        match self.via {
            Via::Browser(_) => Actor::Person,
            Via::Token { .. } => Actor::Program,
        }
    }

    pub fn credential(&self) -> CredentialId {
        match &self.via {
            Via::Browser(login) => CredentialId::Login(login.clone()),
            Via::Token { id, .. } => CredentialId::Token(id.clone()),
        }
    }

    /// When the credential ends by itself. A browser's goes on while it comes back.
    pub fn ends_at(&self) -> Option<Millis> {
        match self.via {
            Via::Browser(_) => None,
            Via::Token { ends_at, .. } => Some(ends_at),
        }
    }
}
