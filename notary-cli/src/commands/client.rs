//! `notary client`: a client of any TUF repository, with the command line of the conformance suites.
//! It knows two exit codes.

use std::path::Path;

use notary_schema::name::RoleName;
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, UpdateError, local_name};
use serde_json::json;
use url::Url;

use crate::agent::{Agent, AgentError, target};
use crate::args::{ClientArgs, ClientCommand};
use crate::exit::{Failure, Outcome};
use crate::named;
use crate::remote::Http;
use crate::session::Session;
use crate::settings::parse_url;
use crate::trust_dir::{Lock, MetadataDir, files};

/// Most tries of one request. With the growing pauses between them these are about ten seconds, in
/// which a server or a proxy that is started anew is back. Whoever runs an update agent runs it again:
/// a job that waits for all of `--timeout` before it says that nobody is there helps nobody. The
/// commands of a collection do wait, since a publish must outlive a server that is being replaced.
const TRIES: u32 = 8;

/// The option that names the directory of trusted metadata.
const METADATA_DIR: &str = "--metadata-dir";

/// Runs `notary client …`.
pub(crate) async fn run(session: &Session, args: ClientArgs) -> Result<Outcome, Failure> {
    let files = session.metadata_dir(needed(args.metadata_dir.clone(), METADATA_DIR)?);
    let done = match &args.command {
        ClientCommand::Init { root } => init(root, &files),
        ClientCommand::Refresh => refresh(session, &args, files).await,
        ClientCommand::Download { .. } => download(session, &args, files).await,
    };
    done.map_err(|failure| failure.in_directory_of(METADATA_DIR))?;
    session.output.result(&json!({ "done": true }), "")?;
    Ok(Outcome::Done)
}

fn init(root: &Path, files: &MetadataDir) -> Result<(), Failure> {
    let bytes = named::read(root, named::MAX_ROOT_BYTES)
        .map_err(|error| Failure::file("read", root, error))?;
    Ok(files.save(&local_name(&RoleName::ROOT), &bytes)?)
}

async fn refresh(session: &Session, args: &ClientArgs, files: MetadataDir) -> Result<(), Failure> {
    let base = parse_url(&needed(args.metadata_url.clone(), "--metadata-url")?)?;
    let http = http(session, args);
    let _lock = locked(session, &files).await?;
    Ok(client(session, &http, base, files).refresh().await?)
}

/// The directory is free while a target is downloaded, however long that takes. What somebody else
/// stores there meanwhile is newer: the next look-up fetches its roles as the first refresh saw them.
async fn download(session: &Session, args: &ClientArgs, files: MetadataDir) -> Result<(), Failure> {
    let metadata = parse_url(&needed(args.metadata_url.clone(), "--metadata-url")?)?;
    let base = parse_url(&needed(args.target_base_url.clone(), "--target-base-url")?)?;
    let directory = needed(args.target_dir.clone(), "--target-dir")?;
    if args.all_target_names().next().is_none() {
        return Err(missing("--target-name"));
    }
    let place = |path: &Path| std::fs::canonicalize(path).ok();
    let metadata_place = args.metadata_dir.as_deref().and_then(place);
    if metadata_place.is_some() && place(&directory) == metadata_place {
        return Err(Failure::Usage(
            "--target-dir is the metadata directory, whose files a target could replace; name \
             another one"
                .into(),
        ));
    }
    let http = http(session, args);
    let mut lock = Some(locked(session, &files).await?);
    let mut agent = client(session, &http, metadata, files.clone());
    agent.refresh().await?;
    for name in args.all_target_names() {
        if lock.is_none() {
            lock = Some(locked(session, &files).await?);
        }
        let found = agent.find(name).await?;
        let next = "is it spelled as its publisher spells it?";
        let found = found.ok_or_else(|| AgentError::NoSuchTarget { name: name.clone(), next })?;
        let consistent = agent.trusted()?.root().signed().consistent_snapshot == Some(true);
        drop(lock.take());
        take(session, &http, &base, &directory, &found, consistent).await?;
    }
    Ok(())
}

fn http(session: &Session, args: &ClientArgs) -> Http {
    let http = session.new_http().giving_up_after(TRIES);
    match args.allow_http {
        true => http.over_plain_http(),
        false => http,
    }
}

fn client<'a>(session: &Session, http: &'a Http, base: Url, files: MetadataDir) -> Agent<'a> {
    Agent::new(files, base, None, http, session.now(), Expiry::Enforced)
}

/// Keeps other processes out of a metadata directory. One without a root is none yet.
async fn locked(session: &Session, files: &MetadataDir) -> Result<Lock, Failure> {
    let root = files.place(&local_name(&RoleName::ROOT));
    if !root.exists() {
        return Err(AgentError::from(UpdateError::NoTrustedRoot).into());
    }
    let directory = root.parent().unwrap_or(&root).display();
    session.patiently(async |patience| files.lock(patience).await, directory).await
}

/// Downloads a target, unless the file is there already.
async fn take(
    session: &Session,
    http: &Http,
    base: &Url,
    directory: &Path,
    found: &Found,
    consistent: bool,
) -> Result<(), Failure> {
    let unusable = || AgentError::Name(found.name.clone());
    let to = directory.join(file_name(&found.name).ok_or_else(unusable)?);
    let url = target::url_of(base, found, consistent)?;
    let progress = session.output.bytes(found.file.length, &found.name);
    target::provide(http, &url, found, &to, progress).await?;
    Ok(())
}

/// One file name for any target name: percent-encoded, so it cannot leave the directory. Names of
/// our temporary files are not to be had: such a file may be swept away.
fn file_name(name: &str) -> Option<String> {
    let encoded = target::encode(name);
    let usable = !matches!(encoded.as_str(), "" | "." | "..") && !files::is_temporary(&encoded);
    usable.then_some(encoded)
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
        for bad in ["", ".", "..", ".notary-aB3xYz.tmp"] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
    }
}
