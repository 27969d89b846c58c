//! Who may, and what is no proposal and no signature.

use super::*;

#[actix_web::test]
async fn each_grant_allows_its_part() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, _] = &ceremony.writers;
    let (a, docs, root) =
        (&ceremony.holders[0], ceremony.docs(2, "new", &[x]), ceremony.root(3, &[]));
    for (level, roles, may_docs, may_root, may_sign) in [
        (GrantLevel::Read, &[][..], 403, 403, 403),
        (GrantLevel::Sign, &[], 403, 403, 200),
        (GrantLevel::Publish, &[], 201, 403, 200),
        (GrantLevel::Publish, &["app"], 403, 403, 200),
        (GrantLevel::Root, &[], 403, 201, 200),
        (GrantLevel::Admin, &[], 201, 201, 200),
    ] {
        let token = world.token(level, "acme/*", roles).await;
        for (part, expected) in [(&docs, may_docs), (&root, may_root)] {
            let parts = std::slice::from_ref(part);
            let answer = propose_as(&world, &token, "?reason=because", parts).await;
            assert_eq!(answer.status, expected, "{level:?} {roles:?} proposes {}", part.0);
            if answer.status == 201 {
                let path = format!("{PROPOSALS}/{}", answer.json()["id"].as_str().unwrap());
                assert_eq!(world.delete(&path, &token).await.status, 204, "{level:?}: its own");
            }
        }
        let id = propose(&world, std::slice::from_ref(&root)).await;
        let signature = a.sign(&message(&world, &id, "root").await);
        let signed = send_signature(&world, &token, &id, "root", signature).await;
        assert_eq!(signed.status, may_sign, "{level:?} signs");
        let path = format!("{PROPOSALS}/{id}");
        let expected = if level == GrantLevel::Admin { 204 } else { 403 };
        assert_eq!(world.delete(&path, &token).await.status, expected, "{level:?}: another's");
        assert_eq!(world.delete(&path, &world.admin).await.status, 204);
    }
    for (method, path) in [
        (Method::POST, PROPOSALS.to_owned()),
        (Method::POST, format!("{PROPOSALS}/0/signatures")),
        (Method::DELETE, format!("{PROPOSALS}/0")),
    ] {
        assert_eq!(world.request(method, &path, |request| request).await.status, 401, "{path}");
    }
    world.end().await;
}

#[actix_web::test]
async fn proposals_of_a_private_collection_are_for_its_readers() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let id = propose(&world, &[ceremony.root(3, &[])]).await;
    let policy = json!({"public": false});
    world.send_json(Method::PATCH, "/v2/acme/app/_trust/policy", &world.admin, &policy).await;
    let reader = world.token(GrantLevel::Read, "acme/app", &[]).await;
    let stranger = world.token(GrantLevel::Admin, "other/**", &[]).await;
    let one = format!("{PROPOSALS}/{id}");
    for path in [PROPOSALS, &one] {
        assert_eq!(world.get(path).await.outcome(), (404, "unknown_collection".into()));
        assert_eq!(
            world.get_as(path, &stranger).await.outcome(),
            (404, "unknown_collection".into())
        );
        let read = world.get_as(path, &reader).await;
        assert_eq!(
            (read.status, read.header("cache-control")),
            (StatusCode::OK, "private, no-store")
        );
    }
    let deleted = world.delete(&one, &stranger).await;
    assert_eq!(deleted.outcome(), (404, "unknown_collection".into()));
    world.agent_token = Some(reader);
    world.end().await;
}

#[actix_web::test]
async fn a_proposal_is_taken_back_once_and_never_after_its_publish() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let [x, y] = &ceremony.writers;
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    let message = message(&world, &id, "docs").await;
    let path = format!("{PROPOSALS}/{id}");
    assert_eq!(world.delete(&path, &world.admin).await.status, 204);
    assert_eq!(world.delete(&path, &world.admin).await.status, 204);
    let late = send_signature(&world, &world.admin, &id, "docs", y.sign(&message)).await;
    assert_eq!(late.json()["state"], "cancelled");
    let id = propose(&world, &[ceremony.docs(2, "new", &[x])]).await;
    sign(&world, &id, "docs", y).await;
    let refused = world.delete(&format!("{PROPOSALS}/{id}"), &world.admin).await;
    assert_eq!(refused.outcome(), (409, "proposal_closed".into()));
    world.end().await;
}

#[actix_web::test]
async fn a_tombstone_has_no_proposals_until_it_is_undeleted() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let id = propose(&world, &[ceremony.root(3, &[])]).await;
    let message = message(&world, &id, "root").await;
    world.delete("/v2/acme/app/_trust/tuf/?confirm=acme/app", &world.admin).await;
    assert_eq!(world.get(PROPOSALS).await.outcome(), (404, "collection_deleted".into()));
    let signature = ceremony.holders[0].sign(&message);
    let signed = send_signature(&world, &world.admin, &id, "root", signature).await;
    assert_eq!(signed.outcome(), (409, "collection_deleted".into()));
    world.post("/v2/acme/app/_trust/undelete", &world.admin).await;
    assert_eq!(state(&world, &id).await, "open");
    world.end().await;
}

#[actix_web::test]
async fn what_is_no_signature_is_refused_by_name() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    let id = propose(&world, &[ceremony.root(3, &[])]).await;
    let (keyid, sig) = ceremony.holders[0].sign(&message(&world, &id, "root").await);
    let good = json!({"keyid": keyid, "sig": hex::encode(&sig)});
    let not_hex = json!({"keyid": keyid, "sig": "zz"});
    let other = json!({"keyid": ceremony.holders[1].key.id(), "sig": hex::encode(&sig)});
    let path = format!("{PROPOSALS}/{id}/signatures");
    for (name, body, expected) in [
        ("no object", json!([]), (400, "malformed_request")),
        ("no signatures", json!({"role": "root", "signatures": []}), (400, "malformed_request")),
        (
            "a list for a signature",
            json!({"role": "root", "signatures": [[good["keyid"], good["sig"]]]}),
            (400, "malformed_request"),
        ),
        ("no role", json!({"signatures": [good]}), (400, "malformed_request")),
        (
            "more than there is",
            json!({"role": "root", "signatures": [good], "x": 1}),
            (400, "malformed_request"),
        ),
        (
            "not hexadecimal",
            json!({"role": "root", "signatures": [not_hex]}),
            (422, "bad_signature"),
        ),
        (
            "another's key id",
            json!({"role": "root", "signatures": [other]}),
            (422, "bad_signature"),
        ),
        (
            "one good and one bad",
            json!({"role": "root", "signatures": [good, other]}),
            (422, "bad_signature"),
        ),
        ("twice", json!({"role": "root", "signatures": [good, good]}), (409, "signed_already")),
        (
            "a role that is not in it",
            json!({"role": "docs", "signatures": [good]}),
            (422, "not_proposed"),
        ),
        (
            "a role that is none",
            json!({"role": "", "signatures": [good]}),
            (400, "malformed_request"),
        ),
        ("too long", json!({"role": "root", "signatures": vec![&good; 1000]}), (413, "too_large")),
    ] {
        let answer = world.send_json(Method::POST, &path, &world.admin, &body).await;
        assert_eq!(answer.outcome(), (expected.0, expected.1.into()), "{name}");
    }
    let shown = show(&world, &id).await;
    assert_eq!(shown["files"][0]["signatures"], json!([]), "none of them is kept");
    let body = json!({"role": "root", "signatures": [good]});
    assert_eq!(world.send_json(Method::POST, &path, &world.admin, &body).await.status, 200);
    for id in ["0", "%00", "%2e%2e%2f", &"x".repeat(2000), "0/x"] {
        let path = format!("{PROPOSALS}/{id}");
        assert_eq!(world.get_as(&path, &world.admin).await.status, 404, "{path}");
    }
    world.end().await;
}

#[actix_web::test]
async fn what_is_no_request_for_a_proposal_is_refused() {
    let mut world = World::start_with(|config| config.limits.proposal_bytes = 4096).await;
    let ceremony = Ceremony::start(&mut world).await;
    let docs = [ceremony.docs(2, "new", &[])];
    let long = "x".repeat(501);
    for (query, expected) in [
        ("", 400),
        ("?reason=", 400),
        ("?reason=%20%20", 400),
        ("?reason=a%0Ab", 400),
        ("?reason=a%E2%80%AEb", 400),
        (&format!("?reason={long}"), 400),
        ("?reason=because&replace=00", 400),
        ("?reason=because&pending=", 400),
        ("?reason=because&pending=app", 422),
        (&format!("?reason={}", &long[1..]), 201),
    ] {
        let answer = propose_as(&world, &world.admin, query, &docs).await;
        assert_eq!(answer.status, expected, "{query}: {answer:?}");
    }
    let names: Vec<String> = (0..40).map(|i| format!("docs/{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let large = signed(&ceremony.repo.unsigned_targets(3, &names), &[]);
    let answer = propose_as(&world, &world.admin, "?reason=r", &[("docs".into(), large)]).await;
    assert_eq!(answer.outcome(), (413, "too_large".into()));
    let unknown = "/v2/acme/none/_trust/proposals?reason=r";
    let form = || Form::new().part("files", FormPart::bytes(docs[0].1.clone()).file_name("docs"));
    let answer = world
        .request(Method::POST, unknown, |r| r.bearer_auth(&world.admin).multipart(form()))
        .await;
    assert_eq!(answer.outcome(), (404, "unknown_collection".into()));
    world.end().await;
}

#[actix_web::test]
async fn there_are_not_more_open_ones_than_the_limit_and_as_many_that_ended() {
    let teams = ["a", "b", "c"];
    let mut world = World::start_with(|config| config.limits.proposals = 2).await;
    let repo = world.collection("acme/app", &teams).await;
    let unsigned = |team: &str| {
        let targets = repo.unsigned_targets(2, &[&format!("{team}/new")]);
        (team.to_owned(), signed(&targets, &[]))
    };
    let mut ended = Vec::new();
    for _ in 0..3 {
        let id = propose(&world, &[unsigned("a")]).await;
        world.delete(&format!("{PROPOSALS}/{id}"), &world.admin).await;
        world.pass(TimeDelta::seconds(1));
        ended.push(id);
    }
    let a = propose(&world, &[unsigned("a")]).await;
    let b = propose(&world, &[unsigned("b")]).await;
    let refused = propose_as(&world, &world.admin, "?reason=r", &[unsigned("c")]).await;
    assert_eq!(refused.outcome(), (409, "too_many_proposals".into()));
    let mut listed = ids(&world, PROPOSALS).await;
    listed.sort();
    let mut expected = vec![ended[1].clone(), ended[2].clone(), a.clone(), b.clone()];
    expected.sort();
    assert_eq!(listed, expected);
    let first = ids(&world, &format!("{PROPOSALS}?limit=1")).await;
    assert_eq!(first, [ended[1].clone()]);
    let rest = ids(&world, &format!("{PROPOSALS}?after={}", first[0])).await;
    assert_eq!(rest.len(), 3);
    world.delete(&format!("{PROPOSALS}/{a}"), &world.admin).await;
    propose(&world, &[unsigned("c")]).await;
    world.end().await;
}

async fn ids(world: &World, path: &str) -> Vec<String> {
    let list = world.get(path).await.json();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_proposal_of_another_collection_is_none() {
    let mut world = World::start().await;
    let ceremony = Ceremony::start(&mut world).await;
    world.collection("acme/lib", &[]).await;
    let id = propose(&world, &[ceremony.root(3, &[])]).await;
    let lib = Gun::parse("acme/lib").unwrap();
    let path = format!("/v2/{lib}/_trust/proposals/{id}");
    assert_eq!(world.get(&path).await.outcome(), (404, "unknown_proposal".into()));
    let cancelled = world.delete(&path, &world.admin).await;
    assert_eq!(cancelled.outcome(), (404, "unknown_proposal".into()));
    assert_eq!(state(&world, &id).await, "open");
    world.end().await;
}
