//! SoftHSM2, from the distribution, stands for the token. It finds its tokens by a variable of the
//! environment, so each test runs in a process of its own.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use tempfile::TempDir;

use super::super::testing::is_run_with;
use super::*;

const CONFIG: &str = "SOFTHSM2_CONF";
const PIN: &str = "4567";
const LABEL: &str = "notary test";

fn module() -> PathBuf {
    let found = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    PathBuf::from(found.expect("SoftHSM2 is not installed: tests/setup installs it"))
}

/// Runs a test of this module again with a token of its own, and says whether this is that run.
fn with_a_token(name: &str) -> bool {
    if std::env::var_os(CONFIG).is_some() {
        return true;
    }
    let directory = TempDir::new().unwrap();
    let (config, tokens) =
        (directory.path().join("softhsm2.conf"), directory.path().join("tokens"));
    fs::create_dir(&tokens).unwrap();
    let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
    fs::write(&config, text).unwrap();
    new_token(&config, LABEL);
    is_run_with(&format!("keys::pkcs11::tests::{name}"), &[(CONFIG, config.as_os_str())])
}

fn new_token(config: &Path, label: &str) {
    let arguments =
        ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "7654321"];
    let made = Command::new("softhsm2-util").args(arguments).env(CONFIG, config).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}

fn token() -> Token {
    Token { module: module(), name: TokenName::labelled(LABEL), pin: PIN.into(), sessions: 3 }
}

fn store() -> Pkcs11Store {
    Pkcs11Store::new("hsm", token())
}

fn trouble<T>(done: Result<T, KeyError>) -> Trouble {
    match done {
        Err(KeyError::Backend { backend, trouble }) => {
            assert_eq!(backend, "hsm");
            trouble
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it succeeded"),
    }
}

#[tokio::test]
async fn a_new_key_signs_also_through_another_store() {
    if !with_a_token("a_new_key_signs_also_through_another_store") {
        return;
    }
    let store = store();
    store.check().await.unwrap();
    for algorithm in Algorithm::ALL {
        let key = store.create(algorithm, "acme/app 17 timestamp").await.unwrap();
        let again = self::store();
        assert_eq!(again.public(&key.handle).await.unwrap(), key.public, "{algorithm}");
        let long = vec![b'x'; 100_000];
        let signature = key.sign(&again, &long).await.unwrap();
        assert!(key.public.verifies(&long, &signature), "{algorithm}");
    }
}

#[tokio::test]
async fn a_new_key_does_not_leave_the_token() {
    if !with_a_token("a_new_key_does_not_leave_the_token") {
        return;
    }
    let store = store();
    store.create(Algorithm::EcdsaP256, "p").await.unwrap();
    let read = store.with_session(|session| {
        let private = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
        let [key] = session.find_objects(&private).unwrap()[..] else { panic!("not one key") };
        let wanted = [AttributeType::Sensitive, AttributeType::Extractable];
        let attributes = session.get_attributes(key, &wanted).unwrap();
        assert_eq!(attributes, [Attribute::Sensitive(true), Attribute::Extractable(false)]);
        let value = session.get_attributes(key, &[AttributeType::Value]);
        Ok(value.map_or(0, |attributes| attributes.len()))
    });
    assert_eq!(read.await.unwrap(), 0, "the token gave the private key away");
}

#[tokio::test]
async fn a_key_of_somebody_is_attached_by_label_or_id() {
    if !with_a_token("a_key_of_somebody_is_attached_by_label_or_id") {
        return;
    }
    let store = store();
    let first = store.create(Algorithm::EcdsaP256, "release").await.unwrap();
    let attached = store.attach("release", "acme/app 17 timestamp").await.unwrap();
    assert_eq!(attached.public, first.public);
    assert!(attached.sign(&store, b"m").await.is_ok());

    // The same label again: only the id is one key's.
    let second = store.create(Algorithm::EcdsaP256, "release").await.unwrap();
    assert!(matches!(trouble(store.attach("release", "p").await), Trouble::NotSupported(_)));
    let name = NamedKey::of(&second.handle).unwrap().name;
    assert_eq!(store.attach(&name, "p").await.unwrap().public, second.public);
    let (_, id) = name.split_once(';').unwrap();
    assert_eq!(store.attach(id, "p").await.unwrap().public, second.public);
    assert!(attached.sign(&store, b"m").await.is_ok(), "the first one is not found any more");

    for nobody in ["object=nobody", "id=%00", "nobody", "slot=1"] {
        assert!(matches!(trouble(store.attach(nobody, "p").await), Trouble::NoSuchKey(_)));
    }
}

#[tokio::test]
async fn of_two_public_keys_with_the_name_of_a_key_none_is_taken() {
    if !with_a_token("of_two_public_keys_with_the_name_of_a_key_none_is_taken") {
        return;
    }
    let store = store();
    store.create(Algorithm::EcdsaP256, "release").await.unwrap();
    store.attach("release", "p").await.unwrap();
    let copied = store.with_session(|session| {
        let public = [Attribute::Class(ObjectClass::PUBLIC_KEY)];
        let [public] = session.find_objects(&public).unwrap()[..] else { panic!("not one key") };
        session.copy_object(public, &[Attribute::Token(true)]).unwrap();
        Ok(())
    });
    copied.await.unwrap();
    let refused = trouble(store.attach("release", "p").await);
    assert!(matches!(&refused, Trouble::NotSupported(text) if text.contains("several keys")));
}

#[tokio::test]
async fn a_refused_pin_is_tried_once() {
    if !with_a_token("a_refused_pin_is_tried_once") {
        return;
    }
    let wrong = Pkcs11Store::new("hsm", Token { pin: "9999".into(), ..token() });
    let refused = trouble(wrong.check().await);
    assert!(matches!(&refused, Trouble::NotLetIn(text) if text.contains("PIN")), "{refused}");
    // Logged in by now, the token would take any session: only memory of the refusal keeps it out.
    let right = store();
    right.check().await.unwrap();
    assert_eq!(trouble(wrong.check().await), refused);
    let both = tokio::join!(wrong.check(), wrong.check());
    assert_eq!((trouble(both.0), trouble(both.1)), (refused.clone(), refused));
    right.check().await.unwrap();
}

/// Otherwise each backend that is configured with a wrong PIN takes a try of its own.
#[tokio::test]
async fn a_pin_that_was_refused_is_refused_to_every_store_of_the_token() {
    if !with_a_token("a_pin_that_was_refused_is_refused_to_every_store_of_the_token") {
        return;
    }
    let wrong = || Pkcs11Store::new("hsm", Token { pin: "9999".into(), ..token() });
    let first = wrong();
    let refused = trouble(first.check().await);
    // Logged in by now, the token would take any session.
    store().check().await.unwrap();
    assert_eq!(trouble(wrong().check().await), refused);
    // Nobody who was refused is there any more: whoever starts anew may have another token.
    drop(first);
}

#[tokio::test]
async fn lost_sessions_are_opened_again() {
    if !with_a_token("lost_sessions_are_opened_again") {
        return;
    }
    let store = store();
    let key = store.create(Algorithm::EcdsaP256, "p").await.unwrap();
    for _ in 0..2 {
        tokio::try_join!(store.check(), store.check(), key.sign(&store, b"m")).unwrap();
        store.sessions.log_out();
        assert!(matches!(trouble(key.sign(&store, b"m").await), Trouble::Unreachable(_)));
        assert_eq!(store.sessions.idle(), 0, "what the token forgot is kept");
        assert!(key.sign(&store, b"m").await.is_ok());
    }
    store.sessions.log_out();
    let missed = trouble(store.check().await).to_string();
    assert!(missed.contains("forgotten the login"), "{missed}");
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_deleted_is_missed_and_those_beside_it_sign_on() {
    if !with_a_token("a_key_that_is_deleted_is_missed_and_those_beside_it_sign_on") {
        return;
    }
    let store = store();
    let [deleted, kept] = [
        store.create(Algorithm::EcdsaP256, "deleted").await.unwrap(),
        store.create(Algorithm::EcdsaP256, "kept").await.unwrap(),
    ];
    for key in [&deleted, &kept, &deleted] {
        key.sign(&store, b"m").await.unwrap();
    }
    let delete = |session: &Session| {
        let key = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Label(b"deleted".into())];
        session.destroy_object(session.find_objects(&key).unwrap()[0]).unwrap();
        Ok(())
    };
    store.with_session(delete).await.unwrap();
    // The session has the key in mind.
    assert!(matches!(trouble(deleted.sign(&store, b"m").await), Trouble::Unreachable(_)));
    assert!(matches!(trouble(deleted.sign(&store, b"m").await), Trouble::NoSuchKey(_)));
    kept.sign(&store, b"m").await.unwrap();
}

/// A library reads a token once, and goes on with that.
#[tokio::test]
async fn a_token_that_was_away_is_missed_and_signs_again_when_it_is_back() {
    if !with_a_token("a_token_that_was_away_is_missed_and_signs_again_when_it_is_back") {
        return;
    }
    let config = PathBuf::from(std::env::var_os(CONFIG).unwrap());
    let (there, away) = (config.with_file_name("tokens"), config.with_file_name("away"));
    let (store, other) = (store(), self::store());
    let key = store.create(Algorithm::EcdsaP256, "p").await.unwrap();
    for store in [&store, &other] {
        key.sign(store, b"m").await.unwrap();
    }
    let signs_at_last = async |store: &Pkcs11Store| {
        for _ in 0..4 {
            if key.sign(store, b"m").await.is_ok() {
                return store.check().await.unwrap();
            }
        }
        panic!("it does not sign again");
    };
    for is_checked in [true, false] {
        fs::rename(&there, &away).unwrap();
        for _ in 0..3 {
            for store in [&store, &other] {
                let missed = match is_checked {
                    true => trouble(store.check().await),
                    false => trouble(key.sign(store, b"m").await),
                };
                assert!(matches!(missed, Trouble::Unreachable(_)), "{missed}");
            }
        }
        fs::rename(&away, &there).unwrap();
        for store in [&store, &other] {
            signs_at_last(store).await;
        }
    }
    // Nobody has looked meanwhile.
    fs::rename(&there, &away).unwrap();
    fs::rename(&away, &there).unwrap();
    let _ = tokio::join!(store.check(), other.check());
    for store in [&store, &other] {
        signs_at_last(store).await;
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    if !with_a_token("what_is_not_there_is_named") {
        return;
    }
    let other = Pkcs11Store::new("hsm", Token { name: TokenName::labelled("other"), ..token() });
    let refused = trouble(other.check().await).to_string();
    assert!(refused.contains("\"other\"") && refused.contains("\"notary test\""), "{refused}");
    let nowhere = Token { module: "/nowhere/libhsm.so".into(), ..token() };
    let refused = trouble(Pkcs11Store::new("hsm", nowhere).check().await).to_string();
    assert!(refused.contains("/nowhere/libhsm.so"), "{refused}");
}

#[tokio::test]
async fn of_two_tokens_with_one_label_none_is_taken() {
    if !with_a_token("of_two_tokens_with_one_label_none_is_taken") {
        return;
    }
    let config = PathBuf::from(std::env::var_os(CONFIG).unwrap());
    new_token(&config, "other");
    new_token(&config, LABEL);
    let refused = trouble(store().check().await).to_string();
    assert!(refused.contains("2 tokens"), "{refused}");
    Pkcs11Store::new("hsm", Token { name: TokenName::labelled("other"), ..token() })
        .check()
        .await
        .unwrap();
}

#[tokio::test]
async fn many_calls_share_the_sessions() {
    if !with_a_token("many_calls_share_the_sessions") {
        return;
    }
    let store = store();
    let key = store.create(Algorithm::EcdsaP256, "p").await.unwrap();
    let calls = (0..50).map(|_| key.sign(&store, b"m"));
    for done in futures_util::future::join_all(calls).await {
        assert!(done.is_ok(), "{done:?}");
    }
    assert!(store.sessions.idle() <= 3, "there are {} sessions", store.sessions.idle());
    let mut threads = HashSet::new();
    for _ in 0..50 {
        let thread = store.with_session(|_| Ok(std::thread::current().id()));
        threads.insert(thread.await.unwrap());
    }
    assert!(threads.len() <= 3, "there were {} threads", threads.len());
}
