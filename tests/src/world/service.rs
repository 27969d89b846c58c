//! A service of the world: it can be stopped, killed and started again, always at the same address.

use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

use super::{CLOCK_VARIABLE, Clock, Process, Program};

/// The environment variable that names the point at which a program aborts.
pub const STOP_VARIABLE: &str = "E2E_STOP";

/// A program with a configuration file.
pub struct Service {
    program: Program,
    directory: PathBuf,
    config: Table,
    clock: Clock,
    address: String,
    variables: Vec<(String, String)>,
    process: Option<Process>,
}

impl Service {
    /// A program that is not started yet. The first start takes a free port, later ones the same.
    pub(super) fn new(program: Program, directory: &Path, config: Table, clock: &Clock) -> Service {
        let (directory, clock) = (directory.to_owned(), clock.clone());
        let address = "127.0.0.1:0".to_owned();
        let (variables, process) = (Vec::new(), None);
        let service = Service { program, directory, config, clock, address, variables, process };
        service.write_config();
        service
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.directory.join(format!("{}.toml", self.program.name()))
    }

    /// Kills it if it runs, and starts it.
    pub fn restart(&mut self) {
        self.start_with(None);
    }

    /// Kills it if it runs, and starts it so that it aborts when it comes to a stop point.
    pub fn restart_until(&mut self, stop: &str) {
        self.start_with(Some(stop));
    }

    /// Changes the configuration for the next start.
    pub fn configure(&mut self, change: impl FnOnce(&mut Table)) {
        change(&mut self.config);
    }

    /// Sets a variable of its environment for the next start.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Waits until it has aborted at its stop point.
    ///
    /// # Panics
    /// When it does not, or ends in another way.
    pub fn aborted(&mut self) {
        let mut process = self.process.take().expect("it was started");
        let status = process.wait();
        assert!(status.code().is_none(), "{} ended with {status}", self.program.name());
    }

    /// Its process, while it runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.process.as_mut()
    }

    /// What it has logged since the world began.
    pub fn log(&self) -> String {
        let log = self.directory.join(format!("{}.log", self.program.name()));
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// Kills it if it runs, and starts it on a disk that has no room for its log.
    pub fn restart_without_log(&mut self) {
        let mut command = self.command();
        let name = self.program.name();
        self.started(Process::listening_without_log(name, &mut command, &self.directory));
    }

    fn start_with(&mut self, stop: Option<&str>) {
        let mut command = self.command();
        if let Some(stop) = stop {
            command.env(STOP_VARIABLE, stop);
        }
        self.started(Process::listening(self.program.name(), &mut command, &self.directory));
    }

    /// What starts it, once it is ended.
    fn command(&mut self) -> Command {
        self.kill();
        self.write_config();
        let mut command = self.program.command();
        command.arg("serve").arg("--config").arg(self.config_file());
        command.env(CLOCK_VARIABLE, self.clock.file());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    fn started(&mut self, (process, address): (Process, String)) {
        self.process = Some(process);
        self.address = address;
    }

    fn write_config(&self) {
        let mut config = self.config.clone();
        config.insert("listen".into(), self.address.clone().into());
        std::fs::write(self.config_file(), config.to_string()).expect("the world's directory");
    }
}
