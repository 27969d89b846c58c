//! A collection with the versions of the past, and what somebody who revokes a key looks at.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, Version};
use notary_schema::publish::{Batch, Head, Rules, StoredFile, check};
use notary_schema::revocation::{
    Choices, Content, Dates, History, Plan, Present, Problem, Revoked, Signers, listings, plan,
};
use notary_schema::role::{Root, Targets};
use notary_schema::threshold::RevokedKeys;

use crate::support::*;

pub const STOLEN: u8 = 20;
pub const OTHER: u8 = 21;
pub const THIRD: u8 = 22;
pub const NEW: u8 = 23;
pub const THIEF: u8 = 24;

pub const GOOD: &[&str] = &["docs/good"];
pub const BAD: &[&str] = &["docs/bad", "docs/good"];

/// The stolen key.
pub fn revoked() -> Revoked {
    keys_out(&[STOLEN])
}

/// These keys are to be left out.
pub fn keys_out(seeds: &[u8]) -> Revoked {
    let publics = seeds.iter().filter_map(|seed| signer(*seed).key.public().cloned());
    Revoked::new(publics.collect(), RevokedKeys::default())
}

pub fn parse(bytes: Vec<u8>) -> Arc<Envelope<Targets>> {
    Arc::new(Envelope::parse(bytes).unwrap())
}

pub fn signers(seeds: &[u8], threshold: u32) -> Signers {
    Signers { keys: keys(seeds), role: role_keys(seeds, threshold) }
}

/// The stored versions of each role, the newest last, below one root.
pub struct Past {
    pub root: Envelope<Root>,
    pub versions: BTreeMap<RoleName, Vec<Arc<Envelope<Targets>>>>,
    /// Roles whose newest file the server has lost.
    pub unread: BTreeSet<RoleName>,
}

impl Past {
    /// A collection whose targets delegates `docs/*` to these, and what `docs` has published: which
    /// targets, signed by whom.
    pub fn of(docs: (&[u8], u32), published: &[(&[&str], &[u8])]) -> Past {
        let targets = Draft::first_targets(in_days(365))
            .with_target("a.txt")
            .with_delegation(delegation("docs", &["docs/*"], docs.0, docs.1), docs.0);
        let root = Envelope::parse(sign(&Unsigned::of(&root(1)), &[ROOT])).unwrap();
        let mut past = Past { root, versions: BTreeMap::new(), unread: BTreeSet::new() };
        past.publish("targets", targets, &[TARGETS]);
        for (names, by) in published {
            past.publish_names("docs", names, by);
        }
        past
    }

    pub fn publish(&mut self, name: &str, draft: Draft, by: &[u8]) {
        let file = parse(sign(&draft.finish(), by));
        self.versions.entry(role(name)).or_default().push(file);
    }

    pub fn publish_names(&mut self, name: &str, targets: &[&str], by: &[u8]) {
        let before = self.versions.get(&role(name)).map_or(0, Vec::len) as u64;
        let mut draft = self.draft(name);
        for old in self.names(name) {
            draft.remove_target(&old);
        }
        assert_eq!(draft.version(), version(before + 1));
        let draft = targets.iter().fold(draft, |draft, target| draft.with_target(target));
        self.publish(name, draft, by);
    }

    /// The next version of a role, to be edited.
    pub fn draft(&self, name: &str) -> Draft {
        match self.versions.get(&role(name)).and_then(|versions| versions.last()) {
            Some(file) => Draft::next(file, in_days(365)).unwrap(),
            None => Draft::first_targets(in_days(365)),
        }
    }

    pub fn names(&self, name: &str) -> Vec<String> {
        let newest = self.versions.get(&role(name)).and_then(|versions| versions.last());
        newest.map_or(Vec::new(), |f| f.signed().targets.keys().map(str::to_owned).collect())
    }

    pub fn head(&self) -> Head {
        let files: BTreeMap<_, _> = self
            .versions
            .iter()
            .map(|(role, versions)| (role.clone(), versions.last().unwrap().bytes().to_vec()))
            .collect();
        let mut head = Collection::of(self.root.bytes().to_vec(), files, 1).head();
        for (role, versions) in &self.versions {
            head.files.insert(role.clone(), StoredFile::loaded(versions.last().unwrap().clone()));
        }
        for role in &self.unread {
            head.files.remove(role);
            head.lost.insert(role.clone(), head.snapshot.signed().entry(role).unwrap());
        }
        head
    }

    /// The roles that list a key, each behind who delegates to it.
    pub fn listings(&self, revoked: &Revoked) -> Vec<(String, String)> {
        let head = self.head();
        let stored = head.files.iter();
        let files = stored.map(|(role, stored)| (role.clone(), stored.file.clone().unwrap()));
        let (others, histories) = (BTreeMap::new(), BTreeMap::new());
        let present = Present {
            root: &self.root,
            snapshot: head.snapshot.signed(),
            files: &files.collect(),
            others: &others,
            unread: &self.unread,
            histories: &histories,
        };
        let found = listings(present, revoked).into_iter();
        found.map(|(by, role, _)| (by.to_string(), role.to_string())).collect()
    }

    /// The plan, after everything that it asks for was looked at.
    pub fn plan(&self, revoked: &Revoked, choices: &Choices) -> Result<Plan, Problem> {
        self.planned(revoked, choices).0
    }

    /// The roles whose versions it wants to look back at.
    pub fn asked_for(&self, revoked: &Revoked) -> Vec<RoleName> {
        let (plan, asked) = self.planned(revoked, &Choices::default());
        plan.unwrap();
        asked
    }

    fn planned(
        &self,
        revoked: &Revoked,
        choices: &Choices,
    ) -> (Result<Plan, Problem>, Vec<RoleName>) {
        let head = self.head();
        let reached = reached(&head);
        let (files, unreached): (BTreeMap<_, _>, BTreeMap<_, _>) = head
            .files
            .iter()
            .map(|(role, stored)| (role.clone(), stored.file.clone().unwrap()))
            .partition(|(role, _)| reached.contains(role));
        let (mut others, mut histories) = (BTreeMap::new(), BTreeMap::new());
        let dates = Dates { root: in_days(365), targets: in_days(365) };
        loop {
            let present = Present {
                root: &self.root,
                snapshot: head.snapshot.signed(),
                files: &files,
                others: &others,
                unread: &self.unread,
                histories: &histories,
            };
            let open = match plan(present, revoked, choices, dates) {
                Err(Problem::Open(open)) => open,
                done => return (done, histories.into_keys().collect()),
            };
            for role in open.files {
                let file = unreached[&role].clone();
                assert!(others.insert(role, file).is_none(), "asked for once");
            }
            for (role, signers) in open.histories {
                let keep = match choices.content.get(&role) {
                    Some(Content::Of(version)) => Some(*version),
                    _ => None,
                };
                let history = self.history(&role, signers, revoked, keep);
                assert!(histories.insert(role, history).is_none(), "asked for once");
            }
        }
    }

    pub fn history(
        &self,
        role: &RoleName,
        signers: Signers,
        revoked: &Revoked,
        keep: Option<Version>,
    ) -> History {
        let mut history = History::new(role.clone(), signers, revoked.clone(), keep);
        let versions = self.versions[role].iter().rev();
        versions.for_each(|file| history.add(file.clone()));
        history.finish();
        history
    }

    /// The plan, signed by these, is what a server accepts; answers the new files.
    pub fn published(&self, plan: &Plan, by: &[u8]) -> BTreeMap<RoleName, Arc<Envelope<Targets>>> {
        let mut batch = Batch::default();
        batch.orphan = plan.orphans.clone();
        batch.pending = plan.pending.clone();
        if let Some(root) = &plan.root {
            batch.add(RoleName::ROOT, sign_listed(root, by, None).into()).unwrap();
        }
        for part in &plan.roles {
            let file = sign_listed(&part.document, by, Some(&part.signers));
            batch.add(part.role.clone(), file.into()).unwrap();
        }
        let rules = Rules {
            offline_max_seconds: 400 * DAY as u64,
            held_keys: held_keys(),
            ..Rules::default()
        };
        check(Some(&self.head()), &batch, &rules, now()).unwrap().files
    }
}

/// Signed by those of these keys that may, or by all.
pub fn sign_listed(document: &Unsigned, by: &[u8], signers: Option<&Signers>) -> Vec<u8> {
    let may = |seed: &&u8| signers.is_none_or(|s| s.keys.contains_key(&signer(**seed).id()));
    sign(document, &by.iter().filter(may).copied().collect::<Vec<_>>())
}

pub fn reached(head: &Head) -> BTreeSet<RoleName> {
    let mut reached = BTreeSet::from([RoleName::TARGETS]);
    let mut waiting = vec![RoleName::TARGETS];
    while let Some(role) = waiting.pop() {
        let Some(stored) = head.files.get(&role) else { continue };
        let file = stored.file.clone().unwrap();
        let Some(delegations) = &file.signed().delegations else { continue };
        let below = head.files.keys().filter(|role| delegations.authority(role).is_some());
        for role in below {
            if reached.insert(role.clone()) {
                waiting.push(role.clone());
            }
        }
    }
    reached
}
