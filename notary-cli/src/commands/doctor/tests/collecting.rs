//! Reading from a server that answers from a table.

use std::time::Duration;

use notary_schema::trusted::Expiry;
use serde_json::json;
use tempfile::TempDir;

use super::super::collect::{Bounds, Collected, collect};
use super::super::opinion::{self, Opinion, Reread};
use super::hand::Hand;
use crate::agent::Agent;
use crate::remote::Http;
use crate::testing::{Canned, Server, now, role, silent};
use crate::trust_dir::MetadataDir;

const SMALL: Bounds = Bounds { roles: 256, targets: 200_000, bytes: 64 << 20, sample: 64 };

struct World {
    server: Server,
    directory: TempDir,
    http: Http,
}

impl World {
    /// Serves a collection, whose root is trusted here.
    async fn of(hand: &Hand) -> World {
        let (server, directory) = (Server::start().await, tempfile::tempdir().unwrap());
        let files = hand.files();
        for (name, file) in &files {
            server.answer(name, Canned::ok(file.clone()));
        }
        let root = &files[&format!("{}.root.json", hand.root["version"])];
        MetadataDir::new(directory.path().to_owned()).save("root.json", root).unwrap();
        World { server, directory, http: Http::new(None, Duration::from_secs(60), silent()) }
    }

    async fn agent(&self) -> Agent<'_> {
        let files = MetadataDir::new(self.directory.path().to_owned());
        let (url, http) = (self.server.url.clone(), &self.http);
        let mut agent = Agent::new(files, url, None, http, now(), Expiry::Reported);
        agent.refresh().await.unwrap();
        agent
    }

    async fn read(&self, bounds: Bounds, seed: u32) -> (Collected, Opinion) {
        let mut agent = self.agent().await;
        let collected = collect(&mut agent, bounds, seed, now()).await.unwrap();
        let opinion = opinion::second(&collected).await.unwrap();
        (collected, opinion)
    }
}

/// So many teams beside docs and german.
fn with_teams(teams: usize) -> Hand {
    let mut hand = Hand::healthy();
    for number in 0..teams {
        let (name, paths) = (format!("team{number}"), format!("team{number}/*"));
        let target = format!("team{number}/a");
        hand.delegate("targets", &name, json!({ "paths": [paths] }), Some(&[&target]));
    }
    hand
}

fn read_roles(collected: &Collected) -> Vec<String> {
    collected.view.trusted().targets_roles().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_small_collection_is_read_as_a_whole_and_read_again_as_a_whole() {
    let world = World::of(&with_teams(3)).await;
    let (collected, opinion) = world.read(SMALL, 1).await;
    assert_eq!(read_roles(&collected), ["docs", "german", "targets", "team0", "team1", "team2"]);
    let extent = collected.extent;
    assert_eq!((extent.roles, extent.known, extent.targets, extent.seed), (5, 5, 6, None));
    assert!(collected.roots.gaps.is_empty() && collected.roots.files.len() == 1);
    assert_eq!((opinion.reread, opinion.findings), (Reread::Collection, Vec::new()));
}

#[tokio::test]
async fn of_a_large_one_the_sample_of_the_seed_is_read_and_no_more() {
    let world = World::of(&with_teams(8)).await;
    let bounds = Bounds { roles: 8, sample: 3, ..SMALL };
    let (first, opinion) = world.read(bounds, 1).await;
    assert_eq!((first.extent.roles, first.extent.seed), (3, Some(1)));
    assert_eq!((opinion.reread, opinion.findings), (Reread::Files, Vec::new()));
    let before = world.server.asked().len();
    assert_eq!(read_roles(&world.read(bounds, 1).await.0), read_roles(&first));
    let asked = world.server.asked()[before..].to_vec();
    // The trusted files are there still, so that only what never is stored is asked for.
    assert_eq!(asked, ["/2.root.json", "/timestamp.json", "/1.root.json"]);
    let others = [2, 3, 4].map(|seed| world.read(bounds, seed));
    let mut differs = false;
    for other in others {
        differs |= read_roles(&other.await.0) != read_roles(&first);
    }
    assert!(differs, "the seed draws nothing");
    let exactly = Bounds { roles: 10, sample: 3, ..SMALL };
    assert_eq!(world.read(exactly, 1).await.0.extent.seed, None);
}

#[tokio::test]
async fn a_collection_of_many_targets_or_bytes_is_large_too() {
    let world = World::of(&with_teams(3)).await;
    for (bounds, roles) in [
        (Bounds { targets: 6, ..SMALL }, 5),
        (Bounds { targets: 3, sample: 1, ..SMALL }, 3),
        (Bounds { bytes: 1, ..SMALL }, 1),
    ] {
        assert_eq!(world.read(bounds, 1).await.0.extent.roles, roles, "{bounds:?}");
    }
}

/// Ten teams of which each delegates to all others, by so many paths.
fn with_teams_of_each_other(paths: usize) -> Hand {
    const TEAMS: [&str; 10] =
        ["team0", "team1", "team2", "team3", "team4", "team5", "team6", "team7", "team8", "team9"];
    let mut hand = with_teams(TEAMS.len());
    for (from, to) in TEAMS.iter().flat_map(|from| TEAMS.map(|to| (from, to))) {
        if *from != to {
            let paths: Vec<String> = (0..paths).map(|n| format!("{to}/{n}")).collect();
            hand.delegate(from, to, json!({ "paths": paths }), None);
        }
    }
    hand
}

/// tough reads ten teams of each other 55 times.
#[tokio::test]
async fn roles_that_delegate_to_each_other_are_loaded_as_long_as_that_takes_not_too_much() {
    for (paths, is_much, reread) in [
        (2, false, Reread::Collection),
        (101, false, Reread::Collection),
        (102, true, Reread::Files),
    ] {
        let world = World::of(&with_teams_of_each_other(paths)).await;
        let mut agent = world.agent().await;
        let collected = collect(&mut agent, SMALL, 1, now()).await.unwrap();
        assert_eq!((collected.extent.roles, collected.extent.seed), (12, None));
        assert_eq!(collected.takes_many_loads(), is_much, "{paths} paths");
        if paths != 101 {
            let opinion = opinion::second(&collected).await.unwrap();
            assert_eq!(opinion.reread, reread, "{paths} paths");
        }
    }
}

#[tokio::test]
async fn a_role_that_is_not_verified_is_told_and_the_others_are_read() {
    let hand = with_teams(1);
    let world = World::of(&hand).await;
    world.server.answer("1.docs.json", Canned::ok(hand.files()["1.team0.json"].clone()));
    let (collected, opinion) = world.read(SMALL, 1).await;
    assert_eq!(read_roles(&collected), ["targets", "team0"]);
    assert_eq!(collected.refused.keys().collect::<Vec<_>>(), [&role("docs")]);
    // Loading the whole would say of docs what was said before.
    assert_eq!((opinion.reread, opinion.findings), (Reread::Files, Vec::new()));
}

#[tokio::test]
async fn a_role_that_the_server_does_not_hand_out_is_told_and_a_server_that_is_gone_ends_it() {
    let hand = with_teams(1);
    let mut longer = hand.files()["1.docs.json"].clone();
    longer.push(b' ');
    for answer in [Canned::status("410 Gone"), Canned::ok(longer)] {
        let world = World::of(&hand).await;
        world.server.answer("1.docs.json", answer);
        let (collected, _) = world.read(SMALL, 1).await;
        assert_eq!(read_roles(&collected), ["targets", "team0"]);
        assert_eq!(collected.refused.keys().collect::<Vec<_>>(), [&role("docs")]);
    }
    let world =
        World { http: Http::new(None, Duration::from_secs(1), silent()), ..World::of(&hand).await };
    world.server.answer("1.docs.json", Canned::status("500 Oops"));
    let mut agent = world.agent().await;
    assert!(collect(&mut agent, SMALL, 1, now()).await.is_err());
}

#[tokio::test]
async fn a_role_is_verified_for_each_delegator() {
    for (is_alike, refused) in [(true, &[][..]), (false, &["docs"])] {
        let mut hand = with_teams(1);
        hand.delegate("team0", "docs", json!({ "paths": ["docs/*"] }), None);
        if !is_alike {
            let delegations = &mut hand.document("team0")["delegations"];
            delegations["keys"] = strangers_key(&delegations["roles"][0]["keyids"][0]);
        }
        let world = World::of(&hand).await;
        let (collected, _) = world.read(SMALL, 1).await;
        let told: Vec<_> = collected.refused.keys().map(ToString::to_string).collect();
        assert_eq!(told, refused);
        assert_eq!(read_roles(&collected), ["docs", "german", "targets", "team0"]);
        assert_eq!((collected.extent.roles, collected.extent.known), (3, 3));
    }
}

/// A key under this id that has signed nothing.
fn strangers_key(id: &serde_json::Value) -> serde_json::Value {
    let key = json!({
        "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": "ab".repeat(32) },
    });
    [(id.as_str().unwrap().to_owned(), key)].into_iter().collect::<serde_json::Map<_, _>>().into()
}

#[tokio::test]
async fn roots_that_old_clients_cannot_take_are_gaps() {
    let mut hand = Hand::healthy();
    let first = hand.files()["1.root.json"].clone();
    hand.root["version"] = json!(2);
    let world = World::of(&hand).await;
    let gaps = |collected: &Collected| {
        collected.roots.gaps.iter().map(|(version, _)| version.get()).collect::<Vec<_>>()
    };
    let (collected, opinion) = world.read(SMALL, 1).await;
    assert_eq!(gaps(&collected), [1], "1.root.json is not served");
    assert_eq!((collected.roots.files.len(), opinion.findings), (1, Vec::new()));
    world.server.answer("1.root.json", Canned::ok(Hand::healthy().files()["1.root.json"].clone()));
    let (collected, _) = world.read(SMALL, 1).await;
    assert_eq!((gaps(&collected), collected.roots.files.len()), (vec![2], 1), "another root 1");
    world.server.answer("1.root.json", Canned::ok(first));
    let (collected, _) = world.read(SMALL, 1).await;
    assert_eq!((gaps(&collected), collected.roots.files.len()), (Vec::new(), 2));
    world.server.answer("2.root.json", Canned::status("404 Not Found"));
    let (collected, opinion) = world.read(SMALL, 1).await;
    assert_eq!((gaps(&collected), collected.roots.files.len()), (vec![2], 1), "the newest is gone");
    assert_eq!(opinion.findings, Vec::new());
    let other = Hand::healthy();
    world.server.answer("2.root.json", Canned::ok(root_2_of(other)));
    let (collected, _) = world.read(SMALL, 1).await;
    assert!(gaps(&collected).contains(&2), "another root 2");
}

fn root_2_of(mut hand: Hand) -> Vec<u8> {
    hand.root["version"] = json!(2);
    hand.files()["2.root.json"].clone()
}

/// tough stops at the first role that has published nothing, without a word.
#[tokio::test]
async fn targets_that_the_second_implementation_does_not_find_are_told() {
    let mut hand = Hand::healthy();
    hand.delegate("targets", "pending", json!({ "paths": ["pending/*"] }), None);
    hand.delegate("targets", "team", json!({ "paths": ["team/*"] }), Some(&["team/a"]));
    let world = World::of(&hand).await;
    let (_, opinion) = world.read(SMALL, 1).await;
    let told: Vec<_> = opinion.findings.iter().map(|f| (f.code, f.role.as_str())).collect();
    let all = ["docs", "german", "team"].map(|role| ("tough_differs", role));
    assert_eq!((opinion.reread, told), (Reread::Collection, all.to_vec()));
}
