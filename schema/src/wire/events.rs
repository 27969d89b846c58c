//! The changefeed of notary-server.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::name::{Gun, KeyId, RoleName, Version};

/// A page of events.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventPage {
    /// The id of the feed. It changes when the database was set back, since numbers repeat then; sent
    /// with `after`, it is refused from then on.
    #[serde(default)]
    pub feed: String,
    /// The events of this page.
    pub items: Vec<Event>,
    /// Where the next page starts: the `after` of the next request; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One event. Events are numbered in commit order, without gaps over the whole server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Its number.
    pub seq: u64,
    /// The collection.
    pub collection: Gun,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: DateTime<Utc>,
    /// The id of the token of whoever did it; absent for what the server did by itself. Several who
    /// shared one commit stand side by side, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The files that it brought, snapshot and timestamp included.
    #[serde(default)]
    pub roles: Vec<EventFile>,
    /// The key that was revoked, or is good again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation: Option<EventRevocation>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// New metadata of publishers.
    Publish,
    /// New dates for the online roles.
    Refresh,
    /// The collection became a tombstone.
    Delete,
    /// The tombstone became a collection again.
    Undelete,
    /// Its policy changed.
    Policy,
    /// A key signs nothing new any more.
    Revoke,
    /// A key that was revoked is good again.
    Unrevoke,
    /// The database was found to be set back to an older copy: what came after that copy is lost, and
    /// numbers up to this one may have told of something else.
    Restored,
}

/// The key of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventRevocation {
    /// The key.
    pub keyid: KeyId,
    /// Why it was revoked, in words.
    pub reason: String,
}

/// A file of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EventFile {
    /// The role.
    pub name: RoleName,
    /// The version of the file.
    pub version: Version,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
}
