//! The only place that prints: results to stdout, messages and progress to stderr.
//!
//! With `--json` stdout gets exactly one document, also when the command fails; or one on each line,
//! where results come without end. Nothing that comes from
//! a server or a repository steers a terminal, also in JSON, forges a line, or reorders what is read:
//! such characters are shown escaped.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use notary_schema::reason::is_steering;
use serde::Serialize;
use serde_json::Value;

/// How long work goes on before its progress is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where one command prints.
pub(crate) struct Output {
    stdout: RefCell<Box<dyn Write>>,
    stderr: RefCell<Box<dyn Write>>,
    json: Cell<bool>,
    verbose: Cell<bool>,
    endless: Cell<bool>,
    warned: RefCell<BTreeSet<String>>,
}

impl Output {
    /// Prints to these two.
    pub(crate) fn new(stdout: Box<dyn Write>, stderr: Box<dyn Write>) -> Output {
        let (stdout, stderr) = (RefCell::new(stdout), RefCell::new(stderr));
        Output {
            stdout,
            stderr,
            json: Cell::default(),
            verbose: Cell::default(),
            endless: Cell::default(),
            warned: RefCell::default(),
        }
    }

    /// Sets what the command line asks for.
    pub(crate) fn configure(&self, json: bool, verbose: bool) {
        self.json.set(json);
        self.verbose.set(verbose);
    }

    /// The result of the command: with `--json` the value as one document, otherwise the text, which
    /// ends with a line feed or is empty.
    pub(crate) fn result<T: Serialize>(&self, value: &T, text: &str) -> io::Result<()> {
        let text = match self.json.get() {
            true => json_text(serde_json::to_string_pretty(value)) + "\n",
            false => plain(text),
        };
        let mut stdout = self.stdout.borrow_mut();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// A result that is bytes of its own, such as a script: with `--json` the value as one document,
    /// otherwise the bytes as they are.
    pub(crate) fn document<T: Serialize>(&self, value: &T, bytes: &[u8]) -> io::Result<()> {
        match self.json.get() {
            true => self.result(value, ""),
            false => self.raw(bytes),
        }
    }

    /// Says that results come without end: with `--json`, whatever is printed from now on is one document
    /// on a line, and so is the failure that ends the command.
    pub(crate) fn go_on_without_end(&self) {
        self.endless.set(true);
    }

    /// One of results that come without end.
    pub(crate) fn one_of_many<T: Serialize>(&self, value: &T, text: &str) -> io::Result<()> {
        match self.json.get() {
            true => {
                let line = json_text(serde_json::to_string(value)) + "\n";
                self.raw(line.as_bytes())
            }
            false => self.raw(plain(text).as_bytes()),
        }
    }

    /// Bytes that are the result themselves, such as an exported key.
    pub(crate) fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = self.stdout.borrow_mut();
        stdout.write_all(bytes)?;
        stdout.flush()
    }

    /// Something that a person may want to know.
    pub(crate) fn message(&self, text: impl Display) {
        self.line("", &one_line(text.to_string().trim_end()));
    }

    /// What a person looks at before they are asked.
    pub(crate) fn preview(&self, text: &str) {
        self.line("", &plain(text));
    }

    /// Something that a person should act on.
    pub(crate) fn warn(&self, text: impl Display) {
        self.line("warning: ", &one_line(text.to_string().trim_end()));
    }

    /// The same where several parts of one command come to know it: it is told once.
    pub(crate) fn warn_once(&self, text: impl Display) {
        let text = text.to_string();
        if self.warned.borrow_mut().insert(text.clone()) {
            self.warn(text);
        }
    }

    /// One request, where `-v` asks for it.
    pub(crate) fn trace(&self, text: impl FnOnce() -> String) {
        if self.verbose.get() {
            self.line("", &one_line(&text()));
        }
    }

    /// Why the command failed: the text in lines, and with `--json` the body.
    pub(crate) fn failure(&self, text: &str, mut body: Value) {
        self.line("error: ", &plain(text));
        if self.json.get() {
            // There is nobody left to tell when this fails.
            let _ = match self.endless.get() {
                true => {
                    body["event"] = "failed".into();
                    self.one_of_many(&body, "")
                }
                false => self.result(&body, ""),
            };
        }
    }

    /// Progress over so many bytes.
    pub(crate) fn bytes(&self, total: u64, what: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} {bytes}/{total_bytes} {bytes_per_sec}");
        bar.set_style(style.expect("the template is one of ours"));
        bar.set_message(one_line(what));
        Progress { bar, since: Instant::now(), shown: false }
    }

    /// Progress over so many files.
    pub(crate) fn files(&self, total: u64, what: &str) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} {pos}/{len}");
        bar.set_style(style.expect("the template is one of ours"));
        bar.set_message(one_line(what));
        Progress { bar, since: Instant::now(), shown: false }
    }

    fn line(&self, prefix: &str, text: &str) {
        // A closed stderr is no reason to stop.
        let _ = writeln!(self.stderr.borrow_mut(), "{prefix}{}", text.trim_end());
    }
}

/// Progress on stderr that is shown once the work takes over a second.
pub(crate) struct Progress {
    bar: ProgressBar,
    since: Instant,
    shown: bool,
}

impl Progress {
    /// So much more is done.
    pub(crate) fn advance(&mut self, by: u64) {
        if !self.shown && self.since.elapsed() > PATIENCE {
            self.shown = true;
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.inc(by);
    }

    /// The work starts again.
    pub(crate) fn restart(&mut self) {
        self.bar.set_position(0);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Text of several lines in which no character but the line feed steers a terminal.
fn plain(text: &str) -> String {
    text.split('\n').map(one_line).collect::<Vec<_>>().join("\n")
}

/// A name or text of somebody else as a part of one line.
pub(crate) fn one_line(text: &str) -> String {
    let escaped = |c: char| match is_steering(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// A time, as metadata spells it.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Names or key ids in words.
pub(crate) fn joined<'a, T: Display + 'a>(names: impl IntoIterator<Item = &'a T>) -> String {
    names.into_iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// An error with what caused it, since the outermost one says little.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// JSON in which such characters are escaped, too: the format itself asks that of a few only. Outside
/// of strings there are none but line feeds.
fn json_text(text: serde_json::Result<String>) -> String {
    let text = text.expect("results are JSON");
    let escaped = |c: char| match is_steering(c) && c != '\n' {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc é\n"), "a\\u{1b}[2Jb\nc é\n");
        assert_eq!(one_line("a\nerror: \u{9b}31m\r"), "a\\u{a}error: \\u{9b}31m\\u{d}");
        assert_eq!(one_line("gpj.\u{202e}exe é 語 \u{200d}"), "gpj.\\u{202e}exe é 語 \u{200d}");
    }

    #[test]
    fn json_cannot_steer_the_terminal_either_and_says_the_same() {
        let value = json!({ "a\u{7f}": ["\u{9b}2J\u{1b}[2J\n\u{202e}é"] });
        for text in [serde_json::to_string(&value), serde_json::to_string_pretty(&value)] {
            let text = json_text(text);
            assert!(!text.replace('\n', "").contains(is_steering), "{text:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        }
    }
}
