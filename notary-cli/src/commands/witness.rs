//! `notary witness`: a role is signed again as it is, under a new version and date.

use notary_schema::name::RoleName;
use serde_json::json;

use crate::args::{SignArgs, WitnessArgs};
use crate::exit::{Failure, Outcome};
use crate::proposed::progress;
use crate::publishing::Publisher;
use crate::publishing::rotation::NewRoot;
use crate::session::Session;
use crate::staged::{StageError, Staged, Witness};
use crate::staging::{Ground, Shown, finish, stage_on};
use crate::view::{View, bins};
use crate::wanted::Wanted;

/// Runs `notary witness`.
pub(crate) async fn run(session: &Session, args: WitnessArgs) -> Result<Outcome, Failure> {
    if args.role == RoleName::ROOT {
        return renew_root(session, args).await;
    }
    if !args.role.is_targets_role() {
        return Err(Failure::Usage(format!(
            "{} is not witnessed: the server signs snapshot and timestamp anew by itself",
            args.role
        )));
    }
    let (collection, _lock) = session.locked(&args.gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let change = |view: &View, staged: &mut Staged| {
        if view.role(&args.role).is_none() {
            return Err(StageError::UnknownRole(args.role.clone()).into());
        }
        let bins = view.file(&args.role).filter(|_| args.bins).map(|file| bins(file.signed()));
        let roles: Vec<RoleName> =
            std::iter::once(args.role.clone()).chain(bins.into_iter().flatten()).collect();
        for role in &roles {
            let changes = staged.roles.entry(role.clone()).or_default();
            changes.witness = Some(Witness { reviewed: args.reviewed });
        }
        Ok(roles.iter().map(|role| Shown::of_role(role, "witness")).collect())
    };
    // What was reviewed, and which bins there are, is asked of what is there, not of what was there.
    let is_newest = args.reviewed.is_some() || args.bins;
    let ground = if is_newest { Ground::Newest } else { Ground::Stored };
    let role = std::slice::from_ref(&args.role);
    let bins_of = if args.bins { role } else { &[] };
    let wanted = Wanted { roles: role, bins_of, keys: &keys, ..Wanted::default() };
    let shown = stage_on(ground, session, &args.gun, &collection, wanted, change).await?;
    finish(session, &args.gun, &collection, &args.stage, shown).await
}

/// The same root under a new version and date.
async fn renew_root(session: &Session, args: WitnessArgs) -> Result<Outcome, Failure> {
    let (gun, stage) = (&args.gun, args.stage);
    if args.bins || args.reviewed.is_some() || !stage.publish {
        return Err(Failure::Usage(format!(
            "a root is not staged and has no bins: say `notary witness {gun} root --publish`"
        )));
    }
    let sign = SignArgs { key: stage.key, expires: stage.expires, ..SignArgs::default() };
    let (collection, _lock) = session.locked(gun).await?;
    let publisher = Publisher::new(session, gun, &collection, &sign)?;
    let before = session.newest_root(gun, session.now()).await?;
    let new_root = match publisher.resend_root(&RoleName::ROOT, before.signed()).await? {
        Some(new_root) => new_root,
        None => publisher.renew_root().await?,
    };
    let root = match new_root {
        NewRoot::Proposed(proposal) => return progress::made(session, gun, &proposal),
        NewRoot::Published(rotated) => rotated.root,
    };
    let (version, expires) = (root.version(), root.expires());
    let value = json!({ "collection": gun, "root_version": version, "expires": expires });
    session.output.result(&value, &format!("published root {version}, until {expires}\n"))?;
    Ok(Outcome::Done)
}
