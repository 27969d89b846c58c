//! Who signs when, in which order, with which outcome?

use std::thread;

use notary_tests::world::Person;

use super::{Ceremony, MISSING, id_of};

/// Nobody here may sign it.
const NO_KEY: i32 = 2;
const DONE: i32 = 0;

/// What it shows, who makes a proposal for docs, and who signs it then, with which exit code.
type Row = (&'static str, &'static str, &'static [(&'static str, i32)]);

const ROWS: [Row; 6] = [
    ("one other is enough", "anna", &[("ben", DONE)]),
    ("whoever comes first", "carl", &[("anna", DONE)]),
    ("the same one counts once", "anna", &[("anna", MISSING), ("ben", DONE)]),
    ("who is not asked does not count", "ben", &[("dora", NO_KEY), ("carl", DONE)]),
    ("made without a key", "dora", &[("carl", MISSING), ("carl", MISSING), ("ben", DONE)]),
    ("a repeat after the end is fine", "ben", &[("anna", DONE), ("anna", DONE), ("ben", DONE)]),
];

#[test]
fn two_of_three_writers_sign_in_any_order() {
    let ceremony = Ceremony::start();
    let dora = ceremony.newcomer("dora", "publish --collection acme/app");
    let person = |name: &str| match name {
        "anna" => &ceremony.anna,
        "ben" => &ceremony.ben,
        "carl" => &ceremony.carl,
        _ => &dora,
    };
    for (version, (row, maker, signers)) in (1..).zip(ROWS) {
        let id = match maker {
            // Nothing that she stages could be published by her.
            "dora" => {
                let cancelled = ceremony.propose(&ceremony.anna, "without");
                ceremony.anna.notary(&format!("proposal cancel acme/app {cancelled} --yes")).done();
                let again = format!("proposal rebase acme/app {cancelled} --yes --json");
                dora.notary(&again).fails(NO_KEY, "--propose");
                id_of(&dora.notary(&format!("{again} --propose")))
            }
            _ => ceremony.propose(person(maker), &format!("row-{version}")),
        };
        for (signer, code) in signers {
            let outcome = ceremony.sign(person(signer), &id);
            assert_eq!(outcome.code(), *code, "{row}: {signer}: {outcome}");
        }
        assert_eq!(
            (ceremony.version("docs"), &*ceremony.state(&id)),
            (version, "published"),
            "{row}"
        );
        assert_eq!(ceremony.open(), 0, "{row}");
    }
}

#[test]
fn two_who_sign_at_once_both_succeed_and_one_publishes() {
    let ceremony = Ceremony::start();
    let dora = ceremony.newcomer("dora", "publish --collection acme/app");
    for version in 1..=3 {
        let cancelled = ceremony.propose(&ceremony.anna, &format!("{version}"));
        ceremony.anna.notary(&format!("proposal cancel acme/app {cancelled} --yes")).done();
        let made =
            dora.notary(&format!("proposal rebase acme/app {cancelled} --yes --json --propose"));
        let id = id_of(&made);
        let codes = thread::scope(|scope| {
            let sign = |person| {
                let (ceremony, id) = (&ceremony, &id);
                scope.spawn(move || ceremony.sign(person, id).code())
            };
            let both = [sign(&ceremony.ben), sign(&ceremony.carl)];
            both.map(|one| one.join().expect("signing does not panic"))
        });
        assert!(codes == [0, 0] || codes == [0, 6] || codes == [6, 0], "{codes:?}");
        assert_eq!((ceremony.version("docs"), &*ceremony.state(&id)), (version, "published"));
    }
}

#[test]
fn all_holders_of_root_are_replaced_at_once() {
    let ceremony = Ceremony::start();
    let agent = ceremony.newcomer("agent", "read --collection acme/app");
    let new = ["dora", "emil"].map(|name| ceremony.newcomer(name, "sign --collection acme/app"));
    for person in &new {
        ceremony.make_key(person);
    }
    let [dora, emil] = &new;
    let keys = ceremony.keys(&[dora, emil]).replace("--key", "--new-key");
    let root = ceremony.world.http(None).get("/v2/acme/app/_trust/tuf/root.json").json();
    let old = root["signed"]["roles"]["root"]["keyids"].as_array().expect("a list").clone();
    let old = old.iter().map(|id| format!("--drop-key {}", id.as_str().expect("an id")));
    let old = old.collect::<Vec<_>>().join(" ");
    let made =
        ceremony.anna.notary(&format!("rotate acme/app root {keys} {old} --threshold 2 --json"));
    let id = id_of(&made);
    let before = ceremony.version("root");
    for (person, code) in [(dora, MISSING), (&ceremony.carl, MISSING), (emil, 0)] {
        let outcome = ceremony.sign(person, &id);
        assert_eq!(outcome.code(), code, "{outcome}");
        assert_eq!(ceremony.version("root"), before + u64::from(code == 0));
    }
    agent.notary("lookup acme/app nothing").exits(5);
    let again = ceremony.anna.notary("rotate acme/app root --threshold 1");
    again.fails(2, "none of the keys here may sign root");
    let made = dora.notary("proposal list acme/app --json").json();
    assert_eq!(made["proposals"].as_array().map(Vec::len), Some(2));
}

#[test]
fn the_key_of_targets_moves_to_somebody_who_signs_elsewhere() {
    let ceremony = Ceremony::start();
    let agent = ceremony.newcomer("agent", "read --collection acme/app");
    ceremony.anna.file("file", "first");
    ceremony.anna.notary("add acme/app first file --role targets --publish").done();
    let old = ceremony.world.http(None).get("/v2/acme/app/_trust/tuf/root.json").json();
    let old = old["signed"]["roles"]["targets"]["keyids"][0].as_str().expect("an id").to_owned();
    let made = ceremony
        .anna
        .notary(&format!("rotate acme/app targets --new-key ../ben.pem --drop-key {old} --json"));
    let (id, versions) = (id_of(&made), (ceremony.version("root"), ceremony.version("targets")));
    ceremony.sign(&ceremony.carl, &id).exits(MISSING);
    assert_eq!((ceremony.version("root"), ceremony.version("targets")), versions);
    // As a holder of root and as the new owner of targets.
    let outcome = ceremony.sign(&ceremony.ben, &id);
    assert_eq!(outcome.code(), 0, "{outcome}");
    assert_eq!(
        (ceremony.version("root"), ceremony.version("targets")),
        (versions.0 + 1, versions.1 + 1)
    );
    agent.notary("lookup acme/app first").done();
    let (anna, ben): (&Person, &Person) = (&ceremony.anna, &ceremony.ben);
    anna.notary("add acme/app second file --role targets --publish")
        .fails(2, "none of the keys here");
    ben.file("file", "second");
    ben.notary("add acme/app second file --role targets --publish").done();
}

#[test]
fn a_server_that_stops_between_targets_and_root_leaves_a_proposal_that_goes_on() {
    let mut ceremony = Ceremony::start();
    let root = ceremony.world.http(None).get("/v2/acme/app/_trust/tuf/root.json").json();
    let old = root["signed"]["roles"]["targets"]["keyids"][0].as_str().expect("an id").to_owned();
    let rotate = format!("rotate acme/app targets --new-key ../ben.pem --drop-key {old} --json");
    let id = id_of(&ceremony.anna.notary(&rotate));
    let versions = (ceremony.version("root"), ceremony.version("targets"));
    ceremony.world.server.restart_until("before_commit_answer");
    ceremony.ben.notary(&format!("proposal sign acme/app {id} --yes --timeout 1")).exits(4);
    ceremony.world.server.aborted();
    ceremony.world.server.restart();
    assert_eq!(
        (ceremony.version("root"), ceremony.version("targets")),
        (versions.0, versions.1 + 1)
    );
    assert_eq!(ceremony.state(&id), "open");
    ceremony.sign(&ceremony.ben, &id).done();
    assert_eq!(ceremony.version("root"), versions.0 + 1);
    assert_eq!(ceremony.state(&id), "published");
    ceremony.sign(&ceremony.carl, &id).done();
}

#[test]
fn all_bins_are_signed_by_one_who_gets_them() {
    let ceremony = Ceremony::start();
    let own = ceremony.make_key(&ceremony.anna);
    let divide = format!("delegation bins acme/app targets --count 4 --prefix bin --key {own}");
    ceremony.anna.notary(&divide).done();
    let rotate = "rotate acme/app targets --bins --new-key ../ben.pem --json";
    let made = ceremony.anna.notary(&format!("{rotate} --drop-key {own}"));
    let id = id_of(&made);
    let shown = ceremony.ben.notary("proposal show acme/app --json").json();
    assert_eq!(shown["files"].as_array().map(Vec::len), Some(5), "targets and its bins");
    assert_eq!(ceremony.version("bin-3"), 1);
    ceremony.sign(&ceremony.carl, &id).fails(NO_KEY, "none of the keys here");
    ceremony.sign(&ceremony.ben, &id).done();
    assert_eq!((ceremony.version("bin-3"), &*ceremony.state(&id)), (2, "published"));
}
