//! Whatever a signer, or the way to it, can do to a publish: the answer says which, reads go on,
//! nothing is half published, and once the signer is well the same request succeeds.

use std::time::Duration;

use chrono::TimeDelta;
use notary_tests::agent::{Agent, Fetched};
use notary_tests::publisher::Publisher;
use notary_tests::world::{Answer, Between, Meddling, World, wait_for};
use serde_json::{Value, json};

use crate::release::Release;

/// Seconds that the server waits for an answer.
const TIMEOUT: i64 = 3;
/// Above what the server reads of one answer.
const TOO_LONG: u64 = (64 << 20) + 1;

/// How a signer misbehaves.
enum Trouble {
    /// It does not listen.
    Down,
    /// It shows the certificate of this name, and asks for clients of this CA.
    Certificate(&'static str, &'static str),
    /// It listens, and answers like this.
    Answers(Meddling),
}

/// What a publisher hears: status, `code`, and the signer's own word where there is one.
type Heard = (u16, &'static str, Option<&'static str>);

struct Stage {
    world: World,
    between: Between,
    publisher: Publisher,
    agent: Agent,
    other: Publisher,
}

impl Stage {
    fn set() -> Stage {
        let mut world = World::start();
        let between = world.between(TIMEOUT);
        let publisher = Publisher::create(&world, "acme/app", &["docs", "code"]);
        let other = Publisher::create(&world, "acme/other", &["docs"]);
        let agent = Agent::pinned(&publisher.root());
        Stage { world, between, publisher, agent, other }
    }

    fn begin(&mut self, trouble: &Trouble) {
        match trouble {
            Trouble::Down => self.between.stop(),
            Trouble::Certificate(own, clients) => self.between.listen(own, clients),
            Trouble::Answers(meddling) => self.between.meddle(meddling.clone()),
        }
    }

    fn heal(&mut self) {
        self.between.meddle(Meddling::None);
        // No connection from before stays open.
        self.between.listen("signer", "ca");
    }

    /// A client that has seen all that was served before looks up a target of docs.
    fn look_up(&mut self, name: &str) -> bool {
        let http = self.world.http(None);
        let fetch = |file: &str| {
            let answer = http.get(&format!("/v2/acme/app/_trust/tuf/{file}"));
            match answer.status {
                200 => Fetched::File(answer.body),
                404 => Fetched::NotFound,
                other => Fetched::Failed(other.to_string()),
            }
        };
        let found = self.agent.find(name, self.world.clock.now(), fetch);
        found.expect("reads go on").is_some()
    }

    /// Sends the same file until it is published.
    fn published_at_last(&mut self, role: &str, file: Vec<u8>) {
        let answer = wait_for("the signer to be found well", || {
            let answer = self.publisher.try_send(role, &file).expect("the server answers");
            match answer.status {
                503 => {
                    let seconds = retry_after(&answer).expect("what may pass says when");
                    self.world.clock.advance(TimeDelta::seconds(seconds));
                    None
                }
                _ => Some(answer),
            }
        });
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(self.publisher.is_served(role, &file));
        self.publisher.acknowledged(role, file);
    }

    fn suffer(&mut self, name: &str, trouble: &Trouble, expected: &Heard) {
        let (status, code, word) = *expected;
        let before = self.timestamp();
        self.begin(trouble);
        let file = self.publisher.next("docs", self.world.clock.now());
        let answer = self.publisher.try_send("docs", &file).expect("the server answers");
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{name}: {answer:?}");
        assert_eq!(answer.json()["signer_code"].as_str(), word, "{name}: {answer:?}");
        assert_eq!(retry_after(&answer).is_some(), status == 503, "{name}: {answer:?}");

        assert!(!self.publisher.is_served("docs", &file), "{name}: it is half published");
        assert_eq!(self.timestamp(), before, "{name}: it is half published");
        assert!(self.look_up("docs/2"), "{name}");
        let ready = self.world.http(None).get("/readyz");
        let unfinished = ready.json()["unfinished_releases"].clone();
        match status {
            503 => assert_eq!(unfinished[0]["gun"], "acme/app", "{name}: {unfinished}"),
            _ => assert_eq!(unfinished, json!([]), "{name}"),
        }
        if let Some(word) = word.filter(|_| status == 503) {
            assert_eq!(unfinished[0]["code"], word, "{name}: {unfinished}");
        }

        self.heal();
        self.published_at_last("docs", file);
        let code = self.publisher.next("code", self.world.clock.now());
        self.published_at_last("code", code);
    }

    fn timestamp(&self) -> Vec<u8> {
        self.world.http(None).get("/v2/acme/app/_trust/tuf/timestamp.json").body
    }

    /// Nothing is left undone, and what is served can be refreshed.
    fn end(mut self) {
        let version = |timestamp: Vec<u8>| {
            let timestamp: Value = serde_json::from_slice(&timestamp).expect("metadata");
            timestamp["signed"]["version"].as_u64().expect("a version")
        };
        let before = version(self.timestamp());
        self.world.clock.advance(TimeDelta::hours(13));
        wait_for("a refresh", || (version(self.timestamp()) > before).then_some(()));
        assert!(self.look_up("docs/2"));
        let http = self.world.http(None);
        let done =
            || (http.get("/readyz").json()["unfinished_releases"] == json!([])).then_some(());
        wait_for("the last release", done);
        self.other.publish_next("docs", self.world.clock.now());
    }
}

fn retry_after(answer: &Answer) -> Option<i64> {
    answer.header("retry-after").map(|seconds| seconds.parse().expect("seconds"))
}

fn suffer_all(rows: Vec<(&str, Trouble, Heard)>) {
    let mut stage = Stage::set();
    let first = stage.publisher.next("docs", stage.world.clock.now());
    stage.published_at_last("docs", first);
    for (name, trouble, heard) in &rows {
        stage.suffer(name, trouble, heard);
    }
    stage.end();
}

fn instead(status: u16, kind: &'static str, body: &str) -> Trouble {
    Trouble::Answers(Meddling::Instead { status, kind, body: body.into() })
}

#[test]
fn a_signer_that_is_not_there_or_late_is_told_from_a_strange_one() {
    suffer_all(vec![
        ("down", Trouble::Down, (503, "signer_unreachable", None)),
        ("cut off", Trouble::Answers(Meddling::CutOff), (503, "signer_unreachable", None)),
        ("silent", Trouble::Answers(Meddling::Silent), (503, "signer_timeout", None)),
        (
            "too late",
            Trouble::Answers(Meddling::Late(Duration::from_secs(2 * TIMEOUT as u64))),
            (503, "signer_timeout", None),
        ),
    ]);
}

#[test]
fn a_signer_that_is_just_in_time_is_waited_for() {
    let mut stage = Stage::set();
    stage.begin(&Trouble::Answers(Meddling::Late(Duration::from_millis(500))));
    stage.publisher.publish_next("docs", stage.world.clock.now());
    stage.end();
}

#[test]
fn certificates_that_do_not_fit_are_named() {
    const WRONG: Heard = (503, "signer_certificate", None);
    let mut stage = Stage::set();
    stage.world.other_ca("other");
    stage.world.issue("other", "signer", "127.0.0.1", TimeDelta::zero());
    stage.world.issue("pki", "elsewhere", "signer.example", TimeDelta::zero());
    stage.world.issue("pki", "expired", "127.0.0.1", TimeDelta::days(3650));
    let pki = stage.world.directory().join("pki");
    for kind in ["pem", "key"] {
        let other = stage.world.directory().join(format!("other/signer.{kind}"));
        std::fs::copy(other, pki.join(format!("stranger.{kind}"))).unwrap();
    }
    std::fs::copy(stage.world.directory().join("other/ca.pem"), pki.join("other.pem")).unwrap();
    let first = stage.publisher.next("docs", stage.world.clock.now());
    stage.published_at_last("docs", first);
    for (name, trouble) in [
        ("of another CA", Trouble::Certificate("stranger", "ca")),
        ("of another host", Trouble::Certificate("elsewhere", "ca")),
        ("expired", Trouble::Certificate("expired", "ca")),
        ("the server's own is not accepted", Trouble::Certificate("signer", "other")),
    ] {
        stage.suffer(name, &trouble, &WRONG);
    }
    stage.end();
}

#[test]
fn an_answer_that_is_none_is_never_used() {
    const STRANGE: Heard = (503, "signer_wrong_answer", None);
    const WAITS: Heard = (503, "release_waits", Some("signer_wrong_answer"));
    const FAILED: Heard = (503, "signer_failed", None);
    let problem = json!({
        "status": 422, "code": "would_lower", "title": "Refused", "detail": "", "request_id": "0",
        "recorded": false,
    });
    let unsure = json!({
        "status": 403, "code": "x", "title": "Forbidden", "detail": "", "request_id": "0",
    });
    let (problem, unsure) = (problem.to_string(), unsure.to_string());
    const PROBLEM: &str = "application/problem+json";
    suffer_all(vec![
        ("garbage", instead(200, "application/json", "\u{0}garbage"), STRANGE),
        ("an empty body", instead(200, "application/json", ""), STRANGE),
        ("a problem as success", instead(200, PROBLEM, &problem), STRANGE),
        ("a redirect", Trouble::Answers(Meddling::Redirect), STRANGE),
        ("a page of a proxy", instead(404, "text/html", "<html>"), STRANGE),
        ("a refusal that may have been recorded", instead(403, PROBLEM, &unsure), STRANGE),
        ("too long", Trouble::Answers(Meddling::Length(TOO_LONG)), STRANGE),
        ("a failure", instead(500, "text/plain", "oops"), FAILED),
        ("busy", instead(503, PROBLEM, &unsure), FAILED),
        ("another collection's file", Trouble::Answers(Meddling::OtherCollection), WAITS),
        ("another version", Trouble::Answers(Meddling::Changed(next_version)), WAITS),
        ("a broken signature", Trouble::Answers(Meddling::Changed(break_signature)), WAITS),
        ("no signature", Trouble::Answers(Meddling::Changed(drop_signatures)), WAITS),
    ]);
}

fn next_version(file: &mut Value) {
    let version = file["signed"]["version"].as_u64().expect("a version");
    file["signed"]["version"] = (version + 1).into();
}

fn break_signature(file: &mut Value) {
    let signature = file["signatures"][0]["sig"].as_str().expect("a signature");
    let first = if signature.starts_with('0') { "1" } else { "0" };
    file["signatures"][0]["sig"] = format!("{first}{}", &signature[1..]).into();
}

fn drop_signatures(file: &mut Value) {
    file["signatures"] = json!([]);
}

#[test]
fn a_refusal_ends_a_publish_unless_a_new_plan_may_be_signed() {
    let refused = |code| Trouble::Answers(Meddling::Refused(code));
    let mut rows = Vec::new();
    for code in [
        "wrong_document",
        "expires_too_late",
        "hashes_dropped",
        "version_jump",
        "too_many_keys",
        "malformed",
        "too_large",
        "not_found",
        "method_not_allowed",
    ] {
        rows.push((code, refused(code), (502, "signer_refused", Some(code))));
    }
    for code in
        ["expired", "version_used", "would_lower", "other_snapshot", "unknown_key", "retired_key"]
    {
        rows.push((code, refused(code), (503, "release_waits", Some(code))));
    }
    suffer_all(rows);
}

/// Version of docs that is served.
fn docs_version(release: &Release) -> u64 {
    let docs = release.world.http(None).get("/v2/acme/app/_trust/tuf/docs.json").json();
    docs["signed"]["version"].as_u64().expect("a version")
}

#[test]
fn the_command_line_keeps_what_the_signer_does_not_let_it_publish() {
    let mut release = Release::publish();
    let mut between = release.world.between(TIMEOUT);
    let agent = release.agent("agent");
    let before = docs_version(&release);
    for (name, exit, words) in [
        ("away.txt", 4, "the signer is not reached"),
        ("refused.txt", 1, "as the test wants it"),
        ("later.txt", 4, "signer is not reached"),
    ] {
        release.team.file(name, name);
        release.team.notary(&format!("add acme/app docs/{name} {name}")).done();
        match exit {
            4 => between.stop(),
            _ => between.meddle(Meddling::Refused("version_jump")),
        }
        let said = release.team.notary("publish acme/app --timeout 2").exits(exit);
        assert!(said.contains(words), "{said}");
        let staged = release.team.notary("status acme/app");
        assert!(staged.stdout().contains(name), "{staged}");
        let _ = staged.exits(7);
        agent.notary(&format!("lookup acme/app docs/{name}")).exits(5);

        between.meddle(Meddling::None);
        between.listen("signer", "ca");
        release.team.notary("publish acme/app").done();
        release.team.notary("status acme/app").done();
        agent.notary(&format!("lookup acme/app docs/{name}")).done();
    }
    assert_eq!(docs_version(&release), before + 3, "nothing was published twice");
}
