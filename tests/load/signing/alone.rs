//! The key library alone: what a signature costs before there is a service around it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notary_schema::envelope::Envelope;
use notary_schema::name::Version;
use notary_signer::keys::pkcs11::{Pkcs11Store, Token, TokenName};
use notary_signer::keys::software::{SoftwareStore, StoreKey};
use notary_signer::keys::{Algorithm, KeyStore, StoredKey};
use tokio::runtime::Runtime;

use super::{CLIENTS, Outcome, snapshot, timestamp};

/// Keys in each place, and threads to sign with.
pub(crate) struct Alone {
    keys: Vec<Vec<Arc<Key>>>,
    runtime: Runtime,
}

/// A key, and what it signs.
struct Key {
    store: Arc<dyn KeyStore>,
    stored: StoredKey,
    message: Vec<u8>,
}

impl Alone {
    /// Makes all keys.
    pub(crate) fn prepare(module: &str, token: &str, pin: &str) -> Outcome<Alone> {
        let (key, origin) = StoreKey::from_passphrase(&"throw-away passphrase".into())?;
        let software: Arc<dyn KeyStore> = Arc::new(SoftwareStore::create(&key, origin)?.0);
        let token = Token {
            module: PathBuf::from(module),
            name: TokenName::labelled(token),
            pin: pin.into(),
            sessions: CLIENTS / 2,
        };
        let token: Arc<dyn KeyStore> = Arc::new(Pkcs11Store::new("token", token));
        let runtime = Runtime::new()?;
        let places = [
            (&software, Algorithm::Ed25519),
            (&software, Algorithm::EcdsaP256),
            (&token, Algorithm::EcdsaP256),
        ];
        let keys = places.map(|(store, algorithm)| {
            let keys = (0..CLIENTS).map(|_| runtime.block_on(Key::new(store.clone(), algorithm)));
            keys.collect::<Outcome<Vec<_>>>()
        });
        Ok(Alone { keys: keys.into_iter().collect::<Outcome<_>>()?, runtime })
    }

    /// Signs with so many keys of a place at once.
    pub(crate) fn sign(
        &self,
        place: usize,
        clients: usize,
        end: Instant,
    ) -> Outcome<Vec<Duration>> {
        let keys = self.keys[place][..clients].iter().cloned();
        let signing: Vec<_> =
            keys.map(|key| self.runtime.spawn(async move { key.sign_until(end).await })).collect();
        let mut took = Vec::new();
        for client in signing {
            took.extend(self.runtime.block_on(client)??);
        }
        Ok(took)
    }
}

impl Key {
    /// The key of a timestamp, and beside it one of the snapshot, as a collection has them.
    async fn new(store: Arc<dyn KeyStore>, algorithm: Algorithm) -> Outcome<Arc<Key>> {
        let first = store.create(algorithm, "snapshot").await?;
        let document = snapshot();
        let signature = first.sign(&*store, document.message()).await?;
        let snapshot = Envelope::parse(document.with_signatures(&[(first.id(), signature)]))?;
        let message = timestamp(Version::FIRST, &snapshot).message().to_vec();
        let stored = store.create(algorithm, "timestamp").await?;
        Ok(Arc::new(Key { store, stored, message }))
    }

    async fn sign_until(&self, end: Instant) -> Outcome<Vec<Duration>> {
        let mut took = Vec::new();
        while took.is_empty() || Instant::now() < end {
            let begun = Instant::now();
            self.stored.sign(&*self.store, &self.message).await?;
            took.push(begun.elapsed());
        }
        Ok(took)
    }
}
