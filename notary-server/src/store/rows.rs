//! The tables, and one type for each kind of row. Names are those of the migrations; nothing here
//! knows what the columns mean.

use diesel::prelude::*;

diesel::table! {
    collections (id) {
        id -> BigInt,
        gun -> Text,
        incarnation -> Text,
        state -> Text,
        is_public -> Bool,
        fence -> BigInt,
        seq -> BigInt,
        reserved_at -> BigInt,
        changed_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        replaced_by -> Nullable<BigInt>,
        reserved_by -> Text,
        lifetimes -> Text,
        lost -> BigInt,
    }
}

diesel::table! {
    files (collection_id, role, version) {
        collection_id -> BigInt,
        role -> Text,
        version -> BigInt,
        sha256 -> Text,
        length -> BigInt,
        expires -> BigInt,
        seq -> BigInt,
        bytes -> Binary,
        gzip -> Nullable<Binary>,
    }
}

diesel::table! {
    current_files (collection_id, role) {
        collection_id -> BigInt,
        role -> Text,
        version -> BigInt,
        sha256 -> Text,
        length -> BigInt,
        expires -> BigInt,
        delegates -> Bool,
    }
}

diesel::table! {
    slots (collection_id) {
        collection_id -> BigInt,
        fence -> BigInt,
        purpose -> Text,
        snapshot_version -> Nullable<BigInt>,
        snapshot_signed -> Nullable<Binary>,
        snapshot_keyids -> Nullable<Text>,
        timestamp_version -> BigInt,
        timestamp_expires -> BigInt,
        timestamp_keyids -> Text,
        rebuilds -> BigInt,
        reason_code -> Nullable<Text>,
        reason -> Nullable<Text>,
        retry_at -> Nullable<BigInt>,
        prepared_at -> BigInt,
        done_by -> Nullable<Text>,
        overlap -> Text,
    }
}

diesel::table! {
    slot_files (collection_id, role, version) {
        collection_id -> BigInt,
        role -> Text,
        version -> BigInt,
        bytes -> Binary,
    }
}

diesel::table! {
    events (seq) {
        seq -> BigInt,
        collection_id -> BigInt,
        kind -> Text,
        at -> BigInt,
        done_by -> Nullable<Text>,
        roles -> Text,
        revocation -> Nullable<Text>,
    }
}

diesel::table! {
    feed (id) {
        id -> Integer,
        last_seq -> BigInt,
        feed_id -> Text,
    }
}

diesel::table! {
    online_keys (collection_id, role, keyid) {
        collection_id -> BigInt,
        role -> Text,
        keyid -> Text,
        key_object -> Text,
        state -> Text,
        taken_away_at -> Nullable<BigInt>,
        found -> Bool,
        standby_for -> Nullable<Text>,
    }
}

diesel::table! {
    tokens (id) {
        id -> Text,
        sha256 -> Text,
        grant_name -> Text,
        collection_glob -> Text,
        role_globs -> Text,
        created_at -> BigInt,
        created_by -> Text,
        origin -> Text,
        expires_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        name -> Nullable<Text>,
    }
}

diesel::table! {
    proposals (id) {
        id -> Text,
        collection_id -> BigInt,
        state -> Text,
        created_at -> BigInt,
        created_by -> Text,
        closed_at -> Nullable<BigInt>,
        reason -> Text,
        lapses_at -> BigInt,
        pending -> Text,
        orphan -> Text,
        compromised -> Text,
        revision -> BigInt,
        displaced_by -> Nullable<Text>,
    }
}

diesel::table! {
    proposal_files (proposal_id, role) {
        proposal_id -> Text,
        role -> Text,
        version -> BigInt,
        signed -> Binary,
        signed_sha256 -> Text,
        is_published -> Bool,
    }
}

diesel::table! {
    proposal_signatures (proposal_id, role, keyid) {
        proposal_id -> Text,
        role -> Text,
        keyid -> Text,
        signature -> Binary,
        created_at -> BigInt,
        created_by -> Text,
    }
}

diesel::table! {
    revocations (collection_id, public_key) {
        collection_id -> BigInt,
        public_key -> Text,
        keyid -> Text,
        key_object -> Text,
        reason -> Text,
        created_at -> BigInt,
        created_by -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(collections, files, current_files, slots);
diesel::joinable!(current_files -> collections (collection_id));
diesel::allow_tables_to_appear_in_same_query!(collections, events);
diesel::joinable!(slots -> collections (collection_id));
diesel::joinable!(events -> collections (collection_id));
diesel::allow_tables_to_appear_in_same_query!(proposals, proposal_files);
diesel::joinable!(proposal_files -> proposals (proposal_id));

#[derive(Queryable, Selectable)]
#[diesel(table_name = collections)]
pub(super) struct CollectionRow {
    pub(super) id: i64,
    pub(super) gun: String,
    pub(super) incarnation: String,
    pub(super) state: String,
    pub(super) is_public: bool,
    pub(super) seq: i64,
    pub(super) changed_at: i64,
    pub(super) deleted_at: Option<i64>,
    pub(super) lifetimes: String,
}

#[derive(Insertable)]
#[diesel(table_name = collections)]
pub(super) struct NewCollection<'a> {
    pub(super) id: i64,
    pub(super) is_public: bool,
    pub(super) reserved_by: &'a str,
    pub(super) gun: &'a str,
    pub(super) incarnation: &'a str,
    pub(super) state: &'a str,
    pub(super) reserved_at: i64,
    pub(super) changed_at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = files)]
pub(super) struct FileRow {
    pub(super) sha256: String,
    pub(super) expires: i64,
    pub(super) bytes: Vec<u8>,
    pub(super) gzip: Option<Vec<u8>>,
}

#[derive(Insertable)]
#[diesel(table_name = files)]
pub(super) struct NewFile<'a> {
    pub(super) collection_id: i64,
    pub(super) role: &'a str,
    pub(super) version: i64,
    pub(super) sha256: &'a str,
    pub(super) length: i64,
    pub(super) expires: i64,
    pub(super) seq: i64,
    pub(super) bytes: &'a [u8],
    pub(super) gzip: Option<&'a [u8]>,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = current_files)]
pub(super) struct CurrentFileRow {
    pub(super) collection_id: i64,
    pub(super) role: String,
    pub(super) version: i64,
    pub(super) sha256: String,
    pub(super) length: i64,
    pub(super) expires: i64,
    pub(super) delegates: bool,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = slots, treat_none_as_null = true)]
pub(super) struct SlotRow {
    pub(super) collection_id: i64,
    pub(super) fence: i64,
    pub(super) purpose: String,
    pub(super) snapshot_version: Option<i64>,
    pub(super) snapshot_signed: Option<Vec<u8>>,
    pub(super) snapshot_keyids: Option<String>,
    pub(super) timestamp_version: i64,
    pub(super) timestamp_expires: i64,
    pub(super) timestamp_keyids: String,
    pub(super) rebuilds: i64,
    pub(super) reason_code: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) retry_at: Option<i64>,
    pub(super) prepared_at: i64,
    pub(super) done_by: Option<String>,
    pub(super) overlap: String,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = slot_files)]
pub(super) struct SlotFileRow {
    pub(super) role: String,
    pub(super) bytes: Vec<u8>,
}

#[derive(Insertable)]
#[diesel(table_name = slot_files)]
pub(super) struct NewSlotFile<'a> {
    pub(super) collection_id: i64,
    pub(super) role: &'a str,
    pub(super) version: i64,
    pub(super) bytes: &'a [u8],
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = events)]
pub(super) struct EventRow {
    pub(super) seq: i64,
    pub(super) collection_id: i64,
    pub(super) kind: String,
    pub(super) at: i64,
    pub(super) done_by: Option<String>,
    pub(super) roles: String,
    pub(super) revocation: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = online_keys)]
pub(super) struct OnlineKeyRow {
    pub(super) collection_id: i64,
    pub(super) role: String,
    pub(super) keyid: String,
    pub(super) key_object: String,
    pub(super) state: String,
    pub(super) taken_away_at: Option<i64>,
    pub(super) found: bool,
    pub(super) standby_for: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = tokens)]
pub(super) struct TokenRow {
    pub(super) id: String,
    pub(super) sha256: String,
    pub(super) grant_name: String,
    pub(super) collection_glob: String,
    pub(super) role_globs: String,
    pub(super) created_at: i64,
    pub(super) created_by: String,
    pub(super) origin: String,
    pub(super) expires_at: Option<i64>,
    pub(super) last_used_at: Option<i64>,
    pub(super) revoked_at: Option<i64>,
    pub(super) name: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = proposals)]
pub(super) struct ProposalRow {
    pub(super) id: String,
    pub(super) collection_id: i64,
    pub(super) state: String,
    pub(super) created_at: i64,
    pub(super) created_by: String,
    pub(super) closed_at: Option<i64>,
    pub(super) reason: String,
    pub(super) lapses_at: i64,
    pub(super) pending: String,
    pub(super) orphan: String,
    pub(super) compromised: String,
    pub(super) revision: i64,
    pub(super) displaced_by: Option<String>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = proposal_files)]
pub(super) struct ProposalFileRow {
    pub(super) proposal_id: String,
    pub(super) role: String,
    pub(super) version: i64,
    pub(super) signed: Vec<u8>,
    pub(super) signed_sha256: String,
    pub(super) is_published: bool,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = proposal_signatures)]
pub(super) struct ProposalSignatureRow {
    pub(super) proposal_id: String,
    pub(super) role: String,
    pub(super) keyid: String,
    pub(super) signature: Vec<u8>,
    pub(super) created_at: i64,
    pub(super) created_by: String,
}

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = revocations)]
pub(super) struct RevocationRow {
    pub(super) collection_id: i64,
    pub(super) public_key: String,
    pub(super) keyid: String,
    pub(super) key_object: String,
    pub(super) reason: String,
    pub(super) created_at: i64,
    pub(super) created_by: String,
}
