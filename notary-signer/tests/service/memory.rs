//! What an operator makes of the signer's memory while the service is stopped.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::{Key, PublicKey, sha256_hex};
use notary_schema::name::{KeyId, Version};
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};
use notary_schema::online::{self, OnlineRole};
use notary_schema::role::{RoleKeys, Root, TopLevelRoles};
use notary_schema::wire::KeyRequest;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::client::{Answer, app, life};
use crate::commands::{fails, signer, stdout};
use crate::world::{Document, World};

#[tokio::test]
async fn a_backup_beside_the_service_starts_none_before_what_it_remembers_is_set() {
    let mut scene = Scene::new().await;
    let backup = |name: &str| {
        signer(&scene.world.path(""), &["backup", name, "--config", "signer.toml", "--json"])
    };
    let written: serde_json::Value = serde_json::from_str(&stdout(&backup("copy"))).unwrap();
    assert_eq!(written["contents"], serde_json::json!({"keys": 2, "memories": 2}));
    assert!(fails(&backup("copy"), 8).contains("copy is there already"));
    let copy = scene.world.path("copy");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!scene.world.path("copy-wal").exists() && !scene.world.path("copy-shm").exists());
    // The one that was copied goes on, and starts again.
    scene.release(2, 2).await;
    scene.world.stop().await;
    scene.world.start().await.unwrap();
    scene.release(3, 3).await;

    scene.world.stop().await;
    for name in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(scene.world.path(&format!("signer.sqlite{name}")));
    }
    fs::copy(&copy, scene.world.path("signer.sqlite")).unwrap();
    let refused = scene.world.start().await.unwrap_err().to_string();
    assert!(refused.contains("--after-restore") && refused.contains("acme/app"), "{refused}");
    stdout(&scene.set("--snapshot-version 67"));
    let refused = scene.world.start().await.unwrap_err().to_string();
    assert!(refused.contains("acme/app"), "the timestamp: {refused}");
    stdout(&scene.set("--timestamp-version 67"));
    scene.world.start().await.unwrap();
    let audit = scene.world.audit();
    assert!(audit.iter().all(|line| line.outcome != "unsettled"), "it was in no other file");
    scene.release(68, 4).await;
}

#[tokio::test]
async fn a_database_that_is_not_whole_is_not_copied() {
    let scene = Scene::new().await;
    let path = scene.world.path("");
    let backup = || signer(&path, &["backup", "copy", "--config", "signer.toml"]);
    let change = |version: u64| {
        let database = scene.world.config.database.to_str().unwrap();
        let statement = format!(
            "PRAGMA ignore_check_constraints = ON; \
             UPDATE memory SET version = {version} WHERE role = 'timestamp'"
        );
        SqliteConnection::establish(database).unwrap().batch_execute(&statement).unwrap();
    };
    change(0);
    let refused = fails(&backup(), 8);
    assert!(refused.contains("memory"), "{refused}");
    let left = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(".notary")).collect();
    assert!(!scene.world.path("copy").exists() && left.is_empty(), "{left:?}");
    change(1);
    stdout(&backup());
}

/// A signer that has signed snapshot 1 and timestamp 1.
pub(crate) struct Scene {
    pub(crate) world: World,
    keys: [KeyId; 2],
    snapshot: Vec<u8>,
    timestamp: Vec<u8>,
}

impl Scene {
    pub(crate) async fn new() -> Scene {
        let world = World::started().await;
        let keys = [
            world.server().key(Snapshot, false).await.keyid,
            world.server().key(Timestamp, false).await.keyid,
        ];
        let mut scene = Scene { world, keys, snapshot: Vec::new(), timestamp: Vec::new() };
        scene.release(1, 1).await;
        scene
    }

    /// Has the next snapshot and timestamp signed.
    pub(crate) async fn release(&mut self, number: u64, targets: u64) {
        let snapshot = self.world.snapshot(number, targets);
        self.snapshot = self.sign(&snapshot).await.file();
        let timestamp = self.world.timestamp(number, &self.snapshot);
        self.timestamp = self.sign(&timestamp).await.file();
    }

    async fn sign(&self, document: &Document) -> Answer {
        let [snapshot, timestamp] = &self.keys;
        let key = if document.role == Snapshot { snapshot } else { timestamp };
        self.world.server().sign(&[key], document).await
    }

    pub(crate) fn set(&self, arguments: &str) -> Output {
        let mut command = vec!["memory", "set", "--config", "signer.toml", "--gun", "acme/app"];
        command.extend(["--reason", "as the runbook says"]);
        command.extend(arguments.split_whitespace());
        signer(&self.world.path(""), &command)
    }

    fn show(&self) -> String {
        let show = ["memory", "show", "--config", "signer.toml", "--gun", "acme/app"];
        stdout(&signer(&self.world.path(""), &show))
    }

    async fn remembered(&self) -> [Option<u64>; 2] {
        let memory = self.world.server().memory().await;
        [memory.snapshot, memory.timestamp].map(|file| file.map(|file| file.version.get()))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.world.path(name), bytes).unwrap();
    }

    /// What a server serves, as `notary export` writes it: a root that lists these keys, snapshot and
    /// timestamp.
    pub(crate) async fn export(&self) {
        fs::create_dir_all(self.world.path("export")).unwrap();
        self.write("root.json", &self.root().await);
        self.write("export/timestamp.json", &self.timestamp);
        let snapshot = Envelope::<notary_schema::role::Snapshot>::parse(self.snapshot.clone());
        let name = format!("export/{}.snapshot.json", snapshot.unwrap().version());
        self.write(&name, &self.snapshot);
    }

    async fn root(&self) -> Vec<u8> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        let owner = Key::new(PublicKey::Ed25519(public));
        let mut keys = vec![owner.clone()];
        for role in [Snapshot, Timestamp] {
            keys.push(self.world.server().key(role, false).await.key);
        }
        let role = |number: usize| RoleKeys::new(vec![keys[number].id().clone()], 1).unwrap();
        let roles = TopLevelRoles {
            root: role(0),
            targets: role(0),
            snapshot: role(1),
            timestamp: role(2),
        };
        let keys = keys.iter().map(|key| (key.id().clone(), key.clone())).collect();
        let expires = online::expires_after(self.world.now(), 1_000_000);
        let root = Unsigned::of(&Root::new(Version::FIRST, expires, keys, roles));
        let signature = pair.sign(root.message()).as_ref().to_vec();
        root.with_signatures(&[(owner.id().clone(), signature)])
    }
}

/// Version, version before, digest before, who and why.
#[derive(Debug, QueryableByName)]
struct Act {
    #[diesel(sql_type = Nullable<BigInt>)]
    version: Option<i64>,
    #[diesel(sql_type = Nullable<BigInt>)]
    version_before: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    sha256_before: Option<String>,
    #[diesel(sql_type = Text)]
    who: String,
    #[diesel(sql_type = Nullable<Text>)]
    reason: Option<String>,
}

fn acts(world: &World) -> Vec<Act> {
    let mut connection =
        SqliteConnection::establish(world.config.database.to_str().unwrap()).unwrap();
    let query = "SELECT * FROM audit WHERE action = 'memory set' ORDER BY seq";
    diesel::sql_query(query).load(&mut connection).unwrap()
}

#[tokio::test]
async fn the_files_of_somebody_else_are_what_was_signed_last() {
    let mut scene = Scene::new().await;
    let theirs = scene.world.snapshot(900, 800);
    let theirs = format!("{{\"signatures\":[],\"signed\":{}}}", theirs.signed);
    let named = scene.world.timestamp(1000, theirs.as_bytes());
    scene.write("theirs.json", theirs.as_bytes());
    let named = format!("{{\"signatures\":[],\"signed\":{}}}", named.signed);
    scene.write("named.json", named.as_bytes());
    assert_eq!(scene.sign(&scene.world.snapshot(901, 801)).await.refusal(), "version_jump");

    scene.world.stop().await;
    let life = life(1);
    assert_eq!(
        stdout(&scene.set("--file theirs.json --file named.json")),
        format!("{life} snapshot 900 after 1\n{life} timestamp 1000 after 1\n")
    );
    scene.world.start().await.unwrap();
    assert_eq!(scene.remembered().await, [Some(900), Some(1000)]);
    assert_eq!(scene.sign(&scene.world.snapshot(900, 801)).await.refusal(), "version_used");
    scene.sign(&scene.world.snapshot(901, 801)).await.file();
}

#[tokio::test]
async fn a_running_service_keeps_its_memory_to_itself() {
    let mut scene = Scene::new().await;
    assert!(fails(&scene.set("--snapshot-version 5"), 8).contains("stop that one first"));
    assert_eq!(scene.remembered().await, [Some(1), Some(1)]);
    scene.world.stop().await;
    stdout(&scene.set("--snapshot-version 5"));
    scene.world.start().await.unwrap();
    assert_eq!(scene.remembered().await, [Some(5), Some(1)]);
}

#[tokio::test]
async fn going_back_is_said_to_be_meant_and_leaves_a_trace() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    stdout(&scene.set("--snapshot-version 9007199254740991"));
    let refused = fails(&scene.set("--snapshot-version 3"), 1);
    assert!(refused.contains("goes back from version 9007199254740991 to 3"), "{refused}");
    assert!(refused.contains("--forget snapshot=9007199254740991"), "{refused}");
    fails(&scene.set("--snapshot-version 3 --forget snapshot=7"), 1);
    fails(&scene.set("--snapshot-version 3 --forget timestamp=1"), 1);
    stdout(&scene.set("--snapshot-version 3 --forget snapshot=9007199254740991"));
    assert_eq!(stdout(&scene.set("--snapshot-version 3")), "nothing to change\n");
    let shown = scene.show();
    assert!(shown.lines().next().unwrap().contains(" snapshot 3 "), "{shown}");
    assert!(shown.contains("set by operator") && shown.contains("as the runbook says"), "{shown}");
    assert!(!shown.lines().nth(1).unwrap().contains("set by"), "{shown}");

    let acts = acts(&scene.world);
    let steps: Vec<_> = acts.iter().map(|act| (act.version_before, act.version)).collect();
    let far = Some(9_007_199_254_740_991);
    assert_eq!(steps, [(Some(1), far), (far, Some(3))]);
    assert_eq!(acts[0].sha256_before, Some(sha256_hex(&scene.snapshot)));
    for act in acts {
        assert!(act.who.starts_with("operator ") && act.who.len() > 9, "{act:?}");
        assert_eq!(act.reason.as_deref(), Some("as the runbook says"));
    }
    scene.world.start().await.unwrap();
    scene.sign(&scene.world.snapshot(4, 1)).await.file();
}

#[tokio::test]
async fn a_signer_from_a_backup_signs_no_version_again() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    let copy = |from: &str, to: &str| drop(fs::copy(scene.world.path(from), scene.world.path(to)));
    copy("signer.sqlite", "backup");
    scene.world.start().await.unwrap();
    scene.release(2, 2).await;
    scene.export().await;
    // Signed, and never committed by the server.
    let lost = scene.sign(&scene.world.snapshot(3, 3)).await.file();
    scene.world.stop().await;
    for name in ["signer.sqlite-wal", "signer.sqlite-shm"] {
        drop(fs::remove_file(scene.world.path(name)));
    }
    fs::remove_file(scene.world.path("signer.sqlite")).unwrap();
    fs::copy(scene.world.path("backup"), scene.world.path("signer.sqlite")).unwrap();

    let restore = "--after-restore --root root.json --from export";
    let life = life(1);
    let expected = format!("{life} snapshot 66 after 1\n{life} timestamp 66 after 1\n");
    assert_eq!(stdout(&scene.set(restore)), expected);
    assert_eq!(stdout(&scene.set(restore)), "nothing to change\n");
    scene.world.start().await.unwrap();
    scene.world.pass_seconds(1);
    for number in [2, 3, 66] {
        let again = scene.sign(&scene.world.snapshot(number, 2)).await;
        assert_eq!(again.status, 409, "{number}");
        assert_ne!(again.body, lost);
    }
    scene.release(67, 3).await;
    scene.release(68, 3).await;
}

#[tokio::test]
async fn what_is_not_verified_or_not_of_the_collection_is_not_believed() {
    let mut scene = Scene::new().await;
    scene.release(2, 2).await;
    scene.export().await;
    let of = |incarnation: u8, role: OnlineRole| KeyRequest {
        collection: app(),
        incarnation: life(incarnation),
        role,
        rotate: false,
        except: vec![],
    };
    scene.world.server().key_for(&of(2, Snapshot)).await;
    scene.world.stop().await;
    let restore = "--after-restore --root root.json --from export";

    let lives = fails(&scene.set(restore), 2);
    assert!(lives.contains(&format!("{}, {}", life(1), life(2))), "{lives}");
    let other = fails(&scene.set(&format!("{restore} --incarnation {}", life(2))), 1);
    assert!(other.contains("which this signer holds for acme/app"), "{other}");
    let none = fails(&scene.set(&format!("{restore} --incarnation {}", life(3))), 5);
    assert!(none.contains("no key of such a life of acme/app"), "{none}");

    let first = format!("{restore} --incarnation {}", life(1));
    let forged = String::from_utf8(scene.snapshot.clone()).unwrap();
    scene.write(
        "export/2.snapshot.json",
        forged.replace("\"version\":2", "\"version\":3").as_bytes(),
    );
    assert!(fails(&scene.set(&first), 1).contains("not verified from --root on"));
    scene.write("export/2.snapshot.json", &scene.snapshot);
    stdout(&scene.set(&first));
}

#[test]
fn what_is_set_is_said_whole() {
    let directory = tempfile::tempdir().unwrap();
    let set = |arguments: &str| {
        let mut command = vec!["memory", "set", "--gun", "acme/app"];
        command.extend(arguments.split_whitespace());
        signer(directory.path(), &command)
    };
    for (missing, named) in [
        ("--snapshot-version 1", "--reason"),
        ("--reason x", "--file"),
        ("--reason x\u{202e} --snapshot-version 1", "U+202E"),
        ("--reason x --after-restore --root r", "--from"),
        (
            "--reason x --after-restore --root r --from d --snapshot-version 1",
            "cannot be used with",
        ),
        ("--reason x --snapshot-version 0", "snapshot-version"),
        ("--reason x --snapshot-version 1 --forget root=1", "snapshot=VERSION"),
        ("--reason x --snapshot-version 1 --forget snapshot", "snapshot"),
    ] {
        let refused = fails(&set(missing), 2);
        assert!(refused.contains(named), "{missing}: {refused}");
    }
    let missing = fails(&set("--reason x --file none.json --config signer.toml"), 8);
    assert!(missing.contains("signer.toml"), "{missing}");
}
