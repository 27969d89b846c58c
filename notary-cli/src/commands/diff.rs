//! `notary diff`: what differs between two stored versions of a role, and how far each is verified.
//!
//! A TUF repository vouches for the current files only. Of an earlier one, no more can be said than
//! that the keys of today have signed it; that it ever was current is the server's word.

use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::role::{Authority, Expires, Role, Root, Snapshot, Targets};
use notary_schema::threshold;
use notary_schema::updater::remote_name;
use serde::Serialize;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::args::DiffArgs;
use crate::changes;
use crate::exit::{Failure, Outcome};
use crate::publishing::reading;
use crate::session::Session;
use crate::view::View;
use crate::wanted::Wanted;

/// The longest file that is compared.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// How far a file is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verified {
    /// It is the one that clients trust now.
    Current,
    /// Enough keys of today have signed it.
    Signed,
    /// Too few of them have.
    Not,
}

impl Verified {
    fn words(self) -> &'static str {
        match self {
            Verified::Current => "verified, the current file",
            Verified::Signed => {
                "signed by enough keys of today; that it was current is the server's word"
            }
            Verified::Not => "NOT verified: too few keys of today have signed it",
        }
    }
}

/// One of the two files.
#[derive(Serialize)]
struct Side {
    version: Version,
    sha256: String,
    expires: Expires,
    verified: Verified,
    #[serde(skip)]
    document: Value,
}

/// Runs `notary diff`.
pub(crate) async fn run(session: &Session, args: DiffArgs) -> Result<Outcome, Failure> {
    let DiffArgs { gun, role, from, to } = &args;
    if *role == RoleName::TIMESTAMP {
        let usage = "the server keeps no earlier timestamp; there is nothing to compare";
        return Err(Failure::Usage(usage.into()));
    }
    let (_, _lock) = session.locked(gun).await?;
    let now = session.now();
    let wanted = Wanted { roles: std::slice::from_ref(role), ..Wanted::default() };
    let view = reading::read(session, gun, wanted, now).await?.view;
    let agent = session.agent(gun, now)?;
    let (old, new) =
        (side(&agent, &view, &args, *from).await?, side(&agent, &view, &args, *to).await?);
    let changes = changes::between(&old.document, &new.document);
    let mut text = String::new();
    for side in [&old, &new] {
        text += &format!("{role} {}: {}\n", side.version, side.verified.words());
    }
    text.extend(changes.iter().map(changes::Change::line));
    if changes.is_empty() {
        text += if from == to { "it is one file\n" } else { "nothing differs but the version\n" };
    }
    let value = json!({
        "collection": gun, "role": role, "from": old, "to": new, "changes": changes,
    });
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

async fn side(
    agent: &Agent<'_>,
    view: &View,
    args: &DiffArgs,
    version: Version,
) -> Result<Side, Failure> {
    let DiffArgs { gun, role, .. } = args;
    let name = remote_name(role, Some(version));
    let bytes = agent.fetch(&name, MAX_FILE_BYTES).await?.ok_or_else(|| {
        Failure::NotFound(format!(
            "the server has no {role} {version} of {gun}; `notary log {gun}` lists what was published"
        ))
    })?;
    let trusted = view.trusted();
    let root = trusted.root().signed();
    let side = match role.as_str() {
        "root" => judge::<Root>(bytes, root.authority(role), Some(trusted.root().bytes())),
        "snapshot" => {
            let current = trusted.snapshot().map(|file| &file.bytes()[..]);
            judge::<Snapshot>(bytes, root.authority(role), current)
        }
        _ => {
            let known = view.role(role);
            let authority = known.as_ref().map(|known| view.authority(known));
            judge::<Targets>(bytes, authority, view.file(role).map(|file| &file.bytes()[..]))
        }
    };
    let side = side.map_err(|why| {
        Failure::Refused(format!("what the server has as {name} of {gun} is not that file: {why}"))
    })?;
    match side.version == version {
        true => Ok(side),
        false => Err(Failure::Refused(format!(
            "what the server has as {name} of {gun} is version {}",
            side.version
        ))),
    }
}

fn judge<T: Role>(
    bytes: Arc<[u8]>,
    authority: Option<Authority<'_>>,
    current: Option<&[u8]>,
) -> Result<Side, String> {
    let file = Envelope::<T>::parse(bytes).map_err(|error| error.to_string())?;
    let is_signed = authority.is_some_and(|keys| threshold::count(&file, keys).is_met());
    let verified = match is_signed {
        _ if current == Some(&file.bytes()[..]) => Verified::Current,
        true => Verified::Signed,
        false => Verified::Not,
    };
    Ok(Side {
        version: file.version(),
        sha256: file.sha256().to_owned(),
        expires: file.expires(),
        verified,
        document: file.document(),
    })
}
