//! Clients that are slow, or too many.

use std::io::Read;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use notary_schema::online::OnlineRole::Snapshot;
use notary_signer::StopPoint;

use crate::world::World;

#[tokio::test]
async fn a_connection_that_never_speaks_tls_ends() {
    let mut world = World::new();
    world.config.limits.header_seconds = 1;
    world.start().await.unwrap();
    let mut silent = TcpStream::connect(world.address()).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "the signer closes it");
    world.server().key(Snapshot, false).await;
}

#[tokio::test]
async fn one_request_more_than_the_limit_is_refused_at_once_and_recorded() {
    let mut world = World::new();
    world.config.limits.requests = 1;
    world.start().await.unwrap();
    let key = world.server().key(Snapshot, false).await.keyid;
    let (arrived, has_arrived) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    world.at_stop_points(move |point| {
        if point == StopPoint::BeforeRecord {
            arrived.send(()).unwrap();
            // The error says that the test has ended.
            let _ = held.lock().unwrap().recv();
        }
    });
    let (document, other) = (world.snapshot(1, 1), world.client("server"));
    let signing = tokio::spawn(async move { other.sign(&[&key], &document).await });
    tokio::task::spawn_blocking(move || has_arrived.recv().unwrap()).await.unwrap();

    let refused = world.server().get("/v1/policy").await.unwrap();
    assert_eq!((refused.status, refused.problem().code.as_str()), (503, "busy"));
    assert_eq!(refused.header("retry-after"), "1");
    release.send(()).unwrap();
    signing.await.unwrap().file();
    assert_eq!(world.server().get("/v1/policy").await.unwrap().status, 200);
    let busy = world.audit().into_iter().filter(|line| line.outcome == "busy");
    assert_eq!(busy.count(), 1);
}
