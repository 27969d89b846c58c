//! `notary verify` and `notary pull`: target files of one collection.

mod watch;

use std::path::{Path, PathBuf};

use notary_schema::name::Gun;
use notary_schema::role::Expires;
use notary_schema::trusted::Expiry;
use notary_schema::updater::Found;
use serde_json::json;
use url::Url;

use crate::agent::AgentError;
use crate::agent::target::{self, Provided};
use crate::args::{PullArgs, VerifyArgs};
use crate::exit::{Failure, Outcome};
use crate::remote::is_loopback;
use crate::session::Session;
use crate::settings::parse_url;
use crate::trust_dir::files;
pub(crate) use watch::watch;

/// Runs `notary verify`.
pub(crate) async fn verify(session: &Session, args: VerifyArgs) -> Result<Outcome, Failure> {
    let (found, _) = find(session, &args.gun, &args.name).await?;
    let mut progress = session.output.bytes(found.file.length, "verifying");
    target::verify(&args.file, &found, &mut progress).map_err(missing_file)?;
    drop(progress);
    let text = format!("{} is {} of {}\n", args.file.display(), found.name, args.gun);
    report(session, &found, &args.file, &text)
}

/// Runs `notary pull`. A file that is there and is the target is left as it is.
pub(crate) async fn pull(session: &Session, args: PullArgs) -> Result<Outcome, Failure> {
    let errand = Errand::new(session, args)?;
    let (found, _) = errand.find(session).await?;
    errand.fetch(session, &found).await?;
    let to = errand.to();
    let text =
        format!("{} {} bytes, verified by {}\n", to.display(), found.file.length, found.role);
    report(session, &found, to, &text)
}

/// A target that is wanted: which one, where from, and where to.
struct Errand {
    args: PullArgs,
    base: Url,
    to: PathBuf,
}

impl Errand {
    /// Refuses what cannot be done before anything is asked for.
    fn new(session: &Session, args: PullArgs) -> Result<Errand, Failure> {
        let base = match &args.targets_url {
            Some(url) => Some(parse_url(url)?),
            None => session.settings.targets_url.clone(),
        };
        let base = usable(base)?;
        if args.output.as_deref() == Some(Path::new("-")) {
            let why =
                "a target is verified as a whole before anybody gets it, so it goes into a file";
            return Err(Failure::Usage(format!("-o - names no file: {why}")));
        }
        let named = args.output.clone().or_else(|| file_name(&args.name));
        let to = named.ok_or_else(|| AgentError::Name(args.name.clone()))?;
        Ok(Errand { args, base, to })
    }

    /// The file that it is written to.
    fn to(&self) -> &Path {
        &self.to
    }

    /// Looks the target up, and says until when the answer is fresh.
    async fn find(&self, session: &Session) -> Result<(Found, Expires), Failure> {
        find(session, &self.args.gun, &self.args.name).await
    }

    /// Downloads the target that was found, unless it is there. What else is there stays until the new
    /// file is verified.
    async fn fetch(&self, session: &Session, found: &Found) -> Result<Provided, Failure> {
        let url = target::url_of(&self.base, found, !self.args.plain_names)?;
        let progress = session.output.bytes(found.file.length, &found.name);
        target::provide(session.http(), &url, found, &self.to, progress)
            .await
            .map_err(Failure::from)
    }
}

/// Looks up a target, and says until when the answer is fresh. The collection is free again
/// afterwards, however long a download takes.
async fn find(session: &Session, gun: &Gun, name: &str) -> Result<(Found, Expires), Failure> {
    let (_, _lock) = session.locked(gun).await?;
    let mut agent = session.refreshed(gun, session.now(), Expiry::Enforced).await?;
    let fresh_until = agent.trusted()?.timestamp().map(|timestamp| timestamp.expires());
    let fresh_until = fresh_until.expect("a refresh ends with a timestamp");
    let found = agent.find(name).await?;
    let found = found.ok_or_else(|| Failure::unlisted(name.to_owned()))?;
    Ok((found, fresh_until))
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
    let plain = plain && !files::is_temporary(last);
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
        for name in ["", "a/", "a/..", ".", "a/b\\c", "C:x", "a/.notary-aB3xYz.tmp"] {
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
