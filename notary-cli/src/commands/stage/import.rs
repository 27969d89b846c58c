//! `notary import`: the targets of a list, which may be long. It is read line by line and staged as a
//! whole or not at all; an error names the line.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use notary_schema::json;
use notary_schema::name::{RoleName, TargetPath};
use notary_schema::role::{Hashes, TargetFile};
use serde::Deserialize;
use serde_json::Value;

use super::exclude::Exclude;
use super::place;
use crate::agent::target;
use crate::args::{ImportArgs, ListFormat};
use crate::exit::{Failure, Outcome};
use crate::output::Progress;
use crate::session::Session;
use crate::staged::{Staged, TargetChange};
use crate::staging::{Shown, finish, stage};
use crate::view::View;
use crate::wanted::{Names, Wanted};

/// The longest line: a name, hashes and the longest custom data, with room for escapes.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// Most bytes of all lines that are kept: as many as one publish may hold.
const MAX_BYTES: u64 = 256 << 20;

/// One line that is understood.
struct Entry {
    line: u64,
    name: TargetPath,
    /// The role that the line names.
    role: Option<RoleName>,
    file: TargetFile,
}

/// A line of [`ListFormat::Jsonl`]; an object of `notary list --json` is one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonLine {
    name: String,
    length: Option<u64>,
    sha256: Option<String>,
    hashes: Option<Hashes>,
    #[serde(default)]
    custom: Option<Value>,
    role: Option<RoleName>,
}

/// What a line says; what it leaves out is read from the file itself.
struct Line {
    name: String,
    length: Option<u64>,
    hashes: Option<Hashes>,
    custom: Option<Value>,
    role: Option<RoleName>,
}

/// Runs `notary import`.
pub(crate) async fn import(session: &Session, args: ImportArgs) -> Result<Outcome, Failure> {
    let exclude = Exclude::parse(&args.exclude)?;
    let (collection, _lock) = session.locked(&args.gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let entries = match args.from.as_os_str() == "-" {
        true => read(session, io::stdin().lock(), 0, &args, &exclude)?,
        false => {
            let failed = |error| Failure::file("read", &args.from, error);
            let file = File::open(&args.from).map_err(failed)?;
            let length = file.metadata().map_err(failed)?.len();
            read(session, file, length, &args, &exclude)?
        }
    };
    let change = |view: &View, staged: &mut Staged| {
        let (mut shown, mut changes) = (Vec::new(), Vec::with_capacity(entries.len()));
        for Entry { line, name, role, file } in &entries {
            let role = role.as_ref().or(args.role.as_ref());
            let role = place(view, &keys, role, name, file).map_err(|why| at(&args, *line, why))?;
            shown.push(Shown::new(&role, "set", name.as_str()));
            changes.push((role, name.to_string(), TargetChange::Set(file.clone())));
        }
        staged.set_targets(changes);
        Ok(shown)
    };
    let names: Vec<String> = entries.iter().map(|entry| entry.name.to_string()).collect();
    let roles = roles(&args, &entries);
    let wanted =
        Wanted { roles: &roles, names: Names::Open(&names), keys: &keys, ..Wanted::default() };
    let shown = stage(session, &args.gun, &collection, wanted, change).await?;
    finish(session, &args.gun, &collection, &args.stage, shown).await
}

/// The roles that are named, each once.
fn roles(args: &ImportArgs, entries: &[Entry]) -> Vec<RoleName> {
    let named = entries.iter().filter_map(|entry| entry.role.as_ref()).chain(&args.role);
    named.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

fn read(
    session: &Session,
    list: impl Read,
    length: u64,
    args: &ImportArgs,
    exclude: &Exclude,
) -> Result<Vec<Entry>, Failure> {
    let mut progress = session.output.bytes(length, "importing");
    let mut list = BufReader::new(list);
    let (mut entries, mut lines) = (Vec::new(), HashMap::new());
    let (mut line, mut kept, mut text) = (0, 0, Vec::new());
    loop {
        text.clear();
        let read = list.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut text);
        let read = read.map_err(|error| Failure::file("read", &args.from, error))? as u64;
        if read == 0 {
            break;
        }
        line += 1;
        progress.advance(read);
        let refuse = |why: String| at(args, line, Failure::Refused(why));
        if read > MAX_LINE_BYTES {
            return Err(refuse(format!("it is longer than {MAX_LINE_BYTES} bytes")));
        }
        let understood = understand(&text, args.format).map_err(refuse)?;
        let Some(understood) = understood.filter(|line| !exclude.matches(&line.name)) else {
            continue;
        };
        kept += read;
        if kept > MAX_BYTES {
            let why = "the list holds more than one publish may; import it in parts";
            return Err(refuse(why.to_owned()));
        }
        let entry = entry(understood, line, args, &mut progress)?;
        if let Some(before) = lines.insert(entry.name.to_string(), line) {
            return Err(refuse(format!("{:?} stands in line {before} too", entry.name.as_str())));
        }
        entries.push(entry);
    }
    match entries.is_empty() {
        true => Err(Failure::NotFound(format!("{} lists no target", shown(&args.from)))),
        false => Ok(entries),
    }
}

/// Reads one line; `None` when it is empty.
fn understand(text: &[u8], format: ListFormat) -> Result<Option<Line>, String> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match format {
        ListFormat::Jsonl => json_line(text).map(Some),
        ListFormat::Sha256sum => sha256sum_line(text).map(Some),
    }
}

fn json_line(text: &[u8]) -> Result<Line, String> {
    let line: JsonLine = json::read(text).map_err(|error| error.to_string())?;
    let JsonLine { name, length, sha256, hashes, custom, role } = line;
    let hashes = match (sha256, hashes) {
        (Some(_), Some(_)) => return Err("it has both \"sha256\" and \"hashes\"; keep one".into()),
        (Some(sha256), None) => Some(Hashes::sha256_of(sha256)),
        (None, hashes) => hashes,
    };
    Ok(Line { name, length, hashes, custom, role })
}

/// `HASH  NAME` or `HASH *NAME`; a backslash before the hash says that the name is escaped.
fn sha256sum_line(text: &[u8]) -> Result<Line, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
    let (escaped, rest) = match text.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let is_hash = |hash: &&str| hash.bytes().all(|b| b.is_ascii_hexdigit());
    let hash = rest.get(..64).filter(is_hash);
    let name = rest.get(64..).and_then(|r| r.strip_prefix("  ").or(r.strip_prefix(" *")));
    let (Some(hash), Some(name)) = (hash, name) else {
        return Err("it is not like a line of sha256sum: 64 hexadecimal digits, two spaces, a \
                    name"
            .into());
    };
    let name = match escaped {
        true => {
            unescape(name).ok_or("its name has a backslash before something else than n, r, \\")?
        }
        false => name.to_owned(),
    };
    // `find` writes names so.
    let name = name.strip_prefix("./").map(str::to_owned).unwrap_or(name);
    let hashes = Some(Hashes::sha256_of(hash.to_ascii_lowercase()));
    Ok(Line { name, length: None, hashes, custom: None, role: None })
}

fn unescape(name: &str) -> Option<String> {
    let (mut plain, mut rest) = (String::new(), name.chars());
    while let Some(c) = rest.next() {
        plain.push(match c {
            '\\' => match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

fn entry(
    said: Line,
    line: u64,
    args: &ImportArgs,
    progress: &mut Progress,
) -> Result<Entry, Failure> {
    let name = TargetPath::parse(&said.name).map_err(|error| at(args, line, error.into()))?;
    let refuse = |why: &str| at(args, line, Failure::Refused(why.to_owned()));
    let (length, hashes) = match &args.root {
        Some(root) => measured(&said, &name, root, progress).map_err(|why| at(args, line, why))?,
        None => (
            said.length.ok_or_else(|| refuse("it has no \"length\"; add it, or name --root"))?,
            said.hashes.ok_or_else(|| refuse("it has no \"sha256\"; add it, or name --root"))?,
        ),
    };
    let file = TargetFile { length, hashes, custom: said.custom };
    Ok(Entry { line, name, role: said.role, file })
}

/// Length and hashes of the file itself, which must be what the line says.
fn measured(
    said: &Line,
    name: &TargetPath,
    root: &Path,
    progress: &mut Progress,
) -> Result<(u64, Hashes), Failure> {
    let path = root.join(name.as_str());
    let failed = |error| Failure::file("read", &path, error);
    let file = File::open(&path).map_err(failed)?;
    let with_sha512 = said.hashes.as_ref().is_some_and(|hashes| hashes.sha512().is_some());
    let pass = |_: &[u8]| {
        progress.advance(0);
        Ok(())
    };
    let found = target::measure(file, with_sha512, pass).map_err(failed)?;
    let listed = |found: &TargetFile| TargetFile {
        length: said.length.unwrap_or(found.length),
        hashes: said.hashes.clone().unwrap_or_else(|| found.hashes.clone()),
        custom: None,
    };
    let listed = listed(&found.clone().target(None));
    match found.difference(&listed) {
        None => Ok((listed.length, listed.hashes)),
        Some(why) => {
            Err(Failure::Refused(format!("{} is not what the line says: {why}", path.display())))
        }
    }
}

/// What is wrong with a line, and where it stands.
fn at(args: &ImportArgs, line: u64, why: Failure) -> Failure {
    Failure::Line { list: shown(&args.from), line, why: Box::new(why) }
}

fn shown(from: &Path) -> String {
    match from.as_os_str() == "-" {
        true => "stdin".to_owned(),
        false => from.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn name(text: &str) -> Result<String, String> {
        sha256sum_line(text.as_bytes()).map(|line| line.name)
    }

    #[test]
    fn lines_of_sha256sum_are_read_as_it_writes_them() {
        for (line, wanted) in [
            (format!("{HASH}  a b"), "a b"),
            (format!("{HASH} *a"), "a"),
            (format!("{HASH}  ./a/b"), "a/b"),
            (format!("{}  a", HASH.to_uppercase()), "a"),
            (format!("\\{HASH}  a\\\\b\\nc"), "a\\b\nc"),
            (format!("{HASH}  a\\b"), "a\\b"),
        ] {
            assert_eq!(name(&line), Ok(wanted.to_owned()), "{line}");
        }
        for line in [
            HASH.to_owned(),
            format!("{HASH} a"),
            format!("{}  a", &HASH[1..]),
            format!("SHA256 (a) = {HASH}"),
            format!("\\{HASH}  a\\x"),
            format!("é{HASH}  a"),
        ] {
            assert!(name(&line).is_err(), "{line} was read");
        }
    }

    #[test]
    fn a_line_of_json_is_strict() {
        let read = |text: &str| json_line(text.as_bytes());
        for good in [
            format!(r#"{{"name":"a","length":3,"sha256":"{HASH}"}}"#),
            format!(r#"{{"name":"a","length":3,"hashes":{{"sha256":"{HASH}"}},"role":"docs"}}"#),
            r#"{"name":"a"}"#.to_owned(),
        ] {
            read(&good).unwrap_or_else(|why| panic!("{good}: {why}"));
        }
        for bad in [
            format!(
                r#"{{"name":"a","length":3,"sha256":"{HASH}","hashes":{{"sha256":"{HASH}"}}}}"#
            ),
            r#"{"name":"a","name":"b"}"#.to_owned(),
            r#"{"name":"a","size":3}"#.to_owned(),
            r#"{"name":"a","length":-3}"#.to_owned(),
            r#"{"name":"a","custom":1.5}"#.to_owned(),
            r#"{"name":"a"} {}"#.to_owned(),
            r#"["a"]"#.to_owned(),
        ] {
            assert!(read(&bad).is_err(), "{bad} was read");
        }
    }
}
