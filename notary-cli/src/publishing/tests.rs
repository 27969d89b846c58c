//! The way of a publish against a server that answers from a table.

mod proposing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use notary_schema::updater::local_name;

use super::in_flight::InFlight;
use super::*;
use crate::args::GlobalOptions;
use crate::staged::{Changes, TargetChange};
use crate::testing::{Canned, Collection, Server, now, role, silent, target};

const PREFIX: &str = "v2/acme/app/_trust/";

/// A team with the key of docs, its trust directory, and a server.
struct World {
    collection: Collection,
    server: Server,
    session: Session,
    directory: CollectionDir,
    _temporary: tempfile::TempDir,
}

impl World {
    async fn new() -> World {
        World::of(Collection::new(), "docs").await
    }

    /// A world in which the team has this key.
    async fn of(collection: Collection, key: &str) -> World {
        let server = Server::start().await;
        let temporary = tempfile::tempdir().unwrap();
        collection.store_key(key, &temporary.path().join("keys"));
        let session = session(&server, temporary.path(), 60);
        let directory = session.collection(&gun()).unwrap();
        session.pin(&directory, collection.root_file()).unwrap();
        server.tell(&collection);
        let world = World { collection, server, session, directory, _temporary: temporary };
        world.serve();
        world
    }

    /// The same for what does not get better: the end of the tries is waited for.
    fn impatient(mut self) -> World {
        let directory = self.session.settings.trust_dir.clone().unwrap();
        self.session = session(&self.server, &directory, 2);
        self
    }

    fn serve(&self) {
        for (name, file) in &self.collection.files {
            self.server.answer(&format!("{PREFIX}tuf/{name}"), Canned::ok(file.clone()));
        }
    }

    /// The answers to the publishes, in turn.
    fn answers(&self, canned: Vec<Canned>) {
        self.server.answer_in_turn(&format!("{PREFIX}tuf/"), canned);
    }

    /// Somebody else publishes docs 2 with this target, seen from the second reading on.
    fn somebody_publishes(&mut self, name: &'static str, content: &'static str) {
        let before = self.collection.files["timestamp.json"].clone();
        self.collection.docs.push((name, content));
        self.collection.release(2, 365);
        self.serve();
        let after = self.collection.files["timestamp.json"].clone();
        let timestamps = vec![Canned::ok(before), Canned::ok(after)];
        self.server.answer_in_turn(&format!("{PREFIX}tuf/timestamp.json"), timestamps);
    }

    fn stage(&self, name: &str, content: &str) {
        self.stage_in("docs", name, content);
    }

    fn stage_in(&self, role_name: &str, name: &str, content: &str) {
        let change = TargetChange::Set(target(content.as_bytes()));
        let mut staged = self.staged();
        let changes: &mut Changes = staged.roles.entry(role(role_name)).or_default();
        changes.targets.insert(name.to_owned(), change);
        save(&self.directory, &staged).unwrap();
    }

    fn staged(&self) -> Staged {
        load(&self.directory).unwrap()
    }

    fn in_flight(&self) -> Option<InFlight> {
        InFlight::load(&self.directory).unwrap()
    }

    /// A publish as a new process does it.
    async fn publish(&self) -> Result<Option<Delivered>, Failure> {
        self.publish_with(SignArgs::default()).await
    }

    async fn publish_with(&self, sign: SignArgs) -> Result<Option<Delivered>, Failure> {
        let gun = gun();
        Publisher::new(&self.session, &gun, &self.directory, &sign)?.publish().await
    }

    /// The answers to proposals, in turn.
    fn answers_to_proposals(&self, canned: Vec<Canned>) {
        self.server.answer_in_turn(&format!("{PREFIX}proposals"), canned);
    }

    /// The signed files that were sent, as far as they are JSON inside the request.
    fn sent(&self) -> Vec<Envelope<Targets>> {
        let bodies = self.server.sent().into_iter();
        let file = |body: Vec<u8>| {
            let text = String::from_utf8(body).unwrap();
            let start = text.find("{\"signatures\"").unwrap();
            let end = text[start..].find("\r\n").unwrap();
            Envelope::parse(&text.as_bytes()[start..start + end]).unwrap()
        };
        bodies.map(file).collect()
    }
}

fn gun() -> Gun {
    Gun::parse("acme/app").unwrap()
}

fn session(server: &Server, directory: &Path, timeout_seconds: u64) -> Session {
    let options = GlobalOptions {
        server: Some(server.url.to_string()),
        trust_dir: Some(directory.to_owned()),
        timeout: Some(timeout_seconds),
        ..GlobalOptions::default()
    };
    let environment = BTreeMap::from([("NOTARY_PASSPHRASE".into(), "pw".into())]);
    Session::new(&options, &environment, Arc::new(now), false, silent()).unwrap()
}

fn published(version: u64) -> Canned {
    let answer = serde_json::json!({
        "roles": [{"name": "docs", "version": version, "sha256": "", "published": true}],
        "snapshot": version, "timestamp": version, "seq": version,
    });
    Canned::ok(answer.to_string())
}

#[tokio::test]
async fn what_was_published_is_staged_and_in_flight_no_more() {
    let world = World::new().await;
    world.stage("docs/b", "new");
    world.answers(vec![published(2)]);
    let delivered = world.publish().await.unwrap();
    let Some(Delivered::Published(answer)) = delivered else { panic!("{delivered:?}") };
    assert_eq!(answer.roles[0].version.get(), 2);
    let [file] = &world.sent()[..] else { panic!("one request was needed") };
    assert_eq!(file.version().get(), 2);
    assert_eq!(file.signed().targets.get("docs/b"), Some(target(b"new")));
    assert!(file.signed().targets.contains_key("docs/a.txt"), "what was there stays");
    assert!(world.staged().is_empty() && world.in_flight().is_none());
    assert!(world.publish().await.unwrap().is_none(), "nothing is left");
}

#[tokio::test]
async fn an_unknown_outcome_is_settled_with_the_very_same_bytes() {
    let mut world = World::new().await.impatient();
    world.stage("docs/b", "new");
    world.answers(vec![Canned::status("504 Gateway Timeout")]);
    let failure = world.publish().await.unwrap_err();
    assert_eq!(failure.code(), 4);
    assert!(world.in_flight().is_some() && world.staged().len() == 1);
    let first = world.sent()[0].bytes().clone();
    world.stage("docs/c", "later");
    world.answers(vec![published(2), published(3)]);
    // What this server then shows as docs 2 has no docs/b: somebody has replaced it since.
    world.collection.release(2, 365);
    world.serve();
    world.publish().await.unwrap();
    let sent = world.sent();
    let again = &sent[sent.len() - 2];
    assert_eq!(*again.bytes(), first, "the earlier files go first");
    let last = sent.last().unwrap();
    assert!(last.signed().targets.contains_key("docs/c"), "then what was staged since");
    assert!(!last.signed().targets.contains_key("docs/b"), "what was published is not staged");
    assert!(world.staged().is_empty() && world.in_flight().is_none());
}

#[tokio::test]
async fn an_overtaken_publish_is_built_again_on_what_is_there() {
    let mut world = World::new().await;
    world.stage("docs/ours", "ours");
    world.somebody_publishes("docs/theirs", "theirs");
    world.answers(vec![Canned::problem(409, "version_conflict"), published(3)]);
    world.publish().await.unwrap();
    let sent = world.sent();
    assert_eq!((sent[0].version().get(), sent[1].version().get()), (2, 3));
    let targets = &sent[1].signed().targets;
    assert!(targets.contains_key("docs/ours") && targets.contains_key("docs/theirs"));
    assert!(world.staged().is_empty() && world.in_flight().is_none());
}

#[tokio::test]
async fn the_same_target_changed_by_two_is_a_conflict_that_names_it() {
    let mut world = World::new().await;
    world.stage("docs/x", "ours");
    world.somebody_publishes("docs/x", "theirs");
    world.answers(vec![Canned::problem(409, "version_conflict"), published(3)]);
    let failure = world.publish().await.unwrap_err();
    assert!(failure.to_string().contains("docs/x"), "{failure}");
    assert_eq!((failure.code(), world.sent().len(), world.staged().len()), (3, 1, 1));
    assert!(world.in_flight().is_none());
}

#[tokio::test]
async fn a_conflict_is_noticed_across_processes() {
    let mut world = World::new().await.impatient();
    world.stage("docs/x", "ours");
    world.answers(vec![Canned::status("504 Gateway Timeout")]);
    world.publish().await.unwrap_err();
    world.somebody_publishes("docs/x", "theirs");
    let after = world.collection.files["timestamp.json"].clone();
    world.server.answer(&format!("{PREFIX}tuf/timestamp.json"), Canned::ok(after));
    world.answers(vec![Canned::problem(409, "version_conflict"), published(3)]);
    let failure = world.publish().await.unwrap_err();
    assert_eq!((failure.code(), world.staged().len()), (3, 1), "{failure}");
}

#[tokio::test]
async fn a_definite_answer_ends_the_flight_and_another_one_does_not() {
    for (status, code, exit, in_flight, tried_again) in [
        (422, "outside_paths", 1, false, false),
        (403, "forbidden", 1, false, false),
        (413, "too_large", 1, false, false),
        (502, "signer_refused", 1, false, false),
        (409, "collection_deleted", 3, false, false),
        (409, "lost_in_restore", 3, false, false),
        (503, "busy", 4, true, true),
    ] {
        let world = World::new().await.impatient();
        world.stage("docs/b", "new");
        world.answers(vec![Canned::problem(status, code)]);
        let failure = world.publish().await.unwrap_err();
        assert_eq!(failure.code(), exit, "{code}");
        assert_eq!(failure.to_string(), format!("{code} (request r1)"));
        assert_eq!(world.in_flight().is_some(), in_flight, "{code}");
        assert_eq!(world.staged().len(), 1, "{code}: what is staged stays");
        assert_eq!(world.sent().len() > 1, tried_again, "{code}");
    }
}

#[tokio::test]
async fn only_a_listed_key_signs_and_without_one_nothing_is_sent() {
    let world = World::new().await;
    world.stage_in("targets", "app", "x");
    let failure = world.publish().await.unwrap_err();
    let wanted = world.collection.key("targets").keyid;
    assert!(failure.to_string().contains(wanted.as_str()), "{failure}");
    assert_eq!((failure.code(), world.sent().len()), (2, 0));
}

#[tokio::test]
async fn expired_metadata_does_not_block_its_repair() {
    let mut world = World::new().await;
    world.collection.release(2, -1);
    world.serve();
    world.stage("docs/b", "new");
    world.answers(vec![published(3)]);
    world.publish().await.unwrap();
    assert_eq!(world.sent()[0].version().get(), 3);
    assert!(!world.sent()[0].expires().is_past(now()));
    let stored = world.directory.trusted().load(&local_name(&role("docs"))).unwrap();
    assert_eq!(stored.as_ref(), world.collection.files.get("2.docs.json"));
}

#[tokio::test]
async fn a_role_that_was_never_published_starts_with_version_one() {
    let world = World::of(Collection::new(), "team").await;
    world.stage_in("team", "team/x", "new");
    world.answers(vec![published(1)]);
    world.publish().await.unwrap();
    assert_eq!(world.sent()[0].version().get(), 1);
}

#[tokio::test]
async fn a_publish_is_not_carried_elsewhere() {
    let world = World::new().await;
    world.stage("docs/b", "new");
    world.answers(vec![Canned::status("307 Temporary Redirect\r\nlocation: /elsewhere")]);
    let failure = world.publish().await.unwrap_err();
    assert_eq!(failure.code(), 1, "{failure}");
    assert!(!world.server.asked().contains(&"/elsewhere".to_owned()));
}
