//! Where an online key is in its life: it waits, signs, is replaced by the next one, is retired. A key
//! and its stand-by go through it together as far as requests name both.

use diesel::prelude::*;
use notary_schema::name::KeyId;
use notary_schema::wire::KeyState;

use super::keys::HeldKey;
use super::tables::{online_keys, role_text, state_of, state_text};
use super::{Owner, StoreError};

/// Marks that a request which named these keys is recorded: the pending ones among them become
/// active, and those that were active become retiring, but for the other one of a key and its
/// stand-by. Without a pending one among them nothing changes. A stand-by has signed with its key,
/// whichever of the two did, so that who asked and who was asked agree.
///
/// Answers a key that was retired meanwhile, and changes nothing then.
pub(crate) fn have_signed(
    connection: &mut SqliteConnection,
    owner: &Owner,
    keyids: &[KeyId],
) -> Result<Option<KeyId>, StoreError> {
    let held = standings(connection, owner)?;
    let named: Vec<&Standing> =
        held.iter().filter(|held| keyids.iter().any(|keyid| held.is(keyid))).collect();
    let is = |state| move |held: &&&Standing| held.state == state;
    if let Some(retired) = named.iter().find(is(KeyState::Retired)) {
        return Ok(keyids.iter().find(|keyid| retired.is(keyid)).cloned());
    }
    let begin: Vec<&Standing> = named.iter().filter(is(KeyState::Pending)).copied().collect();
    if begin.is_empty() {
        return Ok(None);
    }
    let pushed = held.iter().filter(|held| {
        let is_other_half = |one: &&Standing| one.stands_by_for(held) || held.stands_by_for(one);
        held.state == KeyState::Active && !begin.iter().any(is_other_half)
    });
    set(connection, pushed, KeyState::Retiring)?;
    set(connection, begin, KeyState::Active)?;
    Ok(None)
}

/// Lets the pending keys of a role be retiring, so that others can be the pending ones.
pub(crate) fn give_up(connection: &mut SqliteConnection, owner: &Owner) -> Result<(), StoreError> {
    let held = standings(connection, owner)?;
    let pending = held.iter().filter(|held| held.state == KeyState::Pending);
    set(connection, pending, KeyState::Retiring)
}

/// What is looked at here of a key: every record does, so it is not read as a whole.
struct Standing {
    keyid: String,
    state: KeyState,
    standby_for: Option<String>,
}

impl Standing {
    fn is(&self, keyid: &KeyId) -> bool {
        self.keyid == keyid.as_str()
    }

    fn stands_by_for(&self, other: &Standing) -> bool {
        self.standby_for.as_ref() == Some(&other.keyid)
    }
}

/// The keys of a role, oldest first.
fn standings(
    connection: &mut SqliteConnection,
    owner: &Owner,
) -> Result<Vec<Standing>, StoreError> {
    let rows: Vec<(String, String, Option<String>)> = online_keys::table
        .filter(online_keys::collection.eq(owner.collection.gun.as_str()))
        .filter(online_keys::incarnation.eq(owner.collection.incarnation.as_str()))
        .filter(online_keys::role.eq(role_text(owner.role)))
        .order(online_keys::seq)
        .select((online_keys::keyid, online_keys::state, online_keys::standby_for))
        .load(connection)?;
    let read = |(keyid, state, standby_for): (String, String, Option<String>)| {
        Ok(Standing { keyid, state: state_of(&state)?, standby_for })
    };
    rows.into_iter().map(read).collect()
}

fn set<'a>(
    connection: &mut SqliteConnection,
    keys: impl IntoIterator<Item = &'a Standing>,
    state: KeyState,
) -> Result<(), StoreError> {
    let keyids: Vec<&str> = keys.into_iter().map(|held| held.keyid.as_str()).collect();
    diesel::update(online_keys::table.filter(online_keys::keyid.eq_any(keyids)))
        .set(online_keys::state.eq(state_text(state)))
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
/// by now, so that there is still one pending key, and one pending stand-by, at most. Answers false
/// where the key was not retired.
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
    let is_standby = held.key.standby_for.is_some();
    let taken = standings(connection, &held.owner())?.iter().any(|sibling| {
        sibling.state == KeyState::Pending && sibling.standby_for.is_some() == is_standby
    });
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

    use super::super::keys::tests::{ROLE, add, add_standby, held, sign_with};
    use super::super::tests::{Scratch, owner, scratch};
    use super::*;

    fn states(scratch: &Scratch) -> Vec<KeyState> {
        let keys = scratch
            .database
            .transaction(|connection| standings(connection, &owner("acme/app", ROLE)));
        keys.unwrap().into_iter().map(|held| held.state).collect()
    }

    #[test]
    fn a_key_is_active_once_it_signed_and_the_one_before_retires() {
        let scratch = scratch();
        let first = add(&scratch, ROLE);
        assert_eq!(states(&scratch), [KeyState::Pending]);
        assert!(sign_with(&scratch, &[&first]));
        assert_eq!(states(&scratch), [KeyState::Active]);
        let second = add(&scratch, ROLE);
        assert!(sign_with(&scratch, &[&first]));
        assert_eq!(states(&scratch), [KeyState::Active, KeyState::Pending]);
        assert!(sign_with(&scratch, &[&second]));
        assert_eq!(states(&scratch), [KeyState::Retiring, KeyState::Active]);
        assert!(sign_with(&scratch, &[&first]), "a retiring key still signs");
        assert_eq!(states(&scratch), [KeyState::Retiring, KeyState::Active]);
    }

    use KeyState::{Active, Pending, Retired, Retiring};

    /// A key with a stand-by.
    fn add_pair(scratch: &Scratch) -> [KeyId; 2] {
        let key = add(scratch, ROLE);
        let standby = add_standby(scratch, ROLE, Some(&key));
        [key, standby]
    }

    #[test]
    fn a_key_and_its_standby_become_active_together_and_push_the_pair_before_out() {
        let scratch = scratch();
        let [key, standby] = add_pair(&scratch);
        assert!(sign_with(&scratch, &[&key, &standby]));
        assert_eq!(states(&scratch), [Active, Active]);
        let [next, next_standby] = add_pair(&scratch);
        assert!(sign_with(&scratch, &[&standby, &key]));
        assert_eq!(states(&scratch), [Active, Active, Pending, Pending]);
        assert!(sign_with(&scratch, &[&next, &next_standby, &key, &standby]));
        assert_eq!(states(&scratch), [Retiring, Retiring, Active, Active]);
        assert!(sign_with(&scratch, &[&standby]), "a retiring one still signs");
        assert_eq!(states(&scratch), [Retiring, Retiring, Active, Active]);
    }

    #[test]
    fn a_key_and_its_standby_do_not_push_one_another_out() {
        for first in [0, 1] {
            let scratch = scratch();
            let old = add(&scratch, ROLE);
            assert!(sign_with(&scratch, &[&old]));
            let pair = add_pair(&scratch);
            assert!(sign_with(&scratch, &[&pair[first], &old]));
            let half = if first == 0 { [Active, Pending] } else { [Pending, Active] };
            assert_eq!(states(&scratch)[1..], half, "what was not named stays what it was");
            assert_eq!(states(&scratch)[0], Retiring);
            assert!(sign_with(&scratch, &[&pair[0], &pair[1]]));
            assert_eq!(states(&scratch), [Retiring, Active, Active]);
        }
    }

    #[test]
    fn a_key_without_a_standby_pushes_both_of_the_pair_before_out() {
        let scratch = scratch();
        let [key, standby] = add_pair(&scratch);
        assert!(sign_with(&scratch, &[&key, &standby]));
        let alone = add(&scratch, ROLE);
        assert!(sign_with(&scratch, &[&alone]));
        assert_eq!(states(&scratch), [Retiring, Retiring, Active]);
    }

    #[test]
    fn nothing_changes_where_one_of_those_named_was_retired_meanwhile() {
        let scratch = scratch();
        let [key, standby] = add_pair(&scratch);
        scratch.database.transaction(|connection| retire(connection, &standby)).unwrap();
        assert!(!sign_with(&scratch, &[&key, &standby]));
        assert_eq!(states(&scratch), [Pending, Retired]);
        assert!(sign_with(&scratch, &[&key]));
        assert_eq!(states(&scratch), [Active, Retired]);
    }

    #[test]
    fn a_restored_standby_is_pending_beside_its_key_and_not_beside_another_one() {
        let scratch = scratch();
        let [_, standby] = add_pair(&scratch);
        scratch.database.transaction(|connection| retire(connection, &standby)).unwrap();
        let restore = |keyid: &KeyId| {
            let held = held(&scratch, keyid);
            scratch.database.transaction(move |connection| restore(connection, &held)).unwrap()
        };
        assert!(restore(&standby));
        assert_eq!(states(&scratch), [Pending, Pending]);
        scratch.database.transaction(|connection| retire(connection, &standby)).unwrap();
        let of_role = owner("acme/app", ROLE);
        scratch.database.transaction(|connection| give_up(connection, &of_role)).unwrap();
        add_pair(&scratch);
        assert!(restore(&standby));
        assert_eq!(states(&scratch), [Retiring, Retiring, Pending, Pending]);
    }

    #[test]
    fn a_key_of_another_role_keeps_its_state() {
        let scratch = scratch();
        let other = add(&scratch, OnlineRole::Timestamp);
        let first = add(&scratch, ROLE);
        assert!(sign_with(&scratch, &[&first]));
        assert_eq!(held(&scratch, &other).key.state, KeyState::Pending);
    }

    #[test]
    fn retiring_a_key_can_be_undone() {
        let scratch = scratch();
        let key = add(&scratch, ROLE);
        assert!(sign_with(&scratch, &[&key]));
        let retire = || scratch.database.transaction(|connection| retire(connection, &key));
        let restore = || {
            let held = held(&scratch, &key);
            scratch.database.transaction(move |connection| restore(connection, &held))
        };
        assert!(retire().unwrap());
        assert!(!retire().unwrap(), "it is retired already");
        assert!(!sign_with(&scratch, &[&key]), "a retired key signs nothing");
        assert_eq!(states(&scratch), [KeyState::Retired]);
        assert!(restore().unwrap());
        assert!(!restore().unwrap(), "it is not retired");
        assert_eq!(states(&scratch), [KeyState::Active]);
        assert!(sign_with(&scratch, &[&key]));
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
