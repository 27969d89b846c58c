//! What real implementations got wrong when they read metadata and count signatures: one table of
//! named collections, each with what must become of it. The refused ones stand beside their allowed
//! neighbours.
//!
//! [`crate::formats`] holds schema to the table; [`crate::interop`] asks other clients about it.

mod documents;
mod keys;
mod text;

use notary_tests::hand::Collection;

/// A collection and what a correct reader makes of it.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) collection: Collection,
    pub(crate) right: Right,
}

/// What a correct reader makes of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Right {
    /// It reads and verifies every file.
    Reads,
    /// It refuses the file of `role`, for a reason that contains `because`.
    Refuses { role: &'static str, because: &'static str },
}

/// All cases. Names are distinct.
pub(crate) fn table() -> Vec<Case> {
    [documents::cases(), keys::cases(), text::cases()].into_iter().flatten().collect()
}

fn reads(name: impl Into<String>, edit: impl FnOnce(&mut Collection)) -> Case {
    case(name.into(), Right::Reads, edit)
}

fn refuses(
    role: &'static str,
    because: &'static str,
    name: impl Into<String>,
    edit: impl FnOnce(&mut Collection),
) -> Case {
    case(name.into(), Right::Refuses { role, because }, edit)
}

fn case(name: String, right: Right, edit: impl FnOnce(&mut Collection)) -> Case {
    let mut collection = Collection::new();
    edit(&mut collection);
    Case { name, collection, right }
}
