//! What goes wrong between an owner and a client: one mistake of a signer, or one answer of a mirror,
//! each with its name. Some of them clients must put up with.

mod answers;
mod delegations;
mod listings;
mod parts;

use chrono::{DateTime, Utc};
use notary_tests::hand::{HandKey, Part, Repository, Stage};
use notary_tests::judge::Served;
use notary_tests::seed::Random;
use serde_json::Value;

pub(super) use answers::Stored;

/// What may happen.
#[derive(Clone, Copy)]
pub(super) struct Mutation {
    pub(super) name: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// To the document or the file of any role.
    Part(fn(&mut Part, &mut Draw<'_>)),
    /// To who may sign a role: the entry of the delegator, beside all keys of the delegator.
    Delegation(fn(&mut Value, &mut Value, &mut Draw<'_>)),
    /// To all delegations of a role.
    Delegations(fn(&mut Vec<Value>, &mut Draw<'_>)),
    /// To what snapshot or timestamp say of a file; all entries, and the name of one.
    Listing(fn(&mut Value, &str, &mut Draw<'_>)),
    /// To what is answered to a request for the file of a role, of this name.
    Answer(fn(&mut Served, &str, &mut Draw<'_>)),
    /// To a file that a client has stored.
    Stored(Stored),
    /// To the whole repository, before its next publish.
    Repository(fn(&mut Repository, &mut Draw<'_>)),
}

/// What a mutation is drawn with.
pub(super) struct Draw<'a> {
    pub(super) random: &'a mut Random,
    pub(super) now: DateTime<Utc>,
    /// A key that nobody trusts.
    pub(super) stranger: HandKey,
    /// What was served at moments before, the last one last.
    pub(super) past: &'a [Served],
    /// All targets roles.
    pub(super) roles: Vec<String>,
}

/// All of them; names are distinct.
pub(super) fn all() -> Vec<Mutation> {
    [parts::ALL, delegations::ALL, listings::ALL, answers::ALL].concat()
}

/// Those of one scenario: all, or an attack that is tried again and again. Consecutive seeds have all
/// attacks in turn.
pub(super) fn of(seed: u64, who: Who) -> Vec<Mutation> {
    let attack = ATTACKS[(seed % ATTACKS.len() as u64) as usize];
    let mut some = all();
    assert!(some.iter().any(|one| one.name == attack), "{attack} is no mutation");
    some.retain(|one| match who {
        _ if !seed.is_multiple_of(3) && one.name != attack => false,
        Who::Library => true,
        // It tries again for a while after a 500, and its clock does not stand still at a second.
        Who::Program => !one.name.starts_with("500") && !OF_SECONDS.contains(&one.name),
    });
    some
}

/// Which of our clients takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Library,
    Program,
}

const OF_SECONDS: [&str; 3] = ["expired a second ago", "expires now", "expires in a second"];

/// What somebody does on purpose, with some of the keys or without.
const ATTACKS: [&str; 13] = [
    "some keys do not sign",
    "a stranger signs instead of a key",
    "the version before",
    "the same version again with other content",
    "a version far away",
    "expired a second ago",
    "another delegator trusts a stranger",
    "an entry is missing",
    "an entry of the version before",
    "a wrong hash",
    "the file of an earlier version",
    "the timestamp of another moment",
    "the whole repository as it was",
];

/// Mistakes that owners may not notice, and go on from.
const MAY_LAST: [&str; 10] = [
    "a version further on",
    "a version far away",
    "the largest version",
    "unknown members",
    "white space",
    "a threshold above the number of keys",
    "a stranger's key that need not sign",
    "only a stranger's key",
    "a key of an unknown type",
    "all delegations are terminating",
];

/// A mutation and the role that it happens to.
#[derive(Clone)]
pub(super) struct Planned {
    mutation: Mutation,
    pub(super) role: String,
}

impl Planned {
    /// Picks the role.
    pub(super) fn new(mutation: Mutation, repository: &Repository, random: &mut Random) -> Planned {
        let top_level = ["root", "timestamp", "snapshot", "targets"];
        let any = |random: &mut Random| match random.chance(65) {
            true => (*random.one_of(&top_level)).to_owned(),
            false => random.one_of(&repository.targets_roles()).clone(),
        };
        let delegators = || {
            let all = repository.targets_roles().into_iter();
            let some: Vec<String> =
                all.filter(|role| !repository.delegated_by(role).is_empty()).collect();
            some
        };
        let role = match mutation.how {
            How::Part(_) | How::Answer(_) | How::Stored(_) => any(random),
            How::Delegation(_) | How::Delegations(_) => {
                let mut candidates = delegators();
                if candidates.is_empty()
                    || matches!(mutation.how, How::Delegation(_)) && random.chance(40)
                {
                    candidates = vec!["root".to_owned()];
                }
                random.one_of(&candidates).clone()
            }
            How::Listing(_) => random.one_of(&["snapshot", "snapshot", "timestamp"]).to_string(),
            How::Repository(_) => "targets".to_owned(),
        };
        Planned { mutation, role }
    }

    /// Its name and where it happens.
    pub(super) fn told(&self) -> String {
        format!("{} ({})", self.mutation.name, self.role)
    }

    pub(super) fn name(&self) -> &'static str {
        self.mutation.name
    }

    /// The role whose next version has the mistake.
    pub(super) fn to_publish(&self) -> Option<&str> {
        let is_stored = matches!(self.mutation.how, How::Answer(_) | How::Stored(_));
        (!is_stored).then_some(&self.role)
    }

    /// Changes what is about to be published.
    pub(super) fn before(&self, repository: &mut Repository, draw: &mut Draw<'_>) {
        if let How::Repository(edit) = self.mutation.how {
            edit(repository, draw);
        }
    }

    /// Makes the mistake, at the stage at which the role is about to be written.
    pub(super) fn at(&self, stage: Stage, repository: &mut Repository, draw: &mut Draw<'_>) {
        let wanted = match self.role.as_str() {
            "snapshot" => Stage::Snapshot,
            "timestamp" => Stage::Timestamp,
            _ => Stage::Roles,
        };
        if stage != wanted {
            return;
        }
        let part = repository.part(&self.role);
        match self.mutation.how {
            How::Part(edit) => edit(part, draw),
            How::Delegation(edit) => {
                let delegations = match self.role.as_str() {
                    "root" => &mut part.signed,
                    _ => &mut part.signed["delegations"],
                };
                let mut keys = delegations["keys"].take();
                let entries: Vec<&mut Value> = match &mut delegations["roles"] {
                    Value::Array(roles) => roles.iter_mut().collect(),
                    Value::Object(roles) => roles.values_mut().collect(),
                    _ => Vec::new(),
                };
                let chosen = draw.random.index(entries.len().max(1));
                if let Some(entry) = entries.into_iter().nth(chosen) {
                    edit(entry, &mut keys, draw);
                }
                delegations["keys"] = keys;
            }
            How::Delegations(edit) => {
                let roles = part.signed["delegations"]["roles"].as_array_mut();
                if let Some(roles) = roles.filter(|roles| !roles.is_empty()) {
                    edit(roles, draw);
                }
            }
            How::Listing(edit) => {
                let meta = &mut part.signed["meta"];
                let names: Vec<String> =
                    meta.as_object().expect("entries are a map").keys().cloned().collect();
                if !names.is_empty() {
                    edit(meta, draw.random.one_of(&names).as_str(), draw);
                }
            }
            How::Answer(_) | How::Stored(_) | How::Repository(_) => {}
        }
    }

    /// Changes what is served.
    pub(super) fn serve(&self, repository: &Repository, served: &mut Served, draw: &mut Draw<'_>) {
        if let How::Answer(edit) = self.mutation.how {
            edit(served, &repository.file_name(&self.role), draw);
        }
    }

    /// Whether an owner can go on from there.
    pub(super) fn may_last(&self) -> bool {
        MAY_LAST.contains(&self.mutation.name)
    }

    /// What becomes of a stored file.
    pub(super) fn stored(&self) -> Option<Stored> {
        match self.mutation.how {
            How::Stored(stored) => Some(stored),
            _ => None,
        }
    }
}
