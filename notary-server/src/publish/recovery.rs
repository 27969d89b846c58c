//! Step 6 after a root that makes clients forget what they have seen.
//!
//! Then versions may go down, and entries of the snapshot may go: as far as the operator of the
//! signer has set its memory down, and no further. What the memory says takes the place of the head's
//! snapshot and timestamp. A version that was committed once is never made again: its file is in
//! caches for a year.

use chrono::{DateTime, Utc};
use notary_schema::name::RoleName;
use notary_schema::online::{self, Overlap, Plan, Signing, Versions};
use notary_schema::publish::{Head, entries_over, starts_over};

use super::Publisher;
use super::plan::{Keys, next_root, with_files};
use super::remembered::Remembered;
use crate::error::ServiceError;
use crate::store::{Collection, RoleFile};

/// The head with the files of a release over it, where a root among them makes clients forget it;
/// `sign_on` are the keys before that sign on.
pub(super) fn forgotten(
    head: Option<&Head>,
    files: &[RoleFile],
    sign_on: &Overlap,
) -> Option<Head> {
    let brings_root = files.iter().any(|file| matches!(file, RoleFile::Root(_)));
    let head = head.filter(|_| brings_root)?;
    let root = next_root(Some(head), files);
    starts_over(head, &root, sign_on).then(|| with_files(head, files))
}

/// Plans both online roles over what the signer remembers, with the files of this head.
pub(super) fn plan_over(
    memory: &Remembered,
    head: &Head,
    keys: &Keys,
    lifetimes: &online::Lifetimes,
    versions: Versions,
    now: DateTime<Utc>,
) -> Plan {
    let remembered = memory.snapshot();
    let signing = Signing { root: head.root.signed(), held: &keys.held, overlap: &keys.overlap };
    let entries = entries_over(remembered, head);
    online::plan(remembered, entries, signing, lifetimes, versions, now)
}

impl Publisher {
    /// Steps 6 for a root that makes clients forget the head before these files.
    pub(super) async fn plan_recovery(
        &self,
        collection: &Collection,
        head: &Head,
        keys: &Keys,
        now: DateTime<Utc>,
    ) -> Result<Plan, ServiceError> {
        let memory = self.remembered(collection).await?;
        let versions = self.free(collection, memory.versions()?).await?;
        self.require_reachable(&memory, versions.timestamp)?;
        let lifetimes = self.lifetimes_of(collection);
        Ok(plan_over(&memory, head, keys, &lifetimes, versions, now))
    }

    /// These versions, or the next ones that no file has: after a recovery there are some above.
    ///
    /// # Errors
    /// At the last version.
    pub(super) async fn free(
        &self,
        collection: &Collection,
        from: Versions,
    ) -> Result<Versions, ServiceError> {
        let free = |role, from| self.store.free_version(collection.id, role, from);
        Ok(Versions {
            snapshot: free(&RoleName::SNAPSHOT, from.snapshot).await?,
            timestamp: free(&RoleName::TIMESTAMP, from.timestamp).await?,
        })
    }
}
