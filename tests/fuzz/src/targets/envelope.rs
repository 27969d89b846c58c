//! A file of any bytes: what is signed is the canonical form of `signed`, and nobody who has not
//! signed it is counted.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use notary_schema::envelope::{Envelope, MAX_SIGNATURES};
use notary_schema::role::{Authority, Targets};
use notary_schema::threshold;
use serde_json::Value;

use super::reference;
use super::support::{self, Collection};

/// What the key of docs has signed, ever.
static SIGNED: LazyLock<Vec<u8>> =
    LazyLock::new(|| Collection::new().file("docs").message().to_vec());

pub(super) fn run(data: &[u8]) {
    let Ok(file) = Envelope::<Targets>::parse(data.to_vec()) else { return };
    assert_eq!(&**file.bytes(), data, "other bytes are kept");
    let whole: Value = serde_json::from_slice(data).expect("serde_json reads what we read");
    assert_eq!(file.message(), reference::canonical(&whole["signed"]), "another message");
    assert_eq!(file.document(), whole["signed"]);

    let keyids: BTreeSet<_> = file.signatures().iter().map(|s| &s.keyid).collect();
    assert_eq!(keyids.len(), file.signatures().len(), "a repeated key id");
    assert!(keyids.len() <= MAX_SIGNATURES);
    let (keys, role) = (support::keys(&[support::DOCS]), support::role_keys(&[support::DOCS], 1));
    let report = threshold::count(&file, Authority { keys: &keys, role: &role });
    assert!(!report.is_met() || file.message() == *SIGNED, "counted over an unsigned message");
}
