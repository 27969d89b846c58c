//! The client without I/O, driven by arbitrary answers: it never panics, ends within its limits, and
//! never trusts or stores what nobody signed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::TimeDelta;
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::online::entry;
use notary_schema::role::{Role, Root, Snapshot, Targets, Timestamp};
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::{Limits, Step, UpdateError, Updater, local_name};

use super::choices::Choices;
use super::support::{self, Collection, DOCS, Edit, ROOT, SNAPSHOT, TARGETS};

const LIMITS: Limits = Limits {
    small_bytes: 4096,
    snapshot_bytes: 4096,
    targets_bytes: 4096,
    roots: 3,
    roles: 5,
    all_roles: 5,
    look_up_bytes: 9000,
    kept_bytes: 5000,
    followed_bytes: 9000,
};
/// Load, removal, request and save of each role that is visited, for one look-up.
const MOST_STEPS_OF_SEARCH: usize = 4 * LIMITS.roles;
const MOST_STEPS_OF_REFRESH: usize = 2 + 6 * LIMITS.roots as usize + 8 + MOST_STEPS_OF_SEARCH;
const NAMES: [&str; 6] = ["a.txt", "docs/intro.txt", "docs/deep/x", "none", "", "loop/x"];

pub(super) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let now = support::now() + TimeDelta::days(choices.one_of(&[0, 2, 10, 400]));
    let expiry = choices.one_of(&[Expiry::Enforced, Expiry::Reported]);
    let mut local = BTreeMap::from([("root.json".to_owned(), WORLD.first_root.clone())]);
    for _ in 0..3 {
        let mut updater = Updater::new(now, expiry, LIMITS);
        let refreshed = drive(&mut updater, &mut local, &mut choices, MOST_STEPS_OF_REFRESH);
        for _ in 0..choices.below(4) {
            let name = choices.one_of(&NAMES);
            let begun = match choices.below(4) {
                0 => updater.follow(&WORLD.chain),
                _ => updater.find(name),
            };
            if begun.is_ok()
                && drive(&mut updater, &mut local, &mut choices, MOST_STEPS_OF_SEARCH).is_ok()
                && let Some(found) = updater.found()
            {
                let listed = (found.role.clone(), found.name.clone(), found.file.length);
                assert!(WORLD.targets.contains(&listed), "{listed:?} was never signed");
            }
        }
        if let (Some(trusted), true) = (updater.trusted(), expiry == Expiry::Enforced) {
            assert!(refreshed.is_err() || trusted.expired().is_empty(), "expired and trusted");
        }
    }
}

/// Answers steps until there are none, or the updater gives up.
fn drive(
    updater: &mut Updater,
    local: &mut BTreeMap<String, Vec<u8>>,
    choices: &mut Choices<'_>,
    most: usize,
) -> Result<(), UpdateError> {
    let mut left = most;
    loop {
        let step = updater.step();
        assert_eq!(step, updater.step(), "asking again gives another step");
        let answered = match step {
            Step::Done => return Ok(()),
            Step::Load { name } => match choices.below(16) {
                15 => updater.fetched(choices.bytes(8).to_vec()),
                14 => updater.not_found(),
                13 => updater.loaded(Some(any_file(choices))),
                12 => updater.loaded(None::<Vec<u8>>),
                _ => updater.loaded(local.get(&name).cloned()),
            },
            Step::Fetch { name, .. } => match choices.below(16) {
                15 => updater.loaded(Some(any_file(choices))),
                14 => updater.failed("no network"),
                13 => updater.not_found(),
                12 => updater.fetched(any_file(choices)),
                _ => match WORLD.remote.get(&name) {
                    Some(file) => updater.fetched(choices.damage(file.clone())),
                    None => updater.not_found(),
                },
            },
            Step::Save { name, bytes } => {
                assert!(is_signed(&name, &bytes), "{name} is stored and nobody signed it");
                local.insert(name, bytes.to_vec());
                updater.stored();
                Ok(())
            }
            Step::Remove { name } => {
                local.remove(&name);
                updater.stored();
                Ok(())
            }
        };
        updater.trusted().iter().for_each(|trusted| assert_signed(trusted));
        match answered {
            // The input ends, and after it every answer is a right one.
            Err(UpdateError::WrongAnswer) => continue,
            answered => answered?,
        }
        left = left.checked_sub(1).expect("the updater takes more steps than its limits allow");
    }
}

/// A file of the repository under a name that it does not have, a damaged one, or any bytes.
fn any_file(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(3) {
        0 => choices.bytes(64).to_vec(),
        _ => choices.one_of(&WORLD.all),
    }
}

fn assert_signed(trusted: &TrustedSet) {
    assert!(has_signed("root.json", trusted.root().message()));
    if let Some(file) = trusted.timestamp() {
        assert!(has_signed("timestamp.json", file.message()));
    }
    if let Some(file) = trusted.snapshot() {
        assert!(has_signed("snapshot.json", file.message()));
    }
    for (role, file) in WORLD.roles.iter().filter_map(|role| Some((role, trusted.targets(role)?))) {
        assert!(has_signed(&local_name(role), file.message()));
    }
}

fn has_signed(name: &str, message: &[u8]) -> bool {
    WORLD.signed.contains(&(name.to_owned(), message.to_vec()))
}

fn is_signed(name: &str, bytes: &[u8]) -> bool {
    fn of<T: Role>(name: &str, bytes: &[u8]) -> bool {
        Envelope::<T>::parse(bytes.to_vec()).is_ok_and(|file| has_signed(name, file.message()))
    }
    match name {
        "root.json" | "root.next" => of::<Root>("root.json", bytes),
        "timestamp.json" => of::<Timestamp>(name, bytes),
        "snapshot.json" => of::<Snapshot>(name, bytes),
        _ => of::<Targets>(name, bytes),
    }
}

/// A repository of three states, all of whose files are offered.
struct World {
    first_root: Vec<u8>,
    /// What the repository answers, by name; the newest where a name has no version.
    remote: BTreeMap<String, Vec<u8>>,
    /// Every file there ever was.
    all: Vec<Vec<u8>>,
    /// What was signed, by the name of the file in a client's directory.
    signed: BTreeSet<(String, Vec<u8>)>,
    roles: Vec<RoleName>,
    chain: Vec<RoleName>,
    targets: BTreeSet<(RoleName, String, u64)>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let first = Collection::new();
    let deep = support::delegation("deep", &["docs/deep/*"], &[6], 1);
    let back = support::delegation("docs", &["*/*", "docs/*/*"], &[DOCS], 1);
    let docs = first.next("docs").with_delegation(deep, &[6]);
    let deep = Draft::first_targets(support::in_days(365))
        .with_target("docs/deep/x")
        .with_delegation(back, &[DOCS]);
    let looped = support::delegation("missing", &["loop/*"], &[7], 1);
    let targets = first.next("targets").with_delegation(looped, &[7]);
    let mut files = first.files.clone();
    files.insert(support::role("docs"), support::sign(&docs.finish(), &[DOCS]));
    files.insert(support::role("deep"), support::sign(&deep.finish(), &[6]));
    let second = Collection::of(root(2), files.clone(), 2);
    files.insert(RoleName::TARGETS, support::sign(&targets.finish(), &[TARGETS]));
    let third = Collection::of(root(3), files, 3);

    let mut world = World {
        first_root: first.root.clone(),
        remote: BTreeMap::new(),
        all: Vec::new(),
        signed: BTreeSet::new(),
        roles: ["targets", "docs", "deep", "missing"].map(support::role).to_vec(),
        chain: ["docs", "deep", "docs"].map(support::role).to_vec(),
        targets: BTreeSet::new(),
    };
    for state in [&first, &second, &third] {
        world.remote.extend(state.repository());
        world.all.extend(state.repository().into_values());
        note::<Root>(&mut world, "root.json", &state.root);
        note::<Snapshot>(&mut world, "snapshot.json", &state.snapshot);
        note::<Timestamp>(&mut world, "timestamp.json", &state.timestamp);
        for (role, file) in &state.files {
            note::<Targets>(&mut world, &local_name(role), file);
            let parsed = Envelope::<Targets>::parse(file.clone()).expect("our own file");
            assert!(entry(&parsed).describes(file));
            let listed = parsed.signed().targets.iter();
            world.targets.extend(listed.map(|(name, f)| (role.clone(), name.to_owned(), f.length)));
        }
    }
    world
});

/// Roots whose own keys change; the online keys stay.
fn root(number: u64) -> Vec<u8> {
    let mut root = support::root(number);
    root.roles.snapshot = support::role_keys(&[SNAPSHOT], 1);
    support::sign(&Unsigned::of(&root), &[ROOT])
}

fn note<T: Role>(world: &mut World, name: &str, file: &[u8]) {
    let message = Envelope::<T>::parse(file.to_vec()).expect("our own file").message().to_vec();
    world.signed.insert((name.to_owned(), message));
}
