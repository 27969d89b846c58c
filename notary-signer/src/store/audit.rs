//! The audit: one line for each request and each act of an operator. Lines of requests that changed
//! something are part of the same transaction as the change.
//!
//! The newest lines stand in the table, older ones in [segments](super::segments); what a line is,
//! and what binds it to the one before, in [lines](super::audit_lines).

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::name::{KeyId, Version};
use notary_schema::online::{MAX_SIGN_KEYS, OnlineRole};
use notary_schema::reason::Reason;

use super::audit_lines::{self, Chained, Line};
use super::keys::HeldKey;
use super::tables::{audit, role_text, time_text};
use super::{Collection, Owner, StoreError};

/// The outcome of a request that made the answered file the one that counts.
pub(crate) const SIGNED: &str = "signed";

/// Longest text that a caller can leave in a column, in characters.
const MAX_TEXT: usize = 300;
/// Longest list of key ids: so many as a request may name, of our own, with what is between them.
const MAX_KEYIDS_TEXT: usize = MAX_SIGN_KEYS * 65;

/// Who asked, when, and how to find the request in the log.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The subject of the client's certificate, or `operator NAME`.
    pub(crate) who: String,
    /// Method and path, or the command.
    pub(crate) action: String,
    /// The id in log and answer; none for commands.
    pub(crate) request_id: Option<String>,
    /// The trace that the caller named.
    pub(crate) trace_id: Option<String>,
    /// When the request came.
    pub(crate) at: DateTime<Utc>,
}

impl Caller {
    /// Whoever runs this process.
    pub(crate) fn operator(action: &str, at: DateTime<Utc>) -> Caller {
        let user = uzers::get_current_uid();
        let name = uzers::get_user_by_uid(user).map(|user| user.name().display().to_string());
        let name = name.unwrap_or_else(|| user.to_string());
        let who = match std::env::var("SUDO_USER") {
            Ok(behind) if user == 0 => format!("operator {name}, sudo by {behind}"),
            _ => format!("operator {name}"),
        };
        Caller { who, action: action.to_owned(), request_id: None, trace_id: None, at }
    }
}

/// What was asked, as far as it is known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    /// The collection.
    pub(crate) collection: Option<Collection>,
    /// The role.
    pub(crate) role: Option<OnlineRole>,
    /// The keys that were named or answered.
    pub(crate) keyids: Vec<KeyId>,
    /// The version that was answered.
    pub(crate) version: Option<Version>,
    /// SHA-256 of the answered file; where signing was refused, of the document.
    pub(crate) sha256: Option<String>,
    /// Why an operator did it.
    pub(crate) reason: Option<Reason>,
    /// Version and SHA-256 of the file that was remembered before an operator set another.
    pub(crate) before: Option<(Version, String)>,
}

impl Subject {
    /// One role of a collection.
    pub(crate) fn of(owner: &Owner) -> Subject {
        let (collection, role) = (Some(owner.collection.clone()), Some(owner.role));
        Subject { collection, role, ..Subject::default() }
    }

    /// One key.
    pub(crate) fn of_key(held: &HeldKey) -> Subject {
        Subject { keyids: vec![held.key.keyid.clone()], ..Subject::of(&held.owner()) }
    }
}

/// Adds a line, and writes it to the log too.
pub(crate) fn append(
    connection: &mut SqliteConnection,
    caller: &Caller,
    subject: &Subject,
    outcome: &str,
) -> Result<(), StoreError> {
    let head = audit_lines::head(connection)?;
    let line = line(head.seq + 1, caller, subject, outcome);
    let chained = Chained { line, previous: head.hash };
    let hash = chained.hash();
    let line = chained.line;
    diesel::insert_into(audit::table).values((&line, audit::hash.eq(&hash))).execute(connection)?;
    tracing::info!(
        target: "audit",
        seq = line.seq,
        request_id = caller.request_id,
        trace_id = caller.trace_id,
        who = line.who,
        collection = line.collection,
        incarnation = line.incarnation,
        role = line.role,
        version = line.version,
        sha256 = line.sha256,
        reason = line.reason,
        version_before = line.version_before,
        sha256_before = line.sha256_before,
        outcome,
        hash,
        "{}", line.action
    );
    Ok(())
}

fn line(seq: i64, caller: &Caller, subject: &Subject, outcome: &str) -> Line {
    let within = |most: usize, text: &str| text.chars().take(most).collect::<String>();
    let short = |text: &str| within(MAX_TEXT, text);
    let keyids: Vec<&str> = subject.keyids.iter().map(KeyId::as_str).collect();
    let number = |version: Version| version.get().cast_signed();
    let collection = subject.collection.as_ref();
    let (version_before, sha256_before) = subject.before.clone().unzip();
    Line {
        seq,
        at: time_text(caller.at),
        who: short(&caller.who),
        action: short(&caller.action),
        // The trace leads to the publish, in the logs of both programs; an own id no further than here.
        request_id: caller.trace_id.clone().or_else(|| caller.request_id.clone()),
        collection: collection.map(|collection| collection.gun.to_string()),
        incarnation: collection.map(|collection| collection.incarnation.to_string()),
        role: subject.role.map(|role| role_text(role).to_owned()),
        keyids: (!keyids.is_empty()).then(|| within(MAX_KEYIDS_TEXT, &keyids.join(" "))),
        version: subject.version.map(number),
        sha256: subject.sha256.clone(),
        outcome: outcome.to_owned(),
        reason: subject.reason.clone().map(Into::into),
        version_before: version_before.map(number),
        sha256_before,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scratch;
    use super::*;

    #[test]
    fn lines_are_added_and_neither_changed_nor_deleted() {
        let scratch = scratch();
        let caller = Caller {
            who: "x".repeat(10_000),
            action: "POST /v1/sign".into(),
            request_id: None,
            trace_id: None,
            at: DateTime::UNIX_EPOCH,
        };
        let append = |connection: &mut SqliteConnection| {
            append(connection, &caller, &Subject::default(), "signed")
        };
        scratch.database.transaction(append).unwrap();
        for statement in ["UPDATE audit SET outcome = 'x'", "DELETE FROM audit"] {
            let change = |connection: &mut SqliteConnection| -> Result<usize, StoreError> {
                Ok(diesel::sql_query(statement).execute(connection)?)
            };
            let refused = scratch.database.transaction(change).unwrap_err().to_string();
            assert!(refused.contains("only appended"), "{statement}: {refused}");
        }
        let read = |connection: &mut SqliteConnection| -> Result<Vec<_>, StoreError> {
            let lines = audit::table.select((audit::who, audit::outcome));
            Ok(lines.load::<(String, String)>(connection)?)
        };
        let lines = scratch.database.transaction(read).unwrap();
        assert_eq!(lines, [("x".repeat(MAX_TEXT), "signed".to_owned())]);
    }
}
