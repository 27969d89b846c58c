//! What real implementations got wrong when they read metadata and count signatures: one table of
//! named collections, each with what must become of it. The refused ones stand beside their allowed
//! neighbours.
//!
//! [`crate::formats`] holds schema to the table; [`crate::interop`] asks other clients about it.

mod documents;
mod keys;
mod text;

use notary_tests::agent::Verdict;
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

impl Case {
    /// What a correct client answers for each target: its length, or part of the reason why not.
    pub(crate) fn right_verdict(&self) -> Verdict {
        let documents = [("targets", &self.collection.targets), ("docs", &self.collection.docs)];
        let mut verdict = Verdict::new();
        for (vouching, part) in documents {
            for (name, target) in part.signed["targets"].as_object().expect("targets are a map") {
                let right = match self.right {
                    // A delegated role that is refused harms only the look-ups that need it.
                    Right::Refuses { role, because } if role != "docs" || vouching == "docs" => {
                        Err(because.to_owned())
                    }
                    _ => Ok(target["length"].as_u64().expect("a length")),
                };
                verdict.insert(name.clone(), right);
            }
        }
        verdict
    }
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
