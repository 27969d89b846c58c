//! A signing program while it runs: requests go to its stdin, answers come from its stdout, and what
//! it says on stderr goes to the log.
//!
//! Threads and pipes, no runtime: whoever asks may be on any thread, and a program that does not
//! read keeps nobody's event loop.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::Trouble;
use super::pipes::{End, Pipe};
use super::protocol::{Answer, Call, MAX_LINE_BYTES};
use super::running::{Running, lock};
use super::{Messages, Program};

/// Requests that wait for the program to read them; its pipe holds some more.
const UNREAD: usize = 64;
/// Why no more answers come.
const ENDED: &str = "the program ended";
/// How long answers, and then lines for the log, may still come out of a program that has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Nothing of ours that is secret is in the environment of the program.
const OUR_VARIABLES: &str = "NOTARY_";

/// A program that runs, or did.
pub(super) struct Process {
    running: Arc<Running>,
    lines: SyncSender<Vec<u8>>,
    waiting: Arc<Mutex<Waiting>>,
    next: AtomicU64,
    /// How many answers have come.
    answers: Arc<AtomicU64>,
}

type Sender = oneshot::Sender<Result<Answer, Trouble>>;

enum Waiting {
    /// Who waits for which answer.
    For(HashMap<u64, Sender>),
    /// It gives no answers any more.
    Ended(Trouble),
}

impl Process {
    /// Starts the program.
    pub(super) fn start(program: &Program) -> Result<Process, Trouble> {
        let (mut command, has_group) = command(program);
        let path = program.path.display().to_string();
        let unreachable = |error: io::Error| Trouble::Unreachable(format!("{path}: {error}"));
        let (end, until) = End::new().map_err(unreachable)?;
        let mut child = command.spawn().map_err(unreachable)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (stdin, stdout) = stdin.zip(stdout).expect("they were asked for");
        let stderr = child.stderr.take();

        let waiting = Arc::new(Mutex::new(Waiting::For(HashMap::new())));
        let answers = Arc::new(AtomicU64::new(0));
        let running = Arc::new(Running::new(&child, has_group));
        let (lines, unread) = sync_channel(UNREAD);
        let (tell_read, read) = sync_channel(1);
        let (tell_logged, logged) = sync_channel::<()>(1);
        let stdin = until.of(stdin);
        thread::spawn(move || write_lines(stdin, unread));
        let (answered, count, ended) = (waiting.clone(), answers.clone(), running.clone());
        let stdout = until.of(stdout);
        thread::spawn(move || {
            let trouble = read_answers(stdout, &answered, &count);
            // After junk nobody knows which answer is whose: this process is done with, also where no
            // further call takes another one and it would outlive us.
            end_waiting(&answered, &trouble);
            ended.kill();
            let _ = tell_read.send(());
        });
        if let Some(stderr) = stderr {
            let stderr = until.of(stderr);
            thread::spawn(move || {
                log_lines(stderr, &path);
                drop(tell_logged);
            });
        }
        let (left, reaped) = (waiting.clone(), running.clone());
        thread::spawn(move || {
            reaped.reap(child);
            // What it has started may hold its pipes, and will not answer for it.
            if read.recv_timeout(LAST_WORDS).is_err() {
                end_waiting(&left, &Trouble::Unreachable(ENDED.to_owned()));
            }
            let _ = logged.recv_timeout(LAST_WORDS);
            drop(end);
        });
        Ok(Process { running, lines, waiting, next: AtomicU64::new(1), answers })
    }

    /// Whether it still answers.
    pub(super) fn runs(&self) -> bool {
        matches!(*lock(&self.waiting), Waiting::For(_))
    }

    /// The answer to a call, however long it takes.
    pub(super) async fn ask(&self, call: &Call) -> Result<Answer, Trouble> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        match &mut *lock(&self.waiting) {
            Waiting::For(waiting) => waiting.insert(id, sender),
            Waiting::Ended(trouble) => return Err(trouble.clone()),
        };
        let asked_at = self.answers.load(Ordering::Relaxed);
        let mut given_up = GivenUp { process: self, id, asked_at, is_waiting: false };
        match self.lines.try_send(call.line(id)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(Trouble::Throttled(format!("{UNREAD} requests are not read yet")));
            }
            Err(TrySendError::Disconnected(_)) => {
                return Err(Trouble::Unreachable("the program reads nothing any more".to_owned()));
            }
        }
        given_up.is_waiting = true;
        let answer = answer.await;
        given_up.is_waiting = false;
        let ended = |_| Trouble::Unreachable(ENDED.to_owned());
        answer.map_err(ended)?.and_then(Answer::accepted)
    }
}

/// What starts a program, and whether it leads a group of its own then.
fn command(program: &Program) -> (Command, bool) {
    let ours = |(name, _): &(OsString, OsString)| {
        name.as_encoded_bytes().starts_with(OUR_VARIABLES.as_bytes())
    };
    let mut command = Command::new(&program.path);
    command.args(&program.arguments);
    for (name, _) in std::env::vars_os().filter(ours) {
        command.env_remove(name);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(match program.messages {
        Messages::Logged => Stdio::piped(),
        Messages::Shown => Stdio::inherit(),
    });
    // A person may be asked by the program, on a terminal that belongs to the group of ours.
    let has_group = program.messages == Messages::Logged;
    if has_group {
        command.process_group(0);
    }
    (command, has_group)
}

#[cfg(test)]
impl Process {
    /// How many calls wait for an answer.
    pub(super) fn waiting(&self) -> usize {
        match &*lock(&self.waiting) {
            Waiting::For(waiting) => waiting.len(),
            Waiting::Ended(_) => 0,
        }
    }
}

impl Drop for Process {
    /// No program of ours outlives us: it is killed, and its threads end with its pipes.
    fn drop(&mut self) {
        self.running.end();
    }
}

/// A call while it waits. Whoever gives up is not kept in mind; and a program that has answered nobody
/// for as long as that one had the patience hangs, and makes room for another one.
struct GivenUp<'a> {
    process: &'a Process,
    id: u64,
    asked_at: u64,
    /// The program may have the request, and has not answered it.
    is_waiting: bool,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let GivenUp { process, id, asked_at, is_waiting } = *self;
        if let Waiting::For(waiting) = &mut *lock(&process.waiting) {
            waiting.remove(&id);
        }
        if is_waiting && process.answers.load(Ordering::Relaxed) == asked_at {
            let trouble = "the program answered nobody, and was stopped".to_owned();
            end_waiting(&process.waiting, &Trouble::Unreachable(trouble));
            process.running.kill();
        }
    }
}

fn write_lines(mut stdin: Pipe<ChildStdin>, unread: Receiver<Vec<u8>>) {
    for line in unread {
        if stdin.write_all(&line).and_then(|()| stdin.flush()).is_err() {
            return; // whoever waits hears it from the other pipe
        }
    }
}

/// Hands the answers out, and says why no more come.
fn read_answers(
    stdout: Pipe<ChildStdout>,
    waiting: &Mutex<Waiting>,
    answers: &AtomicU64,
) -> Trouble {
    let mut lines = BoundedLines::new(stdout);
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => return Trouble::Unreachable(ENDED.to_owned()),
            Err(error) => return Trouble::WrongAnswer(error.to_string()),
        };
        let answer: Answer = match serde_json::from_slice(&line) {
            Ok(answer) => answer,
            Err(error) => return Trouble::WrongAnswer(format!("a line is no answer: {error}")),
        };
        answers.fetch_add(1, Ordering::Relaxed);
        if let Waiting::For(waiting) = &mut *lock(waiting)
            && let Some(sender) = waiting.remove(&answer.id)
        {
            let _ = sender.send(Ok(answer));
        }
    }
}

/// Lets nobody wait any more. The first reason stays.
fn end_waiting(waiting: &Mutex<Waiting>, trouble: &Trouble) {
    let mut waiting = lock(waiting);
    if let Waiting::Ended(_) = *waiting {
        return;
    }
    let before = std::mem::replace(&mut *waiting, Waiting::Ended(trouble.clone()));
    if let Waiting::For(before) = before {
        for sender in before.into_values() {
            let _ = sender.send(Err(trouble.clone()));
        }
    }
}

fn log_lines(stderr: Pipe<ChildStderr>, program: &str) {
    let mut lines = BoundedLines::new(stderr);
    while let Ok(Some(line)) = lines.next() {
        let line = String::from_utf8_lossy(&line);
        tracing::warn!(program, "{}", line.trim_end());
    }
    // A pipe that nobody reads would stop the program.
    let _ = io::copy(&mut lines.reader, &mut io::sink());
}

/// Lines of at most [`MAX_LINE_BYTES`].
struct BoundedLines<R> {
    reader: BufReader<R>,
}

impl<R: Read> BoundedLines<R> {
    fn new(reader: R) -> BoundedLines<R> {
        BoundedLines { reader: BufReader::new(reader) }
    }

    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let limit = MAX_LINE_BYTES as u64 + 1;
        (&mut self.reader).take(limit).read_until(b'\n', &mut line)?;
        match line.len() {
            0 => Ok(None),
            long if long > MAX_LINE_BYTES => {
                let problem = format!("a line is longer than {MAX_LINE_BYTES} bytes");
                Err(io::Error::new(io::ErrorKind::InvalidData, problem))
            }
            _ => Ok(Some(line)),
        }
    }
}
