//! Viewers that we did not write, on a real desktop: what each shows is what the X server shows.

mod desktop;
#[path = "../desk/display.rs"]
#[allow(dead_code, reason = "the desk's own tests use more of it")]
mod display;
mod gvncviewer;
mod novnc;
mod picture;
mod seat;
mod tigervnc;
mod together;
mod vncdotool;
