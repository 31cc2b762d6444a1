//! The desk as the gate meets it: a real X server, real programs, the real binary behind its socket.

mod accessibility;
mod acting;
mod apps;
mod children;
mod clipboard;
mod connect;
mod display;
mod floor;
mod process;
mod recording;
mod screen;
mod shell;
mod targets;
mod typing;
mod windows;
