//! `notary verify` and `notary pull`: target files of one collection.

use std::path::{Path, PathBuf};

use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, target_location};
use serde_json::json;
use url::Url;

use crate::agent::{AgentError, target};
use crate::args::{PullArgs, VerifyArgs};
use crate::exit::{Failure, Outcome};
use crate::remote::is_loopback;
use crate::session::Session;
use crate::settings::parse_url;

/// Runs `notary verify`.
pub(crate) async fn verify(session: &Session, args: VerifyArgs) -> Result<Outcome, Failure> {
    let found = find(session, &args.gun, &args.name).await?;
    let mut progress = session.output.bytes(found.file.length, "verifying");
    target::verify(&args.file, &found, &mut progress).map_err(missing_file)?;
    drop(progress);
    let text = format!("{} is {} of {}\n", args.file.display(), found.name, args.gun);
    report(session, &found, &args.file, &text)
}

/// Runs `notary pull`. A file that is there and is the target is left as it is.
pub(crate) async fn pull(session: &Session, args: PullArgs) -> Result<Outcome, Failure> {
    let base = match &args.targets_url {
        Some(url) => Some(parse_url(url)?),
        None => session.settings.targets_url.clone(),
    };
    let base = usable(base)?;
    let found = find(session, &args.gun, &args.name).await?;
    let unusable = || AgentError::Name(found.name.clone());
    let to = match args.output {
        Some(path) => path,
        None => file_name(&found.name).ok_or_else(unusable)?,
    };
    let location = target_location(&found.name, &found.file, !args.plain_names);
    let url = target::url(&base, &location.ok_or_else(unusable)?)?;
    let progress = session.output.bytes(found.file.length, &found.name);
    target::provide(session.http(), &url, &found, &to, progress).await?;
    let text =
        format!("{} {} bytes, verified by {}\n", to.display(), found.file.length, found.role);
    report(session, &found, &to, &text)
}

/// Looks up a target; the collection is free again afterwards, however long a download takes.
async fn find(
    session: &Session,
    gun: &notary_schema::name::Gun,
    name: &str,
) -> Result<Found, Failure> {
    let (_, _lock) = session.locked(gun).await?;
    let mut agent = session.refreshed(gun, session.now(), Expiry::Enforced).await?;
    let found = agent.find(name).await?;
    found.ok_or_else(|| AgentError::NoSuchTarget { name: name.to_owned() }.into())
}

fn report(session: &Session, found: &Found, file: &Path, text: &str) -> Result<Outcome, Failure> {
    let value = json!({
        "name": found.name, "role": found.role, "file": file,
        "length": found.file.length, "hashes": found.file.hashes,
    });
    session.output.result(&value, text)?;
    Ok(Outcome::Done)
}

/// Where targets may come from: https, this machine over http, or its files.
fn usable(base: Option<Url>) -> Result<Url, Failure> {
    let Some(base) = base else {
        return Err(Failure::Usage(
            "it is not known where targets are; use --targets-url or targets_url in cli.toml"
                .into(),
        ));
    };
    match base.scheme() {
        "https" | "file" => Ok(base),
        "http" if is_loopback(&base) => Ok(base),
        _ => Err(Failure::Usage(format!(
            "{base} is neither https:// nor file:// nor http:// on loopback; use https"
        ))),
    }
}

/// The last segment of a target's name, where it can be a file name.
fn file_name(name: &str) -> Option<PathBuf> {
    let last = name.rsplit('/').next()?;
    let plain = !matches!(last, "" | "." | "..") && !last.contains(['\\', '\0', ':']);
    plain.then(|| PathBuf::from(last))
}

/// A file that the user named and that is not there is "not found", not a fault of the machine.
fn missing_file(error: AgentError) -> Failure {
    match error {
        AgentError::File { action, path, error } => Failure::file(action, &path, error),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_written_into_the_current_directory() {
        for (name, file) in [("docs/a.txt", "a.txt"), ("a", "a"), ("x/..y", "..y")] {
            assert_eq!(file_name(name), Some(PathBuf::from(file)));
        }
        for name in ["", "a/", "a/..", ".", "a/b\\c", "C:x"] {
            assert_eq!(file_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn targets_come_over_https_or_from_this_machine() {
        let url = |text: &str| usable(Some(text.parse().unwrap()));
        for good in ["https://a/", "file:///tmp/x", "http://127.0.0.1:1/", "http://[::1]/"] {
            url(good).unwrap();
        }
        for bad in ["http://a/", "http://127.0.0.1.example/", "ftp://a/"] {
            assert_eq!(url(bad).unwrap_err().code(), 2, "{bad}");
        }
        assert_eq!(usable(None).unwrap_err().code(), 2);
    }
}
