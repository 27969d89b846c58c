//! What one request wants to publish.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::adopted::Foreign;
use super::{Limits, Refusal, files};
use crate::envelope::{Allowance, Envelope, EnvelopeError};
use crate::name::{RoleName, Version};
use crate::role::{Root, Targets};

/// What one request wants to publish: parsed, not yet judged.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    pub(super) root: Option<Arc<Envelope<Root>>>,
    /// The roots between the stored one and that one.
    pub(super) earlier_roots: BTreeMap<Version, Arc<Envelope<Root>>>,
    pub(super) targets: BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    /// What somebody else has published, where the batch takes it over.
    pub(super) foreign: Option<Foreign>,
    /// What earlier parts left of what may be built.
    pub(super) left: Option<Allowance>,
    /// Roles that get a delegation here and no file yet.
    pub pending: BTreeSet<RoleName>,
    /// Stored roles that this batch makes unverifiable on purpose.
    pub orphan: BTreeSet<RoleName>,
    /// Roles whose keys the root replaces since somebody else has them: those keys do nothing more
    /// for clients that have the root before.
    pub compromised: BTreeSet<RoleName>,
}

impl Batch {
    /// A batch that takes over a repository of somebody else: it also has parts for its snapshot and
    /// its timestamp, and all of its roots.
    pub fn adopting() -> Batch {
        Batch { foreign: Some(Foreign::default()), ..Batch::default() }
    }

    /// Whether a part of this name is an earlier root, `3.root`, beside the newest one, `root`: no role
    /// is called so.
    pub fn is_earlier_root(name: &RoleName) -> bool {
        let version = name.as_str().strip_suffix(".root");
        version.is_some_and(|version| Version::parse(version).is_ok())
    }

    /// Reads the part of a role, or an earlier root.
    pub fn add(&mut self, role: RoleName, bytes: Arc<[u8]>) -> Result<(), Refusal> {
        let unreadable = |error: EnvelopeError| Refusal::Unreadable { role: role.clone(), error };
        let mut left = Allowance::of_part(self.left, bytes.len() as u64);
        if let Some(foreign) = &mut self.foreign
            && foreign.add(&role, &bytes, &mut left)?
        {
            self.left = Some(left);
            return Ok(());
        }
        if role == RoleName::SNAPSHOT || role == RoleName::TIMESTAMP {
            return Err(Refusal::OnlineRole(role));
        }
        let repeated = if role == RoleName::ROOT {
            let file = Envelope::parse_within(bytes, &mut left).map_err(unreadable)?;
            self.root.replace(Arc::new(file)).is_some()
        } else if Batch::is_earlier_root(&role) {
            let file = Envelope::parse_within(bytes, &mut left).map_err(unreadable)?;
            self.earlier_roots.insert(file.version(), Arc::new(file)).is_some()
        } else {
            let file = Arc::new(Envelope::parse_within(bytes, &mut left).map_err(unreadable)?);
            self.targets.insert(role.clone(), file).is_some()
        };
        self.left = Some(left);
        if repeated { Err(Refusal::RepeatedPart(role)) } else { Ok(()) }
    }

    /// The root, if it is part of the batch.
    pub fn root(&self) -> Option<&Arc<Envelope<Root>>> {
        self.root.as_ref()
    }

    /// The roots that come before that one, in their order.
    pub fn earlier_roots(&self) -> impl Iterator<Item = &Arc<Envelope<Root>>> {
        self.earlier_roots.values()
    }

    /// The file of a targets role, if it is part of the batch.
    pub fn targets(&self, role: &RoleName) -> Option<&Arc<Envelope<Targets>>> {
        self.targets.get(role)
    }

    /// The files of all targets roles in the batch.
    pub fn targets_parts(&self) -> impl Iterator<Item = (&RoleName, &Arc<Envelope<Targets>>)> {
        self.targets.iter()
    }

    /// Role, version and SHA-256 of each part but earlier roots.
    pub fn parts(&self) -> impl Iterator<Item = (RoleName, Version, &str)> {
        let root = self.root.iter().map(|file| (RoleName::ROOT, file.version(), file.sha256()));
        let targets = self.targets.iter();
        root.chain(targets.map(|(role, file)| (role.clone(), file.version(), file.sha256())))
    }

    /// Refuses a key that its file does not list under its hash: whoever reads the id would take it for
    /// another key.
    ///
    /// # Errors
    /// [`Refusal::KeyIdMismatch`], [`Refusal::TooMany`].
    pub fn check_key_ids(&self, limits: &Limits) -> Result<(), Refusal> {
        for root in self.earlier_roots().chain(self.root()) {
            files::keys_within(&RoleName::ROOT, &root.signed().keys, limits)?;
            files::check_keys(&RoleName::ROOT, &root.signed().keys)?;
        }
        for (role, file) in self.targets_parts() {
            if let Some(delegations) = &file.signed().delegations {
                files::keys_within(role, &delegations.keys, limits)?;
                files::check_keys(role, &delegations.keys)?;
            }
        }
        Ok(())
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.root.is_none() && self.earlier_roots.is_empty() && self.targets.is_empty()
    }

    /// Takes out the parts that are stored already, so that repeating a request is success.
    ///
    /// `stored` answers the SHA-256 of the stored file of a role and version, current or earlier.
    pub fn without_stored(
        mut self,
        stored: impl Fn(&RoleName, Version) -> Option<String>,
    ) -> (Batch, Vec<(RoleName, Version, String)>) {
        let is_stored = |(role, version, sha256): &(RoleName, Version, String)| {
            stored(role, *version).as_ref() == Some(sha256)
        };
        let is_new = |root: &Arc<Envelope<Root>>| {
            stored(&RoleName::ROOT, root.version()).is_none_or(|stored| stored != root.sha256())
        };
        self.earlier_roots.retain(|_, root| is_new(root));
        let parts = self.parts().map(|(role, version, sha256)| (role, version, sha256.to_owned()));
        let repeated: Vec<_> = parts.filter(is_stored).collect();
        for (role, ..) in &repeated {
            if *role == RoleName::ROOT {
                self.root = None;
            }
            self.targets.remove(role);
        }
        (self, repeated)
    }
}
