//! A client that refreshes all the time, as an update agent would in the worst case.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use reqwest::Method;

use crate::agent::{Agent, Fetched};
use crate::world::{Answer, Clock, Http, World, wait_for};

/// A running client. It keeps what it trusts from one refresh to the next.
pub struct Poller {
    stop: Arc<AtomicBool>,
    refreshes: Arc<AtomicU64>,
    thread: JoinHandle<Polled>,
}

/// What a client has seen.
#[derive(Debug, Default)]
pub struct Polled {
    /// Refreshes that ended because nobody answered.
    pub unanswered: u64,
    /// What the client did not trust, and answers that no client expects.
    pub errors: Vec<String>,
}

impl Poller {
    /// Starts a client of a collection that trusts this root and looks up this target each time.
    pub fn start(world: &World, gun: &str, root: Vec<u8>, target: &str) -> Poller {
        let stop = Arc::new(AtomicBool::new(false));
        let mut client = Client {
            agent: Agent::pinned(&root),
            http: world.http(None),
            base: format!("/v2/{gun}/_trust/tuf/"),
            clock: world.clock.clone(),
        };
        let (stopped, target) = (stop.clone(), target.to_owned());
        let refreshes = Arc::new(AtomicU64::new(0));
        let counted = refreshes.clone();
        let thread = std::thread::spawn(move || {
            let mut polled = Polled::default();
            while !stopped.load(Ordering::Relaxed) {
                match client.look_up(&target) {
                    Ok(()) => drop(counted.fetch_add(1, Ordering::Relaxed)),
                    Err(Problem::Unanswered) => polled.unanswered += 1,
                    Err(Problem::Wrong(error)) => polled.errors.push(error),
                }
            }
            polled
        });
        Poller { stop, refreshes, thread }
    }

    /// Waits until the client has seen the whole collection once more.
    pub fn refreshed_again(&self) {
        let before = self.refreshes.load(Ordering::Relaxed);
        wait_for("a refresh of the client", || {
            (self.refreshes.load(Ordering::Relaxed) > before).then_some(())
        });
    }

    /// Ends the client.
    pub fn stop(self) -> Polled {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the client does not panic")
    }
}

struct Client {
    agent: Agent,
    http: Http,
    base: String,
    clock: Clock,
}

enum Problem {
    Unanswered,
    Wrong(String),
}

impl Client {
    fn look_up(&mut self, target: &str) -> Result<(), Problem> {
        let mut unanswered = false;
        let fetch = |name: &str| {
            let request = self.http.request(Method::GET, &format!("{}{name}", self.base));
            match self.http.try_send(request) {
                Ok(Answer { status: 200, body, .. }) => Fetched::File(body),
                Ok(Answer { status: 404, .. }) => Fetched::NotFound,
                Ok(answer) => Fetched::Failed(format!("status {}", answer.status)),
                Err(error) => {
                    unanswered = true;
                    Fetched::Failed(error.to_string())
                }
            }
        };
        match self.agent.find(target, self.clock.now(), fetch) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Problem::Wrong(format!("{target} is gone"))),
            Err(_) if unanswered => Err(Problem::Unanswered),
            Err(error) => Err(Problem::Wrong(error.to_string())),
        }
    }
}
