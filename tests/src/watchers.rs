//! Clients that refresh all the time: python-tuf, which keeps its metadata in a directory, and ours.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::judge::NgClient;
use crate::poller::Poller;
use crate::world::World;

/// Running clients. Those that come later go on from what python-tuf has kept.
pub struct Watchers {
    ours: Poller,
    stop: Arc<AtomicBool>,
    python: JoinHandle<Vec<String>>,
}

impl Watchers {
    /// Starts clients that look up one target of a collection, and waits until ours has found it.
    pub fn start(world: &World, gun: &str, target: &str) -> Watchers {
        let question = world.question(gun, &[target]);
        let ours = Poller::start(world, gun, question.root.clone(), target);
        let directory: PathBuf = world.directory().join("watching");
        std::fs::create_dir_all(&directory).expect("a directory of the world");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let python = std::thread::spawn(move || {
            let (mut client, mut errors) = (NgClient::start(), Vec::new());
            loop {
                // Once more after the last change.
                let is_last = stopped.load(Ordering::Relaxed);
                let found = client.ask_again(&question, &directory);
                errors.extend(found.into_values().filter_map(Result::err));
                if is_last {
                    return errors;
                }
            }
        });
        ours.refreshed_again();
        Watchers { ours, stop, python }
    }

    /// Ends the clients after one more look of each.
    ///
    /// # Panics
    /// When one has met an error.
    #[track_caller]
    pub fn end(self) {
        self.ours.refreshed_again();
        self.stop.store(true, Ordering::Relaxed);
        let errors = self.python.join().expect("python-tuf runs to its end");
        assert_eq!(errors, Vec::<String>::new(), "python-tuf");
        assert_eq!(self.ours.stop().errors, Vec::<String>::new(), "ours");
    }
}
