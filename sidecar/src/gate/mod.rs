//! Identity, network and the agent loop, as a user of its own.
