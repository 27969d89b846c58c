//! What `backup` writes beside a running server, and `restore` puts in the place of a database.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use notary_server::store::ServeLock;
use serde_json::Value;

use crate::fsck::{busy_world, damaged};
use crate::world::World;

/// A host with this database, or the place for one.
struct Host {
    directory: tempfile::TempDir,
    database: PathBuf,
}

impl Host {
    fn of(database: &Path) -> Host {
        let directory = tempfile::tempdir().unwrap();
        let example = include_str!("../../../config/server.toml");
        let line = format!("database = {:?}", database.display().to_string());
        let config = example.replace("#database = \"/var/lib/notary/server.sqlite\"", &line);
        fs::write(directory.path().join("server.toml"), config).unwrap();
        Host { directory, database: database.to_owned() }
    }

    fn new() -> Host {
        let host = Host::of(Path::new("server.sqlite"));
        Host { database: host.file("server.sqlite"), ..host }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.current_dir(self.directory.path()).args(arguments);
        command.args(["--config", "server.toml"]).output().unwrap()
    }

    #[track_caller]
    fn done(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?} {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What it says on stderr.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The files beside the configuration, in order.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "server.toml");
        names.sort();
        names
    }
}

fn sha256(file: &Path) -> String {
    notary_schema::key::sha256_hex(&fs::read(file).unwrap())
}

async fn feed(world: &World) -> String {
    world.get("/v2/_trust/changefeed").await.json()["feed"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn a_backup_beside_a_server_is_one_sound_file_that_only_its_owner_reads() {
    let world = busy_world().await;
    let host = Host::of(world.database());
    let done = host.done(&["backup", "copy.sqlite"]);
    assert_eq!(host.files(), ["copy.sqlite"], "one file");
    let copy = host.file("copy.sqlite");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!((&done["ok"], &done["sha256"]), (&true.into(), &sha256(&copy).into()));
    let lives = done["contents"]["collections"].as_array().unwrap();
    let states: Vec<_> =
        lives.iter().map(|life| (life["collection"].as_str(), life["state"].as_str())).collect();
    assert_eq!(states[0], (Some("acme/app"), Some("live")));
    assert_eq!((lives.len(), lives[0]["versions"]["root"].as_u64()), (4, Some(2)));
    assert_eq!(world.fsck(&copy).await, [""; 0]);

    let named = host.refused(&["backup", "copy.sqlite"]);
    assert!(named.contains("copy.sqlite is there already"), "{named}");
    fs::create_dir(host.file("nightly")).unwrap();
    let dated = host.done(&["backup", "nightly"])["file"].as_str().unwrap().to_owned();
    assert!(dated.starts_with("nightly/server-20") && dated.ends_with("Z.sqlite"), "{dated}");
    let absent = host.refused(&["backup", "none/copy.sqlite"]);
    assert!(absent.contains("cannot write none"), "{absent}");
}

#[actix_web::test]
async fn a_backup_of_a_damaged_database_is_kept_and_said_to_be_damaged() {
    let world = busy_world().await;
    let flip = "UPDATE files SET sha256 = 'aa' WHERE role = 'docs'";
    let host = Host::of(&damaged(&world, "hurt", flip));
    let said = host.refused(&["backup", "copy.sqlite"]);
    assert!(said.contains("acme/app docs 2") && said.contains("as damaged as"), "{said}");
    assert!(host.file("copy.sqlite").exists());

    let target = Host::new();
    let said = target.refused(&["restore", host.file("copy.sqlite").to_str().unwrap()]);
    assert!(said.contains("acme/app docs 2") && said.contains("nothing has changed"), "{said}");
    assert_eq!(target.files(), ["server.sqlite.lock"]);
}

#[actix_web::test]
async fn a_restored_database_is_the_copy_with_a_changefeed_of_its_own() {
    let mut world = busy_world().await;
    let before = feed(&world).await;
    let host = Host::of(world.database());
    host.done(&["backup", "copy.sqlite"]);
    let copy = host.file("copy.sqlite");
    let of_copy = sha256(&copy);
    let target = Host::new();
    let done = target.done(&["restore", copy.to_str().unwrap()]);
    assert_eq!(done["before"], Value::Null);
    assert!(done["next"].as_str().unwrap().contains("notary repair"), "{done}");
    assert_eq!(target.files(), ["server.sqlite", "server.sqlite.lock"]);
    let mode = fs::metadata(&target.database).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(sha256(&copy), of_copy, "the copy is as it was");
    world.restart_with(target.database.clone()).await;
    assert_ne!(feed(&world).await, before);
    world.require_sound().await;
}

#[actix_web::test]
async fn a_database_that_is_there_is_replaced_only_when_that_is_said_and_is_kept() {
    let world = busy_world().await;
    let host = Host::of(world.database());
    host.done(&["backup", "copy.sqlite"]);
    let (copy, target) = (host.file("copy.sqlite"), Host::new());
    let copy = copy.to_str().unwrap();
    // The one that is there has its last commit in its log alone.
    let newer = world.copy_of_database();
    let log = |database: &Path| PathBuf::from(format!("{}-wal", database.display()));
    fs::copy(&newer, &target.database).unwrap();
    fs::copy(log(&newer), log(&target.database)).unwrap();
    let by_hand = Host::new().done(&["restore", newer.to_str().unwrap()]);
    let lives = by_hand["contents"]["collections"].as_array().map(Vec::len);
    assert_eq!(lives, Some(4), "with what is in its log: {by_hand}");
    let (bytes, logged) = (sha256(&target.database), sha256(&log(&target.database)));
    let refused = target.refused(&["restore", copy]);
    assert!(
        refused.contains("--replace") && refused.contains("server.sqlite.before-"),
        "{refused}"
    );
    assert_eq!((sha256(&target.database), sha256(&log(&target.database))), (bytes, logged));

    let serving = ServeLock::take(&target.database).unwrap();
    let refused = target.refused(&["restore", copy, "--replace"]);
    assert!(refused.contains("server.sqlite.lock is locked"), "{refused}");
    drop(serving);
    let done = target.done(&["restore", copy, "--replace"]);
    let before = PathBuf::from(done["before"].as_str().unwrap());
    let names =
        ["server.sqlite", before.file_name().unwrap().to_str().unwrap(), "server.sqlite.lock"];
    assert_eq!(target.files(), names, "no log is left over");
    for database in [&target.directory.path().join(before), &target.database] {
        assert_eq!(world.fsck(database).await, [""; 0], "{database:?}");
    }
}

#[actix_web::test]
async fn what_is_no_copy_is_refused_by_name() {
    let target = Host::new();
    let refused = target.refused(&["restore", "none.sqlite"]);
    assert!(refused.contains("there is no copy at none.sqlite"), "{refused}");
    fs::write(
        target.file("text.sqlite"),
        "not a database, and longer than a header of one is".repeat(9),
    )
    .unwrap();
    let refused = target.refused(&["restore", "text.sqlite"]);
    assert!(refused.contains("text.sqlite") && refused.contains("not a database"), "{refused}");
    assert_eq!(target.files(), ["server.sqlite.lock", "text.sqlite"]);
}
