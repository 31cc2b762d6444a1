//! Eyes and hands, as the desktop's unprivileged user.

pub mod rfb;
