//! What else becomes of a proposal.

use super::*;
use crate::store::CommitFault;

#[actix_web::test]
async fn two_who_sign_at_once_publish_once() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [a, b, c] = &ceremony.holders;
    for version in 3..8 {
        let id = propose(&world, &[ceremony.root(version, &[])]).await;
        let (one, two) = join(sign(&world, &id, "root", a), sign(&world, &id, "root", b)).await;
        let both = [outcome(&one), outcome(&two)];
        assert!(both.contains(&(200, "published".into(), true)), "{both:?}");
        assert!(both.iter().all(|(status, ..)| *status == 200), "{both:?}");
        assert_eq!(state(&world, &id).await, "published");
    }
    // The last signature twice, and one more than is needed beside it.
    for (version, last) in [(8, b), (9, c)] {
        let id = propose(&world, &[ceremony.root(version, &[a])]).await;
        let message = message(&world, &id, "root").await;
        let send = |key: &TestKey| {
            let signature = key.sign(&message);
            send_signature(&world, &world.admin, &id, "root", signature)
        };
        let (one, two) = join(send(b), send(last)).await;
        let both = [one.status, two.status];
        assert!(both.contains(&StatusCode::OK), "{one:?} {two:?}");
        assert_eq!(state(&world, &id).await, "published");
    }
    assert_eq!(published_roots(&world).await, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    world.end().await;
}

#[actix_web::test]
async fn who_is_overtaken_is_stale_and_the_next_version_may_be_proposed() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "slow", &[x])]).await;
    let message = message(&world, &id, "docs").await;
    let publish = world.publish(&ceremony.repo, &[ceremony.docs(2, "fast", &[x, y])]).await;
    assert_eq!(publish.status, 200, "a proposal holds up nobody");
    assert_eq!(state(&world, &id).await, "stale");
    let late = send_signature(&world, &world.admin, &id, "docs", y.sign(&message)).await;
    assert_eq!(outcome(&late), (409, "proposal_closed".into(), false));
    assert_eq!(late.json()["state"], "stale");
    let next = propose(&world, &[ceremony.docs(3, "slow", &[x])]).await;
    assert_eq!(outcome(&sign(&world, &next, "docs", y).await), (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("docs/slow")).await;
    world.end().await;
}

#[actix_web::test]
async fn who_publishes_the_proposed_file_by_another_way_closes_the_proposal() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "new", &[])]).await;
    let publish = world.publish(&ceremony.repo, &[ceremony.docs(2, "new", &[x, y])]).await;
    assert_eq!(publish.status, 200);
    assert_eq!(state(&world, &id).await, "published");
    world.end().await;
}

#[actix_web::test]
async fn a_repeat_of_a_proposal_by_its_author_finds_it() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    assert_eq!(propose(&world, &[ceremony.docs(2, "new", &[x])]).await, id);
    assert_eq!(propose(&world, &[ceremony.docs(2, "new", &[])]).await, id);
    let other = world.token(GrantLevel::Publish, "acme/*", &[]).await;
    for (name, token, part) in [
        ("another signature", &world.admin, ceremony.docs(2, "new", &[y])),
        ("another file", &world.admin, ceremony.docs(2, "newer", &[x])),
        ("another author", &other, ceremony.docs(2, "new", &[x])),
    ] {
        let refused = propose_as(&world, token, "?reason=because", &[part]).await;
        assert_eq!(refused.outcome(), (409, "role_proposed".into()), "{name}");
    }
    world.end().await;
}

#[actix_web::test]
async fn of_two_who_propose_at_once_one_is_told_of_the_other() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let (one, two) = ([ceremony.docs(2, "one", &[])], [ceremony.docs(2, "two", &[])]);
    let send = |parts| propose_as(&world, &world.admin, "?reason=because", parts);
    let (one, two) = join(send(&one), send(&two)).await;
    let (there, refused) = if one.status == 201 { (one, two) } else { (two, one) };
    assert_eq!(refused.outcome(), (409, "role_proposed".into()));
    assert_eq!(refused.json()["proposal"], there.json()["id"]);
    world.end().await;
}

#[actix_web::test]
async fn one_role_has_one_open_proposal() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, _] = &ceremony.writers;
    let first = propose(&world, &[ceremony.docs(2, "one", &[x])]).await;
    let second = [ceremony.docs(2, "two", &[x])];
    let refused = propose_as(&world, &world.admin, "?reason=because", &second).await;
    assert_eq!(refused.outcome(), (409, "role_proposed".into()));
    assert_eq!(
        (&refused.json()["proposal"], &refused.json()["role"]),
        (&json!(first), &json!("docs"))
    );
    let both = [ceremony.root(3, &[]), second[0].clone()];
    let refused = propose_as(&world, &world.admin, "?reason=because", &both).await;
    assert_eq!(refused.outcome(), (409, "role_proposed".into()));
    propose(&world, &[ceremony.root(3, &[])]).await;
    world.delete(&format!("{PROPOSALS}/{first}"), &world.admin).await;
    propose(&world, &second).await;
    world.end().await;
}

#[actix_web::test]
async fn a_proposal_lapses_by_the_clock() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let in_days = |days: i64| (world.now() + TimeDelta::days(days)).format("%FT%TZ").to_string();
    let query = |days: i64| format!("?reason=because&lapses_at={}", in_days(days));
    for (name, query, parts, expected) in [
        ("a day before the file expires", query(9), [ceremony.docs_until(2, 10)], (201, "")),
        ("a day later", query(10), [ceremony.docs_until(2, 10)], (422, "lapses_too_late")),
        ("in the past", query(0), [ceremony.docs_until(2, 10)], (400, "malformed_request")),
        (
            "no time",
            "?reason=r&lapses_at=soon".into(),
            [ceremony.docs_until(2, 10)],
            (400, "malformed_request"),
        ),
        (
            "what comes first counts",
            "?reason=because".into(),
            [ceremony.docs_until(2, 10)],
            (201, ""),
        ),
    ] {
        let answer = propose_as(&world, &world.admin, &query, &parts).await;
        assert_eq!(answer.outcome(), (expected.0, expected.1.into()), "{name}");
        if answer.status == 201 {
            assert_eq!(answer.json()["lapses_at"], in_days(9), "{name}");
            let path = format!("{PROPOSALS}/{}", answer.json()["id"].as_str().unwrap());
            assert_eq!(world.delete(&path, &world.admin).await.status, 204);
        }
    }
    let file = ceremony.docs(2, "new", &[x]);
    let id = propose(&world, std::slice::from_ref(&file)).await;
    let message = message(&world, &id, "docs").await;
    world.pass(TimeDelta::days(30) - TimeDelta::seconds(1));
    assert_eq!(state(&world, &id).await, "open");
    world.pass(TimeDelta::seconds(1));
    assert_eq!(state(&world, &id).await, "lapsed");
    let late = send_signature(&world, &world.admin, &id, "docs", y.sign(&message)).await;
    assert_eq!(outcome(&late), (409, "proposal_closed".into(), false));
    // Meanwhile snapshot and timestamp have expired, which is in nobody's way.
    let again = propose(&world, &[file]).await;
    assert_eq!(outcome(&sign(&world, &again, "docs", y).await), (200, "published".into(), true));
    world.end().await;
}

#[actix_web::test]
async fn expired_metadata_does_not_keep_its_successor_from_being_proposed() {
    let mut world = World::start().await;
    let mut ceremony = Ceremony::start(&mut world).await;
    world.pass(TimeDelta::days(301));
    ceremony.repo.now = world.now();
    world.admin = world.token(GrantLevel::Admin, "**", &[]).await;
    let [a, b, _] = &ceremony.holders;
    let id = propose(&world, &[ceremony.root(3, &[a])]).await;
    let answer = sign(&world, &id, "root", b).await;
    assert_eq!(outcome(&answer), (200, "published".into(), true));
    assert_eq!(answer.json()["published"]["expired"], json!(["docs", "targets"]));
    let [x, y] = &ceremony.writers;
    for part in
        [ceremony.targets(3, &[&ceremony.repo.targets_key]), ceremony.docs(2, "new", &[x, y])]
    {
        assert_eq!(world.publish(&ceremony.repo, &[part]).await.status, 200);
    }
    world.end().await;
}

#[actix_web::test]
async fn a_signature_is_kept_while_the_signer_is_away() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [a, b, c] = &ceremony.holders;
    // The one whose signature was the last goes on, or another one, whose signature is not needed.
    for (version, goes_on) in [(3, b), (4, c)] {
        let id = propose(&world, &[ceremony.root(version, &[a])]).await;
        let message = message(&world, &id, "root").await;
        world.signer.go_away();
        let answer = sign(&world, &id, "root", b).await;
        assert_eq!(outcome(&answer), (503, "signer_unreachable".into(), false));
        let shown = show(&world, &id).await;
        assert_eq!(shown["state"], "open");
        assert_eq!(shown["demands"][0]["signed"], json!([a.key.id(), b.key.id()]));
        world.signer.heal();
        let signature = goes_on.sign(&message);
        let answer = send_signature(&world, &world.admin, &id, "root", signature).await;
        assert_eq!(outcome(&answer), (200, "published".into(), true));
        let file = world.get(&format!("/v2/acme/app/_trust/tuf/{version}.root.json")).await.json();
        assert_eq!(file["signatures"].as_array().unwrap().len(), 2);
    }
    world.end().await;
}

#[actix_web::test]
async fn a_crash_anywhere_in_the_publish_leaves_a_proposal_that_is_published() {
    for point in [
        StopPoint::AfterPrepare,
        StopPoint::SnapshotSigned,
        StopPoint::TimestampSigned,
        StopPoint::BeforeCommitAnswer,
    ] {
        let mut world = World::start().await;
        let ceremony = Ceremony::start(&mut world).await;
        let [x, y] = &ceremony.writers;
        let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
        let message = message(&world, &id, "docs").await;
        world.die_at(point);
        let send = || send_signature(&world, &world.admin, &id, "docs", y.sign(&message));
        assert_eq!(send().await.status, 500, "{point:?}");
        world.service.served.forget(&ceremony.repo.gun);
        assert_eq!(outcome(&send().await).0, 200, "{point:?}");
        assert_eq!(state(&world, &id).await, "published", "{point:?}");
        world.read(&ceremony.repo.gun, Some("docs/new")).await;
        world.end().await;
    }
}

#[actix_web::test]
async fn a_signature_is_kept_while_publishes_fill_the_memory() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    let memory = world.service.body_memory.clone();
    let all = u32::try_from(memory.available_permits()).unwrap();
    let others = memory.try_acquire_many_owned(all).unwrap();
    assert_eq!(outcome(&sign(&world, &id, "docs", y).await), (503, "busy".into(), false));
    drop(others);
    assert_eq!(outcome(&sign(&world, &id, "docs", y).await), (200, "published".into(), true));
    world.end().await;
}

#[actix_web::test]
async fn a_commit_that_fails_is_repeated_with_the_signature() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    for (version, fault) in [(2, CommitFault::Failed), (3, CommitFault::AnswerLost)] {
        let id = propose(&world, &[ceremony.docs(version, "new", &[x])]).await;
        let message = message(&world, &id, "docs").await;
        *world.store.next_commit.lock().unwrap() = Some(fault);
        for _ in 0..2 {
            let signature = y.sign(&message);
            let answer = send_signature(&world, &world.admin, &id, "docs", signature).await;
            assert!(matches!(answer.status.as_u16(), 200 | 503), "{fault:?}: {answer:?}");
        }
        assert_eq!(state(&world, &id).await, "published", "{fault:?}");
    }
    world.read(&ceremony.repo.gun, Some("docs/new")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_release_that_is_rolled_forward_in_the_background_closes_its_proposal() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    world.signer.fail(OnlineRole::Timestamp, &[crate::signer::Fault::AnswerLost]);
    assert_eq!(sign(&world, &id, "docs", y).await.status, 503);
    // Whoever takes it back now comes too late.
    assert_eq!(world.delete(&format!("{PROPOSALS}/{id}"), &world.admin).await.status, 204);
    assert_eq!(state(&world, &id).await, "cancelled");
    assert_eq!(world.roll_all().await, 1);
    assert_eq!(state(&world, &id).await, "published");
    world.end().await;
}
