//! A collection on a real server, its files signed by hand: quicker than the command line, and any
//! file can be sent.

use notary_schema::online::expires_after;
use notary_tests::hand::Collection;
use notary_tests::world::{Answer, Http, World};
use serde_json::json;

/// A year.
const LIFE_SECONDS: u64 = 365 * 24 * 60 * 60;

/// A collection that was published once, with its role `docs`.
pub(crate) struct Published {
    pub(crate) world: World,
    pub(crate) collection: Collection,
    pub(crate) http: Http,
    gun: String,
}

impl Published {
    pub(crate) fn new(gun: &str) -> Published {
        Published::in_world(World::start(), gun)
    }

    pub(crate) fn in_world(world: World, gun: &str) -> Published {
        let http = world.http(Some(&world.token("admin --collection **")));
        let mut collection = Collection::new();
        collection.expire(expires_after(world.clock.now(), LIFE_SECONDS));
        for role in ["snapshot", "timestamp"] {
            let answer = http.post(&format!("/v2/{gun}/_trust/keys/{role}"), &json!({}));
            assert_eq!(answer.status, 200, "{answer:?}");
            let key = answer.json();
            let keyid = key["keyid"].as_str().expect("a key has an id");
            collection.list(role, &[(keyid, &key["key"])], 1);
        }
        let published = Published { world, collection, http, gun: gun.to_owned() };
        let answer = published.send(&["root", "targets", "docs"]);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        published
    }

    /// Publishes the next version of these roles.
    pub(crate) fn publish(&mut self, roles: &[&str]) {
        for role in roles {
            self.collection.part(role).next_version();
        }
        let answer = self.send(roles);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Sends the files of these roles as they are.
    pub(crate) fn send(&self, roles: &[&str]) -> Answer {
        let files = self.files(roles);
        let parts: Vec<(&str, &[u8])> =
            files.iter().map(|(role, file)| (*role, file.as_slice())).collect();
        self.http.publish(&self.gun, &parts)
    }

    fn files<'r>(&self, roles: &[&'r str]) -> Vec<(&'r str, Vec<u8>)> {
        let mut collection = self.collection.clone();
        roles.iter().map(|role| (*role, collection.part(role).file())).collect()
    }
}
