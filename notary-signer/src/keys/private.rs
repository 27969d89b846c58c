//! A private key in the memory of this process.
//!
//! Its serial form is PKCS#8 version 1, which OpenSSL, Java and ring all read; ring's own form of
//! Ed25519 keys is version 2, which most of the others refuse. ring signs and verifies; the crate
//! `rsa` only finds the primes, which ring does not offer.

use std::fmt;

use notary_schema::key::{Key, PublicKey};
use notary_schema::name::KeyId;
use pkcs8::der::{Decode, asn1::OctetStringRef};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PSS_SHA256, RsaKeyPair,
};
use rsa::pkcs8::EncodePrivateKey;
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, verified_signature};

const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

const ED25519_SEED_BYTES: usize = 32;
/// Everything of a PKCS#8 version 1 Ed25519 key before its seed.
const ED25519_PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
const RSA_BITS: usize = 3072;

/// A private key, and the public key that belongs to it. Its bytes are wiped when it is dropped,
/// as far as they are ours; no `Debug` shows them.
pub struct PrivateKey {
    pair: Pair,
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl PrivateKey {
    /// Makes a key. RSA takes seconds of computing.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the system gives no random bytes.
    pub fn generate(algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        let random = SystemRandom::new();
        let failed = |_| KeyError::Crypto("making a key");
        let pkcs8 = match algorithm {
            Algorithm::Ed25519 => {
                let mut seed = Zeroizing::new([0; ED25519_SEED_BYTES]);
                random.fill(&mut *seed).map_err(failed)?;
                ed25519_pkcs8(&*seed)
            }
            Algorithm::EcdsaP256 => {
                let curve = &ECDSA_P256_SHA256_ASN1_SIGNING;
                let pkcs8 = EcdsaKeyPair::generate_pkcs8(curve, &random).map_err(failed)?;
                Zeroizing::new(pkcs8.as_ref().to_vec())
            }
            Algorithm::Rsa3072 => {
                let key = rsa::RsaPrivateKey::new(&mut rand_core::OsRng, RSA_BITS);
                let key = key.map_err(|_| KeyError::Crypto("making an RSA key"))?;
                let der = key.to_pkcs8_der();
                der.map_err(|_| KeyError::Crypto("encoding an RSA key"))?.to_bytes()
            }
        };
        PrivateKey::from_pkcs8(&pkcs8, "the new key")
    }

    /// Reads PKCS#8, version 1 or 2: Ed25519, ECDSA on P-256 or P-384, RSA of 2048 to 4096 bits.
    /// `input` names it in errors.
    ///
    /// # Errors
    /// [`KeyError::NotAPrivateKey`].
    pub fn from_pkcs8(der: &[u8], input: &str) -> Result<PrivateKey, KeyError> {
        let refuse = |problem: &str| KeyError::NotAPrivateKey {
            input: input.to_owned(),
            problem: problem.to_owned(),
        };
        let info = PrivateKeyInfoRef::from_der(der).map_err(|_| refuse("it is not PKCS#8"))?;
        let curve = || info.algorithm.parameters_oid().ok();
        match info.algorithm.oid {
            ED25519 => {
                let seed = <&OctetStringRef>::from_der(info.private_key.as_bytes())
                    .map_err(|_| refuse("its Ed25519 seed is not an octet string"))?;
                let pkcs8 = ed25519_pkcs8(seed.as_bytes());
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8)
                    .map_err(|error| refuse(&error.to_string()))?;
                // A version 2 document names its public key; one that is not its own is refused.
                let bytes = pair.public_key().as_ref();
                if info.public_key.is_some_and(|named| named.raw_bytes() != bytes) {
                    return Err(refuse("the public key in it is not its own"));
                }
                let public = bytes.try_into().expect("an Ed25519 public key has 32 bytes");
                Ok(PrivateKey {
                    public: PublicKey::Ed25519(public),
                    pair: Pair::Ed25519(pair),
                    pkcs8,
                })
            }
            EC if curve() == Some(P256) => {
                ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, PublicKey::EcdsaP256, der, refuse)
            }
            EC if curve() == Some(P384) => {
                ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING, PublicKey::EcdsaP384, der, refuse)
            }
            EC => Err(refuse("its curve is neither P-256 nor P-384")),
            RSA => {
                let pair =
                    RsaKeyPair::from_pkcs8(der).map_err(|error| refuse(&error.to_string()))?;
                let public = PublicKey::Rsa(pair.public_key().as_ref().to_vec());
                let pkcs8 = Zeroizing::new(der.to_vec());
                Ok(PrivateKey { pair: Pair::Rsa(pair), public, pkcs8 })
            }
            _ => Err(refuse("its algorithm is not Ed25519, ECDSA or RSA")),
        }
    }

    /// The key as PKCS#8 version 1, in the clear.
    pub fn pkcs8(&self) -> &Zeroizing<Vec<u8>> {
        &self.pkcs8
    }

    /// The public key.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The id under which metadata lists the key.
    pub fn id(&self) -> KeyId {
        Key::new(self.public.clone()).id().clone()
    }

    /// Signs a message and verifies the signature.
    ///
    /// # Errors
    /// [`KeyError::Crypto`], [`KeyError::SignatureDoesNotVerify`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        verified_signature(&self.public, message, self.signature(message)?)
    }

    /// A signature that nobody has verified yet.
    pub(super) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        let failed = |_| KeyError::Crypto("signing");
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Ecdsa(pair) => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PSS_SHA256, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("id", &self.id()).finish_non_exhaustive()
    }
}

fn ed25519_pkcs8(seed: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([&ED25519_PKCS8_HEAD, seed].concat())
}

fn ecdsa(
    curve: &'static EcdsaSigningAlgorithm,
    public: fn(Vec<u8>) -> PublicKey,
    der: &[u8],
    refuse: impl Fn(&str) -> KeyError,
) -> Result<PrivateKey, KeyError> {
    let pair = EcdsaKeyPair::from_pkcs8(curve, der, &SystemRandom::new())
        .map_err(|error| refuse(&error.to_string()))?;
    let public = public(pair.public_key().as_ref().to_vec());
    Ok(PrivateKey { pair: Pair::Ecdsa(pair), public, pkcs8: Zeroizing::new(der.to_vec()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_and_reads_back_from_pkcs8() {
        for algorithm in Algorithm::ALL {
            let key = PrivateKey::generate(algorithm).unwrap();
            let signature = key.sign(b"message").unwrap();
            assert!(key.public().verifies(b"message", &signature), "{algorithm}");
            assert!(!key.public().verifies(b"massage", &signature), "{algorithm}");
            let again = PrivateKey::from_pkcs8(key.pkcs8(), "the key").unwrap();
            assert_eq!(again.id(), key.id());
            assert!(key.public().verifies(b"more", &again.sign(b"more").unwrap()));
        }
    }

    #[test]
    fn an_rsa_key_has_3072_bits() {
        let key = PrivateKey::generate(Algorithm::Rsa3072).unwrap();
        assert_eq!(key.sign(b"m").unwrap().len(), RSA_BITS / 8);
    }

    #[test]
    fn a_version_2_document_is_read_and_written_as_version_1() {
        let v2 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let key = PrivateKey::from_pkcs8(v2.as_ref(), "v2").unwrap();
        let written = PrivateKeyInfoRef::from_der(key.pkcs8()).unwrap();
        assert_eq!(written.version(), pkcs8::Version::V1);
        let pair = Ed25519KeyPair::from_pkcs8(v2.as_ref()).unwrap();
        assert_eq!(
            key.public(),
            &PublicKey::Ed25519(pair.public_key().as_ref().try_into().unwrap())
        );
    }

    #[test]
    fn a_document_with_the_public_key_of_another_is_refused() {
        let v2 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let mut foreign = v2.as_ref().to_vec();
        let last = foreign.len() - 1;
        foreign[last] ^= 1;
        assert!(PrivateKey::from_pkcs8(&foreign, "foreign").is_err());
        assert!(PrivateKey::from_pkcs8(v2.as_ref(), "own").is_ok());
    }

    #[test]
    fn junk_is_refused_with_its_name() {
        let whole = PrivateKey::generate(Algorithm::Ed25519).unwrap().pkcs8().to_vec();
        for der in [&[][..], b"junk", &whole[..whole.len() - 1], &[&whole[..], &[0]].concat()] {
            let refused = PrivateKey::from_pkcs8(der, "this input").unwrap_err().to_string();
            assert!(refused.contains("this input"), "{refused}");
        }
    }

    #[test]
    fn no_debug_output_shows_the_key() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let shown = format!("{key:?}");
        assert!(shown.contains(key.id().as_str()));
        assert!(!shown.contains(&hex::encode(&key.pkcs8()[16..])));
    }
}
