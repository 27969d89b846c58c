//! The program as an operator uses it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use notary_schema::online::OnlineRole::Snapshot;

use crate::client::Client;
use crate::world::{World, write_installation};

pub(crate) fn signer(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notary-signer"));
    command.current_dir(directory).env_remove("NOTARY_SIGNER_PASSPHRASE");
    command.args(arguments).output().unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn fails(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_small_authority_is_made_and_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| signer(directory.path(), arguments);
    stdout(&run(&["pki", "init", "pki"]));
    stdout(&run(&["pki", "issue", "pki", "signer", "--server", "signer.example", "10.0.0.1"]));
    stdout(&run(&["pki", "issue", "pki", "server", "--client"]));
    for name in ["ca", "signer", "server"] {
        let key = fs::metadata(directory.path().join(format!("pki/{name}.key"))).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600, "{name}");
    }
    let before = fs::read(directory.path().join("pki/ca.pem")).unwrap();
    for again in [&["pki", "init", "pki"][..], &["pki", "issue", "pki", "signer", "--client"]] {
        assert!(fails(&run(again), 8).contains("exists already"));
    }
    assert_eq!(fs::read(directory.path().join("pki/ca.pem")).unwrap(), before);
    for name in ["ca", "../x", "", ".hidden", "a/b"] {
        assert!(fails(&run(&["pki", "issue", "pki", name]), 2).contains("is no name"), "{name}");
    }
    assert!(fails(&run(&["pki", "issue", "none", "x"]), 8).contains("pki init"));
}

/// What openssl says of a certificate: a second opinion.
fn certificate_text(path: &Path) -> String {
    let arguments = ["x509", "-noout", "-text", "-in", path.to_str().unwrap()];
    let output = Command::new("openssl").args(arguments).output();
    stdout(&output.expect("the tests need the program openssl"))
}

#[test]
fn certificates_say_what_they_are_for() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| stdout(&signer(directory.path(), arguments));
    run(&["pki", "init", "pki"]);
    run(&["pki", "issue", "pki", "local", "--server"]);
    run(&["pki", "issue", "pki", "remote", "--server", "signer.example"]);
    run(&["pki", "issue", "pki", "client", "--client"]);
    let text = |name: &str| certificate_text(&directory.path().join(format!("pki/{name}.pem")));
    assert!(text("ca").contains("CA:TRUE, pathlen:0"));
    let local = text("local");
    assert!(local.contains("DNS:localhost, IP Address:127.0.0.1"), "{local}");
    assert!(local.contains("TLS Web Server Authentication\n"), "{local}");
    let remote = text("remote");
    assert!(remote.contains("DNS:signer.example") && !remote.contains("localhost"), "{remote}");
    let client = text("client");
    assert!(client.contains("TLS Web Client Authentication\n"), "{client}");
    assert!(!client.contains("CA:TRUE") && client.contains("CN = client"), "{client}");
}

/// The program as a process of its own; killed when it is dropped.
struct Serving {
    child: Child,
    address: SocketAddr,
}

impl Serving {
    fn start(directory: &Path, passphrase: Option<&str>) -> Serving {
        let mut child = Command::new(env!("CARGO_BIN_EXE_notary-signer"))
            .current_dir(directory)
            .envs(passphrase.map(|text| ("NOTARY_SIGNER_PASSPHRASE", text)))
            .args(["serve", "--config", "signer.toml", "--address-file", "address"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let listening = log.find(|line| line.as_ref().unwrap().contains("listening"));
        assert!(listening.is_some(), "it ended without listening");
        // Read on, so that the program never waits for its log.
        std::thread::spawn(move || log.for_each(drop));
        let address = fs::read_to_string(directory.join("address")).unwrap();
        Serving { child, address: address.trim().parse().unwrap() }
    }

    fn signal(&mut self, name: &str) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_program_serves_until_it_is_told_to_stop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_installation(path);
    for name in ["TERM", "INT"] {
        let mut serving = Serving::start(path, None);
        let identity = (path.join("pki/server.pem"), path.join("pki/server.key"));
        let client = Client::new(serving.address, &path.join("pki/ca.pem"), Some(identity));
        client.key(Snapshot, false).await;
        let second = signer(path, &["serve", "--config", "signer.toml"]);
        assert!(fails(&second, 8).contains("signer.sqlite.lock"));
        assert_eq!(serving.signal(name), 0, "{name}");
    }
}

#[test]
fn check_names_the_pin_that_others_may_read_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_installation(path);
    let mut config = fs::read_to_string(path.join("signer.toml")).unwrap();
    for (name, mode) in [("open", 0o604), ("closed", 0o600)] {
        let pin = path.join(format!("{name}.pin"));
        fs::write(&pin, "4567").unwrap();
        fs::set_permissions(&pin, fs::Permissions::from_mode(mode)).unwrap();
        config += &format!(
            "[backends.{name}]\nkind = 'pkcs11'\nmodule = 'none.so'\ntoken = 'none'\n\
             pin_file = '{name}.pin'\n"
        );
    }
    fs::write(path.join("signer.toml"), config).unwrap();
    let text = signer(path, &["check", "--config", "signer.toml"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("open.pin has mode 0604, so others may read it"), "{text}");
    assert!(!text.contains("closed.pin"), "{text}");
}

/// Also where no key is in it yet, which would be wrong for itself.
#[test]
fn check_calls_a_place_wrong_that_is_not_there() {
    let world = World::new();
    let file = world.path("signer.toml");
    let own = fs::read_to_string(&file).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/openssl-keys.sh");
    let check = |program: &str| {
        let place = format!(
            "[backends.place]\nkind = 'exec'\nprogram = '{program}'\narguments = ['{script}', '.']\n"
        );
        fs::write(&file, format!("{own}{place}")).unwrap();
        signer(&world.path(""), &["check", "--config", "signer.toml"])
    };
    let there = stdout(&check("/bin/sh"));
    assert!(there.contains("ok      backend: place is there"), "{there}");
    let away = check("/nowhere/sh");
    fails(&away, 1);
    let away = String::from_utf8(away.stdout).unwrap();
    assert!(away.contains("wrong   backend: place is not reached"), "{away}");
}

/// The system would look for a name without a directory in PATH.
#[test]
fn a_program_is_beside_the_configuration_however_that_is_named() {
    let world = World::new();
    let file = world.path("signer.toml");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/openssl-keys.sh");
    fs::copy(script, world.path("keys")).unwrap();
    let place = "[backends.place]\nkind = 'exec'\nprogram = 'keys'\narguments = ['.']\n";
    fs::write(&file, fs::read_to_string(&file).unwrap() + place).unwrap();
    for named in ["signer.toml", "./signer.toml", file.to_str().unwrap()] {
        let checked = stdout(&signer(&world.path(""), &["check", "--config", named]));
        assert!(checked.contains("ok      backend: place is there"), "{named}: {checked}");
    }
}

#[tokio::test]
async fn check_looks_at_everything_and_changes_nothing() {
    let mut world = World::new();
    let path = world.path("");
    let check = || signer(&path, &["check", "--config", "signer.toml"]);
    let fresh = stdout(&check());
    assert!(fresh.contains("warning database"), "{fresh}");
    let wrong = |words: &str| {
        let wrong = check();
        fails(&wrong, 1);
        let wrong = String::from_utf8(wrong.stdout).unwrap();
        assert!(wrong.contains(words), "{words}: {wrong}");
    };
    // What the first start would stop at.
    let (there, away) = (world.path("signer.passphrase"), world.path("away"));
    fs::rename(&there, &away).unwrap();
    wrong("wrong   software store: cannot read ");
    fs::rename(&away, &there).unwrap();
    let config = fs::read_to_string(world.path("signer.toml")).unwrap();
    let elsewhere = config.replace("signer.sqlite", "none/signer.sqlite");
    fs::write(world.path("signer.toml"), elsewhere).unwrap();
    wrong("none is no directory");
    fs::write(world.path("signer.toml"), config).unwrap();
    assert!(!world.config.database.exists());

    world.start().await.unwrap();
    world.server().key(Snapshot, false).await;
    let text = stdout(&check());
    assert!(text.contains("ok      keys: 1 of 1 can sign"), "{text}");
    assert!(text.lines().all(|line| line.starts_with("ok ")), "{text}");
    let readable = fs::Permissions::from_mode(0o640);
    fs::set_permissions(world.path("signer.passphrase"), readable).unwrap();
    let text = stdout(&check());
    assert!(text.contains("signer.passphrase has mode 0640"), "{text}");
    let json = signer(&path, &["check", "--config", "signer.toml", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(json["ok"], true);

    fs::write(world.path("signer.passphrase"), "wrong").unwrap();
    wrong("wrong   software store: ");
}

#[tokio::test]
async fn check_names_what_is_wrong_with_the_certificates() {
    let world = World::new();
    let path = world.path("");
    fs::copy(world.path("pki/server.key"), world.path("pki/signer.key")).unwrap();
    let mixed = signer(&path, &["check", "--config", "signer.toml"]);
    fails(&mixed, 1);
    assert!(String::from_utf8(mixed.stdout).unwrap().contains("wrong   tls: "));
    fs::remove_file(world.path("pki/signer.pem")).unwrap();
    let missing = signer(&path, &["check", "--config", "signer.toml"]);
    fails(&missing, 1);
    assert!(String::from_utf8(missing.stdout).unwrap().contains("wrong   certificate: "));
}

#[tokio::test]
async fn a_retired_key_signs_nothing_until_it_is_restored() {
    let world = World::started().await;
    let path = world.path("");
    let key = |act: &str, id: &str| signer(&path, &["key", act, id, "--config", "signer.toml"]);
    let id = world.server().key(Snapshot, false).await.keyid;
    world.server().sign(&[&id], &world.snapshot(1, 1)).await.file();

    assert_eq!(stdout(&key("retire", id.as_str())), format!("{id} is retired now\n"));
    assert!(fails(&key("retire", id.as_str()), 1).contains("retired already"));
    let refused = world.server().sign(&[&id], &world.snapshot(2, 1)).await;
    assert_eq!((refused.status, refused.refusal().as_str()), (409, "retired_key"));
    let next = world.server().key(Snapshot, false).await.keyid;
    assert_ne!(next, id, "another key takes its place");

    assert_eq!(stdout(&key("restore", id.as_str())), format!("{id} is active now\n"));
    world.server().sign(&[&id], &world.snapshot(2, 1)).await.file();
    assert!(fails(&key("retire", &"0".repeat(64)), 5).contains("there is no key"));
    let operator = world.audit().into_iter().filter(|line| line.who.starts_with("operator "));
    let acts: Vec<String> = operator.map(|line| line.action).collect();
    assert_eq!(acts, ["key retire", "key restore"]);

    let listed = stdout(&signer(&path, &["key", "list", "--config", "signer.toml"]));
    assert!(listed.contains(&format!("{id} active   acme/app")), "{listed}");
    assert_eq!(listed.lines().count(), 2);
}

#[tokio::test]
async fn a_key_that_is_retired_while_it_signs_records_nothing() {
    let world = World::started().await;
    let path = world.path("");
    let id = world.server().key(Snapshot, false).await.keyid;
    let document = world.snapshot(1, 1);
    let (directory, keyid) = (path.clone(), id.to_string());
    world.at_stop_points(move |_| {
        signer(&directory, &["key", "retire", &keyid, "--config", "signer.toml"]);
    });
    assert_eq!(world.server().sign(&[&id], &document).await.refusal(), "retired_key");
    assert!(world.server().memory().await.snapshot.is_none());

    world.at_stop_points(|_| {});
    stdout(&signer(&path, &["key", "restore", id.as_str(), "--config", "signer.toml"]));
    world.server().sign(&[&id], &document).await.file();
}

#[tokio::test]
async fn the_memory_of_a_collection_is_shown() {
    let world = World::started().await;
    let path = world.path("");
    let show = |gun: &str| {
        signer(&path, &["memory", "show", "--gun", gun, "--config", "signer.toml", "--json"])
    };
    assert!(fails(&show("acme/app"), 5).contains("nothing was signed"));
    let key = world.server().key(Snapshot, false).await.keyid;
    let file = world.server().sign(&[&key], &world.snapshot(3, 1)).await.file();
    let shown: serde_json::Value = serde_json::from_str(&stdout(&show("acme/app"))).unwrap();
    assert_eq!(shown["items"][0]["version"], 3);
    assert_eq!(shown["items"][0]["sha256"], notary_schema::key::sha256_hex(&file));
    assert!(fails(&show("../x"), 2).contains("collection name"));
}

#[test]
fn the_passphrase_may_come_from_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_installation(path);
    let config = fs::read_to_string(path.join("signer.toml")).unwrap();
    let (without, _) = config.split_once("[store]").unwrap();
    fs::write(path.join("signer.toml"), without).unwrap();
    let refused = signer(path, &["serve", "--config", "signer.toml"]);
    assert!(fails(&refused, 8).contains("NOTARY_SIGNER_PASSPHRASE"));
    let mut serving = Serving::start(path, Some("correct horse"));
    assert_eq!(serving.signal("TERM"), 0);
}

#[test]
fn a_configuration_that_is_not_understood_is_a_mistake_of_use() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| signer(directory.path(), arguments);
    fs::write(directory.path().join("signer.toml"), "lisen = 1\n").unwrap();
    assert!(fails(&run(&["serve", "--config", "signer.toml"]), 2).contains("lisen"));
    assert!(fails(&run(&["serve", "--config", "none.toml"]), 8).contains("none.toml"));
    let named = |file: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-signer"));
        command.current_dir(directory.path()).args(["key", "list"]);
        command.env("NOTARY_SIGNER_CONFIG", file).output().unwrap()
    };
    assert!(fails(&named("signer.toml"), 2).contains("lisen"));
    let absent = fails(&named("none.toml"), 8);
    for word in ["none.toml", "--config", "NOTARY_SIGNER_CONFIG"] {
        assert!(absent.contains(word), "{absent}");
    }
    // An empty one names none.
    assert!(fails(&named(""), 8).contains("/etc/notary/signer.toml"));
    let help = stdout(&run(&["key", "list", "--help"]));
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("[default: /etc/notary/signer.toml]"), "{help}");
    fails(&run(&["serve", "--bogus"]), 2);
    assert!(stdout(&run(&["--help"])).contains("Looks at configuration"));
}
