//! Somebody who publishes without `notary`: signs with keys of its own and sends the files itself, so
//! that a test decides which bytes leave when, and hears every answer.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::{Key, sha256_hex};
use notary_schema::name::{KeyId, RoleName, TargetPath, Version};
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{
    DelegatedRole, Expires, Hashes, RoleKeys, Root, TargetFile, Targets, TopLevelRoles,
};

use crate::hand::HandKey;
use crate::world::{Answer, Http, World};

/// The owner of a collection and of all its roles.
pub struct Publisher {
    /// The collection.
    pub gun: String,
    /// Requests with the publisher's token.
    pub http: Http,
    key: HandKey,
    /// The file of each targets role that the server has acknowledged last.
    files: BTreeMap<RoleName, Vec<u8>>,
}

impl Publisher {
    /// Creates a collection: `targets` delegates `ROLE/*` to each of these roles.
    pub fn create(world: &World, gun: &str, roles: &[&str]) -> Publisher {
        let http = world.http(Some(&world.token(&format!("admin --collection {gun}"))));
        let key = HandKey::ed25519(1);
        let expires = Expires::at(world.clock.now() + TimeDelta::days(30));
        let online = |role: &str| {
            let answer = http.post(&format!("/v2/{gun}/_trust/keys/{role}"), &().into());
            assert_eq!(answer.status, 200, "{answer:?}");
            Key::from_object(answer.json()["key"].clone())
        };
        let root = root(&Key::from_object(key.object().clone()), &online, expires);
        let mut publisher = Publisher { gun: gun.to_owned(), http, key, files: BTreeMap::new() };
        let mut files = vec![("root", publisher.sign(&Unsigned::of(&root)))];
        let mut targets = Draft::first_targets(expires);
        for role in roles {
            targets.set_delegation(&publisher.delegation(role), &[publisher.public()]);
            files.push((*role, publisher.sign(&Draft::first_targets(expires).finish())));
        }
        files.push(("targets", publisher.sign(&targets.finish())));
        let parts: Vec<(&str, &[u8])> = files.iter().map(|(role, f)| (*role, &f[..])).collect();
        let answer = publisher.http.publish(gun, &parts);
        assert_eq!(answer.status, 200, "{answer:?}");
        publisher.files =
            files.into_iter().skip(1).map(|(role, file)| (name(role), file)).collect();
        publisher
    }

    /// The version after the acknowledged one of a role, with one more target.
    pub fn next(&self, role: &str, now: DateTime<Utc>) -> Vec<u8> {
        let file = Envelope::<Targets>::parse(self.files[&name(role)].clone()).expect("our own");
        let expires = Expires::at(now + TimeDelta::days(30));
        let mut draft = Draft::next(&file, expires).expect("a next version");
        let target = format!("{role}/{}", draft.version());
        let hashes = Hashes::sha256_of(sha256_hex(target.as_bytes()));
        let length = target.len() as u64;
        let path = TargetPath::parse(&target).expect("a clean name");
        draft.set_target(&path, &TargetFile { length, hashes, custom: None });
        self.sign(&draft.finish())
    }

    /// The file of a role that the server has acknowledged last.
    pub fn file(&self, role: &str) -> &[u8] {
        &self.files[&name(role)]
    }

    /// Takes note that the server has acknowledged a file.
    pub fn acknowledged(&mut self, role: &str, file: Vec<u8>) {
        self.files.insert(name(role), file);
    }

    /// Publishes the next version of a role.
    ///
    /// # Panics
    /// When it is not accepted.
    pub fn publish_next(&mut self, role: &str, now: DateTime<Utc>) {
        let file = self.next(role, now);
        let answer = self.http.publish(&self.gun, &[(role, &file)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        self.acknowledged(role, file);
    }

    /// Sends a file whose answer nobody may ever hear.
    ///
    /// # Errors
    /// When the connection fails or ends early.
    pub fn try_send(&self, role: &str, file: &[u8]) -> Result<Answer, reqwest::Error> {
        self.http.try_send(self.http.publish_request(&self.gun, &[(role, file)]))
    }

    /// The path of a file of a role in this version.
    pub fn path(&self, role: &str, file: &[u8]) -> String {
        let version = version(file);
        format!("/v2/{}/_trust/tuf/{version}.{role}.json", self.gun)
    }

    /// Whether the server serves exactly this file.
    pub fn is_served(&self, role: &str, file: &[u8]) -> bool {
        let answer = self.http.get(&self.path(role, file));
        answer.status == 200 && answer.body == file
    }

    /// Root 1 of the collection, as the server has it.
    pub fn root(&self) -> Vec<u8> {
        let answer = self.http.get(&format!("/v2/{}/_trust/tuf/1.root.json", self.gun));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    fn delegation(&self, role: &str) -> DelegatedRole {
        let signers = RoleKeys::new(vec![self.public().id().clone()], 1).expect("one key").into();
        let paths = PathSet::Paths(vec![PathPattern::new(&format!("{role}/*"))]);
        DelegatedRole { name: name(role), signers, terminating: false, paths }
    }

    fn public(&self) -> Key {
        Key::from_object(self.key.object().clone())
    }

    /// The file of a document, signed with the publisher's key.
    pub fn sign(&self, document: &Unsigned) -> Vec<u8> {
        sign_with(&[&self.key], document)
    }

    /// The same, and by another key.
    pub fn sign_together(&self, other: &HandKey, document: &Unsigned) -> Vec<u8> {
        sign_with(&[&self.key, other], document)
    }
}

/// The file of a document, signed with these keys.
pub fn sign_with(keys: &[&HandKey], document: &Unsigned) -> Vec<u8> {
    let id = |key: &HandKey| KeyId::parse(key.id()).expect("a key id");
    let signatures: Vec<_> =
        keys.iter().map(|key| (id(key), key.sign(document.message()))).collect();
    document.with_signatures(&signatures)
}

/// The version of a file of a targets role.
pub fn version(file: &[u8]) -> Version {
    Envelope::<Targets>::parse(file.to_vec()).expect("our own").version()
}

fn name(role: &str) -> RoleName {
    RoleName::parse(role).expect("a role name")
}

fn root(own: &Key, online: &dyn Fn(&str) -> Key, expires: Expires) -> Root {
    let (snapshot, timestamp) = (online("snapshot"), online("timestamp"));
    let only = |key: &Key| RoleKeys::new(vec![key.id().clone()], 1).expect("one key");
    let roles = TopLevelRoles {
        root: only(own),
        snapshot: only(&snapshot),
        targets: only(own),
        timestamp: only(&timestamp),
    };
    let keys = [own.clone(), snapshot, timestamp].map(|key| (key.id().clone(), key));
    Root::new(Version::FIRST, expires, keys.into(), roles)
}
