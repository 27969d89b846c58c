//! A server of canned answers stands for KMS: what it says when things go wrong. Whether real
//! requests are right is judged by an emulator, in the end-to-end tests.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::private::PrivateKey;
use super::super::testing::is_run_with;
use super::*;

const ARN: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd";

/// Runs a test in a process that has credentials, and nothing else of this machine's AWS set-up.
fn with_credentials(name: &str) -> bool {
    let variables = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
    .map(|(name, value)| (name, OsStr::new(value)));
    is_run_with(&format!("keys::aws_kms::tests::{name}"), &variables)
}

/// Answers each request, by its operation and body, with a status and a body.
fn serve(answer: impl Fn(&str, &Value) -> (u16, String) + Send + 'static) -> AwsKmsStore {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer_one(stream.unwrap(), &answer);
        }
    });
    store_at(&format!("http://{address}"))
}

fn store_at(endpoint: &str) -> AwsKmsStore {
    let region = Some("eu-central-1".to_owned());
    let endpoint_url = Some(endpoint.to_owned());
    AwsKmsStore::new("cloud", Account { region, endpoint_url, profile: None })
}

fn answer_one(stream: TcpStream, answer: impl Fn(&str, &Value) -> (u16, String)) {
    let mut reader = BufReader::new(stream);
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => operation = value.trim().replace("TrentService.", ""),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, answer) = answer(&operation, &serde_json::from_slice(&body).unwrap());
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\n");
    let head = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    // A client that does not wait is a case of these tests, too.
    let _ = reader.into_inner().write_all((head + &answer).as_bytes());
}

fn refusal(code: &str) -> (u16, String) {
    (400, json!({"__type": code, "message": "why"}).to_string())
}

fn described(state: &str, usage: &str) -> (u16, String) {
    let key = json!({"KeyId": "1234abcd", "Arn": ARN, "KeyState": state, "KeyUsage": usage});
    (200, json!({ "KeyMetadata": key }).to_string())
}

fn public_key(key: &PrivateKey) -> (u16, String) {
    // The kind of the key is left empty, as some emulators do.
    let spki = STANDARD.encode(key.public().to_spki());
    (200, json!({"KeyId": ARN, "KeySpec": "", "PublicKey": spki}).to_string())
}

fn trouble<T>(done: Result<T, KeyError>) -> Trouble {
    match done {
        Err(KeyError::Backend { backend, trouble }) => {
            assert_eq!(backend, "cloud");
            trouble
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it succeeded"),
    }
}

/// A key that is attached by an alias, with a store that signs with `key`.
async fn attached(key: &PrivateKey) -> (StoredKey, AwsKmsStore) {
    let (public, pkcs8) = (public_key(key), key.pkcs8().clone());
    let store = serve(move |operation, body| match operation {
        "DescribeKey" => described("Enabled", "SIGN_VERIFY"),
        "GetPublicKey" => public.clone(),
        "Sign" => {
            assert_eq!(body["KeyId"], ARN, "an alias may move to another key");
            assert_eq!(body["MessageType"], "RAW");
            let message = STANDARD.decode(body["Message"].as_str().unwrap()).unwrap();
            let key = PrivateKey::from_pkcs8(&pkcs8, "the key").unwrap();
            let signature = STANDARD.encode(key.sign(&message).unwrap());
            (200, json!({"KeyId": ARN, "Signature": signature}).to_string())
        }
        other => panic!("{other} was not expected"),
    });
    (store.attach("alias/release", "p").await.unwrap(), store)
}

#[tokio::test]
async fn an_ed25519_key_signs_what_kms_takes_unhashed_and_nothing_longer() {
    if !with_credentials("an_ed25519_key_signs_what_kms_takes_unhashed_and_nothing_longer") {
        return;
    }
    let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
    let (attached, store) = attached(&key).await;
    assert_eq!(attached.public, *key.public());
    let longest = vec![b'x'; MAX_RAW_BYTES];
    assert!(attached.sign(&store, &longest).await.is_ok());
    let refused = trouble(attached.sign(&store, &vec![b'x'; MAX_RAW_BYTES + 1]).await);
    assert!(refused.to_string().contains("use P-256"), "{refused}");
}

#[tokio::test]
async fn ecdsa_and_rsa_send_digests() {
    if !with_credentials("ecdsa_and_rsa_send_digests") {
        return;
    }
    for (algorithm, name) in
        [(Algorithm::EcdsaP256, "ECDSA_SHA_256"), (Algorithm::Rsa3072, "RSASSA_PSS_SHA_256")]
    {
        let public = public_key(&PrivateKey::generate(algorithm).unwrap());
        let store = serve(move |operation, body| match operation {
            "CreateKey" => {
                assert_eq!(
                    (&body["Description"], &body["KeyUsage"]),
                    (&json!("p"), &json!("SIGN_VERIFY"))
                );
                described("Enabled", "SIGN_VERIFY")
            }
            "GetPublicKey" => public.clone(),
            _ => {
                assert_eq!(body["MessageType"], "DIGEST");
                assert_eq!(body["SigningAlgorithm"], name);
                assert_eq!(STANDARD.decode(body["Message"].as_str().unwrap()).unwrap().len(), 32);
                (200, json!({"Signature": STANDARD.encode("not one")}).to_string())
            }
        });
        let made = store.create(algorithm, "p").await.unwrap();
        let refused = made.sign(&store, b"message").await.unwrap_err();
        assert!(matches!(refused, KeyError::SignatureDoesNotVerify(_)), "{refused}");
    }
}

#[tokio::test]
async fn what_kms_refuses_is_told_by_its_kind() {
    if !with_credentials("what_kms_refuses_is_told_by_its_kind") {
        return;
    }
    for (code, kind) in [
        ("ThrottlingException", "has too much to do"),
        ("LimitExceededException", "has too much to do"),
        ("NotFoundException", "has no key k"),
        ("DisabledException", "does not sign with k"),
        ("KMSInvalidStateException", "does not sign with k"),
        ("InvalidKeyUsageException", "does not sign with k"),
        ("AccessDeniedException", "does not sign with k"),
        ("ExpiredTokenException", "does not let us in"),
        ("UnrecognizedClientException", "does not let us in"),
        ("UnsupportedOperationException", "cannot do that"),
        ("KMSInternalException", "is not reached"),
        ("SomethingNewException", "answered wrongly"),
    ] {
        let store = serve(move |_, _| refusal(code));
        let refused = trouble(store.attach("k", "p").await).to_string();
        assert!(refused.starts_with(kind), "{code}: {refused}");
        assert!(refused.contains(code) && refused.contains("why"), "{refused}");
    }
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_not_attached() {
    if !with_credentials("a_key_that_cannot_sign_is_not_attached") {
        return;
    }
    for (state, usage, problem) in [
        ("PendingDeletion", "SIGN_VERIFY", "PendingDeletion"),
        ("Disabled", "SIGN_VERIFY", "Disabled"),
        ("Enabled", "ENCRYPT_DECRYPT", "not for signing"),
    ] {
        let store = serve(move |_, _| described(state, usage));
        let refused = trouble(store.attach("k", "p").await);
        assert!(
            matches!(&refused, Trouble::KeyUnusable(text) if text.contains(problem)),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_key_of_another_region_is_refused_unasked() {
    if !with_credentials("a_key_of_another_region_is_refused_unasked") {
        return;
    }
    let store = serve(|_, _| panic!("it was asked"));
    let refused = trouble(store.attach(&ARN.replace("eu-central", "us-east"), "p").await);
    assert!(refused.to_string().contains("it is in us-east-1, and eu-central-1 is asked"));
}

#[tokio::test]
async fn an_account_that_may_sign_and_not_list_is_well() {
    if !with_credentials("an_account_that_may_sign_and_not_list_is_well") {
        return;
    }
    serve(|_, _| refusal(ACCESS_DENIED)).check().await.unwrap();
    let expired = serve(|_, _| refusal("ExpiredTokenException"));
    assert!(matches!(trouble(expired.check().await), Trouble::NotLetIn(_)));
}

#[tokio::test]
async fn no_kms_and_no_answer_are_not_taken_for_a_refusal() {
    if !with_credentials("no_kms_and_no_answer_are_not_taken_for_a_refusal") {
        return;
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = store_at(&format!("http://{nobody}"));
    let refused = trouble(away.check().await);
    assert!(matches!(refused, Trouble::Unreachable(_)), "{refused}");

    let junk = serve(|_, _| (200, "junk".to_owned()));
    let refused = trouble(junk.attach("k", "p").await);
    assert!(matches!(refused, Trouble::WrongAnswer(_)), "{refused}");
    let broken = serve(|_, _| (500, String::new()));
    let refused = trouble(broken.attach("k", "p").await);
    assert!(refused.passes(), "{refused}");
}

#[tokio::test]
async fn an_account_without_credentials_or_region_is_named() {
    let none = [
        ("AWS_EC2_METADATA_DISABLED", OsStr::new("true")),
        ("AWS_CONFIG_FILE", OsStr::new("/dev/null")),
        ("AWS_SHARED_CREDENTIALS_FILE", OsStr::new("/dev/null")),
    ];
    let name = "keys::aws_kms::tests::an_account_without_credentials_or_region_is_named";
    if !is_run_with(name, &none) {
        return;
    }
    let store = serve(|_, _| panic!("it was asked"));
    let refused = trouble(store.check().await);
    assert!(matches!(refused, Trouble::NotLetIn(_)), "{refused}");
    let refused = trouble(AwsKmsStore::new("cloud", Account::default()).check().await);
    assert!(refused.to_string().contains("AWS_REGION"), "{refused}");
}

#[tokio::test]
async fn a_store_key_is_wrapped_under_one_key_and_for_one_purpose() {
    if !with_credentials("a_store_key_is_wrapped_under_one_key_and_for_one_purpose") {
        return;
    }
    let store = serve(|operation, body| {
        assert_eq!(body["KeyId"], "alias/store");
        assert_eq!(body["EncryptionContext"], json!({"notary": "store key"}));
        let field = |name: &str| body[name].as_str().unwrap().to_owned();
        let turned = |name| field(name).chars().rev().collect::<String>();
        match operation {
            "Encrypt" => (200, json!({"CiphertextBlob": turned("Plaintext")}).to_string()),
            "Decrypt" => (200, json!({"Plaintext": turned("CiphertextBlob")}).to_string()),
            other => panic!("{other} was not expected"),
        }
    });
    let secret = [7; 33]; // 44 characters without padding, so that they turn around
    let wrapped = store.wrap("alias/store", &secret).await.unwrap();
    assert_ne!(wrapped, secret);
    assert_eq!(*store.unwrap("alias/store", &wrapped).await.unwrap(), secret);

    let refusing = serve(|_, _| refusal("IncorrectKeyException"));
    let refused = trouble(refusing.unwrap("alias/store", &wrapped).await);
    assert!(matches!(&refused, Trouble::KeyUnusable(why) if why.contains("alias/store")));
    let empty = serve(|_, _| (200, "{}".to_owned()));
    let refused = trouble(empty.unwrap("alias/store", &wrapped).await);
    assert!(refused.to_string().contains("no Plaintext"), "{refused}");
}

#[tokio::test]
async fn an_address_that_is_none_is_named_without_what_was_to_be_sent() {
    if !with_credentials("an_address_that_is_none_is_named_without_what_was_to_be_sent") {
        return;
    }
    let secret = [7; 32];
    for (address, why) in [
        ("", "\"\" is no address"),
        ("127.0.0.1:4566", "\"127.0.0.1:4566\" is no address"),
        ("https://", "\"https://\" is no address"),
        ("https:///x", "\"https:///x\" is no address"),
        ("http://kms example", "\"http://kms example\" is no address"),
        // What only the SDK finds out.
        ("http://[::1", "a request`: endpoint is not a valid URI"),
    ] {
        let store = store_at(address);
        let refused = trouble(store.wrap("alias/store", &secret).await).to_string();
        assert!(refused.contains(why), "{address}: {refused}");
        assert!(!refused.contains(&STANDARD.encode(secret)), "{address}: {refused}");
        assert!(!refused.contains("Body"), "{address}: {refused}");
    }
}

/// As where a variable of a CI job is not set.
#[tokio::test]
async fn an_address_or_a_region_that_is_empty_in_the_environment_is_named() {
    let empty = [
        ("AWS_ACCESS_KEY_ID", OsStr::new("AKIDEXAMPLE")),
        ("AWS_SECRET_ACCESS_KEY", OsStr::new("secret")),
        ("AWS_ENDPOINT_URL_KMS", OsStr::new("")),
        ("AWS_REGION", OsStr::new("")),
        ("AWS_CONFIG_FILE", OsStr::new("/dev/null")),
        ("AWS_SHARED_CREDENTIALS_FILE", OsStr::new("/dev/null")),
    ];
    let name =
        "keys::aws_kms::tests::an_address_or_a_region_that_is_empty_in_the_environment_is_named";
    if !is_run_with(name, &empty) {
        return;
    }
    let refused = trouble(AwsKmsStore::new("cloud", Account::default()).check().await);
    assert!(refused.to_string().contains("no region is set"), "{refused}");
    let region = Some("eu-central-1".to_owned());
    let account = Account { region, ..Account::default() };
    let refused = trouble(AwsKmsStore::new("cloud", account).check().await);
    assert!(refused.to_string().contains("AWS_ENDPOINT_URL_KMS"), "{refused}");
}
