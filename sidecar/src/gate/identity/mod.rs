//! Who this VM is: its key, its certificate and whom it serves, all of it control's word.

pub mod certificate;
pub mod enrol;
pub mod key;
pub mod report;
pub mod tls;
pub mod user_data;
