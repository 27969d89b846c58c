//! Hand-signed collections and a small HTTP server for the tests of this crate.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName, TargetPath, Version};
use notary_schema::online::{self, Lifetimes, PlannedTimestamp};
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{
    DelegatedRole, Expires, Hashes, RoleKeys, Root, Snapshot, TargetFile, Targets, TopLevelRoles,
};
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::remote_name;
use notary_signer::keys::Algorithm;
use notary_signer::keys::private::PrivateKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::keyring::KeyEntry;
use crate::output::Output;
use crate::view::View;

/// The time at which the tests take place.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) fn in_days(days: i64) -> Expires {
    Expires::at(now() + TimeDelta::days(days))
}

pub(crate) fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub(crate) fn target(content: &[u8]) -> TargetFile {
    let sha256 = notary_schema::key::sha256_hex(content);
    TargetFile { length: content.len() as u64, hashes: Hashes::sha256_of(sha256), custom: None }
}

/// An output that nobody reads.
pub(crate) fn silent() -> Rc<Output> {
    Rc::new(Output::new(Box::new(std::io::sink()), Box::new(std::io::sink())))
}

/// A private key and its entry.
pub(crate) struct Signer {
    private: PrivateKey,
    pub(crate) entry: KeyEntry,
}

impl Signer {
    fn new() -> Signer {
        let private = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let key = Key::new(private.public().clone());
        let entry = KeyEntry { keyid: private.id(), label: None, key };
        Signer { private, entry }
    }

    fn sign(&self, document: &Unsigned) -> Vec<u8> {
        let signature = self.private.sign(document.message()).unwrap();
        document.with_signatures(&[(self.entry.keyid.clone(), signature)])
    }

    fn keys(&self) -> RoleKeys {
        RoleKeys::new(vec![self.entry.keyid.clone()], 1).unwrap()
    }
}

/// A collection with root 1 and a few files: targets delegates `docs/*` to docs, which delegates
/// `docs/de*` to german; `team/*` is delegated to team, which has published nothing.
pub(crate) struct Collection {
    signers: BTreeMap<&'static str, Signer>,
    /// Whether docs must be signed by the key of team too.
    two_sign_docs: bool,
    /// What docs lists beside its first target: names and contents.
    pub(crate) docs: Vec<(&'static str, &'static str)>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

const DELEGATIONS: [(&str, &str, &str); 3] =
    [("targets", "docs", "docs/*"), ("docs", "german", "docs/de*"), ("targets", "team", "team/*")];

impl Collection {
    pub(crate) fn new() -> Collection {
        Collection::with(false)
    }

    /// The same, where docs needs the signatures of the keys of docs and of team.
    pub(crate) fn where_two_sign_docs() -> Collection {
        Collection::with(true)
    }

    fn with(two_sign_docs: bool) -> Collection {
        let names = ["root", "targets", "snapshot", "timestamp", "docs", "german", "team"];
        let signers = names.map(|name| (name, Signer::new())).into();
        let mut collection =
            Collection { signers, two_sign_docs, docs: Vec::new(), files: BTreeMap::new() };
        let root = collection.root();
        let root = collection.signers["root"].sign(&Unsigned::of(&root));
        collection.files.insert("1.root.json".into(), root);
        collection.release(1, 365);
        collection
    }

    pub(crate) fn key(&self, name: &str) -> KeyEntry {
        self.signers[name].entry.clone()
    }

    /// Puts a key into a trust directory, under the passphrase "pw".
    pub(crate) fn store_key(&self, name: &str, keys: &std::path::Path) {
        let Signer { private, entry } = &self.signers[name];
        std::fs::create_dir_all(keys).unwrap();
        let pem = keys.join(format!("{}.pem", entry.keyid));
        notary_signer::keys::file::write(&pem, private, &"pw".to_owned().into()).unwrap();
        let beside = serde_json::to_vec(entry).unwrap();
        std::fs::write(keys.join(format!("{}.json", entry.keyid)), beside).unwrap();
    }

    pub(crate) fn root_file(&self) -> &[u8] {
        &self.files["1.root.json"]
    }

    fn root(&self) -> Root {
        let signer = |name: &str| &self.signers[name];
        let names = ["root", "targets", "snapshot", "timestamp"];
        let key = |name| (signer(name).entry.keyid.clone(), signer(name).entry.key.clone());
        let keys: BTreeMap<KeyId, Key> = names.map(key).into();
        let roles = TopLevelRoles {
            root: signer("root").keys(),
            snapshot: signer("snapshot").keys(),
            targets: signer("targets").keys(),
            timestamp: signer("timestamp").keys(),
        };
        Root::new(Version::FIRST, in_days(365), keys, roles)
    }

    /// Publishes this version of everything but the root, with targets that expire in so many days.
    pub(crate) fn release(&mut self, number: u64, targets_days: i64) {
        let version = Version::new(number).unwrap();
        let mut entries = Vec::new();
        for (name, target_name) in
            [("targets", "app.bin"), ("docs", "docs/a.txt"), ("german", "docs/de.txt")]
        {
            let document = self.targets(name, target_name, version, in_days(targets_days));
            let file = self.sign(name, &document);
            let parsed = Envelope::<Targets>::parse(file.clone()).unwrap();
            entries.push((role(name), online::entry(&parsed)));
            self.files.insert(remote_name(&role(name), Some(version)), file);
        }
        let snapshot = online::next_snapshot(None, entries, version, in_days(7));
        let snapshot = self.signers["snapshot"].sign(&Unsigned::of(&snapshot));
        let parsed = Envelope::<Snapshot>::parse(snapshot.clone()).unwrap();
        self.files.insert(remote_name(&RoleName::SNAPSHOT, Some(version)), snapshot);
        let planned = PlannedTimestamp { version, expires: in_days(1), keyids: Vec::new() };
        let timestamp = self.signers["timestamp"].sign(&planned.document(&parsed));
        self.files.insert("timestamp.json".into(), timestamp);
    }

    /// Whose keys a delegated role has.
    fn owners(&self, name: &'static str) -> Vec<&Signer> {
        let second = Some("team").filter(|_| self.two_sign_docs && name == "docs");
        [Some(name), second].into_iter().flatten().map(|name| &self.signers[name]).collect()
    }

    fn sign(&self, name: &'static str, document: &Unsigned) -> Vec<u8> {
        let sign = |signer: &&Signer| {
            let signature = signer.private.sign(document.message()).unwrap();
            (signer.entry.keyid.clone(), signature)
        };
        document.with_signatures(&self.owners(name).iter().map(sign).collect::<Vec<_>>())
    }

    fn targets(&self, name: &str, listed: &str, version: Version, expires: Expires) -> Unsigned {
        let mut draft = Draft::from_role(&Targets::empty(version, expires));
        draft.set_target(&TargetPath::parse(listed).unwrap(), &target(listed.as_bytes()));
        for (more, content) in self.docs.iter().filter(|_| name == "docs") {
            draft.set_target(&TargetPath::parse(more).unwrap(), &target(content.as_bytes()));
        }
        for (_, team, path) in DELEGATIONS.iter().filter(|(delegator, ..)| *delegator == name) {
            let owners = self.owners(team);
            let ids: Vec<KeyId> = owners.iter().map(|owner| owner.entry.keyid.clone()).collect();
            let keys: Vec<Key> = owners.iter().map(|owner| owner.entry.key.clone()).collect();
            let threshold = u32::try_from(ids.len()).unwrap();
            let delegation = DelegatedRole {
                name: role(team),
                signers: RoleKeys::new(ids, threshold).unwrap().into(),
                terminating: false,
                paths: PathSet::Paths(vec![PathPattern::new(path)]),
            };
            draft.set_delegation(&delegation, &keys);
        }
        draft.finish()
    }

    /// The collection acme/app in the words of a server.
    pub(crate) fn info(&self) -> Vec<u8> {
        let role = |name: &'static str, delegator: &str| {
            let ids: Vec<KeyId> = self.owners(name).iter().map(|o| o.entry.keyid.clone()).collect();
            serde_json::json!({
                "name": name, "keyids": ids, "threshold": ids.len(), "delegated_by": delegator,
            })
        };
        let info = serde_json::json!({
            "gun": "acme/app", "incarnation": "0".repeat(32), "seq": 1, "keys": {},
            "roles": [role("docs", "targets"), role("german", "docs"), role("team", "targets")],
            "lifetimes": Lifetimes::default(),
        });
        info.to_string().into_bytes()
    }

    /// What a client trusts that has read everything of version 1.
    pub(crate) fn view(&self) -> View {
        let mut trusted =
            TrustedSet::new(self.root_file().to_vec(), now(), Expiry::Enforced).unwrap();
        let file = |name: &str| self.files[name].clone();
        trusted.update_timestamp(file("timestamp.json")).unwrap();
        trusted.update_snapshot(file("1.snapshot.json")).unwrap();
        for (delegator, name) in [("root", "targets"), ("targets", "docs"), ("docs", "german")] {
            let file = file(&format!("1.{name}.json"));
            trusted.update_targets(&role(name), &role(delegator), file).unwrap();
        }
        View::new(trusted)
    }
}

/// One canned answer of a [`Server`].
#[derive(Debug, Clone)]
pub(crate) struct Canned {
    /// The status line after the version, and further header lines.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// The length that is announced.
    pub(crate) announced: Announced,
}

/// What a server says of the length of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Announced {
    Truly,
    As(u64),
    Not,
}

impl Canned {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Canned {
        Canned { head: "200 OK".into(), body: body.into(), announced: Announced::Truly }
    }

    /// A refusal of notary-server.
    pub(crate) fn problem(status: u16, code: &str) -> Canned {
        let body = serde_json::json!({
            "status": status, "code": code, "title": code, "detail": code, "request_id": "r1",
        });
        let head = format!("{status} {code}\r\ncontent-type: application/problem+json");
        Canned { head, body: body.to_string().into_bytes(), announced: Announced::Truly }
    }

    /// No answer: the connection is closed.
    pub(crate) fn dropped() -> Canned {
        Canned::status("")
    }

    pub(crate) fn status(head: &str) -> Canned {
        Canned { head: head.into(), body: Vec::new(), announced: Announced::Truly }
    }
}

/// A loopback HTTP server that answers from a table and remembers what it was asked.
pub(crate) struct Server {
    pub(crate) url: url::Url,
    answers: Arc<Mutex<BTreeMap<String, Vec<Canned>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    heads: Arc<Mutex<Vec<String>>>,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let answers: Arc<Mutex<BTreeMap<String, Vec<Canned>>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let sent: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let (table, log, bodies) = (answers.clone(), asked.clone(), sent.clone());
        let all_heads = heads.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (request, body) = read_request(&mut stream).await;
                let line = request.lines().next().unwrap_or_default();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                log.lock().unwrap().push(path.clone());
                all_heads.lock().unwrap().push(request.clone());
                if line.starts_with("POST") {
                    bodies.lock().unwrap().push(body);
                }
                let canned = next_answer(&mut table.lock().unwrap(), &path);
                if canned.head.is_empty() {
                    continue;
                }
                let length = match canned.announced {
                    Announced::Truly => format!("content-length: {}\r\n", canned.body.len()),
                    Announced::As(length) => format!("content-length: {length}\r\n"),
                    Announced::Not => String::new(),
                };
                let head = format!("HTTP/1.1 {}\r\n{length}connection: close\r\n\r\n", canned.head);
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&canned.body).await;
            }
        });
        Server { url, answers, asked, heads, sent, task }
    }

    /// Serves the files of a collection at their names.
    pub(crate) fn serve(&self, collection: &Collection) {
        for (name, file) in &collection.files {
            self.answer(name, Canned::ok(file.clone()));
        }
    }

    /// Tells of a collection acme/app in which no key is revoked.
    pub(crate) fn tell(&self, collection: &Collection) {
        self.answer("v2/acme/app/_trust/", Canned::ok(collection.info()));
        self.answer("v2/acme/app/_trust/revocations", Canned::ok(r#"{"items":[]}"#));
    }

    /// Gives a path one answer for every request.
    pub(crate) fn answer(&self, path: &str, canned: Canned) {
        self.answer_in_turn(path, vec![canned]);
    }

    /// Gives a path these answers in turn; the last one stays.
    pub(crate) fn answer_in_turn(&self, path: &str, canned: Vec<Canned>) {
        self.answers.lock().unwrap().insert(format!("/{path}"), canned);
    }

    /// The bodies of all POST requests so far.
    pub(crate) fn sent(&self) -> Vec<Vec<u8>> {
        self.sent.lock().unwrap().clone()
    }

    /// The request lines and headers of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The paths of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The request line with the headers, and the body.
async fn read_request(stream: &mut tokio::net::TcpStream) -> (String, Vec<u8>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let end = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                let head = String::from_utf8_lossy(&request[..end]).into_owned();
                return (head, request[end + 4..].to_vec());
            }
        }
        match stream.read(&mut buffer).await {
            Ok(read) if read > 0 => request.extend(&buffer[..read]),
            _ => return (String::new(), Vec::new()),
        }
    }
}

fn next_answer(table: &mut BTreeMap<String, Vec<Canned>>, path: &str) -> Canned {
    let path = path.split('?').next().expect("split gives one piece at least");
    match table.get_mut(path) {
        Some(canned) if canned.len() > 1 => canned.remove(0),
        Some(canned) => canned[0].clone(),
        None => Canned::status("404 Not Found"),
    }
}
