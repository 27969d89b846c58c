//! Does a collection whose keys never leave tokens and programs read as any other?

mod kms;

use notary_tests::judge::{self, NgClient};
use notary_tests::tree;
use notary_tests::world::{Person, World};
use serde_json::Value;

const PIN: &str = "4567";

/// Gives a person a token of their own, of SoftHSM2 from the distribution.
fn give_token(person: &Person, label: &str) {
    let tokens = person.directory().join("tokens");
    std::fs::create_dir(&tokens).expect("their own directory");
    let config =
        format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    person.file(".config/softhsm2/softhsm2.conf", config);
    person.file("pin", PIN);
    let line = format!(
        "ln -s $(ls /usr/lib*/softhsm/libsofthsm2.so) hsm.so && \
         softhsm2-util --init-token --free --label {label} --pin {PIN} --so-pin 7654321"
    );
    person.run(person.shell(&line)).done();
}

/// A key of a token, as an option names it.
fn in_token(token: &str, object: &str) -> String {
    format!("pkcs11:token={token};object={object}?module-path=./hsm.so&pin-source=file:pin")
}

fn keyid(made: &Value) -> &str {
    made["keyid"].as_str().expect("an id")
}

#[test]
fn every_client_reads_a_collection_whose_keys_never_left_their_places() {
    let world = World::start();
    let manager = world.person("manager", "admin --collection acme/**");
    let docs = world.person("docs", "publish --collection acme/app --role docs");
    let code = world.person("code", "publish --collection acme/app --role code");

    // Root and targets in the manager's token, in all kinds of keys.
    give_token(&manager, "release");
    for (name, algorithm) in
        [("root", "ecdsa-p256"), ("second", "rsa-3072"), ("targets", "ed25519")]
    {
        let place = in_token("release", name);
        manager.notary(&format!("key generate --in {place} --algorithm {algorithm}")).done();
    }
    let [root, second, targets] =
        ["root", "second", "targets"].map(|name| in_token("release", name));
    let init = format!(
        "init acme/app --root-key {root} --root-key {second} --root-threshold 2 --targets-key {targets}"
    );
    manager.notary(&init).done();
    manager.file("app.tgz", "the release");
    manager.notary("add acme/app app.tgz app.tgz --publish").done();

    // One team has a token, too, the other a program.
    give_token(&docs, "docs");
    let sign = tree::root().join("notary-signer/tests/service/openssl-keys.sh");
    code.file("vault/.keep", "");
    let places = [
        (&docs, "docs", in_token("docs", "docs")),
        (&code, "code", format!("exec:{}?argument=vault", sign.display())),
    ];
    for (team, role, place) in &places {
        team.notary("list acme/app --tofu").done();
        let made = team.notary(&format!("key generate --in {place} --json")).json();
        let (key, request) = (keyid(&made), format!("../{role}.request"));
        team.notary(&format!("delegation request acme/app {role} --key {key} -o {request}")).done();
        let add = format!("delegation add acme/app {role} --request {request} --path {role}/*");
        manager.notary(&format!("{add} --publish")).done();
        team.file("file", role);
        team.notary(&format!("add acme/app {role}/file file --publish")).done();
    }

    // A root that needs both of its keys, and a new one that comes in.
    let third = in_token("release", "third");
    manager.notary(&format!("key generate --in {third}")).done();
    manager.notary(&format!("rotate acme/app root --new-key {third}")).done();

    let question = world.question("acme/app", &["app.tgz", "docs/file", "code/file"]);
    let all = [("app.tgz", 11), ("code/file", 4), ("docs/file", 4)];
    let all = all.map(|(name, length)| (name.to_owned(), Ok(length))).into_iter().collect();
    assert_eq!(NgClient::start().ask(&question), all);
    assert_eq!(judge::tough(&question), all);
}
