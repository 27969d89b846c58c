//! Do clients of a foreign repository follow when the server takes it over?

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use notary_schema::envelope::{Envelope, assemble};
use notary_schema::name::KeyId;
use notary_schema::role::Root;
use notary_tests::hand::{HandKey, Repository};
use notary_tests::judge::{self, NgClient, Question};
use notary_tests::mirror::Mirror;
use notary_tests::world::{Person, Program, World};
use serde_json::Value;

/// A server, and the repository of somebody else in a directory that a mirror serves: three roots, and
/// later versions of everything.
struct Foreign {
    world: World,
    manager: Person,
    repository: Repository,
    directory: PathBuf,
    mirror: Mirror,
}

const NAMES: [&str; 2] = ["app.tgz", "docs/guide.txt"];

impl Foreign {
    fn with(edit: impl FnOnce(&mut Repository)) -> Foreign {
        let world = World::start();
        let manager = world.person("manager", "admin --collection acme/**");
        let directory = world.directory().join("theirs");
        fs::create_dir(&directory).expect("a new directory");
        let mut repository = Repository::sample();
        edit(&mut repository);
        let mirror = Mirror::of(&directory);
        for _ in 0..3 {
            for role in ["root", "targets", "docs"] {
                repository.edit(role);
            }
            repository.publish(world.clock.now(), |_, _| {});
        }
        let foreign = Foreign { world, manager, repository, directory, mirror };
        foreign.write();
        fs::write(foreign.manager.directory().join("root"), foreign.repository.root(2))
            .expect("a file");
        foreign
    }

    fn new() -> Foreign {
        Foreign::with(|_| {})
    }

    /// What is published there, as a web server has it.
    fn write(&self) {
        let served = self.repository.everything();
        for name in served.names() {
            fs::write(self.directory.join(&name), served.file(&name).expect("it is served"))
                .expect("their own directory");
        }
    }

    fn adopt(&self) -> notary_tests::world::Outcome {
        self.manager.notary("adopt acme/app --from ../theirs --root root --json")
    }

    /// Who holds their root key signs the root that goes around.
    fn sign(&self) {
        let path = self.manager.directory().join("acme-app.adopting-root.json");
        let file = fs::read(&path).expect("it was written before it was refused");
        let root = Envelope::<Root>::parse(file).expect("a root");
        let key = HandKey::of("root");
        let document: Value = serde_json::from_slice(root.bytes()).expect("JSON");
        let signed = document["signed"].to_string();
        let keyid = KeyId::parse(key.id()).expect("an id");
        fs::write(path, assemble(signed.as_bytes(), &[(keyid, key.sign(root.message()))]))
            .expect("their own file");
    }

    fn question(&self, metadata_url: String) -> Question {
        Question {
            root: self.repository.root(1).to_vec(),
            metadata_url,
            names: NAMES.map(str::to_owned).to_vec(),
            targets_url: None,
        }
    }
}

fn all() -> notary_tests::agent::Verdict {
    [("app.tgz".to_owned(), Ok(3)), ("docs/guide.txt".to_owned(), Ok(5))].into()
}

#[test]
fn a_foreign_repository_goes_on_here_and_its_clients_follow() {
    let foreign = Foreign::new();
    let (mut python, kept) = (NgClient::start(), foreign.world.directory().join("ngclient"));
    fs::create_dir(&kept).expect("a new directory");
    assert_eq!(python.ask_again(&foreign.question(foreign.mirror.url()), &kept), all());

    let missing = foreign.adopt().exits(6);
    assert!(missing.contains("have acme-app.adopting-root.json signed"), "{missing}");
    let ours = foreign.world.metadata_url("acme/app");
    let http = foreign.world.http(None);
    assert_eq!(http.get("/v2/acme/app/_trust/tuf/timestamp.json").status, 404);
    foreign.sign();
    let adopted = foreign.adopt().json();
    assert_eq!(
        [&adopted["root_version"], &adopted["snapshot"], &adopted["timestamp"]],
        [4, 4, 4],
        "{adopted}"
    );

    // The client that knows the old place, and new ones.
    let question = foreign.question(ours);
    assert_eq!(python.ask_again(&question, &kept), all());
    assert_eq!(python.ask(&question), all());
    assert_eq!(judge::tough(&question), all());
    for name in ["1.root.json", "2.root.json", "3.root.json", "3.targets.json", "3.docs.json"] {
        let served = http.get(&format!("/v2/acme/app/_trust/tuf/{name}"));
        assert_eq!(served.body, foreign.repository.file(name), "{name}");
    }

    // The same again is success, and changes nothing.
    assert_eq!(foreign.adopt().json(), adopted);
    // From now on it is a collection like any other, also at the old place.
    foreign
        .manager
        .notary("rotate acme/app timestamp")
        .fails(2, "none of the keys here may sign root");
    foreign.manager.notary("export acme/app ../new").done();
    let copy = Mirror::of(&foreign.world.directory().join("new"));
    assert_eq!(python.ask_again(&foreign.question(copy.url()), &kept), all());
}

/// The new root is signed, and everything else is to be done.
fn signed() -> Foreign {
    let foreign = Foreign::new();
    foreign.adopt().exits(6);
    foreign.sign();
    foreign
}

#[test]
fn an_adoption_goes_on_after_a_stop_at_any_point() {
    for (in_signer, point) in [
        (false, "after_prepare"),
        (false, "snapshot_signed"),
        (false, "timestamp_signed"),
        (false, "before_commit_answer"),
        (true, "before_record"),
        (true, "after_record"),
    ] {
        let mut foreign = signed();
        let world = &mut foreign.world;
        let service = if in_signer { &mut world.signer } else { &mut world.server };
        service.restart_until(point);
        let interrupted =
            foreign.manager.notary("adopt acme/app --from ../theirs --root root --timeout 1");
        assert_ne!(interrupted.code(), 0, "{point}: {interrupted}");
        let world = &mut foreign.world;
        let service = if in_signer { &mut world.signer } else { &mut world.server };
        service.aborted();
        service.restart();
        let adopted = foreign.adopt().json();
        assert_eq!(adopted["snapshot"], 4, "{point}: {adopted}");
        let question = foreign.question(foreign.world.metadata_url("acme/app"));
        assert_eq!(NgClient::start().ask(&question), all(), "{point}");
    }
}

/// A slot that is too old is made anew, and nothing but itself says how far clients have seen.
#[test]
fn an_adoption_that_waited_for_days_still_goes_above_theirs() {
    let mut foreign = signed();
    foreign.world.server.restart_until("after_prepare");
    let line = "adopt acme/app --from ../theirs --root root --timeout 1";
    assert_ne!(foreign.manager.notary(line).code(), 0);
    foreign.world.server.aborted();
    foreign.world.clock.advance(TimeDelta::days(2));
    foreign.world.server.restart();
    let adopted = foreign.adopt().json();
    assert!(adopted["snapshot"].as_u64() >= Some(4), "{adopted}");
    assert!(adopted["timestamp"].as_u64() >= Some(4), "{adopted}");
    let question = foreign.question(foreign.world.metadata_url("acme/app"));
    assert_eq!(NgClient::start().ask(&question), all());
}

#[test]
fn what_is_not_verified_there_is_not_adopted() {
    let foreign = Foreign::new();
    let refused = |words: &str| foreign.adopt().refused(words);
    let put =
        |name: &str, file: &[u8]| fs::write(foreign.directory.join(name), file).expect("theirs");
    put("3.docs.json", foreign.repository.file("2.docs.json"));
    refused(
        "the snapshot of ../theirs lists docs.json, for which neither a key nor a hash vouches",
    );
    foreign.write();
    fs::remove_file(foreign.directory.join("1.root.json")).expect("it is there");
    refused("has no chain of roots from root 1 on");
    foreign.write();
    put("timestamp.json", b"{}");
    refused("timestamp");
    foreign.write();
    fs::write(
        foreign.manager.directory().join("acme-app.adopting-root.json"),
        foreign.repository.root(3),
    )
    .expect("a file");
    foreign.adopt().fails(3, "it is root 3, theirs 3");
    fs::remove_file(foreign.manager.directory().join("acme-app.adopting-root.json"))
        .expect("it is there");
    let nowhere = foreign.manager.notary("adopt acme/app --from ../nowhere --root root");
    nowhere.fails(5, "there is no directory ../nowhere");
    let elsewhere = foreign.world.person("other", "publish --collection acme/**");
    elsewhere.file("root", foreign.repository.root(2));
    elsewhere.notary("adopt acme/app --from ../theirs --root root").refused("admin");
    // And the same as it was.
    foreign.adopt().exits(6);
    foreign.sign();
    foreign.adopt().json();
}

/// A repository of theirs with one more role.
fn with_role(role: &str) -> Foreign {
    Foreign::with(|repository| repository.delegate_paths("targets", role, &["team/*"]))
}

/// Their files have percent-encoded names, as many tools write them.
#[test]
fn a_role_with_a_slash_in_its_name_is_found_in_a_directory() {
    let foreign = with_role("a/b");
    assert!(foreign.directory.join("1.a%2Fb.json").exists());
    let missing = foreign.adopt().exits(6);
    assert!(!missing.contains("warning"), "{missing}");
    foreign.sign();
    assert_eq!(foreign.adopt().json()["roles"], 3);
    foreign.manager.notary("export acme/app ../new").done();
    assert!(foreign.world.directory().join("new/1.a/b.json").exists());
}

#[test]
fn what_the_name_of_a_role_leads_to_is_told_before_anything_is_made() {
    let outside = with_role("../../evil").adopt().exits(6);
    let told = "no web server can have a file for the role \"../../evil\": `notary export` will";
    assert!(outside.contains(told), "{outside}");
    let foreign = with_role("1.team.json");
    foreign.adopt().refused(
        "../theirs has a role \"1.team.json\", in 1.1.team.json.json: here that is the name of a \
         file of the role \"team\"",
    );
    let new_root = foreign.manager.directory().join("acme-app.adopting-root.json");
    assert!(!new_root.exists(), "nothing was made");
}

/// The signer lets no version jump, whoever asks: what has come further needs its operator.
#[test]
fn versions_beyond_the_step_of_the_signer_leave_nothing_behind() {
    let mut foreign = Foreign::with(|repository| {
        repository.part("timestamp").signed["version"] = 70.into();
    });
    foreign.adopt().exits(6);
    foreign.sign();
    let refused = foreign.adopt().exits(1);
    assert!(refused.contains("would jump"), "{refused}");
    assert!(refused.contains("`notary-signer memory set`"), "{refused}");
    let status = foreign.world.http(None).get("/v2/acme/app/_trust/tuf/1.root.json").status;
    assert_eq!(status, 404);

    foreign.world.signer.kill();
    let theirs = |name: &str| foreign.directory.join(name).display().to_string();
    let (snapshot, timestamp) = (theirs("3.snapshot.json"), theirs("timestamp.json"));
    let set = format!("memory set --gun acme/app --file {snapshot} --file {timestamp}");
    foreign.world.operate(Program::Signer, &format!("{set} --reason adopted"));
    foreign.world.signer.restart();
    let adopted = foreign.adopt().json();
    assert_eq!([&adopted["snapshot"], &adopted["timestamp"]], [4, 74], "{adopted}");
    let question = foreign.question(foreign.world.metadata_url("acme/app"));
    assert_eq!(NgClient::start().ask(&question), all());
}
