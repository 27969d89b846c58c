//! Who of the keys that a request names signs: each of them, but of a key and its stand-by one.
//!
//! That is the key itself, unless it fails or takes longer than the configuration gives it; then it is
//! the stand-by, and whichever of the two has signed first. A stand-by whose key is not named signs as
//! any key does. A place that is slow goes on in a task of its own: what becomes of the call in the
//! end is what its [bounds](crate::keys::bounded) learn from, and nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, join_all, ready, select};
use notary_schema::name::KeyId;
use notary_schema::wire::SignerKey;
use prometheus_client::metrics::counter::Counter;
use tracing::Instrument;

use crate::backends::Backends;
use crate::error::Failure;
use crate::keys::{KeyError, Trouble};
use crate::store::keys::HeldKey;

/// A key that has signed, and its signature.
pub(crate) type Signature = (KeyId, Vec<u8>);

/// What signs, and what is counted.
pub(crate) struct Signatures<'a> {
    /// The places of the keys.
    pub(crate) backends: &'a Backends,
    /// The signatures of stand-bys in the place of their keys.
    pub(crate) by_standbys: &'a Counter,
}

impl Signatures<'_> {
    /// The signatures of keys of one role, in the order in which they were named.
    ///
    /// # Errors
    /// That of the first key that neither signs nor has a stand-by which does.
    pub(crate) async fn of(
        &self,
        keys: &[&HeldKey],
        message: &[u8],
    ) -> Result<Vec<Signature>, Failure> {
        let message: Arc<[u8]> = message.into();
        let stands_by = |held: &HeldKey| keys.iter().any(|key| held.stands_by_for(&key.key.keyid));
        let signing = keys.iter().copied().filter(|held| !stands_by(held)).map(|key| {
            let standby = keys.iter().copied().find(|held| held.stands_by_for(&key.key.keyid));
            self.one(key, standby, message.clone())
        });
        // All of them to their ends: each is a place that is learned about.
        join_all(signing).await.into_iter().collect()
    }

    async fn one(
        &self,
        key: &HeldKey,
        standby: Option<&HeldKey>,
        message: Arc<[u8]>,
    ) -> Result<Signature, Failure> {
        let Some(standby) = standby else { return Ok(self.attempt(key, &message).await?) };
        let after = self.backends.standby_after(&key.key.collection, key.key.role);
        let mut first = self.attempt(key, &message);
        let (trouble, late) = match tokio::time::timeout(after, &mut first).await {
            Ok(Ok(signature)) => return Ok(signature),
            Ok(Err(error)) => (error.to_string(), Either::Left(ready(Err(error)))),
            Err(_) => (slow(key, after).to_string(), Either::Right(first)),
        };
        let both = |key_error, standby_error| Failure::Both {
            backends: [key.backend.clone(), standby.backend.clone()],
            errors: [key_error, standby_error],
        };
        let signature = match select(self.attempt(standby, &message), late).await {
            Either::Left((Ok(signature), _)) | Either::Right((Ok(signature), _)) => signature,
            // A stand-by that is away takes nothing from a key that is only slow.
            Either::Left((Err(standby), late)) => late.await.map_err(|key| both(key, standby))?,
            Either::Right((Err(key), standby)) => {
                standby.await.map_err(|standby| both(key, standby))?
            }
        };
        if signature.0 == standby.key.keyid {
            self.by_standbys.inc();
            let SignerKey { collection, role, keyid, .. } = &standby.key;
            tracing::warn!(%collection, ?role, "{trouble}: the stand-by {keyid} in {} has signed", standby.backend);
        }
        Ok(signature)
    }

    /// Signs with one key, whether anybody waits for it or not.
    fn attempt(
        &self,
        held: &HeldKey,
        message: &Arc<[u8]>,
    ) -> impl Future<Output = Result<Signature, KeyError>> + Unpin + use<> {
        let place = self.backends.place(&held.backend).cloned();
        let (key, message, keyid) = (held.stored.clone(), message.clone(), held.key.keyid.clone());
        let sign = async move { Ok((keyid, key.sign(place?.as_ref(), &message).await?)) };
        let done = tokio::spawn(sign.in_current_span());
        done.map(|done| done.unwrap_or(Err(KeyError::Crypto("signing"))))
    }
}

fn slow(key: &HeldKey, after: Duration) -> KeyError {
    KeyError::Backend { backend: key.backend.clone(), trouble: Trouble::TimedOut(after) }
}
