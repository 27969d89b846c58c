//! The signatures of the keys here on a proposal.

use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::wire::{NewSignature, NewSignatures};

use super::Judged;
use crate::args::SecondContent;
use crate::changes::files::Changed;
use crate::exit::Failure;
use crate::keyring::memory::{Content, Memory};
use crate::keyring::{KeyEntry, Keyring, KeyringError, Purpose};
use crate::output::joined;
use crate::session::Session;

/// Who signs, and what.
pub(crate) struct Signer<'a> {
    /// Asks where something has to be asked.
    pub(crate) session: &'a Session,
    /// The keys here.
    pub(crate) keyring: &'a Keyring,
    /// Those that may be used.
    pub(crate) available: &'a [KeyEntry],
    /// The roles that are signed; empty for all.
    pub(crate) roles: &'a [RoleName],
    /// What was said of a second content of one version.
    pub(crate) second_content: SecondContent,
}

impl Judged<'_> {
    /// Signs the bytes of the proposal with the keys here that may, and remembers that durably. What
    /// was signed before is answered byte for byte.
    ///
    /// # Errors
    /// No key here that may sign any of it; another content of the same version that was signed here.
    pub(crate) fn sign(
        &self,
        signer: &Signer<'_>,
        memory: &mut Memory,
    ) -> Result<Vec<NewSignatures>, Failure> {
        let mut all = Vec::new();
        let is_asked = |role| signer.roles.is_empty() || signer.roles.contains(role);
        for file in self.files.iter().filter(|file| is_asked(&file.role)) {
            let own = self.own(&file.role, signer.available);
            if own.is_empty() {
                continue;
            }
            let content = file.content();
            if let Some(other) = memory.other(content) {
                signer.session.second_content(content, other, signer.second_content)?;
            }
            let signatures = self.signatures(file, &own, signer.keyring, memory)?;
            memory.remember(content, &signatures);
            let new =
                |(keyid, sig): (KeyId, Vec<u8>)| NewSignature { keyid, sig: hex::encode(sig) };
            let signatures = signatures.into_iter().map(new).collect();
            all.push(NewSignatures { role: file.role.clone(), signatures });
        }
        if all.is_empty() {
            return Err(self.no_key(signer.roles));
        }
        memory.save()?;
        Ok(all)
    }

    /// Whether a key of these may sign one of these roles, all where none is named, and has not.
    pub(crate) fn waits_for(&self, keys: &[KeyEntry], roles: &[RoleName]) -> bool {
        let is_asked = |file: &&Changed| roles.is_empty() || roles.contains(&file.role);
        let lacks = |file: &Changed| {
            let own = self.own(&file.role, keys);
            own.iter().any(|(keyid, _)| self.given(&file.role, keyid).is_none())
        };
        self.files.iter().filter(is_asked).any(lacks)
    }

    /// Refuses signatures that do not count here.
    ///
    /// # Errors
    /// A role or a key that the proposal has nothing to do with; a signature over other bytes.
    pub(crate) fn check(&self, new: &NewSignatures) -> Result<(), Failure> {
        let refuse = |why: String| Err(Failure::Refused(why));
        let Some(file) = self.files.iter().find(|file| file.role == new.role) else {
            return refuse(format!("the proposal has no file of {}", new.role));
        };
        let (keys, listed) = (self.keys(), self.listed(&new.role));
        for NewSignature { keyid, sig } in &new.signatures {
            let key = keys.get(keyid).filter(|_| listed.contains(&keyid));
            let Some(public) = key.and_then(|key| key.public()) else {
                return refuse(format!("{keyid} is no key of {}", new.role));
            };
            let signature = hex::decode(sig).unwrap_or_default();
            if !public.verifies(&file.message, &signature) {
                return refuse(format!(
                    "the signature of {keyid} is not one over the bytes of {}; export the proposal \
                     and sign it again",
                    new.role
                ));
            }
        }
        Ok(())
    }

    fn signatures(
        &self,
        file: &Changed,
        own: &[(KeyId, &KeyEntry)],
        keyring: &Keyring,
        memory: &Memory,
    ) -> Result<Vec<(KeyId, Vec<u8>)>, Failure> {
        let mut signatures = Vec::new();
        for (keyid, key) in own {
            let verifies = |signature: &Vec<u8>| {
                key.key.public().is_some_and(|public| public.verifies(&file.message, signature))
            };
            let kept = self.given(&file.role, keyid).into_iter();
            let mut kept = kept.chain(memory.signature(file.content(), keyid));
            match kept.find(verifies) {
                Some(signature) => signatures.push((keyid.clone(), signature)),
                None => {
                    let purpose = Purpose::of(&file.role);
                    let keys = [(keyid, *key)];
                    signatures.extend(keyring.signatures(&file.message, purpose, &keys)?);
                }
            }
        }
        Ok(signatures)
    }

    /// The signature of a key that the proposal has already.
    fn given(&self, role: &RoleName, keyid: &KeyId) -> Option<Vec<u8>> {
        let batch = &self.proposed.batch;
        let of_root = batch.root().filter(|_| *role == RoleName::ROOT);
        let signatures = match of_root {
            Some(root) => root.signatures(),
            None => batch.targets(role)?.signatures(),
        };
        signatures.iter().find(|one| one.keyid == *keyid)?.bytes.clone()
    }

    /// The keys here whose signatures count for a role, under the ids that they are listed with.
    fn own<'a>(&self, role: &RoleName, available: &'a [KeyEntry]) -> Vec<(KeyId, &'a KeyEntry)> {
        let keys = self.keys();
        let mut own: Vec<(KeyId, &KeyEntry)> = Vec::new();
        for keyid in self.listed(role) {
            let public = keys.get(keyid).and_then(|key: &&Key| key.public());
            let entry = available.iter().find(|entry| entry.key.public() == public);
            let is_new = |entry: &&KeyEntry| own.iter().all(|(_, one)| one.keyid != entry.keyid);
            if let Some(entry) = entry.filter(|entry| public.is_some() && is_new(entry)) {
                own.push((keyid.clone(), entry));
            }
        }
        own
    }

    /// The keys whose signatures count for a role.
    pub(crate) fn listed(&self, role: &RoleName) -> Vec<&KeyId> {
        let of_role = self.demands.iter().filter(|demand| demand.role == *role);
        of_role
            .flat_map(|demand| demand.report.valid.iter().chain(&demand.report.missing))
            .collect()
    }

    fn no_key(&self, roles: &[RoleName]) -> Failure {
        let is_asked = |file: &&Changed| roles.is_empty() || roles.contains(&file.role);
        let Some(file) = self.files.iter().find(is_asked) else {
            let has: Vec<_> = self.files.iter().map(|file| file.role.as_str()).collect();
            return Failure::Usage(format!(
                "the proposal has no file of {}, but of {}",
                joined(roles),
                has.join(", ")
            ));
        };
        let mut wanted: Vec<KeyId> = self.listed(&file.role).into_iter().cloned().collect();
        wanted.sort();
        wanted.dedup();
        KeyringError::NoKeyFor { role: file.role.clone(), wanted }.into()
    }
}

impl Changed {
    /// What is signed.
    pub(crate) fn content(&self) -> Content<'_> {
        Content { role: &self.role, version: self.version, sha256: &self.signed_sha256 }
    }
}
