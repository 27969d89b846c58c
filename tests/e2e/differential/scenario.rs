//! The life of a repository as its clients see it, drawn from a seed.

use chrono::{DateTime, TimeDelta, Utc};
use notary_tests::hand::Repository;
use notary_tests::judge::{Served, Visit};

use super::mutations::{Draw, Mutation, Planned, Stored};
use super::owner::{NAMES, Owner};

/// A sequence of moments, and the root that clients start from.
pub(super) struct Scenario {
    pub(super) root: Vec<u8>,
    pub(super) moments: Vec<Moment>,
}

/// What happened, and what a client that comes now meets.
pub(super) struct Moment {
    /// What the owner has done.
    pub(super) changes: Vec<&'static str>,
    /// What goes wrong, in words.
    pub(super) mutations: Vec<Planned>,
    /// The client's files that are damaged before its visit.
    pub(super) damage: Vec<(String, Stored)>,
    pub(super) visit: Visit,
}

impl Scenario {
    /// The scenario of a seed; with these mutations.
    pub(super) fn of(seed: u64, mutations: &[Mutation]) -> Scenario {
        let mut owner = Owner::new(seed);
        let mut now = DateTime::from_timestamp(1_900_000_000, 0).expect("a date in 2030");
        let mut repository = owner.found(now);
        let root = repository.root(1).to_vec();
        let mut past: Vec<Served> = Vec::new();
        let mut moments: Vec<Moment> = Vec::new();
        for _ in 0..9 + owner.random.below(6) {
            let moment = next(&mut owner, &mut repository, mutations, now, &past);
            past.push(moment.visit.served.clone());
            moments.push(moment);
            now += pause(&mut owner);
        }
        Scenario { root, moments }
    }
}

/// What happens at a moment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// All is well, and a client gets up to date.
    Calm,
    /// The first of the mutations, and nothing else: to a client that has trusted something before.
    First,
    /// Any mutation, and nothing else.
    Other,
    /// As many mutations as are drawn.
    Drawn,
}

/// What happens at one moment after the other, again and again.
const COURSE: [Course; 6] =
    [Course::Calm, Course::First, Course::Drawn, Course::Calm, Course::Other, Course::Drawn];

/// Mostly hours, sometimes days, so that something has expired.
fn pause(owner: &mut Owner) -> TimeDelta {
    match owner.random.chance(82) {
        true => TimeDelta::hours(1 + i64::from(owner.random.below(20) as u32)),
        false => TimeDelta::days(2 + i64::from(owner.random.below(12) as u32)),
    }
}

/// What comes next: the owner's changes, what goes wrong with them, and what a client then meets.
fn next(
    owner: &mut Owner,
    repository: &mut Repository,
    mutations: &[Mutation],
    now: DateTime<Utc>,
    past: &[Served],
) -> Moment {
    let mut changes = Vec::new();
    if !past.is_empty() {
        for _ in 0..*owner.random.one_of(&[0, 1, 1, 2, 3]) {
            changes.push(owner.change(repository, now));
        }
    }
    let course = COURSE[past.len() % COURSE.len()];
    if course == Course::Calm {
        repository.edit("root");
    }
    // Sometimes nobody publishes, and what there is may expire.
    let publishes = course != Course::Drawn || owner.random.chance(90);
    // Nothing expires at the very second of a visit unless a mutation says so: the clock of a
    // program that runs goes on.
    let visited = now + TimeDelta::minutes(5);
    let stranger = owner.new_key();
    let fresh = (0..6).map(|_| owner.new_key()).collect();
    let roles = repository.targets_roles();
    let random = &mut owner.random;
    let mut draw = Draw { random, published: now, now: visited, stranger, fresh, past, roles };
    let planned = plan(course, mutations, repository, &mut draw);
    let mut wrong = repository.clone();
    planned.iter().for_each(|one| one.before(&mut wrong, &mut draw));
    if publishes {
        repository.publish(now, |_, _| {});
        match planned.iter().any(|one| one.to_publish().is_some()) {
            true => wrong.publish(now, |stage, wrong| {
                planned.iter().for_each(|one| one.at(stage, wrong, &mut draw));
            }),
            false => wrong = repository.clone(),
        }
    }
    let mut served = match past.last() {
        Some(last) if !publishes => last.clone(),
        _ => wrong.everything(),
    };
    planned.iter().for_each(|one| one.serve(&wrong, &mut served, &mut draw));
    let damage = planned.iter().filter_map(|one| Some((one.role.clone(), one.stored()?))).collect();
    match planned.iter().all(Planned::may_last) && owner.random.chance(30) {
        true => *repository = wrong,
        // What was wrong is put right by the next version.
        false => planned.iter().filter_map(Planned::to_publish).for_each(|role| {
            repository.edit(role);
            repository.edit("snapshot");
        }),
    }
    let names = (0..6).map(|_| (*owner.random.one_of(&NAMES)).to_owned()).collect();
    Moment { changes, mutations: planned, damage, visit: Visit { now: visited, served, names } }
}

/// What goes wrong with the next publish: roles to which it happens are published, right and wrong.
fn plan(
    course: Course,
    mutations: &[Mutation],
    repository: &mut Repository,
    draw: &mut Draw<'_>,
) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    let count = match course {
        _ if mutations.is_empty() => 0,
        Course::Calm => 0,
        Course::First | Course::Other => 1,
        Course::Drawn => *draw.random.one_of(&[0, 1, 1, 1, 1, 2, 2, 3]),
    };
    for _ in 0..count {
        let mutation = match course {
            Course::First => mutations[0],
            _ => *draw.random.one_of(mutations),
        };
        let one = Planned::new(mutation, repository, draw.random);
        if planned.iter().any(|other| other.told() == one.told()) {
            continue;
        }
        if let Some(role) = one.to_publish() {
            repository.edit(role);
        }
        one.prepare(repository, draw);
        planned.push(one);
    }
    planned
}
