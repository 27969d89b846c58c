//! Keys that are revoked: they sign nothing new, from the answer on.
//!
//! | file | question |
//! |---|---|
//! | `effects` | what counts no more, what still does, and who is told? |
//! | `races` | what becomes of a publish that comes at the same time? |
//! | `refusals` | who may, and which keys? |

mod effects;
mod races;
mod refusals;

use notary_schema::key::Key;
use notary_schema::wire::GrantLevel;
use reqwest::Method;
use serde_json::{Value, json};

use crate::repo::{Part, Repo};
use crate::signer::TestKey;
use crate::world::{Answer, World};

const REVOCATIONS: &str = "/v2/acme/app/_trust/revocations";

async fn post(world: &World, token: &str, body: &Value) -> Answer {
    world.send_json(Method::POST, REVOCATIONS, token, body).await
}

/// Revokes a key, which the collection lists.
pub async fn revoke(world: &World, key: &Key) -> Answer {
    post(world, &world.admin, &json!({"keyid": key.id(), "reason": "stolen"})).await
}

/// Revokes a key that nobody has revoked before.
pub async fn revoked(world: &World, key: &Key) -> Value {
    let answer = revoke(world, key).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

pub async fn take_back(world: &World, key: &Key) -> (u16, String) {
    world.delete(&format!("{REVOCATIONS}/{}", key.id()), &world.admin).await.outcome()
}

async fn listed(world: &World) -> Vec<String> {
    let list = world.get(REVOCATIONS).await.json();
    let ids = list["items"].as_array().unwrap().iter().map(|item| item["keyid"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

fn refused(code: &str) -> (u16, String) {
    (422, code.to_owned())
}

fn done() -> (u16, String) {
    (200, String::new())
}
