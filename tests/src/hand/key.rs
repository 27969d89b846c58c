//! A key that tests sign with.

use std::sync::Arc;

use notary_schema::key::{Key, PublicKey};
use notary_signer::keys::Algorithm;
use notary_signer::keys::private::PrivateKey;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use serde_json::Value;

/// A key pair and the object under which metadata lists its public half.
#[derive(Clone)]
pub struct HandKey {
    pair: Arc<Pair>,
    object: Value,
    id: String,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    /// ring makes no RSA keys; the key library does.
    Rsa(PrivateKey),
}

impl HandKey {
    /// The Ed25519 key of a seed: the same seed is the same key.
    pub fn ed25519(seed: u8) -> HandKey {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes are a seed");
        let public = pair.public_key().as_ref().try_into().expect("a public key has 32 bytes");
        HandKey::new(Pair::Ed25519(pair), PublicKey::Ed25519(public))
    }

    /// The key that a role has at first in [`super::Repository::sample`]; one for all delegated roles.
    pub fn of(role: &str) -> HandKey {
        let top_level = ["root", "targets", "snapshot", "timestamp"];
        let place = top_level.iter().position(|name| *name == role).unwrap_or(top_level.len());
        HandKey::ed25519(u8::try_from(place).expect("five places"))
    }

    /// A new key on P-256.
    pub fn p256() -> HandKey {
        let (pair, point) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING);
        HandKey::new(Pair::Ecdsa(pair), PublicKey::EcdsaP256(point))
    }

    /// A new key on P-384.
    pub fn p384() -> HandKey {
        let (pair, point) = ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING);
        HandKey::new(Pair::Ecdsa(pair), PublicKey::EcdsaP384(point))
    }

    /// A new RSA key.
    pub fn rsa() -> HandKey {
        let key = PrivateKey::generate(Algorithm::Rsa3072).expect("the system has randomness");
        let public = key.public().clone();
        HandKey::new(Pair::Rsa(key), public)
    }

    fn new(pair: Pair, public: PublicKey) -> HandKey {
        let key = Key::new(public);
        let object = serde_json::to_value(&key).expect("a key is JSON");
        HandKey { pair: Arc::new(pair), object, id: key.id().to_string() }
    }

    /// The same key as another object, with the id of that object.
    pub fn listed_as(&self, object: Value) -> HandKey {
        let id = Key::from_object(object.clone()).id().to_string();
        HandKey { pair: self.pair.clone(), object, id }
    }

    /// The same key and object under an id that is not that of the object.
    pub fn under_id(&self, id: &str) -> HandKey {
        HandKey { id: id.to_owned(), ..self.clone() }
    }

    /// The id under which it is listed.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key object.
    pub fn object(&self) -> &Value {
        &self.object
    }

    /// The bytes of the public half: an Ed25519 key, an uncompressed point, or RSA as PKCS#1.
    pub fn public_bytes(&self) -> &[u8] {
        match &*self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::Ecdsa(pair) => pair.public_key().as_ref(),
            Pair::Rsa(key) => match key.public() {
                PublicKey::Rsa(bytes) => bytes,
                _ => unreachable!("the key library made an RSA key"),
            },
        }
    }

    /// A signature over these bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &*self.pair {
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message);
                signature.expect("the system has randomness").as_ref().to_vec()
            }
            Pair::Rsa(key) => key.sign(message).expect("the system has randomness"),
        }
    }
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (EcdsaKeyPair, Vec<u8>) {
    let random = SystemRandom::new();
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("the system has randomness");
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random);
    let pair = pair.expect("ring reads what it wrote");
    let point = pair.public_key().as_ref().to_vec();
    (pair, point)
}
