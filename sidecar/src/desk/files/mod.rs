//! Files of the desktop's user.

pub mod editor;
