//! The division of a role's names into hash bins: the delegation, every bin's first file and the
//! targets that move into them are one publish, since no client may see a part of it.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::path::Candidate;
use notary_schema::role::{
    Authority, Bins, Delegations, Expires, RoleKeys, SuccinctRoles, Targets,
};

use super::Publisher;
use super::delivery::{Delivered, Outgoing, Sent};
use super::reading::{self, Reading};
use crate::args::When;
use crate::exit::Failure;
use crate::keyring::{KeyEntry, KeyringError, Purpose, listed};
use crate::remote::Exempt;
use crate::staged::StageError;
use crate::view::{KnownRole, PresentBins, View};
use crate::wanted::Wanted;

/// The file of a role, signed.
type SignedFile = (RoleName, Arc<[u8]>);

/// How names are divided, and who signs the bins.
#[derive(Debug)]
pub(crate) struct Division {
    /// The bins.
    pub(crate) bins: Bins,
    /// Whether they are described as a whole (TAP 15) or one by one.
    pub(crate) succinct: bool,
    /// Who signs each of them; empty for who signs the bins of before, or the divided role.
    pub(crate) keys: Vec<KeyEntry>,
    /// How many keys must sign a bin, where that is not as before, or one.
    pub(crate) threshold: Option<u32>,
}

/// Who signs the bins.
struct BinSigners {
    role: RoleKeys,
    /// The keys that the divided role may not list yet.
    new: Vec<Key>,
    /// Those that are here, under the ids that they are listed with.
    here: Vec<(KeyId, KeyEntry)>,
}

/// What became of a role.
#[derive(Debug)]
pub(crate) struct Divided {
    /// What became of the files.
    pub(crate) delivered: Delivered,
    /// How many targets moved into bins.
    pub(crate) moved: usize,
    /// The targets that stay: another delegation of the role covers them and would hide a bin.
    pub(crate) kept: Vec<String>,
}

impl Publisher<'_> {
    /// Divides the names of a role and publishes that at once.
    pub(crate) async fn divide(
        &self,
        role: &RoleName,
        division: Division,
    ) -> Result<Divided, Failure> {
        let (resent, _) = self.resend().await?;
        self.require_nothing_else().await?;
        let now = self.session.now();
        let roles = std::slice::from_ref(role);
        let wanted = Wanted { roles, bins_of: roles, ..Wanted::default() };
        let reading = reading::read(self.session, self.gun, wanted, now).await?;
        let Reading { view, lifetimes } = &reading;
        let known = view.role(role).ok_or_else(|| StageError::UnknownRole(role.clone()))?;
        let delegations = view.file(role).and_then(|file| file.signed().delegations.as_ref());
        let present = delegations.and_then(PresentBins::of);
        // What was asked for before is there; it may be this very division.
        let is_done = |present: &PresentBins| {
            present.bins == division.bins && present.succinct == division.succinct
        };
        if let Some(delivered) = resent.filter(|_| present.as_ref().is_some_and(is_done)) {
            return Ok(Divided { delivered, moved: 0, kept: Vec::new() });
        }
        require_divisible(role, delegations, present.as_ref(), &division)?;
        let signers = self.bin_signers(view, &known, present.as_ref(), &division)?;
        let expires = When::or_after(self.expires, lifetimes.targets_seconds, now);
        let ground = Ground { view, role: &known, present: present.as_ref(), expires };
        let mut draft = DividedRole::new(&ground, &division, &signers)?;
        let (moved, kept) = (draft.moved, std::mem::take(&mut draft.kept));
        let exempt = Exempt { orphan: left_behind(&ground, &division)?, ..Exempt::default() };
        let signed = self.sign_division(&ground, draft, &division, &signers)?;
        match self.deliver(Outgoing { exempt, ..signed }, &reading, now).await? {
            Sent::Taken(delivered) => Ok(Divided { delivered, moved, kept }),
            Sent::Overtaken(failure) => Err(failure),
        }
    }

    /// Who signs the bins: the keys that are said, those of the bins of before, or those here that
    /// sign the role itself.
    fn bin_signers(
        &self,
        view: &View,
        known: &KnownRole,
        present: Option<&PresentBins>,
        division: &Division,
    ) -> Result<BinSigners, Failure> {
        let authority = view.authority(known);
        let owned = |(id, key): (&KeyId, &KeyEntry)| (id.clone(), key.clone());
        let below = view.file(&known.name).and_then(|file| file.signed().delegations.as_ref());
        if let (Some(present), Some(all), true) = (present, below, division.keys.is_empty()) {
            let threshold = division.threshold.unwrap_or(present.signers.threshold.get());
            let role = RoleKeys::new(present.signers.keyids.clone(), threshold);
            let role = role.map_err(Failure::Usage)?;
            let here = listed(&self.keys, Authority { keys: &all.keys, role: &role });
            let here: Vec<_> = here.into_iter().map(owned).collect();
            return match here.is_empty() {
                true => Err(no_key(present.bins.name(0), &role)),
                false => Ok(BinSigners { role, new: Vec::new(), here }),
            };
        }
        let own =
            || listed(&self.keys, authority).into_iter().map(|(_, key)| key.clone()).collect();
        let keys: Vec<KeyEntry> =
            if division.keys.is_empty() { own() } else { division.keys.clone() };
        if keys.is_empty() {
            return Err(no_key(known.name.clone(), authority.role));
        }
        let keyids = keys.iter().map(|key| key.keyid.clone()).collect();
        let role =
            RoleKeys::new(keyids, division.threshold.unwrap_or(1)).map_err(Failure::Usage)?;
        let new = keys.iter().map(|key| key.key.clone()).collect();
        let here = keys.into_iter().map(|key| (key.keyid.clone(), key)).collect();
        Ok(BinSigners { role, new, here })
    }

    /// Signs the role and then its bins.
    fn sign_division(
        &self,
        ground: &Ground<'_>,
        mut draft: DividedRole,
        division: &Division,
        signers: &BinSigners,
    ) -> Result<Outgoing, Failure> {
        let known = ground.role;
        let authority = ground.view.authority(known);
        let owner = draft.owner();
        let file = self.keyring.sign(&owner, &known.name, &self.keys, authority)?;
        let mut files: Vec<SignedFile> = vec![(known.name.clone(), file.into())];
        let signers: Vec<_> = signers.here.iter().map(|(id, key)| (id, key)).collect();
        let mut progress = self.session.output.files(division.bins.count(), "signing bins");
        for index in 0..=division.bins.last() {
            let (name, bin) = (division.bins.name(index), draft.bin(ground, index, division)?);
            let file = self.keyring.sign_with(&bin.finish(), Purpose::Delegation, &signers)?;
            files.push((name, file.into()));
            progress.advance(1);
        }
        let ours = files.iter().map(|(role, _)| role.clone()).collect();
        let why = format!("{} is divided into {} bins", known.name, division.bins.count());
        Ok(Outgoing { files, ours, why, ..Outgoing::default() })
    }
}

/// What a division starts from.
struct Ground<'a> {
    view: &'a View,
    role: &'a KnownRole,
    /// The bins of before.
    present: Option<&'a PresentBins>,
    expires: Expires,
}

/// The next version of a divided role, and the targets that leave it or its bins of before.
struct DividedRole {
    owner: Option<Draft>,
    by_bin: BTreeMap<u32, Draft>,
    expires: Expires,
    moved: usize,
    kept: Vec<String>,
}

impl DividedRole {
    fn new(
        ground: &Ground<'_>,
        division: &Division,
        signers: &BinSigners,
    ) -> Result<DividedRole, Failure> {
        let Ground { view, role, present, expires } = *ground;
        let unpublished = || Failure::Refused(format!("{} has no file to divide yet", role.name));
        let file = view.file(&role.name).ok_or_else(unpublished)?;
        let owner = Draft::next(file, expires)?;
        let (by_bin, kept) = (BTreeMap::new(), Vec::new());
        let mut divided = DividedRole { owner: None, by_bin, expires, moved: 0, kept };
        let mut owner = divided.move_targets(ground, division, file, owner)?;
        for bin in present.iter().flat_map(|present| present.bins.names()) {
            let unread = || Failure::Refused(format!("{bin} could not be read, so it stays"));
            let file = view.file(&bin).ok_or_else(unread)?;
            if file.signed().delegations.as_ref().is_some_and(|all| all.count() > 0) {
                return Err(Failure::Refused(format!(
                    "{bin} delegates to other roles, which would be left behind; take that back first"
                )));
            }
            divided.move_targets(ground, division, file, Draft::next(file, expires)?)?;
        }
        if let Some(present) = present {
            owner.remove_delegations(&present.bins.names().collect());
        }
        let bins = &division.bins;
        match division.succinct {
            true => {
                let roles = SuccinctRoles { bins: bins.clone(), signers: signers.role.clone() };
                owner.set_succinct(&roles, &signers.new);
            }
            false => {
                let signers_of_all = Arc::new(signers.role.clone());
                let bin = |index| bins.delegation(index, signers_of_all.clone(), false);
                let keys = [listed_keys(ground), signers.new.clone()].concat();
                owner.set_delegations(&(0..=bins.last()).map(bin).collect::<Vec<_>>(), &keys);
            }
        }
        divided.owner = Some(owner);
        Ok(divided)
    }

    /// Moves the targets of a file into the bins of their names, but for those that another
    /// delegation of the divided role covers.
    fn move_targets(
        &mut self,
        ground: &Ground<'_>,
        division: &Division,
        file: &Envelope<Targets>,
        mut from: Draft,
    ) -> Result<Draft, Failure> {
        for name in file.signed().targets.keys() {
            let candidate = Candidate::new(name);
            if file.signed().covering(&candidate).iter().any(|role| !role.is_bin()) {
                self.kept.push(name.to_owned());
                continue;
            }
            let index = division.bins.index_of(&candidate);
            let bin = match self.by_bin.entry(index) {
                Entry::Occupied(bin) => bin.into_mut(),
                Entry::Vacant(place) => {
                    place.insert(first_file(ground.view, &division.bins.name(index), self.expires)?)
                }
            };
            from.move_target(name, bin);
            self.moved += 1;
        }
        Ok(from)
    }

    /// The role itself.
    fn owner(&mut self) -> Unsigned {
        self.owner.take().expect("it is taken once").finish()
    }

    /// The file of a bin.
    fn bin(
        &mut self,
        ground: &Ground<'_>,
        index: u32,
        division: &Division,
    ) -> Result<Draft, Failure> {
        match self.by_bin.remove(&index) {
            Some(draft) => Ok(draft),
            None => first_file(ground.view, &division.bins.name(index), self.expires),
        }
    }
}

/// An empty file. A name that was published before goes on after its last version.
fn first_file(view: &View, role: &RoleName, expires: Expires) -> Result<Draft, Failure> {
    let version = view.listed(role).map_or(Ok(Version::FIRST), Version::next)?;
    Ok(Draft::from_role(&Targets::empty(version, expires)))
}

/// The key objects that the divided role lists: taking out the bins of before takes them out, too.
fn listed_keys(ground: &Ground<'_>) -> Vec<Key> {
    let Some(PresentBins { signers, .. }) = ground.present else { return Vec::new() };
    let file = ground.view.file(&ground.role.name);
    let all = file.and_then(|file| file.signed().delegations.as_ref());
    let keys = all.into_iter().flat_map(|all| signers.keyids.iter().map(|id| all.keys.get(id)));
    keys.flatten().cloned().collect()
}

/// The bins of before that nobody delegates to any more. Clients go on finding them in the snapshot.
fn left_behind(ground: &Ground<'_>, division: &Division) -> Result<BTreeSet<RoleName>, Failure> {
    let Some(present) = ground.present else { return Ok(BTreeSet::new()) };
    let names = present.bins.names();
    let orphan: BTreeSet<_> = names.filter(|bin| division.bins.index(bin).is_none()).collect();
    match (Exempt { orphan: orphan.clone(), ..Exempt::default() }).fits() {
        true => Ok(orphan),
        false => Err(Failure::Refused(format!(
            "one publish can name about 2,500 roles that it leaves without a delegation, and these \
             are {} bins; divide below a role of its own",
            orphan.len()
        ))),
    }
}

fn no_key(role: RoleName, signers: &RoleKeys) -> Failure {
    KeyringError::NoKeyFor { role, wanted: signers.keyids.clone() }.into()
}

fn require_divisible(
    role: &RoleName,
    delegations: Option<&Delegations>,
    present: Option<&PresentBins>,
    division: &Division,
) -> Result<(), Failure> {
    let refuse = |why: String| Err(Failure::Refused(why));
    let listed = delegations.map_or(&[][..], |all| all.listed());
    match present {
        Some(present) if present.bins == division.bins => refuse(format!(
            "the names of {role} are divided into these {} bins already",
            division.bins.count()
        )),
        Some(present) if present.succinct != division.succinct => refuse(format!(
            "the names of {role} are divided into {} bins, and stay so: {} --succinct",
            if present.succinct { "succinct" } else { "listed" },
            if present.succinct { "say" } else { "leave out" }
        )),
        None if listed.iter().any(|role| role.is_bin()) => refuse(format!(
            "{role} delegates to bins that are not one whole with common keys; divide a role of its own"
        )),
        None if division.succinct && !listed.is_empty() => refuse(format!(
            "{role} delegates to other roles, beside which no succinct bins can stand (TAP 15); \
             leave --succinct out, or divide a role of its own"
        )),
        _ => Ok(()),
    }
}
