//! A program that runs beside the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::address_file;

/// How long a program may take until it listens, or until it has ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program. Its output goes to a log; it is killed when it is dropped, and the log is
/// printed when the test fails.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; what it prints goes to `NAME.log` in `directory`, after what an earlier
    /// start has written there.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(name: &str, command: &mut Command, directory: &Path) -> Process {
        let log = directory.join(format!("{name}.log"));
        let open = || File::options().create(true).append(true).open(&log).expect("a log file");
        Process::spawn(name, command.stdout(open()).stderr(open()), log)
    }

    fn spawn(name: &str, command: &mut Command, log: PathBuf) -> Process {
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Process { name: name.to_owned(), child, log }
    }

    /// Starts a program that takes `--address-file`, and waits until it listens. Answers its
    /// address too.
    ///
    /// # Panics
    /// When it ends instead, or does not listen in time.
    pub fn listening(name: &str, command: &mut Command, directory: &Path) -> (Process, String) {
        let file = directory.join(format!("{name}.address"));
        Process::with_address(&file, command, |command| Process::start(name, command, directory))
    }

    /// [`Process::listening`], on a disk that has no room for the log.
    ///
    /// # Panics
    /// When it ends instead, or does not listen in time.
    pub fn listening_without_log(
        name: &str,
        command: &mut Command,
        directory: &Path,
    ) -> (Process, String) {
        let full = || File::options().write(true).open("/dev/full").expect("the system has it");
        let log = directory.join(format!("{name}.log"));
        let file = directory.join(format!("{name}.address"));
        let command = command.stdout(full()).stderr(full());
        Process::with_address(&file, command, |command| Process::spawn(name, command, log))
    }

    fn with_address(
        file: &Path,
        command: &mut Command,
        start: impl FnOnce(&mut Command) -> Process,
    ) -> (Process, String) {
        // What an earlier start wrote is not where this one listens.
        let _ = std::fs::remove_file(file);
        let mut process = start(command.arg("--address-file").arg(file));
        let name = process.name.clone();
        let address = wait_for(&format!("the address of {name}"), || {
            if let Some(status) = process.ended() {
                panic!("{name} ended with {status} instead of listening:\n{}", process.log());
            }
            address_file::read(file)
        });
        (process, address)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        wait_for(&what, || self.child.try_wait().expect("it is our child"))
    }

    /// Ends it as a power cut would: no handler of its own runs.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("---- {}\n{}", self.log.display(), self.log());
        }
    }
}

/// Asks again until there is an answer.
///
/// # Panics
/// When there is none in time.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}
