//! What goes wrong between an owner and a client: one mistake of a signer, or one answer of a mirror,
//! each with its name. Some of them clients must put up with.

mod answers;
mod attacks;
mod delegations;
mod listings;
mod parts;

use chrono::{DateTime, Utc};
use notary_tests::hand::{HandKey, Part, Repository, Stage};
use notary_tests::judge::Served;
use notary_tests::seed::Random;
use serde_json::Value;

pub(super) use answers::Stored;
use attacks::Attack;

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
    /// To a role that the owner has made ready for it.
    Attack(Attack),
}

/// What a mutation is drawn with.
pub(super) struct Draw<'a> {
    pub(super) random: &'a mut Random,
    /// When the owner publishes.
    pub(super) published: DateTime<Utc>,
    /// When the clients come.
    pub(super) now: DateTime<Utc>,
    /// A key that nobody trusts.
    pub(super) stranger: HandKey,
    /// Keys that the owner has not used yet.
    pub(super) fresh: Vec<HandKey>,
    /// What was served at moments before, the last one last.
    pub(super) past: &'a [Served],
    /// All targets roles.
    pub(super) roles: Vec<String>,
}

/// All of them; names are distinct.
pub(super) fn all() -> Vec<Mutation> {
    [parts::ALL, delegations::ALL, listings::ALL, answers::ALL, attacks::ALL].concat()
}

/// Those of one scenario: an attack that is tried again and again, and a few others now and then.
/// Consecutive seeds have all of them in turn.
pub(super) fn of(seed: u64, who: Who) -> Vec<Mutation> {
    let all = all();
    let in_turn = |number: u64, count: usize| (number % count as u64) as usize;
    let attack = ATTACKS[in_turn(seed, ATTACKS.len())];
    let attack = all.iter().find(|one| one.name == attack);
    let attack = *attack.expect("every attack is a mutation");
    let mut some = vec![attack; 2];
    let others = (0..OTHERS).map(|n| seed.wrapping_mul(OTHERS).wrapping_add(n));
    some.extend(others.map(|number| all[in_turn(number, all.len())]));
    some.retain(|one| match who {
        Who::Library => true,
        // It tries again for a while after a 500, and its clock does not stand still at a second.
        Who::Program => !one.name.starts_with("500") && !OF_SECONDS.contains(&one.name),
    });
    some
}

/// Other mutations beside the attack of a scenario, which comes as often as two of them.
const OTHERS: u64 = 5;

/// Which of our clients takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Library,
    Program,
}

const OF_SECONDS: [&str; 3] = ["expired a second ago", "expires now", "expires in a second"];

/// What somebody does on purpose, with some of the keys or without.
const ATTACKS: [&str; 29] = [
    "one signature of two is missing",
    "one signature of two is a stranger's",
    "one signature under two key ids",
    "two signatures of three keys",
    "only its own keys sign a new root",
    "only the keys before sign a new root",
    "too few of the keys before sign a new root",
    "enough of the keys before sign a new root",
    "the root after the next one as the next one",
    "the timestamp lists an earlier snapshot",
    "an earlier timestamp with what is listed now",
    "another timestamp of the same version",
    "one role below two delegators",
    "bins before another delegation",
    "delegations that are none",
    "delegations to listed roles and to bins",
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
            let mut all = repository.targets_roles();
            all.retain(|role| match mutation.how {
                How::Delegations(_) => !repository.delegated_by(role).is_empty(),
                _ => repository.document(role).get("delegations").is_some(),
            });
            all
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
                // Whom `targets` delegates to, most look-ups visit.
                match candidates.iter().any(|role| role == "targets") && random.chance(50) {
                    true => "targets".to_owned(),
                    false => random.one_of(&candidates).clone(),
                }
            }
            How::Listing(_) => random.one_of(&["snapshot", "snapshot", "timestamp"]).to_string(),
            How::Repository(_) => "targets".to_owned(),
            How::Attack(attack) => match attack.role {
                Some(role) => role.to_owned(),
                None => random.one_of(&repository.trusted_roles()).clone(),
            },
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

    /// Lets the owner do what comes before, by the rules.
    pub(super) fn prepare(&self, repository: &mut Repository, draw: &mut Draw<'_>) {
        if let How::Attack(attack) = self.mutation.how {
            (attack.prepare)(repository, &self.role, draw);
        }
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
            How::Attack(attack) => (attack.edit)(part, draw),
            How::Delegation(edit) => {
                let delegations = match self.role.as_str() {
                    "root" => &mut part.signed,
                    _ => &mut part.signed["delegations"],
                };
                // Another mutation may have made something else of them.
                if !delegations.get("keys").is_some_and(Value::is_object) {
                    return;
                }
                let mut keys = delegations["keys"].take();
                let bins = delegations.get("succinct_roles").is_some();
                let entries = match &mut delegations[if bins { "succinct_roles" } else { "roles" }]
                {
                    bins if bins.get("bit_length").is_some() => vec![bins],
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
                let roles = part.signed.pointer_mut("/delegations/roles");
                let roles = roles.and_then(Value::as_array_mut);
                if let Some(roles) = roles.filter(|roles| !roles.is_empty()) {
                    edit(roles, draw);
                }
            }
            How::Listing(edit) => {
                let meta = &mut part.signed["meta"];
                let entries = meta.as_object().into_iter().flatten();
                let names: Vec<String> = entries.map(|(name, _)| name.clone()).collect();
                // All visits need this one, if there is any.
                let targets = names.iter().find(|name| *name == "targets.json");
                let name = match targets.filter(|_| draw.random.chance(40)) {
                    Some(name) => Some(name),
                    None if names.is_empty() => None,
                    None => Some(draw.random.one_of(&names)),
                };
                if let Some(name) = name {
                    edit(meta, name, draw);
                }
            }
            How::Answer(_) | How::Stored(_) | How::Repository(_) => {}
        }
    }

    /// Changes what is served.
    pub(super) fn serve(&self, repository: &Repository, served: &mut Served, draw: &mut Draw<'_>) {
        match self.mutation.how {
            How::Answer(edit) => edit(served, &repository.file_name(&self.role), draw),
            How::Attack(attack) => (attack.serve)(served, draw),
            _ => {}
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
