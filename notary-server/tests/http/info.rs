//! What is told of one collection, and what of it to those who name roles.

use notary_schema::name::Gun;
use notary_schema::role::{Bins, Delegations, RoleKeys, SuccinctRoles};
use serde_json::{Value, json};

use crate::repo::Repo;
use crate::signer::TestKey;
use crate::world::World;

const TOP_LEVEL: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

/// `acme/app` with the teams `docs`, whose names are divided into the bins `b-0` and `b-1`, and
/// `code`.
async fn divided(world: &mut World) -> Repo {
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let bins = ["b-0", "b-1"].map(|bin| (bin.to_owned(), TestKey::draw()));
    let keys: Vec<_> = bins.iter().map(|(_, key)| key.key.clone()).collect();
    let keyids = keys.iter().map(|key| key.id().clone()).collect();
    let signers = RoleKeys::new(keyids, 1).unwrap();
    let keys = keys.into_iter().map(|key| (key.id().clone(), key)).collect();
    let succinct = SuccinctRoles { bins: Bins::new("b", 1).unwrap(), signers };
    repo.teams.extend(bins);
    let docs = repo.edited("docs", 2, |docs| {
        docs.delegations = Some(Delegations::to_bins(keys, succinct));
    });
    let parts = [docs, repo.team("b-0", 1, &[]), repo.team("b-1", 1, &[])];
    let answer = world.publish(&repo, &parts).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    repo
}

async fn told(world: &World, gun: &Gun, query: &str) -> Value {
    let answer = world.get(&format!("/v2/{gun}/_trust/{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// The roles below the top-level ones, which are always told.
fn delegated(info: &Value) -> Vec<String> {
    let roles = info["roles"].as_array().unwrap().iter();
    let names: Vec<_> = roles.map(|role| role["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names[..4], TOP_LEVEL, "{info}");
    names[4..].to_vec()
}

#[actix_web::test]
async fn bins_are_told_as_a_whole_and_one_by_one_to_those_who_name_them() {
    let mut world = World::start().await;
    let repo = divided(&mut world).await;
    let info = told(&world, &repo.gun, "").await;
    assert_eq!(delegated(&info), ["docs", "code"]);
    let bins = info["bins"].as_array().unwrap();
    assert_eq!(bins.len(), 1);
    assert_eq!((&bins[0]["name_prefix"], &bins[0]["count"]), (&json!("b"), &json!(2)));
    for (query, expected) in [
        ("?role=b-1", &["docs", "b-1"][..]),
        ("?role=b-1&role=b-0", &["docs", "b-0", "b-1"]),
        ("?role=b-1&role=b-1", &["docs", "b-1"]),
        ("?role=docs", &["docs"]),
        ("?role=code", &["code"]),
        ("?role=code&role=b-0", &["docs", "b-0", "code"]),
        ("?role=targets", &[]),
        ("?role=b-2&role=nobody", &[]),
    ] {
        let info = told(&world, &repo.gun, query).await;
        assert_eq!(delegated(&info), expected, "{query}");
        let has_bins = expected.contains(&"docs");
        assert_eq!(info.get("bins").is_some(), has_bins, "{query}: those of whoever is told");
    }
    world.end().await;
}

#[actix_web::test]
async fn a_bin_is_told_with_its_file_its_keys_and_its_delegator() {
    let mut world = World::start().await;
    let repo = divided(&mut world).await;
    let info = told(&world, &repo.gun, "?role=b-1").await;
    let roles = info["roles"].as_array().unwrap();
    let bin = roles.iter().find(|role| role["name"] == "b-1").unwrap();
    let file = repo.team("b-1", 1, &[]).1;
    assert_eq!(bin["delegated_by"], "docs");
    assert_eq!(bin["file"]["version"], 1);
    assert_eq!(bin["file"]["sha256"], notary_schema::key::sha256_hex(&file));
    for keyid in bin["keyids"].as_array().unwrap() {
        assert!(info["keys"][keyid.as_str().unwrap()].is_object(), "{keyid}");
    }
    let code = repo.key_of("code").key.id().as_str();
    assert!(info["keys"].get(code).is_none(), "the key of a role that is not told");
    world.end().await;
}

#[actix_web::test]
async fn bins_of_before_are_told_to_those_who_name_them() {
    let mut world = World::start().await;
    let repo = divided(&mut world).await;
    let undivided = [repo.edited("docs", 3, |_| ())];
    let orphans = "?orphan=b-0&orphan=b-1";
    let answer = world.send(&repo.gun, orphans, &world.admin, &undivided).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for (query, expected) in [
        ("", &["docs", "code"][..]),
        ("?role=b-1", &["b-1"]),
        ("?role=b-1&role=docs", &["docs", "b-1"]),
    ] {
        let info = told(&world, &repo.gun, query).await;
        assert_eq!(delegated(&info), expected, "{query}");
    }
    world.end().await;
}

#[actix_web::test]
async fn a_name_that_no_role_has_is_refused_where_roles_are_named() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    for query in ["?role=", "?role=%00", "?role=docs&roles=docs"] {
        let answer = world.get(&format!("/v2/{}/_trust/{query}", repo.gun)).await;
        assert_eq!(answer.outcome(), (400, "malformed_request".into()), "{query}");
    }
    assert_eq!(delegated(&told(&world, &repo.gun, "?role=docs").await), ["docs"]);
    world.end().await;
}
