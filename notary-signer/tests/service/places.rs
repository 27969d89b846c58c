//! Worlds whose keys are elsewhere than in the software store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use notary_schema::name::Glob;
use notary_signer::config::backends::{BackendConfig, ExecConfig, KeyRule, Pkcs11Config};

use crate::world::World;

/// A variable of SoftHSM2, which reads it once in a process.
const TOKENS: &str = "SOFTHSM2_CONF";
const PIN: &str = "4567";

/// All keys behind `openssl-keys.sh`, in files of their own.
pub(crate) fn behind_openssl() -> World {
    let world = World::new();
    let keys = world.path("openssl");
    fs::create_dir(&keys).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/openssl-keys.sh");
    all_keys_in(
        world,
        BackendConfig::Exec(ExecConfig {
            program: "sh".into(),
            arguments: vec![script.to_owned(), keys.display().to_string()],
            at_once: 4,
            total_seconds: 60,
        }),
    )
}

/// All keys in a token of SoftHSM2. Runs the test of this path again, in a process that has the
/// token in its environment, and answers the world in that run alone: the environment of a running
/// process is never changed.
pub(crate) fn in_a_token(test: &str) -> Option<World> {
    let world = World::new();
    if std::env::var_os(TOKENS).is_none() {
        let (config, tokens) = (world.path("softhsm2.conf"), world.path("tokens"));
        fs::create_dir(&tokens).unwrap();
        fs::write(&config, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
        let mut init = Command::new("softhsm2-util");
        init.args(["--init-token", "--free", "--label", "notary", "--so-pin", "7654321"]);
        run(init.args(["--pin", PIN]).env(TOKENS, &config));
        let mut again = Command::new(std::env::current_exe().unwrap());
        let said = run(again.args(["--exact", test, "--nocapture"]).env(TOKENS, &config));
        assert!(said.contains("1 passed"), "{said}");
        return None;
    }
    let pin_file = world.path("pin");
    fs::write(&pin_file, PIN).unwrap();
    let token = "notary".to_owned();
    let token = Pkcs11Config { module: softhsm(), token, pin_file, at_once: 4, total_seconds: 60 };
    Some(all_keys_in(world, BackendConfig::Pkcs11(token)))
}

fn all_keys_in(mut world: World, backend: BackendConfig) -> World {
    // Nothing can go into the software store, which is not even made.
    world.config.store.passphrase_file = None;
    world.config.backends.insert("place".to_owned(), backend);
    world.config.keys.push(KeyRule {
        collections: Glob::parse("**").unwrap(),
        role: None,
        backend: "place".to_owned(),
        algorithm: None,
        attach: None,
    });
    world
}

fn softhsm() -> PathBuf {
    let found = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    found.expect("SoftHSM2 is not installed: tests/setup installs it").into()
}

/// What a command says; it succeeds.
fn run(command: &mut Command) -> String {
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
    said.into_owned()
}
