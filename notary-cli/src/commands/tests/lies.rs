//! What a server or a repository says reaches the terminal as text on one line, whatever is in it.

use serde_json::{Value, json};

use super::*;

/// Clears a screen in two ways, reorders what is read, and looks like a line of ours.
const EVIL: &str = "a\u{1b}[2J\u{9b}2J\u{202e}\r\nerror: forged";

#[track_caller]
fn is_harmless(run: &Run) {
    for text in [&run.stdout, &run.stderr] {
        let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!text.contains(steers), "{text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("error: forged")), "{text}");
    }
}

fn evil_problem(status: u16) -> Canned {
    let body = json!({
        "status": status, "code": EVIL, "title": EVIL, "detail": EVIL, "request_id": EVIL,
    });
    Canned { body: body.to_string().into_bytes(), ..Canned::problem(status, "x") }
}

fn evil_info(collection: &Collection) -> Canned {
    let mut info: Value = serde_json::from_slice(&collection.info()).unwrap();
    let id = collection.key("docs").keyid;
    info["roles"][0]["paths"] = json!([EVIL]);
    info["bins"] = json!([{
        "name_prefix": EVIL, "bit_length": 1, "count": 2, "delegated_by": "targets", "keyids": [id], "threshold": 1,
        "expires": "2020-01-01T00:00:00Z", "expired": true,
    }]);
    Canned::ok(info.to_string())
}

/// The list of proposals, in which one is open, and that one.
fn evil_proposal() -> [Canned; 2] {
    let time = "2030-01-01T00:00:00Z";
    let mut proposal = json!({
        "id": "1", "state": "open", "reason": EVIL, "created_at": time, "created_by": EVIL,
        "lapses_at": time, "roles": [], "files": [], "demands": [],
    });
    let list = json!({ "items": [proposal] });
    proposal["id"] = json!(EVIL);
    [list, proposal].map(|body| Canned::ok(body.to_string()))
}

fn evil_event() -> Canned {
    let event = json!({
        "seq": 1, "at": "2030-01-01T00:00:00Z", "collection": "acme/app", "kind": "refresh",
        "roles": [], "by": EVIL,
    });
    Canned::ok(json!({ "items": [event] }).to_string())
}

fn evil_token() -> Canned {
    let token = json!({
        "id": EVIL, "grant": "publish", "collections": EVIL, "roles": [EVIL], "created_by": EVIL,
        "created_at": "2030-01-01T00:00:00Z",
    });
    Canned::ok(token.to_string())
}

#[test]
fn nothing_that_a_server_says_steers_the_terminal_or_forges_a_line() {
    let mut collection = Collection::new();
    collection.docs.push(("docs/forged\u{202e}", "x"));
    collection.release(1, 365);
    with(collection, |collection, server| {
        published(collection, server);
        let here = tempfile::tempdir().unwrap();
        let line = format!("--server {} --trust-dir {} --tofu", server.url, here.path().display());
        let says = |path: &str, answer: Canned, command: &str, code: u8| {
            server.answer(path, answer);
            for json in ["", " --json"] {
                let run = notary(&format!("{line} {command}{json}")).expect(code);
                is_harmless(&run);
                let shown = format!("{}{}", run.stdout, run.stderr);
                assert!(shown.contains("forged"), "{command}: nothing was shown: {shown}");
            }
        };
        let timestamp = Canned::ok(collection.files["timestamp.json"].clone());
        says("v2/acme/app/_trust/tuf/timestamp.json", timestamp, "list acme/app", 0);
        let [list, proposal] = evil_proposal();
        server.answer("v2/acme/app/_trust/proposals", list);
        says("v2/acme/app/_trust/proposals/1", proposal, "info acme/app", 0);
        says("v2/acme/app/_trust/", evil_info(collection), "info acme/app", 0);
        says("v2/acme/app/_trust/", evil_info(collection), "info acme/app --check", 7);
        says("v2/acme/app/_trust/", evil_problem(409), "info acme/app", 3);
        says("v2/acme/app/_trust/changefeed", evil_event(), "log acme/app", 0);
        says("v2/_trust/tokens/self", evil_token(), "whoami", 0);
        says("v2/_trust/tokens/self", evil_problem(403), "whoami", 1);
        let usual = notary_schema::online::Lifetimes::default();
        let unknown = json!({ "public": true, "lifetimes": usual, "own_lifetimes": { EVIL: 1 } });
        let unknown = Canned::ok(unknown.to_string());
        says("v2/acme/app/_trust/policy", unknown, "policy acme/app", 1);
    });
}
