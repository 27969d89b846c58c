//! Do clients behind a cache of the web get along?
//!
//! The cache is nginx with `proxy_cache`, told nothing about us: it keeps what our headers allow.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::role::Targets;
use notary_tests::hand::HandKey;
use notary_tests::judge::{NgClient, Question};
use notary_tests::publisher::Publisher;
use notary_tests::world::{Answer, Http, Process, World, wait_for};
use serde_json::{Value, json};

const GUN: &str = "acme/app";
const PUBLISHES: u64 = 50;
/// How old what a client sees may be: what our headers allow, and a second for a cache that counts
/// whole ones.
const LONGEST_AGE: Duration = Duration::from_secs(5 + 1);

/// A cache between clients and the server of a world.
struct Cache {
    url: String,
    http: Http,
    // Ends the process when it is dropped.
    _process: Process,
}

impl Cache {
    fn start(world: &World) -> Cache {
        let directory = world.directory().join("cache");
        std::fs::create_dir(&directory).expect("the world's directory");
        loop {
            // nginx takes no port 0: a free one is looked for, and another where somebody was faster.
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let address = free.expect("a free port").to_string();
            let config = directory.join("nginx.conf");
            std::fs::write(&config, configuration(&directory, &address, world.server.address()))
                .expect("the world's directory");
            let mut command = Command::new("/usr/sbin/nginx");
            command.arg("-p").arg(&directory).arg("-c").arg(&config).args(["-e", "stderr"]);
            let mut process = Process::start("nginx", &mut command, &directory);
            let listens = wait_for("nginx", || match process.ended() {
                Some(_) => Some(false),
                None => std::net::TcpStream::connect(&address).is_ok().then_some(true),
            });
            if listens {
                let url = format!("http://{address}");
                return Cache { http: world.http_at(&url), url, _process: process };
            }
            assert!(process.log().contains("Address already in use"), "{}", process.log());
        }
    }

    fn get(&self, name: &str) -> Answer {
        self.http.get(&format!("/v2/{GUN}/_trust/tuf/{name}"))
    }

    /// The status, and what the cache says of the answer.
    fn kept(&self, name: &str) -> (u16, String) {
        let answer = self.get(name);
        (answer.status, answer.header("x-cache").unwrap_or_default().to_owned())
    }
}

fn configuration(directory: &Path, address: &str, server: &str) -> String {
    let directory = directory.display();
    format!(
        "daemon off; master_process off; pid {directory}/pid; error_log stderr;
         events {{ worker_connections 256; }}
         http {{
             access_log off;
             client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;
             fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi;
             scgi_temp_path {directory}/scgi;
             proxy_cache_path {directory}/kept keys_zone=kept:10m;
             server {{
                 listen {address};
                 location / {{
                     proxy_pass http://{server}; proxy_http_version 1.1;
                     proxy_cache kept; proxy_cache_revalidate on; proxy_cache_lock on;
                     add_header X-Cache $upstream_cache_status always;
                 }}
             }}
         }}"
    )
}

/// python-tuf behind the cache: it refreshes all the time and looks for the newest target that it
/// has to know by now.
struct Client {
    stop: Arc<AtomicBool>,
    refreshes: Arc<AtomicU64>,
    /// Targets and when they were published, the newest last.
    published: Arc<Mutex<VecDeque<(String, Instant)>>>,
    thread: thread::JoinHandle<Vec<String>>,
}

impl Client {
    fn start(world: &World, cache: &Cache) -> Client {
        let (stop, refreshes) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let published = Arc::<Mutex<VecDeque<(String, Instant)>>>::default();
        let directory = world.directory().join("behind-the-cache");
        std::fs::create_dir(&directory).expect("the world's directory");
        let mut question = world.question(GUN, &[]);
        question.metadata_url = format!("{}/v2/{GUN}/_trust/tuf/", cache.url);
        let (stopped, counted, known) = (stop.clone(), refreshes.clone(), published.clone());
        let thread = thread::spawn(move || {
            let (mut python, mut wrong) = (NgClient::start(), Vec::new());
            while !stopped.load(Ordering::Relaxed) {
                let due = Instant::now().checked_sub(LONGEST_AGE);
                let known = known.lock().expect("nobody panics");
                let old = known.iter().rfind(|(_, at)| due.is_some_and(|due| *at <= due));
                let name = old.map_or("docs/2", |(name, _)| name.as_str()).to_owned();
                drop(known);
                let question = Question { names: vec![name], ..question.clone() };
                for (name, found) in python.ask_again(&question, &directory) {
                    wrong.extend(found.err().map(|error| format!("{name}: {error}")));
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
            wrong
        });
        Client { stop, refreshes, published, thread }
    }

    fn refreshed_again(&self) {
        let before = self.refreshes.load(Ordering::Relaxed);
        wait_for("a refresh behind the cache", || {
            (self.refreshes.load(Ordering::Relaxed) > before).then_some(())
        });
    }

    fn refreshes_for(&self, time: Duration) {
        let started = Instant::now();
        while started.elapsed() <= time {
            self.refreshed_again();
        }
    }

    fn has_to_know(&self, target: String) {
        self.published.lock().expect("nobody panics").push_back((target, Instant::now()));
    }

    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the client does not panic")
    }
}

/// The next root: its document changed, signed by the holder of all keys; and what goes with it.
fn publish_root(
    publisher: &Publisher,
    version: u64,
    with: Option<(&str, &[u8])>,
    edit: impl FnOnce(&mut Value),
) {
    let path = format!("/v2/{GUN}/_trust/tuf/root.json");
    let mut document = publisher.http.get(&path).json()["signed"].clone();
    document["version"] = json!(version);
    edit(&mut document);
    let root = publisher.sign(&Unsigned::new(&document));
    let parts: Vec<(&str, &[u8])> = [("root", &root[..])].into_iter().chain(with).collect();
    let answer = publisher.http.publish(GUN, &parts);
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A root that has targets signed by another key, and the targets that both keys have signed.
fn rotate_targets(publisher: &Publisher, version: u64, world: &World) {
    let key = HandKey::ed25519(2);
    let file = publisher.next("targets", world.clock.now());
    let document = Unsigned::new(&Envelope::<Targets>::parse(file).expect("our own").document());
    let by_both = publisher.sign_together(&key, &document);
    publish_root(publisher, version, Some(("targets", &by_both)), |root| {
        root["keys"][key.id()] = key.object().clone();
        root["roles"]["targets"]["keyids"] = json!([key.id()]);
    });
}

/// A root that replaces the keys of these online roles.
fn rotate(publisher: &Publisher, version: u64, roles: &[&str]) {
    let new_key = |role: &&str| {
        let path = format!("/v2/{GUN}/_trust/keys/{role}?rotate=true");
        publisher.http.post(&path, &().into()).json()
    };
    let keys: Vec<Value> = roles.iter().map(new_key).collect();
    publish_root(publisher, version, None, |root| {
        for (role, key) in roles.iter().zip(&keys) {
            let keyid = key["keyid"].as_str().expect("an id");
            root["keys"][keyid] = key["key"].clone();
            root["roles"][role]["keyids"] = json!([keyid]);
        }
    });
}

#[test]
fn a_client_behind_a_cache_sees_one_state_after_another_and_none_that_is_too_old() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, GUN, &["docs"]);
    publisher.publish_next("docs", world.clock.now());
    let cache = Cache::start(&world);
    let client = Client::start(&world, &cache);
    for version in 3..3 + PUBLISHES {
        client.refreshed_again();
        publisher.publish_next("docs", world.clock.now());
        client.has_to_know(format!("docs/{version}"));
        // A cache may hold what was signed before the root was there, and the client may have the
        // root before while the new files are there: both keys have signed both.
        match version {
            20 => rotate(&publisher, 2, &["timestamp"]),
            30 => rotate(&publisher, 3, &["snapshot"]),
            40 => rotate(&publisher, 4, &["snapshot", "timestamp"]),
            50 => rotate_targets(&publisher, 5, &world),
            _ => {}
        }
    }
    client.refreshes_for(LONGEST_AGE);
    client.refreshed_again();
    assert_eq!(client.stop(), Vec::<String>::new());
}

#[test]
fn a_cache_keeps_what_it_may_and_nothing_that_hides_news() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, GUN, &["docs"]);
    let cache = Cache::start(&world);
    for name in ["1.root.json", "1.snapshot.json", "1.docs.json", "timestamp.json"] {
        assert_eq!(cache.kept(name), (200, "MISS".into()), "{name}");
        assert_eq!(cache.kept(name), (200, "HIT".into()), "{name}");
    }
    // A missing root is asked for again each time, so that the one that comes is there at once.
    for _ in 0..3 {
        assert_eq!(cache.kept("2.root.json"), (404, "MISS".into()));
    }
    publish_root(&publisher, 2, None, |_| {});
    assert_eq!(cache.get("2.root.json").status, 200);
    // Another missing file may be kept for a second.
    assert_eq!(cache.get("2.docs.json").status, 404);
    publisher.publish_next("docs", world.clock.now());
    wait_for("the new file", || (cache.get("2.docs.json").status == 200).then_some(()));
    // Each encoding is its own representation.
    let encoded = |encoding: &str| {
        let path = format!("/v2/{GUN}/_trust/tuf/2.docs.json");
        let request = cache.http.request(reqwest::Method::GET, &path);
        let answer = cache.http.send(request.header("accept-encoding", encoding));
        (
            answer.header("content-encoding").map(str::to_owned),
            answer.header("etag").map(str::to_owned),
        )
    };
    for _ in 0..2 {
        let (plain, gzip) = (encoded("identity"), encoded("gzip"));
        assert_eq!((plain.0, gzip.0), (None, Some("gzip".into())));
        assert_ne!(plain.1, gzip.1);
    }
}
