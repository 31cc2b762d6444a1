//! What control's secrets and certificates rest on: files of its own, and a private CA.

pub mod ca;
pub mod secret_file;
pub mod tls;
