//! Who may ask for what: each right beside the calls that it does not open.

use notary_schema::name::{Glob, KeyId};
use notary_schema::online::OnlineRole::Snapshot;
use notary_schema::wire::{KeyRequest, KeyState, SignerKey};
use notary_signer::config::clients::{ClientRule, Right};

use crate::client::{Answer, Client, app, life};
use crate::world::World;

/// A signer that knows these clients: name in the certificate, rights, collections.
async fn knowing(clients: &[(&str, &[Right], &str)]) -> World {
    let mut world = World::new();
    let rule = |(name, rights, collections): &(&str, &[Right], &str)| ClientRule {
        name: (*name).to_owned(),
        rights: rights.to_vec(),
        collections: Glob::parse(collections).unwrap(),
    };
    world.config.clients = clients.iter().map(rule).collect();
    world.start().await.unwrap();
    world
}

async fn create(client: &Client) -> Answer {
    let request = KeyRequest {
        collection: app(),
        incarnation: life(1),
        role: Snapshot,
        rotate: false,
        except: vec![],
    };
    client.key_for(&request).await
}

async fn retire(client: &Client, keyid: &KeyId) -> Answer {
    client.post(&format!("/v1/keys/{keyid}/retire"), vec![]).await.unwrap()
}

async fn read(client: &Client) -> [Answer; 2] {
    let of = format!("collection={}&incarnation={}", app(), life(1));
    let get = async |path: &str| client.get(&format!("{path}?{of}")).await.unwrap();
    [get("/v1/keys").await, get("/v1/memory").await]
}

fn assert_forbidden(answer: &Answer) {
    assert_eq!((answer.status, answer.refusal().as_str()), (403, "forbidden"));
}

#[tokio::test]
async fn each_right_opens_its_own_call_and_reading() {
    for right in [Right::Create, Right::Sign, Right::Retire] {
        let world = knowing(&[
            ("DNS:server", &[Right::Create, Right::Sign, Right::Retire], "**"),
            ("DNS:other", &[right], "acme/*"),
        ])
        .await;
        let (all, one) = (world.server(), world.client("other"));
        let key = create(all).await.json::<SignerKey>().keyid;
        let answers = [
            (Right::Create, create(&one).await),
            (Right::Sign, one.sign(&[&key], &world.snapshot(1, 1)).await),
            (Right::Retire, retire(&one, &key).await),
        ];
        for (needed, answer) in answers {
            match needed == right {
                true => assert_eq!(answer.status, 200, "{right:?}"),
                false => assert_forbidden(&answer),
            }
        }
        for answer in read(&one).await {
            assert_eq!(answer.status, 200, "{right:?}");
        }
        let refused = world.audit().into_iter().filter(|line| line.outcome == "forbidden");
        let who: Vec<String> = refused.map(|line| line.who).collect();
        assert_eq!(who, ["CN=other, DNS:other", "CN=other, DNS:other"]);
    }
}

#[tokio::test]
async fn a_right_holds_in_its_collections_alone() {
    let all = &[Right::Create, Right::Sign, Right::Retire];
    let world = knowing(&[("DNS:server", all, "**"), ("DNS:other", all, "acme/other*")]).await;
    let key = create(world.server()).await.json::<SignerKey>().keyid;
    let other = world.client("other");
    assert_forbidden(&create(&other).await);
    assert_forbidden(&other.sign(&[&key], &world.snapshot(1, 1)).await);
    assert_forbidden(&retire(&other, &key).await);
    for answer in read(&other).await {
        assert_forbidden(&answer);
    }
    // What belongs to no collection is for every client that is known.
    for path in ["/v1/policy", "/healthz", "/readyz"] {
        assert_eq!(other.get(path).await.unwrap().status, 200, "{path}");
    }
    world.server().sign(&[&key], &world.snapshot(1, 1)).await.file();
}

#[tokio::test]
async fn a_client_that_no_rule_names_is_refused_whatever_it_asks() {
    let world = knowing(&[("DNS:server", &[Right::Sign], "**")]).await;
    let other = world.client("other");
    for path in ["/healthz", "/readyz", "/v1/policy", "/v1/keys", "/nothing"] {
        assert_forbidden(&other.get(path).await.unwrap());
    }
    // Its body is not read.
    assert_forbidden(&other.post("/v1/sign", b"{".to_vec()).await.unwrap());
    assert_eq!(world.server().get("/v1/policy").await.unwrap().status, 200);
}

/// The subject is not a name: anybody who may have certificates issued chooses it.
#[tokio::test]
async fn only_alternative_names_count() {
    for name in ["CN=other", "other", "DNS:Other", "URI:other", "email:other", "DNS:*"] {
        let world = knowing(&[(name, &[Right::Sign], "**")]).await;
        assert_forbidden(&world.client("other").get("/v1/policy").await.unwrap());
    }
}

#[tokio::test]
async fn without_rules_every_client_creates_and_signs_and_nobody_retires() {
    let world = World::started().await;
    let other = world.client("other");
    let key = create(&other).await.json::<SignerKey>().keyid;
    other.sign(&[&key], &world.snapshot(1, 1)).await.file();
    assert_forbidden(&retire(&other, &key).await);
    other.sign(&[&key], &world.snapshot(2, 1)).await.file();
}

#[tokio::test]
async fn a_retired_key_signs_nothing_and_retiring_again_changes_nothing() {
    let all = &[Right::Create, Right::Sign, Right::Retire];
    let world = knowing(&[("DNS:server", all, "**")]).await;
    let server = world.server();
    let key = create(server).await.json::<SignerKey>().keyid;
    server.sign(&[&key], &world.snapshot(1, 1)).await.file();
    for _ in 0..2 {
        assert_eq!(retire(server, &key).await.json::<SignerKey>().state, KeyState::Retired);
    }
    let refused = server.sign(&[&key], &world.snapshot(2, 1)).await;
    assert_eq!(refused.refusal(), "retired_key");
    let unknown = KeyId::parse(&"0".repeat(64)).unwrap();
    assert_eq!(retire(server, &unknown).await.refusal(), "not_found");
    assert_eq!(server.post("/v1/keys/abc/retire", vec![]).await.unwrap().refusal(), "not_found");
    let outcomes = world.audit().into_iter().map(|line| line.outcome).collect::<Vec<_>>();
    assert!(
        outcomes.ends_with(&[
            "changed".into(),
            "repeated".into(),
            "retired_key".into(),
            "not_found".into(),
            "not_found".into()
        ]),
        "{outcomes:?}"
    );
}
