//! What lacks signatures, and what was signed before.

use super::*;

/// The answer to a proposal.
fn proposed(id: &str) -> Canned {
    let time = "2027-01-15T00:00:00Z";
    let answer = serde_json::json!({
        "id": id, "state": "open", "reason": "because", "created_at": time, "created_by": "a",
        "lapses_at": time, "roles": [], "files": [], "demands": [],
    });
    Canned { head: "201 Created".into(), ..Canned::ok(answer.to_string()) }
}

fn id_of(delivered: Option<Delivered>) -> String {
    match delivered {
        Some(Delivered::Proposed(proposal)) => proposal.summary.id,
        other => panic!("it was not proposed: {other:?}"),
    }
}

#[tokio::test]
async fn what_others_must_sign_too_is_proposed_and_staged_no_more() {
    let world = World::of(Collection::where_two_sign_docs(), "docs").await;
    world.stage("docs/b", "new");
    world.answers_to_proposals(vec![proposed("1")]);
    assert_eq!(id_of(world.publish().await.unwrap()), "1");
    let [file] = &world.sent()[..] else { panic!("one request was needed") };
    assert_eq!((file.version().get(), file.signatures().len()), (2, 1));
    assert!(world.staged().is_empty() && world.in_flight().is_none());
    let asked = world.server.asked();
    let proposal = asked.iter().find(|path| path.contains("proposals")).unwrap();
    assert!(proposal.ends_with("?reason=changes+of+docs"), "{proposal}");
}

#[tokio::test]
async fn with_all_keys_here_nothing_is_proposed() {
    let world = World::of(Collection::where_two_sign_docs(), "docs").await;
    let keys = world.session.settings.trust_dir.clone().unwrap().join("keys");
    world.collection.store_key("team", &keys);
    world.stage("docs/b", "new");
    world.answers(vec![published(2)]);
    let propose = ProposeArgs { propose: true, ..ProposeArgs::default() };
    let sign = SignArgs { propose, ..SignArgs::default() };
    let delivered = world.publish_with(sign).await.unwrap();
    assert!(matches!(delivered, Some(Delivered::Published(_))), "{delivered:?}");
    assert_eq!(world.sent()[0].signatures().len(), 2);
}

#[tokio::test]
async fn a_proposal_whose_outcome_is_unknown_is_made_again_with_the_very_same_bytes() {
    let world = World::of(Collection::where_two_sign_docs(), "docs").await.impatient();
    world.stage("docs/b", "new");
    world.answers_to_proposals(vec![Canned::status("504 Gateway Timeout")]);
    assert_eq!(world.publish().await.unwrap_err().code(), 4);
    assert!(world.in_flight().is_some() && world.staged().len() == 1);
    let first = world.sent()[0].bytes().clone();
    world.answers_to_proposals(vec![proposed("1")]);
    assert_eq!(id_of(world.publish().await.unwrap()), "1");
    assert!(world.sent().iter().all(|file| *file.bytes() == first));
    assert!(world.staged().is_empty() && world.in_flight().is_none());
}

#[tokio::test]
async fn a_role_that_waits_already_is_named_with_its_proposal() {
    let world = World::of(Collection::where_two_sign_docs(), "docs").await;
    world.stage("docs/b", "new");
    world.answers_to_proposals(vec![Canned::problem(409, "role_proposed")]);
    let failure = world.publish().await.unwrap_err();
    assert_eq!(failure.code(), 3, "{failure}");
    assert!(failure.to_string().contains("notary proposal cancel acme/app"), "{failure}");
    assert!(world.in_flight().is_none() && world.staged().len() == 1, "it stays staged");
}

#[tokio::test]
async fn without_a_key_it_is_proposed_only_when_that_is_said() {
    let world = World::new().await;
    world.stage_in("targets", "app", "x");
    let failure = world.publish().await.unwrap_err();
    assert!(failure.code() == 2 && failure.to_string().contains("--propose"), "{failure}");
    assert_eq!((world.sent().len(), world.staged().len()), (0, 1));
    world.answers_to_proposals(vec![proposed("1")]);
    let reason = Some("for the release".to_owned());
    let propose = ProposeArgs { reason, propose: true, ..ProposeArgs::default() };
    let sign = SignArgs { propose, ..SignArgs::default() };
    assert_eq!(id_of(world.publish_with(sign).await.unwrap()), "1");
    assert_eq!(world.sent()[0].signatures().len(), 0);
    assert!(world.server.asked().iter().any(|path| path.ends_with("?reason=for+the+release")));
}

#[tokio::test]
async fn a_second_content_of_one_version_leaves_only_when_that_is_said() {
    let world = World::of(Collection::where_two_sign_docs(), "docs").await;
    world.server.answer(&format!("{PREFIX}proposals"), proposed("1"));
    world.stage("docs/b", "new");
    assert_eq!(id_of(world.publish().await.unwrap()), "1");
    // The list of proposals, in which none is open.
    let list = Canned::ok(r#"{"items":[]}"#);
    world.answers_to_proposals(vec![list.clone(), list, proposed("2")]);
    world.stage("docs/c", "other");
    let failure = world.publish().await.unwrap_err();
    assert_eq!((failure.code(), world.sent().len()), (1, 1), "{failure}");
    assert!(failure.to_string().contains("another content of docs 2"), "{failure}");
    let propose = ProposeArgs { second_content: true, ..ProposeArgs::default() };
    let sign = SignArgs { propose, ..SignArgs::default() };
    assert_eq!(id_of(world.publish_with(sign).await.unwrap()), "2");
    assert_eq!(world.sent().len(), 2);
}

#[tokio::test]
async fn what_the_server_has_refused_is_no_first_content() {
    let world = World::new().await;
    world.stage("docs/b", "new");
    world.answers(vec![Canned::problem(422, "outside_paths"), published(2)]);
    world.publish().await.unwrap_err();
    world.stage("docs/c", "other");
    world.publish().await.unwrap();
    assert_eq!(world.sent().len(), 2);
}

#[tokio::test]
async fn a_server_that_lags_behind_what_was_published_here_gets_no_second_content() {
    let mut world = World::new().await.impatient();
    world.stage("docs/b", "new");
    world.answers(vec![published(2)]);
    world.publish().await.unwrap();
    world.stage("docs/c", "more");
    let failure = world.publish().await.unwrap_err();
    assert_eq!((failure.code(), world.sent().len()), (3, 1), "{failure}");
    assert!(failure.to_string().contains("still shows the one before"), "{failure}");
    world.collection.release(2, 365);
    world.serve();
    world.answers(vec![published(3)]);
    world.publish().await.unwrap();
    assert_eq!(world.sent()[1].version().get(), 3);
}
