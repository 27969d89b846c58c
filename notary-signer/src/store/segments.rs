//! Runs of old lines of the audit, in files of their own, so that the table does not grow without
//! bound. A file is sealed by its digest here; its lines leave the table only after that.

use diesel::prelude::*;
use serde::Serialize;

use super::StoreError;
use super::tables::{audit, audit_segments};

/// One file of old lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Insertable, Queryable, Selectable)]
#[diesel(table_name = audit_segments)]
pub(crate) struct Segment {
    /// The number of the last line.
    pub(crate) last_seq: i64,
    /// The number of the first line.
    pub(crate) first_seq: i64,
    /// The name of the file.
    pub(crate) file: String,
    /// SHA-256 of the whole file.
    pub(crate) sha256: String,
    /// The hash of the last line.
    pub(crate) last_hash: String,
    /// When, as RFC 3339.
    pub(crate) sealed_at: String,
}

/// Every segment, oldest first.
pub(crate) fn all(connection: &mut SqliteConnection) -> Result<Vec<Segment>, StoreError> {
    let segments = audit_segments::table.order(audit_segments::last_seq);
    Ok(segments.select(Segment::as_select()).load(connection)?)
}

/// The last segment.
pub(crate) fn last(connection: &mut SqliteConnection) -> Result<Option<Segment>, StoreError> {
    let last = audit_segments::table.order(audit_segments::last_seq.desc());
    Ok(last.select(Segment::as_select()).first(connection).optional()?)
}

/// Enters a file. Its lines may leave the table from now on.
pub(crate) fn seal(connection: &mut SqliteConnection, segment: &Segment) -> Result<(), StoreError> {
    diesel::insert_into(audit_segments::table).values(segment).execute(connection)?;
    Ok(())
}

/// Takes lines that stand in a segment out of the table, so many at most, and says how many.
pub(crate) fn drop_sealed(
    connection: &mut SqliteConnection,
    most: i64,
) -> Result<usize, StoreError> {
    let Some(last) = last(connection)? else { return Ok(0) };
    let sealed = audit::table.filter(audit::seq.le(last.last_seq)).select(audit::seq);
    let first: Option<i64> = sealed.order(audit::seq).first(connection).optional()?;
    let Some(first) = first else { return Ok(0) };
    let until = last.last_seq.min(first + most - 1);
    Ok(diesel::delete(audit::table.filter(audit::seq.le(until))).execute(connection)?)
}
