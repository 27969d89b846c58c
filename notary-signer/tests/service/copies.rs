//! A database that is in another file than the one that its signer worked in.

use std::fs;
use std::process::Output;

use notary_schema::online::OnlineRole::{Snapshot, Timestamp};

use crate::commands::{fails, signer, stdout};
use crate::memory::Scene;
use crate::world::World;

/// Another installation, on a copy of the database of one that stands still.
fn beside(scene: &Scene) -> World {
    let other = World::new();
    fs::copy(scene.world.path("signer.sqlite"), other.path("signer.sqlite")).unwrap();
    other
}

fn moved(world: &World) -> Output {
    let command = ["memory", "moved", "--config", "signer.toml", "--reason", "to another host"];
    signer(&world.path(""), &command)
}

/// What `check` finds wrong with the database.
fn checked(world: &World) -> Option<String> {
    let checked = signer(&world.path(""), &["check", "--config", "signer.toml"]);
    let lines = String::from_utf8(checked.stdout).unwrap();
    lines.lines().find(|line| line.starts_with("wrong   database: ")).map(str::to_owned)
}

fn set(world: &World, gun: &str, arguments: &str) -> Output {
    let command = ["memory", "set", "--config", "signer.toml", "--reason", "x", "--gun", gun];
    signer(&world.path(""), &[&command[..], &arguments.split(' ').collect::<Vec<_>>()].concat())
}

#[tokio::test]
async fn a_copy_beside_the_original_signs_nothing_and_the_original_goes_on() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    let mut copy = beside(&scene);
    scene.world.start().await.unwrap();
    assert_eq!(checked(&scene.world), None);
    for _ in 0..2 {
        assert!(checked(&copy).unwrap().contains("memory moved"));
        let refused = copy.start().await.unwrap_err().to_string();
        for said in ["memory moved", "--after-restore", "acme/app"] {
            assert!(refused.contains(said), "{said}: {refused}");
        }
    }
    let noticed = copy.audit().into_iter().filter(|line| line.outcome == "unsettled");
    let noticed: Vec<_> = noticed.map(|line| line.action).collect();
    assert_eq!(noticed, ["memory found in another file"]);
    scene.release(2, 2).await;
    scene.world.stop().await;
    scene.world.start().await.unwrap();
    scene.release(3, 3).await;
    assert!(scene.world.audit().iter().all(|line| line.outcome != "unsettled"));
}

/// Both would be on the one file, each with a log of its own name.
#[tokio::test]
async fn no_second_signer_starts_on_a_database_that_was_renamed_under_the_first() {
    let mut scene = Scene::new().await;
    let renamed = scene.world.path("renamed.sqlite");
    fs::rename(scene.world.path("signer.sqlite"), &renamed).unwrap();
    let mut second = World::new();
    second.config.database = renamed;
    let refused = second.start().await.unwrap_err().to_string();
    assert!(refused.contains("renamed.sqlite is held by another notary-signer"), "{refused}");
    fs::rename(scene.world.path("renamed.sqlite"), scene.world.path("signer.sqlite")).unwrap();
    scene.release(2, 2).await;
    scene.world.stop().await;
    scene.world.start().await.unwrap();
    scene.release(3, 3).await;
}

#[tokio::test]
async fn one_word_of_the_operator_lets_a_signer_go_on_elsewhere() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    assert!(stdout(&moved(&scene.world)).starts_with("nothing to change"));
    let mut elsewhere = beside(&scene);
    assert!(stdout(&moved(&elsewhere)).starts_with("2 roles go on here"));
    assert_eq!(checked(&elsewhere), None);
    elsewhere.start().await.unwrap();
    let said = elsewhere.audit().into_iter().rfind(|line| line.outcome == "settled").unwrap();
    assert_eq!(said.action, "memory moved");
    assert!(said.who.starts_with("operator "), "{said:?}");
    elsewhere.stop().await;
    elsewhere.start().await.unwrap();
}

#[tokio::test]
async fn an_older_copy_is_set_before_its_first_start_or_after_it() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    let [mut before, mut after] = [beside(&scene), beside(&scene)];
    assert!(after.start().await.is_err());
    for copy in [&mut before, &mut after] {
        stdout(&set(copy, "acme/app", "--snapshot-version 70"));
        let refused = copy.start().await.unwrap_err().to_string();
        assert!(refused.contains("acme/app"), "the timestamp: {refused}");
        // What is said of it may be what it remembers.
        let said = stdout(&set(copy, "acme/app", "--timestamp-version 1"));
        assert!(said.contains("timestamp stays at 1, and is settled"), "{said}");
        copy.start().await.unwrap();
    }
}

#[tokio::test]
async fn what_backup_wrote_is_not_moved() {
    let scene = Scene::new().await;
    let copy = World::new();
    let to = copy.path("signer.sqlite");
    let backup = ["backup", to.to_str().unwrap(), "--config", "signer.toml"];
    stdout(&signer(&scene.world.path(""), &backup));
    assert!(fails(&moved(&copy), 8).contains("--after-restore"));
}

#[tokio::test]
async fn a_copy_with_which_nothing_could_be_signed_starts() {
    let mut world = World::started().await;
    world.stop().await;
    let mut copy = World::new();
    fs::copy(world.path("signer.sqlite"), copy.path("signer.sqlite")).unwrap();
    assert_eq!(checked(&copy), None);
    copy.start().await.unwrap();
}

/// It is behind whatever it was written from.
#[tokio::test]
async fn what_backup_wrote_of_a_copy_is_not_moved_either() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    let mut copy = beside(&scene);
    assert!(copy.start().await.is_err());
    let backup = World::new();
    let to = backup.path("signer.sqlite");
    let write = ["backup", to.to_str().unwrap(), "--config", "signer.toml"];
    stdout(&signer(&copy.path(""), &write));
    assert!(fails(&moved(&backup), 8).contains("--after-restore"));
    assert!(stdout(&moved(&copy)).starts_with("2 roles go on here"));
}

/// A key that has signed nothing in the copy may have signed a first version since.
#[tokio::test]
async fn a_collection_that_has_signed_nothing_yet_is_spoken_of_too() {
    let world = World::started().await;
    let key = world.server().key(Snapshot, false).await.keyid;
    world.server().key(Timestamp, false).await;
    let mut copy = World::new();
    let to = copy.path("signer.sqlite");
    let backup = ["backup", to.to_str().unwrap(), "--config", "signer.toml"];
    stdout(&signer(&world.path(""), &backup));
    world.server().sign(&[&key], &world.snapshot(1, 1)).await.file();

    let refused = copy.start().await.unwrap_err().to_string();
    assert!(refused.contains("acme/app") && refused.contains("--nothing-signed"), "{refused}");
    let said = stdout(&set(&copy, "acme/app", "--nothing-signed"));
    assert_eq!(said.matches("stays at nothing, and is settled").count(), 2, "{said}");
    copy.start().await.unwrap();
}

#[tokio::test]
async fn nothing_signed_is_not_said_of_what_is_remembered() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    let copy = beside(&scene);
    let refused = fails(&set(&copy, "acme/app", "--nothing-signed"), 1);
    assert!(refused.contains("is remembered for both roles of acme/app"), "{refused}");
}

/// As with `cp` over the file that is there: it stays the file that the database names.
#[tokio::test]
async fn an_older_copy_in_the_file_of_the_original_signs_nothing() {
    let mut scene = Scene::new().await;
    scene.world.stop().await;
    let [file, older] = ["signer.sqlite", "older.sqlite"].map(|name| scene.world.path(name));
    fs::copy(&file, &older).unwrap();
    scene.world.start().await.unwrap();
    scene.release(2, 2).await;
    assert_eq!(checked(&scene.world), None);
    scene.world.stop().await;
    // What the signer itself has written on, and a copy that is not older, is no copy.
    assert_eq!(checked(&scene.world), None);
    let newest = scene.world.path("newest.sqlite");
    fs::copy(&file, &newest).unwrap();
    fs::copy(&newest, &file).unwrap();
    scene.world.start().await.unwrap();
    scene.world.stop().await;

    fs::copy(&older, &file).unwrap();
    for _ in 0..2 {
        let refused = checked(&scene.world).unwrap();
        assert!(refused.contains("--after-restore"), "{refused}");
    }
    // Whichever comes first tells it: a command, or the signer.
    assert!(fails(&moved(&scene.world), 8).contains("--after-restore` for acme/app"));
    fs::copy(&older, &file).unwrap();
    for _ in 0..2 {
        let refused = scene.world.start().await.unwrap_err().to_string();
        assert!(refused.contains("--after-restore` for acme/app"), "{refused}");
    }
    let noticed = scene.world.audit().into_iter().filter(|line| line.outcome == "unsettled");
    let noticed: Vec<_> = noticed.map(|line| line.action).collect();
    assert_eq!(noticed, ["memory found set back"]);
    for role in ["snapshot", "timestamp"] {
        assert!(scene.world.start().await.is_err());
        stdout(&set(&scene.world, "acme/app", &format!("--{role}-version 70")));
    }
    for _ in 0..2 {
        scene.world.start().await.unwrap();
        scene.world.stop().await;
    }
}
