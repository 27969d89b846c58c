//! Proposals: metadata that gathers signatures.
//!
//! | file | question |
//! |---|---|
//! | `ceremonies` | who signs when, in which order, with which outcome? |
//! | `claims` | whose proposal keeps a role from others? |
//! | `ends` | what else becomes of a proposal: overtaken, lapsed, cancelled, interrupted? |
//! | `refusals` | who may, and what is no proposal and no signature? |
//! | `revoked` | what becomes of them when a key is revoked? |

mod ceremonies;
mod claims;
mod ends;
mod refusals;
mod revoked;

use chrono::TimeDelta;
use futures_util::future::join;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, RoleName};
use notary_schema::online::OnlineRole;
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{
    DelegatedRole, Delegations, Expires, Role, RoleKeys, Root, Targets, TopLevelRoles,
};
use notary_schema::wire::GrantLevel;
use notary_server::StopPoint;
use reqwest::multipart::{Form, Part as FormPart};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::repo::{Part, Repo};
use crate::signer::TestKey;
use crate::world::{Answer, World};

const PROPOSALS: &str = "/v2/acme/app/_trust/proposals";

/// A collection whose root two of three holders sign, and whose role `docs` two writers.
struct Ceremony {
    repo: Repo,
    holders: [TestKey; 3],
    writers: [TestKey; 2],
    /// The next version of root.
    root: u64,
}

impl Ceremony {
    async fn start(world: &mut World) -> Ceremony {
        let repo = world.collection("acme/app", &[]).await;
        let draw = TestKey::draw;
        let (holders, writers) = ([draw(), draw(), draw()], [draw(), draw()]);
        let ceremony = Ceremony { repo, holders, writers, root: 3 };
        let [a, b, _] = &ceremony.holders;
        let parts = [
            ceremony.root(2, &[&ceremony.repo.root_key, a, b]),
            ceremony.targets(2, &[&ceremony.repo.targets_key]),
            ceremony.docs(1, "first", &[&ceremony.writers[0], &ceremony.writers[1]]),
        ];
        let answer = world.publish(&ceremony.repo, &parts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        ceremony
    }

    /// A root of two of the three holders.
    fn root(&self, version: u64, signers: &[&TestKey]) -> Part {
        self.root_for(version, &self.repo.targets_key, signers)
    }

    fn root_for(&self, version: u64, targets: &TestKey, signers: &[&TestKey]) -> Part {
        let repo = &self.repo;
        let ids = |keys: &[&notary_schema::key::Key]| {
            keys.iter().map(|key| key.id().clone()).collect::<Vec<_>>()
        };
        let holders: Vec<_> = self.holders.iter().map(|holder| &holder.key).collect();
        let roles = TopLevelRoles {
            root: RoleKeys::new(ids(&holders), 2).unwrap(),
            targets: RoleKeys::new(ids(&[&targets.key]), 1).unwrap(),
            snapshot: RoleKeys::new(ids(&[&repo.snapshot_keys[0]]), 1).unwrap(),
            timestamp: RoleKeys::new(ids(&[&repo.timestamp_keys[0]]), 1).unwrap(),
        };
        let others = [&targets.key, &repo.snapshot_keys[0], &repo.timestamp_keys[0]];
        let keys = holders.into_iter().chain(others);
        let keys = keys.map(|key| (key.id().clone(), key.clone())).collect();
        let root = Root::new(Repo::version(version), self.expires(300), keys, roles);
        ("root".into(), signed(&root, signers))
    }

    fn targets(&self, version: u64, signers: &[&TestKey]) -> Part {
        let mut targets = self.repo.unsigned_targets(version, &["a.txt"]);
        let keys = self.writers.iter().map(|w| (w.key.id().clone(), w.key.clone())).collect();
        let ids = self.writers.iter().map(|writer| writer.key.id().clone()).collect();
        let docs = DelegatedRole {
            name: RoleName::parse("docs").unwrap(),
            signers: RoleKeys::new(ids, 2).unwrap().into(),
            terminating: false,
            paths: PathSet::Paths(vec![PathPattern::new("docs/*")]),
        };
        targets.delegations = Some(Delegations::new(keys, vec![docs]).unwrap());
        ("targets".into(), signed(&targets, signers))
    }

    fn docs(&self, version: u64, name: &str, signers: &[&TestKey]) -> Part {
        let targets = self.repo.unsigned_targets(version, &[&format!("docs/{name}")]);
        ("docs".into(), signed(&targets, signers))
    }

    fn docs_until(&self, version: u64, days: i64) -> Part {
        let targets = Targets::empty(Repo::version(version), self.expires(days));
        ("docs".into(), signed(&targets, &[]))
    }

    fn expires(&self, days: i64) -> Expires {
        Expires::at(self.repo.now + TimeDelta::days(days))
    }
}

fn signed<T: Role + Serialize>(role: &T, keys: &[&TestKey]) -> Vec<u8> {
    let unsigned = Unsigned::of(role);
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(unsigned.message())).collect();
    unsigned.with_signatures(&signatures)
}

// ---- requests

async fn propose_as(world: &World, token: &str, query: &str, parts: &[Part]) -> Answer {
    let part = |form: Form, (name, bytes): &Part| {
        form.part("files", FormPart::bytes(bytes.clone()).file_name(name.clone()))
    };
    let form = parts.iter().fold(Form::new(), part);
    let path = format!("{PROPOSALS}{query}");
    world.request(Method::POST, &path, |r| r.bearer_auth(token).multipart(form)).await
}

/// Proposes; answers the id.
pub async fn propose(world: &World, parts: &[Part]) -> String {
    let answer = propose_as(world, &world.admin, "?reason=because", parts).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// What a holder does: fetches the proposal, signs the bytes of the role, sends the signature.
async fn sign(world: &World, id: &str, role: &str, key: &TestKey) -> Answer {
    let message = message(world, id, role).await;
    send_signature(world, &world.admin, id, role, key.sign(&message)).await
}

async fn send_signature(
    world: &World,
    token: &str,
    id: &str,
    role: &str,
    (keyid, sig): (notary_schema::name::KeyId, Vec<u8>),
) -> Answer {
    let body = json!({"role": role, "signatures": [{"keyid": keyid, "sig": hex::encode(sig)}]});
    world.send_json(Method::POST, &format!("{PROPOSALS}/{id}/signatures"), token, &body).await
}

/// The bytes to sign, whose hash is what the proposal says.
async fn message(world: &World, id: &str, role: &str) -> Vec<u8> {
    let proposal = show(world, id).await;
    let files = proposal["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["name"] == role).unwrap();
    let bytes = file["file"].as_str().unwrap().as_bytes().to_vec();
    let message = match role {
        "root" => Envelope::<Root>::parse(bytes).unwrap().message().to_vec(),
        _ => Envelope::<Targets>::parse(bytes).unwrap().message().to_vec(),
    };
    assert_eq!(file["signed_sha256"], sha256_hex(&message));
    message
}

async fn show(world: &World, id: &str) -> Value {
    let answer = world.get(&format!("{PROPOSALS}/{id}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn state(world: &World, id: &str) -> String {
    let list = world.get(PROPOSALS).await.json();
    let listed = list["items"].as_array().unwrap().iter().find(|item| item["id"] == id).unwrap();
    let shown = show(world, id).await;
    assert_eq!(shown["state"], listed["state"], "the list and the proposal itself");
    shown["state"].as_str().unwrap().to_owned()
}

/// Status, code, state of an answer to a signature, and whether it brought the publish.
fn outcome(answer: &Answer) -> (u16, String, bool) {
    let (status, code) = answer.outcome();
    let body = answer.json();
    match status {
        200 => (status, body["state"].as_str().unwrap().into(), !body["published"].is_null()),
        _ => (status, code, false),
    }
}

/// The versions of root that the events tell of.
async fn published_roots(world: &World) -> Vec<u64> {
    let feed = world.get("/v2/acme/app/_trust/changefeed").await.json();
    let events = feed["items"].as_array().unwrap().iter();
    let roles = events.flat_map(|event| event["roles"].as_array().unwrap().clone());
    roles
        .filter(|role| role["name"] == "root")
        .map(|role| role["version"].as_u64().unwrap())
        .collect()
}
