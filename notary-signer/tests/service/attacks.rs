//! What a thief of the server's certificate tries, with each place of keys: every attempt is refused
//! by name, leaves nothing behind, and what is right goes on being signed.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use notary_schema::name::{Gun, KeyId};
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};
use notary_schema::wire::{KeyRequest, SignerKey};
use notary_signer::Parts;
use notary_signer::keys::Algorithm;
use notary_signer::pki::{self, Usage};

use crate::access;
use crate::client::{Answer, Client, app, is_connection_error, life};
use crate::commands::{signer, stdout};
use crate::places::{self, PLACE};
use crate::world::{AuditLine, Document, World};
use crate::wrapped;

const DAY: u64 = 24 * 60 * 60;

#[tokio::test]
async fn nothing_is_got_out_of_the_software_store() {
    let mut world = World::new();
    world.config.store.algorithm = Algorithm::EcdsaP256;
    is_withstood_by(world).await;
}

#[tokio::test]
async fn nothing_is_got_out_of_a_wrapped_store() {
    let mut world = World::new();
    wrapped::let_wrap(&mut world, "first");
    world.config.store.algorithm = Algorithm::EcdsaP256;
    is_withstood_by(world).await;
}

#[tokio::test]
async fn nothing_is_got_out_of_a_program() {
    is_withstood_by(places::behind_openssl()).await;
}

#[tokio::test]
async fn nothing_is_got_out_of_a_token() {
    if let Some(world) = places::in_a_token("attacks::nothing_is_got_out_of_a_token") {
        is_withstood_by(world).await;
    }
}

#[tokio::test]
async fn nothing_is_got_out_of_a_cloud() {
    if let Some(world) = places::in_kms("attacks::nothing_is_got_out_of_a_cloud") {
        is_withstood_by(world).await;
    }
}

/// The key of the timestamp is away, and its stand-by signs.
#[tokio::test]
async fn nothing_is_got_out_of_a_standby() {
    let world = places::with_standby(600);
    std::fs::write(world.path(&format!("{PLACE}/refuses")), "key_unusable").unwrap();
    is_withstood_by(world).await;
}

/// Runs every attempt against a signer that has signed snapshot 5 and timestamp 5.
async fn is_withstood_by(mut world: World) {
    world.config.audit.segment_lines = 50_000;
    world.start().await.unwrap();
    let thief = Thief::of(world).await;
    for (attempt, document, code) in thief.documents().await {
        thief.is_refused(attempt, thief.sign(&document), code).await;
    }
    thief.other_roles_collections_and_keys_are_refused().await;
    thief.a_rotated_key_goes_no_lower().await;
    thief.one_content_is_signed_for_a_version().await;
    thief.nobody_else_is_answered().await;
    thief.the_audit_is_whole();
}

struct Thief {
    world: World,
    snapshot_key: KeyId,
    timestamp_key: KeyId,
    standby: Option<KeyId>,
    older: Vec<u8>,
    last: Vec<u8>,
}

/// Something to have signed: what it is, the document, and the code of its refusal.
type Attempt = (&'static str, Document, &'static str);

impl Thief {
    async fn of(world: World) -> Thief {
        let server = world.server();
        let snapshot_key = server.key(Snapshot, false).await.keyid;
        let SignerKey { keyid: timestamp_key, standby, .. } = server.key(Timestamp, false).await;
        let standby = standby.map(|standby| standby.keyid);
        let older = server.sign(&[&snapshot_key], &snapshot(&world, 4)).await.file();
        let last = server.sign(&[&snapshot_key], &snapshot(&world, 5)).await.file();
        let thief = Thief { snapshot_key, timestamp_key, standby, older, last, world };
        thief.sign(&thief.world.timestamp(5, &thief.last)).await.file();
        thief
    }

    async fn documents(&self) -> Vec<Attempt> {
        let world = &self.world;
        let next = snapshot(world, 6);
        let timestamp = |version| world.timestamp(version, &self.last);
        let of = |entries: &[(&str, u64)]| world.snapshot_of(6, entries, DAY);
        let version = |to: &str| next.edited("\"version\":6}", &format!("\"version\":{to}}}"));
        let targets = next.edited("\"_type\":\"snapshot\"", "\"_type\":\"targets\"");
        let root = next.edited("\"_type\":\"snapshot\"", "\"_type\":\"root\"");
        let digest = format!("\"{}\"", "ab".repeat(32));
        let digest = Document { role: Snapshot, signed: digest };
        let foreign = world.timestamp(6, &self.snapshot_of_another_collection().await);
        let too_late = world.timestamp_of(6, &self.last, 3 * DAY + 1);
        let other_bytes = world.timestamp_of(5, &self.last, 60);
        vec![
            ("targets", targets, "wrong_document"),
            ("root", root, "wrong_document"),
            ("a bare digest", digest, "wrong_document"),
            ("another collection's snapshot in the timestamp", foreign, "other_snapshot"),
            ("an older snapshot", world.timestamp(6, &self.older), "other_snapshot"),
            ("a lower timestamp", timestamp(4), "would_lower"),
            ("a lower snapshot", snapshot(world, 4), "would_lower"),
            ("timestamp 5 with other bytes", other_bytes, "version_used"),
            ("snapshot 5 with other bytes", world.snapshot_of(5, &ROLES, DAY), "version_used"),
            ("a timestamp too far ahead", timestamp(5 + 65), "version_jump"),
            ("a snapshot too far ahead", snapshot(world, 5 + 65), "version_jump"),
            ("the highest version", version("9007199254740991"), "version_jump"),
            ("2^53", version("9007199254740992"), "wrong_document"),
            ("a snapshot that lives too long", world.snapshot_of(6, &ROLES, 15 * DAY + 1), LATE),
            ("a timestamp that lives too long", too_late, LATE),
            ("a role that is dropped", of(&[("targets", 5)]), "would_lower"),
            ("a role that is lowered", of(&[("docs", 2), ("targets", 5)]), "would_lower"),
            ("a role that jumps", of(&[("docs", 3 + 65), ("targets", 5)]), "version_jump"),
        ]
    }

    /// Signed for its own collection, which the server may ask for.
    async fn snapshot_of_another_collection(&self) -> Vec<u8> {
        let (collection, incarnation) = (other(), life(1));
        let request = KeyRequest {
            collection: collection.clone(),
            incarnation: incarnation.clone(),
            role: Snapshot,
            rotate: false,
            except: vec![],
        };
        let key: SignerKey = self.world.server().key_for(&request).await.json();
        let document = snapshot(&self.world, 1);
        let server = self.world.server();
        server.sign_for(&collection, &incarnation, &[&key.keyid], &document).await.file()
    }

    async fn other_roles_collections_and_keys_are_refused(&self) {
        let server = self.world.server();
        let good = self.world.timestamp(6, &self.last);
        let elsewhere = "for another collection or life";
        for (collection, incarnation) in [(other(), life(1)), (app(), life(2))] {
            let ask = async |key, document| {
                server.sign_for(&collection, &incarnation, &[key], document).await
            };
            let asked = ask(&self.timestamp_key, &good);
            self.is_refused(elsewhere, asked, "other_snapshot").await;
            let second = snapshot(&self.world, 2);
            let asked = ask(&self.snapshot_key, &second);
            self.is_refused(elsewhere, asked, "unknown_key").await;
        }
        let asked = async || server.sign(&[&self.snapshot_key], &good).await;
        self.is_refused("the key of another role", asked(), "unknown_key").await;
        let post = async |path: &str, body: String| server.post(path, body).await.unwrap();
        let role = |role: &str| {
            let (gun, life) = (app(), life(1));
            let key = self.standby.as_ref().unwrap_or(&self.timestamp_key);
            let signed = &good.signed;
            format!(
                r#"{{"collection":"{gun}","incarnation":"{life}","role":"{role}","keyids":["{key}"],"signed":{signed}}}"#
            )
        };
        for asked in ["root", "targets", "docs"] {
            self.is_refused(asked, post("/v1/sign", role(asked)), "malformed").await;
        }
        let retire = format!("/v1/keys/{}/retire", self.timestamp_key);
        self.is_refused("to retire a key", post(&retire, "{}".to_owned()), "forbidden").await;
        post("/v1/sign", role("timestamp")).await.file();
    }

    async fn a_rotated_key_goes_no_lower(&self) {
        let (world, server) = (&self.world, self.world.server());
        let rotated = server.key(Snapshot, true).await.keyid;
        assert_ne!(rotated, self.snapshot_key);
        for (version, code) in [(4, "would_lower"), (5 + 65, "version_jump")] {
            let document = snapshot(world, version);
            let asked = async || server.sign(&[&rotated], &document).await;
            self.is_refused("a rotated key", asked(), code).await;
        }
        server.sign(&[&rotated], &snapshot(world, 6)).await.file();
    }

    /// Two signatures of one ECDSA key over the same bytes differ, so an equal file is the stored one.
    async fn one_content_is_signed_for_a_version(&self) {
        let world = &self.world;
        for version in 7..12 {
            let one = snapshot(world, version);
            let two = world.snapshot_of(version, &ROLES, DAY + version);
            let (first, second) = tokio::join!(self.sign(&one), self.sign(&two));
            let first_won = first.status == 200;
            let (won, lost) = if first_won { (first, second) } else { (second, first) };
            assert_eq!(lost.refusal(), "version_used");
            let memory = world.server().memory().await.snapshot.unwrap();
            assert_eq!(memory.file.into_bytes(), won.file(), "the other one is remembered");
            let again = self.sign(if first_won { &one } else { &two }).await;
            assert_eq!(again.file(), won.file(), "it was signed again");
        }
    }

    async fn sign(&self, document: &Document) -> Answer {
        let keys: Vec<&KeyId> = match document.role {
            Snapshot => vec![&self.snapshot_key],
            Timestamp => [&self.timestamp_key].into_iter().chain(&self.standby).collect(),
        };
        self.world.server().sign(&keys, document).await
    }

    /// Without a certificate, or with one of another authority, one that has expired, one that was
    /// revoked.
    async fn nobody_else_is_answered(&self) {
        let world = &self.world;
        let now = (Parts::system().clock)();
        let (pki, others) = (world.path("pki"), world.path("others"));
        let client = Usage { server: None, client: true };
        pki::init(&others, now).unwrap();
        pki::issue(&others, "thief", &client, now).unwrap();
        pki::issue(&pki, "expired", &client, now - TimeDelta::days(20 * 365)).unwrap();
        let of = |identity: Option<PathBuf>| {
            let files =
                identity.map(|path| (path.with_extension("pem"), path.with_extension("key")));
            Client::new(world.address(), &pki.join("ca.pem"), files)
        };
        let is_answered = async |client: &Client| match client.get("/v1/policy").await {
            Ok(answer) => answer.status == 200,
            Err(error) => {
                assert!(is_connection_error(&error), "{error:?}");
                false
            }
        };
        let connected = of(Some(pki.join("other")));
        assert!(is_answered(&connected).await);
        for (identity, outcome) in [
            (None, "no_certificate"),
            (Some(others.join("thief")), "unknown_authority"),
            (Some(pki.join("expired")), "certificate_expired"),
        ] {
            assert!(!is_answered(&of(identity)).await, "{outcome}");
            access::noted(world, outcome).await;
        }
        assert!(pki::revoke(&pki, "other", now).unwrap());
        let refused = async {
            while is_answered(&connected).await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), refused).await.expect("it is revoked");
        assert!(!is_answered(&of(Some(pki.join("other")))).await);
        let line = world.audit().into_iter().find(|line| line.outcome == "certificate_refused");
        assert_eq!(line.unwrap().who, "CN=other, DNS:other");
        assert!(is_answered(world.server()).await);
    }

    fn the_audit_is_whole(&self) {
        let verify = ["audit", "verify", "--config", "signer.toml"];
        stdout(&signer(&self.world.path(""), &verify));
    }

    /// Refused with this code, which the audit has once more, under the name of who asked; and the
    /// signer remembers what it did before the attempt.
    async fn is_refused(&self, attempt: &str, asked: impl Future<Output = Answer>, code: &str) {
        let (memory, audit) = (self.memory().await, self.asked());
        let answer = asked.await;
        assert!(answer.status >= 400, "{attempt} was signed");
        assert_eq!(answer.refusal(), code, "{attempt}");
        assert!(self.memory().await == memory, "{attempt} has changed the memory");
        let [line] = &self.asked()[audit.len()..] else { panic!("{attempt} is not in the audit") };
        assert_eq!((line.outcome.as_str(), line.who.as_str()), (code, SERVER), "{attempt}");
    }

    /// The last snapshot and the last timestamp, to the byte.
    async fn memory(&self) -> [Vec<u8>; 2] {
        let memory = self.world.server().memory().await;
        [memory.snapshot, memory.timestamp].map(|last| last.unwrap().file.into_bytes())
    }

    /// What the audit has about everything but looks at the memory.
    fn asked(&self) -> Vec<AuditLine> {
        let asked = |line: &AuditLine| line.action.starts_with("POST ");
        self.world.audit().into_iter().filter(asked).collect()
    }
}

const SERVER: &str = "CN=server, DNS:server";
const LATE: &str = "expires_too_late";
const ROLES: [(&str, u64); 2] = [("docs", 3), ("targets", 5)];

fn snapshot(world: &World, version: u64) -> Document {
    world.snapshot_of(version, &ROLES, 7 * DAY)
}

fn other() -> Gun {
    Gun::parse("acme/other").unwrap()
}
