//! How much one request, file or queue may hold.

use notary_schema::publish;
use serde::Deserialize;

use super::require_positive;

/// How much one request, file or queue may hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most connections at once.
    pub connections: usize,
    /// Most requests at once.
    pub requests: usize,
    /// How long a TLS handshake, and the head of a request, may take to arrive, in seconds.
    pub header_seconds: u64,
    /// How long a connection without a request is kept, in seconds.
    pub idle_seconds: u64,
    /// How long a request may last, from its head to the last byte of its answer, in seconds.
    pub request_seconds: u64,
    /// Longest body of a publish, in bytes.
    pub body_bytes: u64,
    /// Longest part of it, in bytes.
    pub part_bytes: u64,
    /// Most parts of it.
    pub parts: u64,
    /// How long a body may take to arrive, in seconds.
    pub body_seconds: u64,
    /// Bytes of all bodies that are held at once.
    pub body_memory_bytes: u64,
    /// Most publishes that wait at once.
    pub queue: usize,
    /// How long one of them waits for a core, and for its turn, in seconds.
    pub queue_seconds: u64,
    /// Most names that are reserved without a collection.
    pub reservations: u64,
    /// Most of them that come from one token of the server's host.
    pub reservations_per_origin: u64,
    /// Most open proposals of one collection, and most that have ended and are kept.
    pub proposals: u64,
    /// Longest body of a proposal, in bytes.
    pub proposal_bytes: u64,
    /// Most revoked keys of one collection.
    pub revocations: u64,
    /// Longest body of a request that is one JSON document, in bytes.
    pub document_bytes: u64,
    /// Most open tokens that come from one token of the server's host.
    pub tokens_per_origin: u64,
    /// Most patterns of roles in one token.
    pub role_globs: usize,
    /// Most items in a page of a list.
    pub page: u32,
    /// Longest root, in bytes.
    pub root_bytes: u64,
    /// Longest snapshot, in bytes.
    pub snapshot_bytes: u64,
    /// Most targets in one role.
    pub targets_per_role: u64,
    /// Most delegations of one role.
    pub delegations_per_role: u64,
    /// Most keys that one role names.
    pub keys_per_role: u64,
    /// Most keys in one file.
    pub keys_per_file: u64,
    /// Longest `custom` of a target, in bytes.
    pub custom_bytes: u64,
    /// Longest chain of delegations.
    pub delegation_depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let schema = publish::Limits::default();
        Limits {
            connections: 4_096,
            requests: 1_024,
            header_seconds: 10,
            idle_seconds: 30,
            request_seconds: 900,
            body_bytes: 256 << 20,
            part_bytes: 32 << 20,
            parts: 20_000,
            body_seconds: 300,
            body_memory_bytes: 512 << 20,
            queue: 256,
            queue_seconds: 10,
            reservations: 1_000,
            reservations_per_origin: 250,
            proposals: 50,
            proposal_bytes: 16 << 20,
            revocations: 1_000,
            document_bytes: 64 << 10,
            tokens_per_origin: 1_000,
            role_globs: 32,
            page: 1_000,
            root_bytes: schema.root_bytes,
            snapshot_bytes: 16 << 20,
            targets_per_role: schema.targets_per_role,
            delegations_per_role: schema.delegations_per_role,
            keys_per_role: schema.keys_per_role,
            keys_per_file: schema.keys_per_file,
            custom_bytes: schema.custom_bytes,
            delegation_depth: schema.delegation_depth,
        }
    }
}

impl Limits {
    /// The limits that the rules of publishing know.
    pub fn of_files(&self) -> publish::Limits {
        publish::Limits {
            root_bytes: self.root_bytes,
            targets_per_role: self.targets_per_role,
            delegations_per_role: self.delegations_per_role,
            keys_per_role: self.keys_per_role,
            keys_per_file: self.keys_per_file,
            custom_bytes: self.custom_bytes,
            delegation_depth: self.delegation_depth,
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let Limits { body_bytes, part_bytes, body_memory_bytes, proposal_bytes, .. } = *self;
        if proposal_bytes > body_bytes {
            return Err("limits.proposal_bytes must be at most limits.body_bytes".into());
        }
        if part_bytes > body_bytes || body_bytes > body_memory_bytes {
            return Err("limits must be part_bytes <= body_bytes <= body_memory_bytes".into());
        }
        if self.request_seconds <= self.body_seconds {
            return Err("limits.request_seconds must be more than limits.body_seconds".into());
        }
        require_positive(&[
            ("limits.page", u64::from(self.page)),
            ("limits.connections", self.connections as u64),
            ("limits.requests", self.requests as u64),
            ("limits.header_seconds", self.header_seconds),
            ("limits.idle_seconds", self.idle_seconds),
            ("limits.body_seconds", self.body_seconds),
        ])
    }
}
