//! Talking with a model: the streaming Messages API, through the edge, which holds the key.

pub mod anthropic;
pub mod assemble;
pub mod history;
pub mod notices;
pub mod pictures;
pub mod retry;
pub mod sse;
pub mod wire;
