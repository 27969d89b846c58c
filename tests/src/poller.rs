//! A client that refreshes all the time, as an update agent would in the worst case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use notary_schema::trusted::Expiry;
use notary_schema::updater::{Limits, Step, UpdateError, Updater};
use reqwest::Method;

use crate::world::{Clock, Http, World};

/// A running client. It keeps what it trusts from one refresh to the next.
pub struct Poller {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Polled>,
}

/// What a client has seen.
#[derive(Debug, Default)]
pub struct Polled {
    /// Refreshes that were complete.
    pub refreshes: u64,
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
            http: world.http(None),
            base: format!("/v2/{gun}/_trust/tuf/"),
            clock: world.clock.clone(),
            local: BTreeMap::from([("root.json".to_owned(), root)]),
        };
        let (stopped, target) = (stop.clone(), target.to_owned());
        let thread = std::thread::spawn(move || {
            let mut polled = Polled::default();
            while !stopped.load(Ordering::Relaxed) {
                match client.look_up(&target) {
                    Ok(()) => polled.refreshes += 1,
                    Err(Problem::Unanswered) => polled.unanswered += 1,
                    Err(Problem::Wrong(error)) => polled.errors.push(error),
                }
            }
            polled
        });
        Poller { stop, thread }
    }

    /// Ends the client.
    pub fn stop(self) -> Polled {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the client does not panic")
    }
}

struct Client {
    http: Http,
    base: String,
    clock: Clock,
    local: BTreeMap<String, Vec<u8>>,
}

enum Problem {
    Unanswered,
    Wrong(String),
}

impl From<UpdateError> for Problem {
    fn from(error: UpdateError) -> Problem {
        Problem::Wrong(error.to_string())
    }
}

impl Client {
    fn look_up(&mut self, target: &str) -> Result<(), Problem> {
        let mut updater = Updater::new(self.clock.now(), Expiry::Enforced, Limits::default());
        self.drive(&mut updater)?;
        updater.find(target)?;
        self.drive(&mut updater)?;
        match updater.found() {
            Some(_) => Ok(()),
            None => Err(Problem::Wrong(format!("{target} is gone"))),
        }
    }

    fn drive(&mut self, updater: &mut Updater) -> Result<(), Problem> {
        loop {
            match updater.step() {
                Step::Load { name } => updater.loaded(self.local.get(&name).cloned())?,
                Step::Fetch { name, .. } => {
                    let request = self.http.request(Method::GET, &format!("{}{name}", self.base));
                    let answer = self.http.try_send(request).map_err(|_| Problem::Unanswered)?;
                    match answer.status {
                        200 => updater.fetched(answer.body)?,
                        404 => updater.not_found()?,
                        other => return Err(Problem::Wrong(format!("{name}: status {other}"))),
                    }
                }
                Step::Save { name, bytes } => {
                    self.local.insert(name, bytes.to_vec());
                    updater.stored();
                }
                Step::Remove { name } => {
                    self.local.remove(&name);
                    updater.stored();
                }
                Step::Done => return Ok(()),
            }
        }
    }
}
