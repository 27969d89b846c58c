//! `notary delegation list`.

use std::fmt::Write;

use notary_schema::name::RoleName;
use notary_schema::trusted::Expiry;
use notary_schema::updater::Roles;
use serde_json::json;

use crate::args::DelegationListArgs;
use crate::declared::Declared;
use crate::exit::{Failure, Outcome};
use crate::output::{joined, one_line};
use crate::session::Session;
use crate::view::{View, spelled};

/// Runs `notary delegation list`.
pub(super) async fn list(session: &Session, args: DelegationListArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let (_, _lock) = session.locked(gun).await?;
    let mut agent = session.refreshed(gun, session.now(), Expiry::Reported).await?;
    for unread in agent.visit(Roles::Teams).await?.iter().filter(|one| !one.is_pending()) {
        session.output.warn(format_args!("{} could not be read: {}", unread.role, unread.error));
    }
    let view = View::new(agent.trusted()?.clone());
    if args.yaml {
        session.output.raw(Declared::present(&view).to_yaml().as_bytes())?;
        return Ok(Outcome::Done);
    }
    let (mut roles, mut text) = (Vec::new(), String::new());
    for role in view.roles().iter().filter(|role| role.name != RoleName::TARGETS) {
        let delegation = role.chain.last().expect("a delegated role has a delegation");
        let version = view.listed(&role.name);
        let of = delegation.signers.keyids.len();
        let state = version.map_or("not published yet".to_owned(), |v| format!("version {v}"));
        let ends = if delegation.terminating { ", terminating" } else { "" };
        writeln!(
            text,
            "{} by {}: {}{ends}, {state}\n  {} of {of} keys: {}",
            role.name,
            role.delegator,
            one_line(&spelled(&delegation.paths)),
            delegation.signers.threshold,
            joined(&delegation.signers.keyids)
        )
        .expect("a String takes all");
        roles.push(json!({
            "delegated_by": role.delegator, "version": version, "delegation": &**delegation,
        }));
    }
    let mut bins = Vec::new();
    for (role, succinct) in view.succinct() {
        let (divided, signers) = (&succinct.bins, &succinct.signers);
        let (prefix, count, of) = (divided.name_prefix(), divided.count(), signers.keyids.len());
        writeln!(
            text,
            "{count} bins {} to {} by {}\n  {} of {of} keys: {}",
            divided.name(0),
            divided.name(divided.last()),
            role.name,
            signers.threshold,
            joined(&signers.keyids)
        )
        .expect("a String takes all");
        bins.push(json!({
            "delegated_by": role.name, "name_prefix": prefix, "count": count,
            "succinct_roles": succinct,
        }));
    }
    session.output.result(&json!({ "delegations": roles, "bins": bins }), &text)?;
    Ok(Outcome::Done)
}
