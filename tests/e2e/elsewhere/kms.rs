//! Does `notary` sign with keys of AWS KMS, and say what is wrong with them? A server of canned answers
//! stands for KMS: its requests are those of the real service, its keys are OpenSSL's.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use notary_tests::judge::{self, NgClient};
use notary_tests::world::{Outcome, Person, World};
use serde_json::{Value, json};

const ACCOUNT: &str = "arn:aws:kms:eu-central-1:111122223333";

/// What KMS says of a key, in place of signing with it.
#[derive(Clone, Copy)]
enum Mood {
    Well,
    State(&'static str),
    Refuses(&'static str),
}

/// KMS, with a key of P-256 for each `NAME.pem` of a directory.
struct Kms {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
}

impl Kms {
    fn start(keys: &Path) -> Kms {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let mood = Arc::new(Mutex::new(Mood::Well));
        let (keys, moods) = (keys.to_owned(), mood.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mood = *moods.lock().expect("nobody panics with it");
                answer(stream.expect("a connection"), &keys, mood);
            }
        });
        Kms { address, mood }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().expect("nobody panics with it") = mood;
    }

    /// Runs `notary` with credentials for it.
    fn notary(&self, person: &Person, arguments: &str) -> Outcome {
        let mut command = person.command(arguments);
        command
            .env("AWS_ENDPOINT_URL_KMS", format!("http://{}", self.address))
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "eu-central-1");
        person.run(command)
    }
}

fn answer(stream: TcpStream, keys: &Path, mood: Mood) {
    let mut reader = BufReader::new(stream);
    let (mut operation, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request has lines");
        let Some((name, value)) = line.split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "x-amz-target" => operation = value.trim().replace("TrentService.", ""),
            "content-length" => length = value.trim().parse().expect("a number"),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole body");
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let (status, answer) = match mood {
        Mood::Refuses(code) => (400, json!({"__type": code, "message": "why"})),
        Mood::State(state) => said(&operation, &body, keys, state),
        Mood::Well => said(&operation, &body, keys, "Enabled"),
    };
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\n");
    let head = format!("{head}content-length: {}\r\nconnection: close\r\n\r\n", answer.len());
    reader.into_inner().write_all((head + &answer).as_bytes()).expect("the client waits");
}

fn said(operation: &str, body: &Value, keys: &Path, state: &str) -> (u16, Value) {
    if operation == "CreateKey" {
        assert_eq!(
            (&body["KeySpec"], &body["KeyUsage"]),
            (&"ECC_NIST_P256".into(), &"SIGN_VERIFY".into())
        );
        let name = body["Description"].as_str().expect("what it is for");
        openssl(
            &format!(
                "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {}",
                keys.join(format!("{name}.pem")).display()
            ),
            b"",
        );
        return (200, json!({"KeyMetadata": {"KeyId": name, "Arn": arn(name)}}));
    }
    let named = body["KeyId"].as_str().expect("the name of a key");
    let name = named.rsplit('/').next().expect("a text has a last part");
    let key: PathBuf = keys.join(format!("{name}.pem"));
    if !key.exists() {
        return (400, json!({"__type": "NotFoundException", "message": format!("no {named}")}));
    }
    let arn = arn(name);
    let key = key.display();
    match operation {
        "DescribeKey" => (
            200,
            json!({"KeyMetadata": {
                "KeyId": name, "Arn": arn, "KeyState": state, "KeyUsage": "SIGN_VERIFY",
            }}),
        ),
        "GetPublicKey" => {
            let spki = openssl(&format!("pkey -in {key} -pubout -outform DER"), b"");
            (200, json!({"KeyId": arn, "PublicKey": STANDARD.encode(spki)}))
        }
        "Sign" => {
            assert_eq!(named, arn, "an alias may move to another key");
            assert_eq!(
                (&body["MessageType"], &body["SigningAlgorithm"]),
                (&"DIGEST".into(), &"ECDSA_SHA_256".into())
            );
            let digest =
                STANDARD.decode(body["Message"].as_str().expect("base64")).expect("base64");
            let signature = openssl(&format!("pkeyutl -sign -inkey {key}"), &digest);
            (200, json!({"KeyId": arn, "Signature": STANDARD.encode(signature)}))
        }
        other => panic!("{other} is not asked of KMS"),
    }
}

fn arn(name: &str) -> String {
    format!("{ACCOUNT}:key/{name}")
}

fn openssl(arguments: &str, input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("tests/setup installs openssl");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input).expect("openssl reads");
    drop(stdin);
    let done = child.wait_with_output().expect("openssl ends");
    assert!(done.status.success(), "openssl {arguments}");
    done.stdout
}

#[test]
fn a_collection_is_signed_by_keys_of_kms() {
    let world = World::start();
    let manager = world.person("manager", "admin --collection acme/**");
    let kms = Kms::start(manager.directory());
    let made = kms.notary(&manager, "key generate --in awskms: --name root --json").json();
    assert_eq!(made["keyref"], format!("awskms:{}", arn("root")), "{made}");
    let of_somebody = manager.directory().join("targets.pem");
    openssl(
        &format!(
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {}",
            of_somebody.display()
        ),
        b"",
    );
    kms.notary(&manager, "key add awskms:alias/targets").done();

    let root = made["keyid"].as_str().expect("an id");
    let init = format!("init acme/app --root-key {root} --targets-key awskms:alias/targets");
    kms.notary(&manager, &init).done();
    manager.file("app.tgz", "the release");
    kms.notary(&manager, "add acme/app app.tgz app.tgz --publish").done();
    let question = world.question("acme/app", &["app.tgz"]);
    let all = [("app.tgz".to_owned(), Ok(11))].into_iter().collect();
    assert_eq!(NgClient::start().ask(&question), all);
    assert_eq!(judge::tough(&question), all);
}

#[test]
fn what_is_wrong_with_kms_is_said_with_what_to_do() {
    let world = World::start();
    let ci = world.stranger("ci");
    let kms = Kms::start(ci.directory());
    let made = kms.notary(&ci, "key generate --in awskms: --name docs --json").json();
    let key = made["keyid"].as_str().expect("an id");
    let request =
        format!("delegation request acme/app docs --key {key} --expires 90d -o docs.request");
    for (mood, code, words) in [
        (Mood::State("Disabled"), 8, ["its state is Disabled", "enable it"]),
        (Mood::State("PendingDeletion"), 8, ["PendingDeletion", "cancel its deletion"]),
        (Mood::Refuses("DisabledException"), 8, ["DisabledException", "enable it"]),
        (
            Mood::Refuses("ExpiredTokenException"),
            8,
            ["ExpiredTokenException", "renew the credentials"],
        ),
        (Mood::Refuses("AccessDeniedException"), 8, ["AccessDeniedException", "kms:Sign allowed"]),
        (Mood::Refuses("NotFoundException"), 5, ["has no key", "the account and the region"]),
        (Mood::Refuses("ThrottlingException"), 4, ["too much to do", "wait a moment"]),
    ] {
        kms.is(mood);
        let outcome = kms.notary(&ci, &request);
        let said = outcome.stderr();
        assert_eq!(outcome.code(), code, "{said}");
        assert!(said.contains("AWS KMS in eu-central-1"), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    kms.is(Mood::Well);
    kms.notary(&ci, &request).done();

    let other = format!("key add awskms:{}?region=us-east-1", arn("docs"));
    let outcome = kms.notary(&ci, &other);
    let said = outcome.stderr();
    assert_eq!(outcome.code(), 5, "{said}");
    assert!(said.contains("it is in eu-central-1, and us-east-1 is asked"), "{said}");
}
