//! Eyes and hands, as the desktop's unprivileged user.
//!
//! One thread owns the screen's X connection, one the keyboard's and the pointer's, one the clipboard's.
//! Everything else holds a handle to them: [`screen::Screen`], [`input::Input`], [`clipboard::Clipboard`].

pub mod clipboard;
pub mod input;
mod mailbox;
pub mod rfb;
pub mod screen;
pub mod vnc;
