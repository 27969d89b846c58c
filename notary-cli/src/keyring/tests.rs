use std::path::Path;

use notary_schema::draft::Draft;
use notary_schema::envelope::Envelope;
use notary_schema::role::Targets;
use notary_schema::threshold;

use super::*;
use crate::testing::{Collection, in_days, role, silent};

fn keyring(directory: &Path, passphrases: &[(&'static str, &str)]) -> Keyring {
    let secret = |(name, text): &(&'static str, &str)| (*name, SecretString::from(*text));
    let passphrases = passphrases.iter().map(secret).collect();
    let places = Places::new(BTreeMap::new(), None, false);
    Keyring::new(directory.join("keys"), passphrases, places, false, silent())
}

const ALL: (&str, &str) = ("NOTARY_PASSPHRASE", "correct horse");

#[test]
fn a_key_is_listed_and_found_by_the_beginning_of_its_id() {
    let directory = tempfile::tempdir().unwrap();
    let keyring = keyring(directory.path(), &[ALL]);
    assert_eq!(keyring.list().unwrap().len(), 0);
    let made = keyring.create(Algorithm::Ed25519, Some("release".into()), Purpose::Any).unwrap();
    let listed = keyring.list().unwrap();
    assert_eq!((listed.len(), listed[0].label.as_deref()), (1, Some("release")));
    assert_eq!(keyring.entry(&made.keyid.as_str()[..8]).unwrap().keyid, made.keyid);
    for bad in ["", "0000000000000000000000000000000000000000", "zz"] {
        assert!(matches!(keyring.entry(bad), Err(KeyringError::UnknownKey(_))), "{bad:?}");
    }
    assert!(keyring.pem(&made).unwrap().starts_with(b"-----BEGIN ENCRYPTED PRIVATE KEY"));
}

#[test]
fn an_ambiguous_beginning_names_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let keyring = keyring(directory.path(), &[]);
    let (first, second) = (Collection::new().key("docs"), Collection::new().key("docs"));
    for (entry, id) in [(&first, "aa1"), (&second, "aa2")] {
        let entry = KeyEntry { keyid: KeyId::parse(id).unwrap(), ..entry.clone() };
        files::write_json(&keyring.entry_path(&entry.keyid), &entry).unwrap();
    }
    assert!(keyring.entry("aa1").is_ok());
    assert!(keyring.entry("aa").is_err());
}

#[test]
fn a_passphrase_comes_from_the_variable_of_the_purpose_first() {
    let directory = tempfile::tempdir().unwrap();
    let own = ("NOTARY_TARGETS_PASSPHRASE", "for targets");
    let made = keyring(directory.path(), &[ALL, own])
        .create(Algorithm::Ed25519, None, Purpose::Targets)
        .unwrap();
    let document = Draft::first_targets(in_days(1)).finish();
    let sign = |passphrases: &[(&'static str, &str)], purpose| {
        let keyring = keyring(directory.path(), passphrases);
        keyring.sign_with(&document, purpose, &[(&made.keyid, &made)])
    };
    sign(&[ALL, own], Purpose::Targets).unwrap();
    sign(&[("NOTARY_PASSPHRASE", "for targets")], Purpose::Targets).unwrap();
    let wrong = sign(&[ALL, own], Purpose::Root).unwrap_err();
    assert!(matches!(wrong, KeyringError::Key(KeyError::DoesNotOpen(_))), "{wrong}");
    let missing = sign(&[], Purpose::Root).unwrap_err();
    assert!(missing.to_string().contains("NOTARY_ROOT_PASSPHRASE"), "{missing}");
}

#[test]
fn an_empty_passphrase_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let empty = keyring(directory.path(), &[("NOTARY_PASSPHRASE", "")]);
    let refused = empty.create(Algorithm::Ed25519, None, Purpose::Any).unwrap_err();
    assert!(matches!(refused, KeyringError::PassphraseEmpty { .. }), "{refused}");
    assert_eq!(empty.list().unwrap().len(), 0);
}

#[test]
fn a_key_file_elsewhere_opens_with_whichever_passphrase_is_set() {
    let directory = tempfile::tempdir().unwrap();
    let own = ("NOTARY_DELEGATION_PASSPHRASE", "for the team");
    let made = keyring(directory.path(), &[own])
        .create(Algorithm::Ed25519, None, Purpose::Delegation)
        .unwrap();
    let other = tempfile::tempdir().unwrap();
    let file = directory.path().join(format!("keys/{}.pem", made.keyid));
    let file = file.to_str().unwrap().to_owned();
    let elsewhere = keyring(other.path(), &[ALL, own]);
    assert_eq!(elsewhere.available(std::slice::from_ref(&file)).unwrap()[0].keyid, made.keyid);
    let without = keyring(other.path(), &[ALL]);
    assert!(without.available(&[file]).is_err());
}

#[test]
fn a_role_is_signed_by_the_keys_that_are_listed_for_it_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let keyring = keyring(directory.path(), &[ALL]);
    let [one, two] =
        [(); 2].map(|()| keyring.create(Algorithm::Ed25519, None, Purpose::Any).unwrap());
    let keys = BTreeMap::from([(one.keyid.clone(), one.key.clone())]);
    let signers = notary_schema::role::RoleKeys::new(vec![one.keyid.clone()], 1).unwrap();
    let authority = Authority { keys: &keys, role: &signers };
    let document = Draft::first_targets(in_days(1)).finish();
    let available = [two.clone(), one.clone()];
    let file = keyring.sign(&document, &role("docs"), &available, authority).unwrap();
    let report = threshold::count(&Envelope::<Targets>::parse(file).unwrap(), authority);
    assert_eq!((report.valid, report.unknown), (vec![one.keyid.clone()], vec![]));
    let none = keyring.sign(&document, &role("docs"), &[two], authority).unwrap_err();
    assert!(none.to_string().contains(one.keyid.as_str()), "{none}");
    assert!(matches!(none, KeyringError::NoKeyFor { .. }));
}
