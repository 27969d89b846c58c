//! Is what nobody can mean refused by name, before anything is sent or stored? Each row stands beside
//! an allowed neighbour.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use notary_tests::world::{Gate, Outcome, Person, World};
use serde_json::Value;

/// A key for agreeing on secrets, which signs nothing.
const X25519: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VuAyEAko5pXWjeJMI9fngevYrMHMbhYDn5EihLsCQgE1aXawg=
-----END PUBLIC KEY-----
";
const RSA_1024: &str = "-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDDAfJc8afskmFvWe+s9M+driP0
gGdRdRVVlAhrbqL/yldHTncyzf+O11f+JeH+pqNlxMm1rptK7OPIZYxaVngOjRvm
Tdzmk74yoHg3gK8/W5Niu817r3zwSCWAuLNLNyQP88Tio7yQa6hP5/6/ZMmTJUjA
9+bZi6JQIOXuG7SqnwIDAQAB
-----END PUBLIC KEY-----
";

/// A manager with the keys `a` to `e` (public in `a.pem`, …): docs has a, german below it b, tools c.
struct Scene {
    manager: Person,
    gate: Gate,
    keys: BTreeMap<&'static str, String>,
    // Last, so that it is looked at when everybody has gone.
    _world: World,
}

impl Scene {
    fn new() -> Scene {
        let world = World::start();
        let gate = world.gate();
        let manager = world.person_through(&gate, "manager", "admin --collection acme/**");
        let mut keys = BTreeMap::new();
        for name in ["a", "b", "c", "d", "e"] {
            let key = manager.notary("key generate --json").json();
            let keyid = key["keyid"].as_str().expect("an id").to_owned();
            manager.notary(&format!("key export {keyid} --public -o {name}.pem")).done();
            keys.insert(name, keyid);
        }
        let scene = Scene { manager, gate, keys, _world: world };
        scene.manager.file("x25519.pem", X25519);
        scene.manager.file("rsa-1024.pem", RSA_1024);
        scene.manager.file("file", "content");
        scene.notary("init acme/app").done();
        for add in [
            "docs --key a.pem --pending --path docs/* --path docs/*/*",
            "tools --key c.pem --pending --path tools/*",
        ] {
            scene.notary(&format!("delegation add acme/app {add} --publish")).done();
        }
        scene.notary("add acme/app docs/guide file --role docs --key {a} --publish").done();
        let german = "delegation add acme/app german --parent docs --path docs/de/*";
        let german = format!("{german} --key b.pem --pending --sign-key {{a}} --publish");
        scene.notary(&german).done();
        scene
    }

    /// `{a}` stands for the id of the key `a`.
    fn spelled(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (name, keyid) in &self.keys {
            line = line.replace(&format!("{{{name}}}"), keyid);
        }
        line
    }

    fn notary(&self, line: &str) -> Outcome {
        self.manager.notary(&self.spelled(line))
    }

    /// With another passphrase than that of the keys.
    fn with_wrong_passphrase(&self, line: &str) -> Outcome {
        let mut command = self.manager.command(&self.spelled(line));
        command.env("NOTARY_PASSPHRASE", "wrong horse");
        self.manager.run(command)
    }

    /// Runs a line that must be refused like this, and leave everything as it was.
    #[track_caller]
    fn refuses(&self, row: &str, run: impl FnOnce() -> Outcome, code: i32, words: &str) {
        let before = self.kept();
        self.gate.take_passed();
        run().fails(code, words);
        let changing: Vec<_> =
            self.gate.take_passed().into_iter().filter(|passed| passed.changes()).collect();
        assert_eq!(changing, [], "{row}: something was sent");
        assert!(before == self.kept(), "{row}: the trust directory is another one");
    }

    /// What is in the trust directory, but for the server's own words, which reading brings up to date.
    fn kept(&self) -> BTreeMap<String, Vec<u8>> {
        let mut kept = files(&self.manager.directory().join("trust"));
        // What is empty is locked by its name alone.
        kept.retain(|name, content| !name.contains("/_trusted/") && !content.is_empty());
        kept
    }
}

/// Every file below a directory and what is in it.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => {
                let content = std::fs::read(&path).expect("a file");
                drop(found.insert(path.display().to_string(), content));
            }
        }
    }
    found
}

/// What is tried, what of it is refused with which exit code and words, and a neighbour that is done.
type Row = (&'static str, &'static str, i32, &'static str, &'static str);

impl Scene {
    fn judge(&self, rows: &[Row]) {
        for (row, refused, code, words, allowed) in rows {
            self.refuses(row, || self.notary(refused), *code, words);
            let neighbour = self.notary(allowed);
            assert_eq!(neighbour.code(), 0, "beside {row}: {neighbour}");
        }
    }
}

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
