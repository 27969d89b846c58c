//! `notary-server restore`: a copy becomes the database.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{ConfigFile, complain, copied, print};
use crate::store::copies::Copy;
use crate::store::{ServeLock, StoreError};

/// What has to come after it.
const NEXT: &str = "next: start the server, which goes on from what the signer remembers; `notary info GUN --check` \
                    names what is lost, and `notary repair GUN` brings it back; revoke again the keys and tokens \
                    that were revoked since the copy was made";

/// What comes of damage.
const DAMAGED: &str = "of a delegated role clients refuse what is damaged until its next version is published; \
                       a collection whose root, targets, snapshot or timestamp is damaged answers 500; \
                       `notary-server fsck` names them again";

/// What is asked for.
#[derive(Debug)]
pub(super) struct Wish {
    /// The copy.
    pub(super) from: PathBuf,
    /// Whether it may take the place of another database.
    pub(super) replace: bool,
    /// Whether it may be damaged.
    pub(super) damaged: bool,
}

/// Runs the command. Nothing has changed when it fails.
pub(super) async fn run(
    config: &ConfigFile,
    wish: &Wish,
    as_json: bool,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let database = config.load()?.database;
    let lock = ServeLock::take(&database).map_err(|error| error.to_string())?;
    let before = database.exists().then(|| aside(&database, now));
    if let (Some(aside), false) = (&before, wish.replace) {
        return Err(format!(
            "{} is there already; with --replace it is kept as {}",
            database.display(),
            aside.display()
        ));
    }
    let copy = Copy::in_directory_of(&database).map_err(|error| error.to_string())?;
    copied::remove_when_stopped(&copy)?;
    copied::fill(&copy, &wish.from).map_err(|error| match error {
        StoreError::NoDatabase(path) => format!("there is no copy at {}", path.display()),
        error => format!("{}: {error}", wish.from.display()),
    })?;
    copy.require_ours().map_err(|error| format!("{}: {error}", wish.from.display()))?;
    let applied = copy.renew().map_err(|error| format!("{}: {error}", wish.from.display()))?;
    let findings = copied::verify(copy.path(), now).await.map_err(|error| error.to_string())?;
    findings.problems.iter().for_each(|problem| complain(&problem.to_string()));
    if !findings.problems.is_empty() && !wish.damaged {
        return Err(format!(
            "{} is damaged, and nothing has changed: take another copy; where there is none, \
             --damaged takes it as it is",
            wish.from.display()
        ));
    }
    let contents = copied::Contents::of(copy.path()).map_err(|error| error.to_string())?;
    let aside = before.clone().unwrap_or_else(|| aside(&database, now));
    copy.replace(&database, &aside, &lock).map_err(|error| error.to_string())?;

    if as_json {
        let document = json!({
            "database": database, "from": wish.from, "before": before, "migrations": applied,
            "contents": contents, "problems": findings.problems,
            "more_problems": findings.more_problems, "next": NEXT,
        });
        print(&document.to_string());
        return Ok(());
    }
    let (place, from) = (database.display(), wish.from.display());
    print(&format!("{place} is {from} now: {}", contents.summary()));
    contents.lines().for_each(|line| print(&line));
    if let Some(before) = before {
        print(&format!("what was there is {}", before.display()));
    }
    if !applied.is_empty() {
        print(&format!("applied {}", applied.join(", ")));
    }
    let problems = findings.problems.len() + findings.more_problems;
    if problems > 0 {
        print(&format!("{problems} problems are in it; {DAMAGED}"));
    }
    print(NEXT);
    Ok(())
}

/// What a database is called that another one has replaced.
fn aside(database: &Path, now: DateTime<Utc>) -> PathBuf {
    let name = |ending: &str| -> PathBuf {
        let mut name = OsString::from(database);
        name.push(format!(".before-{}{ending}", copied::stamp(now)));
        name.into()
    };
    // Two of one second keep both.
    let others = (2..).map(|number: u32| name(&format!("-{number}")));
    let mut names = [name("")].into_iter().chain(others);
    names.find(|name| !name.exists()).expect("there is a next number")
}
