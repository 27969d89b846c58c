//! What a publish does, and what it refuses.

use notary_schema::name::Gun;
use notary_schema::wire::GrantLevel;
use serde_json::json;

use crate::repo::{Part, Repo};
use crate::world::World;

fn published(answer: &crate::world::Answer) -> Vec<(String, u64, bool)> {
    let roles = answer.json()["roles"].as_array().unwrap().clone();
    let role = |role: serde_json::Value| {
        let (name, version) = (role["name"].as_str().unwrap(), role["version"].as_u64().unwrap());
        (name.to_owned(), version, role["published"].as_bool().unwrap())
    };
    roles.into_iter().map(role).collect()
}

#[actix_web::test]
async fn a_first_publish_makes_a_collection_that_agents_can_use() {
    let mut world = World::start().await;
    let repo = world.reserve("acme/app", &[]).await;
    let path = format!("/v2/{}/_trust/tuf/timestamp.json", repo.gun);
    assert_eq!(world.get(&path).await.outcome(), (404, "unknown_collection".into()));
    let answer = world.publish(&repo, &[repo.root(1), repo.targets(1, &["a.txt"])]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let roles = [("root".to_owned(), 1, true), ("targets".to_owned(), 1, true)];
    assert_eq!(published(&answer), roles);
    let body = answer.json();
    assert_eq!(
        (&body["snapshot"], &body["timestamp"], &body["seq"]),
        (&1.into(), &1.into(), &1.into())
    );
    world.pin(&repo);
    world.read(&repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_repeated_publish_succeeds_and_signs_nothing() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let second = [repo.team("docs", 2, &["x"])];
    assert_eq!(published(&world.publish(&repo, &second).await), [("docs".into(), 2, true)]);
    let third = [repo.team("docs", 3, &["x", "y"])];
    assert_eq!(world.publish(&repo, &third).await.status, 200);
    let signed = world.signer.signatures();
    for repeated in [&third, &second] {
        let answer = world.publish(&repo, repeated).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!published(&answer)[0].2);
        assert_eq!(answer.json()["snapshot"], 3);
    }
    assert_eq!(world.signer.signatures(), signed);
    world.read(&repo.gun, Some("docs/y")).await;
    world.end().await;
}

#[actix_web::test]
async fn another_file_of_a_used_version_is_a_conflict_that_names_the_next_one() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let current = repo.team("docs", 2, &["x"]);
    world.publish(&repo, std::slice::from_ref(&current)).await;
    for (version, what) in [(1, "earlier"), (2, "current"), (4, "one too far")] {
        let answer = world.publish(&repo, &[repo.team("docs", version, &["other"])]).await;
        assert_eq!(answer.outcome(), (409, "version_conflict".into()), "{what}");
        let problem = answer.json();
        assert_eq!(problem["role"], "docs");
        assert_eq!(problem["current_version"], 2);
        assert_eq!(problem["expected_version"], 3);
        assert_eq!(problem["current_sha256"], notary_schema::key::sha256_hex(&current.1));
    }
    let other = world.reserve("acme/app", &[]).await;
    let answer = world.publish(&other, &[other.root(1), other.targets(1, &[])]).await;
    assert_eq!(answer.outcome(), (409, "version_conflict".into()), "a second first publish");
    assert_eq!(world.publish(&repo, &[repo.team("docs", 3, &["x"])]).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn a_batch_is_published_whole_or_not_at_all() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    let bad = repo.team("code", 3, &["x"]);
    let answer = world.publish(&repo, &[repo.team("docs", 2, &["new"]), bad]).await;
    assert_eq!(answer.status, 409);
    let path = format!("/v2/{}/_trust/tuf/2.docs.json", repo.gun);
    assert_eq!(world.get(&path).await.status, 404);
    let both = [repo.team("docs", 2, &["new"]), repo.team("code", 2, &["new"])];
    let answer = world.publish(&repo, &both).await;
    assert_eq!(published(&answer), [("docs".into(), 2, true), ("code".into(), 2, true)]);
    assert_eq!(answer.json()["snapshot"], 2);
    // A part that is stored beside one that is new.
    let mixed = [repo.team("docs", 2, &["new"]), repo.team("code", 3, &["newer"])];
    let answer = world.publish(&repo, &mixed).await;
    assert_eq!(published(&answer), [("docs".into(), 2, false), ("code".into(), 3, true)]);
    world.end().await;
}

#[actix_web::test]
async fn as_many_parts_as_the_limit_are_read_and_a_repeated_one_is_named() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    // By hand: the form of the client nests each part in the one before.
    let part = |number: u32| {
        let head = "Content-Disposition: form-data; name=\"files\"; filename=\"r";
        format!("--b\r\n{head}{number}\"\r\n\r\n{{\r\n")
    };
    let send = async |parts: String| {
        let path = "/v2/acme/app/_trust/tuf/";
        let kind = "multipart/form-data; boundary=b";
        let edit = |request: reqwest::RequestBuilder| {
            let request = request.bearer_auth(&world.admin).header("content-type", kind);
            request.body(parts + "--b--\r\n")
        };
        world.request(reqwest::Method::POST, path, edit).await.outcome()
    };
    assert_eq!(send((0..20_000).map(part).collect()).await, (400, "unreadable".into()));
    let repeated = [part(7), part(8), part(7)].concat();
    assert_eq!(send(repeated).await, (400, "repeated_part".into()));
    world.end().await;
}

#[actix_web::test]
async fn a_filename_that_is_no_role_is_answered_with_the_role_that_it_means() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let (_, docs) = repo.team("docs", 2, &["x"]);
    for name in ["docs.json", "2.docs", "2.docs.json"] {
        let answer = world.publish(&repo, &[(name.into(), docs.clone())]).await;
        assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{name}");
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(name) && detail.contains("role alone: \\\"docs\\\""), "{detail}");
    }
    let strange = world.publish(&repo, &[("v2.docs".into(), repo.team("docs", 1, &["x"]).1)]).await;
    assert_eq!(strange.outcome(), (422, "not_delegated".into()));
    assert_eq!(world.publish(&repo, &[("docs".into(), docs)]).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn a_sentence_lists_twenty_roles_and_counts_the_others() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    for (count, last, end) in
        [(20, "team-19", "team-19 without need"), (23, "team-19", "and 3 more without need")]
    {
        let names: Vec<String> =
            (0..count).map(|number| format!("pending=team-{number:02}")).collect();
        let query = format!("?{}", names.join("&"));
        let parts = [repo.targets(2, &["b.txt"])];
        let problem = world.send(&repo.gun, &query, &world.admin, &parts).await.json();
        assert_eq!(problem["code"], "named_without_need");
        assert_eq!(problem["roles"].as_array().unwrap().len(), count);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(last) && !detail.contains("team-20"), "{detail}");
        assert!(detail.ends_with(end), "{detail}");
    }
    world.end().await;
}

#[actix_web::test]
async fn no_more_publishes_are_read_at_once_than_there_are_cores() {
    let mut world = World::start_with(|config| config.limits.queue_seconds = 1).await;
    let repo = world.collection("acme/app", &[]).await;
    let unreadable = [("targets".into(), b"{".to_vec())];
    let mut cores = Vec::new();
    while let Ok(core) = world.service.publisher.core().await {
        cores.push(core);
    }
    assert_eq!(cores.len(), std::thread::available_parallelism().unwrap().get());
    let answer = world.publish(&repo, &unreadable).await;
    assert_eq!(answer.outcome(), (503, "busy".into()));
    drop(cores);
    let answer = world.publish(&repo, &unreadable).await;
    assert_eq!(answer.outcome(), (400, "unreadable".into()));
    let answer = world.publish(&repo, &[repo.targets(2, &["b.txt"])]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.end().await;
}

#[actix_web::test]
async fn refused_parts_are_named_with_a_code() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let snapshot: Part = ("snapshot".into(), b"{}".to_vec());
    let contradicts: Part = ("docs".into(), repo.root(2).1);
    let stranger = Repo {
        teams: vec![("docs".into(), crate::signer::TestKey::draw())],
        ..Repo {
            gun: repo.gun.clone(),
            root_key: crate::signer::TestKey::draw(),
            targets_key: crate::signer::TestKey::draw(),
            snapshot_keys: repo.snapshot_keys.clone(),
            timestamp_keys: repo.timestamp_keys.clone(),
            timestamp_threshold: 1,
            teams: vec![],
            now: repo.now,
        }
    };
    let unknown_team: Part = ("nobody".into(), repo.team("docs", 1, &[]).1);
    for (parts, query, status, code) in [
        (vec![snapshot], "", 400, "online_role"),
        (vec![contradicts], "", 400, "unreadable"),
        (vec![repo.team("docs", 2, &[]), repo.team("docs", 2, &["x"])], "", 400, "repeated_part"),
        (vec![stranger.team("docs", 2, &[])], "", 422, "threshold_not_met"),
        (vec![stranger.root(2)], "", 422, "threshold_not_met"),
        (vec![unknown_team], "", 422, "not_delegated"),
        (vec![repo.team("docs", 2, &[])], "?pending=docs", 422, "named_without_need"),
        (vec![repo.team("docs", 2, &[])], "?pendign=docs", 400, "malformed_request"),
        (vec![], "", 400, "malformed_request"),
    ] {
        let answer = world.send(&repo.gun, query, &world.admin, &parts).await;
        assert_eq!(answer.outcome(), (status, code.into()), "{answer:?}");
    }
    // A new team without its first file, and with it.
    repo.teams.push(("code".into(), crate::signer::TestKey::draw()));
    let delegation = [repo.targets(2, &["a.txt"])];
    let answer = world.publish(&repo, &delegation).await;
    assert_eq!(answer.outcome(), (422, "pending_role".into()));
    assert_eq!(answer.json()["roles"], json!(["code"]));
    let answer = world.send(&repo.gun, "?pending=code", &world.admin, &delegation).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(world.publish(&repo, &[repo.team("code", 1, &["x"])]).await.status, 200);
    world.read(&repo.gun, Some("code/x")).await;
    world.end().await;
}

#[actix_web::test]
async fn many_publishers_of_one_collection_all_succeed() {
    let names: Vec<String> = (0..8).map(|team| format!("team-{team}")).collect();
    let teams: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &teams).await;
    let publisher = async |team: &str| {
        for version in 2..=6 {
            let answer = world.publish(&repo, &[repo.team(team, version, &["x"])]).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    };
    futures_util::future::join_all(teams.iter().map(|team| publisher(team))).await;
    for team in &teams {
        let path = format!("/v2/{}/_trust/tuf/{team}.json", repo.gun);
        assert_eq!(world.get(&path).await.bytes, repo.team(team, 6, &["x"]).1);
    }
    world.read(&repo.gun, Some("team-7/x")).await;
    world.end().await;
}

#[actix_web::test]
async fn no_more_publishes_share_a_snapshot_than_the_signer_lets_versions_jump() {
    let mut world = World::start().await;
    let names: Vec<String> = (0..20).map(|number| format!("team-{number}")).collect();
    let teams: Vec<&str> = names.iter().map(String::as_str).collect();
    let repo = world.collection("acme/app", &teams).await;
    world.signer.limits.lock().unwrap().max_step = 1;
    assert_eq!(world.get("/readyz").await.status, 200, "here the signer is asked for its limits");
    let publish = async |team: &str| {
        let answer = world.publish(&repo, &[repo.team(team, 2, &["x"])]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["seq"].as_u64().unwrap()
    };
    let mut seqs = futures_util::future::join_all(teams.iter().map(|team| publish(team))).await;
    seqs.sort_unstable();
    assert_eq!(seqs, (2..22).collect::<Vec<_>>(), "each by itself");
    world.end().await;
}

#[actix_web::test]
async fn of_two_publishers_of_one_version_one_wins_and_the_same_bytes_both_succeed() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let (one, other) = ([repo.team("docs", 2, &["x"])], [repo.team("docs", 2, &["y"])]);
    let answers =
        futures_util::future::join(world.publish(&repo, &one), world.publish(&repo, &other)).await;
    let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let same = [repo.team("docs", 3, &["z"])];
    let answers =
        futures_util::future::join(world.publish(&repo, &same), world.publish(&repo, &same)).await;
    assert_eq!((answers.0.status.as_u16(), answers.1.status.as_u16()), (200, 200));
    assert_eq!([answers.0, answers.1].iter().filter(|answer| published(answer)[0].2).count(), 1);
    world.end().await;
}

#[actix_web::test]
async fn a_root_must_name_keys_that_the_signer_holds() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &[]).await;
    let rotated = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    let key: notary_schema::key::Key =
        serde_json::from_value(rotated.json()["key"].clone()).unwrap();
    let again = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    assert_eq!(rotated.json()["keyid"], again.json()["keyid"], "one pending key");
    for foreign in [crate::signer::TestKey::draw().key, repo.snapshot_keys[0].clone()] {
        repo.timestamp_keys = vec![foreign];
        let answer = world.publish(&repo, &[repo.root(2)]).await;
        assert_eq!(answer.outcome(), (422, "online_keys_not_held".into()));
    }
    repo.timestamp_keys = vec![key];
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    world.read(&repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_name_is_reserved_once_and_within_a_limit() {
    let world = World::start_with(|config| config.limits.reservations = 1).await;
    let key = async |gun: &str| {
        world.post(&format!("/v2/{gun}/_trust/keys/snapshot"), &world.admin).await
    };
    let first = key("acme/app").await;
    assert_eq!(first.json()["keyid"], key("acme/app").await.json()["keyid"]);
    assert_eq!(key("acme/other").await.outcome(), (409, "too_many_reservations".into()));
    let unknown = Gun::parse("acme/none").unwrap();
    let repo = world.reserve("acme/app", &[]).await;
    let send = async |parts: &[Part]| world.send(&unknown, "", &world.admin, parts).await.outcome();
    assert_eq!(send(&[repo.targets(1, &[])]).await, (404, "unknown_collection".into()));
    let first = [repo.root(1), repo.targets(1, &[])];
    assert_eq!(send(&first).await, (422, "online_keys_not_held".into()));
    let publisher = world.token(GrantLevel::Publish, "**", &[]).await;
    let answer = world.send(&repo.gun, "", &publisher, &[repo.targets(1, &[])]).await;
    assert_eq!(answer.outcome(), (404, "unknown_collection".into()));
    world.end().await;
}
