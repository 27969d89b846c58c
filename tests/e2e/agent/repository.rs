//! A repository that is signed by hand and goes from release to release.

use std::collections::BTreeMap;

use notary_schema::key::sha256_hex;
use notary_tests::hand::{Collection, Files, HandKey, Part, target};
use serde_json::{Value, json};

/// A repository: `targets` vouches for `app.tgz` and delegates `docs/*` to `docs`, which vouches for
/// `docs/guide.txt`. The snapshot lists versions, lengths and hashes.
pub(super) struct Repository {
    /// The newest root.
    pub(super) root: Part,
    /// `targets` and the roles below it.
    pub(super) roles: BTreeMap<String, Part>,
    pub(super) snapshot: Part,
    pub(super) timestamp: Part,
    /// The contents of targets.
    pub(super) contents: BTreeMap<String, Vec<u8>>,
    /// Whether snapshot and timestamp list versions alone.
    pub(super) versions_only: bool,
    roots: Vec<Vec<u8>>,
}

impl Repository {
    pub(super) fn new() -> Repository {
        let Collection { root, targets, docs, snapshot, timestamp } = Collection::new();
        let roots = vec![root.file()];
        let roles = [("targets".to_owned(), targets), ("docs".to_owned(), docs)].into();
        let contents = BTreeMap::new();
        let mut repository =
            Repository { root, roles, snapshot, timestamp, contents, versions_only: false, roots };
        repository.list("targets", "app.tgz", "app");
        repository.list("docs", "docs/guide.txt", "guide");
        repository
    }

    /// The same, whose files have no version in their names.
    pub(super) fn without_consistent_snapshots() -> Repository {
        let mut repository = Repository::new();
        repository.root.signed["consistent_snapshot"] = json!(false);
        repository.roots = vec![repository.root.file()];
        repository
    }

    pub(super) fn first_root(&self) -> &[u8] {
        &self.roots[0]
    }

    pub(super) fn role(&mut self, name: &str) -> &mut Part {
        self.roles.get_mut(name).expect("the repository has the role")
    }

    /// Lets a role vouch for a target.
    pub(super) fn list(&mut self, role: &str, name: &str, content: &str) {
        self.role(role).signed["targets"][name] = target(content.as_bytes());
        self.contents.insert(name.to_owned(), content.into());
    }

    /// Delegates to a new role without targets. `scope` is `{"paths": […]}` or the like.
    pub(super) fn delegate(&mut self, from: &str, to: &str, scope: Value) {
        let key = HandKey::ed25519(9);
        let mut entry = json!({
            "name": to, "keyids": [key.id()], "threshold": 1, "terminating": false,
        });
        for (name, value) in scope.as_object().expect("an object") {
            entry[name] = value.clone();
        }
        let from = &mut self.role(from).signed;
        if from["delegations"].is_null() {
            from["delegations"] = json!({"keys": {}, "roles": []});
        }
        let delegations = &mut from["delegations"];
        delegations["keys"][key.id()] = key.object().clone();
        delegations["roles"].as_array_mut().expect("a list").push(entry);
        let mut part = self.role("docs").clone();
        part.signed["targets"] = json!({});
        part.signed["version"] = json!(1);
        part.signed.as_object_mut().expect("an object").remove("delegations");
        part.signers = vec![key];
        self.roles.insert(to.to_owned(), part);
    }

    /// The next root, signed by the keys of the last one too; `edit` changes what it says.
    pub(super) fn rotate_root(&mut self, edit: impl FnOnce(&mut Part)) {
        let mut signers = self.root.signers.clone();
        next(&mut self.root);
        edit(&mut self.root);
        signers.extend(self.root.signers.clone());
        signers.dedup_by(|one, other| one.id() == other.id());
        let mut signed_by_both = self.root.clone();
        signed_by_both.signers = signers;
        self.roots.push(signed_by_both.file());
    }

    /// New versions of these targets roles, of the snapshot, and of the timestamp.
    pub(super) fn release(&mut self, roles: &[&str]) {
        for role in roles {
            next(self.role(role));
        }
        next(&mut self.snapshot);
        next(&mut self.timestamp);
    }

    /// A new version of the timestamp alone.
    pub(super) fn refresh_timestamp(&mut self) {
        next(&mut self.timestamp);
    }

    /// The files below the metadata URL, by their names.
    pub(super) fn metadata(&self) -> Files {
        let consistent = self.root.signed["consistent_snapshot"] == json!(true);
        let mut files = Files::new();
        let mut write = |name: &str, part: &Part| {
            let (version, file) = (part.signed["version"].clone(), part.file());
            let mut meta = json!({"version": version});
            if !self.versions_only {
                meta["length"] = json!(file.len());
                meta["hashes"] = json!({"sha256": sha256_hex(&file)});
            }
            let stored = match consistent && name != "timestamp" {
                true => format!("{version}.{name}.json"),
                false => format!("{name}.json"),
            };
            files.insert(stored, file);
            meta
        };
        let mut snapshot = self.snapshot.clone();
        for (name, part) in &self.roles {
            snapshot.signed["meta"][format!("{name}.json")] = write(name, part);
        }
        let mut timestamp = self.timestamp.clone();
        timestamp.signed["meta"]["snapshot.json"] = write("snapshot", &snapshot);
        write("timestamp", &timestamp);
        for (n, root) in self.roots.iter().enumerate() {
            files.insert(format!("{}.root.json", n + 1), root.clone());
        }
        files
    }

    /// The files below the targets URL, by their names.
    pub(super) fn targets(&self) -> Files {
        let consistent = self.root.signed["consistent_snapshot"] == json!(true);
        let location = |name: &str, content: &[u8]| match (consistent, name.rsplit_once('/')) {
            (false, _) => name.to_owned(),
            (true, Some((folder, last))) => format!("{folder}/{}.{last}", sha256_hex(content)),
            (true, None) => format!("{}.{name}", sha256_hex(content)),
        };
        let file =
            |(name, content): (&String, &Vec<u8>)| (location(name, content), content.clone());
        self.contents.iter().map(file).collect()
    }
}

fn next(part: &mut Part) {
    let version = part.signed["version"].as_u64().expect("a number");
    part.signed["version"] = json!(version + 1);
}
