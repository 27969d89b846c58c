//! Proposals: metadata that gathers signatures.
//!
//! Every change of one counts its revision, and names the revision that its author read: of two who
//! sign at once the second one is told to read again.

mod ends;
mod types;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel::connection::Connection as _;
use diesel::prelude::*;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::publish::Head;

use super::dialect::Connection;
use super::queries::{column, number, role, time, version};
use super::rows::{
    ProposalFileRow, ProposalRow, ProposalSignatureRow, current_files, proposal_files,
    proposal_signatures, proposals,
};
use super::{CollectionId, StoreResult};
pub(in crate::store) use ends::{cancel, close_published};
pub use types::{
    Closed, NewProposal, Proposal, Proposed, ProposedFile, ProposedSignature, ProposedVersion,
};

/// Role, version, hash of a file, and whether it is published.
type NamedRow = (String, i64, String, bool);

/// The proposals of a collection after an id, by id.
pub(super) fn list(
    connection: &mut Connection,
    id: CollectionId,
    after: &str,
    limit: u32,
) -> StoreResult<Vec<Proposal>> {
    let rows: Vec<ProposalRow> = proposals::table
        .filter(proposals::collection_id.eq(id.0))
        .filter(proposals::id.gt(after))
        .order(proposals::id.asc())
        .limit(i64::from(limit))
        .select(ProposalRow::as_select())
        .load(connection)?;
    rows.into_iter().map(|row| proposal_of(connection, row)).collect()
}

/// One proposal with its files.
pub(super) fn find(
    connection: &mut Connection,
    collection: CollectionId,
    id: &str,
) -> StoreResult<Option<(Proposal, Vec<ProposedFile>)>> {
    // One transaction: the signatures are those of the revision.
    connection.transaction(|connection| {
        let row = proposals::table
            .find(id)
            .filter(proposals::collection_id.eq(collection.0))
            .select(ProposalRow::as_select())
            .first(connection)
            .optional()?;
        let Some(row) = row else { return Ok(None) };
        let proposal = proposal_of(connection, row)?;
        let files = files_of(connection, id)?;
        Ok(Some((proposal, files)))
    })
}

/// The files of a proposal.
pub(super) fn files_of(connection: &mut Connection, id: &str) -> StoreResult<Vec<ProposedFile>> {
    let files: Vec<ProposalFileRow> = proposal_files::table
        .filter(proposal_files::proposal_id.eq(id))
        .order(proposal_files::role.asc())
        .select(ProposalFileRow::as_select())
        .load(connection)?;
    let mut signatures: BTreeMap<String, Vec<ProposedSignature>> = BTreeMap::new();
    let rows: Vec<ProposalSignatureRow> = proposal_signatures::table
        .filter(proposal_signatures::proposal_id.eq(id))
        .order(proposal_signatures::keyid.asc())
        .select(ProposalSignatureRow::as_select())
        .load(connection)?;
    for row in rows {
        let signature = ProposedSignature {
            keyid: column("a key id", KeyId::parse(&row.keyid))?,
            bytes: row.signature,
            at: time(row.created_at)?,
            by: row.created_by,
        };
        signatures.entry(row.role).or_default().push(signature);
    }
    let file = |row: ProposalFileRow| {
        Ok(ProposedFile {
            signatures: signatures.remove(&row.role).unwrap_or_default(),
            named: named((&row.role, row.version, row.signed_sha256, row.is_published))?,
            signed: row.signed,
        })
    };
    files.into_iter().map(file).collect()
}

/// Stores a proposal in the place of those that are still as they were read; the one that its author
/// has made of the same before is that one. Of those of its collection that have ended, the newest
/// `most` are kept.
pub(super) fn create(
    connection: &mut Connection,
    collection: CollectionId,
    new: &NewProposal,
    over: &[Proposal],
    now: DateTime<Utc>,
) -> StoreResult<Proposed> {
    let all = list(connection, collection, "", u32::MAX)?;
    let (mut open, mut ended) = (Vec::new(), Vec::new());
    for proposal in all {
        match is_open(connection, collection, &proposal, &new.head, now)? {
            true => open.push(proposal),
            false => ended.push(proposal.id),
        }
    }
    for other in &open {
        if is_repeated(connection, other, new)? {
            return Ok(Proposed::As(other.id.clone()));
        }
    }
    let as_read = |other: &Proposal| {
        over.iter().any(|read| read.id == other.id && read.revision == other.revision)
    };
    let (displaced, open): (Vec<_>, Vec<_>) = open.into_iter().partition(as_read);
    for file in &new.files {
        let same = |named: &ProposedVersion| named.role == file.named.role;
        if let Some(other) = open.iter().find(|other| other.versions.iter().any(same)) {
            let (role, by) = (file.named.role.clone(), other.id.clone());
            return Ok(Proposed::RoleTaken { role, by });
        }
    }
    if open.len() as u64 >= new.most {
        return Ok(Proposed::TooMany(open.into_iter().map(|other| other.id).collect()));
    }
    let kept = usize::try_from(new.most).unwrap_or(usize::MAX);
    for id in ended.iter().rev().skip(kept) {
        delete(connection, id)?;
    }
    for other in displaced {
        ends::displace(connection, &other.id, &new.id, now)?;
    }
    insert(connection, collection, new, now)?;
    Ok(Proposed::As(new.id.clone()))
}

/// Whether a request asks for what is there already, with no signature that it does not have.
fn is_repeated(
    connection: &mut Connection,
    other: &Proposal,
    new: &NewProposal,
) -> StoreResult<bool> {
    let same_files = new.files.len() == other.versions.len()
        && new.files.iter().all(|file| other.versions.contains(&file.named));
    let lists = |pending, orphan, compromised| [pending, orphan, compromised];
    let same_lists = lists(&new.pending, &new.orphan, &new.compromised)
        == lists(&other.pending, &other.orphan, &other.compromised);
    if !same_files || !same_lists || new.created_by != other.created_by {
        return Ok(false);
    }
    let kept = files_of(connection, &other.id)?;
    let has = |file: &ProposedFile, wanted: &ProposedSignature| {
        let same = |kept: &&ProposedFile| kept.named == file.named;
        let mut kept = kept.iter().filter(same).flat_map(|kept| &kept.signatures);
        kept.any(|kept| kept.keyid == wanted.keyid && kept.bytes == wanted.bytes)
    };
    Ok(new.files.iter().all(|file| file.signatures.iter().all(|wanted| has(file, wanted))))
}

/// Whether it may still be published: neither closed, nor lapsed, nor overtaken.
fn is_open(
    connection: &mut Connection,
    collection: CollectionId,
    proposal: &Proposal,
    head: &Head,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    if proposal.closed.is_some() || proposal.lapses_at <= now {
        return Ok(false);
    }
    for named in &proposal.versions {
        let current: Option<i64> = current_files::table
            .find((collection.0, named.role.as_str()))
            .select(current_files::version)
            .first(connection)
            .optional()?;
        let current = current.map(version).transpose()?.max(head.version(&named.role));
        if named.is_overtaken(current) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn insert(
    connection: &mut Connection,
    collection: CollectionId,
    new: &NewProposal,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let names = |roles: &BTreeSet<RoleName>| column("roles", serde_json::to_string(roles));
    let row = ProposalRow {
        id: new.id.clone(),
        collection_id: collection.0,
        state: "open".into(),
        created_at: now.timestamp(),
        created_by: new.created_by.clone(),
        closed_at: None,
        reason: new.reason.clone(),
        lapses_at: new.lapses_at.timestamp(),
        pending: names(&new.pending)?,
        orphan: names(&new.orphan)?,
        compromised: names(&new.compromised)?,
        revision: 0,
        displaced_by: None,
    };
    diesel::insert_into(proposals::table).values(row).execute(connection)?;
    for file in &new.files {
        let row = ProposalFileRow {
            proposal_id: new.id.clone(),
            role: file.named.role.to_string(),
            version: number(file.named.version.get()),
            signed: file.signed.clone(),
            signed_sha256: file.named.signed_sha256.clone(),
            is_published: false,
        };
        diesel::insert_into(proposal_files::table).values(row).execute(connection)?;
        insert_signatures(connection, &new.id, &file.named.role, &file.signatures)?;
    }
    Ok(())
}

fn insert_signatures(
    connection: &mut Connection,
    id: &str,
    role: &RoleName,
    signatures: &[ProposedSignature],
) -> StoreResult<()> {
    for signature in signatures {
        let row = ProposalSignatureRow {
            proposal_id: id.to_owned(),
            role: role.to_string(),
            keyid: signature.keyid.to_string(),
            signature: signature.bytes.clone(),
            created_at: signature.at.timestamp(),
            created_by: signature.by.clone(),
        };
        diesel::insert_into(proposal_signatures::table).values(row).execute(connection)?;
    }
    Ok(())
}

fn delete(connection: &mut Connection, id: &str) -> StoreResult<()> {
    let signatures = proposal_signatures::table.filter(proposal_signatures::proposal_id.eq(id));
    diesel::delete(signatures).execute(connection)?;
    let files = proposal_files::table.filter(proposal_files::proposal_id.eq(id));
    diesel::delete(files).execute(connection)?;
    diesel::delete(proposals::table.find(id)).execute(connection)?;
    Ok(())
}

/// Adds signatures to the file of a role; `false` where the proposal is no longer the one that was
/// read.
pub(super) fn sign(
    connection: &mut Connection,
    read: &Proposal,
    role: &RoleName,
    signatures: &[ProposedSignature],
) -> StoreResult<bool> {
    let changed = diesel::update(proposals::table.find(&read.id))
        .filter(proposals::revision.eq(read.revision))
        .filter(proposals::state.eq("open"))
        .set(proposals::revision.eq(read.revision + 1))
        .execute(connection)?;
    if changed == 1 {
        insert_signatures(connection, &read.id, role, signatures)?;
    }
    Ok(changed == 1)
}

fn proposal_of(connection: &mut Connection, row: ProposalRow) -> StoreResult<Proposal> {
    let closed = match (row.state.as_str(), row.closed_at) {
        ("open", None) => None,
        ("published", Some(at)) => Some(Closed::Published(time(at)?)),
        ("cancelled", Some(at)) => Some(match row.displaced_by {
            Some(by) => Closed::Displaced(time(at)?, by),
            None => Closed::Cancelled(time(at)?),
        }),
        (state, _) => return column("a proposal", Err(format!("{state:?} and its date"))),
    };
    let files: Vec<NamedRow> = proposal_files::table
        .filter(proposal_files::proposal_id.eq(&row.id))
        .order(proposal_files::role.asc())
        .select((
            proposal_files::role,
            proposal_files::version,
            proposal_files::signed_sha256,
            proposal_files::is_published,
        ))
        .load(connection)?;
    let versions = files.iter().map(|(role, version, sha256, is_published)| {
        named((role, *version, sha256.clone(), *is_published))
    });
    let names = |text: &str| column("roles", serde_json::from_str(text));
    Ok(Proposal {
        versions: versions.collect::<StoreResult<_>>()?,
        closed,
        created_at: time(row.created_at)?,
        lapses_at: time(row.lapses_at)?,
        pending: names(&row.pending)?,
        orphan: names(&row.orphan)?,
        compromised: names(&row.compromised)?,
        id: row.id,
        reason: row.reason,
        created_by: row.created_by,
        revision: row.revision,
    })
}

fn named(
    (name, number, signed_sha256, is_published): (&str, i64, String, bool),
) -> StoreResult<ProposedVersion> {
    Ok(ProposedVersion {
        role: role(name)?,
        version: version(number)?,
        signed_sha256,
        is_published,
    })
}
