//! A software store whose key a backend wraps.

use std::fs;
use std::path::Path;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use notary_schema::name::KeyId;
use notary_schema::online::OnlineRole::Snapshot;
use notary_signer::config::Config;

use crate::commands::{fails, signer, stdout};
use crate::world::World;

/// A program that wraps with openssl under the secret in a file, and notes each call. It is too busy
/// for as many calls as `busy` has lines.
const PROGRAM: &str = r#"#!/bin/sh
cd "$(dirname "$0")"
text() { printf '%s' "$line" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
cipher() { openssl enc -aes-256-ctr -pbkdf2 -a -A -pass "file:$(text key).secret" "$@"; }
seal() { openssl dgst -sha256 -hmac "$(cat "$(text key).secret")" -r | cut -c1-64; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  echo "$line" | sed 's/"secret".*//' >> calls
  if [ -s busy ]; then
    sed -i 1d busy
    echo "{\"id\":$id,\"error\":{\"code\":\"throttled\",\"message\":\"come again\"}}"
    continue
  fi
  case "$line" in
    *'"unwrap"'*)
      whole=$(text wrapped | openssl base64 -d -A)
      if [ "$(printf '%s' "${whole#*.}" | seal)" = "${whole%%.*}" ]
      then said="\"secret\":\"$(printf '%s' "${whole#*.}" | cipher -d)\""
      else said='"error":{"code":"not_let_in","message":"wrapped under another secret"}'
      fi ;;
    *'"wrap"'*)
      sealed=$(text secret | cipher)
      whole="$(printf '%s' "$sealed" | seal).$sealed"
      said="\"wrapped\":\"$(printf '%s' "$whole" | openssl base64 -A)\"" ;;
    *) said='"key":""' ;;
  esac
  echo "{\"id\":$id,$said}"
done
"#;

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}

/// Tells the signer that the program wraps its store, under this key.
pub(crate) fn let_wrap(world: &mut World, key: &str) {
    write(&world.path("wraps.sh"), PROGRAM);
    write(&world.path(&format!("{key}.secret")), &format!("the secret {key}"));
    let path = world.path("signer.toml");
    let before = fs::read_to_string(&path).unwrap();
    let own = before.split("[backends").next().unwrap();
    let lines = own
        .lines()
        .filter(|line| !["passphrase_file", "wrapp"].iter().any(|start| line.starts_with(start)));
    let own = lines.map(|line| match line {
        "[store]" => format!("[store]\nwrapped_by = 'wraps'\nwrapping_key = '{key}'\n"),
        line => format!("{line}\n"),
    });
    let script = world.path("wraps.sh");
    let backend = format!(
        "[backends.wraps]\nkind = 'exec'\nprogram = '/bin/sh'\narguments = ['{}']\n",
        script.display()
    );
    write(&path, &(own.collect::<String>() + &backend));
    world.config = Config::load(&path).unwrap();
}

fn wrap(world: &World, arguments: &[&str]) -> std::process::Output {
    let all = [&["store", "wrap", "--config", "signer.toml"], arguments].concat();
    signer(&world.path(""), &all)
}

async fn assert_signs(world: &World, key: &KeyId, version: u64) {
    world.server().sign(&[key], &world.snapshot(version, version)).await.file();
}

fn calls(world: &World) -> usize {
    fs::read_to_string(world.path("calls")).map_or(0, |calls| calls.lines().count())
}

#[tokio::test]
async fn a_store_is_made_wrapped_and_asks_once_for_each_start() {
    let mut world = World::new();
    let_wrap(&mut world, "first");
    world.start().await.unwrap();
    let key = world.server().key(Snapshot, false).await.keyid;
    for version in 1..5 {
        assert_signs(&world, &key, version).await;
    }
    assert!(calls(&world) <= 3, "wrapping, unwrapping, and whether the backend is there");
    let checked = stdout(&signer(&world.path(""), &["check", "--config", "signer.toml"]));
    assert!(checked.contains("the key first opens it"), "{checked}");
    assert!(checked.contains("1 of 1 can sign"), "{checked}");

    world.stop().await;
    world.start().await.unwrap();
    assert_signs(&world, &key, 5).await;
}

#[tokio::test]
async fn a_store_moves_from_its_passphrase_to_a_wrapping_key_and_to_another_one() {
    let mut world = World::started().await;
    let key = world.server().key(Snapshot, false).await.keyid;
    assert_signs(&world, &key, 1).await;
    let_wrap(&mut world, "first");
    assert!(fails(&wrap(&world, &["--passphrase-file", "signer.passphrase"]), 8).contains("lock"));
    world.stop().await;
    let refused = world.start().await.unwrap_err().to_string();
    assert!(refused.contains("notary-signer store wrap"), "{refused}");
    write(&world.path("wrong"), "wrong");
    assert!(fails(&wrap(&world, &["--passphrase-file", "wrong"]), 8).contains("does not open"));
    assert!(fails(&wrap(&world, &[]), 8).contains("NOTARY_SIGNER_PASSPHRASE"));
    stdout(&wrap(&world, &["--passphrase-file", "signer.passphrase"]));
    fs::remove_file(world.path("signer.passphrase")).unwrap();
    world.start().await.unwrap();
    assert_signs(&world, &key, 2).await;

    world.stop().await;
    let_wrap(&mut world, "second");
    stdout(&wrap(&world, &[]));
    fs::remove_file(world.path("first.secret")).unwrap();
    world.start().await.unwrap();
    assert_signs(&world, &key, 3).await;
    let acts = world.audit().into_iter().filter(|line| line.action == "store wrap");
    assert_eq!(acts.count(), 2);
}

/// Whoever knows the passphrase of before, and has a copy of the database of then, has the keys of then.
#[tokio::test]
async fn the_former_passphrase_opens_no_key_of_a_store_that_was_wrapped_since() {
    let mut world = World::started().await;
    let key = world.server().key(Snapshot, false).await.keyid;
    world.stop().await;
    // As whenever a row is written again: what it was stays in the file, until the place is needed.
    let longer = "UPDATE online_keys SET created_at = created_at || hex(zeroblob(599));
                  UPDATE online_keys SET created_at = substr(created_at, 1, length(created_at) - 1198);";
    connect(&world).batch_execute(longer).unwrap();
    let under_passphrase = fs::read_to_string(world.path("signer.toml")).unwrap();
    let copy = |world: &World, name: &str| {
        fs::copy(world.path("signer.sqlite"), world.path(name)).unwrap();
    };
    copy(&world, "before.sqlite");
    let_wrap(&mut world, "first");
    let wrapped = fs::read_to_string(world.path("signer.toml")).unwrap();
    let said = stdout(&wrap(&world, &["--passphrase-file", "signer.passphrase"]));
    assert!(said.contains("anew: 1") && said.contains("notary rotate"), "{said}");
    copy(&world, "after.sqlite");
    let former = handles_in(&world.path("before.sqlite"));
    let of_former = |name: &str| {
        let file = fs::read(world.path(name)).unwrap();
        let is_there =
            |handle: &&Vec<u8>| file.windows(handle.len()).any(|bytes| bytes == **handle);
        former.iter().filter(is_there).count()
    };
    assert_eq!((of_former("before.sqlite"), of_former("after.sqlite")), (1, 0));

    take_header_of(&world, "before.sqlite");
    write(&world.path("signer.toml"), &under_passphrase);
    let checked = signer(&world.path(""), &["check", "--config", "signer.toml"]);
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains("ok      software store: the passphrase opens it"), "{checked}");
    assert!(checked.contains("wrong   keys: 0 of 1 can sign"), "{checked}");

    take_header_of(&world, "after.sqlite");
    write(&world.path("signer.toml"), &wrapped);
    world.start().await.unwrap();
    assert_signs(&world, &key, 1).await;
}

/// The keys of a database, as they are sealed.
fn handles_in(database: &Path) -> Vec<Vec<u8>> {
    #[derive(QueryableByName)]
    struct Sealed {
        #[diesel(sql_type = diesel::sql_types::Binary)]
        handle: Vec<u8>,
    }
    let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    let sealed = diesel::sql_query("SELECT handle FROM online_keys").load(&mut connection).unwrap();
    sealed.into_iter().map(|sealed: Sealed| sealed.handle).collect()
}

fn connect(world: &World) -> SqliteConnection {
    SqliteConnection::establish(world.path("signer.sqlite").to_str().unwrap()).unwrap()
}

/// What opens the store in a copy of the database, put into the database.
fn take_header_of(world: &World, copy: &str) {
    let copy = world.path(copy);
    let replace = format!(
        "ATTACH '{}' AS copy; DELETE FROM store_header;
         INSERT INTO store_header SELECT * FROM copy.store_header; DETACH copy;",
        copy.display()
    );
    connect(world).batch_execute(&replace).unwrap();
}

#[tokio::test]
async fn what_a_backend_does_not_unwrap_again_does_not_replace_the_passphrase() {
    let mut world = World::started().await;
    let key = world.server().key(Snapshot, false).await.keyid;
    world.stop().await;
    let under_passphrase = fs::read_to_string(world.path("signer.toml")).unwrap();
    let_wrap(&mut world, "first");
    let whole = "sealed=$(text secret | cipher)";
    assert!(PROGRAM.contains(whole));
    let other = PROGRAM.replace(whole, "sealed=$(openssl rand -base64 32 | cipher)");
    write(&world.path("wraps.sh"), &other);
    let refused = fails(&wrap(&world, &["--passphrase-file", "signer.passphrase"]), 8);
    assert!(refused.contains("does not open"), "{refused}");

    write(&world.path("signer.toml"), &under_passphrase);
    world.config = Config::load(&world.path("signer.toml")).unwrap();
    world.start().await.unwrap();
    assert_signs(&world, &key, 1).await;
}

/// Otherwise keys would be made in it, and named by roots, that no later start opens.
#[tokio::test]
async fn a_store_that_would_not_open_again_is_not_made() {
    let mut world = World::new();
    let_wrap(&mut world, "first");
    let script = world.path("wraps.sh");
    let turned = PROGRAM
        .replace("*'\"unwrap\"'*)", "*'\"unwrap\"'*) said='\"secret\":\"AAAA\"' ;;\n *never*)");
    assert_ne!(turned, PROGRAM);
    write(&script, &turned);
    let directory = world.path("");
    let check = || signer(&directory, &["check", "--config", "signer.toml"]);
    let checked = check();
    fails(&checked, 1);
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains("wrong   software store: the key store does not open"), "{checked}");
    let refused = world.start().await.unwrap_err().to_string();
    assert!(refused.contains("the key store does not open"), "{refused}");

    write(&script, PROGRAM);
    assert!(stdout(&check()).contains("ok      software store"));
    world.start().await.unwrap();
    let key = world.server().key(Snapshot, false).await.keyid;
    assert_signs(&world, &key, 1).await;
}

#[tokio::test]
async fn a_backend_that_does_not_unwrap_stops_the_start() {
    let mut world = World::new();
    let_wrap(&mut world, "first");
    world.start().await.unwrap();
    world.stop().await;
    write(&world.path("first.secret"), "another secret");
    let refused = world.start().await.unwrap_err().to_string();
    assert!(refused.contains("wrapped under another secret"), "{refused}");
    let script = world.path("wraps.sh");
    fs::rename(&script, world.path("away.sh")).unwrap();
    let refused = world.start().await.unwrap_err().to_string();
    assert!(refused.contains("wraps is not reached"), "{refused}");
    fs::rename(world.path("away.sh"), &script).unwrap();
    write(&world.path("first.secret"), "the secret first");
    world.start().await.unwrap();
}

#[tokio::test]
async fn a_backend_that_is_busy_for_a_moment_is_asked_again_and_for_long_stops_the_start() {
    let mut world = World::new();
    let_wrap(&mut world, "first");
    write(&world.path("busy"), "1\n2\n");
    world.start().await.unwrap();
    world.stop().await;
    write(&world.path("busy"), "1\n2\n3\n");
    world.start().await.unwrap();
    world.stop().await;
    write(&world.path("busy"), "1\n2\n3\n4\n5\n");
    let refused = world.start().await.unwrap_err().to_string();
    assert!(refused.contains("wraps has too much to do: come again"), "{refused}");
    assert_eq!(fs::read_to_string(world.path("busy")).unwrap(), "5\n");
}
