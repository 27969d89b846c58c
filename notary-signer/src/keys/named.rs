//! Keys that their place knows by a name: what a handle of them holds, and what is sent to be
//! signed.

use std::borrow::Cow;

use notary_schema::key::PublicKey;
use ring::digest::{SHA256, SHA384, digest};
use serde::{Deserialize, Serialize};

use super::{KeyError, KeyHandle, StoredKey};

/// A key by the name that its place has for it. The public key is kept beside it: it says how to
/// sign, and its place may be away when that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedKey {
    pub(super) name: String,
    pub(super) public: PublicKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    name: Cow<'a, str>,
    public: Cow<'a, str>,
}

impl NamedKey {
    /// The key as it is stored.
    pub(super) fn stored(self, purpose: &str) -> StoredKey {
        let written = Written { name: (&self.name).into(), public: self.public.to_pem().into() };
        let opaque = serde_json::to_vec(&written).expect("two texts are JSON");
        StoredKey { public: self.public, handle: KeyHandle { purpose: purpose.to_owned(), opaque } }
    }

    /// The key that a handle leads to.
    pub(super) fn of(handle: &KeyHandle) -> Result<NamedKey, KeyError> {
        let refuse = |problem: String| KeyError::NotAPrivateKey {
            input: format!("the stored key for {}", handle.purpose),
            problem,
        };
        let written: Written<'_> = serde_json::from_slice(&handle.opaque)
            .map_err(|_| refuse("it names no key of a backend".to_owned()))?;
        let public =
            PublicKey::from_pem(&written.public).map_err(|error| refuse(error.to_string()))?;
        Ok(NamedKey { name: written.name.into_owned(), public })
    }
}

/// What a key of this kind signs of a message.
pub(super) enum ToSign<'a> {
    /// The message itself: Ed25519.
    Message(&'a [u8]),
    /// Its digest: SHA-384 for ECDSA on P-384, SHA-256 for everything else.
    Digest(Vec<u8>),
}

impl<'a> ToSign<'a> {
    pub(super) fn of(public: &PublicKey, message: &'a [u8]) -> ToSign<'a> {
        match public {
            PublicKey::Ed25519(_) => ToSign::Message(message),
            PublicKey::EcdsaP384(_) => ToSign::Digest(digest(&SHA384, message).as_ref().to_vec()),
            PublicKey::EcdsaP256(_) | PublicKey::Rsa(_) => {
                ToSign::Digest(digest(&SHA256, message).as_ref().to_vec())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm;
    use super::super::private::PrivateKey;
    use super::*;

    #[test]
    fn a_handle_leads_back_to_name_and_public_key() {
        let public = PrivateKey::generate(Algorithm::EcdsaP256).unwrap().public().clone();
        let key = NamedKey { name: "a \"name\"".to_owned(), public };
        let stored = key.clone().stored("acme/app timestamp");
        assert_eq!(NamedKey::of(&stored.handle).unwrap(), key);
        assert_eq!(
            (stored.public, stored.handle.purpose.as_str()),
            (key.public, "acme/app timestamp")
        );
    }

    #[test]
    fn a_handle_of_another_store_is_refused_with_its_purpose() {
        let handle = KeyHandle { purpose: "acme/app timestamp".into(), opaque: vec![1, 2, 3] };
        let refused = NamedKey::of(&handle).unwrap_err().to_string();
        assert!(refused.contains("acme/app timestamp"), "{refused}");
    }
}
