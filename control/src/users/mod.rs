//! People: how they sign up, sign in, and let programs in.

pub mod access;
pub mod account;
pub mod password;
pub mod refresh;
pub mod secrets;
pub mod sign_in;
pub mod tickets;
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
    /// What they may do with desktops.
    pub scopes: Vec<Scope>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    Browser(LoginId),
    /// A personal access token, and until when it is good.
    Token {
        id: TokenId,
        ends_at: Millis,
    },
}

impl Caller {
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
