//! What the software store needs to open again; one row.

use diesel::prelude::*;

use super::StoreError;
use super::tables::store_header;
use crate::keys::software::{Origin, StoreHeader};

/// The header of the key store, unless no store was made yet.
pub(crate) fn load(connection: &mut SqliteConnection) -> Result<Option<StoreHeader>, StoreError> {
    type Row = (Option<i64>, Option<Vec<u8>>, Option<String>, Option<Vec<u8>>, Vec<u8>);
    let row: Option<Row> = store_header::table
        .select((
            store_header::rounds,
            store_header::salt,
            store_header::wrapping_key,
            store_header::wrapped,
            store_header::check_value,
        ))
        .first(connection)
        .optional()?;
    let Some((rounds, salt, key, wrapped, check)) = row else { return Ok(None) };
    let origin = match (rounds, salt, key, wrapped) {
        (Some(rounds), Some(salt), None, None) => {
            let damaged = |_| StoreError::damaged("rounds", rounds);
            Origin::Passphrase { rounds: u32::try_from(rounds).map_err(damaged)?, salt }
        }
        (None, None, Some(key), Some(wrapped)) => Origin::Wrapped { key, wrapped },
        _ => return Err(StoreError::damaged("store_header", "neither derived nor wrapped")),
    };
    Ok(Some(StoreHeader { origin, check }))
}

/// Stores the header of the key store in the place of any other: there can be only one.
pub(crate) fn save(
    connection: &mut SqliteConnection,
    header: &StoreHeader,
) -> Result<(), StoreError> {
    let (rounds, salt, key, wrapped) = match &header.origin {
        Origin::Passphrase { rounds, salt } => (Some(i64::from(*rounds)), Some(salt), None, None),
        Origin::Wrapped { key, wrapped } => (None, None, Some(key), Some(wrapped)),
    };
    diesel::delete(store_header::table).execute(connection)?;
    diesel::insert_into(store_header::table)
        .values((
            store_header::id.eq(1),
            store_header::rounds.eq(rounds),
            store_header::salt.eq(salt),
            store_header::wrapping_key.eq(key),
            store_header::wrapped.eq(wrapped),
            store_header::check_value.eq(&header.check),
        ))
        .execute(connection)?;
    Ok(())
}
