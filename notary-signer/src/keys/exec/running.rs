//! The process of a program, from its start to its end.

use std::process::Child;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

/// A process that is killed by one thread and waited for by another.
pub(super) struct Running {
    pid: Pid,
    /// Whether it leads a group of its own, in which everything is that it starts.
    has_group: bool,
    /// From then on its number may be that of another process.
    is_gone: Mutex<bool>,
    has_gone: Condvar,
}

impl Running {
    pub(super) fn new(child: &Child, has_group: bool) -> Running {
        let (is_gone, has_gone) = (Mutex::new(false), Condvar::new());
        Running { pid: Pid::from_child(child), has_group, is_gone, has_gone }
    }

    /// Ends it, with what it has started.
    pub(super) fn kill(&self) {
        if !*lock(&self.is_gone) {
            self.signal();
        }
    }

    /// Ends it, and waits until it is gone.
    pub(super) fn end(&self) {
        self.kill();
        let gone = self.has_gone.wait_while(lock(&self.is_gone), |is_gone| !*is_gone);
        drop(gone.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits for its end, and ends what it leaves behind. Blocks.
    pub(super) fn reap(&self, mut child: Child) {
        // Its number stays its own until it is waited for below.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(self.pid), options), Err(Errno::INTR)) {}
        let mut is_gone = lock(&self.is_gone);
        self.signal();
        let _ = child.wait();
        *is_gone = true;
        self.has_gone.notify_all();
    }

    fn signal(&self) {
        let _ = match self.has_group {
            true => kill_process_group(self.pid, Signal::KILL),
            false => kill_process(self.pid, Signal::KILL),
        };
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
