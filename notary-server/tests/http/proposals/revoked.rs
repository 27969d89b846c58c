//! What becomes of proposals when a key is revoked.

use super::*;
use crate::revocations::{revoked, take_back};
use crate::store::Held;

/// The keys of the first demand of a role: those that have signed, are missing, are revoked.
async fn asked(world: &World, id: &str, role: &str) -> [Vec<String>; 3] {
    let proposal = show(world, id).await;
    let demands = proposal["demands"].as_array().unwrap();
    let demand = demands.iter().find(|demand| demand["role"] == role).unwrap();
    ["signed", "missing", "revoked"].map(|member| {
        let ids = demand[member].as_array().map_or(&[][..], |ids| ids);
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    })
}

fn ids(keys: &[&TestKey]) -> Vec<String> {
    keys.iter().map(|key| key.key.id().to_string()).collect()
}

#[actix_web::test]
async fn a_signature_counts_no_more_from_the_revocation_of_its_key_on() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [a, b, c] = &ceremony.holders;
    let id = propose(&world, &[ceremony.root(3, &[a])]).await;
    assert_eq!(asked(&world, &id, "root").await, [ids(&[a]), ids(&[b, c]), vec![]]);
    revoked(&world, &a.key).await;
    assert_eq!(asked(&world, &id, "root").await, [vec![], ids(&[b, c]), ids(&[a])]);
    let taken = outcome(&sign(&world, &id, "root", b).await);
    assert_eq!(taken, (200, "open".into(), false), "two must sign whose keys count");
    let published = outcome(&sign(&world, &id, "root", c).await);
    assert_eq!(published, (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_revoked_key_is_refused_by_name_and_taken_when_it_is_good_again() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    revoked(&world, &y.key).await;
    let refused = ceremony.docs(2, "new", &[y]);
    let answer = propose_as(&world, &world.admin, "?reason=because", &[refused]).await;
    assert_eq!(answer.outcome(), (422, "key_revoked".into()));
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    let answer = sign(&world, &id, "docs", y).await;
    assert_eq!(answer.outcome(), (422, "key_revoked".into()));
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains(y.key.id().as_str()), "{detail}");
    assert_eq!(take_back(&world, &y.key).await.0, 204);
    let published = outcome(&sign(&world, &id, "docs", y).await);
    assert_eq!(published, (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("docs/new")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_signature_of_before_counts_again_when_the_revocation_is_taken_back() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    revoked(&world, &x.key).await;
    let taken = outcome(&sign(&world, &id, "docs", y).await);
    assert_eq!(taken, (200, "open".into(), false));
    take_back(&world, &x.key).await;
    assert_eq!(asked(&world, &id, "docs").await, [ids(&[x, y]), vec![], vec![]]);
    // It has enough by itself: a repeat of either signature publishes it.
    let published = outcome(&sign(&world, &id, "docs", y).await);
    assert_eq!(published, (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("docs/new")).await;
    world.end().await;
}

#[actix_web::test]
async fn holders_leave_out_a_revoked_one_with_its_signature_for_the_root_before() {
    let mut world = World::start().await;
    let mut ceremony = Ceremony::start(&mut world).await;
    revoked(&world, &ceremony.holders[2].key).await;
    // Two of three must sign, and two are left: the revoked one does not help to leave it out.
    let c = std::mem::replace(&mut ceremony.holders[2], TestKey::draw());
    let id = propose(&world, &[ceremony.root(3, &[])]).await;
    let [a, b, d] = &ceremony.holders;
    let refused = outcome(&sign(&world, &id, "root", &c).await);
    assert_eq!(refused, (422, "key_revoked".into(), false));
    // Of these another one goes: it does.
    revoked(&world, &b.key).await;
    assert_eq!(outcome(&sign(&world, &id, "root", &c).await), (200, "open".into(), false));
    assert_eq!(outcome(&sign(&world, &id, "root", a).await), (200, "open".into(), false));
    let published = outcome(&sign(&world, &id, "root", d).await);
    assert_eq!(published, (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn one_that_publishes_itself_while_a_key_is_revoked_is_judged_again() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    let gate = world.store.hold(Held::Prepare);
    let meanwhile = async {
        gate.came.await.unwrap();
        revoked(&world, &x.key).await;
        gate.go_on.send(()).unwrap();
    };
    let (answer, ()) = join(sign(&world, &id, "docs", y), meanwhile).await;
    assert_eq!(outcome(&answer), (422, "threshold_not_met".into(), false));
    assert_eq!(state(&world, &id).await, "open", "the signature is kept");
    assert_eq!(asked(&world, &id, "docs").await, [ids(&[y]), vec![], ids(&[x])]);
    take_back(&world, &x.key).await;
    let published = outcome(&sign(&world, &id, "docs", y).await);
    assert_eq!(published, (200, "published".into(), true));
    world.read(&ceremony.repo.gun, Some("docs/new")).await;
    world.end().await;
}
