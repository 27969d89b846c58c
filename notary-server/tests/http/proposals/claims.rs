//! Whose proposal keeps a role from others?

use super::*;
use crate::revocations::revoked;

/// Proposes with a token that may publish every role but root; answers the id.
async fn propose_with(world: &World, token: &str, parts: &[Part]) -> String {
    let answer = propose_as(world, token, "?reason=because", parts).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn what_no_writer_has_signed_keeps_no_writer_from_proposing() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let squatter = world.token(GrantLevel::Publish, "acme/*", &[]).await;
    let team = world.token(GrantLevel::Publish, "acme/*", &["docs"]).await;
    let squat = propose_with(&world, &squatter, &[ceremony.docs(2, "squat", &[])]).await;
    let message_before = message(&world, &squat, "docs").await;
    // Nobody has signed either: the first one is there.
    let unsigned = [ceremony.docs(2, "new", &[])];
    let refused = propose_as(&world, &team, "?reason=because", &unsigned).await;
    assert_eq!(refused.outcome(), (409, "role_proposed".into()));
    let id = propose_with(&world, &team, &[ceremony.docs(2, "new", &[x])]).await;
    assert_eq!((&*state(&world, &squat).await, &*state(&world, &id).await), ("displaced", "open"));
    assert_eq!(show(&world, &squat).await["displaced_by"], id);
    let late = send_signature(&world, &world.admin, &squat, "docs", x.sign(&message_before)).await;
    assert_eq!(outcome(&late), (409, "proposal_closed".into(), false));
    assert_eq!(late.json()["state"], "displaced");
    // What a writer has signed is there to stay.
    for part in [ceremony.docs(2, "squat", &[]), ceremony.docs(2, "squat", &[y])] {
        let refused = propose_as(&world, &squatter, "?reason=because", &[part]).await;
        assert_eq!(refused.outcome(), (409, "role_proposed".into()));
    }
    assert_eq!(outcome(&sign(&world, &id, "docs", y).await), (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("docs/new")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_signature_that_came_later_keeps_the_role_until_its_key_is_revoked() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let team = world.token(GrantLevel::Publish, "acme/*", &["docs"]).await;
    let first = propose_with(&world, &team, &[ceremony.docs(2, "one", &[])]).await;
    assert_eq!(sign(&world, &first, "docs", x).await.status, 200);
    let second = [ceremony.docs(2, "two", &[y])];
    let refused = propose_as(&world, &team, "?reason=because", &second).await;
    assert_eq!(refused.outcome(), (409, "role_proposed".into()));
    revoked(&world, &x.key).await;
    propose_with(&world, &team, &second).await;
    assert_eq!(state(&world, &first).await, "displaced");
    world.end().await;
}

#[actix_web::test]
async fn a_holder_of_root_takes_every_role_below_that_nobody_has_signed() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [a, b, _] = &ceremony.holders;
    let [x, _] = &ceremony.writers;
    let publisher = world.token(GrantLevel::Publish, "acme/*", &[]).await;
    let targets = propose_with(&world, &publisher, &[ceremony.targets(3, &[])]).await;
    let docs = propose_with(&world, &publisher, &[ceremony.docs(2, "squat", &[])]).await;
    let new = TestKey::draw();
    let batch = [ceremony.root_for(3, &new, &[a]), ceremony.targets(3, &[])];
    let id = propose_with(&world, &world.admin, &batch).await;
    assert_eq!(state(&world, &targets).await, "displaced");
    assert_eq!(state(&world, &docs).await, "open", "it has nothing to do with it");
    for (role, key) in [("targets", &ceremony.repo.targets_key), ("targets", &new), ("root", b)] {
        assert_eq!(sign(&world, &id, role, key).await.status, 200);
    }
    assert_eq!(state(&world, &id).await, "published");
    // Two at once, each of which is displaced.
    let root = propose(&world, &[ceremony.root_for(4, &new, &[])]).await;
    let both = [ceremony.root_for(4, &new, &[a]), ceremony.docs(2, "new", &[x])];
    let id = propose_with(&world, &world.admin, &both).await;
    for displaced in [root, docs] {
        assert_eq!(show(&world, &displaced).await["displaced_by"], id);
    }
    world.end().await;
}

fn full() -> (u16, String) {
    (409, "too_many_proposals".into())
}

#[actix_web::test]
async fn proposals_that_nobody_has_signed_fill_no_place_that_a_writer_needs() {
    let mut world = World::start_with(|config| config.limits.proposals = 2).await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, _] = &ceremony.writers;
    let publisher = world.token(GrantLevel::Publish, "acme/*", &[]).await;
    let targets = propose_with(&world, &publisher, &[ceremony.targets(3, &[])]).await;
    world.pass(TimeDelta::seconds(1));
    let root = propose(&world, &[ceremony.root(3, &[])]).await;
    let unsigned = [ceremony.docs(2, "new", &[])];
    assert_eq!(propose_as(&world, &publisher, "?reason=r", &unsigned).await.outcome(), full());
    let docs = propose_with(&world, &publisher, &[ceremony.docs(2, "new", &[x])]).await;
    assert_eq!(show(&world, &targets).await["displaced_by"], docs, "the oldest one");
    assert_eq!(state(&world, &root).await, "open");
    world.end().await;
}

#[actix_web::test]
async fn a_proposal_that_a_writer_has_signed_keeps_its_place() {
    let mut world = World::start_with(|config| config.limits.proposals = 1).await;
    let ceremony = Ceremony::start(&mut world).await;
    let ([a, ..], [x, _]) = (&ceremony.holders, &ceremony.writers);
    let docs = propose(&world, &[ceremony.docs(2, "new", &[])]).await;
    assert_eq!(sign(&world, &docs, "docs", x).await.status, 200);
    let root = [ceremony.root(3, &[a])];
    let refused = propose_as(&world, &world.admin, "?reason=r", &root).await;
    assert_eq!(refused.outcome(), full());
    revoked(&world, &x.key).await;
    let root = propose(&world, &root).await;
    assert_eq!(show(&world, &docs).await["displaced_by"], root);
    world.end().await;
}
