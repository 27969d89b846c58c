//! Who is answered at all.

use std::fs;
use std::time::Duration;

use chrono::TimeDelta;
use notary_schema::online::OnlineRole::Snapshot;
use notary_signer::Parts;
use notary_signer::pki::{self, Usage};

use crate::client::{Client, is_connection_error};
use crate::metrics;
use crate::world::World;

#[tokio::test]
async fn a_client_of_the_ca_is_answered_and_named_in_the_audit() {
    let world = World::started().await;
    assert_eq!(world.server().get("/healthz").await.unwrap().status, 200);
    world.server().key(Snapshot, false).await;
    assert_eq!(world.audit()[0].who, "CN=server, DNS:server");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_not_answered() {
    let world = World::started().await;
    let client = Client::new(world.address(), &world.path("pki/ca.pem"), None);
    let refused = client.get("/healthz").await.unwrap_err();
    assert!(is_connection_error(&refused), "{refused:?}");
    assert_eq!(noted(&world, "no_certificate").await, "127.0.0.1");
    let counted = "notary_signer_connections_refused_total{reason=\"no_certificate\"}";
    assert_eq!(metrics::value(&metrics::metrics(&world), counted), 1.0);
}

/// Who is in the line of the audit with this outcome, once it is there.
pub(crate) async fn noted(world: &World, outcome: &str) -> String {
    let line = async {
        loop {
            match world.audit().into_iter().find(|line| line.outcome == outcome) {
                Some(line) => return line,
                None => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let line = tokio::time::timeout(Duration::from_secs(30), line).await.expect("it is noted");
    assert_eq!(line.action, "connection");
    line.who
}

#[tokio::test]
async fn a_certificate_of_another_ca_or_for_a_server_or_of_long_ago_is_not_answered() {
    let world = World::started().await;
    let now = (Parts::system().clock)();
    let other = world.path("other");
    pki::init(&other, now).unwrap();
    let client = Usage { server: None, client: true };
    pki::issue(&other, "server", &client, now).unwrap();
    pki::issue(&world.path("pki"), "old", &client, now - TimeDelta::days(3_000)).unwrap();
    for (directory, outcome, names) in [
        ("other/server", "unknown_authority", "CN=server, DNS:server"),
        ("pki/signer", "certificate_usage", "CN=signer, DNS:localhost"),
        ("pki/old", "certificate_expired", "CN=old, DNS:old"),
    ] {
        let (certificate, key) = (format!("{directory}.pem"), format!("{directory}.key"));
        let identity = (world.path(&certificate), world.path(&key));
        let client = Client::new(world.address(), &world.path("pki/ca.pem"), Some(identity));
        let refused = client.get("/healthz").await.unwrap_err();
        assert!(is_connection_error(&refused), "{directory}: {refused:?}");
        assert_eq!(noted(&world, outcome).await, format!("unverified: {names}"));
    }
}

#[tokio::test]
async fn what_a_client_sends_instead_of_a_request_is_noted_under_its_name() {
    let world = World::started().await;
    let refused = world.server().get_with_headers("/v1/policy", 200).await;
    assert_eq!(refused.unwrap().status, 431);
    assert_eq!(noted(&world, "no_request").await, "CN=server, DNS:server");
}

#[tokio::test]
async fn plain_http_is_not_answered() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::started().await;
    let mut stream = tokio::net::TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{:?}", String::from_utf8_lossy(&answer));
    // It may be anything; a client that is refused after it has its line.
    assert!(Client::new(world.address(), &world.path("pki/ca.pem"), None).get("/").await.is_err());
    noted(&world, "no_certificate").await;
    assert_eq!(world.audit().len(), 1);
}

/// Waits until a client is no longer answered on the connection that it has, or until it is again.
async fn until(client: &Client, is_answered: bool) -> Option<String> {
    let turned = async {
        loop {
            match client.get("/v1/policy").await {
                Ok(answer) if is_answered == (answer.status == 200) => {
                    return (!is_answered).then(|| answer.refusal());
                }
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), turned).await.expect("it turns")
}

#[tokio::test]
async fn a_revoked_certificate_ends_without_a_restart_also_where_it_is_connected() {
    let world = World::started().await;
    let (server, other) = (world.client("server"), world.client("other"));
    for client in [&server, &other] {
        assert_eq!(client.get("/v1/policy").await.unwrap().status, 200);
    }
    let now = (Parts::system().clock)();
    assert!(pki::revoke(&world.path("pki"), "other", now).unwrap());
    assert!(!pki::revoke(&world.path("pki"), "other", now).unwrap(), "it is on the list already");
    assert_eq!(until(&other, false).await.as_deref(), Some("certificate_refused"));
    let refused = world.client("other").get("/v1/policy").await.unwrap_err();
    assert!(is_connection_error(&refused), "{refused:?}");
    assert_eq!(noted(&world, "certificate_revoked").await, "unverified: CN=other, DNS:other");
    assert_eq!(server.get("/v1/policy").await.unwrap().status, 200);
    let line = world.audit().into_iter().find(|line| line.outcome == "certificate_refused");
    assert_eq!(line.unwrap().who, "CN=other, DNS:other");

    // The list holds all that were revoked.
    assert!(pki::revoke(&world.path("pki"), "server", now).unwrap());
    until(&server, false).await;
    assert!(world.client("other").get("/v1/policy").await.is_err());
}

#[tokio::test]
async fn another_authority_and_another_certificate_hold_without_a_restart() {
    let world = World::started().await;
    let now = (Parts::system().clock)();
    let new = world.path("new");
    pki::init(&new, now).unwrap();
    pki::issue(&new, "server", &Usage { server: None, client: true }, now).unwrap();
    let usage = Usage { server: Some(Vec::new()), client: false };
    pki::issue(&new, "signer", &usage, now).unwrap();

    // A file that is no certificate changes nothing.
    let whole = fs::read(world.path("pki/signer.pem")).unwrap();
    fs::write(world.path("pki/signer.pem"), "half a certif").unwrap();
    fs::copy(new.join("ca.pem"), world.path("pki/ca.pem")).unwrap();
    assert_eq!(world.server().get("/v1/policy").await.unwrap().status, 200);
    fs::write(world.path("pki/signer.pem"), whole).unwrap();

    for name in ["ca.crl", "signer.pem", "signer.key"] {
        fs::copy(new.join(name), world.path("pki").join(name)).unwrap();
    }
    until(world.server(), false).await;
    let identity =
        |name: &str| Some((new.join(format!("{name}.pem")), new.join(format!("{name}.key"))));
    let client = Client::new(world.address(), &new.join("ca.pem"), identity("server"));
    assert_eq!(client.get("/v1/policy").await.unwrap().status, 200);
}

#[test]
fn only_certificates_of_the_authority_are_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let now = (Parts::system().clock)();
    let client = Usage { server: None, client: true };
    for authority in ["one", "two"] {
        pki::init(&path(authority), now).unwrap();
        pki::issue(&path(authority), "client", &client, now).unwrap();
    }
    fs::copy(path("two/client.pem"), path("one/theirs.pem")).unwrap();
    let refused = pki::revoke(&path("one"), "theirs", now).unwrap_err().to_string();
    assert!(refused.contains("theirs.pem is no certificate"), "{refused}");
    for name in ["nobody", "../two/client", "ca"] {
        assert!(pki::revoke(&path("one"), name, now).is_err(), "{name}");
    }
    let missing = pki::revoke(&path("one"), "nobody", now).unwrap_err().to_string();
    assert!(missing.contains("nobody.pem") && missing.contains("`pki issue`"), "{missing}");
    assert!(pki::revoke(&path("one"), "client", now).unwrap());
}
