//! What is fuzzed. Each target is a function over bytes that panics when a rule is broken, so the
//! end-to-end tests replay the corpus without an engine.

mod choices;
mod envelope;
mod json;
mod multipart;
mod path;
mod publish;
mod reference;
mod role;
#[path = "../../../../schema/tests/rules/support.rs"]
#[expect(dead_code, unreachable_pub, clippy::unwrap_used, reason = "the tests of schema own it")]
mod support;
mod updater;

/// A target: its name, which is that of its corpus, and what it does with one input.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const ALL: &[Target] = &[
    ("json", json::run),
    ("envelope", envelope::run),
    ("role", role::run),
    ("path", path::run),
    ("updater", updater::run),
    ("multipart", multipart::run),
    ("publish", publish::run),
];
