//! What `backup` writes beside a running server, and `restore` puts in the place of a database.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::thread;

use diesel::connection::{Connection, SimpleConnection};
use diesel::sqlite::SqliteConnection;
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

impl Host {
    /// The copies beside the configuration that have no name yet, and what is beside them.
    fn hidden(&self) -> Vec<String> {
        self.files().into_iter().filter(|name| name.starts_with(".notary-")).collect()
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
    assert!(said.contains("--damaged takes it as it is"), "{said}");
    assert_eq!(target.files(), ["server.sqlite.lock"]);
}

#[actix_web::test]
async fn a_damaged_copy_is_restored_where_that_is_said_and_only_what_is_damaged_is_away() {
    let mut world = World::start().await;
    let hurt = world.collection("acme/app", &["docs"]).await;
    let sound = world.collection("acme/sound", &["docs"]).await;
    for repo in [&hurt, &sound] {
        assert_eq!(world.publish(repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
    }
    let flip = "UPDATE files SET bytes = 'x' WHERE role = 'docs' AND version = 2 AND collection_id = \
                (SELECT id FROM collections WHERE gun = 'acme/app')";
    let (copy, target) = (damaged(&world, "hurt", flip), Host::new());
    let output = target.run(&["restore", copy.to_str().unwrap(), "--damaged"]);
    assert!(output.status.success(), "{output:?}");
    let [said, named] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert!(named.contains("acme/app docs 2"), "{named}");
    assert!(said.contains(" problems are in it") && said.contains("next: "), "{said}");
    let listed = world.fsck(&target.database).await;
    assert!(listed.iter().all(|problem| problem.contains("acme/app")), "{listed:?}");
    assert!(!listed.is_empty());

    world.restart_with(target.database.clone()).await;
    world.read(&sound.gun, Some("docs/x")).await;
    // Clients refuse the damaged file, until the next version is there.
    let served = world.get("/v2/acme/app/_trust/tuf/2.docs.json").await;
    assert_eq!(served.bytes, b"x");
    assert_eq!(world.publish(&hurt, &[hurt.team("docs", 3, &["y"])]).await.status, 200);
    world.read(&hurt.gun, Some("docs/y")).await;
}

#[actix_web::test]
async fn where_a_top_level_file_is_damaged_its_collection_is_away_and_the_others_go_on() {
    for role in ["root", "targets", "snapshot", "timestamp"] {
        let mut world = World::start().await;
        let hurt = world.collection("acme/app", &["docs"]).await;
        let sound = world.collection("acme/sound", &["docs"]).await;
        let flip = format!(
            "UPDATE files SET bytes = 'x' WHERE role = '{role}' AND collection_id = \
             (SELECT id FROM collections WHERE gun = 'acme/app')"
        );
        let copy = damaged(&world, role, &flip);
        world.restart_with(copy).await;
        let timestamp = world.get("/v2/acme/app/_trust/tuf/timestamp.json").await;
        let publish = world.publish(&hurt, &[hurt.team("docs", 2, &["x"])]).await;
        for answer in [timestamp, publish] {
            assert_eq!(answer.outcome(), (500, "internal".into()), "{role}");
        }
        assert_eq!(world.publish(&sound, &[sound.team("docs", 2, &["x"])]).await.status, 200);
        world.read(&sound.gun, Some("docs/x")).await;
    }
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
    fs::write(target.file("empty.sqlite"), "").unwrap();
    let signer = [include_str!("../../../schema/migrations/signer-sqlite/0001_initial/up.sql")];
    let migrated = "CREATE TABLE __diesel_schema_migrations (version TEXT PRIMARY KEY)";
    for (name, statements, missing) in [
        ("empty.sqlite", &[][..], "__diesel_schema_migrations"),
        ("foreign.sqlite", &["CREATE TABLE foo (bar)"][..], "__diesel_schema_migrations"),
        ("signer.sqlite", &[migrated, signer[0]][..], "collections"),
    ] {
        let file = target.file(name);
        let mut database = open(&file);
        statements.iter().for_each(|it| database.batch_execute(it).unwrap());
        drop(database);
        let refused = target.refused(&["restore", name]);
        let expected =
            format!("{name}: it is no database of notary-server: it has no table {missing}");
        assert!(refused.contains(&expected), "{refused}");
    }
    assert!(!target.database.exists());
    assert!(target.hidden().is_empty());
}

/// What a newer program has added would be lost, or not be verified.
#[test]
fn the_database_of_a_newer_program_is_refused_by_every_command() {
    let (host, target) = (Host::new(), Host::new());
    assert!(host.run(&["migrate"]).status.success());
    let copy = host.file("copy.sqlite").display().to_string();
    host.done(&["backup", &copy]);
    let commands: [&[&str]; 6] = [
        &["serve"],
        &["migrate"],
        &["fsck"],
        &["token", "list"],
        &["backup", "second.sqlite"],
        &["check"],
    ];
    target.done(&["restore", &copy]);
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')";
    for database in [&host.database, Path::new(&copy)] {
        open(database).batch_execute(newer).unwrap();
    }
    let by_name = "a newer program applied migration 9999; use that program";
    for command in commands {
        let output = host.run(command);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!output.status.success() && said.contains(by_name), "{command:?} {said}");
    }
    assert!(!host.file("second.sqlite").exists());
    let refused = target.refused(&["restore", &copy, "--replace"]);
    assert!(refused.contains(&format!("{copy}: {by_name}")), "{refused}");
    assert!(target.run(&["migrate"]).status.success(), "its database is as it was");
}

fn open(database: &Path) -> SqliteConnection {
    SqliteConnection::establish(database.to_str().unwrap()).unwrap()
}

#[actix_web::test]
async fn two_restores_in_one_second_keep_both_that_were_there() {
    let world = busy_world().await;
    let host = Host::of(world.database());
    host.done(&["backup", "copy.sqlite"]);
    let (copy, target) = (host.file("copy.sqlite"), Host::new());
    let mut kept = BTreeSet::new();
    target.done(&["restore", copy.to_str().unwrap()]);
    // More than fit into as many seconds.
    for _ in 0..4 {
        let done = target.done(&["restore", copy.to_str().unwrap(), "--replace"]);
        kept.insert(done["before"].as_str().unwrap().to_owned());
    }
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(kept.iter().all(|kept| target.file(kept).exists()), "{kept:?}");
}

#[actix_web::test]
async fn what_takes_the_place_of_a_database_has_its_owner_and_its_mode() {
    let world = busy_world().await;
    let host = Host::of(world.database());
    host.done(&["backup", "copy.sqlite"]);
    let (copy, target) = (host.file("copy.sqlite"), Host::new());
    fs::copy(&copy, &target.database).unwrap();
    fs::set_permissions(&target.database, fs::Permissions::from_mode(0o640)).unwrap();
    // Only root can give a file away.
    let given = chown(&target.database, Some(65534), Some(65534)).is_ok();
    target.done(&["restore", copy.to_str().unwrap(), "--replace"]);
    let found = fs::metadata(&target.database).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o640);
    let nobody = (found.uid(), found.gid()) == (65534, 65534);
    assert_eq!(nobody, given);
}

#[test]
fn a_new_database_is_its_owner_s_alone() {
    let host = Host::new();
    assert!(host.run(&["migrate"]).status.success());
    let mode = fs::metadata(&host.database).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Begins a backup that cannot end, since somebody has the database for himself, and ends it with this
/// signal when there is something to leave behind.
fn ended_backup(host: &Host, signal: &str) -> ExitStatus {
    let mut database = open(&host.database);
    database.batch_execute("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
    command.current_dir(host.directory.path()).args(["backup", "copy.sqlite"]);
    let mut backup = command.args(["--config", "server.toml"]).spawn().unwrap();
    while host.hidden().is_empty() {
        assert_eq!(backup.try_wait().unwrap(), None, "it waits");
        thread::yield_now();
    }
    let kill = Command::new("kill").args([signal, &backup.id().to_string()]).status().unwrap();
    assert!(kill.success());
    backup.wait().unwrap()
}

#[test]
fn a_copy_without_a_name_goes_with_its_process_or_with_the_next_copy() {
    let host = Host::new();
    assert!(host.run(&["migrate"]).status.success());
    assert_eq!(ended_backup(&host, "-TERM").code(), Some(128 + 15));
    assert_eq!(host.hidden(), [""; 0]);
    assert_eq!(ended_backup(&host, "-INT").code(), Some(128 + 2));
    assert_eq!(host.hidden(), [""; 0]);
    assert_eq!(ended_backup(&host, "-KILL").code(), None);
    // Killed at another moment, it leaves its journal too.
    let mut left = host.hidden();
    left.retain(|name| !name.ends_with("-journal"));
    assert_eq!(left.len(), 1, "{left:?}");
    fs::write(host.file(&format!("{}-journal", left[0])), "left, too").unwrap();
    // Somebody is at work on this one.
    let others = fs::File::create(host.file(".notary-copy-others")).unwrap();
    others.lock().unwrap();
    host.done(&["backup", "copy.sqlite"]);
    assert_eq!(host.hidden(), [".notary-copy-others"]);
    drop(others);
    host.done(&["backup", "second.sqlite"]);
    assert_eq!(host.hidden(), [""; 0]);
}
