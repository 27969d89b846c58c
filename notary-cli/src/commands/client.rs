//! `notary client`: a client of any TUF repository, with the command line of the conformance suites.
//! It knows two exit codes.

use std::path::Path;

use notary_schema::name::RoleName;
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, local_name, target_location};
use serde_json::json;
use url::Url;

use crate::agent::{Agent, AgentError, target};
use crate::args::{ClientArgs, ClientCommand};
use crate::exit::{Failure, Outcome};
use crate::session::Session;
use crate::settings::parse_url;
use crate::trust_dir::MetadataDir;

/// Runs `notary client …`.
pub(crate) async fn run(session: &Session, args: ClientArgs) -> Result<Outcome, Failure> {
    let metadata_dir = needed(args.metadata_dir.clone(), "--metadata-dir")?;
    let files = MetadataDir::new(metadata_dir);
    match &args.command {
        ClientCommand::Init { root } => {
            let bytes = std::fs::read(root).map_err(|error| Failure::file("read", root, error))?;
            files.save(&local_name(&RoleName::ROOT), &bytes)?;
        }
        ClientCommand::Refresh => drop(refreshed(session, &args, files).await?),
        ClientCommand::Download => download(session, &args, files).await?,
    }
    session.output.result(&json!({ "done": true }), "")?;
    Ok(Outcome::Done)
}

async fn refreshed<'a>(
    session: &'a Session,
    args: &ClientArgs,
    files: MetadataDir,
) -> Result<Agent<'a>, Failure> {
    let base = parse_url(&needed(args.metadata_url.clone(), "--metadata-url")?)?;
    let now = session.now();
    let mut agent = Agent::new(files, base, None, session.http(), now, Expiry::Enforced);
    agent.refresh().await?;
    Ok(agent)
}

async fn download(session: &Session, args: &ClientArgs, files: MetadataDir) -> Result<(), Failure> {
    let base = parse_url(&needed(args.target_base_url.clone(), "--target-base-url")?)?;
    let directory = needed(args.target_dir.clone(), "--target-dir")?;
    if args.target_names.is_empty() {
        return Err(missing("--target-name"));
    }
    let mut agent = refreshed(session, args, files).await?;
    for name in &args.target_names {
        let found = agent.find(name).await?;
        let found = found.ok_or_else(|| AgentError::NoSuchTarget { name: name.clone() })?;
        let consistent = agent.trusted()?.root().signed().consistent_snapshot == Some(true);
        take(session, &base, &directory, &found, consistent).await?;
    }
    Ok(())
}

/// Downloads a target, unless the file is there already.
async fn take(
    session: &Session,
    base: &Url,
    directory: &Path,
    found: &Found,
    consistent: bool,
) -> Result<(), Failure> {
    let unusable = || AgentError::Name(found.name.clone());
    let to = directory.join(file_name(&found.name).ok_or_else(unusable)?);
    let mut progress = session.output.bytes(found.file.length, &found.name);
    if to.is_file() && target::verify(&to, found, &mut progress).is_ok() {
        return Ok(());
    }
    progress.restart();
    let location = target_location(&found.name, &found.file, consistent).ok_or_else(unusable)?;
    let url = target::url(base, &location)?;
    Ok(target::download(session.http(), &url, found, &to, progress).await?)
}

/// One file name for any target name: percent-encoded, so it cannot leave the directory.
fn file_name(name: &str) -> Option<String> {
    let encoded = target::encode(name);
    (!matches!(encoded.as_str(), "" | "." | "..")).then_some(encoded)
}

fn needed<T>(value: Option<T>, option: &str) -> Result<T, Failure> {
    value.ok_or_else(|| missing(option))
}

fn missing(option: &str) -> Failure {
    Failure::Usage(format!("{option} is needed here"))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_downloaded_name_cannot_leave_the_directory() {
        let name = |name| file_name(name).map(PathBuf::from);
        assert_eq!(name("a.txt"), Some("a.txt".into()));
        assert_eq!(name("a/../../x"), Some("a%2F..%2F..%2Fx".into()));
        assert_eq!(name("/etc/x"), Some("%2Fetc%2Fx".into()));
        for bad in ["", ".", ".."] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
    }
}
