//! Where an online key is in its life: it waits, signs, is replaced by the next one, is retired.

use diesel::prelude::*;
use notary_schema::name::KeyId;
use notary_schema::wire::KeyState;

use super::keys::{HeldKey, of_role};
use super::tables::{online_keys, role_text, state_of, state_text};
use super::{Owner, StoreError};

/// Marks that a key has signed: a pending one becomes active, and those that were active become
/// retiring. Any other key stays what it is.
///
/// Answers false, and changes nothing, for a key that was retired meanwhile.
pub(crate) fn has_signed(
    connection: &mut SqliteConnection,
    owner: &Owner,
    keyid: &KeyId,
) -> Result<bool, StoreError> {
    let state: String = online_keys::table
        .filter(online_keys::keyid.eq(keyid.as_str()))
        .select(online_keys::state)
        .first(connection)?;
    match state_of(&state)? {
        KeyState::Retired => return Ok(false),
        KeyState::Active | KeyState::Retiring => return Ok(true),
        KeyState::Pending => {}
    }
    let active = online_keys::table
        .filter(online_keys::collection.eq(owner.collection.gun.as_str()))
        .filter(online_keys::incarnation.eq(owner.collection.incarnation.as_str()))
        .filter(online_keys::role.eq(role_text(owner.role)))
        .filter(online_keys::state.eq(state_text(KeyState::Active)));
    diesel::update(active)
        .set(online_keys::state.eq(state_text(KeyState::Retiring)))
        .execute(connection)?;
    diesel::update(online_keys::table.filter(online_keys::keyid.eq(keyid.as_str())))
        .set(online_keys::state.eq(state_text(KeyState::Active)))
        .execute(connection)?;
    Ok(true)
}

/// Lets pending keys of a role be retiring, so that another one can be the pending one.
pub(crate) fn give_up(
    connection: &mut SqliteConnection,
    owner: &Owner,
    keyids: &[KeyId],
) -> Result<(), StoreError> {
    let pending = online_keys::table
        .filter(online_keys::collection.eq(owner.collection.gun.as_str()))
        .filter(online_keys::incarnation.eq(owner.collection.incarnation.as_str()))
        .filter(online_keys::role.eq(role_text(owner.role)))
        .filter(online_keys::keyid.eq_any(keyids.iter().map(KeyId::as_str)))
        .filter(online_keys::state.eq(state_text(KeyState::Pending)));
    diesel::update(pending)
        .set(online_keys::state.eq(state_text(KeyState::Retiring)))
        .execute(connection)?;
    Ok(())
}

/// Retires a key: it signs nothing any more. Answers false where it was retired already.
pub(crate) fn retire(connection: &mut SqliteConnection, keyid: &KeyId) -> Result<bool, StoreError> {
    let usable = online_keys::table
        .filter(online_keys::keyid.eq(keyid.as_str()))
        .filter(online_keys::state.ne(state_text(KeyState::Retired)));
    let changed = diesel::update(usable)
        .set((
            online_keys::retired_from.eq(online_keys::state.nullable()),
            online_keys::state.eq(state_text(KeyState::Retired)),
        ))
        .execute(connection)?;
    Ok(changed == 1)
}

/// Undoes [`retire`]. A key that was pending comes back as retiring where another one is pending
/// by now, so that there is still one pending key at most. Answers false where the key was not
/// retired.
pub(crate) fn restore(
    connection: &mut SqliteConnection,
    held: &HeldKey,
) -> Result<bool, StoreError> {
    let row = online_keys::table
        .filter(online_keys::keyid.eq(held.key.keyid.as_str()))
        .filter(online_keys::state.eq(state_text(KeyState::Retired)));
    let from: Option<Option<String>> =
        row.select(online_keys::retired_from).first(connection).optional()?;
    let Some(from) = from else { return Ok(false) };
    let from = state_of(&from.unwrap_or_default())?;
    let siblings = of_role(connection, &held.owner())?;
    let taken = siblings.iter().any(|sibling| sibling.key.state == KeyState::Pending);
    let state = match from {
        KeyState::Pending if taken => KeyState::Retiring,
        other => other,
    };
    diesel::update(row)
        .set((
            online_keys::state.eq(state_text(state)),
            online_keys::retired_from.eq(None::<String>),
        ))
        .execute(connection)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use notary_schema::online::OnlineRole;

    use super::super::keys::tests::{ROLE, add, held, sign_with};
    use super::super::tests::{Scratch, owner, scratch};
    use super::*;

    fn states(scratch: &Scratch) -> Vec<KeyState> {
        let keys = scratch
            .database
            .transaction(|connection| of_role(connection, &owner("acme/app", ROLE)));
        keys.unwrap().into_iter().map(|held| held.key.state).collect()
    }

    #[test]
    fn a_key_is_active_once_it_signed_and_the_one_before_retires() {
        let scratch = scratch();
        let first = add(&scratch, ROLE);
        assert_eq!(states(&scratch), [KeyState::Pending]);
        assert!(sign_with(&scratch, &first));
        assert_eq!(states(&scratch), [KeyState::Active]);
        let second = add(&scratch, ROLE);
        assert!(sign_with(&scratch, &first));
        assert_eq!(states(&scratch), [KeyState::Active, KeyState::Pending]);
        assert!(sign_with(&scratch, &second));
        assert_eq!(states(&scratch), [KeyState::Retiring, KeyState::Active]);
        assert!(sign_with(&scratch, &first), "a retiring key still signs");
        assert_eq!(states(&scratch), [KeyState::Retiring, KeyState::Active]);
    }

    #[test]
    fn a_key_of_another_role_keeps_its_state() {
        let scratch = scratch();
        let other = add(&scratch, OnlineRole::Timestamp);
        let first = add(&scratch, ROLE);
        assert!(sign_with(&scratch, &first));
        assert_eq!(held(&scratch, &other).key.state, KeyState::Pending);
    }

    #[test]
    fn retiring_a_key_can_be_undone() {
        let scratch = scratch();
        let key = add(&scratch, ROLE);
        assert!(sign_with(&scratch, &key));
        let retire = || scratch.database.transaction(|connection| retire(connection, &key));
        let restore = || {
            let held = held(&scratch, &key);
            scratch.database.transaction(move |connection| restore(connection, &held))
        };
        assert!(retire().unwrap());
        assert!(!retire().unwrap(), "it is retired already");
        assert!(!sign_with(&scratch, &key), "a retired key signs nothing");
        assert_eq!(states(&scratch), [KeyState::Retired]);
        assert!(restore().unwrap());
        assert!(!restore().unwrap(), "it is not retired");
        assert_eq!(states(&scratch), [KeyState::Active]);
        assert!(sign_with(&scratch, &key));
    }

    #[test]
    fn a_restored_key_does_not_become_a_second_pending_one() {
        let scratch = scratch();
        let first = add(&scratch, ROLE);
        scratch.database.transaction(|connection| retire(connection, &first)).unwrap();
        add(&scratch, ROLE);
        let first = held(&scratch, &first);
        scratch.database.transaction(move |connection| restore(connection, &first)).unwrap();
        assert_eq!(states(&scratch), [KeyState::Retiring, KeyState::Pending]);
    }
}
