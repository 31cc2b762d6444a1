//! Errors as RFC 9457 problem documents (`application/problem+json`) with a stable `code`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, for a program (`code`) and for a person (`detail`, which says what to do).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// HTTP status, repeated.
    pub status: u16,
    /// Stable name of the problem.
    pub code: Code,
    /// A short sentence, the same for every problem of this code.
    pub title: String,
    /// What was tried and what to do about it.
    pub detail: String,
    /// The id under which the operator finds the cause in the log; set on 5xx.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $status:literal, $title:literal;)*) => {
        /// The stable names of all problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The HTTP status that goes with this problem, always the same.
            pub fn status(self) -> u16 { match self { $(Code::$name => $status),* } }

            pub fn title(self) -> &'static str { match self { $(Code::$name => $title),* } }
        }
    };
}

codes! {
    MalformedRequest => 400, "The request could not be read";
    InvalidValue => 422, "A value is not acceptable";
    WeakPassword => 422, "The password is too weak";
    NotSignedIn => 401, "You are not signed in";
    WrongCredentials => 401, "The e-mail address or password is wrong";
    TokenExpired => 401, "The credential has expired";
    ForbiddenOrigin => 403, "The request came from another site";
    MissingRequestHeader => 403, "The request lacks the x-cloudbot header";
    MissingScope => 403, "The credential does not allow this";
    NotFound => 404, "There is no such thing here";
    MethodNotAllowed => 405, "This address does not take that method";
    EmailTaken => 409, "The e-mail address is taken";
    Conflict => 409, "This does not fit the present state";
    DesktopNotReady => 409, "The desktop is not ready";
    PersonDrives => 409, "A person drives this desktop";
    NotTheHolder => 409, "You do not hold control of this desktop";
    DesktopLimit => 409, "You have as many desktops as you may";
    IdempotencyMismatch => 409, "This Idempotency-Key was used for another request";
    SequenceConflict => 409, "The record has moved on";
    StaleGeneration => 409, "This VM no longer serves the desktop";
    NoProviderKey => 409, "No key for the model provider";
    BodyTooLarge => 413, "The request is too large";
    UnsupportedMediaType => 415, "The request must be JSON";
    TooManyRequests => 429, "Too many requests";
    SpendingCap => 429, "The spending cap is reached";
    Internal => 500, "Something went wrong on our side";
    StorageFull => 507, "The disk is full";
    ProviderRefused => 502, "The model provider refused";
    DesktopUnreachable => 502, "The desktop does not answer";
    Unavailable => 503, "The service is not available";
    Timeout => 504, "It took too long";
}

impl Problem {
    /// A problem with what to do about it in `detail`.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { status: code.status(), code, title: code.title().to_owned(), detail: detail.into(), request_id: None }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl std::error::Error for Problem {}
