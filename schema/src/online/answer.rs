//! What a server takes as the signer's answer.

use super::OnlineRole;
use crate::envelope::{Envelope, EnvelopeError};
use crate::name::RoleName;
use crate::role::{Role, Root};
use crate::threshold::{self, ThresholdNotMet};

/// Why the answer of a signer is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not metadata.
    #[error("the signer's answer is not readable: {0}")]
    Unreadable(#[from] EnvelopeError),
    /// It signs other bytes than those that were sent.
    #[error("the signer's answer is not the document that was sent")]
    OtherDocument,
    /// Its signatures do not reach the root's threshold.
    #[error("the signer's answer does not verify: {0}")]
    Threshold(#[from] ThresholdNotMet),
}

/// Verifies the file that a signer answered for a document, against the root whose clients will
/// read it.
pub fn accept_answer<T: Role>(
    file: impl Into<std::sync::Arc<[u8]>>,
    sent: &[u8],
    role: OnlineRole,
    root: &Root,
) -> Result<Envelope<T>, AnswerError> {
    let file = Envelope::<T>::parse(file)?;
    if file.message() != sent {
        return Err(AnswerError::OtherDocument);
    }
    let name = role.name();
    let authority = root.authority(&name).expect("a root lists the online roles");
    threshold::require(&file, &name, &RoleName::ROOT, authority)?;
    Ok(file)
}
