//! The audit: one line for each request and each act of an operator. Lines of requests that changed
//! something are part of the same transaction as the change.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::name::{KeyId, Version};
use notary_schema::online::OnlineRole;

use super::keys::HeldKey;
use super::tables::{audit, role_text, time_text};
use super::{Collection, Owner, StoreError};

/// Longest text that a caller can leave in a column, in characters.
const MAX_TEXT: usize = 300;

/// Who asked, when, and how to find the request in the log.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The subject of the client's certificate, or `operator NAME`.
    pub(crate) who: String,
    /// Method and path, or the command.
    pub(crate) action: String,
    /// The id in log and answer; none for commands.
    pub(crate) request_id: Option<String>,
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
        Caller { who, action: action.to_owned(), request_id: None, at }
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
    pub(crate) reason: Option<String>,
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
    let short = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
    let keyids: Vec<&str> = subject.keyids.iter().map(KeyId::as_str).collect();
    let keyids = (!keyids.is_empty()).then(|| keyids.join(" "));
    let collection = subject.collection.as_ref();
    let number = |version: Version| version.get().cast_signed();
    let version = subject.version.map(number);
    let (version_before, sha256_before) = subject.before.clone().unzip();
    let version_before = version_before.map(number);
    diesel::insert_into(audit::table)
        .values((
            audit::at.eq(time_text(caller.at)),
            audit::who.eq(short(&caller.who)),
            audit::action.eq(short(&caller.action)),
            audit::request_id.eq(&caller.request_id),
            audit::collection.eq(collection.map(|collection| collection.gun.as_str())),
            audit::incarnation.eq(collection.map(|collection| collection.incarnation.as_str())),
            audit::role.eq(subject.role.map(role_text)),
            audit::keyids.eq(keyids.as_deref().map(short)),
            audit::version.eq(version),
            audit::sha256.eq(&subject.sha256),
            audit::outcome.eq(outcome),
            audit::reason.eq(subject.reason.as_deref().map(short)),
            audit::version_before.eq(version_before),
            audit::sha256_before.eq(&sha256_before),
        ))
        .execute(connection)?;
    tracing::info!(
        target: "audit",
        request_id = caller.request_id,
        who = caller.who,
        collection = collection.map(|collection| collection.gun.as_str()),
        incarnation = collection.map(|collection| collection.incarnation.as_str()),
        role = subject.role.map(role_text),
        version,
        sha256 = subject.sha256,
        reason = subject.reason,
        version_before,
        sha256_before,
        outcome,
        "{}", caller.action
    );
    Ok(())
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
