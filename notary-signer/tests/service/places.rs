//! Worlds whose keys are elsewhere than in the software store.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use notary_schema::name::Glob;
use notary_schema::online::OnlineRole;
use notary_signer::config::backends::{
    AwsKmsConfig, BackendConfig, ExecConfig, KeyRule, Pkcs11Config, StandbyRule,
};

use crate::world::World;

/// The name of the backend.
pub(crate) const PLACE: &str = "place";
/// The name of the backend of the stand-by.
pub(crate) const STANDBY: &str = "standby";
/// A variable of SoftHSM2, which reads it once in a process.
const TOKENS: &str = "SOFTHSM2_CONF";
/// Where the second run finds its KMS.
const ADDRESS: &str = "TEST_KMS_ADDRESS";
const PIN: &str = "4567";

/// All keys behind `openssl-keys.sh`, in files of their own.
pub(crate) fn behind_openssl() -> World {
    let world = World::new();
    let program = openssl(&world);
    all_keys_in(world, program)
}

/// The keys of these collections behind `openssl-keys.sh`, the others in the software store.
pub(crate) fn partly_behind_openssl(collections: &str) -> World {
    let mut world = World::new();
    let program = openssl(&world);
    keys_in(&mut world, program, collections);
    world
}

/// The timestamp of `acme/app` behind one `openssl-keys.sh`, with a stand-by behind another one; the
/// snapshot in the software store.
pub(crate) fn with_standby(after_seconds: u64) -> World {
    let mut world = World::new();
    for name in [PLACE, STANDBY] {
        let program = openssl_in(&world, name, 600);
        world.config.backends.insert(name.to_owned(), program);
    }
    world.config.keys.push(KeyRule {
        collections: Glob::parse("acme/app").unwrap(),
        role: Some(OnlineRole::Timestamp),
        backend: PLACE.to_owned(),
        algorithm: None,
        attach: None,
        standby: Some(StandbyRule {
            backend: STANDBY.to_owned(),
            algorithm: None,
            attach: None,
            after_seconds,
        }),
    });
    world
}

/// A new private key, as the program keeps it.
pub(crate) fn new_private_key() -> String {
    run(Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC"])
        .args(["-pkeyopt", "ec_paramgen_curve:P-256"]))
}

/// While this file is there, the program of a world signs nothing.
pub(crate) fn hangs(world: &World) -> PathBuf {
    world.path("openssl/hangs")
}

fn openssl(world: &World) -> BackendConfig {
    openssl_in(world, "openssl", 60)
}

fn openssl_in(world: &World, directory: &str, total_seconds: u64) -> BackendConfig {
    let keys = world.path(directory);
    fs::create_dir(&keys).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/openssl-keys.sh");
    BackendConfig::Exec(ExecConfig {
        program: "sh".into(),
        arguments: vec![script.to_owned(), keys.display().to_string()],
        at_once: 4,
        total_seconds,
    })
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
        run_again(test, &[(TOKENS, config.to_str().unwrap())]);
        return None;
    }
    let pin_file = world.path("pin");
    fs::write(&pin_file, PIN).unwrap();
    let token = "notary".to_owned();
    let token = Pkcs11Config { module: softhsm(), token, pin_file, at_once: 4, total_seconds: 60 };
    Some(all_keys_in(world, BackendConfig::Pkcs11(token)))
}

/// The configuration of the token of a world.
pub(crate) fn token(world: &mut World) -> &mut Pkcs11Config {
    let place = world.config.backends.get_mut(PLACE);
    let Some(BackendConfig::Pkcs11(token)) = place else { panic!("{place:?} is no token") };
    token
}

/// Lets the token of a world do what `token.c` says, while files are in the directory of this path.
pub(crate) fn odd_token(world: &mut World) -> PathBuf {
    let (module, state) = (world.path("token.so"), world.path("token"));
    fs::create_dir(&state).unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/service/token.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", source, "-ldl", "-o"]).arg(&module);
    compiler.arg(format!("-DREAL_MODULE={:?}", token(world).module));
    run(compiler.arg(format!("-DSTATE={state:?}")));
    token(world).module = module;
    state
}

/// A key that somebody has put into the token.
pub(crate) fn key_in_token(world: &World, label: &str) {
    let file = world.path("spare.pem");
    let mut openssl = Command::new("openssl");
    openssl.args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out"]);
    run(openssl.arg(&file));
    let mut import = Command::new("softhsm2-util");
    import.args(["--token", "notary", "--pin", PIN, "--label", label, "--id", "01", "--import"]);
    run(import.arg(&file));
}

/// All keys in AWS KMS, as `tests/python/kms.py` stands for it. Runs the test again with an address
/// and credentials, as [`in_a_token`] does.
pub(crate) fn in_kms(test: &str) -> Option<World> {
    if let Ok(endpoint_url) = std::env::var(ADDRESS) {
        return Some(all_keys_in(
            World::new(),
            BackendConfig::AwsKms(AwsKmsConfig {
                region: Some("eu-central-1".to_owned()),
                profile: None,
                endpoint_url: Some(endpoint_url),
                at_once: 4,
                total_seconds: 60,
            }),
        ));
    }
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/python");
    let interpreter = run(&mut Command::new(format!("{python}/venv")));
    let mut kms = Command::new(interpreter.trim());
    kms.arg(format!("{python}/kms.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
    // It ends with its standard input.
    let mut kms = kms.stderr(Stdio::null()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(kms.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let credentials = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    run_again(test, &[&[(ADDRESS, address.trim())], &credentials[..]].concat());
    drop(kms.stdin.take());
    kms.wait().unwrap();
    None
}

fn run_again(test: &str, variables: &[(&str, &str)]) {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture"]).envs(variables.iter().copied());
    let said = run(&mut again);
    assert!(said.contains("1 passed"), "{said}");
}

fn all_keys_in(mut world: World, backend: BackendConfig) -> World {
    // Nothing can go into the software store, which is not even made.
    world.config.store.passphrase_file = None;
    keys_in(&mut world, backend, "**");
    world
}

fn keys_in(world: &mut World, backend: BackendConfig, collections: &str) {
    world.config.backends.insert(PLACE.to_owned(), backend);
    world.config.keys.push(KeyRule {
        collections: Glob::parse(collections).unwrap(),
        role: None,
        backend: PLACE.to_owned(),
        algorithm: None,
        attach: None,
        standby: None,
    });
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
