//! Public keys, key ids, and one signature over one message (TUF 4.2, 4.4).
//!
//! A key object may hold a type or scheme that we do not know, or a value that we cannot read: it is
//! kept as it came, so that key ids and canonical bytes stay right, and it never verifies anything.
//! Two key objects with the same public key are one key, however they spell it; [`PublicKey`] is
//! that common ground, and [`crate::threshold`] counts it.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use spki::der::asn1::{BitStringRef, UintRef};
use spki::der::{Any, Decode, Encode, Reader, SliceReader};
use spki::{AlgorithmIdentifier, ObjectIdentifier, SubjectPublicKeyInfo};

use crate::json::{self, Text};
use crate::name::KeyId;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What a key object holds (TUF 4.2); other members are kept.
const MEMBERS: [&str; 3] = ["keytype", "keyval", "scheme"];
/// What its `keyval` holds; other members are kept.
const VALUE_MEMBERS: [&str; 1] = ["public"];
/// Length of an uncompressed point on P-256, in bytes.
const P256_POINT_BYTES: usize = 65;
/// Length of an uncompressed point on P-384, in bytes.
const P384_POINT_BYTES: usize = 97;
/// Length of the shortest RSA modulus, in bytes.
const RSA_LEAST_BYTES: usize = 2048 / 8;
/// Length of the longest RSA modulus, in bytes.
const RSA_MOST_BYTES: usize = 8192 / 8;
/// Longest key object, in bytes; an RSA key of 8192 bits takes 2,000.
const MAX_KEY_BYTES: usize = 16 << 10;

/// A public key that we can verify with, whatever its spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PublicKey {
    /// The 32 bytes of an Ed25519 key; scheme `ed25519`.
    Ed25519([u8; 32]),
    /// An uncompressed point on P-256; scheme `ecdsa-sha2-nistp256`.
    EcdsaP256(Vec<u8>),
    /// An uncompressed point on P-384; scheme `ecdsa-sha2-nistp384`.
    EcdsaP384(Vec<u8>),
    /// A PKCS#1 `RSAPublicKey` of 2048 to 8192 bits; scheme `rsassa-pss-sha256`.
    Rsa(Vec<u8>),
}

/// Why bytes are no public key of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a public key: {0}")]
pub struct KeyError(&'static str);

impl PublicKey {
    /// Reads a DER `SubjectPublicKeyInfo` of a kind that we know.
    pub fn from_spki(der: &[u8]) -> Result<PublicKey, KeyError> {
        let info = SubjectPublicKeyInfo::<Any, BitStringRef<'_>>::from_der(der)
            .map_err(|_| KeyError("not a SubjectPublicKeyInfo"))?;
        let bits = info.subject_public_key.as_bytes().ok_or(KeyError("odd number of bits"))?;
        let curve = || info.algorithm.parameters.as_ref().and_then(|any| any.decode_as().ok());
        match info.algorithm.oid {
            ED25519_KEY => {
                bits.try_into().map(PublicKey::Ed25519).map_err(|_| KeyError("not 32 bytes"))
            }
            RSA_ENCRYPTION => PublicKey::from_pkcs1(bits),
            EC_PUBLIC_KEY if curve() == Some(P256) => PublicKey::from_point(bits),
            EC_PUBLIC_KEY if curve() == Some(P384) => PublicKey::from_point(bits),
            EC_PUBLIC_KEY => Err(KeyError("a curve other than P-256 and P-384")),
            _ => Err(KeyError("an algorithm other than Ed25519, ECDSA and RSA")),
        }
    }

    /// Reads a PEM block "PUBLIC KEY", however its lines are broken.
    pub fn from_pem(pem: &str) -> Result<PublicKey, KeyError> {
        const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
        const END: &str = "-----END PUBLIC KEY-----";
        let (_, rest) = pem.split_once(BEGIN).ok_or(KeyError("no PEM block PUBLIC KEY"))?;
        let (body, _) = rest.split_once(END).ok_or(KeyError("a PEM block without its end"))?;
        let body: String = body.split_ascii_whitespace().collect();
        let der = BASE64_STANDARD.decode(body).map_err(|_| KeyError("not base64"))?;
        PublicKey::from_spki(&der)
    }

    /// An uncompressed point; its length tells the curve.
    fn from_point(point: &[u8]) -> Result<PublicKey, KeyError> {
        match (point.first(), point.len()) {
            (Some(4), P256_POINT_BYTES) => Ok(PublicKey::EcdsaP256(point.to_vec())),
            (Some(4), P384_POINT_BYTES) => Ok(PublicKey::EcdsaP384(point.to_vec())),
            _ => Err(KeyError("not an uncompressed point on P-256 or P-384")),
        }
    }

    /// A key of a length that verifies: a role that waited for another one would wait for ever.
    fn from_pkcs1(der: &[u8]) -> Result<PublicKey, KeyError> {
        let modulus_bytes = SliceReader::new(der).and_then(|mut reader| {
            reader.sequence(|reader| {
                let modulus = UintRef::decode(reader)?;
                UintRef::decode(reader)?;
                Ok(modulus.as_bytes().len())
            })
        });
        match modulus_bytes.map_err(|_| KeyError("not an RSAPublicKey"))? {
            RSA_LEAST_BYTES..=RSA_MOST_BYTES => Ok(PublicKey::Rsa(der.to_vec())),
            _ => Err(KeyError("an RSA key that has not 2048 to 8192 bits")),
        }
    }

    /// The DER `SubjectPublicKeyInfo` of this key.
    pub fn to_spki(&self) -> Vec<u8> {
        let (oid, parameters, bits) = match self {
            PublicKey::Ed25519(bytes) => (ED25519_KEY, None, &bytes[..]),
            PublicKey::EcdsaP256(point) => (EC_PUBLIC_KEY, Some(Any::from(P256)), &point[..]),
            PublicKey::EcdsaP384(point) => (EC_PUBLIC_KEY, Some(Any::from(P384)), &point[..]),
            PublicKey::Rsa(der) => (RSA_ENCRYPTION, Some(Any::null()), &der[..]),
        };
        let info = SubjectPublicKeyInfo {
            algorithm: AlgorithmIdentifier { oid, parameters },
            subject_public_key: BitStringRef::from_bytes(bits).expect("a key is short"),
        };
        info.to_der().expect("a public key encodes")
    }

    /// The PEM form of [`PublicKey::to_spki`], with lines of 64 characters.
    pub fn to_pem(&self) -> String {
        let body = BASE64_STANDARD.encode(self.to_spki());
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// The key type and the scheme under which this key stands in metadata.
    pub fn names(&self) -> (&'static str, &'static str) {
        match self {
            PublicKey::Ed25519(_) => ("ed25519", "ed25519"),
            PublicKey::EcdsaP256(_) => ("ecdsa", "ecdsa-sha2-nistp256"),
            PublicKey::EcdsaP384(_) => ("ecdsa", "ecdsa-sha2-nistp384"),
            PublicKey::Rsa(_) => ("rsa", "rsassa-pss-sha256"),
        }
    }

    /// Whether `signature` is this key's over `message`. ECDSA signatures are DER, RSA is PSS with
    /// a salt as long as the digest.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, bytes): (&dyn VerificationAlgorithm, &[u8]) = match self {
            PublicKey::Ed25519(bytes) => (&ED25519, bytes),
            PublicKey::EcdsaP256(point) => (&ECDSA_P256_SHA256_ASN1, point),
            PublicKey::EcdsaP384(point) => (&ECDSA_P384_SHA384_ASN1, point),
            PublicKey::Rsa(der) => (&RSA_PSS_2048_8192_SHA256, der),
        };
        UnparsedPublicKey::new(algorithm, bytes).verify(message, signature).is_ok()
    }
}

/// A key object as it stands in `keys`: kept as it came, and the public key in it if we know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The object as compact JSON: built, it takes ten times of that.
    object: Box<str>,
    id: KeyId,
    public: Option<PublicKey>,
}

impl Key {
    /// The key object under which we list `public`.
    pub fn new(public: PublicKey) -> Key {
        let (keytype, scheme) = public.names();
        let value = match &public {
            PublicKey::Ed25519(bytes) => hex::encode(bytes),
            _ => public.to_pem(),
        };
        Key::from_object(json!({
            "keytype": keytype, "keyval": { "public": value }, "scheme": scheme,
        }))
    }

    /// A key object of any repository.
    pub fn from_object(object: Value) -> Key {
        let id = KeyId::parse(&sha256_hex(&json::canonical(&object))).expect("64 digits");
        let public = read_public(&object);
        let object = String::from_utf8(json::compact(&object)).expect("JSON is UTF-8").into();
        Key { object, id, public }
    }

    /// SHA-256 of the canonical key object, which is the id under which a key must be listed when
    /// it is published.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The key, unless its type, scheme or value is unknown to us.
    pub fn public(&self) -> Option<&PublicKey> {
        self.public.as_ref()
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object: Value = serde_json::from_str(&self.object).expect("it was built before");
        object.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Key {
    /// Only an object with the three members of the specification is a key.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        use serde::de::{Error, IgnoredAny};
        let Text { text, .. } = Text::<IgnoredAny>::deserialize(deserializer)?;
        if text.len() > MAX_KEY_BYTES {
            return Err(D::Error::custom(format!("a key of more than {MAX_KEY_BYTES} bytes")));
        }
        let object: Value = json::read(text.as_bytes()).map_err(D::Error::custom)?;
        for (object, known) in [(&object, &MEMBERS[..]), (&object["keyval"], &VALUE_MEMBERS)] {
            for name in object.as_object().into_iter().flat_map(|members| members.keys()) {
                json::refuse_look_alike(name, known).map_err(D::Error::custom)?;
            }
        }
        for member in ["keytype", "scheme"] {
            if !object[member].is_string() {
                return Err(D::Error::custom(format!("a key without a text {member:?}")));
            }
        }
        if !object["keyval"].is_object() {
            return Err(D::Error::custom("a key without an object \"keyval\""));
        }
        Ok(Key::from_object(object))
    }
}

/// What we can verify with: the curve of the value must be the one that the scheme names.
fn read_public(object: &Value) -> Option<PublicKey> {
    let value = object["keyval"]["public"].as_str()?;
    let keytype = object["keytype"].as_str()?;
    let scheme = object["scheme"].as_str()?;
    let public = match keytype {
        "ed25519" => PublicKey::Ed25519(hex::decode(value).ok()?.try_into().ok()?),
        "rsa" => PublicKey::from_pem(value).ok()?,
        // The specification's name up to 1.0.31 was that of the scheme.
        "ecdsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" => match hex::decode(value) {
            Ok(point) => PublicKey::from_point(&point).ok()?,
            Err(_) => PublicKey::from_pem(value).ok()?,
        },
        _ => return None,
    };
    (public.names().1 == scheme).then_some(public)
}

/// SHA-256 in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest(&SHA256, bytes))
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    };
    use spki::der::Tag;

    use super::*;

    fn ed25519() -> (Ed25519KeyPair, PublicKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let public = PublicKey::Ed25519(pair.public_key().as_ref().try_into().unwrap());
        (pair, public)
    }

    fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> (EcdsaKeyPair, PublicKey) {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let public = PublicKey::from_point(pair.public_key().as_ref()).unwrap();
        (pair, public)
    }

    #[test]
    fn a_signature_counts_for_its_message_and_its_key_only() {
        let (pair, public) = ed25519();
        let signature = pair.sign(b"message");
        assert!(public.verifies(b"message", signature.as_ref()));
        assert!(!public.verifies(b"messagf", signature.as_ref()));
        assert!(!PublicKey::Ed25519([1; 32]).verifies(b"message", signature.as_ref()));
        assert!(!public.verifies(b"message", b""));
    }

    #[test]
    fn every_kind_of_key_reads_back_from_its_object_and_its_pem() {
        let (_, ed) = ed25519();
        let (pair256, p256) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING);
        let (pair384, p384) = ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING);
        for public in [&ed, &p256, &p384] {
            assert_eq!(Key::new(public.clone()).public(), Some(public));
            assert_eq!(PublicKey::from_pem(&public.to_pem()).as_ref(), Ok(public));
        }
        let random = SystemRandom::new();
        assert!(p256.verifies(b"m", pair256.sign(&random, b"m").unwrap().as_ref()));
        assert!(p384.verifies(b"m", pair384.sign(&random, b"m").unwrap().as_ref()));
        assert!(!p256.verifies(b"n", pair256.sign(&random, b"m").unwrap().as_ref()));
    }

    #[test]
    fn an_rsa_key_has_a_length_that_verifies() {
        let of = |modulus_bytes: usize| {
            let modulus = [&[0xc1], &vec![7; modulus_bytes - 1][..]].concat();
            let body = [
                UintRef::new(&modulus).unwrap().to_der().unwrap(),
                UintRef::new(&[1, 0, 1]).unwrap().to_der().unwrap(),
            ];
            let body = Any::new(Tag::Sequence, body.concat()).unwrap();
            let key = PublicKey::Rsa(body.to_der().unwrap());
            PublicKey::from_spki(&key.to_spki()).map(|_| ())
        };
        assert!(of(256).is_ok() && of(1024).is_ok());
        for bytes in [255, 1025] {
            let refused = of(bytes).unwrap_err().to_string();
            assert!(refused.contains("2048 to 8192 bits"), "{bytes}: {refused}");
        }
        let garbage = PublicKey::Rsa(b"garbage".to_vec());
        assert!(PublicKey::from_spki(&garbage.to_spki()).is_err());
    }

    #[test]
    fn an_ecdsa_key_is_one_key_in_all_its_spellings() {
        let (_, public) = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING);
        let PublicKey::EcdsaP256(point) = &public else { panic!("another curve") };
        let spelled = |keytype: &str, value: &str| {
            Key::from_object(json!({
                "keytype": keytype, "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": value },
            }))
        };
        let pem = public.to_pem();
        let folded = pem.replace('\n', "\r\n");
        for key in [
            spelled("ecdsa", &pem),
            spelled("ecdsa-sha2-nistp256", &pem),
            spelled("ecdsa", &folded),
            spelled("ecdsa", &hex::encode(point)),
        ] {
            assert_eq!(key.public(), Some(&public));
        }
        assert_ne!(spelled("ecdsa", &pem).id(), spelled("ecdsa", &folded).id());
    }

    #[test]
    fn unknown_keys_are_kept_and_verify_nothing() {
        let pem = ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING).1.to_pem();
        for (keytype, scheme, public) in [
            ("sphincs", "sphincs", "00"),
            ("ed25519", "ed25519", "not hex"),
            ("ed25519", "ed448", "00"),
            ("ecdsa", "ecdsa-sha2-nistp384", pem.as_str()),
            ("rsa", "rsassa-pss-sha256", pem.as_str()),
        ] {
            let object =
                json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}, "x": 1});
            let key: Key = json::read(object.to_string().as_bytes()).unwrap();
            assert_eq!(key.public(), None, "{keytype} {scheme}");
            assert_eq!(serde_json::to_value(&key).unwrap(), object);
        }
        for broken in [
            r#"{}"#,
            r#"[]"#,
            r#"{"keytype":"a","Scheme":"b","scheme":"b","keyval":{}}"#,
            r#"{"keytype":"a","scheme":1,"keyval":{}}"#,
            r#"{"keytype":"a","scheme":"b","keyval":{"public":"c","Public":"d"}}"#,
        ] {
            assert!(json::read::<Key>(broken.as_bytes()).is_err(), "{broken} was accepted");
        }
    }
}
