//! How proposals end: taken back, displaced, or published.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::prelude::*;

use super::NamedRow;
use crate::store::dialect::Connection;
use crate::store::queries::number;
use crate::store::rows::{proposal_files, proposals};
use crate::store::{CollectionId, RoleFile, StoreResult};

/// Takes a proposal back; `false` where it was closed before.
pub(in crate::store) fn cancel(
    connection: &mut Connection,
    id: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    Ok(close(connection, id, "open", ("cancelled", now))? == 1)
}

/// Another proposal takes the place of one.
pub(super) fn displace(
    connection: &mut Connection,
    id: &str,
    by: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let displaced = proposals::displaced_by.eq(by);
    diesel::update(proposals::table.find(id)).set(displaced).execute(connection)?;
    cancel(connection, id, now)?;
    Ok(())
}

fn close(
    connection: &mut Connection,
    id: &str,
    before: &str,
    (state, now): (&str, DateTime<Utc>),
) -> StoreResult<usize> {
    let row = proposals::table.find(id).filter(proposals::state.eq(before));
    let change = (
        proposals::state.eq(state),
        proposals::closed_at.eq(now.timestamp()),
        proposals::revision.eq(proposals::revision + 1),
    );
    Ok(diesel::update(row).set(change).execute(connection)?)
}

/// Part of a commit: files of proposals that are in it are published, however they came. A proposal is
/// when all its files are; one that was cancelled while its release was on the way is, all the same.
pub(in crate::store) fn close_published(
    connection: &mut Connection,
    collection: CollectionId,
    committed: &[RoleFile],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    if committed.is_empty() {
        return Ok(());
    }
    let columns = (
        proposal_files::role,
        proposal_files::version,
        proposal_files::signed_sha256,
        proposal_files::is_published,
    );
    let rows: Vec<(String, String, NamedRow)> = proposal_files::table
        .inner_join(proposals::table)
        .filter(proposals::collection_id.eq(collection.0))
        .filter(proposals::state.ne("published"))
        .select((proposals::id, proposals::state, columns))
        .load(connection)?;
    let name = |file: &RoleFile| (file.role().to_string(), number(file.version().get()));
    let committed: BTreeMap<_, _> = committed.iter().map(|file| (name(file), file)).collect();
    let mut is_whole: BTreeMap<(String, String), bool> = BTreeMap::new();
    for (id, state, (role, version, sha256, was_published)) in rows {
        let name = (role, version);
        let file = committed.get(&name);
        let is_committed = file.is_some_and(|file| file.signed_sha256() == sha256);
        if is_committed {
            diesel::update(proposal_files::table.find((&id, &name.0)))
                .set(proposal_files::is_published.eq(true))
                .execute(connection)?;
        }
        *is_whole.entry((id, state)).or_insert(true) &= was_published || is_committed;
    }
    for ((id, before), _) in is_whole.into_iter().filter(|(_, is_whole)| *is_whole) {
        close(connection, &id, &before, ("published", now))?;
    }
    Ok(())
}
