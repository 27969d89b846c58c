//! The clients of a signer: each with one connection that it keeps, and one collection in each place.
//! They are plain threads with a few lines of HTTP, so that they take little from the signer beside
//! them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{Gun, Incarnation, KeyId, Version};
use notary_schema::online::OnlineRole;
use notary_schema::role::Snapshot;
use notary_schema::wire::{KeyRequest, SignRequest, SignerKey, TRACEPARENT};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::value::RawValue;

use super::{CLIENTS, Outcome, PLACES, snapshot, timestamp};

/// A trace, as the server names one to the signer.
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// All clients.
pub(crate) struct Service {
    clients: Vec<Client>,
}

struct Client {
    connection: Connection,
    /// One in each place.
    collections: Vec<Collection>,
}

/// A collection whose timestamp is signed again and again.
struct Collection {
    gun: Gun,
    key: KeyId,
    snapshot: Envelope<Snapshot>,
    next: Version,
}

impl Service {
    /// Connects all clients to a signer, with the certificate `server` of a directory, and has the
    /// signer make all keys and sign all snapshots.
    pub(crate) fn prepare(address: &str, pki: &Path) -> Outcome<Service> {
        let tls = Arc::new(tls(pki)?);
        let client = |number| {
            let mut connection = Connection::open(address, &tls)?;
            let collections =
                PLACES.iter().map(|place| Collection::new(&mut connection, place, number));
            let collections = collections.collect::<Outcome<_>>()?;
            Ok(Client { connection, collections })
        };
        Ok(Service { clients: (0..CLIENTS).map(client).collect::<Outcome<_>>()? })
    }

    /// Lets so many clients at once have timestamps of collections in a place signed.
    pub(crate) fn sign(
        &mut self,
        place: usize,
        clients: usize,
        end: Instant,
    ) -> Outcome<Vec<Duration>> {
        thread::scope(|scope| {
            let clients: Vec<_> = self.clients[..clients]
                .iter_mut()
                .map(|client| scope.spawn(move || client.sign_until(place, end)))
                .collect();
            let mut took = Vec::new();
            for client in clients {
                took.extend(client.join().expect("a client does not panic")?);
            }
            Ok(took)
        })
    }
}

impl Client {
    fn sign_until(&mut self, place: usize, end: Instant) -> Outcome<Vec<Duration>> {
        let Client { connection, collections } = self;
        let Collection { gun, key, snapshot, next } = &mut collections[place];
        let mut took = Vec::new();
        while took.is_empty() || Instant::now() < end {
            let begun = Instant::now();
            let document = timestamp(*next, snapshot);
            connection.sign(gun, OnlineRole::Timestamp, key, &document)?;
            took.push(begun.elapsed());
            *next = next.next()?;
        }
        Ok(took)
    }
}

impl Collection {
    fn new(connection: &mut Connection, place: &str, number: usize) -> Outcome<Collection> {
        let gun = Gun::parse(&format!("{place}/{number}"))?;
        let first = connection.key(&gun, OnlineRole::Snapshot)?;
        let file = connection.sign(&gun, OnlineRole::Snapshot, &first, &snapshot())?;
        let key = connection.key(&gun, OnlineRole::Timestamp)?;
        Ok(Collection { gun, key, snapshot: Envelope::parse(file)?, next: Version::FIRST })
    }
}

/// A connection with mutual TLS that is kept.
struct Connection(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Connection {
    fn open(address: &str, tls: &Arc<ClientConfig>) -> Outcome<Connection> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let session = ClientConnection::new(tls.clone(), ServerName::try_from("localhost")?)?;
        Ok(Connection(BufReader::new(StreamOwned::new(session, socket))))
    }

    fn key(&mut self, gun: &Gun, role: OnlineRole) -> Outcome<KeyId> {
        let (collection, incarnation) = (gun.clone(), life());
        let wanted =
            KeyRequest { collection, incarnation, role, rotate: false, except: Vec::new() };
        let made = self.post("/v1/keys", &serde_json::to_vec(&wanted)?)?;
        Ok(serde_json::from_slice::<SignerKey>(&made)?.keyid)
    }

    fn sign(
        &mut self,
        gun: &Gun,
        role: OnlineRole,
        key: &KeyId,
        document: &Unsigned,
    ) -> Outcome<Vec<u8>> {
        let wanted = SignRequest {
            collection: gun.clone(),
            incarnation: life(),
            role,
            keyids: vec![key.clone()],
            signed: RawValue::from_string(String::from_utf8(document.message().to_vec())?)?,
        };
        self.post("/v1/sign", &serde_json::to_vec(&wanted)?)
    }

    fn post(&mut self, path: &str, body: &[u8]) -> Outcome<Vec<u8>> {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{TRACEPARENT}: {TRACE}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        let mut lines = self.0.by_ref().lines();
        let status = lines.next().ok_or("the signer has hung up")??;
        let mut length = 0;
        for line in lines.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())) {
            let line = line?.to_ascii_lowercase();
            if let Some(number) = line.strip_prefix("content-length:") {
                length = number.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        match status.starts_with("HTTP/1.1 200 ") {
            true => Ok(body),
            false => Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into()),
        }
    }
}

fn life() -> Incarnation {
    Incarnation::from_random([1; 16])
}

/// What the server has: the CA, and a certificate of its own.
fn tls(pki: &Path) -> Outcome<ClientConfig> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_file(pki.join("ca.pem"))?)?;
    let chain = vec![CertificateDer::from_pem_file(pki.join("server.pem"))?];
    let key = PrivateKeyDer::from_pem_file(pki.join("server.key"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(tls.with_root_certificates(trusted).with_client_auth_cert(chain, key)?)
}
