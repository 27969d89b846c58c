//! The places of the keys of this signer, and which of them a new key goes to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use notary_schema::name::Gun;
use notary_schema::online::OnlineRole;

#[cfg(feature = "aws-kms")]
use crate::config::backends::AwsKmsConfig;
use crate::config::backends::{
    BackendConfig, ExecConfig, KeyRule, SOFTWARE, StandbyRule, default_after_seconds,
};
use crate::config::{Config, ConfigError, read_secret};
#[cfg(feature = "aws-kms")]
use crate::keys::aws_kms::{Account, AwsKmsStore};
use crate::keys::bounded::{Bounded, Bounds};
use crate::keys::exec::{ExecStore, Program};
use crate::keys::pkcs11::{Pkcs11Store, Token, TokenName};
use crate::keys::software::SoftwareStore;
use crate::keys::wrapping::Wrapper;
use crate::keys::{Algorithm, KeyError, KeyStore, StoredKey, Trouble};

/// What is signed to see whether a key signs: plain text, so that it can never be taken for metadata.
pub(crate) const TRIAL: &[u8] = b"notary-signer check";

/// The time of a call of the software store: making an RSA key takes seconds of a quiet core.
const LOCAL: Duration = Duration::from_secs(600);

/// A key that was made or attached, and where.
#[derive(Debug, Clone)]
pub(crate) struct PlacedKey {
    /// The place, by its name in the configuration.
    pub(crate) backend: String,
    /// The key.
    pub(crate) stored: StoredKey,
}

/// Where a new key goes, and which one it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot<'a> {
    /// The place, by its name in the configuration.
    pub(crate) backend: &'a str,
    /// A key that is there already.
    attach: Option<&'a str>,
    algorithm: Option<Algorithm>,
}

/// Every place that is configured, by its name.
pub(crate) struct Backends {
    places: BTreeMap<String, Arc<Bounded>>,
    rules: Vec<KeyRule>,
    software_algorithm: Algorithm,
}

impl Backends {
    /// The configured places and, where it is open, the software store. Nothing is asked yet.
    ///
    /// # Errors
    /// A file of a secret that cannot be read, a kind that this build does not have.
    pub(crate) fn new(
        config: &Config,
        software: Option<SoftwareStore>,
    ) -> Result<Backends, ConfigError> {
        let mut places = BTreeMap::new();
        if let Some(software) = software {
            // It is this process: nothing in it can be away, and a busy machine is no sickness.
            let bounds = Bounds {
                at_once: config.limits.requests.max(1),
                total: LOCAL,
                ..Bounds::default()
            };
            let software = Bounded::new(SOFTWARE, Arc::new(software), bounds);
            places.insert(SOFTWARE.to_owned(), Arc::new(software));
        }
        for (name, backend) in &config.backends {
            let store = open(name, backend)?;
            let mut bounds = backend.bounds();
            // While it does not answer, the other half of all requests is for the other places.
            bounds.waiting = (config.limits.requests / 2).saturating_sub(bounds.at_once);
            places.insert(name.clone(), Arc::new(Bounded::new(name, store, bounds)));
        }
        let software_algorithm = config.store.algorithm;
        Ok(Backends { places, rules: config.keys.clone(), software_algorithm })
    }

    /// A place by its name.
    ///
    /// # Errors
    /// A name that the configuration does not have any more.
    pub(crate) fn place(&self, name: &str) -> Result<&Arc<Bounded>, KeyError> {
        self.places.get(name).ok_or_else(|| {
            let trouble = Trouble::NotSupported("it is not configured on this signer".to_owned());
            KeyError::Backend { backend: name.to_owned(), trouble }
        })
    }

    /// Where the next key of a role goes, and its stand-by where the rules ask for one.
    pub(crate) fn spots(&self, gun: &Gun, role: OnlineRole) -> (Spot<'_>, Option<Spot<'_>>) {
        let Some(rule) = self.rule(gun, role) else {
            return (Spot { backend: SOFTWARE, attach: None, algorithm: None }, None);
        };
        let KeyRule { backend, attach, algorithm, .. } = rule;
        let key = Spot { backend, attach: attach.as_deref(), algorithm: *algorithm };
        let standby = rule.standby.as_ref().map(|standby| {
            let StandbyRule { backend, attach, algorithm, .. } = standby;
            Spot { backend, attach: attach.as_deref(), algorithm: *algorithm }
        });
        (key, standby)
    }

    /// The key that a rule attaches, where it does.
    ///
    /// # Errors
    /// Those of the place; and it has to sign.
    pub(crate) async fn attached(
        &self,
        spot: Spot<'_>,
        purpose: &str,
    ) -> Result<Option<PlacedKey>, KeyError> {
        let Some(name) = spot.attach else { return Ok(None) };
        let place = self.place(spot.backend)?;
        let stored = place.attach(name, purpose).await?;
        // Before a root names it: what it must not do, or cannot, is known only then.
        stored.sign(place.as_ref(), TRIAL).await?;
        Ok(Some(PlacedKey { backend: spot.backend.to_owned(), stored }))
    }

    /// A new key.
    ///
    /// # Errors
    /// Those of the place.
    pub(crate) async fn create(
        &self,
        spot: Spot<'_>,
        purpose: &str,
    ) -> Result<PlacedKey, KeyError> {
        let Spot { backend, algorithm, .. } = spot;
        let algorithm = algorithm.unwrap_or_else(|| self.usual_algorithm(backend));
        let stored = self.place(backend)?.create(algorithm, purpose).await?;
        Ok(PlacedKey { backend: backend.to_owned(), stored })
    }

    /// How long a key may take for a signature before its stand-by signs; of one that the rules know
    /// no more, as long as where nothing is said.
    pub(crate) fn standby_after(&self, gun: &Gun, role: OnlineRole) -> Duration {
        let standby = self.rule(gun, role).and_then(|rule| rule.standby.as_ref());
        let seconds = standby.map_or_else(default_after_seconds, |standby| standby.after_seconds);
        Duration::from_secs(seconds)
    }

    fn rule(&self, gun: &Gun, role: OnlineRole) -> Option<&KeyRule> {
        self.rules.iter().find(|rule| rule.fits(gun, role))
    }

    /// The places, each with what the last call failed with, where that is about the whole place.
    pub(crate) fn sickness(&self) -> impl Iterator<Item = (&str, Trouble)> {
        self.places.values().filter_map(|place| Some((place.name(), place.sickness()?)))
    }

    /// Every place, in the order of their names.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Bounded> {
        self.places.values().map(Arc::as_ref)
    }

    /// P-256 is what every kind of backend has.
    fn usual_algorithm(&self, backend: &str) -> Algorithm {
        if backend == SOFTWARE { self.software_algorithm } else { Algorithm::EcdsaP256 }
    }
}

/// A backend that wraps the key of the software store.
///
/// # Errors
/// A kind that this build does not have, or that does not wrap.
pub(crate) fn wrapper(
    name: &str,
    backend: &BackendConfig,
) -> Result<Arc<dyn Wrapper>, ConfigError> {
    match backend {
        #[cfg(feature = "aws-kms")]
        BackendConfig::AwsKms(kms) => Ok(Arc::new(aws_kms(name, kms))),
        BackendConfig::Exec(program) => Ok(Arc::new(exec(name, program))),
        _ => Err(ConfigError::NotInThisBuild(name.to_owned())),
    }
}

fn open(name: &str, backend: &BackendConfig) -> Result<Arc<dyn KeyStore>, ConfigError> {
    Ok(match backend {
        BackendConfig::Pkcs11(token) => Arc::new(Pkcs11Store::new(
            name,
            Token {
                module: token.module.clone(),
                name: TokenName::labelled(&token.token),
                pin: read_secret(&token.pin_file)?,
                sessions: token.at_once,
            },
        )),
        #[cfg(feature = "aws-kms")]
        BackendConfig::AwsKms(kms) => Arc::new(aws_kms(name, kms)),
        #[cfg(not(feature = "aws-kms"))]
        BackendConfig::AwsKms(_) => return Err(ConfigError::NotInThisBuild(name.to_owned())),
        BackendConfig::Exec(program) => Arc::new(exec(name, program)),
    })
}

#[cfg(feature = "aws-kms")]
fn aws_kms(name: &str, kms: &AwsKmsConfig) -> AwsKmsStore {
    let AwsKmsConfig { region, profile, endpoint_url, .. } = kms.clone();
    AwsKmsStore::new(name, Account { region, profile, endpoint_url })
}

fn exec(name: &str, program: &ExecConfig) -> ExecStore {
    let ExecConfig { program: path, arguments, .. } = program.clone();
    ExecStore::new(name, Program { arguments, ..Program::new(path) })
}
