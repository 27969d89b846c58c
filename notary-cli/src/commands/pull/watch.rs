//! `notary watch`: the smallest update agent. It looks again and again, pulls when the target has
//! changed, and runs a command for the new file.
//!
//! Nothing ends it but a signal and a command line that makes no sense: what is not verified, or not
//! reached, is told in a line, the file that is there stays, and it looks again later. The command
//! runs at least once for each change of the file: until it has succeeded it is run again with each
//! look, also after a restart; what it has succeeded for is kept in the trust directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use notary_schema::name::Gun;
use notary_schema::role::{Expires, TargetFile};
use notary_schema::updater::Found;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use tokio::signal;

use super::Errand;
use crate::agent::target::Provided;
use crate::args::{Exec, WatchArgs};
use crate::exit::{Failure, Outcome};
use crate::session::Session;
use crate::settings::{PASSPHRASES, TOKEN};
use crate::trust_dir::files;

/// While the server is not reached, the wait doubles up to this, or to the interval if it is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(60 * 60);

/// Runs `notary watch`.
pub(crate) async fn watch(session: &Session, args: WatchArgs) -> Result<Outcome, Failure> {
    session.output.go_on_without_end();
    let (gun, interval) = (args.pull.gun.clone(), args.interval.0);
    let errand = Errand::new(session, args.pull)?;
    let mut watch = Watch { session, gun, errand, exec: args.exec, seen: None };
    if args.once {
        watch.look().await?;
        return watch.apply().await.map(|()| Outcome::Done);
    }
    let stop = Stop::new();
    let mut stop = stop.map_err(|error| Failure::System { action: "wait for signals", error })?;
    let mut unreached = 0;
    loop {
        let looked = tokio::select! {
            () = stop.asked() => return Ok(Outcome::Done),
            looked = watch.look() => looked,
        };
        // A command is not interrupted: a stop is obeyed when it has ended.
        let done = match looked {
            Ok(fresh_until) => watch.apply().await.map(|()| fresh_until),
            failed => failed,
        };
        if let Err(failure @ (Failure::Usage(_) | Failure::Settings(_))) = done {
            return Err(failure);
        }
        let is_unreached = done.as_ref().is_err_and(Failure::is_unreachable);
        unreached = if is_unreached { unreached + 1 } else { 0 };
        let fresh_for =
            done.as_ref().map_or(Duration::MAX, |until| remaining(*until, session.now()));
        let wait = pause(interval, fresh_for, unreached, random());
        if let Err(failure) = &done {
            watch.tell_failure(failure, wait);
        }
        tokio::select! {
            () = stop.asked() => return Ok(Outcome::Done),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// How long to wait: the interval, or less where the timestamp expires before, so that a repository
/// that stands still is noticed; longer after each look that did not reach the server. A tenth more
/// or less, drawn by `random`, spreads machines that started together.
fn pause(interval: Duration, fresh_for: Duration, unreached: u32, random: u8) -> Duration {
    let longest = interval.max(MAX_BACKOFF);
    let wait = interval.saturating_mul(2_u32.saturating_pow(unreached)).min(longest);
    let wait = wait.min(fresh_for.max(Duration::from_secs(1)));
    wait.mul_f64(0.9 + 0.2 * f64::from(random) / f64::from(u8::MAX))
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file("resolve", path, error))
}

fn remaining(until: Expires, now: DateTime<Utc>) -> Duration {
    (until.time() - now).to_std().unwrap_or_default()
}

fn random() -> u8 {
    let mut byte = [0];
    SystemRandom::new().fill(&mut byte).expect("the operating system has random bytes");
    byte[0]
}

/// One target that is watched.
struct Watch<'a> {
    session: &'a Session,
    gun: Gun,
    errand: Errand,
    exec: Option<Exec>,
    /// What the file was found to be, and how it looked then.
    seen: Option<Seen>,
}

struct Seen {
    found: Found,
    looks: Looks,
}

/// Files and the hash of the content for which the command has succeeded.
type Applied = BTreeMap<PathBuf, String>;

/// What tells that nobody has written to a file, without reading it.
type Looks = (u64, SystemTime);

fn looks(path: &Path) -> Option<Looks> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

impl Watch<'_> {
    /// Brings the file up to date. Answers until when that is known.
    async fn look(&mut self) -> Result<Expires, Failure> {
        let (found, fresh_until) = self.errand.find(self.session).await?;
        let is_same = |file: &TargetFile| {
            (file.length, &file.hashes) == (found.file.length, &found.file.hashes)
        };
        let looks_now = looks(self.errand.to());
        let is_seen = self
            .seen
            .as_ref()
            .is_some_and(|seen| is_same(&seen.found.file) && Some(seen.looks) == looks_now);
        if is_seen {
            return Ok(fresh_until);
        }
        self.seen = None;
        let event = match self.errand.fetch(self.session, &found).await? {
            Provided::Found => "current",
            Provided::Downloaded => {
                if self.exec.is_some() {
                    // What is replaced, even by what was there before, is one more change.
                    let file = absolute(self.errand.to())?;
                    self.note_applied(|applied| drop(applied.remove(&file))).await?;
                }
                "updated"
            }
        };
        self.tell(event, &found);
        let looks = looks(self.errand.to());
        self.seen = looks.map(|looks| Seen { found, looks });
        Ok(fresh_until)
    }

    /// Runs the command, unless it has succeeded for the file that is there.
    async fn apply(&self) -> Result<(), Failure> {
        let (Some(exec), Some(Seen { found, .. })) = (&self.exec, &self.seen) else {
            return Ok(());
        };
        let content = found.file.hashes.sha256().or(found.file.hashes.sha512()).unwrap_or_default();
        let file = absolute(self.errand.to())?;
        if self.applied()?.get(&file).is_some_and(|applied| applied == content) {
            return Ok(());
        }
        self.execute(exec, &file, found)?;
        self.note_applied(|applied| drop(applied.insert(file.clone(), content.to_owned()))).await?;
        let line = format!("{}: {} succeeded\n", found.name, exec.program);
        self.event("ran", json!({ "name": found.name, "file": file, "exec": exec.program }), &line);
        Ok(())
    }

    fn applied(&self) -> Result<Applied, Failure> {
        let path = self.session.collection(&self.gun)?.applied_path();
        Ok(files::read_json(&path)?.unwrap_or_default())
    }

    async fn note_applied(&self, change: impl FnOnce(&mut Applied)) -> Result<(), Failure> {
        let (collection, _lock) = self.session.locked(&self.gun).await?;
        let mut applied = self.applied()?;
        change(&mut applied);
        Ok(files::write_json(&collection.applied_path(), &applied)?)
    }

    /// Names reach the command through its environment only. It does not get what opens keys, and its
    /// output goes to stderr, so that stdout holds our lines alone.
    fn execute(&self, exec: &Exec, file: &Path, found: &Found) -> Result<(), Failure> {
        let mut command = Command::new(&exec.program);
        command.args(&exec.arguments).stdin(Stdio::null()).stdout(std::io::stderr());
        for secret in PASSPHRASES.iter().chain(&[TOKEN]) {
            command.env_remove(secret);
        }
        command.env("NOTARY_GUN", self.gun.as_str()).env("NOTARY_NAME", &found.name);
        command.env("NOTARY_FILE", file).env("NOTARY_ROLE", found.role.as_str());
        command.env("NOTARY_LENGTH", found.file.length.to_string());
        command.env("NOTARY_SHA256", found.file.hashes.sha256().unwrap_or_default());
        let status = command
            .status()
            .map_err(|error| Failure::file("run", Path::new(&exec.program), error))?;
        if !status.success() {
            let program = &exec.program;
            return Err(Failure::Refused(format!("{program} ended with {status}")));
        }
        Ok(())
    }

    fn tell(&self, event: &str, found: &Found) {
        let (file, length) = (self.errand.to(), found.file.length);
        let value = json!({
            "name": found.name, "role": found.role, "file": file,
            "length": length, "hashes": found.file.hashes,
        });
        let file = file.display();
        let line =
            format!("{}: {event}, {file} {length} bytes, verified by {}\n", found.name, found.role);
        self.event(event, value, &line);
    }

    /// What went wrong, on stderr; with `--json` among the events, too.
    fn tell_failure(&self, failure: &Failure, wait: Duration) {
        let seconds = wait.as_secs().max(1);
        self.session.output.warn(format_args!("{failure}; next look in {seconds} s"));
        let (error, exit) = (failure.to_string(), failure.code());
        let value = json!({ "error": error, "exit": exit, "next_look_seconds": seconds });
        self.event("failed", value, "");
    }

    /// What nobody reads is no reason to stop: the file is kept up to date all the same.
    fn event(&self, event: &str, mut value: Value, line: &str) {
        value["event"] = event.into();
        value["at"] = json!(self.session.now());
        if let Err(error) = self.session.output.one_of_many(&value, line) {
            self.session.output.warn(format_args!("could not print an event: {error}"));
        }
    }
}

/// The signals that end a watch. One that comes while nobody waits for it is not lost.
#[cfg(unix)]
struct Stop {
    interrupt: signal::unix::Signal,
    terminate: signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    fn new() -> std::io::Result<Stop> {
        use signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Stop { interrupt, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for one of them.
    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Where there is no other signal than that of the terminal.
#[cfg(not(unix))]
struct Stop;

#[cfg(not(unix))]
impl Stop {
    fn new() -> std::io::Result<Stop> {
        Ok(Stop)
    }

    async fn asked(&mut self) {
        let _ = signal::ctrl_c().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_wait_is_the_interval_give_or_take_a_tenth() {
        let pause = |random| pause(300 * SECOND, Duration::MAX, 0, random);
        assert_eq!((pause(0), pause(u8::MAX)), (270 * SECOND, 330 * SECOND));
    }

    #[test]
    fn it_doubles_while_the_server_is_not_reached_up_to_an_hour_or_the_interval() {
        let pause = |interval: u32, unreached| {
            pause(interval * SECOND, Duration::MAX, unreached, 0).as_secs() * 10 / 9
        };
        let waits: Vec<u64> = (0..6).map(|unreached| pause(300, unreached)).collect();
        assert_eq!(waits, [300, 600, 1200, 2400, 3600, 3600]);
        assert_eq!(
            (pause(86_400, 0), pause(86_400, 9), pause(300, u32::MAX)),
            (86_400, 86_400, 3600)
        );
    }

    #[test]
    fn a_timestamp_that_expires_before_is_looked_at_again_then() {
        let pause = |fresh_for| pause(300 * SECOND, fresh_for, 0, 0);
        assert_eq!(pause(40 * SECOND), 36 * SECOND);
        assert_eq!(pause(Duration::ZERO), SECOND.mul_f64(0.9), "and never without a pause");
    }
}
