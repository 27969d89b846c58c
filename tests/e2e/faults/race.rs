//! Two clients race for one version while the signer is killed, and repeat what they asked for: never
//! are two contents of one version out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, Version};
use notary_schema::online::{OnlineRole, PlannedTimestamp, expires_after, next_snapshot};
use notary_schema::role::FileMeta;
use notary_schema::wire::{RememberedFile, SignerKey, SignerMemory};
use notary_tests::seed::{Random, seed};
use notary_tests::tree;
use notary_tests::world::{Answer, Http, Program, World};
use reqwest::Method;
use serde_json::json;

/// How many rounds must hit a signature in flight, unless `NOTARY_TEST_ROUNDS` says more.
const ROUNDS: u64 = 20;
/// How many kills at some moment are tried for a round.
const MOST_KILLS: usize = 100;
/// The latest kill, counted from the start of the requests.
const LATEST_MICROS: u64 = 40_000;

const GUN: &str = "acme/race";
const LIFE: &str = "00000000000000000000000000000001";

/// How the signer ends in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    BeforeRecord,
    AfterRecord,
    SomeMoment,
}

/// Two documents for one version of a role.
struct Rivals {
    role: OnlineRole,
    version: u64,
    documents: [Unsigned; 2],
}

/// What somebody heard: a file, a refusal, or nothing.
type Heard = Result<Answer, reqwest::Error>;

struct Race {
    world: World,
    clients: [Http; 2],
    keys: BTreeMap<OnlineRole, SignerKey>,
    /// Every file that was answered to anybody.
    out: BTreeMap<(OnlineRole, u64), Vec<u8>>,
    random: Random,
    /// While this file is there, the key of the timestamp fails, and its stand-by signs.
    fails: Option<PathBuf>,
}

#[test]
fn one_content_of_a_version_is_out_whenever_a_signer_with_keys_in_its_store_is_killed() {
    let p256 = "algorithm".to_owned();
    let world = World::with(
        |signer| {
            // Two signatures of one key differ, so an equal file is the one that was recorded.
            let store = signer["store"].as_table_mut().expect("it is a table");
            store.insert(p256, "ecdsa-p256".into());
        },
        |_| {},
    );
    Race::new(world).run();
}

#[test]
fn one_content_of_a_version_is_out_whenever_a_signer_with_keys_in_a_token_is_killed() {
    let mut world = World::start();
    let directory = world.directory().to_owned();
    world.signer.set_variable("SOFTHSM2_CONF", &make_token(&directory));
    world.signer.configure(|signer| {
        let keys = toml::toml! {
            [backends.hsm]
            kind = "pkcs11"
            token = "notary"
            pin_file = "pin"
            [[keys]]
            collections = "**"
            backend = "hsm"
        };
        signer.extend(keys);
        let hsm = signer["backends"]["hsm"].as_table_mut().expect("it is a table");
        hsm.insert("module".into(), softhsm().into());
    });
    world.signer.restart();
    Race::new(world).run();
}

#[test]
fn one_content_of_a_version_is_out_whenever_a_signer_with_a_standby_is_killed() {
    let mut world = World::start();
    let place = world.directory().join("place");
    std::fs::create_dir(&place).expect("the world's directory");
    let program = tree::root().join("notary-signer/tests/service/openssl-keys.sh");
    world.signer.configure(|signer| {
        let keys = toml::toml! {
            [backends.place]
            kind = "exec"
            [[keys]]
            collections = "**"
            role = "timestamp"
            backend = "place"
            standby = { backend = "software", after_seconds = 8 }
        };
        signer.extend(keys);
        let backend = signer["backends"]["place"].as_table_mut().expect("it is a table");
        backend.insert("program".into(), program.display().to_string().into());
        backend.insert("arguments".into(), vec![place.display().to_string()].into());
    });
    world.signer.restart();
    let mut race = Race::new(world);
    assert!(race.keys[&OnlineRole::Timestamp].standby.is_some());
    race.fails = Some(place.join("refuses"));
    race.run();
}

impl Race {
    fn new(world: World) -> Race {
        let clients = [(); 2].map(|()| world.signer_http("server"));
        let keys = [OnlineRole::Snapshot, OnlineRole::Timestamp].map(|role| {
            let request = json!({ "collection": GUN, "incarnation": LIFE, "role": role });
            let answer = clients[0].post("/v1/keys", &request);
            assert_eq!(answer.status, 200, "{answer:?}");
            (role, serde_json::from_slice(&answer.body).expect("a key"))
        });
        let (out, random) = (BTreeMap::new(), Random::new(seed()));
        Race { world, clients, keys: keys.into(), out, random, fails: None }
    }

    fn run(&mut self) {
        let rounds = std::env::var("NOTARY_TEST_ROUNDS").map_or(ROUNDS, |text| {
            text.parse().unwrap_or_else(|_| panic!("NOTARY_TEST_ROUNDS={text} is no number"))
        });
        for round in 0..rounds {
            let role = if round % 2 == 0 { OnlineRole::Snapshot } else { OnlineRole::Timestamp };
            let end = [End::BeforeRecord, End::AfterRecord, End::SomeMoment][round as usize % 3];
            let mut kills = 0;
            while !self.round(role, end) {
                kills += 1;
                assert!(kills < MOST_KILLS, "no kill hit a signature in flight");
            }
        }
        eprintln!("{} files are out", self.out.len());
    }

    /// Whether the signer was ended while a signature was in flight.
    fn round(&mut self, role: OnlineRole, end: End) -> bool {
        let rivals = self.rivals(role);
        self.let_the_key_fail_or_sign();
        let heard = match end {
            End::BeforeRecord => self.until("before_record", &rivals),
            End::AfterRecord => self.until("after_record", &rivals),
            End::SomeMoment => self.until_some_moment(&rivals),
        };
        let in_flight = |heard: &Heard| heard.as_ref().is_err_and(|error| !error.is_connect());
        let hit = heard.iter().any(in_flight);
        assert!(hit || end == End::SomeMoment, "{end:?}: {heard:?}");
        for heard in heard.into_iter().flatten() {
            self.note(&rivals, &heard);
        }

        self.let_the_key_fail_or_sign();
        self.world.signer.restart();
        let recorded = self.remembered(&rivals);
        match end {
            End::BeforeRecord => assert_eq!(recorded, None, "it was not recorded yet"),
            End::AfterRecord => assert!(recorded.is_some(), "it was recorded"),
            End::SomeMoment => {}
        }
        if let Some(file) = recorded {
            self.is_out(&rivals, file);
        }
        self.both_repeat(&rivals);
        self.world.operate(Program::Signer, "audit verify");
        hit
    }

    fn let_the_key_fail_or_sign(&mut self) {
        let Some(fails) = &self.fails else { return };
        match self.random.chance(50) {
            true => std::fs::write(fails, "key_unusable").expect("the world's directory"),
            // The error says that it is not there.
            false => drop(std::fs::remove_file(fails)),
        }
    }

    /// Both ask at once for what they asked for before, and then one after the other: one of them is
    /// answered each time, with the file that the signer remembers.
    fn both_repeat(&mut self, rivals: &Rivals) {
        let first = self.race(rivals, None).map(|heard| heard.expect("the signer is there again"));
        let first = first.map(|answer| self.note(rivals, &answer));
        assert_ne!(first[0], first[1], "one of two contents is signed");
        let order = if self.random.chance(50) { [0, 1] } else { [1, 0] };
        for client in order {
            let answer = self.ask(client, rivals).expect("the signer is there");
            assert_eq!(self.note(rivals, &answer), first[client], "it has changed its mind");
        }
        let remembered = self.remembered(rivals).expect("it is recorded");
        assert_eq!(self.out[&(rivals.role, rivals.version)], remembered);
    }

    /// Two documents for the next version of a role.
    fn rivals(&self, role: OnlineRole) -> Rivals {
        let last = self.out.keys().filter(|(of, _)| *of == role).map(|(_, version)| *version).max();
        let version = last.map_or(1, |last| last + 1);
        let documents = [3_600, 7_200].map(|seconds| {
            let expires = expires_after(self.world.clock.now(), seconds);
            let number = Version::new(version).expect("above 0");
            if role == OnlineRole::Snapshot {
                let entry = FileMeta { version: number, length: None, hashes: None };
                let targets = RoleName::parse("targets").expect("a role");
                return Unsigned::of(&next_snapshot(None, [(targets, entry)], number, expires));
            }
            let mut snapshots = self.out.iter().filter(|((of, _), _)| *of == OnlineRole::Snapshot);
            let (_, snapshot) = snapshots.next_back().expect("a round of snapshots was first");
            let snapshot = Envelope::parse(snapshot.clone()).expect("it was answered");
            PlannedTimestamp { version: number, expires, keyids: vec![] }.document(&snapshot)
        });
        Rivals { role, version, documents }
    }

    fn until(&mut self, stop: &str, rivals: &Rivals) -> [Heard; 2] {
        self.world.signer.restart_until(stop);
        let heard = self.race(rivals, None);
        self.world.signer.aborted();
        heard
    }

    fn until_some_moment(&mut self, rivals: &Rivals) -> [Heard; 2] {
        let delay = Duration::from_micros(self.random.below(LATEST_MICROS));
        self.race(rivals, Some(delay))
    }

    /// Both ask at once; the signer is killed so long after that.
    fn race(&mut self, rivals: &Rivals, kill_after: Option<Duration>) -> [Heard; 2] {
        let (signer, clients) = (&mut self.world.signer, &self.clients);
        let requests = [0, 1].map(|client| request(&clients[client], &self.keys, rivals, client));
        let started = Instant::now();
        thread::scope(|scope| {
            let [one, two] = requests;
            let one = scope.spawn(|| clients[0].try_send(one));
            let two = scope.spawn(|| clients[1].try_send(two));
            if let Some(delay) = kill_after {
                while started.elapsed() < delay && !(one.is_finished() && two.is_finished()) {
                    thread::yield_now();
                }
                signer.kill();
            }
            [one, two].map(|client| client.join().expect("sending does not panic"))
        })
    }

    fn ask(&self, client: usize, rivals: &Rivals) -> Heard {
        let http = &self.clients[client];
        http.try_send(request(http, &self.keys, rivals, client))
    }

    /// Whether a client was answered with a file, which is out then; the other answer is that the
    /// version is taken.
    fn note(&mut self, rivals: &Rivals, answer: &Answer) -> bool {
        if answer.status == 200 {
            self.is_out(rivals, answer.body.clone());
            return true;
        }
        assert_eq!((answer.status, answer.code().as_str()), (409, "version_used"), "{answer:?}");
        false
    }

    fn is_out(&mut self, rivals: &Rivals, file: Vec<u8>) {
        let out = self.out.entry((rivals.role, rivals.version)).or_insert_with(|| file.clone());
        assert!(*out == file, "two contents of {} {} are out", rivals.role.name(), rivals.version);
    }

    /// The file of this version, if the signer remembers it as the last one.
    fn remembered(&self, rivals: &Rivals) -> Option<Vec<u8>> {
        let path = format!("/v1/memory?collection={GUN}&incarnation={LIFE}");
        let memory = self.clients[0].get(&path);
        let memory: SignerMemory = serde_json::from_slice(&memory.body).expect("a memory");
        let last = match rivals.role {
            OnlineRole::Snapshot => memory.snapshot,
            OnlineRole::Timestamp => memory.timestamp,
        };
        let is_this = |last: &RememberedFile| last.version.get() == rivals.version;
        last.filter(is_this).map(|last| last.file.into_bytes())
    }
}

fn request(
    http: &Http,
    keys: &BTreeMap<OnlineRole, SignerKey>,
    rivals: &Rivals,
    client: usize,
) -> reqwest::RequestBuilder {
    let Rivals { role, documents, .. } = rivals;
    // Of a key and its stand-by the second client names the stand-by alone.
    let mut keyids: Vec<_> =
        keys[role].clone().with_standby().into_iter().map(|it| it.keyid).collect();
    keyids.drain(..keyids.len().min(client + 1) - 1);
    let head = json!({
        "collection": GUN, "incarnation": LIFE, "role": role, "keyids": keyids,
    });
    let head = head.to_string();
    let head = head.strip_suffix('}').expect("an object");
    let signed = std::str::from_utf8(documents[client].signed()).expect("JSON");
    let request = http.request(Method::POST, "/v1/sign").header("content-type", "application/json");
    request.body(format!("{head},\"signed\":{signed}}}"))
}

/// A token of SoftHSM2 in the world's directory, and the file with its PIN; the configuration that
/// leads there.
fn make_token(directory: &Path) -> String {
    let (config, tokens) = (directory.join("softhsm2.conf"), directory.join("tokens"));
    std::fs::create_dir(&tokens).expect("the world's directory");
    let text = format!("directories.tokendir = {}\n", tokens.display());
    std::fs::write(&config, text).expect("the world's directory");
    std::fs::write(directory.join("pin"), "4567\n").expect("the world's directory");
    let mut init = Command::new("softhsm2-util");
    init.args(["--init-token", "--free", "--label", "notary", "--so-pin", "7654321"]);
    let done = init.args(["--pin", "4567"]).env("SOFTHSM2_CONF", &config).output();
    let done = done.expect("tests/setup installs SoftHSM2");
    assert!(done.status.success(), "{done:?}");
    config.display().to_string()
}

fn softhsm() -> &'static str {
    let mut places =
        ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"].into_iter();
    places.find(|path| Path::new(path).exists()).expect("tests/setup installs SoftHSM2")
}
