//! What files change, for people who have to agree to it.

use std::collections::BTreeSet;
use std::fmt::Write;

use notary_schema::name::RoleName;
use notary_schema::publish::Batch;

use super::File;
use crate::changes::Change;
use crate::output::time;

/// The files with their changes, and the roles for which a rule is left out.
pub(crate) fn contents(batch: &Batch, files: &[File]) -> String {
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
