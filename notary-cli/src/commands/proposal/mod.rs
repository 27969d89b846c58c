//! Metadata that gathers the signatures of several people.

pub(super) mod progress;
