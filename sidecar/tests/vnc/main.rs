//! VNC as a viewer meets it: what is encoded is read back, and a real X server is watched and driven.

mod client;
mod decoder;
mod desktop;
mod encodings;
mod floor;
mod hostile;
mod live;
mod pace;
mod pixels;
mod wire;
