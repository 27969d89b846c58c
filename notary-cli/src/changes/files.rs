//! What signed files change in those that are trusted, for people who have to agree to it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::{RoleName, Version};
use notary_schema::publish::Batch;
use notary_schema::role::{Expires, Role, Targets};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Change, between};
use crate::output::time;
use crate::view::View;

/// A file, beside the version of it that is trusted.
#[derive(Debug, Serialize)]
pub(crate) struct Changed {
    /// The role.
    pub(crate) role: RoleName,
    /// The version that it would have.
    pub(crate) version: Version,
    /// When it expires.
    pub(crate) expires: Expires,
    /// SHA-256 of the bytes to sign.
    pub(crate) signed_sha256: String,
    /// What differs from the trusted version.
    pub(crate) changes: Vec<Change>,
    /// The bytes to sign.
    #[serde(skip)]
    pub(crate) message: Vec<u8>,
}

/// What files change in those that are trusted.
pub(crate) fn changed(batch: &Batch, view: Option<&View>) -> Vec<Changed> {
    let before = || view.map_or_else(|| json!({}), |view| view.trusted().root().document());
    let root = batch.root().map(|new| file(&RoleName::ROOT, new, before()));
    let targets = batch.targets_parts().map(|(role, new): (_, &Arc<Envelope<Targets>>)| {
        let old = view.and_then(|view| view.ground(role));
        file(role, new, old.map_or_else(|| json!({}), |old| old.document()))
    });
    root.into_iter().chain(targets).collect()
}

fn file<T: Role>(role: &RoleName, new: &Envelope<T>, old: Value) -> Changed {
    Changed {
        role: role.clone(),
        version: new.version(),
        expires: new.expires(),
        signed_sha256: sha256_hex(new.message()),
        changes: between(&old, &new.document()),
        message: new.message().to_vec(),
    }
}

/// The files with their changes, and the roles for which a rule is left out.
pub(crate) fn contents(batch: &Batch, files: &[Changed]) -> String {
    let mut text = String::new();
    for file in files {
        let (role, version, expires) = (&file.role, file.version, time(file.expires.time()));
        writeln!(
            text,
            "{role} {version}, expires {expires}\n  to sign: sha256 {}",
            file.signed_sha256
        )
        .expect("a String takes all");
        for change in file.changes.iter().map(Change::line) {
            write!(text, "  {change}").expect("a String takes all");
        }
    }
    text + &lists(batch)
}

/// The roles for which a rule is left out.
pub(crate) fn lists(batch: &Batch) -> String {
    let lists: [(&str, &BTreeSet<RoleName>); 3] = [
        ("delegated to without a file yet", &batch.pending),
        ("trusted by nobody any more", &batch.orphan),
        ("with keys that somebody else has", &batch.compromised),
    ];
    let told = |(what, roles): (&str, &BTreeSet<RoleName>)| {
        let roles: Vec<&str> = roles.iter().map(RoleName::as_str).collect();
        format!("{what}: {}\n", roles.join(", "))
    };
    lists.into_iter().filter(|(_, roles)| !roles.is_empty()).map(told).collect()
}
