//! The online keys: which there are, and which sign no more.

use chrono::{DateTime, Utc};
use notary_schema::name::KeyId;
use notary_schema::wire::SignerKey;
use serde::Serialize;

use super::{CommandError, Output, time_text};
use crate::config::Config;
use crate::store::audit::{Caller, Subject, append};
use crate::store::keys::{self, HeldKey};
use crate::store::tables::{role_text, state_text};
use crate::store::{Database, key_states};

/// A key as `key list --json` shows it.
#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    key: SignerKey,
    backend: String,
}

impl From<HeldKey> for ListedKey {
    fn from(HeldKey { key, backend, .. }: HeldKey) -> ListedKey {
        ListedKey { key, backend }
    }
}

/// Every key of the signer.
pub(crate) fn list(config: &Config, json: bool) -> Result<Output, CommandError> {
    let held = Database::open(&config.database)?.transaction(keys::all)?;
    if json {
        let items: Vec<_> = held.into_iter().map(ListedKey::from).collect();
        return Ok(Output::json(&serde_json::json!({ "items": items }), true));
    }
    let line = |HeldKey { key, backend, .. }: HeldKey| {
        let standby = key.standby_for.map(|of| format!(", stands by for {of}")).unwrap_or_default();
        format!(
            "{} {:<8} {} {} {} {} {}{standby}",
            key.keyid,
            state_text(key.state),
            key.collection,
            key.incarnation,
            role_text(key.role),
            time_text(key.created_at),
            backend,
        )
    };
    Ok(Output::lines(held.into_iter().map(line), true))
}

/// Which of two opposite acts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// The key signs nothing any more.
    Retire,
    /// The key is what it was before it was retired.
    Restore,
}

/// Retires or restores a key, beside a running service too: that looks at the state in the
/// transaction that records a signature.
pub(crate) fn change(
    config: &Config,
    keyid: &KeyId,
    change: Change,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let database = Database::open(&config.database)?;
    let held = database.transaction(|connection| -> Result<_, CommandError> {
        let unknown = || CommandError::UnknownKey(keyid.clone());
        let held = keys::by_id(connection, keyid)?.ok_or_else(unknown)?;
        let (action, changed) = match change {
            Change::Retire => ("key retire", key_states::retire(connection, keyid)?),
            Change::Restore => ("key restore", key_states::restore(connection, &held)?),
        };
        if !changed {
            let state = state_text(held.key.state);
            return Err(CommandError::Unchanged { keyid: keyid.clone(), state });
        }
        let caller = Caller::operator(action, now);
        append(connection, &caller, &Subject::of_key(&held), "changed")?;
        keys::by_id(connection, keyid)?.ok_or_else(unknown)
    })?;
    let (keyid, state) = (held.key.keyid, state_text(held.key.state));
    Ok(Output::lines([format!("{keyid} is {state} now")], true))
}
