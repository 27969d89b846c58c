//! `notary-server backup`: a copy of everything that the server holds, while it runs.
//!
//! It holds files, tokens (as hashes), proposals, revoked keys and the changefeed. It does not hold
//! what stands beside the database: the configuration and the certificates.

use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{ConfigFile, complain, copied, print};
use crate::store::copies::Copy;

/// Runs the command: 0 when there is a sound copy, 1 when it is kept and not sound.
pub(super) async fn run(
    config: &ConfigFile,
    to: &Path,
    as_json: bool,
    now: DateTime<Utc>,
) -> Result<ExitCode, String> {
    let config = config.load()?;
    let file = match to.is_dir() {
        true => to.join(format!("server-{}.sqlite", copied::stamp(now))),
        false => to.to_owned(),
    };
    if file.exists() {
        return Err(format!("{} is there already: name a new file", file.display()));
    }
    let copy = Copy::in_directory_of(&file).map_err(|error| error.to_string())?;
    copied::remove_when_stopped(&copy)?;
    copied::fill(&copy, &config.database).map_err(|error| error.to_string())?;
    let contents = copied::Contents::of(copy.path()).map_err(|error| error.to_string())?;
    let findings = copied::verify(copy.path(), now).await.map_err(|error| error.to_string())?;
    let (sha256, bytes) = copied::sha256(copy.path())
        .map_err(|error| format!("cannot read {}: {error}", copy.path().display()))?;
    copy.keep_as(&file).map_err(|error| error.to_string())?;

    let ok = findings.problems.is_empty();
    if as_json {
        let document = json!({
            "ok": ok, "file": file, "sha256": sha256, "bytes": bytes, "contents": contents,
            "problems": findings.problems, "more_problems": findings.more_problems,
        });
        print(&document.to_string());
    } else {
        print(&format!("wrote {}: {}", file.display(), contents.summary()));
        print(&format!("sha256 {sha256}"));
        contents.lines().for_each(|line| print(&line));
        findings.problems.iter().for_each(|problem| complain(&problem.to_string()));
    }
    if ok {
        return Ok(ExitCode::SUCCESS);
    }
    complain("the copy is as damaged as the database: keep the backups that were made before");
    Ok(ExitCode::FAILURE)
}
