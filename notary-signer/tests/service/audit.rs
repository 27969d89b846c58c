//! The chain of the audit: what breaks it, and where its old lines go.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use notary_schema::key::sha256_hex;
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};
use serde_json::Value;

use crate::commands::{fails, signer, stdout};
use crate::world::World;

/// A signer that has signed two snapshots and a timestamp, and has refused a third snapshot: six
/// lines.
async fn signed() -> World {
    let world = World::started().await;
    let server = world.server();
    let key = server.key(Snapshot, false).await.keyid;
    server.sign(&[&key], &world.snapshot(1, 1)).await.file();
    let last = server.sign(&[&key], &world.snapshot(2, 2)).await.file();
    assert_eq!(server.sign(&[&key], &world.snapshot(1, 3)).await.refusal(), "would_lower");
    let key = server.key(Timestamp, false).await.keyid;
    server.sign(&[&key], &world.timestamp(1, &last)).await.file();
    world
}

fn run(world: &World, arguments: &[&str]) -> std::process::Output {
    let directory = world.path("");
    signer(&directory, &[arguments, &["--config", "signer.toml"]].concat())
}

/// What `audit verify` prints, and whether it is content.
fn verify(world: &World, more: &[&str]) -> (bool, String) {
    let output = run(world, &[&["audit", "verify"], more].concat());
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// Where the chain ends, as `audit verify` says it.
fn end(world: &World) -> String {
    let (good, text) = verify(world, &[]);
    assert!(good, "{text}");
    text.lines().last().unwrap().rsplit(' ').next().unwrap().to_owned()
}

/// Somebody with the rights of the signer's user changes the database.
fn tamper(world: &World, statements: &str) {
    let mut connection =
        SqliteConnection::establish(world.config.database.to_str().unwrap()).unwrap();
    let triggers = "DROP TRIGGER audit_is_never_changed; \
                    DROP TRIGGER audit_is_never_deleted_unsealed;";
    connection.batch_execute(triggers).unwrap();
    connection.batch_execute(statements).unwrap();
}

#[tokio::test]
async fn a_whole_audit_is_verified_beside_the_running_service() {
    let world = signed().await;
    let (good, text) = verify(&world, &[]);
    assert!(good, "{text}");
    assert!(text.contains("lines 1 to 6"), "{text}");
    assert!(text.contains("2 files, each the last one recorded"), "{text}");
    let noted = end(&world);
    world.server().key(Snapshot, false).await;
    let (good, text) = verify(&world, &["--noted", &noted]);
    assert!(good && text.contains("line 6 is the one"), "{text}");
    let report = run(&world, &["audit", "verify", "--json"]);
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["ok"], true);
}

#[tokio::test]
async fn every_change_of_a_line_is_found() {
    for (statement, found) in [
        ("UPDATE audit SET outcome = 'signed' WHERE seq = 4", "line 4"),
        ("UPDATE audit SET who = 'CN=other' WHERE seq = 1", "line 1"),
        ("UPDATE audit SET sha256 = NULL WHERE seq = 2", "line 2"),
        ("UPDATE audit SET at = '2030-01-01T00:00:00.000Z' WHERE seq = 6", "line 6"),
        ("DELETE FROM audit WHERE seq = 3", "line 4 follows line 2"),
        ("DELETE FROM audit WHERE seq = 1", "line 2 follows line 0"),
        ("DELETE FROM audit WHERE seq = 6", "timestamp of acme/app"),
        ("UPDATE memory SET sha256 = '00' WHERE role = 'snapshot'", "snapshot of acme/app"),
        ("DELETE FROM audit WHERE seq > 4", "timestamp of acme/app"),
    ] {
        let world = signed().await;
        assert!(verify(&world, &[]).0);
        tamper(&world, statement);
        let (good, text) = verify(&world, &[]);
        let wrong: Vec<&str> = text.lines().filter(|line| line.starts_with("wrong")).collect();
        assert!(!good && wrong.iter().any(|line| line.contains(found)), "{statement}: {text}");
    }
}

/// A refusal that nobody can look up later is none.
#[tokio::test]
async fn a_refusal_that_cannot_be_recorded_is_answered_as_a_failure() {
    let world = signed().await;
    let key = world.server().key(Snapshot, false).await.keyid;
    let lower = world.snapshot(1, 3);
    assert_eq!(world.server().sign(&[&key], &lower).await.refusal(), "would_lower");
    let change = |statement: &str| {
        let path = world.config.database.to_str().unwrap();
        SqliteConnection::establish(path).unwrap().batch_execute(statement).unwrap();
    };
    change(
        "CREATE TRIGGER no_room BEFORE INSERT ON audit WHEN NEW.outcome = 'would_lower' \
         BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    let failed = world.server().sign(&[&key], &lower).await;
    assert_eq!((failed.status, failed.problem().code.as_str()), (500, "failed"));
    assert!(!failed.problem().more.contains_key("recorded"), "it promises what it cannot");
    change("DROP TRIGGER no_room");
    assert_eq!(world.server().sign(&[&key], &lower).await.refusal(), "would_lower");
}

/// Whoever may write the database can write a whole other chain; what was noted elsewhere tells.
#[tokio::test]
async fn a_chain_that_was_written_anew_is_told_by_a_noted_end() {
    let world = signed().await;
    let noted = end(&world);
    tamper(&world, "UPDATE audit SET who = 'CN=other', hash = '' WHERE seq = 4");
    tamper_hashes(&world);
    let (good, text) = verify(&world, &[]);
    assert!(good, "the chain itself is whole: {text}");
    let (good, text) = verify(&world, &["--noted", &noted]);
    assert!(!good && text.contains("line 6 is another one"), "{text}");
    let (good, text) = verify(&world, &["--noted", &format!("9:{}", "0".repeat(64))]);
    assert!(!good && text.contains("line 9 was not seen"), "{text}");
    for junk in ["9", "x:00", "9:00"] {
        fails(&run(&world, &["audit", "verify", "--noted", junk]), 2);
    }
}

/// Gives every line the hash that it should have, as the program does to lines without one.
fn tamper_hashes(world: &World) {
    let mut connection =
        SqliteConnection::establish(world.config.database.to_str().unwrap()).unwrap();
    let mut previous = String::new();
    let tail = run(world, &["audit", "tail", "--json"]);
    for line in stdout(&tail).lines() {
        let mut line: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        let seq = line["seq"].clone();
        // The order of the fields is that of the columns, and `hash` and `previous` come last.
        let text = run_order(&mut line, &previous);
        previous = sha256_hex(text.as_bytes());
        let statement = format!("UPDATE audit SET hash = '{previous}' WHERE seq = {seq}");
        connection.batch_execute(&statement).unwrap();
    }
}

fn run_order(line: &mut serde_json::Map<String, Value>, previous: &str) -> String {
    line.remove("hash");
    let order = [
        "seq",
        "at",
        "who",
        "action",
        "request_id",
        "collection",
        "incarnation",
        "role",
        "keyids",
        "version",
        "sha256",
        "outcome",
        "reason",
        "version_before",
        "sha256_before",
    ];
    let fields = order.iter().filter_map(|name| {
        let value = line.get(*name)?;
        Some(format!("\"{name}\":{value},"))
    });
    format!("{{{}\"previous\":\"{previous}\"}}", fields.collect::<String>())
}

#[tokio::test]
async fn the_tail_shows_the_newest_lines_of_all_or_of_one_collection() {
    let world = signed().await;
    let lines = stdout(&run(&world, &["audit", "tail", "-n", "2"]));
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[1].starts_with("6 ") && lines[1].contains("signed: POST /v1/sign by CN=server"));
    assert!(lines[1].contains("of acme/app role timestamp version 1"), "{}", lines[1]);
    assert_eq!(stdout(&run(&world, &["audit", "tail", "--gun", "acme/other"])), "");
    let of_it = stdout(&run(&world, &["audit", "tail", "--gun", "acme/app", "--json"]));
    let first: Value = serde_json::from_str(of_it.lines().next().unwrap()).unwrap();
    assert_eq!((&first["seq"], &first["outcome"]), (&1.into(), &"created".into()));
}

/// A signer with 25 lines and more, whose segments have ten each.
async fn with_old_lines() -> World {
    let world = signed().await;
    for _ in 0..20 {
        world.server().key(Snapshot, false).await;
    }
    world
}

fn segment(world: &World, name: &str) -> PathBuf {
    world.path("audit").join(name)
}

const FIRST: &str = "audit-000000000001-000000000010.jsonl";

#[tokio::test]
async fn old_lines_go_to_files_and_the_chain_goes_through_them() {
    let mut world = with_old_lines().await;
    let before = end(&world);
    let sealed = stdout(&run(&world, &["audit", "seal"]));
    assert_eq!(sealed, format!("lines 1 to 10: {FIRST}\n"));
    assert_eq!(world.audit().len(), 16, "the database keeps the newest");
    assert!(stdout(&run(&world, &["audit", "seal"])).starts_with("nothing to seal"));

    // Anybody can follow the chain with sha256sum alone.
    let text = fs::read_to_string(segment(&world, FIRST)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.windows(2) {
        let named = format!("\"previous\":\"{}\"}}", sha256_hex(pair[0].as_bytes()));
        assert!(pair[1].ends_with(&named), "{}", pair[1]);
    }
    assert_eq!(end(&world), before);
    let (good, report) =
        verify(&world, &["--noted", &format!("10:{}", sha256_hex(lines[9].as_bytes()))]);
    assert!(good && report.contains("line 10 is the one"), "{report}");

    // The service goes on, and does the same by itself.
    world.stop().await;
    world.start().await.unwrap();
    for _ in 0..10 {
        world.server().key(Snapshot, false).await;
    }
    world.stop().await;
    world.start().await.unwrap();
    let second = segment(&world, "audit-000000000011-000000000020.jsonl");
    let sealed = async {
        while !second.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), sealed).await.expect("it is sealed");
    end(&world);
}

#[tokio::test]
async fn a_segment_may_be_moved_away_but_not_changed() {
    let world = with_old_lines().await;
    stdout(&run(&world, &["audit", "seal"]));
    let path = segment(&world, FIRST);
    let whole = fs::read_to_string(&path).unwrap();
    for other in [
        whole.replacen("created", "crafted", 1),
        whole.replacen("CN=server", "CN=others", 2),
        whole.lines().skip(1).map(|line| format!("{line}\n")).collect(),
        whole.lines().take(9).map(|line| format!("{line}\n")).collect(),
        format!("{whole}\n"),
        whole.trim_end().to_owned(),
        "x".repeat(3_000_000),
        String::new(),
    ] {
        assert_ne!(other, whole);
        fs::write(&path, &other).unwrap();
        let (good, text) = verify(&world, &[]);
        assert!(!good && text.contains(FIRST), "{text}");
    }
    fs::remove_file(&path).unwrap();
    let (good, text) = verify(&world, &[]);
    assert!(good && text.contains("its lines were not seen"), "{text}");
    fs::write(&path, &whole).unwrap();
    let (good, text) = verify(&world, &[]);
    assert!(good && !text.contains("warning"), "{text}");
}

/// A signer that was set back makes other lines under numbers that are sealed already.
#[tokio::test]
async fn a_segment_that_is_there_is_not_written_over() {
    let world = with_old_lines().await;
    fs::create_dir(world.path("audit")).unwrap();
    let path = segment(&world, FIRST);
    fs::write(&path, "what another run has sealed\n").unwrap();
    let refused = fails(&run(&world, &["audit", "seal"]), 8);
    assert!(refused.contains(FIRST) && refused.contains("older copy"), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "what another run has sealed\n");
    assert_eq!(world.audit().len(), 26, "all lines are still there");

    fs::rename(&path, world.path("kept.jsonl")).unwrap();
    stdout(&run(&world, &["audit", "seal"]));
    end(&world);
}

/// The power went out after the file was on the disk, and before the database named it.
#[tokio::test]
async fn a_segment_that_is_there_and_the_same_is_taken() {
    let mut world = with_old_lines().await;
    world.stop().await;
    let before = fs::read(&world.config.database).unwrap();
    stdout(&run(&world, &["audit", "seal"]));
    let path = segment(&world, FIRST);
    let whole = fs::read(&path).unwrap();
    for file in ["signer.sqlite-wal", "signer.sqlite-shm"] {
        let _ = fs::remove_file(world.path(file));
    }
    fs::write(&world.config.database, before).unwrap();
    assert_eq!(world.audit().len(), 26);

    let sealed = stdout(&run(&world, &["audit", "seal"]));
    assert_eq!(sealed, format!("lines 1 to 10: {FIRST}\n"));
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert_eq!(world.audit().len(), 16);
    end(&world);
}

#[tokio::test]
async fn an_audit_that_is_damaged_is_not_sealed() {
    let world = with_old_lines().await;
    tamper(&world, "UPDATE audit SET who = 'CN=other' WHERE seq = 4");
    let refused = fails(&run(&world, &["audit", "seal"]), 8);
    assert!(refused.contains("line 4"), "{refused}");
    assert_eq!(world.audit().len(), 26, "all lines are still there");
    assert!(!segment(&world, FIRST).exists());
}
