//! What is asked of the table of API tokens.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use notary_schema::reason::Label;

use super::dialect::Connection;
use super::queries::{column, time, word, written};
use super::rows::{TokenRow, tokens};
use super::{Revoked, StoreResult, Token};
use crate::grant::Grant;

pub(super) fn token(connection: &mut Connection, sha256: &str) -> StoreResult<Option<Token>> {
    let row = tokens::table
        .filter(tokens::sha256.eq(sha256))
        .select(TokenRow::as_select())
        .first(connection)
        .optional()?;
    row.map(token_of).transpose()
}

pub(super) fn by_id(connection: &mut Connection, id: &str) -> StoreResult<Option<Token>> {
    let row = tokens::table.find(id).select(TokenRow::as_select()).first(connection).optional()?;
    row.map(token_of).transpose()
}

pub(super) fn all_tokens(connection: &mut Connection) -> StoreResult<Vec<Token>> {
    let rows: Vec<TokenRow> = tokens::table
        .order((tokens::created_at.asc(), tokens::id.asc()))
        .select(TokenRow::as_select())
        .load(connection)?;
    rows.into_iter().map(token_of).collect()
}

pub(super) fn within(
    connection: &mut Connection,
    grant: &Grant,
    after: &str,
    limit: u32,
) -> StoreResult<Vec<Token>> {
    let rows = tokens::table
        .filter(tokens::id.gt(after))
        .order(tokens::id.asc())
        .select(TokenRow::as_select())
        .load_iter::<TokenRow, DefaultLoadingMode>(connection)?;
    let mut found = Vec::new();
    for row in rows {
        let token = token_of(row?)?;
        if grant.includes(&token.grant) {
            found.push(token);
        }
        if found.len() == limit as usize {
            break;
        }
    }
    Ok(found)
}

/// Whether it was stored: not where its origin has `most` open ones. Of those that are no longer
/// open it keeps as many, the newest.
pub(super) fn create_token(
    connection: &mut Connection,
    token: &Token,
    most: u64,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let same_origin: Vec<TokenRow> = tokens::table
        .filter(tokens::origin.eq(&token.origin))
        .order((tokens::created_at.desc(), tokens::id.desc()))
        .select(TokenRow::as_select())
        .load(connection)?;
    let is_open = |row: &TokenRow| {
        row.revoked_at.is_none() && row.expires_at.is_none_or(|at| at > now.timestamp())
    };
    let (open, ended): (Vec<_>, Vec<_>) = same_origin.into_iter().partition(is_open);
    if open.len() as u64 >= most {
        return Ok(false);
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    for oldest in ended.iter().skip(most) {
        // So that [`Revoked::AndMade`] finds what comes from it.
        diesel::update(tokens::table.filter(tokens::created_by.eq(&oldest.id)))
            .set(tokens::created_by.eq(&oldest.created_by))
            .execute(connection)?;
        diesel::delete(tokens::table.find(&oldest.id)).execute(connection)?;
    }
    let grant = &token.grant;
    let row = TokenRow {
        id: token.id.clone(),
        sha256: token.sha256.clone(),
        grant_name: written(&grant.level)?,
        collection_glob: grant.collections.as_str().to_owned(),
        role_globs: column("role globs", serde_json::to_string(&grant.roles))?,
        created_at: token.created_at.timestamp(),
        created_by: token.created_by.clone(),
        origin: token.origin.clone(),
        expires_at: token.expires_at.map(|time| time.timestamp()),
        last_used_at: None,
        revoked_at: None,
        name: token.name.as_ref().map(ToString::to_string),
    };
    diesel::insert_into(tokens::table).values(row).execute(connection)?;
    Ok(true)
}

/// Whether there is such a token. The first revocation keeps its date.
pub(super) fn revoke_token(
    connection: &mut Connection,
    id: &str,
    which: Revoked,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let found: i64 = tokens::table.find(id).count().get_result(connection)?;
    let mut ids = BTreeSet::from([id.to_owned()]);
    if which == Revoked::AndMade {
        let made: Vec<(String, String)> =
            tokens::table.select((tokens::id, tokens::created_by)).load(connection)?;
        let mut last = 0;
        while ids.len() != last {
            last = ids.len();
            let below = made.iter().filter(|(_, by)| ids.contains(by)).map(|(id, _)| id.clone());
            ids.append(&mut below.collect());
        }
    }
    for id in ids {
        diesel::update(tokens::table.find(id).filter(tokens::revoked_at.is_null()))
            .set(tokens::revoked_at.eq(now.timestamp()))
            .execute(connection)?;
    }
    Ok(found == 1)
}

pub(super) fn touch_tokens(
    connection: &mut Connection,
    used: Vec<(String, DateTime<Utc>)>,
) -> StoreResult<()> {
    for (id, at) in used {
        diesel::update(tokens::table.find(id))
            .set(tokens::last_used_at.eq(at.timestamp()))
            .execute(connection)?;
    }
    Ok(())
}

fn token_of(row: TokenRow) -> StoreResult<Token> {
    let level = word(&row.grant_name)?;
    let roles: Vec<String> = column("role globs", serde_json::from_str(&row.role_globs))?;
    Ok(Token {
        grant: column("a grant", Grant::new(level, &row.collection_glob, &roles))?,
        id: row.id,
        name: row.name.map(|name| column("a name", Label::parse(&name))).transpose()?,
        sha256: row.sha256,
        created_at: time(row.created_at)?,
        created_by: row.created_by,
        origin: row.origin,
        expires_at: row.expires_at.map(time).transpose()?,
        last_used_at: row.last_used_at.map(time).transpose()?,
        revoked_at: row.revoked_at.map(time).transpose()?,
    })
}
