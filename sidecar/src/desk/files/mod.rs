//! Files of the desktop's user.

pub(super) mod editor;
