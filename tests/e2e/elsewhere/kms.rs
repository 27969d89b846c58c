//! Does `notary` sign with keys of AWS KMS, and say what is wrong with them? `tests/python/kms.py`
//! stands for KMS; what it never says, a server of one answer says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use notary_tests::judge::NgClient;
use notary_tests::world::{Outcome, Person, World};
use notary_tests::{python, tree};
use reqwest::Method;
use serde_json::{Value, json};

/// The emulator; it ends with its standard input.
struct Kms {
    child: Child,
    url: String,
}

impl Kms {
    fn start() -> Kms {
        let mut command = Command::new(python::interpreter());
        command.arg(tree::root().join("tests/python/kms.py"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the interpreter starts");
        let mut url = String::new();
        let said = child.stdout.take().expect("it is piped");
        BufReader::new(said).read_line(&mut url).expect("it prints its address");
        Kms { child, url: url.trim().to_owned() }
    }

    /// What an administrator of the account does.
    fn operate(&self, world: &World, operation: &str, document: &Value) -> Value {
        let http = world.http_at(&self.url);
        let request = http.request(Method::POST, "/").json(document);
        // What is signed says which service is meant; the emulator does not verify it.
        let signed = "AWS4-HMAC-SHA256 Credential=id/20300101/eu-central-1/kms/aws4_request, \
                      SignedHeaders=host, Signature=0";
        let request = request.header("authorization", signed);
        let answer = http.send(request.header("x-amz-target", format!("TrentService.{operation}")));
        assert_eq!(answer.status, 200, "{operation}: {answer:?}");
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Runs `notary` with credentials for the KMS at this address.
fn notary(url: &str, person: &Person, arguments: &str) -> Outcome {
    let mut command = person.command(arguments);
    command
        .env("AWS_ENDPOINT_URL_KMS", url)
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "eu-central-1");
    person.run(command)
}

/// A KMS that refuses everything with this code; answers its address.
fn refusing(code: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || listener.incoming().flatten().for_each(|stream| refuse(stream, code)));
    format!("http://{address}")
}

fn refuse(stream: TcpStream, code: &str) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request has lines");
        match line.to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().expect("a number"),
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).expect("the whole body");
    let body = json!({"__type": code, "message": "why"}).to_string();
    let head =
        "HTTP/1.1 400 X\r\ncontent-type: application/x-amz-json-1.1\r\nconnection: close\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    reader.into_inner().write_all(answer.as_bytes()).expect("the client waits");
}

#[test]
fn a_collection_is_signed_by_keys_of_kms() {
    let (world, kms) = (World::start(), Kms::start());
    let manager = world.person("manager", "admin --collection acme/**");
    let notary = |arguments: &str| notary(&kms.url, &manager, arguments);
    // One is made by us, the others by an administrator, who gives one of them a name.
    let root = notary("key generate --in awskms: --name root --json").json();
    let keyref = root["keyref"].as_str().expect("where it is");
    assert!(keyref.starts_with("awskms:arn:aws:kms:eu-central-1:"), "{root}");
    let make = |spec: &str| {
        let key = json!({"KeyUsage": "SIGN_VERIFY", "KeySpec": spec});
        let made = kms.operate(&world, "CreateKey", &key);
        made["KeyMetadata"]["KeyId"].as_str().expect("its id").to_owned()
    };
    let targets = make("RSA_3072");
    let alias = json!({"AliasName": "alias/targets", "TargetKeyId": targets});
    kms.operate(&world, "CreateAlias", &alias);
    notary("key add awskms:alias/targets --name targets").done();
    let second = make("ECC_NIST_P384");

    let root = root["keyid"].as_str().expect("an id");
    notary(&format!(
        "init acme/app --root-key {root} --root-key awskms:{second} --root-threshold 2 \
         --targets-key awskms:alias/targets"
    ))
    .done();
    manager.file("app.tgz", "the release");
    notary("add acme/app app.tgz app.tgz --publish").done();
    let question = world.question("acme/app", &["app.tgz"]);
    let all = [("app.tgz".to_owned(), Ok(11))].into_iter().collect();
    // tough reads no keys on P-384.
    assert_eq!(NgClient::start().ask(&question), all);

    // The alias leads to another key from now on; the one that was listed signs on.
    let moved = json!({"AliasName": "alias/targets", "TargetKeyId": second});
    kms.operate(&world, "UpdateAlias", &moved);
    notary("witness acme/app targets --publish").done();
}

#[test]
fn what_is_wrong_with_kms_is_said_with_what_to_do() {
    let (world, kms) = (World::start(), Kms::start());
    let ci = world.stranger("ci");
    let made = notary(&kms.url, &ci, "key generate --in awskms: --name docs --json").json();
    let key = made["keyid"].as_str().expect("an id");
    let request =
        format!("delegation request acme/app docs --key {key} --expires 90d -o docs.request");
    let refused = |url: &str, arguments: &str, code: i32, words: &[&str]| {
        let outcome = notary(url, &ci, arguments);
        let said = outcome.stderr();
        assert_eq!(outcome.code(), code, "{said}");
        assert!(said.starts_with("error: AWS KMS in "), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    };
    for (code, exit, words) in [
        ("DisabledException", 8, ["DisabledException", "enable it"]),
        ("ExpiredTokenException", 8, ["ExpiredTokenException", "renew the credentials"]),
        ("AccessDeniedException", 8, ["AccessDeniedException", "kms:Sign allowed on it"]),
        ("NotFoundException", 5, ["has no key", "the account and the region"]),
        ("ThrottlingException", 4, ["too much to do", "wait a moment"]),
    ] {
        refused(&refusing(code), &request, exit, &words);
    }
    let arn = made["keyref"].as_str().expect("where it is").trim_start_matches("awskms:");
    let id = arn.rsplit('/').next().expect("a text has a last part");
    let named = json!({ "KeyId": id });
    kms.operate(&world, "DisableKey", &named);
    refused(&kms.url, &request, 8, &["its state is Disabled", "enable it"]);
    kms.operate(&world, "EnableKey", &named);
    notary(&kms.url, &ci, &request).done();
    kms.operate(&world, "ScheduleKeyDeletion", &named);
    refused(&kms.url, &request, 8, &["PendingDeletion", "cancel its deletion"]);

    let other = format!("key add awskms:{arn}?region=us-east-1");
    refused(&kms.url, &other, 5, &["it is in eu-central-1, and us-east-1 is asked"]);
}
