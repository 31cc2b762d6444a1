//! VNC as a viewer meets it: what is encoded is read back, and a real X server is watched and driven.

mod decoder;
mod encodings;
