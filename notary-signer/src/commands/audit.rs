//! Reading the audit on the signer's host: its last lines, and whether all of it is what was
//! recorded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::sqlite::SqliteConnection;
use notary_schema::key::sha256_hex;
use ring::digest::{Context, SHA256};

use super::findings::{Finding, report};
use super::{CommandError, Output};
use crate::args::Tail;
use crate::config::Config;
use crate::sealing;
use crate::store::audit::SIGNED;
use crate::store::audit_lines::{self, Break, Chained, Head, Line, Stored};
use crate::store::memory::{self, Place};
use crate::store::segments::{self, Segment};
use crate::store::{Database, StoreError};

/// How many lines are read at once.
const PAGE: i64 = 1_000;
/// The longest line of a segment that is read, in bytes.
const MAX_LINE_BYTES: u64 = 1 << 20;
/// How long `tail --follow` waits before it looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

// ---- tail

/// Prints the newest lines, and with `follow` each further one until the process is stopped.
pub(crate) fn tail(config: &Config, wish: &Tail, out: &mut impl Write) -> Result<(), CommandError> {
    let database = Database::open(&config.database)?;
    let gun = wish.gun.as_ref();
    let newest = |connection: &mut SqliteConnection| -> Result<_, StoreError> {
        let head = audit_lines::head(connection)?;
        Ok((head.seq, audit_lines::newest(connection, gun, wish.lines.into())?))
    };
    let (mut last, mut lines) = database.read(newest)?;
    loop {
        for line in &lines {
            print(line, wish.json, out).map_err(CommandError::Print)?;
        }
        if !wish.follow {
            return Ok(());
        }
        out.flush().map_err(CommandError::Print)?;
        std::thread::sleep(LOOK_AGAIN);
        lines = database.read(|connection| audit_lines::from(connection, last + 1, PAGE))?;
        last = lines.last().map_or(last, |stored| stored.line.seq);
        lines.retain(|stored| gun.is_none_or(|gun| stored.line.is_of(gun)));
    }
}

fn print(stored: &Stored, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, stored)?;
        return writeln!(out);
    }
    let Line { seq, at, who, action, outcome, .. } = &stored.line;
    write!(out, "{seq} {at} {outcome}: {action} by {who}")?;
    let Line { collection, role, version, reason, request_id, .. } = &stored.line;
    for (word, value) in [("of", collection), ("role", role)] {
        if let Some(value) = value {
            write!(out, " {word} {value}")?;
        }
    }
    if let Some(version) = version {
        write!(out, " version {version}")?;
    }
    for (word, value) in [("because", reason), ("request", request_id)] {
        if let Some(value) = value {
            write!(out, ", {word} {value}")?;
        }
    }
    writeln!(out)
}

// ---- verify

/// Follows the chain through every segment and the table, and holds what is remembered against it.
/// `noted` are ends of the chain that somebody wrote down elsewhere.
pub(crate) fn verify(config: &Config, noted: &[Head], json: bool) -> Result<Output, CommandError> {
    let database = Database::open(&config.database)?;
    // One view of the table, whatever the service and its sealing do meanwhile.
    let findings = database.read(|connection| -> Result<_, StoreError> {
        let mut walk = Walk { noted: noted.to_vec(), ..Walk::default() };
        for segment in segments::all(connection)? {
            walk.segment(&config.audit.directory, &segment);
        }
        walk.table(connection)?;
        walk.memory(connection)?;
        Ok(walk.end())
    })?;
    Ok(report(&findings, json))
}

/// The way along the chain.
#[derive(Default)]
struct Walk {
    head: Head,
    /// How many lines were seen in their places.
    lines: u64,
    /// Whether a segment could not be seen.
    is_incomplete: bool,
    /// What was recorded last for each role.
    recorded: BTreeMap<Place, String>,
    /// What is still to be found.
    noted: Vec<Head>,
    findings: Vec<Finding>,
}

impl Walk {
    /// Goes through a segment; after one that is not there or not whole, the way goes on behind it.
    fn segment(&mut self, directory: &Path, segment: &Segment) {
        let path = directory.join(&segment.file);
        match self.read_segment(&path, segment) {
            Ok(()) => self.findings.push(Finding::ok("segment", path.display())),
            Err(SegmentError::Read(error)) if error.kind() == io::ErrorKind::NotFound => {
                self.is_incomplete = true;
                let moved = format!("{} is not there: its lines were not seen", path.display());
                self.findings.push(Finding::warning("segment", moved));
            }
            Err(error) => self.break_at(format!("{}: {error}", path.display())),
        }
        self.head = Head { seq: segment.last_seq, hash: segment.last_hash.clone() };
    }

    fn read_segment(&mut self, path: &Path, segment: &Segment) -> Result<(), SegmentError> {
        let mut lines = BufReader::new(File::open(path).map_err(SegmentError::Read)?);
        let mut digest = Context::new(&SHA256);
        loop {
            let mut text = Vec::new();
            let mut line = (&mut lines).take(MAX_LINE_BYTES);
            if line.read_until(b'\n', &mut text).map_err(SegmentError::Read)? == 0 {
                break;
            }
            digest.update(&text);
            let text = text.strip_suffix(b"\n").unwrap_or(&text);
            let chained: Chained = serde_json::from_slice(text)
                .map_err(|error| SegmentError::Line { after: self.head.seq, error })?;
            // The hash of the bytes that are there, not of those that we would write.
            self.head.follow(&chained, sha256_hex(text))?;
            self.see(&chained.line);
        }
        let sealed = Head { seq: segment.last_seq, hash: segment.last_hash.clone() };
        let is_whole = hex::encode(digest.finish()) == segment.sha256 && self.head == sealed;
        if is_whole { Ok(()) } else { Err(SegmentError::OtherFile) }
    }

    /// Goes through the lines that are in no segment.
    fn table(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let first = self.head.seq + 1;
        loop {
            let page = audit_lines::from(connection, self.head.seq + 1, PAGE)?;
            if page.is_empty() {
                break;
            }
            for stored in page {
                let (seq, hash) = (stored.line.seq, stored.hash.clone());
                match self.head.follow_stored(stored) {
                    Ok(chained) => self.see(&chained.line),
                    Err(broken) => {
                        self.break_at(broken.to_string());
                        // What comes after it is judged by what stands there.
                        self.head = Head { seq, hash };
                    }
                }
            }
        }
        let lines = format!("lines {first} to {}", self.head.seq);
        self.findings.push(Finding::ok("database", lines));
        Ok(())
    }

    /// Takes note of a line that is in its place.
    fn see(&mut self, line: &Line) {
        self.lines += 1;
        let Line { collection, incarnation, role, sha256, .. } = line;
        let recorded = line.outcome == SIGNED || line.action == memory::SET;
        if let (true, Some(collection), Some(incarnation), Some(role), Some(sha256)) =
            (recorded, collection, incarnation, role, sha256)
        {
            let place = (collection.clone(), incarnation.clone(), role.clone());
            self.recorded.insert(place, sha256.clone());
        }
        let head = self.head.clone();
        self.noted.retain(|noted| {
            let is_here = noted.seq == head.seq;
            if is_here {
                self.findings.push(match noted.hash == head.hash {
                    true => Finding::ok("noted", format!("line {} is the one", noted.seq)),
                    false => Finding::wrong("noted", format!("line {} is another one", noted.seq)),
                });
            }
            !is_here
        });
    }

    /// What is remembered must be what was recorded last.
    fn memory(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let (mut same, mut unseen) = (0, 0);
        for (place, sha256) in memory::digests(connection)? {
            match self.recorded.get(&place) {
                Some(recorded) if *recorded == sha256 => same += 1,
                None if self.is_incomplete => unseen += 1,
                _ => {
                    let (collection, incarnation, role) = place;
                    self.findings.push(Finding::wrong(
                        "memory",
                        format!("{role} of {collection} ({incarnation}) is not what was recorded"),
                    ));
                }
            }
        }
        let detail = match unseen {
            0 => format!("{same} files, each the last one recorded"),
            _ => {
                format!("{same} files, each the last one recorded; {unseen} recorded out of sight")
            }
        };
        self.findings.push(Finding::ok("memory", detail));
        Ok(())
    }

    fn break_at(&mut self, problem: String) {
        self.findings.push(Finding::wrong("chain", problem));
    }

    fn end(mut self) -> Vec<Finding> {
        for Head { seq, .. } in std::mem::take(&mut self.noted) {
            self.findings.push(Finding::wrong("noted", format!("line {seq} was not seen")));
        }
        let Head { seq, hash } = &self.head;
        let text = format!("{} lines seen; note this end elsewhere: {seq}:{hash}", self.lines);
        self.findings.push(Finding::ok("end", text));
        self.findings
    }
}

/// Why a segment is not what was sealed.
#[derive(Debug, thiserror::Error)]
enum SegmentError {
    #[error("{0}")]
    Read(io::Error),
    #[error("what follows line {after} is no line: {error}")]
    Line { after: i64, error: serde_json::Error },
    #[error(transparent)]
    Break(#[from] Break),
    #[error("it is not the file that was sealed")]
    OtherFile,
}

// ---- seal

/// Moves old lines to segments now, as the service does by itself.
pub(crate) fn seal(
    config: &Config,
    now: DateTime<Utc>,
    json: bool,
) -> Result<Output, CommandError> {
    let made = sealing::seal(config, now)?;
    if json {
        return Ok(Output::json(&serde_json::json!({ "items": made }), true));
    }
    if made.is_empty() {
        let lines = config.audit.segment_lines;
        let few = format!("nothing to seal: the database keeps the newest {lines} lines");
        return Ok(Output::lines([few], true));
    }
    let line =
        |made: Segment| format!("lines {} to {}: {}", made.first_seq, made.last_seq, made.file);
    Ok(Output::lines(made.into_iter().map(line), true))
}
