//! Who signs when, in which order, with which outcome.

use super::*;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// This holder signs the bytes.
    Signs(usize),
    /// This holder signs something else.
    SignsOther(usize),
    /// Somebody who is no holder signs the bytes.
    Stranger,
}
use Step::{Signs, SignsOther, Stranger};

#[actix_web::test]
async fn a_root_waits_for_two_of_three_holders_in_any_order() {
    const OPEN: (u16, &str, bool) = (200, "open", false);
    const PUBLISHED: (u16, &str, bool) = (200, "published", true);
    const REPEATED: (u16, &str, bool) = (200, "published", false);
    const CLOSED: (u16, &str, bool) = (409, "proposal_closed", false);
    let mut world = World::start().await;
    let mut ceremony = Ceremony::start(&mut world).await;
    for (name, at_first, steps) in [
        ("one after the other", vec![], vec![(Signs(0), OPEN), (Signs(1), PUBLISHED)]),
        ("the other way around", vec![], vec![(Signs(1), OPEN), (Signs(0), PUBLISHED)]),
        ("without the first one", vec![], vec![(Signs(2), OPEN), (Signs(1), PUBLISHED)]),
        ("one signed before it was sent", vec![0], vec![(Signs(2), PUBLISHED)]),
        (
            "a repeat changes nothing",
            vec![],
            vec![(Signs(0), OPEN), (Signs(0), OPEN), (Signs(1), PUBLISHED), (Signs(1), REPEATED)],
        ),
        (
            "the third one comes too late",
            vec![0],
            vec![(Signs(1), PUBLISHED), (Signs(0), REPEATED), (Signs(2), CLOSED)],
        ),
        (
            "what does not count is refused and leaves no trace",
            vec![],
            vec![
                (Stranger, (422, "key_not_listed", false)),
                (SignsOther(0), (422, "bad_signature", false)),
                (Signs(0), OPEN),
                (SignsOther(0), (409, "signed_already", false)),
                (Stranger, (422, "key_not_listed", false)),
                (Signs(1), PUBLISHED),
            ],
        ),
    ] {
        let first: Vec<&TestKey> = at_first.iter().map(|i| &ceremony.holders[*i]).collect();
        let id = propose(&world, &[ceremony.root(ceremony.root, &first)]).await;
        let message = message(&world, &id, "root").await;
        for (step, (status, word, published)) in steps {
            let signature = match step {
                Signs(holder) => ceremony.holders[holder].sign(&message),
                SignsOther(holder) => ceremony.holders[holder].sign(b"something else"),
                Stranger => TestKey::draw().sign(&message),
            };
            let answer = send_signature(&world, &world.admin, &id, "root", signature).await;
            assert_eq!(outcome(&answer), (status, word.into(), published), "{name}: {step:?}");
        }
        let [root, ..] = world.read(&ceremony.repo.gun, Some("a.txt")).await;
        assert_eq!(root.get(), ceremony.root, "{name}");
        ceremony.root += 1;
    }
    world.end().await;
}

#[actix_web::test]
async fn a_proposal_tells_what_to_sign_who_has_and_who_is_missing() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [a, b, c] = &ceremony.holders;
    let id = propose(&world, &[ceremony.root(3, &[a])]).await;
    let shown = show(&world, &id).await;
    assert_eq!(shown["reason"], "because");
    assert_eq!(shown["lapses_at"], json!(world.now() + TimeDelta::days(30)));
    assert_eq!(shown["roles"][0]["name"], "root");
    assert_eq!(shown["files"][0]["signatures"][0]["keyid"], json!(a.key.id()));
    let demands = shown["demands"].as_array().unwrap();
    let told: Vec<_> = demands
        .iter()
        .map(|d| (d["role"].clone(), d["version"].clone(), d["threshold"].clone()))
        .collect();
    // The stored targets counts, too: it must stay what the new root trusts.
    assert_eq!(
        told,
        [
            (json!("root"), json!(2), json!(2)),
            (json!("root"), json!(3), json!(2)),
            (json!("targets"), json!(3), json!(1)),
        ]
    );
    for demand in &demands[..2] {
        assert_eq!(demand["signed"], json!([a.key.id()]));
        assert_eq!(demand["missing"], json!([b.key.id(), c.key.id()]));
        assert_eq!(demand["purpose"], "trust");
    }
    let answer = sign(&world, &id, "root", b).await;
    assert_eq!(answer.json()["published"]["roles"][0]["version"], 3);
    assert_eq!(show(&world, &id).await["demands"], json!([]));
    world.end().await;
}

#[actix_web::test]
async fn a_targets_that_goes_before_its_root_is_of_one_proposal_with_it() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let (old, new) = (&ceremony.repo.targets_key, TestKey::draw());
    let [a, b, _] = &ceremony.holders;
    let id = propose(&world, &[ceremony.root_for(3, &new, &[a]), ceremony.targets(3, &[])]).await;
    let purposes: Vec<_> = show(&world, &id).await["demands"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|demand| demand["role"] == "targets")
        .map(|demand| (demand["version"].clone(), demand["purpose"].clone()))
        .collect();
    assert_eq!(purposes, [(json!(3), json!("trust")), (json!(2), json!("overlap"))]);
    for (role, key, expected) in [
        ("targets", &new, (200, "open", false)),
        ("root", b, (200, "open", false)),
        ("docs", old, (422, "not_proposed", false)),
        ("targets", old, (200, "published", true)),
    ] {
        let message = message(&world, &id, if role == "docs" { "root" } else { role }).await;
        let answer = send_signature(&world, &world.admin, &id, role, key.sign(&message)).await;
        assert_eq!(outcome(&answer), (expected.0, expected.1.into(), expected.2), "{role}");
    }
    assert_eq!(show(&world, &id).await["state"], "published");
    world.read(&ceremony.repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn what_is_left_of_a_proposal_goes_on_when_a_file_of_it_is_published() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let ceremony = Ceremony::start(&mut world).await;
    let (old, new) = (&ceremony.repo.targets_key, TestKey::draw());
    let [a, b, _] = &ceremony.holders;
    let parts = [ceremony.root_for(3, &new, &[a]), ceremony.targets(3, &[old, &new])];
    let id = propose(&world, &parts).await;
    // As after a crash between targets and root, which the server publishes one after the other.
    let targets = show(&world, &id).await["files"][1]["file"].as_str().unwrap().to_owned();
    let answer = world.publish(&ceremony.repo, &[("targets".into(), targets.into())]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let shown = show(&world, &id).await;
    assert_eq!(shown["state"], "open", "{shown}");
    let late = message(&world, &id, "targets").await;
    let late = send_signature(&world, &world.admin, &id, "targets", new.sign(&late)).await;
    assert_eq!(outcome(&late), (200, "open".into(), false), "it has all that it needed");
    let root = message(&world, &id, "root").await;
    let last = send_signature(&world, &world.admin, &id, "root", b.sign(&root)).await;
    assert_eq!(outcome(&last), (200, "published".into(), true), "{last:?}");
    assert_eq!(show(&world, &id).await["state"], "published");
    world.read(&ceremony.repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn what_signatures_would_not_mend_is_no_proposal() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let ([a, b, _], [x, y]) = (&ceremony.holders, &ceremony.writers);
    let other = TestKey::draw();
    let mut forged = ceremony.docs(2, "new", &[x]).1;
    let at = forged.windows(7).position(|w| w == b"\"sig\":\"").unwrap() + 7;
    forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
    for (name, parts, expected) in [
        ("complete", vec![ceremony.root(3, &[a, b])], (422, "nothing_missing")),
        ("the version of now", vec![ceremony.docs(1, "new", &[x])], (409, "version_conflict")),
        ("a version too far", vec![ceremony.docs(3, "new", &[x])], (409, "version_conflict")),
        (
            "a role nobody delegates to",
            vec![("app".into(), ceremony.docs(1, "new", &[]).1)],
            (422, "not_delegated"),
        ),
        ("a signature that is none", vec![("docs".into(), forged)], (422, "bad_signature")),
        ("a stranger's", vec![ceremony.docs(2, "new", &[&other])], (422, "key_not_listed")),
        (
            "stored targets that the new root does not trust",
            vec![ceremony.root_for(3, &other, &[a])],
            (422, "threshold_not_met"),
        ),
        ("a file that is none", vec![("docs".into(), b"{}".to_vec())], (400, "unreadable")),
        ("the online roles", vec![("snapshot".into(), b"{}".to_vec())], (400, "online_role")),
        ("it lives too short", vec![ceremony.docs_until(2, 1)], (422, "expires_too_soon")),
    ] {
        let answer = propose_as(&world, &world.admin, "?reason=because", &parts).await;
        assert_eq!(answer.outcome(), (expected.0, expected.1.into()), "{name}");
    }
    assert_eq!(world.get(PROPOSALS).await.json()["items"], json!([]));
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    assert_eq!(outcome(&sign(&world, &id, "docs", y).await), (200, "published".into(), true));
    world.end().await;
}

#[actix_web::test]
async fn what_a_proposal_names_goes_along_to_its_publish() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let ([a, b, _], new) = (&ceremony.holders, TestKey::draw());
    let parts = [ceremony.root_for(3, &new, &[a]), ceremony.targets(3, &[&new])];
    let query = "?reason=stolen&compromised=targets";
    let id = propose_as(&world, &world.admin, query, &parts).await.json()["id"].clone();
    let id = id.as_str().unwrap();
    let shown = show(&world, id).await;
    assert_eq!((&shown["compromised"], &shown["pending"]), (&json!(["targets"]), &Value::Null));
    // The old key of targets is asked for nothing, so the second holder's signature is the last.
    let answer = sign(&world, id, "root", b).await;
    assert_eq!(outcome(&answer), (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn the_event_of_the_publish_names_who_proposed_and_who_signed() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [a, b, _] = &ceremony.holders;
    let (one, two) = (
        world.token(GrantLevel::Sign, "acme/*", &[]).await,
        world.token(GrantLevel::Sign, "acme/*", &[]).await,
    );
    let id = propose(&world, &[ceremony.root(3, &[])]).await;
    let message = message(&world, &id, "root").await;
    let mut expected = vec![show(&world, &id).await["created_by"].clone()];
    for (token, key) in [(&one, a), (&two, b)] {
        assert_eq!(
            send_signature(&world, token, &id, "root", key.sign(&message)).await.status,
            200
        );
        let own = world.get_as("/v2/_trust/tokens/self", token).await.json()["id"].clone();
        expected.push(own);
    }
    let feed = world.get("/v2/acme/app/_trust/changefeed").await.json();
    let last = feed["items"].as_array().unwrap().last().unwrap();
    let mut by: Vec<_> = last["by"].as_str().unwrap().split(',').map(Value::from).collect();
    by.sort_by_key(Value::to_string);
    expected.sort_by_key(Value::to_string);
    assert_eq!(by, expected);
    world.end().await;
}
