//! `notary recover`: a root that makes clients forget what the online keys have signed, and which
//! command it is that another role needs.

use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::online::OnlineRole;
use notary_schema::role::Root;
use notary_schema::trusted::Expiry;
use serde_json::json;

use crate::args::RecoverArgs;
use crate::exit::{Failure, Outcome};
use crate::proposed::progress;
use crate::publishing::Publisher;
use crate::publishing::online_keys;
use crate::publishing::rotation::NewRoot;
use crate::session::Session;

/// A version above this did not come about by publishing: once in a millisecond is nine years.
const FAR: u64 = 1 << 38;

/// Runs `notary recover`.
pub(crate) async fn run(session: &Session, args: RecoverArgs) -> Result<Outcome, Failure> {
    let RecoverArgs { gun, role, sign } = &args;
    if !OnlineRole::BOTH.iter().any(|online| online.name() == *role) {
        return Err(Failure::Usage(instead(gun, role)));
    }
    let (collection, _lock) = session.locked(gun).await?;
    let publisher = Publisher::new(session, gun, &collection, sign)?;
    let before = session.newest_root(gun, session.now()).await?;
    // What was asked for before has to be there first; it may be this very root.
    let new_root = match publisher.resend_root(role, before.signed()).await? {
        Some(new_root) => new_root,
        None => {
            let mut keys = Vec::new();
            for online in OnlineRole::BOTH {
                keys.push((online, online_keys::next(session, gun, online).await?));
            }
            publisher.recover(&keys).await?
        }
    };
    match new_root {
        NewRoot::Proposed(proposal) => progress::made(session, gun, &proposal),
        NewRoot::Published(rotated) => report(session, gun, &before, &rotated.root).await,
    }
}

async fn report(
    session: &Session,
    gun: &Gun,
    before: &Envelope<Root>,
    root: &Envelope<Root>,
) -> Result<Outcome, Failure> {
    let agent = session.refreshed(gun, session.now(), Expiry::Reported).await?;
    let version = |version: Option<Version>| version.map_or(0, Version::get);
    let trusted = agent.trusted()?;
    let snapshot = version(trusted.snapshot().map(|file| file.version()));
    let timestamp = version(trusted.timestamp().map(|file| file.version()));
    let keys = |root: &Root, role: OnlineRole| role.listed_by(root).keyids.clone();
    let mut text = format!("published root {}\n", root.version());
    for role in OnlineRole::BOTH {
        let (old, new) = (keys(before.signed(), role), keys(root.signed(), role));
        text += &format!("{} keys: {} new, {} gone\n", role.name(), new.len(), old.len());
    }
    text += &format!("goes on with snapshot {snapshot} and timestamp {timestamp}\n");
    let value = json!({
        "collection": gun, "root_version": root.version(),
        "snapshot": snapshot, "timestamp": timestamp,
    });
    session.output.result(&value, &text)?;
    if snapshot.max(timestamp) > FAR {
        session.output.warn(format_args!(
            "the versions are as high as before: the signer's memory was not set lower; have its \
             operator run `notary-signer memory set --gun {gun}`, then `notary recover` again"
        ));
    }
    Ok(Outcome::Done)
}

/// Which command a role needs that is signed by people.
fn instead(gun: &Gun, role: &RoleName) -> String {
    let why = "recover is for snapshot and timestamp, whose keys the signer has";
    if *role == RoleName::ROOT {
        return format!(
            "{why}. A root that is expired: `notary witness {gun} root --publish`. A root key that \
             is stolen: `notary revoke {gun} ID --new-key KEY`. It is lost: `notary rotate {gun} root \
             --drop-key ID --new-key KEY`. Too few \
             keys left for its threshold: nothing helps but a new collection (`notary delete`, \
             `notary init --replace`), and every client must pin its root"
        );
    }
    let keys = match *role == RoleName::TARGETS {
        true => format!("`notary rotate {gun} targets --drop-key ID --new-key KEY --compromised`"),
        false => format!(
            "`notary rotate {gun} {role} --drop-key ID --new-key KEY`, by whoever delegates to it"
        ),
    };
    format!(
        "{why}. {role} expired: `notary witness {gun} {role} --publish`. Its key is stolen: `notary \
         revoke {gun} ID`. It is lost: {keys}"
    )
}
