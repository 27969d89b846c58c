//! Private keys of the service: each sealed under one store key, opened only while it signs.
//!
//! A sealed key is what the caller keeps as the handle; the store itself keeps nothing, so that
//! starting costs the same with one key and with a million. Sealed is with AES-256-GCM; purpose and key
//! id are authenticated, so a sealed key that was copied to another collection or role does not open.

mod store_key;

use std::sync::Arc;

use async_trait::async_trait;
use notary_schema::key::PublicKey;
use notary_schema::name::KeyId;
use ring::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

pub use self::store_key::{Origin, ROUNDS, StoreKey};
use super::private::PrivateKey;
use super::{Algorithm, KeyError, KeyHandle, KeyStore, StoredKey, Trouble};

/// The first byte of a sealed key: this format.
const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 32;
const HEAD_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_LEN;

const KEY_CONTEXT: &str = "notary sealed key 1";
const CHECK_CONTEXT: &str = "notary store check 1";

/// What a store needs to open again, beside its passphrase or the backend. Not secret; without it
/// every sealed key is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreHeader {
    /// Where the store key comes from.
    pub origin: Origin,
    /// An empty text sealed under the store key: shows at start whether it is the right one.
    pub check: Vec<u8>,
}

/// Keys that are sealed under one store key.
pub struct SoftwareStore {
    // Shared with the blocking threads that generate keys.
    sealer: Arc<LessSafeKey>,
}

impl SoftwareStore {
    /// A new store under this key, and the header that belongs to it.
    ///
    /// # Errors
    /// [`KeyError::Crypto`].
    pub fn create(
        key: &StoreKey,
        origin: Origin,
    ) -> Result<(SoftwareStore, StoreHeader), KeyError> {
        let sealer = key.sealer();
        let check = seal(&sealer, CHECK_CONTEXT.as_bytes(), &[])?;
        Ok((SoftwareStore { sealer: Arc::new(sealer) }, StoreHeader { origin, check }))
    }

    /// The store that this header belongs to.
    ///
    /// # Errors
    /// [`KeyError::DoesNotOpen`] for another key.
    pub fn open(key: &StoreKey, header: &StoreHeader) -> Result<SoftwareStore, KeyError> {
        let sealer = key.sealer();
        match open(&sealer, CHECK_CONTEXT.as_bytes(), &header.check) {
            Some(_) => Ok(SoftwareStore { sealer: Arc::new(sealer) }),
            None => Err(KeyError::DoesNotOpen(STORE.to_owned())),
        }
    }

    /// A key of this store as a key of another one.
    ///
    /// # Errors
    /// [`KeyError::DoesNotOpen`] for what is none of this store.
    pub fn resealed(
        &self,
        handle: &KeyHandle,
        into: &SoftwareStore,
    ) -> Result<KeyHandle, KeyError> {
        let key = self.opened(handle)?;
        let opaque = sealed(&into.sealer, &handle.purpose, &key)?;
        Ok(KeyHandle { purpose: handle.purpose.clone(), opaque })
    }

    fn opened(&self, handle: &KeyHandle) -> Result<PrivateKey, KeyError> {
        let input = || format!("the sealed key for {}", handle.purpose);
        let does_not_open = || KeyError::DoesNotOpen(input());
        let id = handle.opaque.get(1..=KEY_ID_BYTES).ok_or_else(does_not_open)?;
        if handle.opaque[0] != FORMAT {
            let problem = format!("its format {} is not known here", handle.opaque[0]);
            return Err(KeyError::NotAPrivateKey { input: input(), problem });
        }
        let wanted = KeyId::parse(&hex::encode(id)).expect("64 digits are short enough");
        let context = key_context(&handle.purpose, &wanted);
        let sealed = &handle.opaque[1 + KEY_ID_BYTES..];
        let pkcs8 = open(&self.sealer, &context, sealed).ok_or_else(does_not_open)?;
        let key = PrivateKey::from_pkcs8(&pkcs8, &input())?;
        if key.id() != wanted {
            return Err(KeyError::OtherKey { input: input(), wanted, found: key.id() });
        }
        Ok(key)
    }
}

const STORE: &str = "the key store";

#[async_trait]
impl KeyStore for SoftwareStore {
    async fn create(&self, algorithm: Algorithm, purpose: &str) -> Result<StoredKey, KeyError> {
        let sealer = self.sealer.clone();
        let purpose = purpose.to_owned();
        let generate = move || {
            let key = PrivateKey::generate(algorithm)?;
            let opaque = sealed(&sealer, &purpose, &key)?;
            Ok(StoredKey { public: key.public().clone(), handle: KeyHandle { purpose, opaque } })
        };
        // RSA takes seconds.
        let made = tokio::task::spawn_blocking(generate).await;
        made.map_err(|_| KeyError::Crypto("making a key"))?
    }

    async fn attach(&self, _: &str, _: &str) -> Result<StoredKey, KeyError> {
        let trouble = Trouble::NotSupported("its keys have no names; let it make one".to_owned());
        Err(KeyError::Backend { backend: "software".to_owned(), trouble })
    }

    async fn check(&self) -> Result<(), KeyError> {
        Ok(()) // it was opened, and there is nothing outside this process that could be away
    }

    async fn public(&self, handle: &KeyHandle) -> Result<PublicKey, KeyError> {
        Ok(self.opened(handle)?.public().clone())
    }

    async fn sign(&self, handle: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.opened(handle)?.signature(message)
    }
}

/// A key as its handle has it.
fn sealed(sealer: &LessSafeKey, purpose: &str, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let id = key.id();
    let sealed = seal(sealer, &key_context(purpose, &id), key.pkcs8())?;
    let mut opaque = Vec::with_capacity(HEAD_BYTES + sealed.len());
    opaque.push(FORMAT);
    opaque.extend(hex::decode(id.as_str()).expect("our key ids are hexadecimal"));
    opaque.extend(sealed);
    Ok(opaque)
}

/// What a sealed key is bound to. Only the purpose has no fixed length, so no two pairs of purpose
/// and id read the same.
fn key_context(purpose: &str, id: &KeyId) -> Vec<u8> {
    [KEY_CONTEXT, purpose, id.as_str()].join("\0").into_bytes()
}

/// Nonce, ciphertext and tag. A random nonce of 96 bits is sound for 2^32 sealed keys.
fn seal(sealer: &LessSafeKey, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut nonce = [0; NONCE_LEN];
    fill_random(&mut nonce)?;
    let mut body = Zeroizing::new(plain.to_vec());
    let tag = sealer
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut body,
        )
        .map_err(|_| KeyError::Crypto("sealing a key"))?;
    Ok([&nonce[..], &body, tag.as_ref()].concat())
}

/// What was sealed, unless key, context or bytes are others.
fn open(sealer: &LessSafeKey, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut body = Zeroizing::new(body.to_vec());
    let length = sealer.open_in_place(nonce, Aad::from(context), &mut body).ok()?.len();
    body.truncate(length);
    Some(body)
}

fn fill_random(bytes: &mut [u8]) -> Result<(), KeyError> {
    SystemRandom::new().fill(bytes).map_err(|_| KeyError::Crypto("drawing random bytes"))
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::super::wrapping::Wrapper;
    use super::store_key::SALT_BYTES;
    use super::*;

    fn passphrase(text: &str) -> SecretString {
        SecretString::from(text)
    }

    fn new_store() -> (SoftwareStore, StoreHeader) {
        let (key, origin) = StoreKey::from_passphrase(&passphrase("correct horse")).unwrap();
        SoftwareStore::create(&key, origin).unwrap()
    }

    fn opened(text: &str, header: &StoreHeader) -> Result<SoftwareStore, KeyError> {
        let Origin::Passphrase { rounds, salt } = &header.origin else { panic!("{header:?}") };
        SoftwareStore::open(&StoreKey::derived(&passphrase(text), *rounds, salt)?, header)
    }

    #[tokio::test]
    async fn a_key_signs_after_the_store_was_opened_again() {
        let (store, header) = new_store();
        for algorithm in Algorithm::ALL {
            let key = store.create(algorithm, "acme/app snapshot").await.unwrap();
            let again = opened("correct horse", &header).unwrap();
            assert_eq!(again.public(&key.handle).await.unwrap(), key.public);
            let signature = key.sign(&again, b"message").await.unwrap();
            assert!(key.public.verifies(b"message", &signature), "{algorithm}");
        }
    }

    #[test]
    fn a_wrong_passphrase_is_noticed_when_the_store_opens() {
        let (_, header) = new_store();
        for wrong in ["correct horsf", "Correct horse", "correct horse "] {
            let refused = opened(wrong, &header);
            assert!(matches!(refused, Err(KeyError::DoesNotOpen(_))), "{wrong:?} opened it");
        }
        let empty = StoreKey::from_passphrase(&passphrase(""));
        assert!(matches!(empty, Err(KeyError::PassphraseEmpty(_))));
    }

    #[test]
    fn a_damaged_header_does_not_open_and_does_not_compute_for_ever() {
        let (_, header) = new_store();
        let Origin::Passphrase { rounds: _, salt } = header.origin.clone() else { panic!() };
        let with = |rounds, salt: &[u8]| StoreHeader {
            origin: Origin::Passphrase { rounds, salt: salt.to_vec() },
            ..header.clone()
        };
        for damaged in [
            with(0, &salt),
            with(ROUNDS - 1, &salt),
            with(u32::MAX, &salt),
            with(ROUNDS, &[0; SALT_BYTES]),
            StoreHeader { check: Vec::new(), ..header.clone() },
        ] {
            assert!(opened("correct horse", &damaged).is_err(), "{damaged:?}");
        }
        assert!(opened("correct horse", &header).is_ok());
    }

    /// Turns bytes around, and knows one key by name.
    struct Mirror;

    #[async_trait]
    impl Wrapper for Mirror {
        async fn wrap(&self, _: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
            Ok(secret.iter().rev().copied().collect())
        }
        async fn unwrap(&self, key: &str, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
            match key {
                "right" => Ok(Zeroizing::new(bytes.iter().rev().copied().collect())),
                _ => Err(KeyError::Crypto("unwrapping")),
            }
        }
    }

    /// A store moves from its passphrase to a backend without a key being sealed anew.
    #[tokio::test]
    async fn a_wrapped_store_key_opens_what_the_passphrase_has_sealed() {
        let (store, header) = new_store();
        let key = store.create(Algorithm::Ed25519, "p").await.unwrap();
        let Origin::Passphrase { rounds, salt } = &header.origin else { panic!() };
        let derived = StoreKey::derived(&passphrase("correct horse"), *rounds, salt).unwrap();
        let Origin::Wrapped { key: name, wrapped } = derived.wrap(&Mirror, "right").await.unwrap()
        else {
            panic!("it was wrapped")
        };
        let again = StoreKey::unwrapped(&Mirror, &name, &wrapped).await.unwrap();
        let again = SoftwareStore::open(&again, &header).unwrap();
        assert!(key.sign(&again, b"message").await.is_ok());

        assert!(StoreKey::unwrapped(&Mirror, "other", &wrapped).await.is_err());
        for not_it in [&wrapped[1..], &[]] {
            let refused = StoreKey::unwrapped(&Mirror, &name, not_it).await;
            assert!(matches!(refused, Err(KeyError::DoesNotOpen(_))));
        }
        let mut other = wrapped.clone();
        other[0] ^= 1;
        let other = StoreKey::unwrapped(&Mirror, &name, &other).await.unwrap();
        assert!(matches!(SoftwareStore::open(&other, &header), Err(KeyError::DoesNotOpen(_))));
        let random = StoreKey::random().unwrap();
        assert!(SoftwareStore::open(&random, &header).is_err());
    }

    #[tokio::test]
    async fn a_sealed_key_opens_for_its_purpose_only() {
        let (store, _) = new_store();
        let key = store.create(Algorithm::Ed25519, "acme/app snapshot").await.unwrap();
        let moved = KeyHandle { purpose: "acme/app timestamp".into(), ..key.handle.clone() };
        assert!(matches!(store.sign(&moved, b"m").await, Err(KeyError::DoesNotOpen(_))));
        assert!(store.sign(&key.handle, b"m").await.is_ok());
    }

    #[tokio::test]
    async fn a_sealed_key_with_any_byte_changed_does_not_open() {
        let (store, _) = new_store();
        let key = store.create(Algorithm::Ed25519, "p").await.unwrap();
        for at in 0..key.handle.opaque.len() {
            let mut handle = key.handle.clone();
            handle.opaque[at] ^= 1;
            assert!(store.public(&handle).await.is_err(), "byte {at} was changed");
            handle.opaque.truncate(at);
            assert!(store.public(&handle).await.is_err(), "cut to {at} bytes");
        }
    }

    #[tokio::test]
    async fn the_sealed_form_does_not_hold_the_key_in_the_clear() {
        let (store, _) = new_store();
        let key = store.create(Algorithm::Ed25519, "p").await.unwrap();
        let private = store.opened(&key.handle).unwrap();
        let seed = &private.pkcs8()[16..];
        assert!(!key.handle.opaque.windows(seed.len()).any(|window| window == seed));
    }
}
