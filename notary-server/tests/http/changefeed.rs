//! The changefeed: every commit, in order, without gaps, with what it brought and by whom.

use chrono::TimeDelta;
use notary_schema::online::OnlineRole;
use notary_schema::wire::{Event, EventKind, EventPage, GrantLevel};

use crate::repo::Repo;
use crate::signer::Fault;
use crate::world::World;

async fn page(world: &World, query: &str) -> EventPage {
    let answer = world.get_as(&format!("/v2/_trust/changefeed{query}"), &world.admin).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_slice(&answer.bytes).unwrap()
}

#[actix_web::test]
async fn every_commit_is_an_event_with_its_files_and_its_author() {
    let mut world = World::start().await;
    let app = world.collection("acme/app", &["docs"]).await;
    world.collection("acme/lib", &[]).await;
    let team = world.token(GrantLevel::Publish, "acme/app", &["docs"]).await;
    world.send(&app.gun, "", &team, &[app.team("docs", 2, &["x"])]).await;
    world.pass(TimeDelta::days(5));
    assert_eq!(world.refresh_all().await, 2);
    world.delete("/v2/acme/app/_trust/tuf/?confirm=acme/app", &world.admin).await;
    world.post("/v2/acme/app/_trust/undelete", &world.admin).await;
    let events = page(&world, "").await.items;
    let seqs: Vec<u64> = events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=7).collect::<Vec<u64>>());
    let id = async |token: &str| {
        let own = world.get_as("/v2/_trust/tokens/self", token).await.json();
        Some(own["id"].as_str().unwrap().to_owned())
    };
    let (admin, team) = (id(&world.admin).await, id(&team).await);
    let files = |event: &Event| {
        event.roles.iter().map(|file| format!("{} {}", file.name, file.version)).collect::<Vec<_>>()
    };
    use EventKind::{Delete, Publish, Refresh, Undelete};
    let both = |version: u64| vec![format!("snapshot {version}"), format!("timestamp {version}")];
    let first = ["root 1", "targets 1", "docs 1", "snapshot 1", "timestamp 1"];
    let brought = |event: &Event| {
        let mut brought = files(event);
        brought.sort();
        brought
    };
    let mut expected: Vec<String> = first.iter().map(|file| (*file).to_owned()).collect();
    expected.sort();
    assert_eq!((events[0].kind, &events[0].by, brought(&events[0])), (Publish, &admin, expected));
    assert_eq!((events[2].kind, &events[2].by), (Publish, &team));
    assert_eq!(files(&events[2]), ["docs 2", "snapshot 2", "timestamp 2"]);
    for refresh in &events[3..5] {
        assert_eq!((refresh.kind, &refresh.by), (Refresh, &None));
        assert_eq!(refresh.at, world.now());
    }
    assert_eq!((events[5].kind, &events[5].by, files(&events[5])), (Delete, &admin, vec![]));
    assert_eq!((events[6].kind, &events[6].by, files(&events[6])), (Undelete, &admin, both(4)));
    for file in events.iter().filter(|event| event.collection == app.gun).flat_map(|e| &e.roles) {
        let name = match file.name.as_str() {
            "timestamp" => continue,
            name => format!("/v2/acme/app/_trust/tuf/{}.{name}.json", file.version),
        };
        let bytes = world.get(&name).await.bytes;
        assert_eq!(notary_schema::key::sha256_hex(&bytes), file.sha256, "{name}");
    }
    world.end().await;
}

#[actix_web::test]
async fn pages_follow_one_another_without_gaps() {
    let mut world = World::start().await;
    for name in ["acme/a", "acme/b", "acme/c"] {
        world.collection(name, &[]).await;
    }
    let (mut seqs, mut after) = (Vec::new(), Some("0".to_owned()));
    while let Some(at) = after {
        let page = page(&world, &format!("?after={at}&limit=2")).await;
        assert!(page.items.len() <= 2);
        seqs.extend(page.items.iter().map(|event| event.seq));
        after = page.next;
    }
    assert_eq!(seqs, [1, 2, 3]);
    let last = page(&world, "?after=2").await;
    assert_eq!((last.items.len(), last.next), (1, None));
    assert!(page(&world, "?after=3").await.items.is_empty());
    let of_one = world.get("/v2/acme/b/_trust/changefeed").await.json();
    assert_eq!(
        (&of_one["items"][0]["seq"], of_one["items"].as_array().unwrap().len()),
        (&2.into(), 1)
    );
    assert_eq!(page(&world, "?limit=4000000000000").await.items.len(), 3);
    world.end().await;
}

#[actix_web::test]
async fn a_mistyped_place_is_told_from_one_that_is_gone() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    let feed = page(&world, "").await.feed;
    let refusal = async |query: &str| {
        let answer = world.get(&format!("/v2/_trust/changefeed{query}")).await;
        let (status, code) = answer.outcome();
        (status, code, answer.json()["detail"].as_str().unwrap().to_owned())
    };
    let short = format!("?feed={}", &feed[1..]);
    let loud = format!("?feed={}", "A".repeat(feed.len()));
    for (bad, named) in [
        ("?after=x", "after is the number"),
        ("?after=", "after is the number"),
        ("?after=-1", "after is the number"),
        ("?after=9007199254740992", "after is the number"),
        ("?limit=0", "limit is a number from 1; a page has at most 1000"),
        ("?limit=x", "limit is a number from 1; a page has at most 1000"),
        ("?feed=", "feed is the `feed` of the page before"),
        (&short, "feed is the `feed` of the page before"),
        (&loud, "feed is the `feed` of the page before"),
        ("?a=1", "\"a\" is not known here"),
        ("?after=0&after=0", "the parameter after stands there more than once"),
        ("?limit=1&after=0&limit=2", "the parameter limit stands there more than once"),
    ] {
        let (status, code, detail) = refusal(bad).await;
        assert_eq!((status, code.as_str()), (400, "malformed_request"), "{bad}");
        assert!(detail.contains(named), "{bad}: {detail}");
    }
    let other = "0".repeat(feed.len());
    for (query, expected, says) in [
        (format!("?after=2&feed={feed}"), "unknown_event", "there is no event 2"),
        ("?after=2".into(), "feed_restarted", "it was not given yet, or the database was set back"),
        (format!("?after=1&feed={other}"), "feed_restarted", "the changefeed is another one"),
    ] {
        let (status, code, detail) = refusal(&query).await;
        assert_eq!((status, code.as_str()), (409, expected), "{query}");
        assert!(detail.contains(says), "{query}: {detail}");
    }
    assert_eq!(outcome(&world, &format!("?after=1&feed={feed}")).await.0, 200);
    world.end().await;
}

#[actix_web::test]
async fn a_tombstones_events_can_be_followed_to_its_end() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    world.delete("/v2/acme/app/_trust/tuf/?confirm=acme/app", &world.admin).await;
    let answer = world.get("/v2/acme/app/_trust/changefeed").await.json();
    let kinds: Vec<_> =
        answer["items"].as_array().unwrap().iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["publish", "delete"]);
    world.reserve("acme/reserved", &[]).await;
    for gun in ["acme/reserved", "acme/none"] {
        let answer = world.get(&format!("/v2/{gun}/_trust/changefeed")).await;
        assert_eq!(answer.outcome(), (404, "unknown_collection".into()));
    }
    world.post("/v2/acme/app/_trust/undelete", &world.admin).await;
    world.end().await;
}

/// Three collections, of which two are published to after the database was copied; then the server
/// starts with the copy. Also the repositories, and the feed as it was.
async fn set_back() -> (World, Repo, EventPage) {
    let mut world = World::start().await;
    let app = world.collection("acme/app", &["docs", "code"]).await;
    let lib = world.collection("acme/lib", &["docs"]).await;
    world.collection("acme/none", &[]).await;
    let copy = world.copy_of_database();
    for repo in [&app, &lib] {
        assert_eq!(world.publish(repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
    }
    let before = page(&world, "").await;
    world.restart_with(copy).await;
    (world, app, before)
}

async fn outcome(world: &World, query: &str) -> (u16, String) {
    world.get(&format!("/v2/_trust/changefeed{query}")).await.outcome()
}

fn restarted() -> (u16, String) {
    (409, "feed_restarted".into())
}

#[actix_web::test]
async fn numbers_that_are_given_again_are_of_another_feed() {
    let (world, _, before) = set_back().await;
    let old = &before.feed;
    assert_eq!(before.items.len(), 5);
    assert_eq!(outcome(&world, "?after=3").await.0, 200);
    assert_eq!(outcome(&world, "?after=4").await, restarted(), "there is no event 4 any more");
    assert_eq!(world.survey().await, 2);
    let now = page(&world, "").await;
    assert_ne!(now.feed, *old);
    let mut found: Vec<_> =
        now.items[3..].iter().map(|it| (it.kind, it.collection.as_str())).collect();
    found.sort_by_key(|(kind, gun)| (*kind == EventKind::Refresh, *gun));
    use EventKind::{Refresh, Restored};
    let each = |kind| [(kind, "acme/app"), (kind, "acme/lib")];
    assert_eq!(found, [each(Restored), each(Refresh)].concat());
    for after in [0, 3, 5, 7] {
        let of = |feed: &str| format!("?after={after}&feed={feed}");
        assert_eq!(outcome(&world, &of(old)).await, restarted(), "{after}");
        assert_eq!(outcome(&world, &of(&now.feed)).await.0, 200, "{after}");
        assert_eq!(outcome(&world, &format!("?after={after}")).await.0, 200, "{after}");
    }
    let unknown = outcome(&world, &format!("?after=8&feed={}", now.feed)).await;
    assert_eq!(unknown, (409, "unknown_event".into()), "nobody was set back");
    let of_one = world.get(&format!("/v2/acme/none/_trust/changefeed?feed={old}")).await;
    assert_eq!(
        of_one.outcome(),
        restarted(),
        "a collection that lost nothing has new numbers, too"
    );
    assert_eq!((world.survey().await, page(&world, "").await.feed), (0, now.feed));
}

#[actix_web::test]
async fn a_publish_that_finds_the_database_set_back_restarts_the_feed() {
    let (world, app, before) = set_back().await;
    assert_eq!(world.publish(&app, &[app.team("code", 2, &["x"])]).await.status, 200);
    let now = page(&world, "").await;
    assert_ne!(now.feed, before.feed);
    let kinds: Vec<_> = now.items[3..].iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Restored, EventKind::Refresh, EventKind::Publish]);
    assert_eq!((world.survey().await, page(&world, "").await.feed), (1, now.feed), "one restart");
}

#[actix_web::test]
async fn lost_refreshes_restart_the_feed_and_releases_that_come_late_do_not() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let feed = page(&world, "").await.feed;
    for role in [OnlineRole::Snapshot, OnlineRole::Timestamp] {
        world.signer.fail(role, &[Fault::AnswerLost]);
        let version = if role == OnlineRole::Snapshot { 2 } else { 3 };
        let docs = [repo.team("docs", version, &["x"])];
        assert_eq!(world.publish(&repo, &docs).await.status, 503);
        world.pass(TimeDelta::days(15));
        assert_eq!(world.roll_all().await, 1, "with new dates");
    }
    assert_eq!(page(&world, "").await.feed, feed);
    let copy = world.copy_of_database();
    world.pass(TimeDelta::seconds(60_000));
    assert_eq!(world.refresh_all().await, 1);
    world.restart_with(copy).await;
    world.pass(TimeDelta::seconds(1));
    assert_eq!(world.survey().await, 1);
    assert_ne!(page(&world, "").await.feed, feed);
    world.end().await;
}
