//! The metadata server.
