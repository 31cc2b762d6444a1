//! The edge as its neighbours meet it: a real one in this process, between real clients and real upstreams on sockets.

mod desktops;
mod logs;
mod mcp;
mod model;
mod public;
mod revocations;
mod starting;
mod support;
mod vms;
mod websockets;
mod workarounds;
