//! Scripts of commands with what they print and how they exit.
//!
//! ```text
//! # A comment.
//! @ manager admin --collection acme/**     somebody with a token of this grant
//! @ agent                                  somebody without a token
//! manager$ notary init acme/app            a line of a shell; `notary` is the program under test
//! | created acme/app                       stdout
//! ! warning: …                             stderr
//! = 3                                      the exit code, where it is not 0
//! world$ later 2d                          the clock of all programs moves on
//! world$ kill server                       also: start server, kill signer, start signer
//! world$ tls                               the server starts again with TLS, at $TLS
//! world$ places                            the signer starts again with the keys of snapshot in a token,
//!                                          `hsm`, and those of timestamp behind a program, `vault`
//! world$ back up server                    keeps a copy of its database
//! world$ set back server                   its database becomes that copy, and it starts again
//! world$ start server behind               waits until it has found that out
//! world$ settle acme/app                   waits until its timestamp is not expired
//! world$ watch acme/app a.txt              from now on clients look it up all the time
//! world$ watched                           they end, and have met no error
//! ```
//! What differs from run to run is written as a placeholder. Those with a number stand for one value
//! in the whole script, which later commands may name: `<id1>` (64 hexadecimal digits), `<token1>`,
//! `<who1>` (its id), `<proposal1>`.
//!
//! A run must give the very text of the script. With `NOTARY_TEST_BLESS=1` it replaces the text
//! instead; read the difference before it is committed.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::TimeDelta;
use notary_schema::envelope::Envelope;
use notary_schema::role::Timestamp;
use notary_tests::tree;
use notary_tests::watchers::Watchers;
use notary_tests::world::{Person, Service, World, wait_for};
use regex::{Captures, Regex};
use toml::toml;

const BLESS: &str = "NOTARY_TEST_BLESS";
/// Where SoftHSM finds its tokens.
const TOKENS: &str = "SOFTHSM2_CONF";

/// Runs a script in a world of its own.
#[track_caller]
pub(crate) fn run(name: &str, script: &str) {
    let mut stage = Stage::new();
    let mut transcript = String::new();
    for line in script.lines().filter(|line| !is_outcome(line)) {
        transcript += line;
        transcript.push('\n');
        transcript += &stage.perform(line).marked();
    }
    stage.end();
    require_same(&format!("tests/e2e/cli/{name}.script"), script, &transcript);
}

/// A file of the tree says what was found, or is made to say so.
#[track_caller]
pub(crate) fn require_same(file: &str, wanted: &str, found: &str) {
    if std::env::var_os(BLESS).is_some() {
        return std::fs::write(tree::root().join(file), found).expect("it is in the tree");
    }
    let mut pairs = wanted.lines().zip(found.lines()).enumerate();
    let differs = pairs.find(|(_, (wanted, found))| wanted != found);
    let shorter = wanted.lines().count().min(found.lines().count());
    let at = differs.map_or(shorter, |(at, _)| at);
    if wanted != found {
        let around = |text: &str| {
            let lines = text.lines().skip(at.saturating_sub(3)).take(12);
            lines.map(|line| format!("{line}\n")).collect::<String>()
        };
        panic!(
            "{file} differs from line {}\n--- wanted\n{}--- found\n{}",
            at + 1,
            around(wanted),
            around(found)
        );
    }
}

fn is_outcome(line: &str) -> bool {
    ["|", "!", "="].iter().any(|mark| line == *mark || line.starts_with(&format!("{mark} ")))
}

/// The commands of a script: who runs them, and the words after the prompt.
pub(crate) fn commands(script: &str) -> impl Iterator<Item = (&str, &str)> {
    script.lines().filter_map(|line| line.split_once("$ "))
}

/// What a line came to, with placeholders; nothing where it ran no command of a person.
#[derive(Default)]
pub(crate) struct Printed {
    stdout: String,
    stderr: String,
    /// The exit code.
    pub(crate) code: i32,
}

impl Printed {
    /// As scripts have it: each line marked with where it was printed.
    fn marked(&self) -> String {
        let mut text = String::new();
        for (mark, printed) in [('|', &self.stdout), ('!', &self.stderr)] {
            for line in printed.lines() {
                text += format!("{mark} {line}").trim_end();
                text.push('\n');
            }
        }
        match self.code {
            0 => text,
            code => text + &format!("= {code}\n"),
        }
    }

    /// As people have it before them.
    pub(crate) fn plain(&self) -> String {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        let text: String = lines.map(|line| format!("{}\n", line.trim_end())).collect();
        match self.code {
            0 => text,
            code => text + &format!("(exit code {code})\n"),
        }
    }
}

/// The world of a script and the people in it.
pub(crate) struct Stage {
    world: World,
    people: BTreeMap<String, Person>,
    values: Values,
    watchers: Option<Watchers>,
}

impl Stage {
    pub(crate) fn new() -> Stage {
        let world = World::start();
        let values = Values::new(world.directory());
        Stage { world, people: BTreeMap::new(), values, watchers: None }
    }

    /// Ends the world: clients that still watch have met no error.
    #[track_caller]
    pub(crate) fn end(mut self) {
        if let Some(watchers) = self.watchers.take() {
            watchers.end();
        }
    }

    /// Does what a line says.
    pub(crate) fn perform(&mut self, line: &str) -> Printed {
        if let Some(who) = line.strip_prefix("@ ") {
            let (name, grant) = who.split_once(' ').unwrap_or((who, ""));
            let person = match grant {
                "" => self.world.stranger(name),
                grant => self.world.person(name, grant),
            };
            self.people.insert(name.to_owned(), person);
            return Printed::default();
        }
        let Some((who, command)) = line.split_once("$ ") else {
            assert!(line.is_empty() || line.starts_with('#'), "what is {line:?}?");
            return Printed::default();
        };
        if who == "world" {
            self.change(command);
            return Printed::default();
        }
        let person = self.people.get(who).unwrap_or_else(|| panic!("nobody is called {who}"));
        let mut shell = person.shell(&self.values.spelled_out(command));
        shell.env("TERMINAL", tree::root().join("tests/python/terminal.py"));
        shell.env("OPENSSL_KEYS", tree::root().join("notary-signer/tests/service/openssl-keys.sh"));
        let tokens = self.world.directory().join("softhsm2.conf");
        if tokens.exists() {
            shell.env(TOKENS, tokens);
        }
        shell.env("TLS", format!("https://{}", self.world.server.address()));
        let outcome = person.run(shell);
        let stdout = self.values.placeholders(&outcome.stdout());
        Printed {
            stdout,
            stderr: self.values.placeholders(&outcome.stderr()),
            code: outcome.code(),
        }
    }

    fn change(&mut self, command: &str) {
        if command == "places" {
            return self.move_keys();
        }
        if command == "tls" {
            let server = &mut self.world.server;
            // The certificate of the signer names this machine.
            server.configure(|config| {
                let tls = toml! {
                    certificate = "pki/signer.pem"
                    key = "pki/signer.key"
                };
                config.insert("tls".into(), tls.into());
            });
            return server.restart();
        }
        match command {
            "watched" => return self.watchers.take().expect("somebody watches").end(),
            "back up server" => return self.world.back_up(),
            "set back server" => return self.world.set_back(),
            "start server behind" => return self.world.start_behind(),
            _ => {}
        }
        let mut service = |name: &str, change: fn(&mut Service)| match name {
            "server" => change(&mut self.world.server),
            "signer" => change(&mut self.world.signer),
            other => panic!("no service is called {other}"),
        };
        match command.split_once(' ') {
            Some(("kill", name)) => service(name, Service::kill),
            Some(("start", name)) => service(name, Service::restart),
            Some(("settle", gun)) => self.settle(gun),
            Some(("watch", what)) => {
                let (gun, target) = what.split_once(' ').expect("a collection and a target");
                self.watchers = Some(Watchers::start(&self.world, gun, target));
            }
            Some(("later", span)) => {
                let days = span.strip_suffix('d').and_then(|days| days.parse().ok());
                self.world.clock.advance(TimeDelta::days(days.expect("a span like 2d")));
            }
            _ => panic!("the world does not know {command:?}"),
        }
    }

    /// Keys that are made from now on are in a token of SoftHSM, whose PIN is in `hsm.pin`, and behind the
    /// program `vault-keys`.
    fn move_keys(&mut self) {
        let directory = self.world.directory().to_owned();
        let operator = self.people.get("operator").expect("somebody who runs the signer");
        let keys = tree::root().join("notary-signer/tests/service/openssl-keys.sh");
        let line = format!(
            "umask 077 && cd .. && mkdir tokens vault && cp {keys} vault-keys && \
             echo directories.tokendir = $PWD/tokens >softhsm2.conf && echo 4567 >hsm.pin && \
             ln -s $(ls /usr/lib*/softhsm/libsofthsm2.so) hsm.so && SOFTHSM2_CONF=softhsm2.conf \
             softhsm2-util --init-token --free --label notary --pin 4567 --so-pin 7654321",
            keys = keys.display()
        );
        operator.run(operator.shell(&line)).done();
        let signer = &mut self.world.signer;
        signer.set_variable(TOKENS, &directory.join("softhsm2.conf").to_string_lossy());
        let [program, vault] =
            ["vault-keys", "vault"].map(|name| directory.join(name).display().to_string());
        signer.configure(|config| {
            let places = toml! {
                [backends.hsm]
                kind = "pkcs11"
                module = "hsm.so"
                token = "notary"
                pin_file = "hsm.pin"
                [backends.vault]
                kind = "exec"
                [[keys]]
                collections = "**"
                role = "snapshot"
                backend = "hsm"
                [[keys]]
                collections = "**"
                role = "timestamp"
                backend = "vault"
            };
            config.extend(places);
            let places = config["backends"].as_table_mut().expect("they are there");
            let place = places["vault"].as_table_mut().expect("it is there");
            place.insert("program".into(), program.into());
            place.insert("arguments".into(), vec![vault].into());
        });
        signer.restart();
    }

    fn settle(&self, gun: &str) {
        let path = format!("/v2/{gun}/_trust/tuf/timestamp.json");
        let http = self.world.http(None);
        wait_for("a timestamp that is not expired", || {
            let file = Envelope::<Timestamp>::parse(http.get(&path).body).ok()?;
            (!file.expires().is_past(self.world.clock.now())).then_some(())
        });
    }
}

/// The groups of the pattern of [`Values`].
const KINDS: [&str; 13] = [
    "far",
    "bytes",
    "tree",
    "id",
    "token",
    "who",
    "time",
    "request",
    "proposal",
    "hex",
    "temporary",
    "unreached",
    "port",
];

/// What differs from run to run.
struct Values {
    pattern: Regex,
    directory: String,
    /// By placeholder.
    known: BTreeMap<String, String>,
}

impl Values {
    fn new(directory: &Path) -> Values {
        let pattern = Regex::new(
            r"(?x)
            (?P<far>\b900719925474099\d\b)
            | (?P<bytes>(%[0-9a-f]{2}){16})
            | (?P<tree>/\S*/notary-signer/tests/service\b)
            | (?P<id>\b[0-9a-f]{64}\b)
            | (?P<token>\bnotary_[A-Za-z0-9_-]{43})
            | (?P<time>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z|\b\d{8}T\d{6}Z)
            | (?P<request>\b[0-9a-f]{16}-\d+\b)
            | (?P<proposal>\b[0-9a-f]{16}\b)
            | (?P<hex>\b[0-9a-f]{32}\b)
            | (?P<who>\b[0-9a-f]{12}\b)
            | (?P<temporary>\.(notary-|tmp)[A-Za-z0-9]{6}(\.tmp)?)
            | (?P<unreached>could\ not\ be\ reached:\ .*)
            | (?P<port>127\.0\.0\.1:\d+)
            ",
        );
        let (pattern, known) = (pattern.expect("a regular expression"), BTreeMap::new());
        Values { pattern, directory: directory.display().to_string(), known }
    }

    fn placeholders(&mut self, text: &str) -> String {
        let text = text.replace(&self.directory, "<dir>");
        let Values { pattern, known, .. } = self;
        let replaced = pattern.replace_all(&text, |found: &Captures<'_>| {
            let kind = KINDS.iter().copied().find(|kind| found.name(kind).is_some());
            match kind.expect("one of them was found") {
                // The last versions that there are: no id of a proposal.
                "far" => found[0].to_owned(),
                "unreached" => "could not be reached: <why>".to_owned(),
                "port" => "127.0.0.1:<port>".to_owned(),
                kind @ ("id" | "token" | "who" | "proposal") => numbered(known, kind, &found[0]),
                kind => format!("<{kind}>"),
            }
        });
        replaced.into_owned()
    }

    fn spelled_out(&self, command: &str) -> String {
        let mut command = command.replace("<dir>", &self.directory);
        for (placeholder, value) in &self.known {
            command = command.replace(placeholder, value);
        }
        command
    }
}

fn numbered(known: &mut BTreeMap<String, String>, kind: &str, value: &str) -> String {
    if let Some((placeholder, _)) = known.iter().find(|(_, known)| *known == value) {
        return placeholder.clone();
    }
    let number = known.keys().filter(|placeholder| placeholder[1..].starts_with(kind)).count();
    let placeholder = format!("<{kind}{}>", number + 1);
    known.insert(placeholder.clone(), value.to_owned());
    placeholder
}
