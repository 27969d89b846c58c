//! The rows of the database as they stand, for `fsck`: nothing is believed of what is in them.

use std::path::Path;

use diesel::connection::Connection as _;
use diesel::prelude::*;

use super::dialect::{self, Connection};
use super::rows::{
    collections, current_files, events, feed, files, online_keys, revocations, slots,
};
use super::{
    Collection, CollectionId, Prepared, Proposal, ProposedFile, StoreResult, names, proposals,
    slots as release_slots,
};

/// A connection that only reads. It works beside a running server.
pub struct Inspector {
    connection: Connection,
}

/// The database at one commit.
pub struct View<'a> {
    connection: &'a mut Connection,
}

/// A row of `collections`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = collections)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RawLife {
    pub id: i64,
    pub gun: String,
    pub incarnation: String,
    pub state: String,
    pub fence: i64,
    pub seq: i64,
}

/// A row of `files`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = files)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RawFile {
    pub role: String,
    pub version: i64,
    pub sha256: String,
    pub length: i64,
    pub expires: i64,
    pub bytes: Vec<u8>,
    pub gzip: Option<Vec<u8>>,
}

/// A row of `current_files`; of `files` without what is large.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = current_files)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RawCurrent {
    pub role: String,
    pub version: i64,
    pub sha256: String,
    pub length: i64,
    pub expires: i64,
    pub delegates: bool,
}

/// A row of `events`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RawEvent {
    pub seq: i64,
    pub roles: String,
    pub revocation: Option<String>,
}

/// A row of `online_keys`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = online_keys)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RawKey {
    pub role: String,
    pub keyid: String,
    pub key_object: String,
    pub standby_for: Option<String>,
}

/// A row of `revocations`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = revocations)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct RawRevocation {
    pub public_key: String,
    pub keyid: String,
    pub key_object: String,
}

impl Inspector {
    /// Opens a database whose tables are those of this program.
    pub fn open(path: &Path) -> StoreResult<Inspector> {
        let mut connection = dialect::open(path)?;
        dialect::require_current(&mut connection)?;
        Ok(Inspector { connection })
    }

    /// Opens a copy, and leaves it one file.
    pub fn open_copy(path: &Path) -> StoreResult<Inspector> {
        let mut connection = dialect::open_as_it_is(path)?;
        dialect::require_current(&mut connection)?;
        Ok(Inspector { connection })
    }

    /// Looks at the database at one commit: whatever a server does meanwhile is not seen.
    pub fn look<T>(
        &mut self,
        work: impl FnOnce(&mut View<'_>) -> StoreResult<T>,
    ) -> StoreResult<T> {
        self.connection.transaction(|connection| work(&mut View { connection }))
    }
}

impl View<'_> {
    /// What the database finds wrong with itself.
    pub fn integrity(&mut self) -> StoreResult<Vec<String>> {
        dialect::integrity(self.connection)
    }

    /// The lives of all names, in the order of names.
    pub fn lives(&mut self) -> StoreResult<Vec<RawLife>> {
        let all = collections::table.order((collections::gun.asc(), collections::id.asc()));
        Ok(all.select(RawLife::as_select()).load(self.connection)?)
    }

    /// One life as it is now; `None` when it is gone.
    pub fn life(&mut self, id: i64) -> StoreResult<Option<RawLife>> {
        let row = collections::table.find(id).select(RawLife::as_select());
        Ok(row.first(self.connection).optional()?)
    }

    /// The next file in the order of roles and versions: one at a time, since each may be large.
    pub fn file_after(
        &mut self,
        id: i64,
        (role, version): (&str, i64),
    ) -> StoreResult<Option<RawFile>> {
        let later = files::role.gt(role).or(files::role.eq(role).and(files::version.gt(version)));
        let next = files::table
            .filter(files::collection_id.eq(id))
            .filter(later)
            .order((files::role.asc(), files::version.asc()))
            .select(RawFile::as_select());
        Ok(next.first(self.connection).optional()?)
    }

    /// The bytes of a file.
    pub fn bytes(&mut self, id: i64, role: &str, version: i64) -> StoreResult<Option<Vec<u8>>> {
        let row = files::table.find((id, role, version)).select(files::bytes);
        Ok(row.first(self.connection).optional()?)
    }

    /// SHA-256, length, expiry and commit of a file.
    pub fn columns(
        &mut self,
        id: i64,
        role: &str,
        version: i64,
    ) -> StoreResult<Option<(String, i64, i64, i64)>> {
        let columns = (files::sha256, files::length, files::expires, files::seq);
        let row = files::table.find((id, role, version)).select(columns);
        Ok(row.first(self.connection).optional()?)
    }

    /// The highest version that is stored of a role.
    pub fn highest(&mut self, id: i64, role: &str) -> StoreResult<Option<i64>> {
        let of_role = files::table.filter(files::collection_id.eq(id)).filter(files::role.eq(role));
        Ok(of_role.select(diesel::dsl::max(files::version)).first(self.connection)?)
    }

    /// The current file of each role.
    pub fn current(&mut self, id: i64) -> StoreResult<Vec<RawCurrent>> {
        let rows = current_files::table.filter(current_files::collection_id.eq(id));
        let rows = rows.order(current_files::role.asc());
        Ok(rows.select(RawCurrent::as_select()).load(self.connection)?)
    }

    /// The next event of a life.
    pub fn event_after(&mut self, id: i64, seq: i64) -> StoreResult<Option<RawEvent>> {
        let next = events::table
            .filter(events::collection_id.eq(id))
            .filter(events::seq.gt(seq))
            .order(events::seq.asc())
            .select(RawEvent::as_select());
        Ok(next.first(self.connection).optional()?)
    }

    /// How many events there are, the highest number among them, and the number that was given
    /// last.
    pub fn numbers(&mut self) -> StoreResult<(i64, i64, i64)> {
        let count = events::table.count().get_result(self.connection)?;
        let highest: Option<i64> =
            events::table.select(diesel::dsl::max(events::seq)).first(self.connection)?;
        let last = feed::table.select(feed::last_seq).first(self.connection)?;
        Ok((count, highest.unwrap_or(0), last))
    }

    /// The keys that were noted.
    pub fn keys(&mut self, id: i64) -> StoreResult<Vec<RawKey>> {
        let rows = online_keys::table.filter(online_keys::collection_id.eq(id));
        Ok(rows.select(RawKey::as_select()).load(self.connection)?)
    }

    /// The keys that are revoked.
    pub fn revocations(&mut self, id: i64) -> StoreResult<Vec<RawRevocation>> {
        let rows = revocations::table.filter(revocations::collection_id.eq(id));
        let rows = rows.order(revocations::keyid.asc());
        Ok(rows.select(RawRevocation::as_select()).load(self.connection)?)
    }

    /// The fence of the slot, if there is one.
    pub fn fence(&mut self, id: i64) -> StoreResult<Option<i64>> {
        Ok(slots::table.find(id).select(slots::fence).first(self.connection).optional()?)
    }

    /// The proposals as the service reads them.
    pub fn proposals(&mut self, id: i64) -> StoreResult<Vec<Proposal>> {
        proposals::list(self.connection, CollectionId(id), "", u32::MAX)
    }

    /// The files of a proposal as the service reads them.
    pub fn proposed_files(&mut self, id: &str) -> StoreResult<Vec<ProposedFile>> {
        proposals::files_of(self.connection, id)
    }

    /// The life as the service reads it.
    pub fn collection(&mut self, id: i64) -> StoreResult<Collection> {
        let row = collections::table.find(id);
        names::collection_of(
            row.select(super::rows::CollectionRow::as_select()).first(self.connection)?,
        )
    }

    /// The slot as the service reads it.
    pub fn slot(&mut self, collection: &Collection) -> StoreResult<Option<Prepared>> {
        release_slots::slot(self.connection, collection)
    }
}
