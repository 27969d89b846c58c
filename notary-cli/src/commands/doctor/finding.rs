//! What the doctor says: one thing that is wrong, or will be, and what to do about it.

use std::fmt;

use notary_schema::name::RoleName;
use serde::Serialize;

use crate::args::{ACCEPTABLE, Accepted};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Refused: by clients that keep to the specification, or by the second implementation.
    Error,
    /// Some clients in the field trip over it, or it is dangerous, or will be an error soon.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How bad it is.
    pub(crate) severity: Severity,
    /// A word that scripts may rely on.
    pub(crate) code: &'static str,
    /// Whose file it is about.
    pub(crate) role: RoleName,
    /// What was found.
    pub(crate) what: String,
    /// What to do next.
    pub(crate) next: String,
    /// Somebody has seen it, and nothing is to be done.
    pub(crate) accepted: bool,
}

impl Finding {
    /// An error.
    pub(crate) fn error(
        code: &'static str,
        role: &RoleName,
        what: String,
        next: String,
    ) -> Finding {
        let (severity, role) = (Severity::Error, role.clone());
        Finding { severity, code, role, what, next, accepted: false }
    }

    /// A warning.
    pub(crate) fn warning(
        code: &'static str,
        role: &RoleName,
        what: String,
        next: String,
    ) -> Finding {
        Finding::acceptable(Severity::Warning, code, role, what, next)
    }

    /// A note.
    pub(crate) fn note(code: &'static str, role: &RoleName, what: String, next: String) -> Finding {
        Finding::acceptable(Severity::Note, code, role, what, next)
    }

    fn acceptable(
        severity: Severity,
        code: &'static str,
        role: &RoleName,
        what: String,
        next: String,
    ) -> Finding {
        debug_assert!(ACCEPTABLE.contains(&code), "{code} cannot be accepted");
        Finding { severity, ..Finding::error(code, role, what, next) }
    }

    /// Marks it, if it is accepted.
    pub(crate) fn accept(&mut self, accepted: &[Accepted]) {
        let is_meant = |accepted: &Accepted| accepted.covers(self.code, &self.role);
        self.accepted = self.severity != Severity::Error && accepted.iter().any(is_meant);
    }
}
