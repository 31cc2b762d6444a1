//! People: how they sign up, sign in, and let programs in.

pub mod access;
pub mod account;
pub mod password;
pub mod refresh;
pub mod secrets;
pub mod sign_in;
pub mod tokens;

use protocol::{
    LoginId, TokenId, UserId,
    capability::{Actor, Scope},
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
    /// A personal access token, and what it may do.
    Token(TokenId, Vec<Scope>),
}

impl Caller {
    /// What this caller may do with desktops.
    pub fn scopes(&self) -> &[Scope] {
        match &self.via {
            Via::Browser(_) => Scope::ALL,
            Via::Token(_, scopes) => scopes,
        }
    }

    /// Whether a person or a program uses the credential.
    pub fn actor(&self) -> Actor {
        match self.via {
            Via::Browser(_) => Actor::Person,
            Via::Token(..) => Actor::Program,
        }
    }
}
