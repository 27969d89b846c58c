//! Every refusal beside what is allowed next to it.

use notary_schema::name::KeyId;
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};

use reqwest::Method;
use serde_json::json;

use crate::client::Answer;
use crate::world::{Document, World};

const DAY: u64 = 24 * 60 * 60;

/// A signer that has signed snapshot 5, which lists targets 5, and timestamp 5.
struct Signed {
    world: World,
    snapshot_key: KeyId,
    timestamp_key: KeyId,
    snapshot: Vec<u8>,
}

impl Signed {
    async fn new() -> Signed {
        let world = World::started().await;
        let server = world.server();
        let snapshot_key = server.key(Snapshot, false).await.keyid;
        let timestamp_key = server.key(Timestamp, false).await.keyid;
        let snapshot = server.sign(&[&snapshot_key], &world.snapshot(5, 5)).await.file();
        let timestamp = world.timestamp(5, &snapshot);
        server.sign(&[&timestamp_key], &timestamp).await.file();
        Signed { snapshot_key, timestamp_key, snapshot, world }
    }

    async fn sign(&self, document: &Document) -> Answer {
        let key = match document.role {
            Snapshot => &self.snapshot_key,
            Timestamp => &self.timestamp_key,
        };
        self.world.server().sign(&[key], document).await
    }

    async fn assert_refused(&self, document: &Document, status: u16, code: &str) {
        let before = self.world.server().memory().await;
        let answer = self.sign(document).await;
        assert_eq!((answer.status, answer.refusal().as_str()), (status, code));
        let after = self.world.server().memory().await;
        assert_eq!(after.snapshot.unwrap().sha256, before.snapshot.unwrap().sha256);
        assert_eq!(after.timestamp.unwrap().sha256, before.timestamp.unwrap().sha256);
        let line = self.world.audit().into_iter().rfind(|line| line.action == "POST /v1/sign");
        assert_eq!(line.unwrap().outcome, code);
    }
}

#[tokio::test]
async fn only_the_canonical_document_of_the_role_is_signed() {
    let signed = Signed::new().await;
    let good = signed.world.snapshot(6, 5);
    for (from, to) in [
        ("{\"_type\"", "{ \"_type\""),
        ("\"snapshot\"", "\"targets\""),
        ("\"version\":6}", "\"version\":6,\"x\":1}"),
        ("\"version\":6}", "\"version\":6,\"version\":6}"),
        ("\"version\":6}", "\"version\":6.0}"),
        ("\"version\":6}", "\"version\":0}"),
    ] {
        signed.assert_refused(&good.edited(from, to), 422, "wrong_document").await;
    }
    let timestamp = signed.world.timestamp(6, &signed.snapshot);
    let disguised = Document { role: Snapshot, signed: timestamp.signed };
    signed.assert_refused(&disguised, 422, "wrong_document").await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for other in ["null", "[]", "1", "{}", &deep] {
        let document = Document { role: Timestamp, signed: other.to_owned() };
        signed.assert_refused(&document, 422, "wrong_document").await;
    }
    signed.sign(&good).await.file();
}

#[tokio::test]
async fn an_expiry_is_in_the_future_and_within_the_policy() {
    let signed = Signed::new().await;
    let world = &signed.world;
    for (life, code) in [(0, "expired"), (15 * DAY + 1, "expires_too_late")] {
        let snapshot = world.snapshot_of(6, &[("targets", 5)], life);
        signed.assert_refused(&snapshot, 422, code).await;
    }
    for (life, code) in [(0, "expired"), (3 * DAY + 1, "expires_too_late")] {
        let timestamp = world.timestamp_of(6, &signed.snapshot, life);
        signed.assert_refused(&timestamp, 422, code).await;
    }
    signed.sign(&world.timestamp_of(6, &signed.snapshot, 1)).await.file();
    signed.sign(&world.timestamp_of(7, &signed.snapshot, 3 * DAY)).await.file();
    signed.sign(&world.snapshot_of(6, &[("targets", 5)], 1)).await.file();
    signed.sign(&world.snapshot_of(7, &[("targets", 5)], 15 * DAY)).await.file();
}

#[tokio::test]
async fn a_version_has_one_content() {
    let signed = Signed::new().await;
    signed.assert_refused(&signed.world.snapshot(5, 6), 409, "version_used").await;
    let timestamp = signed.world.timestamp_of(5, &signed.snapshot, 60);
    signed.assert_refused(&timestamp, 409, "version_used").await;
    signed.sign(&signed.world.snapshot(5, 5)).await.file();
    signed.sign(&signed.world.snapshot(6, 6)).await.file();
}

#[tokio::test]
async fn nothing_goes_back() {
    let signed = Signed::new().await;
    let world = &signed.world;
    signed.assert_refused(&world.snapshot(4, 5), 409, "would_lower").await;
    signed.assert_refused(&world.snapshot(6, 4), 409, "would_lower").await;
    let without = world.snapshot_of(6, &[("docs", 1)], DAY);
    signed.assert_refused(&without, 409, "would_lower").await;
    let timestamp = world.timestamp(4, &signed.snapshot);
    signed.assert_refused(&timestamp, 409, "would_lower").await;
    signed.sign(&world.snapshot_of(6, &[("docs", 1), ("targets", 5)], DAY)).await.file();
}

#[tokio::test]
async fn no_version_runs_ahead_by_more_than_the_largest_step() {
    let signed = Signed::new().await;
    let world = &signed.world;
    signed.assert_refused(&world.snapshot(5 + 65, 5), 409, "version_jump").await;
    signed.assert_refused(&world.snapshot(6, 5 + 65), 409, "version_jump").await;
    let new_entry = world.snapshot_of(6, &[("docs", 65), ("targets", 5)], DAY);
    signed.assert_refused(&new_entry, 409, "version_jump").await;
    let timestamp = world.timestamp(5 + 65, &signed.snapshot);
    signed.assert_refused(&timestamp, 409, "version_jump").await;
    signed.sign(&world.timestamp(5 + 64, &signed.snapshot)).await.file();
    let furthest = [("docs", 64), ("targets", 5 + 64)];
    signed.sign(&world.snapshot_of(5 + 64, &furthest, DAY)).await.file();
}

#[tokio::test]
async fn a_timestamp_names_the_last_snapshot_that_was_signed() {
    let signed = Signed::new().await;
    let world = &signed.world;
    let last = signed.sign(&world.snapshot(6, 6)).await.file();
    let stale = world.timestamp(6, &signed.snapshot);
    signed.assert_refused(&stale, 409, "other_snapshot").await;
    let named = world.timestamp(6, &last);
    let length = format!("\"length\":{}", last.len());
    let other_length = named.edited(&length, &format!("\"length\":{}", last.len() + 1));
    signed.assert_refused(&other_length, 409, "other_snapshot").await;
    signed.sign(&named).await.file();
}

#[tokio::test]
async fn a_timestamp_without_a_snapshot_is_refused() {
    let signed = Signed::new().await;
    let world = World::started().await;
    let key = world.server().key(Timestamp, false).await.keyid;
    let timestamp = world.timestamp(1, &signed.snapshot);
    let refused = world.server().sign(&[&key], &timestamp).await;
    assert_eq!(refused.refusal(), "other_snapshot");
}

#[tokio::test]
async fn one_to_eight_different_keys_sign() {
    let signed = Signed::new().await;
    let server = signed.world.server();
    let document = signed.world.snapshot(6, 5);
    let key = &signed.snapshot_key;
    let unknown: Vec<KeyId> =
        (0..=8).map(|number| KeyId::parse(&format!("{number:064}")).unwrap()).collect();
    let unknown: Vec<&KeyId> = unknown.iter().collect();
    for keys in [&[][..], &unknown, &[key, key]] {
        let refused = server.sign(keys, &document).await;
        assert_eq!((refused.status, refused.refusal().as_str()), (400, "malformed"));
    }
    for keys in [&unknown[1..], &[key, unknown[0]]] {
        assert_eq!(server.sign(keys, &document).await.refusal(), "unknown_key");
    }
    server.sign(&[key], &document).await.file();
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_the_form_of_every_other_refusal() {
    let mut world = World::new();
    world.config.limits.body_bytes = 1000;
    world.start().await.unwrap();
    let server = world.server();
    let key = server.key(Snapshot, false).await;
    // As the members of a body stand in their order; the object of the same is fine.
    let members = json!([key.collection, key.incarnation, key.role, false, []]);
    let object = json!({
        "collection": members[0], "incarnation": members[1], "role": members[2],
        "rotate": members[3], "except": members[4],
    });
    for (body, status, code) in [
        (vec![], 400, "malformed"),
        (format!(" {members}").into_bytes(), 400, "malformed"),
        (b"{".to_vec(), 400, "malformed"),
        (b"{\"collection\":\"../x\"}".to_vec(), 400, "malformed"),
        (vec![b'['; 1000], 400, "malformed"),
        (vec![b'['; 1001], 413, "too_large"),
    ] {
        for path in ["/v1/sign", "/v1/keys"] {
            let answer = server.post(path, body.clone()).await.unwrap();
            assert_eq!((answer.status, answer.refusal().as_str()), (status, code), "{path}");
        }
    }
    for (path, status, code) in [
        ("/v1/keys", 400, "malformed"),
        ("/v1/keys?collection=A&incarnation=1", 400, "malformed"),
        ("/v1/memory?collection=a", 400, "malformed"),
        ("/v1/sign", 405, "method_not_allowed"),
        ("/v1/retire", 404, "not_found"),
        ("/v1/keys/abc/retire", 405, "method_not_allowed"),
        ("/", 404, "not_found"),
    ] {
        let answer = server.get(path).await.unwrap();
        assert_eq!((answer.status, answer.refusal().as_str()), (status, code), "{path}");
    }
    let refused = world.audit().into_iter().filter(|line| line.outcome != "created").count();
    assert_eq!(refused, 12 + 7, "every refused request has its line");
    let answer = server.post("/v1/keys", object.to_string().into_bytes()).await.unwrap();
    assert_eq!(answer.status, 200);
    server.sign(&[&key.keyid], &world.snapshot(1, 1)).await.file();
}

#[tokio::test]
async fn what_a_request_says_beside_its_body_is_refused_unless_it_means_what_is_done() {
    let world = World::started().await;
    let server = world.server();
    let key = server.key(Snapshot, false).await;
    server.sign(&[&key.keyid], &world.snapshot(1, 1)).await.file();
    let wanted = json!({
        "collection": key.collection, "incarnation": key.incarnation, "role": key.role,
    });
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        server.post_with(path, headers, wanted.to_string()).await.unwrap()
    };
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/jsonp"),
        ("content-encoding", "gzip"),
    ] {
        let refused = ask("/v1/keys", &[(name, value)]).await;
        assert_eq!((refused.status, refused.refusal().as_str()), (400, "malformed"), "{value}");
    }
    let retire = format!("/v1/keys/{}/retire?x", key.keyid);
    for path in ["/v1/keys?rotate=true", "/v1/sign?x=1", &retire] {
        let refused = ask(path, &[]).await;
        assert_eq!((refused.status, refused.refusal().as_str()), (400, "malformed"), "{path}");
    }
    assert_eq!(server.get("/v1/policy?x").await.unwrap().refusal(), "malformed");
    let kinds = ["application/json", "Application/JSON; charset=utf-8"];
    for headers in [&[][..], &[("content-type", kinds[0])], &[("content-type", kinds[1])]] {
        assert_eq!(ask("/v1/keys", headers).await.status, 200, "{headers:?}");
    }
}

/// It would take the room of the longest one until its time is over.
#[tokio::test]
async fn a_body_that_is_said_to_be_too_long_is_not_waited_for() {
    let mut world = World::new();
    world.config.limits.body_bytes = 1000;
    world.start().await.unwrap();
    let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let body = reqwest::Body::wrap_stream(never);
    let asked = world.server().post_with("/v1/sign", &[("content-length", "1001")], body).await;
    assert_eq!(asked.unwrap().refusal(), "too_large");
}

#[tokio::test]
async fn other_methods_are_told_which_ones_a_path_takes() {
    let world = World::started().await;
    let server = world.server();
    for (path, allowed) in [
        ("/healthz", "GET"),
        ("/v1/keys", "GET, POST"),
        ("/v1/memory", "GET"),
        ("/v1/policy", "GET"),
        ("/v1/sign", "POST"),
    ] {
        let answer = server.request(Method::TRACE, path).await.unwrap();
        assert_eq!((answer.status, answer.refusal().as_str()), (405, "method_not_allowed"));
        let mut methods: Vec<_> = answer.header("allow").split(", ").collect();
        methods.sort_unstable();
        assert_eq!(methods.join(", "), allowed, "{path}");
    }
}

#[tokio::test]
async fn what_a_caller_has_sent_stays_in_one_line_of_a_refusal_and_ends() {
    let world = World::started().await;
    let server = world.server();
    let answer = server.post("/v1/keys/%0Aevil%1B/retire", "{}").await.unwrap();
    let detail = answer.problem().detail;
    assert!(detail.contains("no key \\nevil\\u{1b}"), "{detail:?}");
    let answer = server.get(&format!("/v1/keys?{}", "x".repeat(20_000))).await.unwrap();
    assert!(answer.problem().detail.len() < 1_200, "{}", answer.problem().detail.len());
}
