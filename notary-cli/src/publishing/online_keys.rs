//! The keys of the signer that a root shall list for an online role: one, or one and its stand-by.

use notary_schema::key::Key;
use notary_schema::name::Gun;
use notary_schema::online::OnlineRole;
use notary_schema::role::RoleKeys;
use notary_schema::wire::OnlineKey;

use crate::exit::Failure;
use crate::remote::Reservation;
use crate::session::Session;

/// Those of a collection that has no root yet; asking for them reserves the name.
pub(crate) async fn first(
    session: &Session,
    gun: &Gun,
    role: OnlineRole,
    reservation: &Reservation,
) -> Result<Vec<Key>, Failure> {
    let answer = session.server()?.online_key(gun, role, reservation).await?;
    readable(session, role, &answer)
}

/// Those that take the place of the ones before: the same until they have signed.
pub(crate) async fn next(
    session: &Session,
    gun: &Gun,
    role: OnlineRole,
) -> Result<Vec<Key>, Failure> {
    let answer = session.server()?.next_online_key(gun, role).await?;
    readable(session, role, &answer)
}

/// Who signs the role by a root that lists these keys: one of them.
pub(crate) fn one_of(keys: &[Key]) -> RoleKeys {
    let keyids = keys.iter().map(|key| key.id().clone()).collect();
    RoleKeys::new(keyids, 1).expect("a key, and at most another one")
}

/// The keys of an answer, as a root lists them.
fn readable(session: &Session, role: OnlineRole, answer: &OnlineKey) -> Result<Vec<Key>, Failure> {
    let is_readable = |key: &OnlineKey| key.keyid == *key.key.id() && key.key.public().is_some();
    let standby = answer.standby.as_deref();
    let is_another = |standby: &OnlineKey| is_readable(standby) && standby.keyid != answer.keyid;
    if !is_readable(answer) || !standby.is_none_or(is_another) {
        return Err(Failure::Refused(format!(
            "the server's key for {} is not one that this program can read",
            role.name()
        )));
    }
    if let Some(standby) = standby {
        let (role, keyid) = (role.name(), &answer.keyid);
        session.output.message(format_args!(
            "{role} is signed by {keyid}, and while that is away by its stand-by {}",
            standby.keyid
        ));
    }
    Ok(answer.keys().cloned().collect())
}
