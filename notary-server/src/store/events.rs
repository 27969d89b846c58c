//! The changefeed: one row for each commit, numbered without gaps in commit order.

use chrono::{DateTime, Utc};
use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use notary_schema::name::{Glob, Gun};
use notary_schema::wire::{Event, EventFile, EventKind, EventPage, EventRevocation};

use super::dialect::Connection;
use super::queries::{column, number, time, word, written};
use super::rows::{EventRow, collections, events, feed};
use super::{CollectionId, NewFeed, StoreResult};

/// Most bytes of a page, unless one event alone has more: a publish may bring 20,000 files.
const MAX_PAGE_BYTES: usize = 8 << 20;

/// Numbers a commit and notes it; answers its number.
pub(super) fn record(
    connection: &mut Connection,
    id: CollectionId,
    kind: EventKind,
    by: &[String],
    files: &[EventFile],
    now: DateTime<Utc>,
) -> StoreResult<i64> {
    let row = EventRow {
        seq: 0,
        collection_id: id.0,
        kind: written(&kind)?,
        at: now.timestamp(),
        done_by: (!by.is_empty()).then(|| by.join(",")),
        roles: column("files of an event", serde_json::to_string(files))?,
        revocation: None,
    };
    number_and_note(connection, row)
}

/// The same of what becomes of a key.
pub(super) fn record_revocation(
    connection: &mut Connection,
    id: CollectionId,
    (kind, revocation): (EventKind, &EventRevocation),
    by: &str,
    now: DateTime<Utc>,
) -> StoreResult<i64> {
    let row = EventRow {
        seq: 0,
        collection_id: id.0,
        kind: written(&kind)?,
        at: now.timestamp(),
        done_by: Some(by.to_owned()),
        roles: "[]".to_owned(),
        revocation: Some(column("a revocation", serde_json::to_string(revocation))?),
    };
    number_and_note(connection, row)
}

/// Gives the feed another id, and notes that a collection was found behind.
pub(super) fn restart(
    connection: &mut Connection,
    id: CollectionId,
    feed: &NewFeed,
) -> StoreResult<()> {
    diesel::update(feed::table.find(1)).set(feed::feed_id.eq(&feed.id)).execute(connection)?;
    let seq = record(connection, id, EventKind::Restored, &[], &[], feed.now)?;
    let row = collections::table.find(id.0);
    diesel::update(row).set(collections::seq.eq(seq)).execute(connection)?;
    Ok(())
}

/// The row of the feed is locked from here on, so numbers are in the order of commits.
fn number_and_note(connection: &mut Connection, row: EventRow) -> StoreResult<i64> {
    let seq: i64 = diesel::update(feed::table.find(1))
        .set(feed::last_seq.eq(feed::last_seq + 1i64))
        .returning(feed::last_seq)
        .get_result(connection)?;
    diesel::insert_into(events::table).values(EventRow { seq, ..row }).execute(connection)?;
    Ok(seq)
}

/// What of the changefeed is asked for.
#[derive(Debug, Clone)]
pub struct EventQuery {
    /// Of one name alone, whatever may be read of others.
    pub of: Option<Gun>,
    /// Which names may be read that are not public.
    pub readable: Option<Glob>,
    /// After this number.
    pub after: u64,
    /// Of the feed of this id alone.
    pub feed: Option<String>,
    /// How many at most, at least 1.
    pub limit: u32,
}

/// What there is at a place of the changefeed.
#[derive(Debug, Clone)]
pub enum Events {
    /// The events after it.
    After(EventPage),
    /// The feed is another one than the one that was named.
    OtherFeed,
    /// No event with its number, nor a later one, among those that are asked for and may be read.
    NoSuchPlace,
}

/// Reads from the event at the place on, not behind it: whether there is one, of those that the
/// caller may read, is all that the answer to a number depends on (decision 0006). The newest number
/// of the server would tell when others publish.
pub(super) fn page(connection: &mut Connection, query: &EventQuery) -> StoreResult<Events> {
    let feed: String = feed::table.find(1).select(feed::feed_id).first(connection)?;
    if query.feed.as_ref().is_some_and(|wanted| *wanted != feed) {
        return Ok(Events::OtherFeed);
    }
    let all = query.of.is_none();
    let gun = query.of.as_ref().map_or("", Gun::as_str);
    let rows = events::table
        .inner_join(collections::table)
        .filter(events::seq.ge(number(query.after)))
        .filter(collections::gun.eq(gun).or(all.into_sql::<Bool>()))
        .filter(collections::is_public.or(query.readable.is_some().into_sql::<Bool>()))
        .order(events::seq.asc())
        .select((EventRow::as_select(), collections::gun, collections::is_public))
        .load_iter::<(EventRow, String, bool), DefaultLoadingMode>(connection)?;
    let (mut items, mut bytes) = (Vec::new(), 0);
    let mut is_place = query.after == 0;
    for row in rows {
        let (row, gun, is_public) = row?;
        if !is_public && !query.readable.as_ref().is_some_and(|glob| glob.matches(&gun)) {
            continue;
        }
        is_place = true;
        if row.seq == number(query.after) {
            continue;
        }
        bytes += row.roles.len();
        let is_full = items.len() == query.limit as usize || bytes > MAX_PAGE_BYTES;
        if let Some(Event { seq, .. }) = items.last().filter(|_| is_full) {
            let next = Some(seq.to_string());
            return Ok(Events::After(EventPage { feed, items, next }));
        }
        items.push(event(row, &gun)?);
    }
    match is_place {
        true => Ok(Events::After(EventPage { feed, items, next: None })),
        false => Ok(Events::NoSuchPlace),
    }
}

fn event(row: EventRow, gun: &str) -> StoreResult<Event> {
    Ok(Event {
        seq: row.seq.unsigned_abs(),
        collection: column("a collection's name", Gun::parse(gun))?,
        kind: word(&row.kind)?,
        at: time(row.at)?,
        by: row.done_by,
        roles: column("files of an event", serde_json::from_str(&row.roles))?,
        revocation: row
            .revocation
            .map(|text| column("a revocation of an event", serde_json::from_str(&text)))
            .transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection as _;

    use super::super::dialect::{migrate, open};
    use super::*;

    /// A feed whose events have lists of files of so many bytes.
    fn feed_of(lengths: &[usize]) -> (tempfile::TempDir, Connection) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.sqlite");
        migrate(&path).unwrap();
        let mut connection = open(&path).unwrap();
        let collection =
            "INSERT INTO collections (id, gun, incarnation, state, reserved_at, changed_at)
                          VALUES (1, 'acme/app', '00000000000000000000000000000000', 'live', 0, 0)";
        connection.batch_execute(collection).unwrap();
        for length in lengths {
            let row = EventRow {
                seq: 0,
                collection_id: 1,
                kind: "publish".to_owned(),
                at: 0,
                done_by: None,
                roles: format!("[{}]", " ".repeat(length - 2)),
                revocation: None,
            };
            number_and_note(&mut connection, row).unwrap();
        }
        (directory, connection)
    }

    /// The numbers on each page.
    fn pages(connection: &mut Connection) -> Vec<Vec<u64>> {
        let mut pages = Vec::new();
        let mut after = Some(0);
        while let Some(place) = after {
            let query =
                EventQuery { of: None, readable: None, after: place, feed: None, limit: 1000 };
            let Events::After(found) = page(connection, &query).unwrap() else { panic!("{place}") };
            pages.push(found.items.iter().map(|event| event.seq).collect());
            after = found.next.map(|next| next.parse().unwrap());
        }
        pages
    }

    #[test]
    fn a_page_ends_where_it_would_be_too_long_and_has_one_event_at_least() {
        let half = MAX_PAGE_BYTES / 2;
        let (_directory, mut connection) = feed_of(&[half, half, 2, MAX_PAGE_BYTES + 1, 2]);
        assert_eq!(pages(&mut connection), [vec![1, 2], vec![3], vec![4], vec![5]]);
    }
}
