//! What a revocation has changed, what the key had signed, and what is left to do.

mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::{Gun, KeyId, RoleName, Version};
use notary_schema::revocation::{History, Left, Origin, Plan, RolePlan, Standing, listings};
use notary_schema::role::{Authority, Root, TargetFile, Targets};
use notary_schema::wire::{Proposal, ProposalSummary, Revocation};
use serde::Serialize;

use crate::args::RevokeArgs;
use crate::changes::{self, Change};
use crate::exit::{Failure, Outcome};
use crate::proposed::progress;
use crate::publishing::revocation::{Known, Task};
use crate::session::Session;

/// Why a role is left that may have to do with the key.
const UNREAD: &str = "unread";

/// Everything that is told, complete enough for an incident report.
#[derive(Serialize)]
pub(super) struct Report {
    collection: Gun,
    /// Whether nothing was sent: then the revocations are what would be.
    dry_run: bool,
    revocations: Vec<Revocation>,
    listed: Vec<Listed>,
    signers: Vec<NewSigners>,
    roles: Vec<NextVersion>,
    root_version: Option<Version>,
    new_online_keys: Vec<RoleName>,
    left_behind: Vec<RoleName>,
    left: Vec<LeftRole>,
    signed_versions: Vec<SignedVersion>,
    signed_targets: Vec<SignedTarget>,
    more_signed_targets: u64,
    came_with_it: Vec<CameWithIt>,
    looked_back_to: BTreeMap<RoleName, Version>,
    not_looked_at: Vec<Missing>,
    /// What waits for the signatures of others.
    proposal: Option<ProposalSummary>,
}

/// Who lists the key for which role, under which ids.
#[derive(Serialize)]
struct Listed {
    delegator: RoleName,
    role: RoleName,
    keyids: Vec<KeyId>,
}

/// Who signs a role from now on; nobody where the delegation is taken out.
#[derive(Serialize)]
struct NewSigners {
    delegator: RoleName,
    role: RoleName,
    keys: Vec<KeyId>,
    threshold: Option<u32>,
}

/// A version that is published.
#[derive(Serialize)]
struct NextVersion {
    role: RoleName,
    version_before: Version,
    version: Version,
    /// The version whose content it has; absent where it has none.
    content_of: Option<Version>,
    /// What differs from the version before.
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct SignedVersion {
    role: RoleName,
    version: Version,
    sha256: String,
    /// Whether the version needed the signature of the key.
    needed: bool,
    /// Whether the keys of today vouch for it at all.
    verified: bool,
    targets: u64,
}

#[derive(Serialize)]
struct SignedTarget {
    role: RoleName,
    name: String,
    #[serde(flatten)]
    file: TargetFile,
    from_version: Version,
    to_version: Version,
    needed: bool,
    introduced: bool,
    still_published: bool,
}

/// A key that came with a version that needed the revoked one.
#[derive(Serialize)]
struct CameWithIt {
    role: RoleName,
    version: Version,
    keyid: KeyId,
    still_listed: bool,
}

/// A role that stays as it is.
#[derive(Serialize)]
struct LeftRole {
    role: RoleName,
    version: Option<Version>,
    why: &'static str,
}

/// Versions between those that were looked at, which the server does not have or nobody can read.
#[derive(Serialize)]
struct Missing {
    role: RoleName,
    from_version: Version,
    to_version: Version,
}

impl Report {
    /// What a plan says.
    pub(super) fn new(gun: &Gun, task: &Task, known: &Known, plan: &Plan) -> Report {
        let after = Contents::of(known, plan);
        let histories = || known.histories();
        let listed = listings(known.present(), &task.revoked).into_iter();
        let listed = listed.map(|(delegator, role, keyids)| Listed { delegator, role, keyids });
        let signers = plan.changed.iter().map(|changed| NewSigners {
            delegator: changed.delegator.clone(),
            role: changed.role.clone(),
            keys: changed.after.as_ref().map_or(Vec::new(), |after| after.role.keyids.clone()),
            threshold: changed.after.as_ref().map(|after| after.role.threshold.get()),
        });
        let truncated = |history: &History| Some((history.role().clone(), history.truncated_at?));
        Report {
            collection: gun.clone(),
            dry_run: false,
            revocations: task.revocations.clone(),
            listed: listed.collect(),
            signers: signers.collect(),
            roles: plan.roles.iter().map(|part| next_version(part, known)).collect(),
            root_version: root_version(plan),
            new_online_keys: plan.keyless.iter().cloned().collect(),
            left_behind: plan.orphans.iter().cloned().collect(),
            left: left(plan, known),
            signed_versions: histories().flat_map(signed_versions).collect(),
            signed_targets: histories().flat_map(|history| after.signed_targets(history)).collect(),
            more_signed_targets: histories().map(|history| history.more_targets).sum(),
            came_with_it: histories().flat_map(|history| after.came_with_it(history)).collect(),
            looked_back_to: histories().filter_map(truncated).collect(),
            not_looked_at: histories().flat_map(missing).collect(),
            proposal: None,
        }
    }

    /// The delegated roles that nobody is left to sign.
    pub(super) fn taken_out(&self) -> impl Iterator<Item = &RoleName> {
        self.signers.iter().filter(|one| one.keys.is_empty()).map(|one| &one.role)
    }

    /// Prints all of it.
    pub(super) fn show(mut self, session: &Session, args: &RevokeArgs) -> Result<Outcome, Failure> {
        self.dry_run = args.dry_run;
        let text = match args.dry_run {
            true => self.differences() + &self.told("would publish"),
            false => self.told("published"),
        };
        session.output.result(&self, &text)?;
        self.tell_left(session);
        match self.is_left(UNREAD) && !args.dry_run {
            true => Ok(Outcome::ToDo),
            false => Ok(Outcome::Done),
        }
    }

    /// Prints all of it where others have to sign first.
    pub(super) fn proposed(
        mut self,
        session: &Session,
        gun: &Gun,
        proposal: &Proposal,
    ) -> Result<Outcome, Failure> {
        let text = self.told("waits:") + &progress::described(proposal);
        self.proposal = Some(proposal.summary.clone());
        session.output.result(&self, &text)?;
        self.tell_left(session);
        Ok(progress::waits(session, gun, proposal))
    }

    fn is_left(&self, why: &str) -> bool {
        self.left.iter().any(|left| left.why == why)
    }
}

fn root_version(plan: &Plan) -> Option<Version> {
    let root: Envelope<Root> = Envelope::parse(plan.root.as_ref()?.with_signatures(&[])).ok()?;
    Some(root.version())
}

fn next_version(part: &RolePlan, known: &Known) -> NextVersion {
    let planned = document(part);
    let before = known.current(&part.role).map(|file| file.document()).unwrap_or_default();
    // As the version, the date is always another one.
    let mut after = planned.document();
    after["expires"] = before["expires"].clone();
    let content_of = match part.origin {
        Origin::Current => Some(part.current),
        Origin::Version(version) => Some(version),
        Origin::Empty => None,
    };
    NextVersion {
        role: part.role.clone(),
        version_before: part.current,
        version: planned.version(),
        content_of,
        changes: changes::between(&before, &after),
    }
}

fn document(part: &RolePlan) -> Envelope<Targets> {
    Envelope::parse(part.document.with_signatures(&[])).expect("it is planned from what was read")
}

fn signed_versions(history: &History) -> impl Iterator<Item = SignedVersion> {
    history.versions.iter().map(|signed| SignedVersion {
        role: history.role().clone(),
        version: signed.version,
        sha256: signed.sha256.clone(),
        needed: signed.standing == Standing::Needed,
        verified: signed.standing != Standing::Unverified,
        targets: signed.targets,
    })
}

fn left(plan: &Plan, known: &Known) -> Vec<LeftRole> {
    let snapshot = known.present().snapshot;
    let left = plan.left.iter().map(|(role, left)| LeftRole {
        role: role.clone(),
        version: snapshot.entry(role).map(|entry| entry.version),
        why: match left {
            Left::Unread => UNREAD,
            Left::Unverified => "unverified",
        },
    });
    left.collect()
}

fn missing(history: &History) -> impl Iterator<Item = Missing> {
    history.gaps.iter().map(|gap| Missing {
        role: history.role().clone(),
        from_version: gap.from,
        to_version: gap.to,
    })
}

/// What roles say when all is published.
struct Contents(BTreeMap<RoleName, Arc<Envelope<Targets>>>);

impl Contents {
    fn of(known: &Known, plan: &Plan) -> Contents {
        let mut files = known.files.clone();
        files.extend(plan.roles.iter().map(|part| (part.role.clone(), Arc::new(document(part)))));
        files.retain(|role, _| !plan.orphans.contains(role));
        Contents(files)
    }

    fn signed_targets<'a>(
        &'a self,
        history: &'a History,
    ) -> impl Iterator<Item = SignedTarget> + 'a {
        let listed = self.0.get(history.role()).map(|file| &file.signed().targets);
        history.targets.iter().map(move |target| SignedTarget {
            role: history.role().clone(),
            name: target.name.clone(),
            file: target.file.clone(),
            from_version: target.from,
            to_version: target.to,
            needed: target.needed,
            introduced: target.introduced,
            still_published: listed
                .is_some_and(|all| all.get(&target.name).as_ref() == Some(&target.file)),
        })
    }

    fn came_with_it<'a>(&'a self, history: &'a History) -> impl Iterator<Item = CameWithIt> + 'a {
        history.planted.iter().map(|(keyid, planted)| CameWithIt {
            role: history.role().clone(),
            version: planted.version,
            keyid: keyid.clone(),
            still_listed: self.0.values().any(|file| names(file.signed(), &planted.key)),
        })
    }
}

/// Whether a role names a key.
fn names(file: &Targets, key: &Key) -> bool {
    let Some(delegations) = &file.delegations else { return false };
    let lists = |authority: Authority<'_>| {
        let keys = authority.role.keyids.iter().filter_map(|id| authority.keys.get(id));
        keys.into_iter().any(|listed| listed.public() == key.public())
    };
    let first = delegations.succinct().map(|succinct| succinct.bins.name(0));
    let mut roles = delegations.listed().iter().map(|role| &role.name).chain(&first);
    roles.any(|role| delegations.authority(role).is_some_and(lists))
}
