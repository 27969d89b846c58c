//! Is what nobody can mean refused by name, before anything is sent or stored? Each row stands beside
//! an allowed neighbour.

mod scene;

use std::fmt::Write;

use scene::{Row, Scene};
use serde_json::Value;

const OF_TOP_LEVEL_ROLES: [Row; 9] = [
    (
        "more signatures than keys of root",
        "init acme/one --root-key {d} --root-threshold 2",
        2,
        "root would have 1 keys and ask for 2",
        "init acme/one --root-key {d} --root-key {e} --root-threshold 2",
    ),
    (
        "more signatures than keys of targets",
        "init acme/two --targets-key {d} --targets-threshold 2",
        2,
        "targets would have 1 keys and ask for 2",
        "init acme/two --targets-key {d}",
    ),
    (
        "no signature",
        "init acme/three --root-threshold 0",
        2,
        "a threshold of 0 signs nothing",
        "init acme/three --root-threshold 1",
    ),
    (
        "a key of root twice",
        "init acme/four --root-key {d} --root-key {d} --root-threshold 2",
        2,
        "is listed twice for one role",
        "init acme/four --root-key {d} --root-key {e}",
    ),
    (
        "a key that signs nothing",
        "init acme/five --root-key x25519.pem",
        8,
        "x25519.pem is no private key that is read here",
        "init acme/five --root-key {d}",
    ),
    (
        "more signatures than keys",
        "rotate acme/app root --threshold 2",
        2,
        "root would have 1 keys and ask for 2",
        "rotate acme/app root --new-key {d} --threshold 2",
    ),
    (
        "a new key twice",
        "rotate acme/app targets --new-key d.pem --new-key {d}",
        2,
        "is a key of targets already",
        "rotate acme/app targets --new-key d.pem --new-key e.pem",
    ),
    (
        "a new key that is there",
        "rotate acme/app targets --new-key d.pem",
        2,
        "is a key of targets already",
        "rotate acme/app targets --threshold 1",
    ),
    (
        "more than all keys of a role",
        "rotate acme/app targets --threshold 4",
        2,
        "targets would have 3 keys and ask for 4",
        "rotate acme/app targets --threshold 3",
    ),
];

const OF_KEYS: [Row; 5] = [
    (
        "a new key that signs nothing",
        "rotate acme/app docs --new-key x25519.pem",
        8,
        "x25519.pem: not a public key: an algorithm other than Ed25519, ECDSA and RSA",
        "rotate acme/app docs --new-key d.pem",
    ),
    (
        "a key that is too short",
        "rotate acme/app docs --new-key rsa-1024.pem",
        8,
        "rsa-1024.pem: not a public key: an RSA key that has not 2048 to 8192 bits",
        "rotate acme/app docs --new-key e.pem",
    ),
    (
        "no signature of docs",
        "rotate acme/app docs --threshold 0",
        2,
        "a threshold of 0 signs nothing",
        "rotate acme/app docs --threshold 1",
    ),
    (
        "the last key of tools",
        "rotate acme/app tools --drop-key {c}",
        2,
        "tools would have no key left",
        "rotate acme/app tools --drop-key {c} --new-key d.pem",
    ),
    (
        "a key of a team that signs nothing",
        "delegation add acme/app rsa --key rsa-1024.pem --pending --path rsa/* --publish",
        8,
        "an RSA key that has not 2048 to 8192 bits",
        "delegation add acme/app rsa --key d.pem --pending --path rsa/* --publish",
    ),
];

const OF_DELEGATIONS: [Row; 10] = [
    (
        "paths that docs does not have",
        "delegation add acme/app other --parent docs --key d.pem --pending --path other/* \
         --sign-key {a} --publish",
        1,
        "the delegation to docs covers docs/*, docs/*/* only",
        "delegation add acme/app other --parent docs --key d.pem --pending --path docs/other/* \
         --sign-key {a} --publish",
    ),
    (
        "a name that docs delegates",
        "delegation add acme/app german --key d.pem --pending --path german/* --publish",
        1,
        "targets cannot delegate to german: docs delegates to it",
        "delegation add acme/app germans --key d.pem --pending --path german/* --publish",
    ),
    (
        "a cycle",
        "delegation add acme/app docs --parent german --key d.pem --pending --path docs/de/* \
         --sign-key {b} --publish",
        1,
        "german cannot delegate to docs: targets delegates to it",
        "delegation list acme/app",
    ),
    (
        "a role for itself",
        "delegation add acme/app docs --parent docs --key d.pem --pending --path docs/* \
         --sign-key {a} --publish",
        1,
        "docs cannot delegate to docs",
        "delegation list acme/app",
    ),
    (
        "a top-level role",
        "delegation add acme/app targets --parent docs --key d.pem --pending --path docs/* \
         --sign-key {a} --publish",
        2,
        "targets is a top-level role, to which nobody delegates",
        "delegation add acme/app targets-2 --key d.pem --pending --path docs/* --publish",
    ),
    (
        "more signatures than keys",
        "delegation add acme/app two --key d.pem --pending --path two/* --threshold 2 --publish",
        1,
        "two asks for 2 keys and lists 1 distinct ones",
        "delegation add acme/app two --key d.pem --key e.pem --pending --path two/* --threshold 2 \
         --publish",
    ),
    (
        "a key twice",
        "delegation add acme/app twice --key d.pem --key {d} --pending --path twice/* --publish",
        2,
        "is listed twice for one role",
        "delegation add acme/app twice --key d.pem --key {e} --pending --path twice/* --publish",
    ),
    (
        "a pattern that clients read differently",
        "delegation update acme/app tools --path tools/** --publish",
        1,
        "the path \"tools/**\" has **, which clients read differently",
        "delegation update acme/app tools --path tools/*/* --publish",
    ),
    (
        "other paths that docs does not have",
        "delegation update acme/app german --path other/* --key {a} --publish",
        1,
        "the delegation to docs covers docs/*, docs/*/* only",
        "delegation update acme/app german --path docs/d?/* --key {a} --publish",
    ),
    (
        "a target outside the paths",
        "add acme/app other/x file --role docs --key {a} --publish",
        1,
        "docs may not list \"other/x\"",
        "add acme/app docs/x/y file --role docs --key {a} --publish",
    ),
];

#[test]
fn keys_that_cannot_be_meant_are_refused_before_anything_is_sent() {
    let scene = Scene::new();
    scene.judge(&OF_KEYS);
    scene.judge(&OF_TOP_LEVEL_ROLES);
}

#[test]
fn the_last_key_of_root_stays() {
    let scene = Scene::new();
    let shown = scene.notary("info acme/app --json").json();
    let mut roles = shown["roles"].as_array().expect("a list").iter();
    let root = roles.find(|role| role["name"] == "root").expect("every collection has one");
    let last = root["keyids"][0].as_str().expect("an id").to_owned();
    let drop_it = format!("rotate acme/app root --drop-key {last}");
    scene.refuses("the last key", || scene.notary(&drop_it), 2, "root would have no key left");
    scene.notary(&format!("{drop_it} --new-key {{d}}")).done();
}

#[test]
fn delegations_that_cannot_be_meant_are_refused_before_anything_is_sent() {
    Scene::new().judge(&OF_DELEGATIONS);
}

#[test]
fn nothing_is_sent_or_lost_with_a_wrong_passphrase() {
    let scene = Scene::new();
    scene.notary("add acme/app docs/new file --role docs --key {a}").done();
    for line in [
        "publish acme/app --key {a}",
        "init acme/other --root-key {d} --targets-key {d}",
        "key passwd {a}",
    ] {
        let run = || scene.with_wrong_passphrase(line);
        scene.refuses(line, run, 8, "does not open: the passphrase is wrong, or it is damaged");
    }
    scene.notary("publish acme/app --key {a}").done();
    let rotate = "rotate acme/app root --new-key d.pem";
    let run = || scene.with_wrong_passphrase(rotate);
    scene.refuses(rotate, run, 8, "does not open: the passphrase is wrong");
    scene.notary(rotate).done();
}

#[test]
fn one_key_under_two_ids_is_not_two_people() {
    let scene = Scene::new();
    let key = scene.notary("key generate --algorithm ecdsa-p256 --json").json();
    let keyid = key["keyid"].as_str().expect("an id");
    scene.notary(&format!("delegation request acme/app twins --key {keyid} -o request")).done();
    let path = scene.manager.directory().join("request");
    let text = std::fs::read_to_string(&path).expect("it was written");
    let mut request: Value = serde_json::from_str(&text).expect("JSON");
    let mut same = request["keys"][0].clone();
    same["keytype"] = "ecdsa-sha2-nistp256".into();
    request["keys"].as_array_mut().expect("a list").push(same);
    scene.manager.file("forged", request.to_string());
    let add = "delegation add acme/app twins --path twins/* --threshold 2 --publish --request";
    let forged = || scene.notary(&format!("{add} forged"));
    scene.refuses("two ids", forged, 1, "forged: it offers one key twice, as ");
    let add = add.replace("--threshold 2", "");
    scene.notary(&format!("{add} request")).done();
}

/// A file for `delegation apply`.
fn declared(count: usize) -> String {
    let mut text = "roles:\n".to_owned();
    for number in 0..count {
        writeln!(
            text,
            "- {{name: team-{number}, paths: [\"team-{number}/*\"], keys: [d.pem], pending: true}}"
        )
        .expect("a String takes all");
    }
    text
}

#[test]
fn a_file_of_delegations_that_cannot_be_meant_is_refused_before_anything_is_sent() {
    let scene = Scene::new();
    let good = "- {name: new, paths: [\"new/*\"], keys: [d.pem], pending: true}\n";
    scene.notary("init acme/new").done();
    for (row, yaml, code, words) in [
        ("a role twice", format!("{good}{good}"), 1, "new"),
        ("no path", good.replace("\"new/*\"", ""), 1, "new"),
        (
            "a threshold",
            good.replace("keys", "threshold: 2, keys"),
            1,
            "new: a threshold of 2, and 1 keys",
        ),
        ("no threshold", good.replace("keys", "threshold: 0, keys"), 1, "a threshold of 0"),
        ("a top-level role", good.replace("name: new", "name: snapshot"), 1, "snapshot"),
        ("a word of nobody", good.replace("pending", "waiting"), 1, "waiting"),
        ("a key that signs nothing", good.replace("d.pem", "rsa-1024.pem"), 8, "2048 to 8192"),
        ("a key twice", good.replace("d.pem", "d.pem, {d}"), 1, "is listed twice"),
    ] {
        scene.manager.file("new.yaml", scene.spelled(&format!("roles:\n{yaml}")));
        scene.refuses(row, || scene.notary("delegation apply acme/new -f new.yaml"), code, words);
    }
    scene.manager.file("new.yaml", format!("roles:\n{good}"));
    scene.notary("delegation apply acme/new -f new.yaml").done();
}

#[test]
fn ten_thousand_delegations_are_taken_and_too_many_refused_by_name() {
    let scene = Scene::new();
    scene.notary("init acme/many").done();
    let apply = "delegation apply acme/many -f many.yaml";
    for (count, words) in [
        (20_001, "targets: 20001 delegations, more than the limit of 20000"),
        (5_000, "this one has 0 and 5000: do some of it first, in publishes of their own"),
    ] {
        scene.manager.file("many.yaml", declared(count));
        scene.refuses("too many", || scene.notary(apply), 1, words);
    }
    for count in [2_500, 5_000, 7_500, 10_000] {
        scene.manager.file("many.yaml", declared(count));
        scene.notary(apply).done();
    }
    scene.notary("delegation plan acme/many -f many.yaml").done();
}
