//! Somebody who makes mistakes, and a watch on what is sent and kept meanwhile.

use std::collections::BTreeMap;
use std::path::Path;

use notary_tests::world::{Gate, Outcome, Person, World};

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
pub(super) struct Scene {
    pub(super) manager: Person,
    gate: Gate,
    keys: BTreeMap<&'static str, String>,
    // Last, so that it is looked at when everybody has gone.
    _world: World,
}

impl Scene {
    pub(super) fn new() -> Scene {
        let world = World::start();
        let gate = world.gate();
        let manager = world.person_through(&gate, "manager", "admin --collection acme/**");
        let mut keys = BTreeMap::new();
        for name in ["a", "b", "c", "d", "e"] {
            let keyid = manager.new_key();
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
    pub(super) fn spelled(&self, line: &str) -> String {
        let mut line = line.to_owned();
        for (name, keyid) in &self.keys {
            line = line.replace(&format!("{{{name}}}"), keyid);
        }
        line
    }

    pub(super) fn notary(&self, line: &str) -> Outcome {
        self.manager.notary(&self.spelled(line))
    }

    /// With another passphrase than that of the keys.
    pub(super) fn with_wrong_passphrase(&self, line: &str) -> Outcome {
        let mut command = self.manager.command(&self.spelled(line));
        command.env("NOTARY_PASSPHRASE", "wrong horse");
        self.manager.run(command)
    }

    /// Runs a line that must be refused like this, and leave everything as it was.
    #[track_caller]
    pub(super) fn refuses(&self, row: &str, run: impl FnOnce() -> Outcome, code: i32, words: &str) {
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
pub(super) type Row = (&'static str, &'static str, i32, &'static str, &'static str);

impl Scene {
    pub(super) fn judge(&self, rows: &[Row]) {
        for (row, refused, code, words, allowed) in rows {
            self.refuses(row, || self.notary(refused), *code, words);
            let neighbour = self.notary(allowed);
            assert_eq!(neighbour.code(), 0, "beside {row}: {neighbour}");
        }
    }
}
