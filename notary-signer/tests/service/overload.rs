//! Clients that are slow, or too many, and places of keys that do not answer.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_util::future::{Either, join_all, select, select_all};
use notary_schema::name::Gun;
use notary_schema::online::OnlineRole::Snapshot;
use notary_schema::wire::{KeyRequest, SignerKey};
use notary_signer::StopPoint;
use tokio::net::TcpListener;

use crate::client::{Answer, life};
use crate::metrics::{metrics, value};
use crate::places;
use crate::world::{Document, World};

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
async fn a_body_that_never_ends_is_waited_for_so_long_and_no_longer() {
    let mut world = World::new();
    world.config.limits.body_seconds = 1;
    world.start().await.unwrap();
    let waited = world.server().post_for_ever("/v1/sign");
    let waited = tokio::time::timeout(Duration::from_secs(60), waited).await.expect("it ends");
    let refused = waited.unwrap();
    assert_eq!((refused.status, refused.problem().code.as_str()), (503, "busy"));
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

/// A signer whose collections below `slow/` have their keys behind a program that hangs, and the rest
/// theirs in the software store.
struct Half {
    world: World,
    document: Document,
}

impl Half {
    async fn with_requests(requests: usize) -> Half {
        let mut world = places::partly_behind_openssl("slow/*");
        world.config.limits.requests = requests;
        world.start().await.unwrap();
        let document = world.snapshot(1, 1);
        Half { world, document }
    }

    async fn keys(&self, area: &str, collections: usize) -> Vec<SignerKey> {
        let mut keys = Vec::new();
        for number in 0..collections {
            let request = KeyRequest {
                collection: Gun::parse(&format!("{area}/{number}")).unwrap(),
                incarnation: life(1),
                role: Snapshot,
                rotate: false,
                except: vec![],
            };
            keys.push(self.world.server().key_for(&request).await.json());
        }
        keys
    }

    async fn sign(&self, key: &SignerKey) -> Answer {
        let (server, keyids) = (self.world.server(), [&key.keyid]);
        server.sign_for(&key.collection, &key.incarnation, &keyids, &self.document).await
    }

    /// When so many calls of the program run and so many wait for their turn, as `/metrics` has it.
    async fn are_at_the_program(&self, running: usize, waiting: usize) {
        let calls = |answer: &str, state| {
            let labels = format!("backend=\"{}\",state=\"{state}\"", places::PLACE);
            value(answer, &format!("notary_signer_backend_calls{{{labels}}}"))
        };
        loop {
            let answer = metrics(&self.world);
            let (run, wait) = (calls(&answer, "running"), calls(&answer, "waiting"));
            if (run, wait) == (running as f64, waiting as f64) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the other one gives, which ends although this one does not.
    async fn beside<T>(
        waiting: impl Future<Output = Vec<Answer>> + Unpin,
        other: impl Future<Output = T>,
    ) -> T {
        let other = tokio::time::timeout(Duration::from_secs(25), other);
        match select(waiting, pin!(other)).await {
            Either::Left(_) => panic!("a program that hangs has answered"),
            Either::Right((done, _)) => done.expect("it waits for the program that hangs"),
        }
    }
}

/// More collections wait for the program than bodies of the longest size are held, and so many that
/// two collections would be seen to share a turn.
#[tokio::test]
async fn a_place_of_keys_that_hangs_stops_nobody_whose_keys_are_elsewhere() {
    let half = Half::with_requests(128).await;
    let (slow, quick) = (half.keys("slow", 40).await, half.keys("quick", 40).await);
    fs::write(places::hangs(&half.world), "").unwrap();
    let mut waiting = pin!(join_all(slow.iter().map(|key| half.sign(key))));
    Half::beside(&mut waiting, half.are_at_the_program(4, 36)).await;
    let served = join_all(quick.iter().map(|key| half.sign(key)));
    for answer in Half::beside(&mut waiting, served).await {
        answer.file();
    }
    fs::remove_file(places::hangs(&half.world)).unwrap();
    for answer in waiting.await {
        answer.file();
    }
}

#[tokio::test]
async fn a_place_of_keys_that_hangs_takes_half_of_the_requests_and_no_more() {
    let half = Half::with_requests(12).await;
    let (slow, quick) = (half.keys("slow", 7).await, half.keys("quick", 1).await);
    fs::write(places::hangs(&half.world), "").unwrap();
    let asked = select_all(slow.iter().map(|key| Box::pin(half.sign(key))));
    let (refused, _, rest) = tokio::time::timeout(Duration::from_secs(25), asked).await.unwrap();
    let refused = refused.problem();
    assert_eq!((refused.status, refused.code.as_str()), (503, "backend_unavailable"));
    let mut waiting = pin!(join_all(rest));
    Half::beside(&mut waiting, half.sign(&quick[0])).await.file();
    fs::remove_file(places::hangs(&half.world)).unwrap();
    for answer in waiting.await {
        answer.file();
    }
}

/// Those who wait for a turn do not wait for a place of keys, which counts its own.
#[tokio::test]
async fn a_collection_that_is_slow_takes_a_part_of_the_requests_and_no_more() {
    let half = Half::with_requests(12).await;
    let (slow, quick) = (half.keys("slow", 1).await, half.keys("quick", 1).await);
    fs::write(places::hangs(&half.world), "").unwrap();
    let asked = select_all((0..5).map(|_| Box::pin(half.sign(&slow[0]))));
    let (refused, _, rest) = tokio::time::timeout(Duration::from_secs(25), asked).await.unwrap();
    assert_eq!((refused.status, refused.problem().code.as_str()), (503, "busy"));
    let mut waiting = pin!(join_all(rest));
    Half::beside(&mut waiting, half.sign(&quick[0])).await.file();
    fs::remove_file(places::hangs(&half.world)).unwrap();
    for answer in waiting.await {
        answer.file();
    }
}

/// Otherwise clients that ask and hang up could fill the memory behind one slow place.
#[tokio::test]
async fn the_body_of_a_client_that_hung_up_counts_until_its_work_has_ended() {
    let half = Half::with_requests(12).await;
    let slow = half.keys("slow", 1).await.remove(0);
    fs::write(places::hangs(&half.world), "").unwrap();
    // Between the client and the signer, so that the connection breaks off at once.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = half.world.client_at(listener.local_addr().unwrap(), "server");
    let signer = half.world.address();
    let way = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = tokio::net::TcpStream::connect(signer).await.unwrap();
        far.set_zero_linger().unwrap();
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    });
    let document = half.document.clone();
    let asked = tokio::spawn(async move {
        client.sign_for(&slow.collection, &slow.incarnation, &[&slow.keyid], &document).await
    });
    let has = async |name, wanted: fn(f64) -> bool| {
        while !wanted(value(&metrics(&half.world), name)) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // The room of the longest body is given back once the whole body is there.
    has("notary_signer_body_bytes", |bytes| 0.0 < bytes && bytes < 100_000.0).await;
    way.abort();
    asked.await.unwrap_err();
    has("notary_signer_requests_at_once", |requests| requests == 0.0).await;
    assert!(value(&metrics(&half.world), "notary_signer_body_bytes") > 0.0);
    fs::remove_file(places::hangs(&half.world)).unwrap();
    has("notary_signer_body_bytes", |bytes| bytes == 0.0).await;
}
