//! The changefeed: every commit, in order, without gaps, with what it brought and by whom.

use chrono::TimeDelta;
use notary_schema::wire::{Event, EventKind, GrantLevel, Page};

use crate::world::World;

async fn page(world: &World, query: &str) -> Page<Event> {
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
    for bad in ["?after=x", "?after=-1", "?after=9007199254740992", "?limit=0", "?limit=x", "?a=1"]
    {
        let answer = world.get(&format!("/v2/_trust/changefeed{bad}")).await;
        assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{bad}");
    }
    assert_eq!(page(&world, "?limit=4000000000").await.items.len(), 3);
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
