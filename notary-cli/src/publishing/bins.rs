//! The division of a role's names into hash bins: the delegation, every bin's first file and the
//! targets that move into them are one publish, since no client may see a part of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use notary_schema::draft::Draft;
use notary_schema::key::Key;
use notary_schema::name::{RoleName, Version};
use notary_schema::path::Candidate;
use notary_schema::role::{Bins, Delegations, Expires, RoleKeys, SuccinctRoles, Targets};
use notary_schema::wire::PublishAnswer;

use super::in_flight::InFlight;
use super::plan::{Part, Plan};
use super::reading::{self, Reading};
use super::wanted::Wanted;
use super::{Publisher, Sent, load};
use crate::exit::Failure;
use crate::keyring::{KeyEntry, KeyringError, Purpose, listed};
use crate::remote::Exempt;
use crate::staged::StageError;
use crate::view::{KnownRole, View};

/// The file of a role, signed.
type SignedFile = (RoleName, Arc<[u8]>);

/// How names are divided, and who signs the bins.
#[derive(Debug)]
pub(crate) struct Division {
    /// The bins.
    pub(crate) bins: Bins,
    /// Whether they are described as a whole (TAP 15) or one by one.
    pub(crate) succinct: bool,
    /// Who signs each of them; empty for the keys that sign the divided role.
    pub(crate) keys: Vec<KeyEntry>,
    /// How many keys must sign a bin.
    pub(crate) threshold: u32,
}

/// What became of a role.
#[derive(Debug)]
pub(crate) struct Divided {
    /// What the server answered.
    pub(crate) answer: PublishAnswer,
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
        mut division: Division,
    ) -> Result<Divided, Failure> {
        self.require_nothing_else().await?;
        let now = self.session.now();
        let roles = std::slice::from_ref(role);
        let wanted = Wanted { roles, ..Wanted::default() };
        let reading = reading::read(self.session, self.gun, wanted, now).await?;
        let Reading { view, lifetimes } = &reading;
        let known = view.role(role).ok_or_else(|| StageError::UnknownRole(role.clone()))?;
        if division.keys.is_empty() {
            let own = listed(&self.keys, view.authority(&known));
            division.keys = own.into_iter().map(|(_, key)| key.clone()).collect();
        }
        let usual = || notary_schema::online::expires_after(now, lifetimes.targets_seconds);
        let expires = self.expires.map_or_else(usual, |when| when.from(now));
        let mut draft = DividedRole::new(view, &known, &division, expires)?;
        let (moved, kept) = (draft.moved, std::mem::take(&mut draft.kept));
        let (owner, plan) = self.sign_division(view, &known, draft, &division)?;
        plan.check_signed(std::slice::from_ref(&owner), view, lifetimes, now)?;
        let signed: Vec<_> = plan.first_files.into_iter().chain([owner]).collect();
        let in_flight = InFlight::new(&signed, Exempt::default(), BTreeMap::new());
        in_flight.save(self.collection)?;
        match self.send(&in_flight).await? {
            Sent::Published(answer) => Ok(Divided { answer, moved, kept }),
            Sent::Overtaken(error) => Err(error.into()),
        }
    }

    /// What is staged or in flight was built on the role as it is.
    async fn require_nothing_else(&self) -> Result<(), Failure> {
        self.resend().await?;
        let gun = self.gun;
        match load(self.collection)?.is_empty() {
            true => Ok(()),
            false => Err(Failure::Usage(format!(
                "changes of {gun} are staged; `notary publish {gun}` or `notary reset {gun}` first"
            ))),
        }
    }

    /// Signs the role and then its bins, whose first files stand in the plan.
    fn sign_division(
        &self,
        view: &View,
        known: &KnownRole,
        mut draft: DividedRole,
        division: &Division,
    ) -> Result<(SignedFile, Plan), Failure> {
        let authority = view.authority(known);
        if division.keys.is_empty() {
            let (role, wanted) = (known.name.clone(), authority.role.keyids.clone());
            return Err(KeyringError::NoKeyFor { role, wanted }.into());
        }
        let part = draft.part(known);
        let file = self.keyring.sign(&part.document, &known.name, &self.keys, authority)?;
        let signers: Vec<_> = division.keys.iter().map(|key| (&key.keyid, key)).collect();
        let mut progress = self.session.output.files(division.bins.count(), "signing bins");
        let mut first_files: Vec<SignedFile> = Vec::new();
        for index in 0..=division.bins.last() {
            let (name, bin) = (division.bins.name(index), draft.bin(view, index, division)?);
            let file = self.keyring.sign_with(&bin.finish(), Purpose::Delegation, &signers)?;
            first_files.push((name, file.into()));
            progress.advance(1);
        }
        let plan = Plan { parts: vec![part], first_files, exempt: Exempt::default() };
        Ok(((known.name.clone(), file.into()), plan))
    }
}

/// The next version of a divided role, and the targets that leave it.
struct DividedRole {
    owner: Option<Draft>,
    current: Version,
    by_bin: BTreeMap<u32, Draft>,
    expires: Expires,
    moved: usize,
    kept: Vec<String>,
}

impl DividedRole {
    fn new(
        view: &View,
        role: &KnownRole,
        division: &Division,
        expires: Expires,
    ) -> Result<DividedRole, Failure> {
        let unpublished = || Failure::Refused(format!("{} has no file to divide yet", role.name));
        let file = view.file(&role.name).ok_or_else(unpublished)?;
        let delegations = file.signed().delegations.as_ref();
        require_divisible(&role.name, delegations, division.succinct)?;
        let mut owner = Draft::next(file, expires)?;
        let (mut by_bin, mut moved, mut kept) = (BTreeMap::new(), 0, Vec::new());
        for name in file.signed().targets.keys() {
            let candidate = Candidate::new(name);
            if !file.signed().covering(&candidate).is_empty() {
                kept.push(name.to_owned());
                continue;
            }
            let index = division.bins.index_of(&candidate);
            let first = || first_file(view, &division.bins.name(index), expires);
            let bin = match by_bin.entry(index) {
                std::collections::btree_map::Entry::Occupied(bin) => bin.into_mut(),
                std::collections::btree_map::Entry::Vacant(place) => place.insert(first()?),
            };
            owner.move_target(name, bin);
            moved += 1;
        }
        let keyids = division.keys.iter().map(|key| key.keyid.clone()).collect();
        let signers = RoleKeys::new(keyids, division.threshold).map_err(Failure::Usage)?;
        let keys: Vec<Key> = division.keys.iter().map(|key| key.key.clone()).collect();
        let bins = &division.bins;
        match division.succinct {
            true => owner.set_succinct(&SuccinctRoles { bins: bins.clone(), signers }, &keys),
            false => {
                let indexes = 0..=bins.last();
                let roles = indexes.map(|index| bins.delegation(index, signers.clone(), false));
                owner.set_delegations(&roles.collect::<Vec<_>>(), &keys);
            }
        }
        let (owner, current) = (Some(owner), file.version());
        Ok(DividedRole { owner, current, by_bin, expires, moved, kept })
    }

    /// The role itself.
    fn part(&mut self, role: &KnownRole) -> Part {
        let draft = self.owner.take().expect("it is taken once");
        let (role, current) = (role.name.clone(), Some(self.current));
        Part { role, current, version: draft.version(), document: draft.finish() }
    }

    /// The file of a bin.
    fn bin(&mut self, view: &View, index: u32, division: &Division) -> Result<Draft, Failure> {
        match self.by_bin.remove(&index) {
            Some(draft) => Ok(draft),
            None => first_file(view, &division.bins.name(index), self.expires),
        }
    }
}

/// An empty file. A name that was published before goes on after its last version.
fn first_file(view: &View, role: &RoleName, expires: Expires) -> Result<Draft, Failure> {
    let version = view.listed(role).map_or(Ok(Version::FIRST), Version::next)?;
    Ok(Draft::from_role(&Targets::empty(version, expires)))
}

fn require_divisible(
    role: &RoleName,
    delegations: Option<&Delegations>,
    succinct: bool,
) -> Result<(), Failure> {
    let Some(delegations) = delegations.filter(|delegations| delegations.count() > 0) else {
        return Ok(());
    };
    if delegations.succinct().is_some() || delegations.listed().iter().any(|role| role.is_bin()) {
        return Err(Failure::Refused(format!("the names of {role} are divided into bins already")));
    }
    if succinct {
        return Err(Failure::Refused(format!(
            "{role} delegates to other roles, beside which no succinct bins can stand (TAP 15); \
             leave --succinct out, or divide a role of its own"
        )));
    }
    Ok(())
}
