//! The tables as diesel sees them, and the words in their columns. The migrations in
//! `schema/migrations/signer-sqlite` say what the columns mean.

use chrono::{DateTime, SecondsFormat, Utc};
use notary_schema::online::OnlineRole;
use notary_schema::wire::KeyState;

use super::StoreError;

diesel::table! {
    store_header (id) {
        id -> Integer,
        rounds -> Nullable<BigInt>,
        salt -> Nullable<Binary>,
        wrapping_key -> Nullable<Text>,
        wrapped -> Nullable<Binary>,
        check_value -> Binary,
    }
}

diesel::table! {
    online_keys (seq) {
        seq -> BigInt,
        keyid -> Text,
        collection -> Text,
        incarnation -> Text,
        role -> Text,
        state -> Text,
        retired_from -> Nullable<Text>,
        public_key -> Binary,
        handle -> Binary,
        created_at -> Text,
        backend -> Text,
        standby_for -> Nullable<Text>,
    }
}

diesel::table! {
    memory (id) {
        id -> BigInt,
        collection -> Text,
        incarnation -> Text,
        role -> Text,
        version -> BigInt,
        sha256 -> Text,
        signed_at -> Text,
        file -> Binary,
        set_by -> Nullable<Text>,
        set_reason -> Nullable<Text>,
    }
}

diesel::table! {
    audit (seq) {
        seq -> BigInt,
        at -> Text,
        who -> Text,
        action -> Text,
        request_id -> Nullable<Text>,
        collection -> Nullable<Text>,
        incarnation -> Nullable<Text>,
        role -> Nullable<Text>,
        keyids -> Nullable<Text>,
        version -> Nullable<BigInt>,
        sha256 -> Nullable<Text>,
        outcome -> Text,
        reason -> Nullable<Text>,
        version_before -> Nullable<BigInt>,
        sha256_before -> Nullable<Text>,
        hash -> Text,
    }
}

diesel::table! {
    audit_segments (last_seq) {
        last_seq -> BigInt,
        first_seq -> BigInt,
        file -> Text,
        sha256 -> Text,
        last_hash -> Text,
        sealed_at -> Text,
    }
}

diesel::table! {
    unsettled (collection, incarnation, role) {
        collection -> Text,
        incarnation -> Text,
        role -> Text,
        cause -> Text,
    }
}

diesel::table! {
    identity (id) {
        id -> Integer,
        inode -> BigInt,
        born -> Nullable<BigInt>,
    }
}

/// The word for a role, in the database and in lists for people.
pub(crate) fn role_text(role: OnlineRole) -> &'static str {
    match role {
        OnlineRole::Snapshot => "snapshot",
        OnlineRole::Timestamp => "timestamp",
    }
}

pub(super) fn role_of(text: &str) -> Result<OnlineRole, StoreError> {
    match text {
        "snapshot" => Ok(OnlineRole::Snapshot),
        "timestamp" => Ok(OnlineRole::Timestamp),
        _ => Err(StoreError::damaged("role", text)),
    }
}

/// The word for a state, in the database and in lists for people.
pub(crate) fn state_text(state: KeyState) -> &'static str {
    match state {
        KeyState::Pending => "pending",
        KeyState::Active => "active",
        KeyState::Retiring => "retiring",
        KeyState::Retired => "retired",
    }
}

pub(super) fn state_of(text: &str) -> Result<KeyState, StoreError> {
    match text {
        "pending" => Ok(KeyState::Pending),
        "active" => Ok(KeyState::Active),
        "retiring" => Ok(KeyState::Retiring),
        "retired" => Ok(KeyState::Retired),
        _ => Err(StoreError::damaged("state", text)),
    }
}

pub(crate) fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub(super) fn time_of(text: &str) -> Result<DateTime<Utc>, StoreError> {
    let time = DateTime::parse_from_rfc3339(text);
    Ok(time.map_err(|_| StoreError::damaged("time", text))?.to_utc())
}
