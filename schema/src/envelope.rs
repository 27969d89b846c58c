//! A metadata file: the bytes that came, the signatures in them, and the parsed body, never
//! separated and never re-serialised (TUF 4.2).
//!
//! What is hashed, stored and served is [`Envelope::bytes`]. What a signature is over is the
//! canonical form of `signed`, always: where the received bytes of `signed` already are canonical
//! they are verified in place, otherwise the canonical form is computed from a value that kept every
//! unknown member.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::json::{self, JsonError, Reader};
use crate::key::sha256_hex;
use crate::name::{KeyId, Version};
use crate::role::{Expires, Role};

/// Most signatures in one file. No configuration key: what one program reads, all must.
pub const MAX_SIGNATURES: usize = 64;

/// Members and items of any file that are built when it is read: names of targets and what is said
/// of them are not among them.
const MIN_VALUES: u64 = 400_000;
/// One more for each so many bytes, so that a large file of many small files stays readable.
const BYTES_PER_VALUE: u64 = 16;

/// The same for parts of one publish, which are held at the same time.
const BYTES_PER_PART_VALUE: u64 = 48;

/// How much may be built of files: memory for what they say grows with their length, not with how
/// cleverly they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance(u64);

impl Allowance {
    /// For so many bytes of files.
    pub fn of_bytes(bytes: u64) -> Allowance {
        Allowance(MIN_VALUES + bytes / BYTES_PER_VALUE)
    }

    /// For one of several parts: what those before left, and a share for its own bytes.
    pub(crate) fn of_part(left: Option<Allowance>, bytes: u64) -> Allowance {
        let Allowance(left) = left.unwrap_or(Allowance(MIN_VALUES));
        Allowance(left.saturating_add(bytes / BYTES_PER_PART_VALUE))
    }
}

/// Why a file is not readable metadata of the wanted role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not strict JSON of the wanted shape.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member of the envelope is missing.
    #[error("the file has no {0:?}")]
    Missing(&'static str),
    /// `_type` names another role.
    #[error("the file is of type {found:?}, not {wanted:?}")]
    WrongType {
        /// The type that was wanted.
        wanted: &'static str,
        /// The type in the file.
        found: String,
    },
    /// More than [`MAX_SIGNATURES`].
    #[error("the file has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// Two signatures with one key id.
    #[error("two signatures with the key id {0}")]
    RepeatedSignature(KeyId),
}

/// One signature as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key that claims to have signed.
    pub keyid: KeyId,
    /// The signature; absent where the text was not hexadecimal (such a signature never counts).
    pub bytes: Option<Vec<u8>>,
}

/// No more are kept than show that there are too many.
struct Signatures(Vec<SignatureFields>);

impl<'de> Deserialize<'de> for Signatures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Signatures, D::Error> {
        struct UpToOneTooMany;
        impl<'de> Visitor<'de> for UpToOneTooMany {
            type Value = Signatures;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of signatures")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Signatures, A::Error> {
                let mut signatures = Vec::new();
                while let Some(signature) = items.next_element()? {
                    if signatures.len() <= MAX_SIGNATURES {
                        signatures.push(signature);
                    }
                }
                Ok(Signatures(signatures))
            }
        }
        deserializer.deserialize_seq(UpToOneTooMany)
    }
}

#[derive(Deserialize)]
struct SignatureFields {
    keyid: KeyId,
    sig: String,
}

/// A metadata file of the role `T`.
#[derive(Debug, Clone)]
pub struct Envelope<T> {
    bytes: Arc<[u8]>,
    sha256: OnceLock<String>,
    signatures: Vec<Signature>,
    /// Where `signed` stands in `bytes`.
    range: Range<usize>,
    /// The canonical form of `signed`, where it came in another.
    canonicalised: Option<Vec<u8>>,
    signed: T,
}

impl<T: Role> Envelope<T> {
    /// Reads a file. Nothing is verified yet.
    pub fn parse(bytes: impl Into<Arc<[u8]>>) -> Result<Envelope<T>, EnvelopeError> {
        let bytes = bytes.into();
        let mut allowance = Allowance::of_bytes(bytes.len() as u64);
        Envelope::parse_within(bytes, &mut allowance)
    }

    /// Reads one of several files that share an allowance.
    pub fn parse_within(
        bytes: Arc<[u8]>,
        allowance: &mut Allowance,
    ) -> Result<Envelope<T>, EnvelopeError> {
        let mut reader = Reader::new(&bytes, allowance.0)?;
        let mut signatures: Option<Signatures> = None;
        let mut signed = None;
        reader.object(&["signatures", "signed"], |reader, key| {
            match key {
                "signatures" => signatures = Some(reader.value()?),
                "signed" => signed = Some(reader.spanned::<T>()?),
                _ => drop(reader.value::<serde::de::IgnoredAny>()?),
            }
            Ok(())
        })?;
        reader.end()?;
        *allowance = Allowance(reader.budget());
        let signatures = signatures.ok_or(EnvelopeError::Missing("signatures"))?;
        let signed = signed.ok_or(EnvelopeError::Missing("signed"))?;
        if signed.value.type_name() != T::TYPE {
            let found = signed.value.type_name().chars().take(40).collect();
            return Err(EnvelopeError::WrongType { wanted: T::TYPE, found });
        }
        let range = signed.range;
        let canonicalised = match signed.canonical {
            true => None,
            false => Some(json::canonical_text(&bytes[range.clone()])?),
        };
        let (signatures, signed) = (read_signatures(signatures.0)?, signed.value);
        Ok(Envelope { sha256: OnceLock::new(), signatures, range, canonicalised, signed, bytes })
    }

    /// The version of the file.
    pub fn version(&self) -> Version {
        self.signed.version()
    }

    /// When the file expires.
    pub fn expires(&self) -> Expires {
        self.signed.expires()
    }
}

impl<T> Envelope<T> {
    /// The file, byte for byte as it came.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// SHA-256 of the file in hexadecimal; computed once.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| sha256_hex(&self.bytes))
    }

    /// The canonical form of `signed`: what signatures are over.
    pub fn message(&self) -> &[u8] {
        self.canonicalised.as_deref().unwrap_or(&self.bytes[self.range.clone()])
    }

    /// The text of `signed` as it came: a file with other signatures is built around it.
    pub fn signed_text(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    /// `signed` with every member that it came with, to build the next version from.
    pub fn document(&self) -> Value {
        json::read(&self.bytes[self.range.clone()]).expect("these bytes were read before")
    }

    /// The signatures; no key id twice.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// What is signed.
    pub fn signed(&self) -> &T {
        &self.signed
    }
}

fn read_signatures(fields: Vec<SignatureFields>) -> Result<Vec<Signature>, EnvelopeError> {
    if fields.len() > MAX_SIGNATURES {
        return Err(EnvelopeError::TooManySignatures);
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = fields.iter().find(|field| !seen.insert(&field.keyid)) {
        return Err(EnvelopeError::RepeatedSignature(twice.keyid.clone()));
    }
    let read = |field: SignatureFields| Signature {
        keyid: field.keyid,
        bytes: hex::decode(field.sig).ok(),
    };
    Ok(fields.into_iter().map(read).collect())
}

/// A document that is to be signed: its text in the file and the bytes that signatures are over.
#[derive(Debug, Clone)]
pub struct Unsigned {
    signed: Vec<u8>,
    message: Vec<u8>,
}

impl Unsigned {
    /// The document of a value, such as a serialised role.
    pub fn new(document: &Value) -> Unsigned {
        Unsigned { signed: json::compact(document), message: json::canonical(document) }
    }

    /// The document of a role.
    pub fn of<T: Role + serde::Serialize>(role: &T) -> Unsigned {
        Unsigned::new(&serde_json::to_value(role).expect("a role is JSON"))
    }

    /// The bytes to sign.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// The text of `signed` in the file.
    pub fn signed(&self) -> &[u8] {
        &self.signed
    }

    /// The complete file.
    pub fn with_signatures(&self, signatures: &[(KeyId, Vec<u8>)]) -> Vec<u8> {
        assemble(&self.signed, signatures)
    }
}

/// The complete file around a signed part that is written already.
pub fn assemble(signed: &[u8], signatures: &[(KeyId, Vec<u8>)]) -> Vec<u8> {
    let signatures: Vec<Value> = signatures
        .iter()
        .map(|(keyid, sig)| serde_json::json!({"keyid": keyid, "sig": hex::encode(sig)}))
        .collect();
    let mut file = Vec::with_capacity(signed.len() + 256);
    file.extend(b"{\"signatures\":");
    file.extend(json::compact(&Value::Array(signatures)));
    file.extend(b",\"signed\":");
    file.extend(signed);
    file.push(b'}');
    file
}
