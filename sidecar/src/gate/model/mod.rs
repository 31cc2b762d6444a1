//! Talking with a model, through the edge, which holds the key: one module for each language, `call` for all.

pub mod assembly;
pub mod bill;
pub mod call;
pub mod chat;
pub mod conversation;
pub mod estimate;
pub mod fold;
pub mod language;
pub mod messages;
pub mod notices;
pub mod pictures;
pub mod prompt;
pub mod responses;
pub mod retry;
pub mod sse;
