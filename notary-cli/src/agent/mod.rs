//! The client of a TUF repository: files and HTTP around [`Updater`], which decides what is trusted.
//!
//! Trusted files are stored byte for byte as they came. Only 404 and 403 say that a file does not
//! exist; whatever else goes wrong is a failure and never ends the walk along the roots.

pub(crate) mod local;
mod patience;
pub(crate) mod roots;
pub(crate) mod target;
pub(crate) mod whole;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use notary_schema::name::RoleName;
use notary_schema::role::Delegations;
use notary_schema::trusted::{Expiry, TrustError, TrustedSet};
use notary_schema::updater::{
    Found, Limits, Roles, Step, Unanswered, UpdateError, Updater, local_name, look_up,
};
use reqwest::Method;
use secrecy::SecretString;
use tokio::time::Instant;
use url::Url;

use crate::output::Progress;
use crate::remote::{Body, Http, RemoteError, Request, Whole, refusal};
use crate::trust_dir::{MetadataDir, StateError};
use crate::wanted::Wanted;
use patience::{Patience, SLOWEST_METADATA};

/// How long a replica may lag behind another one that has a newer timestamp.
const REPLICA_LAG: Duration = Duration::from_secs(1);

/// Why a repository was not read, or a target not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// What came is not trusted, or something is missing.
    #[error(transparent)]
    Update(#[from] UpdateError),
    /// A file could not be requested, or was refused in a way that does not say that it is missing.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Trusted files could not be read or stored.
    #[error(transparent)]
    State(#[from] StateError),
    /// No trusted role lists the target.
    #[error("no trusted role lists the target {name:?}; {next}")]
    NoSuchTarget {
        /// The target.
        name: String,
        /// What to do next.
        next: &'static str,
    },
    /// A file is not the target that trusted metadata lists.
    #[error("{what} is not the target {name:?}: {why}")]
    OtherFile {
        /// The file or URL.
        what: String,
        /// The target.
        name: String,
        /// What differs.
        why: String,
    },
    /// A target that cannot be told from another.
    #[error("no hash of a kind that is known here (sha256, sha512) is listed for the target {0:?}")]
    NoKnownHash(String),
    /// A name that cannot stand where it is needed.
    #[error("{0:?} cannot stand in a URL or a file name")]
    Name(String),
    /// A target file on this machine.
    #[error("could not {action} {path}: {error}")]
    File {
        /// What was tried: "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
}

impl AgentError {
    /// Whether it is about one file, so that others may be read: what came is not trusted, the
    /// repository refuses it, or its name is too long for a file. A connection that is gone, time that
    /// is used up and a disk that is full stand in the way of all.
    pub(crate) fn is_of_one_file(&self) -> bool {
        match self {
            AgentError::Update(_) => true,
            AgentError::Remote(error) => error.is_of_one_answer(),
            AgentError::State(StateError::Io { error, .. }) => {
                error.kind() == std::io::ErrorKind::InvalidFilename
            }
            _ => false,
        }
    }
}

/// A role that is not trusted as a delegator leads to it.
#[derive(Debug)]
pub(crate) struct Unread {
    /// The role.
    pub(crate) role: RoleName,
    /// Who delegates to it.
    pub(crate) delegator: RoleName,
    /// Why.
    pub(crate) error: AgentError,
}

impl Unread {
    /// Whether it has published nothing yet.
    pub(crate) fn is_pending(&self) -> bool {
        let error = &self.error;
        matches!(error, AgentError::Update(UpdateError::Trust(TrustError::NotListed(_))))
    }
}

/// One repository, its trusted files, and the time of one operation.
pub(crate) struct Agent<'a> {
    updater: Updater,
    files: MetadataDir,
    base: Url,
    token: Option<SecretString>,
    http: &'a Http,
    patience: Patience,
    progress: Option<Progress>,
}

impl<'a> Agent<'a> {
    /// A client of the repository whose metadata is below `base`.
    pub(crate) fn new(
        files: MetadataDir,
        base: Url,
        token: Option<SecretString>,
        http: &'a Http,
        now: DateTime<Utc>,
        expiry: Expiry,
    ) -> Agent<'a> {
        let updater = Updater::new(now, expiry, Limits::default());
        let patience = Patience::new(http.timeout());
        Agent { updater, files, base, token, http, patience, progress: None }
    }

    /// Shows from now on how many files have come.
    pub(crate) fn show(&mut self, progress: Option<Progress>) {
        self.progress = progress;
    }

    /// Brings the top-level metadata up to date.
    pub(crate) async fn refresh(&mut self) -> Result<(), AgentError> {
        self.drive().await
    }

    /// The same for whoever publishes, where the repository may have lost the targets that it lists:
    /// what is trusted then ends with the snapshot.
    pub(crate) async fn refresh_to_publish(&mut self) -> Result<(), AgentError> {
        match self.refresh().await {
            Err(AgentError::Update(UpdateError::NotFound(_)))
                if self.trusted()?.snapshot().is_some() =>
            {
                Ok(())
            }
            refreshed => refreshed,
        }
    }

    /// Looks up a target; `None` when no trusted role lists it.
    pub(crate) async fn find(&mut self, name: &str) -> Result<Option<Found>, AgentError> {
        self.updater.find(name)?;
        self.drive().await?;
        Ok(self.updater.found().cloned())
    }

    /// Fetches the roles of a chain of delegations that starts below `targets`.
    pub(crate) async fn follow(&mut self, chain: &[RoleName]) -> Result<(), AgentError> {
        self.updater.follow(chain)?;
        self.drive().await
    }

    /// Fetches roles, as each delegator leads to them. Answers which are not trusted.
    pub(crate) async fn visit(&mut self, roles: Roles) -> Result<Vec<Unread>, AgentError> {
        self.updater.visit(roles)?;
        let mut unread = Vec::new();
        loop {
            let error = match self.drive().await {
                Ok(()) => return Ok(unread),
                Err(error) => error,
            };
            let too_much = matches!(
                error,
                AgentError::Update(UpdateError::MoreRoles(_) | UpdateError::TooManyBytes(_))
            );
            let goes_on = error.is_of_one_file() && !too_much;
            let skipped = if goes_on { self.updater.skip()? } else { None };
            let Some((role, delegator)) = skipped else { return Err(error) };
            unread.push(Unread { role, delegator, error });
        }
    }

    /// What [`Agent::find`] answers, as far as the roles that are here tell.
    pub(crate) fn look_up(
        &self,
        name: &str,
    ) -> Result<Result<Option<Found>, Unanswered>, AgentError> {
        Ok(look_up(self.trusted()?, name, &Limits::default()))
    }

    /// Fetches one role, as this delegator leads to it, which is trusted already.
    pub(crate) async fn follow_one(
        &mut self,
        role: &RoleName,
        delegator: &RoleName,
    ) -> Result<(), AgentError> {
        self.updater.follow_one(role, delegator)?;
        self.drive().await
    }

    /// What is trusted.
    pub(crate) fn trusted(&self) -> Result<&TrustedSet, AgentError> {
        Ok(self.updater.trusted().ok_or(UpdateError::NoTrustedRoot)?)
    }

    /// A file of the repository that is not verified here; `None` when it does not exist.
    pub(crate) async fn fetch(
        &self,
        name: &str,
        max_bytes: u64,
    ) -> Result<Option<Arc<[u8]>>, AgentError> {
        let (bytes, took) = self.ask(name, max_bytes).await?;
        self.patience.give_back(took, bytes.as_ref().map_or(0, |bytes| bytes.len()));
        Ok(bytes)
    }

    /// [`Agent::fetch`] that says how long it took; whether that was worth it is not known yet.
    async fn ask(
        &self,
        name: &str,
        max_bytes: u64,
    ) -> Result<(Option<Arc<[u8]>>, Duration), AgentError> {
        let url = target::url_of_encoded(&self.base, name);
        if url.scheme() == "file" {
            return Ok((local::read(&self.base, name, max_bytes)?, Duration::ZERO));
        }
        let request = Request {
            method: Method::GET,
            url: url.clone(),
            token: self.token.as_ref(),
            body: Body::Empty,
            max_bytes,
            timeout: self.patience.left(),
            slowest_bytes_per_second: SLOWEST_METADATA,
        };
        let (mut body, since) = (Whole::default(), Instant::now());
        let answer = self.http.send(&request, &mut body).await;
        let took = since.elapsed();
        self.patience.spend(took);
        let answer = answer.map_err(RemoteError::from)?;
        match answer.status {
            _ if answer.is_success() => Ok((Some(body.finish()), took)),
            403 | 404 => Ok((None, took)),
            _ => Err(refusal(url, answer).into()),
        }
    }

    /// Hands a stored file to the updater. Other stored files that are damaged are fetched again; a
    /// root is where trust starts, so only a person can mend it.
    fn load(&mut self, name: &str) -> Result<(), AgentError> {
        match self.updater.loaded(self.files.load(name)?) {
            Err(UpdateError::Trust(error)) if name == local_name(&RoleName::ROOT) => {
                let path = self.files.place(name);
                Err(StateError::Corrupt { path, why: error.to_string() }.into())
            }
            other => Ok(other?),
        }
    }

    /// Takes all steps to the end of the operation, or up to the first that fails.
    async fn drive(&mut self) -> Result<(), AgentError> {
        let mut asked_again = false;
        loop {
            match self.updater.step() {
                Step::Load { name } => self.load(&name)?,
                Step::Fetch { name, max_bytes } => {
                    let (answer, took) = self.ask(&name, max_bytes).await?;
                    let length = answer.as_ref().map_or(0, |bytes| bytes.len());
                    let taken = match answer {
                        Some(bytes) => self.updater.fetched(bytes),
                        None => self.updater.not_found(),
                    };
                    match taken {
                        Ok(()) => {
                            self.patience.give_back(took, length);
                            self.progress.iter_mut().for_each(|progress| progress.advance(1));
                        }
                        Err(error) if error.is_older_timestamp() && !asked_again => {
                            asked_again = true;
                            tokio::time::sleep(REPLICA_LAG).await;
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
                Step::Save { name, bytes } => {
                    self.files.save(&name, &bytes)?;
                    self.updater.stored();
                }
                Step::Remove { name } => {
                    self.files.remove(&name)?;
                    self.updater.stored();
                }
                Step::Done => return Ok(()),
            }
        }
    }
}

/// What the stored files alone say, without a request: for changes that are staged offline. Expired
/// metadata is used; of bins those that are wanted. `None` where the stored files do not reach as far
/// as `targets`.
pub(crate) fn stored(
    files: &MetadataDir,
    wanted: Wanted<'_>,
    now: DateTime<Utc>,
) -> Result<Option<TrustedSet>, AgentError> {
    let load = |role: &RoleName| files.load(&local_name(role));
    let Some(root) = load(&RoleName::ROOT)? else { return Ok(None) };
    let mut trusted = TrustedSet::new(root, now, Expiry::Reported).map_err(UpdateError::from)?;
    let (timestamp, snapshot) = (load(&RoleName::TIMESTAMP)?, load(&RoleName::SNAPSHOT)?);
    let (Some(timestamp), Some(snapshot), Some(targets)) =
        (timestamp, snapshot, load(&RoleName::TARGETS)?)
    else {
        return Ok(None);
    };
    let usable = trusted.restore(Some(timestamp.into()), Some(snapshot.into())).is_ok()
        && trusted.reuse_snapshot() == Ok(true)
        && trusted.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets).is_ok();
    if !usable {
        return Ok(None);
    }
    let mut delegators = vec![RoleName::TARGETS];
    while let Some(delegator) = delegators.pop() {
        let Some(file) = trusted.targets(&delegator).cloned() else { continue };
        let delegations = file.signed().delegations.as_ref();
        let listed = delegations.into_iter().flat_map(Delegations::listed);
        let teams = listed.filter(|role| !role.is_bin());
        let mut roles = wanted.below(std::slice::from_ref(&delegator), file.signed());
        roles.extend(teams.map(|role| role.name.clone()));
        for role in roles {
            if trusted.targets(&role).is_some() {
                continue;
            }
            let Some(bytes) = load(&role)? else { continue };
            // A stored file that is not the current one says nothing.
            if trusted.update_targets(&role, &delegator, bytes).is_ok() {
                delegators.push(role);
            }
        }
    }
    Ok(Some(trusted))
}

#[cfg(test)]
mod tests;
