//! Does a collection go on while the place of its timestamp key is away?

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use notary_tests::tree;
use notary_tests::watchers::Watchers;
use notary_tests::world::{Person, World, wait_for};
use serde_json::Value;
use tempfile::TempDir;
use toml::toml;

/// A world whose keys of the timestamp are behind a program, and their stand-bys behind another one.
struct Scene {
    world: World,
    manager: Person,
    /// What the programs keep.
    places: TempDir,
}

impl Scene {
    /// One whose stand-by signs after so many seconds.
    fn after(seconds: i64) -> Scene {
        let places = tempfile::tempdir().expect("a temporary directory");
        let sign = tree::root().join("notary-signer/tests/service/openssl-keys.sh");
        let place = |name: &str| {
            let directory = places.path().join(name);
            fs::create_dir(&directory).expect("a new directory");
            let (sign, directory) = (sign.display().to_string(), directory.display().to_string());
            toml::Value::Table(toml! {
                kind = "exec"
                program = sign
                arguments = [directory]
            })
        };
        let backends = ["first", "second"].map(|name| (name.to_owned(), place(name)));
        let keys = toml! {
            collections = "**"
            role = "timestamp"
            backend = "first"
            standby = { backend = "second", after_seconds = seconds }
        };
        let signer = |config: &mut toml::Table| {
            config.insert("backends".into(), toml::Table::from_iter(backends).into());
            config.insert("keys".into(), vec![toml::Value::Table(keys)].into());
        };
        let world = World::with(signer, |_| {});
        let manager = world.person("manager", "admin --collection acme/**");
        Scene { world, manager, places }
    }

    /// While this file is there, the first place refuses with the code in it.
    fn refuses(&self) -> PathBuf {
        self.places.path().join("first/refuses")
    }

    /// While this file is there, this place answers nobody who wants a signature.
    fn hangs(&self, place: &str) -> PathBuf {
        self.places.path().join(place).join("hangs")
    }

    /// Publishes until the key signs again, which may be left alone for a moment yet.
    fn key_signs_again(&self, key: &str) {
        let mut contents = 0..;
        wait_for("the key to sign again", || {
            let content = format!("again {:?}", contents.next());
            (self.publish(&content) == [key]).then_some(())
        });
    }

    /// Who signs the timestamp that is refreshed when half of its life is gone.
    fn signers_of_a_refresh(&self) -> Vec<String> {
        let before = self.timestamp().1;
        self.world.clock.advance(TimeDelta::hours(13));
        wait_for("a refresh of the timestamp", || {
            let (signers, version) = self.timestamp();
            (version > before).then_some(signers)
        })
    }

    fn served(&self, role: &str) -> Value {
        self.world.http(None).get(&format!("/v2/acme/app/_trust/tuf/{role}.json")).json()
    }

    /// The key of the timestamp and its stand-by, in the newest root.
    fn pair(&self) -> [String; 2] {
        let root = self.served("root");
        let role = &root["signed"]["roles"]["timestamp"];
        assert_eq!(role["threshold"], 1);
        let ids = role["keyids"].as_array().expect("a list").iter();
        let ids: Vec<_> = ids.map(|id| id.as_str().expect("an id").to_owned()).collect();
        ids.try_into().expect("a key and its stand-by")
    }

    /// Who has signed the timestamp, and its version.
    fn timestamp(&self) -> (Vec<String>, u64) {
        let file = self.served("timestamp");
        let signatures = file["signatures"].as_array().expect("a list").iter();
        let ids = signatures.map(|one| one["keyid"].as_str().expect("an id").to_owned());
        (ids.collect(), file["signed"]["version"].as_u64().expect("a number"))
    }

    /// Publishes another content, and answers who has signed the timestamp then.
    fn publish(&self, content: &str) -> Vec<String> {
        self.manager.file("app.tgz", content);
        self.manager.notary("add acme/app app.tgz app.tgz --publish").done();
        self.timestamp().0
    }
}

#[test]
fn a_collection_goes_on_while_the_place_of_its_timestamp_key_is_away() {
    let scene = Scene::after(8);
    let init = scene.manager.notary("init acme/app");
    let [key, standby] = scene.pair();
    let said = init.stderr();
    assert!(said.contains(&key) && said.contains(&format!("stand-by {standby}")), "{said}");
    assert_eq!(scene.publish("one"), [key.as_str()]);
    let watchers = Watchers::start(&scene.world, "acme/app", "app.tgz");

    fs::write(scene.refuses(), "unreachable").expect("the place's directory");
    assert_eq!(scene.publish("two"), [standby.as_str()]);
    assert_eq!(scene.signers_of_a_refresh(), [standby.as_str()]);
    assert!(scene.world.signer.log().contains("first is not reached"), "the log names the place");

    fs::remove_file(scene.refuses()).expect("it is there");
    scene.key_signs_again(&key);

    let rotated = scene.manager.notary("rotate acme/app timestamp");
    let next = scene.pair();
    assert!(!next.contains(&key) && !next.contains(&standby), "{next:?}");
    let (told, said) = (rotated.stdout(), rotated.stderr());
    assert!(said.contains(&format!("stand-by {}", next[1])), "{said}");
    for (way, keyid) in [("in", &next[0]), ("in", &next[1]), ("out", &key), ("out", &standby)] {
        assert!(told.contains(&format!("timestamp {way}: {keyid}")), "{told}");
    }
    assert_eq!(scene.timestamp().0, [next[0].as_str(), &key], "of each pair one");
    let info = scene.manager.notary("info acme/app").done();
    assert!(next.iter().all(|keyid| info.contains(keyid)), "{info}");
    scene.world.fsck();
    watchers.end();
}

/// What hangs costs more than what fails: nobody knows for a while that it is away.
#[test]
fn a_collection_goes_on_while_the_place_of_its_timestamp_key_hangs() {
    let scene = Scene::after(2);
    scene.manager.notary("init acme/app").done();
    let [key, standby] = scene.pair();
    scene.publish("one");
    let watchers = Watchers::start(&scene.world, "acme/app", "app.tgz");

    fs::write(scene.hangs("first"), "").expect("the place's directory");
    for content in ["two", "three"] {
        assert_eq!(scene.publish(content), [standby.as_str()]);
    }
    assert_eq!(scene.signers_of_a_refresh(), [standby.as_str()]);

    // Both: what is served stays, and what waits is published when one of them is back.
    fs::write(scene.hangs("second"), "").expect("the place's directory");
    let before = scene.timestamp();
    scene.manager.file("app.tgz", "four");
    let waits = "add acme/app app.tgz app.tgz --publish";
    scene.manager.notary(&format!("--timeout 1 {waits}")).fails(4, "");
    assert_eq!(scene.timestamp(), before);
    fs::remove_file(scene.hangs("second")).expect("it is there");
    scene.manager.notary("publish acme/app").done();
    let (signers, version) = scene.timestamp();
    assert_eq!(signers, [standby.as_str()]);
    assert!(version > before.1);

    fs::remove_file(scene.hangs("first")).expect("it is there");
    scene.key_signs_again(&key);
    scene.world.fsck();
    watchers.end();
}
