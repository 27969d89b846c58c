//! The files of `notary add`: which they are, what they are, and where they are copied to.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use notary_schema::name::TargetPath;
use notary_schema::role::TargetFile;
use notary_schema::updater::target_location;
use serde_json::Value;

use super::exclude::Exclude;
use crate::agent::target;
use crate::args::AddArgs;
use crate::exit::Failure;
use crate::output::Progress;
use crate::session::Session;
use crate::trust_dir::files;

/// A file on this machine and the name under which it is published.
#[derive(Debug, PartialEq)]
pub(super) struct Source {
    name: TargetPath,
    path: PathBuf,
    /// Its length in bytes when it was found, for the progress.
    length: u64,
}

/// The files that the arguments name, in the order of their names.
pub(super) fn collect(args: &AddArgs, exclude: &Exclude) -> Result<Vec<Source>, Failure> {
    let path = args.file.clone();
    let kind = std::fs::metadata(&path).map_err(|error| Failure::file("read", &path, error))?;
    if !args.recursive {
        if kind.is_dir() {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "{path} is a directory; use `notary add {} PREFIX/ {path} --recursive`",
                args.gun
            )));
        }
        let (name, length) = (TargetPath::parse(&args.name)?, kind.len());
        return Ok(vec![Source { name, path, length }]);
    }
    let Some(prefix) = args.name.strip_suffix('/') else {
        return Err(Failure::Usage(format!(
            "with --recursive the name is a prefix that ends in /, such as {}/ (or / for none)",
            args.name
        )));
    };
    let mut sources = Vec::new();
    walk(&path, "", exclude, &mut |below, path, length| {
        let name = match prefix.is_empty() {
            true => TargetPath::parse(below)?,
            false => TargetPath::parse(&format!("{prefix}/{below}"))?,
        };
        sources.push(Source { name, path, length });
        Ok(())
    })?;
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    if sources.is_empty() {
        return Err(Failure::NotFound(format!("no file is below {}", path.display())));
    }
    Ok(sources)
}

/// Hands over every file below a directory: its name below it, its path and its length.
fn walk(
    directory: &Path,
    above: &str,
    exclude: &Exclude,
    found: &mut dyn FnMut(&str, PathBuf, u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = |error| Failure::file("read", directory, error);
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let refuse = |why: &str| Failure::Refused(format!("{} {why}", path.display()));
        let file_name = entry.file_name();
        let segment = file_name.to_str().ok_or_else(|| refuse("has a name that is not UTF-8"))?;
        let below = match above.is_empty() {
            true => segment.to_owned(),
            false => format!("{above}/{segment}"),
        };
        if exclude.matches(&below) {
            continue;
        }
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(&path, &below, exclude, found)?;
        } else if kind.is_file() {
            let length = entry.metadata().map_err(failed)?.len();
            found(&below, path, length)?;
        } else {
            return Err(refuse(
                "is neither a file nor a directory; add what it stands for by name, or leave it \
                 out with --exclude",
            ));
        }
    }
    Ok(())
}

/// Reads every file once: its length and hash, and its copy where one is wanted.
pub(super) fn measure(
    session: &Session,
    sources: &[Source],
    custom: Option<&Value>,
    copy_to: Option<&Path>,
) -> Result<Vec<(TargetPath, TargetFile)>, Failure> {
    let total = sources.iter().map(|source| source.length).sum();
    let mut progress = session.output.bytes(total, "hashing");
    let mut targets = Vec::with_capacity(sources.len());
    for source in sources {
        let file = match copy_to {
            Some(directory) => copy(source, directory, &mut progress)?,
            None => hash(source, &mut progress, |_| Ok(()))?,
        };
        targets.push((source.name.clone(), TargetFile { custom: custom.cloned(), ..file }));
    }
    Ok(targets)
}

fn hash(
    source: &Source,
    progress: &mut Progress,
    mut copy: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<TargetFile, Failure> {
    let failed = |error| Failure::file("read", &source.path, error);
    let file = File::open(&source.path).map_err(failed)?;
    let pass = |bytes: &[u8]| {
        progress.advance(bytes.len() as u64);
        copy(bytes)
    };
    Ok(target::measure(file, false, pass).map_err(failed)?.target(None))
}

/// Copies while hashing, so that what is served is what was hashed; the copy takes its name, which
/// holds the hash, when it is complete.
fn copy(source: &Source, directory: &Path, progress: &mut Progress) -> Result<TargetFile, Failure> {
    let below = source.name.as_str().rsplit_once('/').map_or("", |(below, _)| below);
    let place = directory.join(below);
    let failed = |error| Failure::file("write below", directory, error);
    files::create_dir(&place)?;
    let mut temporary = files::temporary_in(&place).map_err(failed)?;
    let file = hash(source, progress, |bytes| temporary.write_all(bytes))?;
    let location = target_location(source.name.as_str(), &file, true);
    let location = location.expect("a sha256 was computed");
    // Published metadata must not name a file that a power cut takes back.
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(directory.join(location)).map_err(|error| failed(error.error))?;
    files::sync_dir(&place)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(name: &str, path: &Path, recursive: bool) -> Result<Vec<Source>, Failure> {
        use clap::Parser;
        let path = path.to_str().unwrap();
        let mut line = vec!["notary", "add", "acme/app", name, path];
        line.extend(recursive.then_some("--recursive"));
        match crate::args::Cli::try_parse_from(line).unwrap().command {
            crate::args::Command::Add(args) => {
                collect(&args, &Exclude::parse(&args.exclude).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    fn names(sources: &[Source]) -> Vec<&str> {
        sources.iter().map(|source| source.name.as_str()).collect()
    }

    #[test]
    fn a_directory_becomes_names_below_the_prefix() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("sub")).unwrap();
        std::fs::write(directory.path().join("b"), "b").unwrap();
        std::fs::write(directory.path().join("sub/a"), "a").unwrap();
        let below = sources("docs/", directory.path(), true).unwrap();
        assert_eq!(names(&below), ["docs/b", "docs/sub/a"]);
        let bare = sources("/", directory.path(), true).unwrap();
        assert_eq!(names(&bare), ["b", "sub/a"]);
        assert_eq!(sources("docs", directory.path(), true).unwrap_err().code(), 2);
        assert_eq!(sources("docs/", directory.path(), false).unwrap_err().code(), 2);
    }

    #[test]
    fn an_empty_or_missing_directory_is_not_found() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(sources("docs/", directory.path(), true).unwrap_err().code(), 5);
        let missing = directory.path().join("missing");
        assert_eq!(sources("docs/", &missing, true).unwrap_err().code(), 5);
        assert_eq!(sources("docs/x", &missing, false).unwrap_err().code(), 5);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", directory.path().join("link")).unwrap();
        let refused = sources("docs/", directory.path(), true).unwrap_err();
        assert_eq!(refused.code(), 1);
        assert!(refused.to_string().contains("link"), "{refused}");
    }

    #[test]
    fn a_copy_stands_where_clients_ask_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "abc").unwrap();
        let name = TargetPath::parse("docs/x.txt").unwrap();
        let to = directory.path().join("served");
        let mut progress = crate::testing::silent().bytes(3, "");
        let file = copy(&Source { name, path, length: 3 }, &to, &mut progress).unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((file.length, file.hashes.sha256()), (3, Some(sha256)));
        assert_eq!(std::fs::read(to.join(format!("docs/{sha256}.x.txt"))).unwrap(), b"abc");
        assert_eq!(std::fs::read_dir(to.join("docs")).unwrap().count(), 1);
    }
}
