//! Names and numbers that appear in paths, files and requests.
//!
//! Each is a type with a private field and one door, `parse`; below that door nobody handles a bare
//! string. A name that parses may still be one that we would not *create*: repositories of other
//! makers use names that we read and never write, so the stricter rule is a second question
//! ([`RoleName::check_creatable`]). The greatest lengths are no configuration keys: a name that one
//! program reads, all must.

mod collection;
mod glob;
mod key_id;
mod role;
mod target;
mod version;

pub use collection::{Gun, Incarnation, MAX_GUN_BYTES};
pub use glob::{Glob, GlobError, MAX_GLOB_BYTES};
pub use key_id::{KeyId, MAX_KEY_ID_BYTES};
pub use role::{MAX_FOREIGN_ROLE_BYTES, MAX_ROLE_BYTES, RoleName};
pub use target::{MAX_TARGET_PATH_BYTES, TargetPath};
pub use version::{MAX_INTEGER, Version};

/// A name that was refused: which kind, the input (shortened) and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {input:?} {problem}")]
pub struct NameError {
    kind: &'static str,
    input: String,
    problem: &'static str,
}

impl NameError {
    fn new(kind: &'static str, input: &str, problem: &'static str) -> NameError {
        const SHOWN: usize = 80;
        let mut shown: String = input.chars().take(SHOWN).collect();
        if shown.len() < input.len() {
            shown.push('…');
        }
        NameError { kind, input: shown, problem }
    }
}

impl NameError {
    /// What is wrong with it, without the input.
    pub fn problem(&self) -> &'static str {
        self.problem
    }
}

/// `Display`, serde and `AsRef<str>` for a string type with the door `parse`.
macro_rules! name_traits {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<$name, NameError> {
                $name::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<$name, NameError> {
                $name::parse(text)
            }
        }
    };
}
use name_traits;
