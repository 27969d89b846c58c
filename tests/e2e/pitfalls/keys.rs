//! Keys, key ids, thresholds and signatures.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use notary_schema::key::PublicKey;
use notary_tests::hand::{Collection, HandKey, Layout};
use serde_json::{Value, json};

use super::{Case, reads, refuses};

pub(super) fn cases() -> Vec<Case> {
    [spellings(), unknown_keys(), signatures(), thresholds()].into_iter().flatten().collect()
}

/// An ECDSA key as repositories of all ages list it.
fn ecdsa_listed(key: &HandKey, keytype: &str, public: &str) -> HandKey {
    let scheme = key.object()["scheme"].clone();
    key.listed_as(json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}}))
}

fn pem(key: &HandKey) -> String {
    key.object()["keyval"]["public"].as_str().expect("an ECDSA key is listed as PEM").to_owned()
}

fn spellings() -> Vec<Case> {
    let signs_targets = |key: HandKey| move |c: &mut Collection| c.trust("targets", &[key], 1);
    let mut cases = vec![
        reads("a key on P-256", signs_targets(HandKey::p256())),
        reads("a key on P-384", signs_targets(HandKey::p384())),
    ];
    let old_name = "ecdsa-sha2-nistp256";
    for keytype in ["ecdsa", old_name] {
        let key = HandKey::p256();
        let listed = ecdsa_listed(&key, keytype, &pem(&key));
        cases.push(reads(format!("a PEM key of type {keytype}"), signs_targets(listed)));
        let listed = ecdsa_listed(&key, keytype, &hex::encode(key.public_bytes()));
        cases.push(reads(format!("a hexadecimal key of type {keytype}"), signs_targets(listed)));
    }
    let key = HandKey::p256();
    let unbroken =
        BASE64_STANDARD.encode(PublicKey::EcdsaP256(key.public_bytes().to_vec()).to_spki());
    for (name, public) in [
        ("a PEM key with Windows line ends", pem(&key).replace('\n', "\r\n")),
        ("a PEM key without its last newline", pem(&key).trim_end().to_owned()),
        (
            "a PEM key on one line",
            format!("-----BEGIN PUBLIC KEY-----\n{unbroken}\n-----END PUBLIC KEY-----\n"),
        ),
    ] {
        cases.push(reads(name, signs_targets(ecdsa_listed(&key, "ecdsa", &public))));
    }
    for (name, id) in [("a word", "key-1"), ("another hash", HandKey::ed25519(61).id())] {
        let key = HandKey::ed25519(60).under_id(id);
        cases.push(reads(format!("a key whose id is {name}"), |c| {
            c.trust("targets", &[key], 1);
        }));
    }
    cases.push(refuses("root", "control character", "a PEM key with raw newlines", |c| {
        c.trust("targets", &[HandKey::p256()], 1);
        c.root.layout = Layout::Canonical;
    }));
    cases
}

/// Keys that nobody here can verify with are kept, and never count.
fn unknown_keys() -> Vec<Case> {
    let key = HandKey::ed25519(20);
    let p256 = HandKey::p256();
    let public = hex::encode(key.public_bytes());
    let objects = [
        (
            "of an unknown type",
            json!({"keytype": "sphincs", "scheme": "sphincs", "keyval": {"public": "00"}}),
        ),
        (
            "of an unknown scheme",
            json!({"keytype": "ed25519", "scheme": "ed25519ph", "keyval": {"public": public}}),
        ),
        (
            "without a public value",
            json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {}}),
        ),
        (
            "with an unreadable value",
            json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "zz"}}),
        ),
        (
            "with a value of the wrong length",
            json!({"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "00"}}),
        ),
        (
            "with the scheme of another curve",
            json!({"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp384", "keyval": {"public": pem(&p256)}}),
        ),
        (
            "with an unreadable PEM",
            json!({"keytype": "rsa", "scheme": "rsassa-pss-sha256", "keyval": {"public": "no PEM"}}),
        ),
    ];
    let mut cases = Vec::new();
    for (name, object) in objects {
        let unknown = key.listed_as(object);
        let known = HandKey::ed25519(1);
        let both = [known, unknown];
        cases.push(reads(format!("a key {name} beside one that signs"), |c| {
            c.trust("targets", &both, 1);
            c.targets.signers.truncate(1);
        }));
        cases.push(refuses(
            "targets",
            "signed by 1 of 2",
            format!("a threshold that needs a key {name}"),
            |c| c.trust("targets", &both, 2),
        ));
    }
    cases.push(reads("a key with an unknown member", |c| {
        let mut object = HandKey::ed25519(1).object().clone();
        object["x-unknown"] = json!("kept, and part of the id");
        c.trust("targets", &[HandKey::ed25519(1).listed_as(object)], 1);
    }));
    cases
}

fn signatures() -> Vec<Case> {
    let with = |signature: Value| {
        move |c: &mut Collection| {
            c.targets.edit_signatures(move |signatures| signatures.push(signature.clone()));
        }
    };
    let another = HandKey::ed25519(30);
    let sig = hex::encode([7; 64]);
    vec![
        reads(
            "an extra signature with a keyid that is not hexadecimal",
            with(json!({"keyid": "Not hex!", "sig": sig})),
        ),
        reads(
            "an extra signature that is not hexadecimal",
            with(json!({"keyid": another.id(), "sig": "Not hex!"})),
        ),
        reads("an extra signature that is empty", with(json!({"keyid": another.id(), "sig": ""}))),
        reads(
            "an extra signature of an unknown key",
            with(json!({"keyid": another.id(), "sig": sig})),
        ),
        refuses("targets", "signed by 0 of 1", "a needed signature that is not hexadecimal", |c| {
            c.targets.edit_signatures(|signatures| signatures[0]["sig"] = json!("Not hex!"));
        }),
        refuses("targets", "signed by 0 of 1", "a needed signature over another document", |c| {
            c.targets.edit_file(|file| file.replace("app.tgz", "apq.tgz"));
        }),
        refuses("targets", "signed by 0 of 1", "no signature at all", |c| {
            c.targets.signers.clear()
        }),
        refuses("targets", "signed by 0 of 1", "a signature under another key's id", |c| {
            let id = another.id().to_owned();
            c.targets.edit_signatures(move |signatures| signatures[0]["keyid"] = json!(id));
        }),
        reads("64 signatures", with_extra_signatures(63)),
        refuses("targets", "more than 64 signatures", "65 signatures", with_extra_signatures(64)),
        refuses("targets", "two signatures with the key id", "the same signature twice", |c| {
            c.targets.edit_signatures(|signatures| signatures.push(signatures[0].clone()));
        }),
        refuses(
            "targets",
            "two signatures with the key id",
            "a bad and a good signature with one keyid",
            |c| {
                c.targets.edit_signatures(|signatures| {
                    let mut bad = signatures[0].clone();
                    bad["sig"] = json!("00");
                    signatures.insert(0, bad);
                });
            },
        ),
    ]
}

fn with_extra_signatures(count: u8) -> impl FnOnce(&mut Collection) {
    move |c| {
        c.targets.edit_signatures(move |signatures| {
            signatures
                .extend((0..count).map(|n| json!({"keyid": hex::encode([n; 32]), "sig": "00"})));
        });
    }
}

fn thresholds() -> Vec<Case> {
    let (one, two) = (HandKey::ed25519(1), HandKey::ed25519(21));
    let mut twin = one.object().clone();
    twin["x-note"] = json!("the same public key as another object");
    let twin = one.listed_as(twin);
    let p256 = HandKey::p256();
    let p256_hex = ecdsa_listed(&p256, "ecdsa", &hex::encode(p256.public_bytes()));
    let trusts = |role: &'static str, keys: &[&HandKey], threshold| {
        let keys: Vec<HandKey> = keys.iter().map(|key| (*key).clone()).collect();
        move |c: &mut Collection| c.trust(role, &keys, threshold)
    };
    let threshold = |role: &'static str, at: &'static str, value: Value| {
        move |c: &mut Collection| *c.part(role).signed.pointer_mut(at).expect("it is there") = value
    };
    let in_root = "/roles/targets/threshold";
    let in_targets = "/delegations/roles/0/threshold";
    vec![
        reads("two of two keys", trusts("targets", &[&one, &two], 2)),
        reads("one of two keys", |c| {
            c.trust("targets", &[one.clone(), two.clone()], 1);
            c.targets.signers.truncate(1);
        }),
        refuses("targets", "signed by 1 of 2", "one of two keys that both must sign", |c| {
            c.trust("targets", &[one.clone(), two.clone()], 2);
            c.targets.signers.truncate(1);
        }),
        refuses(
            "targets",
            "signed by 1 of 2",
            "one key under two ids",
            trusts("targets", &[&one, &twin], 2),
        ),
        reads(
            "one key under two ids, of which one must sign",
            trusts("targets", &[&one, &twin], 1),
        ),
        refuses(
            "docs",
            "signed by 1 of 2",
            "one ECDSA key in two spellings",
            trusts("docs", &[&p256, &p256_hex], 2),
        ),
        reads(
            "one ECDSA key in two spellings beside a second key",
            trusts("docs", &[&p256, &p256_hex, &two], 2),
        ),
        refuses("root", "listed twice", "a keyid that a role lists twice", |c| {
            let keyids = &mut c.root.signed["roles"]["targets"]["keyids"];
            *keyids = json!([keyids[0], keyids[0]]);
        }),
        refuses(
            "targets",
            "signed by 2 of 3",
            "a threshold above the number of keys",
            trusts("targets", &[&one, &two], 3),
        ),
        refuses(
            "docs",
            "signed by 1 of 2",
            "a delegation's threshold above the number of keys",
            trusts("docs", &[&one], 2),
        ),
        refuses("root", "threshold of 0", "a threshold of 0", threshold("root", in_root, json!(0))),
        refuses(
            "targets",
            "threshold of 0",
            "a delegation's threshold of 0",
            threshold("targets", in_targets, json!(0)),
        ),
        refuses("root", "-1", "a negative threshold", threshold("root", in_root, json!(-1))),
        refuses(
            "root",
            "2^53-1",
            "an endless threshold",
            threshold("root", in_root, json!(u64::MAX)),
        ),
        refuses("root", "signed by 0 of 1", "a root that its own keys did not sign", |c| {
            c.root.signers = vec![HandKey::ed25519(40)];
        }),
        refuses(
            "docs",
            "signed by 0 of 1",
            "a delegated role that only its delegator signed",
            |c| {
                c.docs.signers = c.targets.signers.clone();
            },
        ),
    ]
}
