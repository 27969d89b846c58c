//! Who is answered at all.

use notary_schema::online::OnlineRole::Snapshot;
use notary_signer::Parts;
use notary_signer::pki::{self, Usage};

use crate::client::{Client, is_connection_error};
use crate::world::World;

#[tokio::test]
async fn a_client_of_the_ca_is_answered_and_named_in_the_audit() {
    let world = World::started().await;
    assert_eq!(world.server().get("/healthz").await.unwrap().status, 200);
    world.server().key(Snapshot, false).await;
    assert_eq!(world.audit()[0].who, "CN=server");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_not_answered() {
    let world = World::started().await;
    let client = Client::new(world.address(), &world.path("pki/ca.pem"), None);
    let refused = client.get("/healthz").await.unwrap_err();
    assert!(is_connection_error(&refused), "{refused:?}");
}

#[tokio::test]
async fn a_certificate_of_another_ca_or_for_a_server_is_not_answered() {
    let world = World::started().await;
    let now = (Parts::system().clock)();
    let other = world.path("other");
    pki::init(&other, now).unwrap();
    let client = Usage { server: None, client: true };
    pki::issue(&other, "server", &client, now).unwrap();
    for directory in ["other/server", "pki/signer"] {
        let (certificate, key) = (format!("{directory}.pem"), format!("{directory}.key"));
        let identity = (world.path(&certificate), world.path(&key));
        let client = Client::new(world.address(), &world.path("pki/ca.pem"), Some(identity));
        let refused = client.get("/healthz").await.unwrap_err();
        assert!(is_connection_error(&refused), "{directory}: {refused:?}");
    }
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
}
