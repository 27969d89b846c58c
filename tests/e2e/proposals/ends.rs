//! What is refused, and what becomes of a proposal that is overtaken or lapses?

use notary_tests::world::Person;

use super::{Ceremony, MISSING, id_of};

#[test]
fn what_lapses_is_not_signed_and_can_be_made_again() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "late");
    ceremony.later(31);
    ceremony.sign(&ceremony.ben, &id).fails(3, "is lapsed");
    let again = format!("proposal rebase acme/app {id} --yes --json");
    // The version is the same, and its date another.
    ceremony.anna.notary(&again).refused("another content of docs 1 was signed here");
    let made = ceremony.anna.notary(&format!("{again} --second-content"));
    ceremony.sign(&ceremony.ben, &id_of(&made)).done();
    assert_eq!(ceremony.version("docs"), 1);
}

#[test]
fn what_is_overtaken_is_made_again_without_its_signatures() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "one");
    ceremony.anna.notary("rotate acme/app docs --threshold 1").done();
    ceremony.ben.file("file", "two");
    ceremony.ben.notary("add acme/app docs/two file --role docs --publish").done();
    assert_eq!((ceremony.version("docs"), &*ceremony.state(&id)), (1, "stale"));
    ceremony.sign(&ceremony.carl, &id).fails(3, "notary proposal rebase");
    let shown = ceremony.carl.notary(&format!("proposal show acme/app {id}")).done();
    assert!(shown.contains("not to be signed"), "{shown}");
    let again = ceremony.carl.notary(&format!("proposal rebase acme/app {id} --yes"));
    assert!(again.stderr().contains("+ target docs/one"), "{again}");
    again.done();
    assert_eq!(ceremony.version("docs"), 2);
    let listed = ceremony.anna.notary("list acme/app").done();
    assert!(listed.contains("docs/one") && listed.contains("docs/two"), "{listed}");
}

#[test]
fn what_both_have_changed_is_named() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "same");
    let other = ceremony.propose_as_other(&id, "same", "of somebody else");
    ceremony.sign(&ceremony.carl, &other).done();
    let again = ceremony.anna.notary(&format!("proposal rebase acme/app {id} --yes"));
    again.fails(3, "somebody else has changed docs/same since");
    assert_eq!(ceremony.open(), 0, "nothing was made");
}

#[test]
fn a_root_that_was_overtaken_is_made_again_with_the_same_change() {
    let ceremony = Ceremony::start();
    let dora = ceremony.newcomer("dora", "sign --collection acme/app");
    let keyid = ceremony.make_key(&dora);
    let rotate = "rotate acme/app root --new-key ../dora.pem --json";
    let id = id_of(&ceremony.anna.notary(rotate));
    // An online key goes first: any two of the holders sign that.
    ceremony.ben.notary("proposal show acme/app").done();
    ceremony.anna.notary(&format!("proposal cancel acme/app {id} --yes")).done();
    let online = ceremony.anna.notary("rotate acme/app timestamp --json --second-content");
    ceremony.sign(&ceremony.ben, &id_of(&online)).done();
    let again = format!("proposal rebase acme/app {id}");
    // Shown is the root that would be made, beside the change that the server tells.
    let shown = ceremony.anna.notary(&again);
    assert!(shown.stderr().contains("root 4, expires"), "{shown}");
    assert!(shown.stderr().matches(&format!("+ key {keyid}")).count() == 2, "{shown}");
    shown.fails(2, "say --yes");
    assert_eq!(ceremony.open(), 0, "nothing was made");
    let made = ceremony.anna.notary(&format!("{again} --yes --json"));
    let made = id_of(&made);
    ceremony.sign(&ceremony.carl, &made).done();
    let root = ceremony.world.http(None).get("/v2/acme/app/_trust/tuf/root.json").json();
    let keyids = root["signed"]["roles"]["root"]["keyids"].to_string();
    assert!(keyids.contains(&keyid), "{keyids}");
}

#[test]
fn of_several_the_only_one_is_signed_that_waits_for_these_keys() {
    let ceremony = Ceremony::start();
    let docs = ceremony.propose(&ceremony.ben, "one");
    let root = id_of(&ceremony.anna.notary("rotate acme/app timestamp --json"));
    let sign = |person: &Person| person.notary("proposal sign acme/app --yes");
    // Carl has signed neither.
    let several = sign(&ceremony.carl).exits(2);
    for told in [
        "2 proposals of acme/app wait for a key here".to_owned(),
        "`notary proposal sign acme/app ID`".to_owned(),
        format!("{docs} (docs 1: changes of docs)"),
        format!("{root} (root 3: other signers for timestamp in place of those of now)"),
    ] {
        assert!(several.contains(&told), "{told}: {several}");
    }
    sign(&ceremony.anna).done();
    assert_eq!((&*ceremony.state(&docs), &*ceremony.state(&root)), ("published", "open"));
    sign(&ceremony.carl).done();
    assert_eq!(ceremony.state(&root), "published");
}

#[test]
fn what_is_open_and_waits_for_others_is_not_chosen() {
    let ceremony = Ceremony::start();
    let docs = ceremony.propose(&ceremony.ben, "one");
    let root = id_of(&ceremony.anna.notary("rotate acme/app timestamp --json"));
    let sign =
        |person: &Person, more| person.notary(&format!("proposal sign acme/app --yes{more}"));
    sign(&ceremony.anna, "").done();
    let docs_again = ceremony.propose(&ceremony.anna, "two");
    // Anna has signed both.
    let none = "none of the 2 open proposals of acme/app waits for a key here";
    sign(&ceremony.anna, "").fails(2, none);
    // Of those that wait for carl, one has such a file.
    sign(&ceremony.carl, " --role docs").done();
    assert_eq!((&*ceremony.state(&docs_again), &*ceremony.state(&root)), ("published", "open"));
    assert_eq!(ceremony.state(&docs), "published");
}

#[test]
fn an_id_is_said_by_as_much_as_no_other_begins_with() {
    let ceremony = Ceremony::start();
    let docs = ceremony.propose(&ceremony.ben, "one");
    let root = id_of(&ceremony.anna.notary("rotate acme/app timestamp --json"));
    let common = |other: &str| root.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let all = ceremony.anna.notary("proposal list acme/app --json").json();
    let ids =
        all["proposals"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str());
    let most = ids.filter(|id| *id != root).map(common).max().expect("others");
    let (start, several) = (&root[..=most], &root[..common(&docs)]);
    for command in [
        "show acme/app ID",
        "sign acme/app ID --yes",
        "export acme/app ID -o carried",
        "rebase acme/app ID --yes",
        "cancel acme/app ID --yes",
    ] {
        let say =
            |id: &str| ceremony.anna.notary(&format!("proposal {}", command.replace("ID", id)));
        let refused = say(several).exits(2);
        for told in [
            format!("{several} begins the ids of "),
            format!("{docs} (docs 1: changes of docs)"),
            format!("{root} (root 3: other signers for timestamp in place of those of now)"),
        ] {
            assert!(refused.contains(&told), "{command}: {told}: {refused}");
        }
        say("f").fails(5, "no proposal of acme/app has an id that begins with f");
        let outcome = say(start);
        let mut told = outcome.to_string();
        match command {
            "rebase acme/app ID --yes" => drop(outcome.exits(2)),
            "sign acme/app ID --yes" => drop(outcome.exits(MISSING)),
            "export acme/app ID -o carried" => {
                outcome.done();
                let carried = ceremony.anna.directory().join("carried");
                told = std::fs::read_to_string(carried).expect("it was written");
            }
            _ => drop(outcome.done()),
        }
        assert!(told.contains(&root), "{command}: {told}");
    }
    assert_eq!((&*ceremony.state(&docs), &*ceremony.state(&root)), ("open", "cancelled"));
}

#[test]
fn bad_input_is_refused_by_name() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "one");
    let (ben, carl) = (&ceremony.ben, &ceremony.carl);
    let sign = |more: &str| carl.notary(&format!("proposal sign acme/app {more}"));
    sign("00000000 --yes").exits(5);
    sign(&id).fails(2, "--yes");
    sign(&format!("{id} --yes --role targets")).fails(2, "the proposal has no file of targets");
    let other = carl.new_key();
    sign(&format!("{id} --yes --key {other}")).fails(2, "none of the keys here may sign docs");
    let mut wrong = carl.command(&format!("proposal sign acme/app {id} --yes"));
    wrong.env("NOTARY_PASSPHRASE", "wrong");
    carl.run(wrong).exits(8);
    assert_eq!((ceremony.open(), ceremony.state(&id)), (1, "open".to_owned()));
    ben.notary(&format!("proposal cancel acme/app {id} --yes")).fails(1, "is not admin");
    ben.notary(&format!("proposal rebase acme/app {id} --yes")).fails(2, "is still on the newest");
    ben.notary("publish acme/app --reason a --propose").done();
    // Somebody who may only read.
    let agent = ceremony.newcomer("agent", "read --collection acme/app");
    agent.notary("proposal show acme/app").done();
    agent.notary(&format!("proposal sign acme/app {id} --yes")).exits(2);
    ceremony.sign(carl, &id).done();
    assert_eq!(ceremony.sign(carl, &id).code(), 0, "a repeat is fine");
}

impl Ceremony {
    /// Somebody makes another proposal for docs while one is open: the server has one for each role, so
    /// the open one is taken back.
    fn propose_as_other(&self, id: &str, name: &str, content: &str) -> String {
        let ben = &self.ben;
        ben.file("file", content);
        ben.notary(&format!("add acme/app docs/{name} file --role docs")).done();
        ben.notary("publish acme/app").fails(3, &format!("notary proposal show acme/app {id}"));
        assert_eq!(ben.notary("status acme/app").code(), 7, "it stays staged");
        self.anna.notary(&format!("proposal cancel acme/app {id} --yes")).done();
        let made = ben.notary("publish acme/app --json");
        assert_eq!(made.code(), MISSING, "{made}");
        id_of(&made)
    }
}

#[test]
fn the_command_is_named_that_makes_another_kind_of_root_again() {
    let ceremony = Ceremony::start();
    for (command, options) in
        [("witness acme/app root --publish", ""), ("recover acme/app snapshot", "--second-content")]
    {
        let id = id_of(&ceremony.anna.notary(&format!("{command} --json {options}")));
        ceremony.anna.notary(&format!("proposal cancel acme/app {id} --yes")).done();
        let again = ceremony.anna.notary(&format!("proposal rebase acme/app {id} --yes"));
        again.fails(1, &format!("make it again with `notary {command}`"));
    }
}
