//! kill -9 of server and signer while a publish is in flight.

use std::thread;
use std::time::{Duration, Instant};

use notary_tests::poller::Poller;
use notary_tests::publisher::{Publisher, version};
use notary_tests::seed::{Random, seed};
use notary_tests::world::{Service, World};

/// How many kills must hit a publish in flight.
const HITS: usize = 20;
/// How many publishes are tried for that.
const MOST_ROUNDS: usize = 400;
/// The latest kill, counted from the start of the request.
const LATEST_MICROS: u64 = 40_000;

const GUN: &str = "acme/app";

/// A publish whose answer was not heard, or was 503: it may be accepted.
struct Unknown {
    role: &'static str,
    file: Vec<u8>,
}

struct Run {
    world: World,
    publisher: Publisher,
    /// Role and file of every publish that the server has acknowledged.
    acknowledged: Vec<(&'static str, Vec<u8>)>,
    hits: usize,
    random: Random,
}

impl Run {
    fn new() -> Run {
        let world = World::start();
        let publisher = Publisher::create(&world, GUN, &["a", "b"]);
        let random = Random::new(seed());
        let mut run = Run { world, publisher, acknowledged: Vec::new(), hits: 0, random };
        run.publish("a");
        run
    }

    fn publish(&mut self, role: &'static str) {
        self.publisher.publish_next(role, self.world.clock.now());
        let file = self.publisher.file(role).to_vec();
        self.acknowledged.push((role, file));
    }

    /// Publishes to `a` and kills a program some time after the request has started.
    fn strike(&mut self, victim: fn(&mut World) -> &mut Service) -> Option<Unknown> {
        let file = self.publisher.next("a", self.world.clock.now());
        let delay = Duration::from_micros(self.random.below(LATEST_MICROS));
        let moment = Instant::now() + delay;
        let answer = thread::scope(|scope| {
            let publisher = &self.publisher;
            let sent = scope.spawn(|| publisher.try_send("a", &file));
            while Instant::now() < moment && !sent.is_finished() {
                thread::yield_now();
            }
            victim(&mut self.world).kill();
            sent.join().expect("sending does not panic")
        });
        match answer {
            Ok(answer) if answer.status == 200 => {
                self.publisher.acknowledged("a", file.clone());
                self.acknowledged.push(("a", file));
                None
            }
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{answer:?}");
                Some(Unknown { role: "a", file })
            }
            // Killed before the request had left.
            Err(error) if error.is_connect() => None,
            Err(_) => Some(Unknown { role: "a", file }),
        }
    }

    /// The owner of an unanswered publish sends the same bytes again.
    fn repeat(&mut self, unknown: Unknown) {
        let Unknown { role, file } = unknown;
        let answer = self.publisher.http.publish(GUN, &[(role, &file)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        self.publisher.acknowledged(role, file.clone());
        self.acknowledged.push((role, file));
    }

    fn lost(&self) -> Vec<String> {
        let lost = self.acknowledged.iter().filter(|(role, f)| !self.publisher.is_served(role, f));
        lost.map(|(role, file)| format!("{role} {}", version(file))).collect()
    }
}

fn survives(victim: fn(&mut World) -> &mut Service) {
    let mut run = Run::new();
    let poller = Poller::start(&run.world, GUN, run.publisher.root(), "a/2");
    for _ in 0..MOST_ROUNDS {
        if run.hits == HITS {
            break;
        }
        let unknown = run.strike(victim);
        victim(&mut run.world).restart();
        // Somebody else, first: whoever was interrupted may never come back.
        run.publish("b");
        if let Some(unknown) = unknown {
            run.hits += 1;
            run.repeat(unknown);
        }
        poller.refreshed_again();
    }
    assert_eq!(run.hits, HITS, "too few kills hit a publish in flight");
    let polled = poller.stop();
    eprintln!("{} publishes acknowledged, {polled:?}", run.acknowledged.len());
    assert!(polled.errors.is_empty(), "{:?}", polled.errors);
    assert_eq!(run.lost(), [""; 0], "acknowledged publishes are lost");
}

#[test]
fn publishes_survive_twenty_kills_of_the_server() {
    survives(|world| &mut world.server);
}

#[test]
fn publishes_survive_twenty_kills_of_the_signer() {
    survives(|world| &mut world.signer);
}
