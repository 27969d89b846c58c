//! Threads for calls that block. They are kept: to start one costs a good part of a signature.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::sync::OwnedSemaphorePermit;

/// Threads, as many as were at work at once, until this is dropped. None of them belongs to a runtime:
/// no end of one waits for a call that hangs.
#[derive(Default)]
pub(super) struct Threads {
    idle: Arc<Mutex<Vec<Sender<Work>>>>,
}

struct Work {
    job: Box<dyn FnOnce() + Send>,
    /// Given back when the thread is there for others.
    permit: OwnedSemaphorePermit,
    /// The way to the thread that does it.
    thread: Sender<Work>,
}

impl Threads {
    /// Runs a job on a thread that does nothing else meanwhile.
    pub(super) fn run(&self, permit: OwnedSemaphorePermit, job: impl FnOnce() + Send + 'static) {
        let idle = lock(&self.idle).pop();
        let to = idle.unwrap_or_else(|| self.start());
        let work = Work { job: Box::new(job), permit, thread: to.clone() };
        // The error says that a job before has panicked; whoever waits for this one hears it.
        let _ = to.send(work);
    }

    fn start(&self) -> Sender<Work> {
        let (thread, asked) = channel::<Work>();
        let idle = Arc::downgrade(&self.idle);
        thread::spawn(move || {
            for Work { job, permit, thread } in asked {
                job();
                let Some(idle) = idle.upgrade() else { return };
                lock(&idle).push(thread);
                drop(permit);
            }
        });
        thread
    }
}

fn lock(idle: &Mutex<Vec<Sender<Work>>>) -> MutexGuard<'_, Vec<Sender<Work>>> {
    // Every state of it is a good one.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
