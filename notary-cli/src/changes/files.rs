//! What signed files change in those that are trusted, for people who have to agree to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::{RoleName, Version};
use notary_schema::publish::Batch;
use notary_schema::role::{Expires, Role, Targets};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Change, between, lines};
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
    /// Whether it is a bin that says what it said, for longer.
    #[serde(skip)]
    is_kept_bin: bool,
}

/// What files change in those that are trusted.
pub(crate) fn changed(batch: &Batch, view: Option<&View>) -> Vec<Changed> {
    let before = || view.map_or_else(|| json!({}), |view| view.trusted().root().document());
    let root = batch.root().map(|new| file(&RoleName::ROOT, new, before(), false));
    let targets = batch.targets_parts().map(|(role, new): (_, &Arc<Envelope<Targets>>)| {
        let old = view.and_then(|view| view.ground(role));
        let is_bin = view.and_then(|view| view.role(role)).is_some_and(|role| role.is_bin());
        file(role, new, old.map_or_else(|| json!({}), |old| old.document()), is_bin)
    });
    root.into_iter().chain(targets).collect()
}

fn file<T: Role>(role: &RoleName, new: &Envelope<T>, old: Value, is_bin: bool) -> Changed {
    let changes = between(&old, &new.document());
    Changed {
        role: role.clone(),
        version: new.version(),
        expires: new.expires(),
        signed_sha256: sha256_hex(new.message()),
        is_kept_bin: is_bin && changes.iter().all(Change::is_date),
        changes,
        message: new.message().to_vec(),
    }
}

/// The files with their changes, and the roles for which a rule is left out. Of bins there may be
/// thousands: those that stay as they are, side by side, are one line.
pub(crate) fn contents(batch: &Batch, files: &[Changed]) -> String {
    let are_alike = |one: &Changed, next: &Changed| {
        one.is_kept_bin && next.is_kept_bin && one.expires == next.expires
    };
    let told = |files: &[Changed]| match files {
        [first, .., last] => {
            let (count, expires) = (files.len(), time(first.expires.time()));
            let (first, last) = (&first.role, &last.role);
            format!("{count} bins {first} to {last}, each as it is, expire {expires}\n")
        }
        files => files.iter().map(Changed::told).collect(),
    };
    files.chunk_by(are_alike).map(told).collect::<String>() + &lists(batch)
}

impl Changed {
    fn told(&self) -> String {
        let Changed { role, version, expires, signed_sha256, changes, .. } = self;
        let expires = time(expires.time());
        let mut text =
            format!("{role} {version}, expires {expires}\n  to sign: sha256 {signed_sha256}\n");
        text.extend(lines(changes).map(|line| format!("  {line}")));
        text
    }
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

#[cfg(test)]
mod tests {
    use notary_schema::draft::Draft;
    use notary_schema::name::TargetPath;

    use super::*;
    use crate::testing::{in_days, role, target};

    /// The next version of a bin without targets, for so many days.
    fn next(name: &str, days: i64, targets: &[&str]) -> Changed {
        let before = Targets::empty(Version::FIRST, in_days(1));
        let mut draft = Draft::from_role(&Targets::empty(Version::new(2).unwrap(), in_days(days)));
        for name in targets {
            draft.set_target(&TargetPath::parse(name).unwrap(), &target(b"new"));
        }
        let new: Envelope<Targets> = Envelope::parse(draft.finish().with_signatures(&[])).unwrap();
        file(&role(name), &new, json!(before), true)
    }

    #[test]
    fn only_bins_that_stay_as_they_are_are_told_together() {
        let files = [
            next("bin-0", 30, &[]),
            next("bin-1", 30, &[]),
            next("bin-2", 30, &["planted"]),
            next("bin-3", 30, &[]),
            next("bin-4", 90, &[]),
        ];
        let told = contents(&Batch::default(), &files);
        let lines: Vec<&str> = told.lines().filter(|line| !line.starts_with("  to sign")).collect();
        let starts = [
            "2 bins bin-0 to bin-1, each as it is, expire ",
            "bin-2 2, expires ",
            "  ~ expires: ",
            "  + target planted: ",
            "bin-3 2, expires ",
            "  ~ expires: ",
            "bin-4 2, expires ",
            "  ~ expires: ",
        ];
        assert_eq!(lines.len(), starts.len(), "{told}");
        assert!(lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)), "{told}");
    }
}
