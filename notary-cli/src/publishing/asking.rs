//! What somebody has to agree to before it is signed.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::RoleName;
use notary_schema::publish::check_unsigned;

use super::Publisher;
use super::plan::refused;
use super::reading::Reading;
use crate::changes::files;
use crate::exit::Failure;
use crate::judging::{batch, judgeable, rules};
use crate::remote::Exempt;

/// A question, asked when the files were shown.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// What would be done: "make it again".
    pub(crate) what: String,
    /// What to think of.
    pub(crate) why: String,
}

impl Publisher<'_> {
    /// Shows what would be signed, against what is trusted, and asks; nothing where there is no
    /// question.
    ///
    /// # Errors
    /// The rule of publishing that it breaks: that is not asked about. Nobody agrees.
    pub(super) fn agree(
        &self,
        act: Option<&Act>,
        unsigned: &[(RoleName, Arc<[u8]>)],
        exempt: &Exempt,
        reading: &Reading,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let Some(act) = act else { return Ok(()) };
        let batch = batch(unsigned, exempt)?;
        if let Some(head) = judgeable(&reading.view, &batch) {
            let rules = rules(&reading.lifetimes, &batch);
            check_unsigned(Some(&head), &batch, &rules, now).map_err(refused)?;
        }
        let changed = files::changed(&batch, Some(&reading.view));
        self.session.output.preview(&files::contents(&batch, &changed));
        self.session.insist(&act.what, &act.why)
    }
}
