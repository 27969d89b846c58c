//! fsck finds every kind of damage, and none where there is none.

use std::path::PathBuf;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use notary_schema::envelope::Unsigned;
use notary_schema::online::OnlineRole;

use crate::proposals;
use crate::revocations;
use crate::signer::Fault;
use crate::world::World;

const TIMESTAMP: &str = "/v2/acme/app/_trust/tuf/timestamp.json";

/// A world with all that a database can hold: two collections, a team, a second root, a tombstone,
/// a reservation, a proposal, and a release that waits for the signer.
pub async fn busy_world() -> World {
    let mut world = World::start().await;
    world.signer.make_pairs();
    let app = world.collection("acme/app", &["docs"]).await;
    assert_eq!(world.publish(&app, &[app.team("docs", 2, &["second"])]).await.status, 200);
    assert_eq!(world.publish(&app, &[app.root(2)]).await.status, 200);
    world.collection("acme/lib", &[]).await;
    world.collection("acme/old", &[]).await;
    world.delete("/v2/acme/old/_trust/tuf/?confirm=acme/old", &world.admin).await;
    world.reserve("acme/reserved", &[]).await;
    let proposed = Unsigned::of(&app.unsigned_targets(3, &[])).with_signatures(&[]);
    proposals::propose(&world, &[("docs".into(), proposed)]).await;
    revocations::revoked(&world, &app.targets_key.key).await;
    world.signer.fail(OnlineRole::Timestamp, &[Fault::AnswerLost]);
    let waits = world.publish(&app, &[app.team("docs", 3, &["third"])]).await;
    assert_eq!(waits.status, 503, "{waits:?}");
    world
}

async fn heal(world: World) {
    world.roll_all().await;
    world.post("/v2/acme/old/_trust/undelete", &world.admin).await;
    world.end().await;
}

/// A copy of the database, damaged by this statement.
pub fn damaged(world: &World, name: &str, statement: &str) -> PathBuf {
    let copy = world.database().with_file_name(format!("{name}.sqlite"));
    let open =
        |path: &std::path::Path| SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    open(world.database()).batch_execute(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    let mut connection = open(&copy);
    let before: i64 = total_changes(&mut connection);
    let text = format!(
        "PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON; DROP TRIGGER files_are_immutable; {statement}"
    );
    connection.batch_execute(&text).unwrap();
    assert_eq!(total_changes(&mut connection) - before > 0, !statement.is_empty(), "{name}");
    copy
}

fn total_changes(connection: &mut SqliteConnection) -> i64 {
    diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT total_changes()")
        .get_result(connection)
        .unwrap()
}

const APP: &str = "collection_id = (SELECT id FROM collections WHERE gun = 'acme/app')";

#[actix_web::test]
async fn every_kind_of_damage_is_found_beside_a_sound_database() {
    let world = busy_world().await;
    world.require_sound().await;
    assert_eq!(world.fsck(&damaged(&world, "copy", "")).await, [""; 0], "the copy itself");
    let flip = |column: &str| {
        format!("{column} = CAST(substr({column}, 1, 40) || x'00' || substr({column}, 42) AS BLOB)")
    };
    let file =
        |role: &str, version: u32| format!("{APP} AND role = '{role}' AND version = {version}");
    let (docs, root) = (file("docs", 2), file("root", 1));
    for (name, statement, found) in [
        ("byte", format!("UPDATE files SET {} WHERE {docs}", flip("bytes")), "acme/app docs 2: its bytes have the SHA-256"),
        ("root_byte", format!("UPDATE files SET {} WHERE {root}", flip("bytes")), "acme/app root 1: clients refuse it"),
        ("gzip", format!("UPDATE files SET {} WHERE {} AND gzip IS NOT NULL", flip("gzip"), file("root", 2)), "acme/app root 2: its compressed form"),
        ("length", format!("UPDATE files SET length = length + 1 WHERE {root}"), "acme/app root 1: it has"),
        ("expires", format!("UPDATE files SET expires = expires + 1 WHERE {root}"), "acme/app root 1: it expires at"),
        ("version", format!("UPDATE files SET version = 7 WHERE {}", file("docs", 1)), "acme/app docs 7: it says that it is version 1"),
        ("old_file_gone", format!("DELETE FROM files WHERE {}", file("docs", 1)), "acme/app docs 1: event"),
        ("root_gone", format!("DELETE FROM files WHERE {root}"), "acme/app root 1: it is missing"),
        ("root_of_tombstone", "DELETE FROM files WHERE role = 'root' AND collection_id = (SELECT id FROM collections WHERE gun = 'acme/old')".into(), "acme/old root 1: the current version is not among the files"),
        ("current_back", format!("UPDATE current_files SET version = 1 WHERE {docs}"), "acme/app docs 1: the current file has another hash"),
        ("current_sha", format!("UPDATE current_files SET sha256 = 'aa' WHERE {docs}"), "acme/app docs 2: the current file has another hash"),
        ("current_gone", format!("DELETE FROM current_files WHERE {docs}"), "acme/app docs 2: the file that the snapshot lists"),
        ("targets_gone", format!("DELETE FROM current_files WHERE {APP} AND role = 'targets'"), "acme/app targets: it has no current file"),
        ("delegates", format!("UPDATE current_files SET delegates = TRUE WHERE {docs}"), "acme/app docs 2: its row says delegates"),
        ("unlisted", format!("INSERT INTO files SELECT collection_id, 'more', 1, sha256, length, expires, seq, bytes, gzip FROM files WHERE {}; INSERT INTO current_files SELECT collection_id, 'more', 1, sha256, length, expires, FALSE FROM files WHERE role = 'more'", file("docs", 1)), "acme/app more 1: the snapshot does not list it"),
        ("event_gone", "DELETE FROM events WHERE seq = 2".into(), "the database: there are"),
        ("event_moved", "UPDATE events SET seq = 70 WHERE seq = 2".into(), "the database: there are"),
        ("event_text", "UPDATE events SET roles = '[' WHERE seq = 2".into(), "acme/app: event 2 is not readable"),
        ("event_empty", "UPDATE events SET roles = '[]' WHERE seq = 2".into(), "acme/app: its events have brought"),
        ("feed", "UPDATE feed SET last_seq = last_seq - 1".into(), "the database: there are"),
        ("last_commit", "UPDATE collections SET seq = 1 WHERE gun = 'acme/app'".into(), "acme/app: its last event is"),
        ("state", "UPDATE collections SET state = 'gone' WHERE gun = 'acme/app'".into(), "acme/app: a state is not readable"),
        ("reserved_with_files", "UPDATE collections SET state = 'reserved' WHERE gun = 'acme/lib'".into(), "acme/lib: a name that is only reserved has"),
        ("fence", format!("UPDATE slots SET fence = 99 WHERE {APP}"), "acme/app: its prepared release has the fence 99"),
        ("slot_plan", format!("UPDATE slots SET {} WHERE {APP}", flip("snapshot_signed")), "acme/app snapshot: the snapshot that is prepared is not readable"),
        ("slot_old", format!("UPDATE slots SET timestamp_version = 1 WHERE {APP}"), "acme/app timestamp 1: it is prepared, and stored already"),
        ("slot_file", format!("UPDATE slot_files SET {} WHERE {APP}", flip("bytes")), "acme/app: a file of docs is not readable"),
        ("slot_purpose", format!("UPDATE slots SET purpose = 'refresh' WHERE {APP}"), "acme/app: its prepared release is a refresh"),
        ("slot_gone", format!("DELETE FROM slots WHERE {APP}"), "acme/app snapshot 3: the signer has signed version 4"),
        ("key_gone", format!("DELETE FROM online_keys WHERE {APP} AND role = 'snapshot'"), "acme/app snapshot: of the keys that root names"),
        ("key_text", format!("UPDATE online_keys SET key_object = '{{}}' WHERE {APP} AND role = 'timestamp'"), "acme/app timestamp: the key"),
        ("key_id", format!("UPDATE online_keys SET keyid = 'aa' WHERE {APP} AND role = 'snapshot'"), "is noted as aa"),
        ("standby_of_none", format!("UPDATE online_keys SET standby_for = 'aa' WHERE {APP} AND standby_for IS NOT NULL"), "which is no key of its role"),
        ("standby_of_standby", format!("UPDATE online_keys SET standby_for = keyid WHERE {APP} AND standby_for IS NOT NULL"), "which is a stand-by itself"),
        ("standby_twice", format!("INSERT INTO online_keys SELECT collection_id, role, 'bb', key_object, state, taken_away_at, found, standby_for FROM online_keys WHERE {APP} AND standby_for IS NOT NULL"), "and so does another one"),
        ("proposed_file", format!("UPDATE proposal_files SET {}", flip("signed")), "acme/app docs 3: in the proposal"),
        ("proposed_version", "UPDATE proposal_files SET version = 7".into(), "acme/app docs 7: in the proposal"),
        ("proposed_hash", "UPDATE proposal_files SET signed_sha256 = 'aa'".into(), "acme/app docs 3: in the proposal"),
        ("proposed_files_gone", "DELETE FROM proposal_files".into(), "has no file"),
        ("proposal_state", "UPDATE proposals SET state = 'gone'".into(), "acme/app: a proposal is not readable"),
        ("proposal_unpublished", "UPDATE proposals SET state = 'published', closed_at = 1".into(), "is published, and it is not stored"),
        ("event_revocation", "UPDATE events SET revocation = '{}' WHERE seq = 2".into(), "acme/app: event 2 is not readable"),
        ("revoked_key", "UPDATE revocations SET key_object = '{}'".into(), "acme/app: the revoked key"),
        ("revoked_kind", "UPDATE revocations SET key_object = replace(key_object, 'ed25519', 'ed448')".into(), "is of an unknown kind"),
        ("revoked_id", "UPDATE revocations SET keyid = 'aa'".into(), "is noted as aa"),
        ("revoked_public", "UPDATE revocations SET public_key = 'aa'".into(), "is noted with another public key"),
        ("orphan_row", "UPDATE slots SET collection_id = 5".into(), "the database: a row of slots refers to a row of collections"),
    ] {
        let problems = world.fsck(&damaged(&world, name, &statement)).await;
        assert!(problems.iter().any(|problem| problem.contains(found)), "{name}: {problems:#?}");
    }
    heal(world).await;
}

#[actix_web::test]
async fn pages_of_the_file_that_were_overwritten_are_found() {
    let world = busy_world().await;
    let copy = damaged(&world, "pages", "");
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&copy, bytes).unwrap();
    let problems = world.fsck(&copy).await;
    assert!(!problems.is_empty());
    heal(world).await;
}

#[actix_web::test]
async fn what_the_signer_remembers_is_compared_with_what_is_stored() {
    let mut world = World::start().await;
    let app = world.collection("acme/app", &["docs"]).await;
    world.collection("acme/lib", &[]).await;
    let older = damaged(&world, "older", "");
    world.publish(&app, &[app.team("docs", 2, &["second"])]).await;
    world.require_sound().await;
    let restored = world.fsck(&older).await;
    let ahead = "acme/app snapshot 1: the signer has signed version 2";
    assert!(restored.iter().any(|problem| problem.starts_with(ahead)), "{restored:#?}");
    let mut kept = None;
    world.signer.remember(&app.gun, |memory| kept = memory.timestamp.take());
    let forgot = world.fsck(world.database()).await;
    let behind = "acme/app timestamp 2: the signer remembers no file of it";
    assert!(forgot.iter().any(|problem| problem.starts_with(behind)), "{forgot:#?}");
    world.signer.remember(&app.gun, |memory| memory.timestamp = kept);
    let lib = notary_schema::name::Gun::parse("acme/lib").unwrap();
    let (mut own, mut foreign) = (None, None);
    world.signer.remember(&app.gun, |memory| foreign = memory.snapshot.clone());
    world.signer.remember(&lib, |memory| own = std::mem::replace(&mut memory.snapshot, foreign));
    let other = world.fsck(world.database()).await;
    let above = "acme/lib snapshot 1: the signer has signed version 2";
    assert!(other.iter().any(|problem| problem.starts_with(above)), "{other:#?}");
    let mut first = None;
    world.signer.remember(&lib, |memory| first = std::mem::replace(&mut memory.snapshot, own));
    drop(first);
    world.signer.go_away();
    assert_eq!(world.fsck(world.database()).await, [""; 0], "that is a note, no problem");
    world.signer.heal();
    world.end().await;
}

#[actix_web::test]
async fn what_was_never_listed_is_not_signed_for() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    let sound = world.copy_of_database();
    // Somebody who can write the database makes version 2 of docs the current one.
    let row = "collection_id, role, 2, sha256, length, expires";
    let statement = format!(
        "INSERT INTO files SELECT {row}, seq, bytes, gzip FROM files WHERE role = 'docs'; \
         UPDATE current_files SET version = 2 WHERE role = 'docs'"
    );
    let damaged = damaged(&world, "never_listed", &statement);
    let (served, signed) = (world.get(TIMESTAMP).await.bytes, world.signer.signatures());
    world.restart_with(damaged).await;
    let code = [repo.team("code", 2, &["second"])];
    assert_eq!(world.publish(&repo, &code).await.outcome(), (500, "internal".into()));
    world.pass(chrono::TimeDelta::days(4));
    assert_eq!(world.refresh_all().await, 0);
    assert_eq!((world.get(TIMESTAMP).await.bytes, world.signer.signatures()), (served, signed));
    world.restart_with(sound).await;
    assert_eq!(world.publish(&repo, &code).await.status, 200);
    world.end().await;
}
