//! Signed files that were or will be sent and whose outcome is not known: they are stored before the
//! first byte leaves and removed when the server has judged them. As long as they are there, the next
//! publish sends them first, so that one version never gets two contents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, KeyId, RoleName, Version};
use notary_schema::role::{Role, Root, Targets};
use notary_schema::updater::{local_name, remote_name};
use notary_schema::wire::{NewSignature, NewSignatures};
use serde::{Deserialize, Serialize};

use crate::exit::Failure;
use crate::remote::{Exempt, Reservation};
use crate::staged::Base;
use crate::trust_dir::{CollectionDir, StateError, files};

/// One publish.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InFlight {
    files: Vec<SignedFile>,
    /// What the publish leaves so on purpose.
    #[serde(default)]
    pub(crate) exempt: Exempt,
    /// What the changed targets were before, by role.
    #[serde(default)]
    pub(crate) base: BTreeMap<RoleName, Base>,
    /// The roles whose files were signed here.
    #[serde(default)]
    pub(crate) ours: BTreeSet<RoleName>,
    /// How the name of the collection is reserved that it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reservation: Option<Reservation>,
    /// Why others should sign it: it is proposed, not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedFile {
    role: RoleName,
    /// Byte for byte: metadata is UTF-8.
    file: String,
}

impl InFlight {
    /// These signed files.
    pub(crate) fn new(
        files: &[(RoleName, Arc<[u8]>)],
        exempt: Exempt,
        base: BTreeMap<RoleName, Base>,
    ) -> InFlight {
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).expect("JSON is UTF-8").to_owned();
        let signed = |(role, file): &(RoleName, Arc<[u8]>)| SignedFile {
            role: role.clone(),
            file: text(file),
        };
        InFlight { files: files.iter().map(signed).collect(), exempt, base, ..InFlight::default() }
    }

    /// The same, with these files signed here; where there is a reason, it is proposed, not published.
    pub(crate) fn because(self, ours: BTreeSet<RoleName>, reason: Option<String>) -> InFlight {
        InFlight { ours, reason, ..self }
    }

    /// What of it was signed here: role, version, and the SHA-256 of the bytes to sign.
    pub(crate) fn signed(&self) -> Vec<(RoleName, Version, String)> {
        let mut contents = self.contents();
        contents.retain(|(role, ..)| self.ours.contains(role));
        contents
    }

    /// Role, version, and the SHA-256 of the bytes to sign of each file.
    pub(crate) fn contents(&self) -> Vec<(RoleName, Version, String)> {
        let content = |(role, bytes): (RoleName, Arc<[u8]>)| {
            let (version, sha256) = match role == RoleName::ROOT {
                true => content::<Root>(bytes)?,
                false => content::<Targets>(bytes)?,
            };
            Some((role, version, sha256))
        };
        self.files().into_iter().filter_map(content).collect()
    }

    /// The signed files.
    pub(crate) fn files(&self) -> Vec<(RoleName, Arc<[u8]>)> {
        let bytes = |signed: &SignedFile| (signed.role.clone(), signed.file.as_bytes().into());
        self.files.iter().map(bytes).collect()
    }

    /// The same, with these signatures beside those that a file has. The first of a key stays.
    pub(crate) fn signed_by_others(mut self, new: &NewSignatures) -> Result<InFlight, Failure> {
        for file in self.files.iter_mut().filter(|file| file.role == new.role) {
            let bytes = file.file.as_bytes().into();
            file.file = match new.role == RoleName::ROOT {
                true => with_signatures::<Root>(bytes, new)?,
                false => with_signatures::<Targets>(bytes, new)?,
            };
        }
        Ok(self)
    }

    /// Its root, if it has one.
    pub(crate) fn root(&self) -> Option<Envelope<Root>> {
        let files = self.files();
        let (_, root) = files.iter().find(|(role, _)| *role == RoleName::ROOT)?;
        Envelope::parse(root.clone()).ok()
    }

    /// The same, for a collection that it makes.
    pub(crate) fn creating(self, reservation: &Reservation) -> InFlight {
        InFlight { reservation: Some(reservation.clone()), ..self }
    }

    /// Whether it is the first publish of a collection, which is sent in another way.
    pub(crate) fn creates(&self) -> bool {
        self.root().is_some_and(|root| root.version() == Version::FIRST)
    }

    /// What is to be done with it.
    pub(crate) fn next(&self, gun: &Gun) -> String {
        match self.creates() {
            true => format!("{gun} is not created yet; repeat `notary init {gun}`"),
            false => {
                format!("a publish is in flight; the next `notary publish {gun}` sends it first")
            }
        }
    }

    /// What is in flight, if anything is.
    pub(crate) fn load(collection: &CollectionDir) -> Result<Option<InFlight>, StateError> {
        files::read_json(&collection.in_flight_path())
    }

    /// Stores it durably.
    pub(crate) fn save(&self, collection: &CollectionDir) -> Result<(), StateError> {
        collection.store(&collection.in_flight_path(), self)
    }

    /// The server has taken it: the files are kept for a server that loses them.
    pub(crate) fn keep(&self, collection: &CollectionDir) -> Result<(), StateError> {
        for (role, file) in self.files() {
            let version = match role == RoleName::ROOT {
                true => self.root().map(|root| root.version()),
                false => None,
            };
            let name = match version {
                Some(version) => remote_name(&role, Some(version)),
                None => local_name(&role),
            };
            collection.keep_published(&name, &file)?;
        }
        Ok(())
    }

    /// Removes what is in flight: the server has judged it, or it will not be sent.
    pub(crate) fn remove(collection: &CollectionDir) -> Result<(), StateError> {
        collection.remove(&collection.in_flight_path())
    }
}

fn content<T: Role>(file: Arc<[u8]>) -> Option<(Version, String)> {
    let file = Envelope::<T>::parse(file).ok()?;
    Some((file.version(), sha256_hex(file.message())))
}

fn with_signatures<T: Role>(file: Arc<[u8]>, new: &NewSignatures) -> Result<String, Failure> {
    let file = Envelope::<T>::parse(file).expect("it was read before it was signed");
    let present = file.signatures().iter();
    let mut all: Vec<(KeyId, Vec<u8>)> =
        present.filter_map(|one| Some((one.keyid.clone(), one.bytes.clone()?))).collect();
    for NewSignature { keyid, sig } in &new.signatures {
        let sig = hex::decode(sig).map_err(|_| {
            Failure::Refused(format!("the signature of {keyid} is not hexadecimal"))
        })?;
        if all.iter().all(|(other, _)| other != keyid) {
            all.push((keyid.clone(), sig));
        }
    }
    let file = Unsigned::new(&file.document()).with_signatures(&all);
    Ok(String::from_utf8(file).expect("JSON is UTF-8"))
}
