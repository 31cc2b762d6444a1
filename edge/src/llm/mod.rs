//! The model gateway: a VM asks without a key, the edge adds its owner's, streams the answer and counts the tokens.

mod gateway;
mod meter;

pub(crate) use gateway::{Model, Provider};
