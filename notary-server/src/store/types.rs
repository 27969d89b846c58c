//! What goes into the store and comes out of it.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, Incarnation, KeyId, RoleName, Version};
use notary_schema::online::{OnlineRole, Overlap, OwnLifetimes, Plan};
use notary_schema::reason::Label;
use notary_schema::role::Root;
use notary_schema::threshold::RevokedKeys;
use notary_schema::wire::{KeyState, TokenInfo};

use super::RoleFile;
use crate::grant::Grant;

/// A life of a collection in the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId(pub(super) i64);

#[cfg(test)]
impl CollectionId {
    /// One of no database.
    pub(crate) fn of(row: i64) -> CollectionId {
        CollectionId(row)
    }
}

/// Where a collection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its name is taken and its online keys are made; it has no metadata yet.
    Reserved,
    /// It is served.
    Live,
    /// A tombstone: only its roots are served.
    Deleted,
}

/// A name with its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its id.
    pub id: CollectionId,
    /// Its name.
    pub gun: Gun,
    /// Its life, as the signer knows it.
    pub incarnation: Incarnation,
    /// Whether it is served.
    pub state: State,
    /// Whether everybody may read it.
    pub is_public: bool,
    /// How long its metadata lives, where that is its own.
    pub lifetimes: OwnLifetimes,
    /// The number of its last commit; 0 before the first.
    pub seq: u64,
    /// Its last publish.
    pub changed_at: DateTime<Utc>,
    /// Since when it is a tombstone, if it is one.
    pub deleted_at: Option<DateTime<Utc>>,
}

/// What a name is taken by. A reservation may stand beside a tombstone, which it replaces.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The collection or the tombstone.
    pub life: Option<Collection>,
    /// The reservation.
    pub reservation: Option<Collection>,
}

/// Asks for a name.
#[derive(Debug, Clone)]
pub struct NewReservation {
    /// The name.
    pub gun: Gun,
    /// Its life, if it becomes this one's.
    pub incarnation: Incarnation,
    /// Whether everybody may read what becomes of it.
    pub is_public: bool,
    /// The origin of the token of whoever asks.
    pub origin: String,
    /// The SHA-256 of the newest root of the tombstone under the name.
    pub replaces: Option<String>,
    /// Most open reservations.
    pub most: u64,
    /// Most of them of one origin.
    pub most_of_origin: u64,
}

/// What an administrator has decided about a collection.
#[derive(Debug, Clone)]
pub struct NewPolicy {
    /// Whether everybody may read it.
    pub is_public: bool,
    /// How long its metadata lives, where that is its own.
    pub lifetimes: OwnLifetimes,
    /// The id of the administrator's token.
    pub by: String,
}

/// What became of asking for a name.
#[derive(Debug)]
pub enum Reserved {
    /// It is this one's, or was: a reservation, or a collection.
    As(Collection),
    /// A tombstone is in the way that was not named.
    OnTombstone,
    /// There are so many open reservations already, of all or of this origin.
    TooMany(u64),
}

/// What a release is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// New files of publishers.
    Publish,
    /// New dates for the online roles.
    Refresh,
}

/// What goes into the slot of a collection.
#[derive(Debug, Clone)]
pub struct NewSlot {
    /// What it is for.
    pub purpose: Purpose,
    /// The accepted files, in the order in which they were applied.
    pub files: Vec<RoleFile>,
    /// What must be signed.
    pub plan: Plan,
    /// The keys that its root takes away from the online roles and that sign on.
    pub overlap: Overlap,
    /// The ids of the tokens of those it is done for; none for what the server does by itself.
    pub by: Vec<String>,
}

/// What joins a release that is prepared already.
#[derive(Debug, Clone, Default)]
pub struct Joining {
    /// The accepted files, in the order in which they were applied.
    pub files: Vec<RoleFile>,
    /// The keys that their roots take away from the online roles and that sign on.
    pub overlap: Overlap,
    /// The ids of the tokens of those who bring them.
    pub by: Vec<String>,
    /// Prepared files that leave, since they were judged on a database that was set back.
    pub leaving: Vec<(RoleName, Version)>,
}

/// The changefeed starts anew, since the database was found to be set back.
#[derive(Debug, Clone)]
pub struct NewFeed {
    /// Its id from now on.
    pub id: String,
    /// When.
    pub now: DateTime<Utc>,
}

/// A public key that the signer answered.
#[derive(Debug, Clone)]
pub struct OnlineKey {
    /// The role that it signs.
    pub role: OnlineRole,
    /// Its id.
    pub keyid: KeyId,
    /// Where it was in its life when the signer was last asked; active from when it is to sign.
    pub state: KeyState,
    /// When a root took it away that did not call it compromised.
    pub taken_away_at: Option<DateTime<Utc>>,
    /// Whether it has signed and was not asked to: the database was set back, and the root that names
    /// the key is not here.
    pub is_found: bool,
    /// The key that it stands by for.
    pub standby_for: Option<KeyId>,
}

/// A collection whose snapshot lists files that are not here.
#[derive(Debug, Clone)]
pub struct Incomplete {
    /// The collection.
    pub gun: Gun,
    /// Whether everybody may know of it.
    pub is_public: bool,
    /// How many files.
    pub lost: u64,
}

/// Whether a slot was claimed.
#[derive(Debug)]
pub enum Claim {
    /// It is ours.
    Prepared(Box<Prepared>),
    /// A release is in it that must be finished first.
    Taken,
    /// The collection is no longer what the release was planned on.
    Moved,
}

/// Why a slot waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The stable word for it.
    pub code: String,
    /// What the signer says.
    pub reason: String,
    /// Not before this time is it tried again.
    pub retry_at: DateTime<Utc>,
}

/// A release that is prepared and not yet committed.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// The collection or reservation.
    pub gun: Gun,
    /// Whether everybody may know of it: it is a public collection.
    pub is_public: bool,
    /// Why it waits, if the signer refused it.
    pub pause: Option<Pause>,
}

/// A release that stands in its slot. Only the store makes one: what is in it is durable, so both
/// sign requests can be repeated byte for byte by anybody.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) collection: Collection,
    pub(super) fence: i64,
    pub(super) slot: NewSlot,
    pub(super) rebuilds: u32,
    pub(super) pause: Option<Pause>,
    pub(super) prepared_at: DateTime<Utc>,
}

impl Prepared {
    /// The collection as it was when the slot was claimed.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// What the release is for.
    pub fn purpose(&self) -> Purpose {
        self.slot.purpose
    }

    /// The accepted files, in the order in which they were applied.
    pub fn files(&self) -> &[RoleFile] {
        &self.slot.files
    }

    /// What must be signed.
    pub fn plan(&self) -> &Plan {
        &self.slot.plan
    }

    /// The keys that its root takes away from the online roles and that sign on.
    pub fn overlap(&self) -> &Overlap {
        &self.slot.overlap
    }

    /// The root of the release, if it brings one.
    pub fn root(&self) -> Option<&Arc<Envelope<Root>>> {
        self.slot.files.iter().rev().find_map(|file| match file {
            RoleFile::Root(root) => Some(root),
            RoleFile::Targets(..) | RoleFile::Closed(_) => None,
        })
    }

    /// The roots among its files, in their order.
    pub fn roots(&self) -> impl Iterator<Item = &Root> {
        self.slot.files.iter().filter_map(|file| match file {
            RoleFile::Root(root) => Some(root.signed()),
            RoleFile::Targets(..) | RoleFile::Closed(_) => None,
        })
    }

    /// How often its plan was made anew.
    pub fn rebuilds(&self) -> u32 {
        self.rebuilds
    }

    /// The same release, done for somebody else, who brings a tombstone back with it.
    pub fn on_behalf_of(mut self, token: &str) -> Prepared {
        self.slot.by = vec![token.to_owned()];
        self
    }

    /// Why it waits, if the signer refused it.
    pub fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
    }

    /// Whether this is still the same plan in the same slot.
    pub fn is_claim_of(&self, other: &Prepared) -> bool {
        (self.collection.id, self.fence) == (other.collection.id, other.fence)
    }

    /// When the slot was claimed.
    pub fn prepared_at(&self) -> DateTime<Utc> {
        self.prepared_at
    }
}

/// A release that is the head of its collection. Only the store makes one.
#[derive(Debug, Clone)]
pub struct Committed {
    pub(super) collection: Collection,
    pub(super) revoked: RevokedKeys,
}

impl Committed {
    /// The collection as the commit left it.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// The keys that are revoked in it, those included that were while the release was signed.
    pub fn revoked(&self) -> &RevokedKeys {
        &self.revoked
    }
}

/// What is stored of an API token; the token itself is not.
#[derive(Debug, Clone)]
pub struct Token {
    /// A short id to speak of it.
    pub id: String,
    /// What whoever made it calls it.
    pub name: Option<Label>,
    /// SHA-256 of the token in hexadecimal.
    pub sha256: String,
    /// What it may do.
    pub grant: Grant,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The id of the token with which it was made, or [`Token::OF_HOST`]. Where that one is no longer
    /// kept, of the one with which that one was made.
    pub created_by: String,
    /// The id of the token of the server's host that it comes from, through whatever tokens are
    /// between; its own where it was made there.
    pub origin: String,
    /// From when on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// About when it was last used.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is refused.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Which tokens are revoked together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// The one that is named.
    Alone,
    /// Also those that were made with it, and with them: whoever had it may have them.
    AndMade,
}

impl Token {
    /// Who made the tokens that were made on the server's host.
    pub const OF_HOST: &str = "notary-server";

    /// Whether it is neither revoked nor expired.
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| at > now)
    }
}

impl From<&Token> for TokenInfo {
    fn from(token: &Token) -> TokenInfo {
        let grant = &token.grant;
        TokenInfo {
            id: token.id.clone(),
            name: token.name.as_ref().map(ToString::to_string),
            grant: grant.level,
            collections: grant.collections.as_str().to_owned(),
            roles: grant.roles.iter().map(|glob| glob.as_str().to_owned()).collect(),
            created_at: token.created_at,
            created_by: token.created_by.clone(),
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
        }
    }
}
