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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    /// What was signed last for a proposal: of these roles and by these keys, or of any and by any
    /// where none is named.
    pub(crate) fn last(&self, roles: &[RoleName], keys: &[KeyId]) -> Option<Content<'_>> {
        let is_asked = |signed: &&Signed| {
            let mut by = signed.signatures.iter().map(|kept| &kept.keyid);
            let is_by = if keys.is_empty() { by.len() > 0 } else { by.any(|id| keys.contains(id)) };
            is_by && (roles.is_empty() || roles.contains(&signed.role))
        };
        let Signed { role, version, sha256, .. } = self.signed.iter().rev().find(is_asked)?;
        Some(Content { role, version: *version, sha256 })
    }

    /// Remembers a content as the last one, with signatures that a repeat has to send again. What is
    /// older is forgotten: only the next version of a role can be published.
    pub(crate) fn remember(&mut self, content: Content<'_>, signatures: &[(KeyId, Vec<u8>)]) {
        let Content { role, version, sha256 } = content;
        self.signed.retain(|signed| signed.role != *role || signed.version >= version);
        let known = self.signed.iter().position(|signed| content.is(signed));
        let mut signed = known.map(|at| self.signed.remove(at)).unwrap_or_else(|| Signed {
            role: role.clone(),
            version,
            sha256: sha256.to_owned(),
            published: false,
            signatures: Vec::new(),
        });
        let kept = &mut signed.signatures;
        for (keyid, sig) in signatures {
            kept.retain(|one| one.keyid != *keyid);
            kept.push(KeptSignature { keyid: keyid.clone(), sig: hex::encode(sig) });
        }
        self.signed.push(signed);
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
    use std::slice::from_ref;

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

    #[test]
    fn the_last_is_what_was_signed_last_for_a_proposal() {
        let (docs, team) = (role("docs"), role("team"));
        let content = |role, sha256| Content { role, version: Version::FIRST, sha256 };
        let id = |id: &str| KeyId::parse(id).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut signed = memory(directory.path());
        let last = |signed: &Memory, roles: &[RoleName], keys: &[KeyId]| {
            signed.last(roles, keys).map(|content| content.sha256.to_owned())
        };
        signed.remember(content(&docs, "published"), &[]);
        assert_eq!(last(&signed, &[], &[]), None, "no proposal");
        signed.remember(content(&docs, "a"), &[(id("k"), vec![1])]);
        signed.remember(content(&team, "b"), &[(id("l"), vec![2])]);
        for (roles, keys, wanted) in [
            (&[][..], &[][..], Some("b")),
            (from_ref(&docs), &[], Some("a")),
            (&[], &[id("k")], Some("a")),
            (from_ref(&docs), &[id("l")], None),
            (&[role("other")], &[], None),
        ] {
            assert_eq!(last(&signed, roles, keys).as_deref(), wanted, "{roles:?} {keys:?}");
        }
        signed.remember(content(&docs, "a"), &[(id("k"), vec![1])]);
        assert_eq!(last(&signed, &[], &[]).as_deref(), Some("a"), "it was signed again");
        assert_eq!(signed.signature(content(&docs, "a"), &id("k")), Some(vec![1]));
    }
}
