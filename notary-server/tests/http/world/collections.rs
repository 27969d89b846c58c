//! Collections, and the update agents that read them.

use std::collections::HashMap;

use notary_schema::key::Key;
use notary_schema::name::{Gun, Version};
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Limits, Step, Updater};
use notary_schema::wire::OnlineKey;

use super::World;
use crate::repo::Repo;
use crate::signer::TestKey;

impl World {
    /// A reserved name with its online keys, and the people of it.
    pub async fn reserve(&self, name: &str, teams: &[&str]) -> Repo {
        self.reserve_with(name, "", teams).await
    }

    /// A name that is reserved with a query.
    pub async fn reserve_with(&self, name: &str, query: &str, teams: &[&str]) -> Repo {
        let keys = async |role: &str| {
            self.online_keys(&format!("/v2/{name}/_trust/keys/{role}{query}")).await
        };
        Repo {
            gun: Gun::parse(name).unwrap(),
            root_key: TestKey::draw(),
            targets_key: TestKey::draw(),
            snapshot_keys: keys("snapshot").await,
            timestamp_keys: keys("timestamp").await,
            timestamp_threshold: 1,
            teams: teams.iter().map(|team| ((*team).to_owned(), TestKey::draw())).collect(),
            now: self.now(),
        }
    }

    /// The key that is answered here, and its stand-by.
    pub async fn online_keys(&self, path: &str) -> Vec<Key> {
        let answer = self.post(path, &self.admin).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: OnlineKey = serde_json::from_slice(&answer.bytes).unwrap();
        answer.keys().cloned().collect()
    }

    /// A collection with root 1, targets 1 and version 1 of every team.
    pub async fn collection(&mut self, name: &str, teams: &[&str]) -> Repo {
        self.collection_with(name, "", teams).await
    }

    /// A collection that only those with a grant may read.
    pub async fn private_collection(&mut self, name: &str, teams: &[&str]) -> Repo {
        self.collection_with(name, "?private=true", teams).await
    }

    async fn collection_with(&mut self, name: &str, query: &str, teams: &[&str]) -> Repo {
        let repo = self.reserve_with(name, query, teams).await;
        let mut parts = vec![repo.root(1), repo.targets(1, &["a.txt"])];
        parts.extend(teams.iter().map(|team| repo.team(team, 1, &["first"])));
        let answer = self.publish(&repo, &parts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.pin(&repo);
        self.read(&repo.gun, Some("a.txt")).await;
        repo
    }

    /// An update agent starts to trust root 1.
    pub fn pin(&mut self, repo: &Repo) {
        let stored = HashMap::from([("root.json".to_owned(), repo.root(1).1)]);
        self.agents.insert(repo.gun.clone(), stored);
    }

    /// Reads a collection as an update agent that has seen all that was read before: versions of
    /// root, snapshot and timestamp. The target must be found.
    pub async fn read(&mut self, gun: &Gun, target: Option<&str>) -> [Version; 3] {
        let mut stored = self.agents.remove(gun).expect("a pinned collection");
        let mut updater = Updater::new(self.now(), Expiry::Enforced, Limits::default());
        self.drive(gun, &mut updater, &mut stored).await;
        if let Some(target) = target {
            updater.find(target).unwrap();
            self.drive(gun, &mut updater, &mut stored).await;
            assert!(updater.found().is_some(), "{gun} has no {target}");
        }
        self.agents.insert(gun.clone(), stored);
        let trusted = updater.trusted().unwrap();
        let snapshot = trusted.snapshot().unwrap().version();
        [trusted.root().version(), snapshot, trusted.timestamp().unwrap().version()]
    }

    async fn drive(&self, gun: &Gun, updater: &mut Updater, stored: &mut HashMap<String, Vec<u8>>) {
        loop {
            match updater.step() {
                Step::Load { name } => updater.loaded(stored.get(&name).cloned()).unwrap(),
                Step::Fetch { name, .. } => {
                    let path = format!("/v2/{gun}/_trust/tuf/{name}");
                    let answer = match &self.agent_token {
                        Some(token) => self.get_as(&path, token).await,
                        None => self.get(&path).await,
                    };
                    match answer.status.as_u16() {
                        200 => updater.fetched(answer.bytes).unwrap(),
                        404 => updater.not_found().unwrap(),
                        other => panic!("{name}: {other}"),
                    }
                }
                Step::Save { name, bytes } => {
                    stored.insert(name, bytes.to_vec());
                    updater.stored();
                }
                Step::Remove { name } => {
                    stored.remove(&name);
                    updater.stored();
                }
                Step::Done => return,
            }
        }
    }
}
