//! The lines of the audit as they stand for good: one JSON document each, which names the SHA-256 of
//! the line before. Whoever has noted the hash of one line can tell whether it, or any line before
//! it, was changed, taken out or put in.

use diesel::dsl::max;
use diesel::prelude::*;
use notary_schema::key::sha256_hex;
use notary_schema::name::Gun;
use serde::{Deserialize, Serialize};

use super::tables::audit;
use super::{StoreError, segments};

diesel::alias!(const LINES: Alias<Lines> = audit as lines);

/// One line.
#[derive(
    Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Insertable, Queryable, Selectable,
)]
#[diesel(table_name = audit)]
pub(crate) struct Line {
    /// Its number; the next one has the next number.
    pub(crate) seq: i64,
    /// When, as RFC 3339.
    pub(crate) at: String,
    /// Who asked.
    pub(crate) who: String,
    /// Method and path, or the command.
    pub(crate) action: String,
    /// The id of its trace, where the caller named one; otherwise that of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) collection: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) incarnation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keyids: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// What became of it.
    pub(crate) outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256_before: Option<String>,
}

/// A line, and what binds it to the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Chained {
    /// The line.
    #[serde(flatten)]
    pub(crate) line: Line,
    /// The hash of the line before; empty for the first line.
    pub(crate) previous: String,
}

impl Line {
    /// Whether it is about a collection.
    pub(crate) fn is_of(&self, gun: &Gun) -> bool {
        self.collection.as_deref() == Some(gun.as_str())
    }
}

impl Chained {
    /// The bytes that stand in a segment, without line end, and that are hashed.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(self).expect("plain values are JSON")
    }

    /// The hash of the line.
    pub(crate) fn hash(&self) -> String {
        sha256_hex(self.json().as_bytes())
    }
}

/// A line in the table.
#[derive(Debug, Clone, Serialize, Queryable, Selectable)]
#[diesel(table_name = audit)]
pub(crate) struct Stored {
    /// The line.
    #[diesel(embed)]
    #[serde(flatten)]
    pub(crate) line: Line,
    /// Its hash.
    pub(crate) hash: String,
}

/// The end of the chain: number and hash of the last line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) hash: String,
}

/// Why a line does not belong where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Break {
    /// Lines are missing, or were put in.
    #[error("line {seq} follows line {after}")]
    Gap {
        /// The line.
        seq: i64,
        /// The one before.
        after: i64,
    },
    /// The line before, or all of them, are not those that this line was written after.
    #[error("line {0} was written after another line {before}", before = .0 - 1)]
    OtherPast(i64),
    /// The line is not what was recorded, or was recorded after another one.
    #[error("line {0}, or the one before it, is not what was recorded")]
    Changed(i64),
}

impl Head {
    /// Moves on to a line, which has this hash.
    ///
    /// # Errors
    /// [`Break::Gap`], [`Break::OtherPast`].
    pub(crate) fn follow(&mut self, next: &Chained, hash: String) -> Result<(), Break> {
        let (seq, after) = (next.line.seq, self.seq);
        if seq != after + 1 {
            return Err(Break::Gap { seq, after });
        }
        if next.previous != self.hash {
            return Err(Break::OtherPast(seq));
        }
        *self = Head { seq, hash };
        Ok(())
    }

    /// Moves on to a line of the table, which does not say what is before it.
    ///
    /// # Errors
    /// [`Break::Gap`], [`Break::Changed`].
    pub(crate) fn follow_stored(&mut self, next: Stored) -> Result<Chained, Break> {
        let Stored { line, hash } = next;
        let seq = line.seq;
        let chained = Chained { line, previous: self.hash.clone() };
        let is_as_recorded = hash == chained.hash();
        self.follow(&chained, hash)?;
        if is_as_recorded { Ok(chained) } else { Err(Break::Changed(seq)) }
    }
}

/// The end of the chain in the database.
pub(crate) fn head(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    // Not by order and LIMIT: SQLite prepares that anew for each value that is bound to the limit.
    let newest = LINES.select(max(LINES.field(audit::seq))).single_value();
    let last = audit::table.filter(audit::seq.nullable().eq(newest));
    let last = last.select((audit::seq, audit::hash));
    let last: Option<(i64, String)> = last.get_result(connection).optional()?;
    match last {
        Some((seq, hash)) => Ok(Head { seq, hash }),
        None => sealed(connection),
    }
}

/// Whether the chain in the database may have had this end: it goes as far, and has no other line there.
/// Which line that was, a segment says, if it was sealed.
pub(crate) fn may_have(
    connection: &mut SqliteConnection,
    former: &Head,
) -> Result<bool, StoreError> {
    let line = audit::table.filter(audit::seq.eq(former.seq)).select(audit::hash);
    let line: Option<String> = line.first(connection).optional()?;
    let is_another = line.is_some_and(|hash| hash != former.hash);
    Ok(!is_another && former.seq <= head(connection)?.seq)
}

/// The end of the last segment: where the lines of the table go on.
pub(crate) fn sealed(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    let last = segments::last(connection)?;
    Ok(last.map(|last| Head { seq: last.last_seq, hash: last.last_hash }).unwrap_or_default())
}

/// Lines of the table from a number on.
pub(crate) fn from(
    connection: &mut SqliteConnection,
    seq: i64,
    most: i64,
) -> Result<Vec<Stored>, StoreError> {
    let lines = audit::table.filter(audit::seq.ge(seq)).order(audit::seq).limit(most);
    Ok(lines.select(Stored::as_select()).load(connection)?)
}

/// The newest lines of the table, oldest first; those of one collection where one is named.
pub(crate) fn newest(
    connection: &mut SqliteConnection,
    gun: Option<&Gun>,
    most: i64,
) -> Result<Vec<Stored>, StoreError> {
    let mut lines = audit::table.order(audit::seq.desc()).limit(most).into_boxed();
    if let Some(gun) = gun {
        lines = lines.filter(audit::collection.eq(gun.as_str()));
    }
    let mut lines: Vec<Stored> = lines.select(Stored::as_select()).load(connection)?;
    lines.reverse();
    Ok(lines)
}

/// Gives every line that is older than the chain its hash.
pub(crate) fn chain_old(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut head = Head::default();
    let old = audit::table.filter(audit::hash.eq("")).order(audit::seq);
    for line in old.select(Line::as_select()).load(connection)? {
        let chained = Chained { line, previous: head.hash };
        head = Head { seq: chained.line.seq, hash: chained.hash() };
        let row = audit::table.filter(audit::seq.eq(head.seq));
        diesel::update(row).set(audit::hash.eq(&head.hash)).execute(connection)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_follows_the_one_that_it_names_and_no_other() {
        let line = |seq: i64, previous: &str| -> Chained {
            let text = format!(
                r#"{{"seq":{seq},"at":"t","who":"w","action":"a","outcome":"o","previous":"{previous}"}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let after = |next: &Chained| {
            let mut head = Head { seq: 3, hash: "third".to_owned() };
            head.follow(next, "fourth".to_owned()).map(|()| head)
        };
        let fourth = Head { seq: 4, hash: "fourth".to_owned() };
        assert_eq!(after(&line(4, "third")), Ok(fourth));
        assert_eq!(after(&line(4, "another")), Err(Break::OtherPast(4)));
        assert_eq!(after(&line(4, "")), Err(Break::OtherPast(4)));
        for seq in [3, 5] {
            assert_eq!(after(&line(seq, "third")), Err(Break::Gap { seq, after: 3 }));
        }
    }
}
