//! Steps 3 and 4 of a publish: the head of the collection, and whether a request is a legal step
//! from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::online::Lifetimes;
use notary_schema::publish::{Accepted, Batch, Head, Refusal, Rules, StoredFile, check};

use super::plan::Keys;
use super::{Core, Ground, PublishBatch, Publisher};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::store::{Collection, CollectionId, Standing};

/// Longest that one entry of a snapshot can be beside the name of its role, in bytes.
const ENTRY_BYTES: usize = 192;
/// What a snapshot holds beside its entries: dates, versions, signatures.
const SNAPSHOT_FRAME_BYTES: usize = 2048;

/// What a request is, on one head.
#[derive(Debug, Clone)]
pub(super) struct Judged {
    /// The life it was judged in: a head of another one may have the same versions.
    life: CollectionId,
    /// The head it was judged on; absent before the first publish.
    ground: Option<Arc<Head>>,
    pub(super) verdict: Verdict,
    /// What is new in it; absent when nothing is.
    pub(super) accepted: Option<Accepted>,
}

/// What a judgement says to the publisher.
#[derive(Debug, Clone, Default)]
pub(super) struct Verdict {
    /// The roles whose parts were stored before.
    pub(super) repeated: BTreeSet<RoleName>,
    /// What clients in the field would trip over.
    pub(super) warnings: Vec<String>,
}

impl Judged {
    /// Whether the judgement also holds on another head.
    pub(super) fn holds_on(&self, life: CollectionId, head: Option<&Arc<Head>>) -> bool {
        if self.life != life {
            return false;
        }
        let Some(accepted) = &self.accepted else { return true };
        match (&self.ground, head) {
            (None, None) => true,
            (Some(old), Some(new)) => Arc::ptr_eq(old, new) || accepted.holds_on(new),
            _ => false,
        }
    }
}

impl Publisher {
    /// What a release of this collection would be committed on.
    ///
    /// # Errors
    /// [`ServiceError::UnknownCollection`] where not even a reservation is;
    /// [`ServiceError::OnTombstone`] where nothing but a tombstone is.
    pub(crate) async fn ground(&self, gun: &Gun) -> Result<Ground, ServiceError> {
        if let Some(live) = self.served.live(gun).await? {
            let collection = live.collection.clone();
            return Ok(Ground { collection, live: Some(live), replaces: None });
        }
        let Standing { life, reservation } = self.store.standing(gun).await?;
        let Some(collection) = reservation else {
            return Err(match life {
                Some(_) => ServiceError::OnTombstone(gun.clone()),
                None => ServiceError::UnknownCollection(gun.clone()),
            });
        };
        let replaces = match life {
            Some(tombstone) => self.store.newest_root(tombstone.id).await?,
            None => None,
        };
        Ok(Ground { collection, live: None, replaces })
    }

    /// The ground of a request: making a collection needs a grant, and a name that is reserved.
    pub(super) async fn ground_of(
        &self,
        request: &PublishBatch,
        batch: &Batch,
        core: &Core,
        now: DateTime<Utc>,
    ) -> Result<Ground, ServiceError> {
        let is_first = request.root_version() == Some(Version::FIRST);
        let ground = match self.ground(request.gun()).await {
            Ok(ground) => ground,
            // Without a reservation the signer holds no key that the root could name.
            Err(ServiceError::UnknownCollection(_)) if is_first && request.may_create() => {
                let rules = self.rules(&self.lifetimes, Keys::default());
                check_on(core, None, batch.clone(), rules, now).await?;
                return Err(ServiceError::UnknownCollection(request.gun().clone()));
            }
            Err(error) => return Err(error),
        };
        if ground.live.is_none() && !request.may_create() {
            return Err(ServiceError::UnknownCollection(request.gun().clone()));
        }
        ground.admit(request)?;
        Ok(ground)
    }

    pub(super) fn rules(&self, lifetimes: &Lifetimes, keys: Keys) -> Rules {
        Rules {
            limits: self.limits.of_files(),
            offline_max_seconds: lifetimes.offline_max_seconds,
            held_keys: keys.held,
            of_lost_roots: keys.of_lost_roots,
        }
    }

    /// Judges a request, of which this was read, on a head, on the core that it holds.
    ///
    /// # Errors
    /// The rule that it breaks; or what is missing to judge it.
    pub(super) async fn judge(
        &self,
        collection: &Collection,
        head: Option<Arc<Head>>,
        request: &PublishBatch,
        batch: &Batch,
        core: &Core,
        now: DateTime<Utc>,
    ) -> Result<Judged, ServiceError> {
        let new = self.without_stored(collection, head.as_deref(), request, batch).await?;
        let (batch, repeated) = new;
        if batch.is_empty() {
            let verdict = Verdict { repeated, ..Verdict::default() };
            return Ok(Judged { life: collection.id, ground: head, verdict, accepted: None });
        }
        let keys = match batch.root() {
            Some(_) => self.keys_now(collection).await?,
            None => Keys::default(),
        };
        let rules = self.rules(&self.lifetimes_of(collection), keys);
        let loaded = match &head {
            Some(head) => Some(self.load_missing(collection, head, &batch).await?),
            None => None,
        };
        self.snapshot_fits(head.as_deref(), &batch)?;
        let accepted = check_on(core, loaded, batch, rules, now).await?;
        let verdict = Verdict { repeated, warnings: accepted.warnings.clone() };
        Ok(Judged { life: collection.id, ground: head, verdict, accepted: Some(accepted) })
    }

    /// Takes out the parts that are stored, or stand in the head.
    async fn without_stored(
        &self,
        collection: &Collection,
        head: Option<&Head>,
        request: &PublishBatch,
        batch: &Batch,
    ) -> Result<(Batch, BTreeSet<RoleName>), ServiceError> {
        let versions = request.parts().iter();
        let versions = versions.map(|part| (part.role.clone(), part.version));
        let earlier = batch.earlier_roots().map(|root| (RoleName::ROOT, root.version()));
        let versions = versions.chain(earlier).collect();
        let stored = self.store.sha256s(collection.id, versions).await?;
        let in_head = |role: &RoleName, version: Version| {
            let head = head?;
            if *role == RoleName::ROOT {
                return (head.root.version() == version).then(|| head.root.sha256().to_owned());
            }
            let file = head.files.get(role).filter(|file| file.version == version);
            file.map(|file| file.sha256.clone())
        };
        let (batch, repeated) = batch.clone().without_stored(|role, version| {
            stored.get(&(role.clone(), version)).cloned().or_else(|| in_head(role, version))
        });
        Ok((batch, repeated.into_iter().map(|(role, ..)| role).collect()))
    }

    /// The head with the files that the rules want to look into.
    pub(super) async fn load_missing(
        &self,
        collection: &Collection,
        head: &Arc<Head>,
        batch: &Batch,
    ) -> Result<Arc<Head>, ServiceError> {
        let missing = head.missing(batch);
        if missing.is_empty() {
            return Ok(head.clone());
        }
        let version = |role: &RoleName| head.files.get(role).map(|file| file.version);
        let wanted = missing.iter().filter_map(|role| Some((role.clone(), version(role)?)));
        let files = self.store.load_files(collection.id, wanted.collect()).await?;
        let loaded: BTreeMap<_, _> =
            files.into_iter().map(|(role, file)| (role, StoredFile::loaded(file))).collect();
        let mut head = Head::clone(head);
        head.files.extend(loaded);
        Ok(Arc::new(head))
    }

    /// Whether the next snapshot stays within its limit: only new roles make it longer.
    pub(super) fn snapshot_fits(&self, head: Option<&Head>, batch: &Batch) -> Result<(), Refusal> {
        let is_new = |role: &&RoleName| head.is_none_or(|head| !head.files.contains_key(*role));
        let new = batch.targets_parts().map(|(role, _)| role).filter(is_new);
        let added: usize = new.map(|role| role.as_str().len() + ENTRY_BYTES).sum();
        let before = head.map_or(SNAPSHOT_FRAME_BYTES, |head| head.snapshot.bytes().len());
        let (found, limit) = ((before + added) as u64, self.limits.snapshot_bytes);
        match added > 0 && found > limit {
            true => Err(Refusal::TooMany { role: RoleName::SNAPSHOT, what: "bytes", found, limit }),
            false => Ok(()),
        }
    }
}

/// Step 4, away from the tasks of the service. The core is held until the check ends, also when
/// nobody waits for it any more.
async fn check_on(
    core: &Core,
    head: Option<Arc<Head>>,
    batch: Batch,
    rules: Rules,
    now: DateTime<Utc>,
) -> Result<Accepted, ServiceError> {
    let core = core.clone();
    let checked = blocking(move || {
        let _core = core;
        check(head.as_deref(), &batch, &rules, now)
    });
    Ok(checked.await??)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judgement_is_one_of_its_life_and_holds_in_no_other() {
        let [life, next] = [CollectionId::of(1), CollectionId::of(2)];
        let judged = Judged { life, ground: None, verdict: Verdict::default(), accepted: None };
        assert!(judged.holds_on(life, None));
        assert!(!judged.holds_on(next, None));
    }
}
