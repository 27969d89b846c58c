//! Where metadata of this trust directory lists a key: the pinned root, what is trusted, and a root
//! that was sent and not answered.

use std::collections::BTreeSet;

use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, RoleName};
use notary_schema::role::{Authority, Root};

use crate::agent;
use crate::exit::Failure;
use crate::keyring::{KeyEntry, listed};
use crate::publishing::in_flight::InFlight;
use crate::session::Session;
use crate::trust_dir::{StateError, files};
use crate::view::View;
use crate::wanted::Wanted;

/// The roles that the key may sign: `root of acme/app (1 of 2 keys must sign)`.
pub(super) fn uses(session: &Session, entry: &KeyEntry) -> Result<Vec<String>, Failure> {
    let mut uses = BTreeSet::new();
    for gun in session.trust_dir()?.collections()? {
        let collection = session.collection(&gun)?;
        let pinned = files::read(&collection.pinned_path())?;
        let pinned = pinned.map(Envelope::<Root>::parse).transpose();
        let pinned = pinned.map_err(|error| StateError::Corrupt {
            path: collection.pinned_path(),
            why: error.to_string(),
        })?;
        let sent = InFlight::load(&collection)?.map(|in_flight| in_flight.files());
        let sent = sent.into_iter().flatten().filter(|(role, _)| *role == RoleName::ROOT);
        let sent = sent.filter_map(|(_, bytes)| Envelope::<Root>::parse(bytes).ok());
        for root in pinned.into_iter().chain(sent) {
            uses.extend(of_root(root.signed(), entry, &gun));
        }
        if let Some(trusted) =
            agent::stored(&collection.trusted(), Wanted::default(), session.now())?
        {
            let view = View::new(trusted);
            uses.extend(of_root(view.trusted().root().signed(), entry, &gun));
            let delegated = view.roles().iter();
            uses.extend(delegated.filter_map(|r| of(view.authority(r), entry, &r.name, &gun)));
        }
    }
    Ok(uses.into_iter().collect())
}

fn of_root(root: &Root, entry: &KeyEntry, gun: &Gun) -> Vec<String> {
    let roles = [RoleName::ROOT, RoleName::TARGETS];
    let role = |role: &RoleName| of(root.authority(role)?, entry, role, gun);
    roles.iter().filter_map(role).collect()
}

fn of(authority: Authority<'_>, entry: &KeyEntry, role: &RoleName, gun: &Gun) -> Option<String> {
    let (threshold, of) = (authority.role.threshold, authority.role.keyids.len());
    let is_listed = !listed(std::slice::from_ref(entry), authority).is_empty();
    is_listed.then(|| format!("{role} of {gun} ({threshold} of {of} keys must sign)"))
}
