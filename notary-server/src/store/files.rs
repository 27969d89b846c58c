//! Metadata files on their way into the store and out of it.

use std::sync::Arc;

use bytes::Bytes;
use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::{RoleName, Version};
use notary_schema::publish::StoredFile;
use notary_schema::role::{Expires, Role, Root, Targets};
use notary_schema::wire::EventFile;

/// A file of a publish.
#[derive(Debug, Clone)]
pub enum RoleFile {
    /// A root.
    Root(Arc<Envelope<Root>>),
    /// The file of a targets role.
    Targets(RoleName, Arc<Envelope<Targets>>),
    /// The same, with only its bytes at hand.
    Closed(ClosedFile),
}

/// The file of a targets role that nobody looks into for now; its bytes alone take less than half
/// of the memory.
#[derive(Debug, Clone)]
pub struct ClosedFile {
    role: RoleName,
    /// Not loaded.
    stored: StoredFile,
    bytes: Arc<[u8]>,
}

impl ClosedFile {
    /// The role of the file.
    pub fn role(&self) -> &RoleName {
        &self.role
    }

    /// What the head says of it: it is not loaded there.
    pub fn stored(&self) -> &StoredFile {
        &self.stored
    }
}

impl RoleFile {
    /// The role of the file.
    pub fn role(&self) -> RoleName {
        match self {
            RoleFile::Root(_) => RoleName::ROOT,
            RoleFile::Targets(role, _) => role.clone(),
            RoleFile::Closed(closed) => closed.role.clone(),
        }
    }

    /// The version of the file.
    pub fn version(&self) -> Version {
        match self {
            RoleFile::Root(file) => file.version(),
            RoleFile::Targets(_, file) => file.version(),
            RoleFile::Closed(closed) => closed.stored.version,
        }
    }

    /// The file, byte for byte as it came.
    pub fn bytes(&self) -> &Arc<[u8]> {
        match self {
            RoleFile::Root(file) => file.bytes(),
            RoleFile::Targets(_, file) => file.bytes(),
            RoleFile::Closed(closed) => &closed.bytes,
        }
    }

    /// SHA-256 of the bytes that its signatures are over.
    pub fn signed_sha256(&self) -> String {
        match self {
            RoleFile::Root(file) => sha256_hex(file.message()),
            RoleFile::Targets(_, file) => sha256_hex(file.message()),
            RoleFile::Closed(_) => self.opened().signed_sha256(),
        }
    }

    /// The file for its way into the database: what was read of it is let go, unless the head keeps
    /// it.
    pub fn closed(self) -> RoleFile {
        match self {
            RoleFile::Targets(role, file) if !is_kept_open(&role, &file) => {
                let stored = StoredFile { file: None, ..StoredFile::loaded(file.clone()) };
                RoleFile::Closed(ClosedFile { role, stored, bytes: file.bytes().clone() })
            }
            other => other,
        }
    }

    /// The file, read again where it is closed.
    pub fn opened(&self) -> RoleFile {
        match self {
            RoleFile::Closed(closed) => {
                let file = Envelope::parse(closed.bytes.clone()).expect("it was read before");
                RoleFile::Targets(closed.role.clone(), Arc::new(file))
            }
            open => open.clone(),
        }
    }
}

/// Whether the head of a collection keeps the file of a role read. The rules of the next publish
/// load the others where they look into them.
pub fn is_kept_open(role: &RoleName, file: &Envelope<Targets>) -> bool {
    *role == RoleName::TARGETS || file.signed().delegates()
}

/// A file that is committed, in the two forms in which it is served.
#[derive(Debug, Clone)]
pub struct FileBytes {
    /// The file.
    pub bytes: Bytes,
    /// The file under gzip, where that is shorter.
    pub gzip: Option<Bytes>,
    /// The SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// When the file expires.
    pub expires: Expires,
}

/// A file on its way into the database.
#[derive(Debug)]
pub(super) struct OutgoingFile {
    pub(super) role: RoleName,
    pub(super) version: Version,
    pub(super) sha256: String,
    pub(super) expires: Expires,
    pub(super) bytes: Arc<[u8]>,
    pub(super) delegates: bool,
}

impl OutgoingFile {
    pub(super) fn of(file: &RoleFile) -> OutgoingFile {
        match file {
            RoleFile::Root(root) => OutgoingFile::online(RoleName::ROOT, root),
            RoleFile::Targets(role, targets) => OutgoingFile {
                delegates: is_kept_open(role, targets),
                ..OutgoingFile::online(role.clone(), targets)
            },
            RoleFile::Closed(ClosedFile { role, stored, bytes }) => OutgoingFile {
                role: role.clone(),
                version: stored.version,
                sha256: stored.sha256.clone(),
                expires: stored.expires,
                bytes: bytes.clone(),
                delegates: false,
            },
        }
    }

    pub(super) fn event(&self) -> EventFile {
        let (name, sha256) = (self.role.clone(), self.sha256.clone());
        EventFile { name, version: self.version, sha256 }
    }

    pub(super) fn online<T: Role>(role: RoleName, file: &Envelope<T>) -> OutgoingFile {
        OutgoingFile {
            role,
            version: file.version(),
            sha256: file.sha256().to_owned(),
            expires: file.expires(),
            bytes: file.bytes().clone(),
            delegates: false,
        }
    }
}
