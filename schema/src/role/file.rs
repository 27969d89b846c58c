//! What metadata says of other files: targets, and metadata files.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Listed, given};
use crate::json::Word;
use crate::key::sha256_hex;
use crate::name::Version;

/// What is known of one target file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetFile {
    /// Its length in bytes.
    pub length: u64,
    /// Its hashes.
    pub hashes: Hashes,
    /// What the publisher says of it; opaque.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
}

const NO_HASHES: &str = "\"hashes\" is empty";

/// Hashes of a file in hexadecimal by algorithm; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Hashes(BTreeMap<String, String>);

impl Hashes {
    /// The SHA-256 of a file, given in lower-case hexadecimal.
    pub fn sha256_of(hex: String) -> Hashes {
        Hashes(BTreeMap::from([("sha256".to_owned(), hex)]))
    }

    /// The SHA-256 in hexadecimal, if listed.
    pub fn sha256(&self) -> Option<&str> {
        self.0.get("sha256").map(String::as_str)
    }

    /// The SHA-512 in hexadecimal, if listed.
    pub fn sha512(&self) -> Option<&str> {
        self.0.get("sha512").map(String::as_str)
    }

    /// Whether a file with these digests is the one: every listed hash that we know agrees, and
    /// there is one.
    pub fn agree_with(&self, sha256: &str, sha512: &str) -> bool {
        let listed = [(self.sha256(), sha256), (self.sha512(), sha512)];
        let mut known = listed.iter().filter_map(|(hash, found)| Some((hash.as_ref()?, found)));
        known.clone().next().is_some() && known.all(|(hash, found)| hash == found)
    }
}

impl TryFrom<BTreeMap<String, String>> for Hashes {
    type Error = &'static str;
    fn try_from(hashes: BTreeMap<String, String>) -> Result<Hashes, &'static str> {
        if hashes.is_empty() { Err(NO_HASHES) } else { Ok(Hashes(hashes)) }
    }
}

/// What a snapshot or timestamp says of another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Its version.
    pub version: Version,
    /// Its length in bytes, if listed.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Its hashes, if listed.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub hashes: Option<Hashes>,
}

impl FileMeta {
    /// The entry that we write for a file: version, length and SHA-256.
    pub fn of(version: Version, file: &[u8]) -> FileMeta {
        FileMeta {
            version,
            length: Some(file.len() as u64),
            hashes: Some(Hashes::sha256_of(sha256_hex(file))),
        }
    }

    /// Whether these bytes have the listed length and hashes. The version is in the bytes and is
    /// compared after they are read.
    pub fn describes(&self, file: &[u8]) -> bool {
        let length_agrees = self.length.is_none_or(|length| length == file.len() as u64);
        let hashes_agree = self.hashes.as_ref().is_none_or(|hashes| {
            let sha512 = match hashes.sha512() {
                Some(_) => hex::encode(ring::digest::digest(&ring::digest::SHA512, file)),
                None => String::new(),
            };
            hashes.agree_with(&sha256_hex(file), &sha512)
        });
        length_agrees && hashes_agree
    }
}

impl FileMeta {
    /// Whether this is the one file that is listed: of an entry without hashes there is none.
    pub fn binds(&self, version: Version, file: &[u8]) -> bool {
        self.hashes.is_some() && self.version == version && self.describes(file)
    }
}

impl Listed for TargetFile {
    fn check<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "length")]
            _length: u64,
            #[serde(rename = "hashes")]
            _hashes: HashesCheck,
            #[serde(rename = "custom", default)]
            _custom: Option<IgnoredAny>,
        }
        Fields::deserialize(deserializer).map(drop)
    }
}

impl Listed for FileMeta {
    fn check<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        #[derive(Deserialize)]
        struct Fields {
            #[serde(rename = "version")]
            _version: Version,
            #[serde(rename = "length", default, deserialize_with = "given")]
            _length: Option<u64>,
            #[serde(rename = "hashes", default, deserialize_with = "given")]
            _hashes: Option<HashesCheck>,
        }
        Fields::deserialize(deserializer).map(drop)
    }
}

/// Is read from what [`Hashes`] are read from, and keeps none.
struct HashesCheck;

impl<'de> Deserialize<'de> for HashesCheck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HashesCheck, D::Error> {
        struct OfMembers;
        impl<'de> Visitor<'de> for OfMembers {
            type Value = HashesCheck;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<HashesCheck, A::Error> {
                let mut is_empty = true;
                while members.next_entry::<Word<'de>, Word<'de>>()?.is_some() {
                    is_empty = false;
                }
                if is_empty { Err(A::Error::custom(NO_HASHES)) } else { Ok(HashesCheck) }
            }
        }
        deserializer.deserialize_map(OfMembers)
    }
}
