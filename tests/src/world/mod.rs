//! The real programs as processes: a signer, a server, people at command lines, and a clock that a
//! test moves for all of them.
//!
//! A world has its own directory, certificates and ports. When it is dropped, what the server has
//! stored is verified and its processes are killed; their logs are printed when the test failed.

mod between;
mod clock;
mod gate;
mod http;
mod person;
mod process;
mod program;
mod service;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use chrono::TimeDelta;
use tempfile::TempDir;
use toml::{Table, toml};

use crate::judge::Question;
use crate::mirror::Mirror;

pub use between::{Between, Meddling};
pub use clock::{CLOCK_VARIABLE, Clock, real_time};
pub use gate::{Gate, Hold, Passed};
pub use http::{Answer, Http};
pub use person::{Outcome, Person};
pub use process::{Process, wait_for};
pub use program::Program;
pub use service::{STOP_VARIABLE, Service};

/// A signer and a server that know each other.
pub struct World {
    /// The signer.
    pub signer: Service,
    /// The server, over loopback HTTP.
    pub server: Service,
    /// What all programs take for the time.
    pub clock: Clock,
    ends_sound: bool,
    // Last, so that the processes end before their directory goes.
    directory: TempDir,
}

impl World {
    /// Starts a world with the programs' own defaults.
    pub fn start() -> World {
        World::with(|_| {}, |_| {})
    }

    /// Starts a world with other configurations: of the signer, of the server.
    pub fn with(signer: impl FnOnce(&mut Table), server: impl FnOnce(&mut Table)) -> World {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::new(directory.path());
        make_certificates(directory.path(), &clock);
        write_secret(&directory.path().join("passphrase"), "of the signer");
        let mut config = signer_config();
        signer(&mut config);
        let mut signer = Service::new(Program::Signer, directory.path(), config, &clock);
        signer.restart();
        let mut config = server_config(signer.address());
        server(&mut config);
        let mut server = Service::new(Program::Server, directory.path(), config, &clock);
        server.restart();
        World { signer, server, clock, ends_sound: true, directory }
    }

    /// Puts a host between server and signer. The server waits at most so long for an answer.
    pub fn between(&mut self, timeout_seconds: i64) -> Between {
        let between = Between::start(&self.directory().join("pki"), self.signer.address());
        let url = between.url();
        self.server.configure(|config| {
            let signer = config["signer"].as_table_mut().expect("it is a table");
            signer.insert("url".into(), url.into());
            signer.insert("timeout_seconds".into(), timeout_seconds.into());
        });
        self.server.restart();
        between
    }

    /// Puts a host between the server and those who come through it.
    pub fn gate(&self) -> Gate {
        Gate::start(self.url())
    }

    /// Somebody with a token of this grant who comes through a gate.
    pub fn person_through(&self, gate: &Gate, name: &str, grant: &str) -> Person {
        let token = self.token(grant);
        Person::new(self.directory().join(name), &self.clock, &gate.url(), Some(&token))
    }

    /// Has a CA in the world's directory issue a certificate as it was so long ago.
    pub fn issue(&self, pki: &str, name: &str, host: &str, ago: TimeDelta) {
        let past = self.directory().join("past");
        std::fs::create_dir_all(&past).expect("the world's directory");
        let clock = Clock::new(&past);
        clock.advance(-ago);
        pki_command(self.directory(), &clock, &["issue", pki, name, "--server", host]);
    }

    /// Makes another CA in the world's directory.
    pub fn other_ca(&self, pki: &str) {
        pki_command(self.directory(), &self.clock, &["init", pki]);
    }

    /// The directory of the world.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Below which the metadata of a collection is.
    pub fn metadata_url(&self, gun: &str) -> String {
        format!("{}/v2/{gun}/_trust/tuf/", self.url())
    }

    /// Requests to the server; with this token, if one is given.
    pub fn http(&self, token: Option<&str>) -> Http {
        Http::plain(self.url(), token)
    }

    /// Requests to what stands in front of the server.
    pub fn http_at(&self, url: &str) -> Http {
        Http::plain(url.to_owned(), None)
    }

    /// Requests to the signer, with the certificate of this name.
    pub fn signer_http(&self, certificate: &str) -> Http {
        let url = format!("https://{}", self.signer.address());
        Http::mutual_tls(url, &self.directory().join("pki"), certificate)
    }

    /// A new token, from the operator of the server: `admin --collection **`.
    pub fn token(&self, grant: &str) -> String {
        self.operate(Program::Server, &format!("token create --grant {grant}")).trim().to_owned()
    }

    /// Somebody with a token of this grant: `publish --collection acme/* --role docs`.
    pub fn person(&self, name: &str, grant: &str) -> Person {
        let token = self.token(grant);
        Person::new(self.directory().join(name), &self.clock, &self.url(), Some(&token))
    }

    /// Somebody without a token.
    pub fn stranger(&self, name: &str) -> Person {
        Person::new(self.directory().join(name), &self.clock, &self.url(), None)
    }

    /// Runs a command of an operator with the configuration of a service, and answers what it
    /// printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn operate(&self, program: Program, arguments: &str) -> String {
        let service = if program == Program::Signer { &self.signer } else { &self.server };
        let mut command = program.command();
        command.args(arguments.split_whitespace()).arg("--config").arg(service.config_file());
        command.env(CLOCK_VARIABLE, self.clock.file());
        run(&mut command)
    }

    /// Keeps a copy of the server's database as it is now, in place of an earlier one.
    pub fn back_up(&mut self) {
        let backup = self.directory().join("backup.sqlite");
        // There may be none.
        let _ = std::fs::remove_file(&backup);
        self.operate(Program::Server, &format!("backup {}", backup.display()));
    }

    /// The server is stopped, its database becomes the copy of [`World::back_up`], and it starts again.
    /// Answers when it has found that out.
    pub fn set_back(&mut self) {
        self.server.kill();
        let backup = self.directory().join("backup.sqlite");
        self.operate(Program::Server, &format!("restore {} --replace", backup.display()));
        self.start_behind();
    }

    /// Starts the server on a database that is behind the signer's memory, and answers when it has
    /// found that out.
    pub fn start_behind(&mut self) {
        let found = |server: &Service| server.log().matches("behind the signer's memory").count();
        let before = found(&self.server);
        self.server.restart();
        wait_for("the server to ask its signer", || (found(&self.server) > before).then_some(()));
    }

    /// Copies the database of a program that stands still from one directory to another, over what is
    /// there.
    pub fn copy_database(program: Program, from: &Path, to: &Path) {
        std::fs::create_dir_all(to).expect("the world's directory");
        let database = if program == Program::Signer { "signer.sqlite" } else { "server.sqlite" };
        for name in ["", "-wal", "-shm"].map(|log| format!("{database}{log}")) {
            // What is not there has nothing that the database lacks.
            let _ = std::fs::remove_file(to.join(&name));
            let _ = std::fs::copy(from.join(&name), to.join(&name));
        }
    }

    /// Verifies everything that the server has stored, beside it if it runs, and compares it with
    /// the signer's memory if the signer runs.
    ///
    /// # Panics
    /// When anything is not as it must be.
    #[track_caller]
    pub fn fsck(&self) {
        self.operate(Program::Server, "fsck");
    }

    /// The test damages what is stored, or what the signer remembers: nothing is verified at the end.
    pub fn will_not_end_sound(&mut self) {
        self.ends_sound = false;
    }

    /// Asks a judge about a collection, starting from its first root.
    pub fn question(&self, gun: &str, names: &[&str]) -> Question {
        let root = self.http(None).get(&format!("/v2/{gun}/_trust/tuf/1.root.json"));
        assert_eq!(root.status, 200, "{root:?}");
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let metadata_url = self.metadata_url(gun);
        Question { root: root.body, metadata_url, names, targets_url: None }
    }

    /// The place from which agents get the targets that people have copied there.
    pub fn site(&self) -> Mirror {
        Mirror::of(&self.directory().join("files"))
    }
}

/// Whatever a test does, and however its programs ended: what they leave behind is sound.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.ends_sound {
            self.fsck();
        }
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("cargo built it");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).expect("the programs print UTF-8")
}

fn make_certificates(directory: &Path, clock: &Clock) {
    pki_command(directory, clock, &["init", "pki"]);
    pki_command(directory, clock, &["issue", "pki", "signer", "--server"]);
    pki_command(directory, clock, &["issue", "pki", "server", "--client"]);
}

fn pki_command(directory: &Path, clock: &Clock, arguments: &[&str]) {
    let mut command = Program::Signer.command();
    command.arg("pki").args(arguments).current_dir(directory);
    run(command.env(CLOCK_VARIABLE, clock.file()));
}

fn signer_config() -> Table {
    toml! {
        database = "signer.sqlite"
        [tls]
        certificate = "pki/signer.pem"
        key = "pki/signer.key"
        client_ca = "pki/ca.pem"
        [store]
        passphrase_file = "passphrase"
    }
}

fn server_config(signer: &str) -> Table {
    let mut config = toml! {
        database = "server.sqlite"
        [signer]
        ca = "pki/ca.pem"
        certificate = "pki/server.pem"
        key = "pki/server.key"
        [refresh]
        interval_seconds = 1
        slot_interval_seconds = 1
    };
    let section = config["signer"].as_table_mut().expect("it is a table");
    section.insert("url".into(), format!("https://{signer}").into());
    config
}

/// A file that only its owner may read.
fn write_secret(file: &Path, secret: &str) {
    let mut options = File::options();
    let file = options.create_new(true).write(true).mode(0o600).open(file);
    file.and_then(|mut file| file.write_all(secret.as_bytes())).expect("a new file");
}
