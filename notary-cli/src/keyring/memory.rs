//! What was signed here, so that one version never gets a second content unawares: two contents of one
//! version, both signed by enough keys, let whoever has them show each to somebody else.
//!
//! The first files of `init` and `delegation request` are not among them: made again, they differ in
//! their dates alone.
//!
//! Written before a signature leaves, forgotten when the server has refused what it stood on. The
//! signatures of proposals are kept, too: those of ecdsa and rsa keys differ each time, and a repeat has
//! to send the same.

use notary_schema::name::{KeyId, RoleName, Version};
use serde::{Deserialize, Serialize};

use crate::trust_dir::{CollectionDir, StateError, files};

/// The contents that were signed of one collection.
pub(crate) struct Memory {
    collection: CollectionDir,
    signed: Vec<Signed>,
}

/// A content of a role that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    role: RoleName,
    version: Version,
    /// Of the bytes that were signed.
    sha256: String,
    /// Whether it is published.
    #[serde(default)]
    published: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    signatures: Vec<KeptSignature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSignature {
    keyid: KeyId,
    sig: String,
}

/// What is signed: the version of a role, and the SHA-256 of the bytes to sign.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content<'a> {
    pub(crate) role: &'a RoleName,
    pub(crate) version: Version,
    pub(crate) sha256: &'a str,
}

impl Content<'_> {
    fn is_of(&self, signed: &Signed) -> bool {
        signed.role == *self.role && signed.version == self.version
    }

    fn is(&self, signed: &Signed) -> bool {
        self.is_of(signed) && signed.sha256 == self.sha256
    }
}

impl Memory {
    /// What was signed of a collection.
    pub(crate) fn load(collection: &CollectionDir) -> Result<Memory, StateError> {
        let signed = files::read_json(&collection.signed_path())?.unwrap_or_default();
        Ok(Memory { collection: collection.clone(), signed })
    }

    /// The content of the same version is published: whoever shows an older one lags behind.
    pub(crate) fn is_published(&self, content: Content<'_>) -> bool {
        self.signed.iter().any(|signed| content.is_of(signed) && signed.published)
    }

    /// The SHA-256 of another content that was signed for the same version.
    pub(crate) fn other(&self, content: Content<'_>) -> Option<&str> {
        let others = self.signed.iter().filter(|signed| content.is_of(signed));
        let mut others = others.filter(|signed| !content.is(signed));
        others.next().map(|signed| signed.sha256.as_str())
    }

    /// The signature of a key over this very content.
    pub(crate) fn signature(&self, content: Content<'_>, keyid: &KeyId) -> Option<Vec<u8>> {
        let signed = self.signed.iter().find(|signed| content.is(signed))?;
        let kept = signed.signatures.iter().find(|kept| kept.keyid == *keyid)?;
        hex::decode(&kept.sig).ok()
    }

    /// Remembers a content, with signatures that a repeat has to send again. What is older is
    /// forgotten: only the next version of a role can be published.
    pub(crate) fn remember(&mut self, content: Content<'_>, signatures: &[(KeyId, Vec<u8>)]) {
        let Content { role, version, sha256 } = content;
        self.signed.retain(|signed| signed.role != *role || signed.version >= version);
        let at = self.signed.iter().position(|signed| content.is(signed)).unwrap_or_else(|| {
            let (role, sha256) = (role.clone(), sha256.to_owned());
            self.signed.push(Signed {
                role,
                version,
                sha256,
                published: false,
                signatures: Vec::new(),
            });
            self.signed.len() - 1
        });
        let kept = &mut self.signed[at].signatures;
        for (keyid, sig) in signatures {
            kept.retain(|one| one.keyid != *keyid);
            kept.push(KeptSignature { keyid: keyid.clone(), sig: hex::encode(sig) });
        }
    }

    /// This content is published.
    pub(crate) fn publish(&mut self, content: Content<'_>) {
        let signed = self.signed.iter_mut().filter(|signed| content.is(signed));
        signed.for_each(|signed| signed.published = true);
    }

    /// Nothing will come of this content.
    pub(crate) fn forget(&mut self, content: Content<'_>) {
        // What was signed for a proposal is in the hands of others.
        self.signed.retain(|signed| !content.is(signed) || !signed.signatures.is_empty());
    }

    /// Stores it durably.
    pub(crate) fn save(&self) -> Result<(), StateError> {
        self.collection.store(&self.collection.signed_path(), &self.signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::role;
    use crate::trust_dir::TrustDir;

    fn memory(directory: &std::path::Path) -> Memory {
        let gun = notary_schema::name::Gun::parse("a").unwrap();
        Memory::load(&TrustDir::new(directory.to_owned()).collection(&gun)).unwrap()
    }

    #[test]
    fn a_second_content_is_noticed_and_the_same_one_is_not() {
        let (docs, team) = (role("docs"), role("team"));
        let content = |role, version, sha256| Content {
            role,
            version: Version::new(version).unwrap(),
            sha256,
        };
        let directory = tempfile::tempdir().unwrap();
        let mut signed = memory(directory.path());
        signed.remember(content(&docs, 2, "a"), &[]);
        signed.save().unwrap();
        let mut signed = memory(directory.path());
        assert_eq!(signed.other(content(&docs, 2, "a")), None);
        assert_eq!(signed.other(content(&docs, 3, "b")), None, "another version");
        assert_eq!(signed.other(content(&team, 2, "b")), None, "another role");
        assert_eq!(signed.other(content(&docs, 2, "b")), Some("a"));
        signed.forget(content(&docs, 2, "a"));
        assert_eq!(signed.other(content(&docs, 2, "b")), None, "it was refused");
    }

    #[test]
    fn signatures_are_kept_as_long_as_the_version_may_be_published() {
        let docs = role("docs");
        let content = |version, sha256| Content {
            role: &docs,
            version: Version::new(version).unwrap(),
            sha256,
        };
        let keyid: KeyId = serde_json::from_value(serde_json::json!("k")).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut signed = memory(directory.path());
        signed.remember(content(2, "a"), &[(keyid.clone(), vec![1, 2])]);
        assert_eq!(signed.signature(content(2, "a"), &keyid), Some(vec![1, 2]));
        assert_eq!(signed.signature(content(2, "b"), &keyid), None);
        signed.forget(content(2, "a"));
        assert_eq!(signed.other(content(2, "b")), Some("a"), "others have the signature");
        signed.remember(content(3, "c"), &[]);
        assert_eq!(signed.other(content(2, "b")), None);
    }
}
