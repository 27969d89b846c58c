//! What every command shares: settings, time, connections, and how a collection is opened.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::role::Root;
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::{Limits, UpdateError, remote_name};

use crate::agent::{Agent, AgentError};
use crate::args::{GlobalOptions, SecondContent};
use crate::exit::Failure;
use crate::keyring::Keyring;
use crate::keyring::memory::Content;
use crate::keyring::places::Places;
use crate::output::Output;
use crate::remote::{Http, Server};
use crate::settings::Settings;
use crate::trust_dir::{CollectionDir, Lock, MetadataDir, StateError, Stop, TrustDir, files};

/// How long a lock is waited for without a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// The surroundings of one command.
pub(crate) struct Session {
    /// Where it prints.
    pub(crate) output: Rc<Output>,
    /// What the user has set.
    pub(crate) settings: Settings,
    clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    interactive: bool,
    yes: bool,
    tofu: bool,
    http: OnceCell<Http>,
    keyring: OnceCell<Keyring>,
    /// Where a reference to a key may say that its PIN is.
    environment: BTreeMap<OsString, OsString>,
    stop: Stop,
}

impl Session {
    /// Reads the settings.
    pub(crate) fn new(
        options: &GlobalOptions,
        environment: &BTreeMap<OsString, OsString>,
        clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
        interactive: bool,
        output: Rc<Output>,
    ) -> Result<Session, Failure> {
        let settings = Settings::new(options, environment)?;
        let (tofu, yes) = (options.tofu, options.yes);
        let (http, keyring, stop): (_, _, Stop) =
            (OnceCell::new(), OnceCell::new(), Arc::new(|_| {}));
        let environment = environment.clone();
        Ok(Session {
            output,
            settings,
            clock,
            interactive,
            yes,
            tofu,
            http,
            keyring,
            environment,
            stop,
        })
    }

    /// The same, and whatever stores trusted metadata passes these points.
    pub(crate) fn stopping_at(self, stop: Stop) -> Session {
        Session { stop, ..self }
    }

    /// The time. A command asks once for each operation and passes the answer on.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Whether a person agrees; where nobody can be asked, the command line is the answer.
    pub(crate) fn confirm(&self, question: &str) -> Result<bool, Failure> {
        match self.yes || !self.interactive {
            true => Ok(true),
            false => self.ask(question),
        }
    }

    fn ask(&self, question: &str) -> Result<bool, Failure> {
        let answer = self.read_line(&format!("{question} [y/N]"))?;
        Ok(matches!(answer.as_str(), "y" | "Y" | "yes"))
    }

    /// What a person answers; `None` where nobody can be asked, or says nothing.
    pub(crate) fn answer(&self, question: &str) -> Result<Option<String>, Failure> {
        if !self.interactive {
            return Ok(None);
        }
        Ok(Some(self.read_line(question)?).filter(|answer| !answer.is_empty()))
    }

    /// The same where an answer may be left out: with `--yes`, nobody is asked. Whoever is sees
    /// `told` first.
    pub(crate) fn choice(&self, told: &str, question: &str) -> Result<Option<String>, Failure> {
        if self.yes || !self.interactive {
            return Ok(None);
        }
        told.lines().for_each(|line| self.output.message(line));
        self.answer(question)
    }

    fn read_line(&self, question: &str) -> Result<String, Failure> {
        self.output.message(question);
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        Ok(answer.trim().to_owned())
    }

    /// Asks a person before something that cannot be taken back; where nobody can be asked, only
    /// `--yes` will do.
    pub(crate) fn insist(&self, act: &str, consequence: &str) -> Result<(), Failure> {
        if !self.yes && !self.interactive {
            return Err(Failure::Usage(format!("{consequence}; to {act}, say --yes")));
        }
        match self.confirm(&format!("{act}? {consequence}"))? {
            true => Ok(()),
            false => Err(Failure::Refused("nothing was done".into())),
        }
    }

    /// Asks a person before a second content of one version is signed; where nobody can be asked, only
    /// `--second-content` will do.
    pub(crate) fn second_content(
        &self,
        content: Content<'_>,
        other: &str,
        said: SecondContent,
    ) -> Result<(), Failure> {
        let Content { role, version, sha256 } = content;
        let why = format!(
            "another content of {role} {version} was signed here, sha256 {other}: whoever has that \
             signature may publish it in place of this one, sha256 {sha256}"
        );
        if said == SecondContent::Sign {
            self.output.warn(why);
            return Ok(());
        }
        if !self.interactive {
            return Err(Failure::Refused(format!("{why}; to sign both, say --second-content")));
        }
        // That every question is answered with yes was not said of this one.
        match self.ask(&format!("sign both? {why}"))? {
            true => Ok(()),
            false => Err(Failure::Refused("nothing was signed".into())),
        }
    }

    /// The connections of this process.
    pub(crate) fn http(&self) -> &Http {
        self.http.get_or_init(|| self.new_http())
    }

    /// Connections of their own, with the rules of this process.
    pub(crate) fn new_http(&self) -> Http {
        let Settings { ca, timeout, redirect_hosts, .. } = &self.settings;
        Http::new(ca.clone(), *timeout, self.output.clone()).redirected_to(redirect_hosts.clone())
    }

    /// The server.
    pub(crate) fn server(&self) -> Result<Server<'_>, Failure> {
        let Some(base) = self.settings.server.clone() else {
            return Err(Failure::Usage(
                "no server is named; use --server, NOTARY_SERVER or the configuration file".into(),
            ));
        };
        Ok(Server::new(base, self.settings.token.clone(), self.http()))
    }

    /// The keys of the trust directory.
    pub(crate) fn keyring(&self) -> Result<&Keyring, Failure> {
        let keys = self.trust_dir()?.keys();
        Ok(self.keyring.get_or_init(|| {
            let passphrases = self.settings.passphrases.clone();
            let module = self.settings.pkcs11_module.clone();
            let places = Places::new(self.environment.clone(), module, self.interactive);
            Keyring::new(keys, passphrases, places, self.interactive, self.output.clone())
        }))
    }

    /// The files of a collection.
    pub(crate) fn collection(&self, gun: &Gun) -> Result<CollectionDir, Failure> {
        Ok(self.trust_dir()?.collection(gun).stopping_at(self.stop.clone()))
    }

    /// The files of a collection, kept from other processes.
    pub(crate) async fn locked(&self, gun: &Gun) -> Result<(CollectionDir, Lock), Failure> {
        let collection = self.collection(gun)?;
        let lock = self.patiently(async |patience| collection.lock(patience).await, gun).await?;
        Ok((collection, lock))
    }

    /// A directory of trusted metadata with a root in it.
    pub(crate) fn metadata_dir(&self, path: PathBuf) -> MetadataDir {
        MetadataDir::new(path).stopping_at(self.stop.clone())
    }

    /// Waits for a lock, at most so long as tries go on; after a second somebody is told.
    pub(crate) async fn patiently(
        &self,
        lock: impl AsyncFn(Duration) -> Result<Lock, StateError>,
        what: impl Display,
    ) -> Result<Lock, Failure> {
        Ok(match lock(PATIENCE.min(self.settings.timeout)).await {
            Err(StateError::Locked { .. }) => {
                self.output
                    .message(format_args!("waiting for another process to be done with {what}"));
                lock(self.settings.timeout).await?
            }
            other => other?,
        })
    }

    /// Brings a collection up to date, from the root that is pinned here.
    pub(crate) async fn refreshed(
        &self,
        gun: &Gun,
        now: DateTime<Utc>,
        expiry: Expiry,
    ) -> Result<Agent<'_>, Failure> {
        let mut agent = self.pinned_agent(gun, now, expiry).await?;
        agent.refresh().await.map_err(|error| unserved(gun, error))?;
        self.tell_expired(gun, &agent)?;
        Ok(agent)
    }

    /// The same for whoever publishes: see [`Agent::refresh_to_publish`].
    pub(crate) async fn refreshed_to_publish(
        &self,
        gun: &Gun,
        now: DateTime<Utc>,
    ) -> Result<Agent<'_>, Failure> {
        let mut agent = self.pinned_agent(gun, now, Expiry::Reported).await?;
        agent.refresh_to_publish().await.map_err(|error| unserved(gun, error))?;
        self.tell_expired(gun, &agent)?;
        Ok(agent)
    }

    fn tell_expired(&self, gun: &Gun, agent: &Agent<'_>) -> Result<(), Failure> {
        for (role, expires) in agent.trusted()?.expired() {
            self.output.warn_once(format_args!("{role} of {gun} expired at {expires}"));
        }
        Ok(())
    }

    /// A client that has a root to start from.
    async fn pinned_agent(
        &self,
        gun: &Gun,
        now: DateTime<Utc>,
        expiry: Expiry,
    ) -> Result<Agent<'_>, Failure> {
        let (collection, agent) = (self.collection(gun)?, self.agent_with(gun, now, expiry)?);
        if collection.trusted().load("root.json")?.is_none() {
            self.trust_on_first_use(gun, &collection, &agent).await?;
        }
        Ok(agent)
    }

    /// The newest root of a collection, whether or not what stands under it is trusted here.
    pub(crate) async fn newest_root(
        &self,
        gun: &Gun,
        now: DateTime<Utc>,
    ) -> Result<Envelope<Root>, Failure> {
        let mut agent = self.pinned_agent(gun, now, Expiry::Reported).await?;
        match agent.refresh().await {
            Err(error) if !error.is_of_one_file() => return Err(error.into()),
            Err(error) if agent.trusted().is_ok() => {
                self.output.warn(format_args!("{gun}, but for its roots: {error}"));
            }
            refreshed => refreshed.map_err(|error| unserved(gun, error))?,
        }
        Ok(agent.trusted()?.root().as_ref().clone())
    }

    /// A client of a collection that has read nothing yet, for files that are looked at as they are.
    pub(crate) fn agent(&self, gun: &Gun, now: DateTime<Utc>) -> Result<Agent<'_>, Failure> {
        self.agent_with(gun, now, Expiry::Reported)
    }

    fn agent_with(
        &self,
        gun: &Gun,
        now: DateTime<Utc>,
        expiry: Expiry,
    ) -> Result<Agent<'_>, Failure> {
        let server = self.server()?;
        let (base, token) = (server.metadata_url(gun), server.token().cloned());
        let files = self.collection(gun)?.trusted().stopping_at(self.stop.clone());
        Ok(Agent::new(files, base, token, self.http(), now, expiry))
    }

    /// Pins a root: from then on trust starts with it.
    pub(crate) fn pin(&self, collection: &CollectionDir, root: &[u8]) -> Result<(), Failure> {
        Ok(files::write(&collection.pinned_path(), root)?)
    }

    /// The root of this version as the server has it, which carries its own signatures; whether it is
    /// the right one is for the caller to say.
    pub(crate) async fn fetch_root(
        &self,
        gun: &Gun,
        version: Version,
        agent: &Agent<'_>,
    ) -> Result<Vec<u8>, Failure> {
        let name = remote_name(&RoleName::ROOT, Some(version));
        let found = agent.fetch(&name, Limits::default().small_bytes).await?;
        let root = found.ok_or_else(|| {
            Failure::NotFound(format!(
                "the server shows no root {version} of {gun}; `notary collections` lists what it \
                 shows, and what is private needs a token that may read it"
            ))
        })?;
        TrustedSet::new(root.clone(), self.now(), Expiry::Reported).map_err(|error| {
            Failure::Refused(format!("what the server has as {name} of {gun} is no root: {error}"))
        })?;
        Ok(root.to_vec())
    }

    async fn trust_on_first_use(
        &self,
        gun: &Gun,
        collection: &CollectionDir,
        agent: &Agent<'_>,
    ) -> Result<(), Failure> {
        if !self.tofu {
            return Err(Failure::Refused(format!(
                "no root of {gun} is pinned here; pin one with `notary trust add {gun} --sha256 HEX` \
                 (or --root FILE), or trust what the server shows with --tofu"
            )));
        }
        let root = self.fetch_root(gun, Version::FIRST, agent).await?;
        let sha256 = sha256_hex(&root);
        self.output.warn(format_args!("trusting root 1 of {gun} on first use, sha256 {sha256}"));
        self.pin(collection, &root)
    }

    /// The files of this user.
    pub(crate) fn trust_dir(&self) -> Result<TrustDir, Failure> {
        let path = self.settings.trust_dir.clone();
        let unknown = || Failure::Usage("no home directory is known; use --trust-dir".into());
        path.map(TrustDir::new).ok_or_else(unknown)
    }
}

/// A collection without a timestamp is not there, or not for us.
fn unserved(gun: &Gun, error: AgentError) -> Failure {
    match error {
        AgentError::Update(UpdateError::NotFound(name)) if name == "timestamp.json" => {
            Failure::NotFound(format!(
                "the server shows no collection {gun}; `notary collections` lists what it shows, and \
                 what is private needs a token that may read it"
            ))
        }
        other => other.into(),
    }
}
