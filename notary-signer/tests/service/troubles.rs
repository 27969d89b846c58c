//! What goes wrong with a place of keys is reported by its name: in the log, in `/readyz`, by
//! `notary-signer check`. When it has passed, everything goes on without a restart.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notary_schema::name::KeyId;
use notary_schema::online::OnlineRole::Snapshot;
use notary_signer::config::backends::BackendConfig;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::commands::signer;
use crate::places;
use crate::world::{Document, World};

/// What a signer hears on its way to KMS.
#[derive(Clone, Copy)]
enum Way {
    Open,
    /// This error, with this message.
    Error(&'static str, &'static str),
    /// Nothing.
    Silent,
    /// Nobody listens.
    Gone,
}

/// Whether `/readyz` tells of it too: what is about one key keeps the others signing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Place,
    Key,
}

const TROUBLES: [(Way, About, &str); 8] = [
    (
        Way::Error("ThrottlingException", "You have exceeded the rate"),
        About::Place,
        "has too much to do: ThrottlingException: You have exceeded the rate",
    ),
    (
        Way::Error("DisabledException", "the key is disabled"),
        About::Key,
        "DisabledException: the key is disabled",
    ),
    (
        Way::Error("KMSInvalidStateException", "the key is pending deletion"),
        About::Key,
        "KMSInvalidStateException: the key is pending deletion",
    ),
    (
        Way::Error("NotFoundException", "Invalid arn eu-central-1"),
        About::Key,
        "NotFoundException: Invalid arn eu-central-1",
    ),
    (
        Way::Error("ExpiredTokenException", "The security token is expired"),
        About::Place,
        "does not let us in: ExpiredTokenException: The security token is expired",
    ),
    (
        Way::Error("InvalidSignatureException", "Credential should be scoped to a valid region"),
        About::Place,
        "does not let us in: InvalidSignatureException: Credential should be scoped",
    ),
    (Way::Silent, About::Place, "did not answer within 2000 ms"),
    (Way::Gone, About::Place, "is not reached: dispatch failure"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_trouble_of_kms_is_reported_by_its_name() {
    let name = "troubles::each_trouble_of_kms_is_reported_by_its_name";
    let Some(mut world) = places::in_kms(name) else { return };
    let log = Log::start();
    let mut stub = Stub::before(&mut world).await;
    world.start().await.unwrap();
    let key = world.server().key(Snapshot, false).await.keyid;
    let mut version = 0;
    for (way, about, words) in TROUBLES {
        version += 1;
        let document = world.snapshot(version, 1);
        stub.is(way).await;
        log.clear();
        let refused = world.server().sign(&[&key], &document).await;
        assert_eq!(refused.problem().code, "backend_unavailable", "{words}");
        assert!(log.text().contains(words), "{words}: {}", log.text());
        let ready = world.server().get("/readyz").await.unwrap();
        match about {
            About::Place => assert!(ready.problem().detail.contains(words), "{words}: {ready:?}"),
            About::Key => assert_eq!(ready.status, 200, "{words}"),
        }
        let check = signer(&world.path(""), &["check", "--config", "signer.toml"]);
        let said = String::from_utf8(check.stdout).unwrap();
        assert!(!check.status.success() && said.contains(words), "{words}: {said}");

        stub.is(Way::Open).await;
        is_signed_at_last(&world, &key, &document).await;
        assert_eq!(world.server().get("/readyz").await.unwrap().status, 200, "{words}");
        let check = signer(&world.path(""), &["check", "--config", "signer.toml"]);
        assert!(check.status.success(), "{check:?}");
    }
}

/// A place that failed may be left alone for a moment.
pub(crate) async fn is_signed_at_last(world: &World, key: &KeyId, document: &Document) {
    let signed = async {
        while world.server().sign(&[key], document).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), signed).await.expect("it is well again");
}

/// Stands between a signer and the emulator.
struct Stub {
    address: SocketAddr,
    emulator: SocketAddr,
    /// It owns the listener and every connection.
    task: Option<JoinHandle<()>>,
}

impl Stub {
    /// A world whose signer and whose `signer.toml` go through the stub.
    async fn before(world: &mut World) -> Stub {
        let place = world.config.backends.values_mut().next().unwrap();
        let BackendConfig::AwsKms(kms) = place else { panic!("{place:?} is not KMS") };
        let emulator = kms.endpoint_url.as_ref().unwrap().strip_prefix("http://").unwrap();
        let emulator = emulator.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = Some(tokio::spawn(serve(listener, emulator, Way::Open)));
        kms.endpoint_url = Some(format!("http://{address}"));
        kms.total_seconds = 2;
        let place = places::PLACE;
        let config = format!(
            "[backends.{place}]\nkind = 'aws-kms'\nregion = 'eu-central-1'\ntotal_seconds = 2\n\
             endpoint_url = 'http://{address}'\n[[keys]]\ncollections = '**'\nbackend = '{place}'\n"
        );
        let file = world.path("signer.toml");
        fs::write(&file, fs::read_to_string(&file).unwrap() + &config).unwrap();
        Stub { address, emulator, task }
    }

    /// Changes what is heard from now on; no connection from before stays open.
    async fn is(&mut self, way: Way) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
        if let Way::Gone = way {
            return;
        }
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.task = Some(tokio::spawn(serve(listener, self.emulator, way)));
    }
}

async fn serve(listener: TcpListener, emulator: SocketAddr, way: Way) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            // Whoever hangs up is nobody's failure here.
            let _ = answer(stream, emulator, way).await;
        });
    }
}

async fn answer(mut stream: TcpStream, emulator: SocketAddr, way: Way) -> io::Result<()> {
    match way {
        Way::Open => {
            let mut there = TcpStream::connect(emulator).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut there).await?;
        }
        Way::Error(code, message) => {
            read_request(&mut stream).await?;
            let body = serde_json::json!({ "__type": code, "message": message }).to_string();
            let head = format!(
                "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\n\
                 Content-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).await?;
        }
        Way::Silent => std::future::pending().await,
        Way::Gone => unreachable!("nobody listens"),
    }
    Ok(())
}

async fn read_request(stream: &mut TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await?;
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some(_) => {}
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).await?;
    Ok(())
}

/// What this process logs.
#[derive(Clone)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> Log {
        let log = Log(Arc::default());
        let writer = log.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
        log
    }

    fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
