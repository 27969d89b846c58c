//! `notary add`, `addhash`, `import`, `remove`: changes that wait to be published.

mod exclude;
mod import;
mod source;
mod status;

use notary_schema::json;
use notary_schema::name::{Gun, RoleName, TargetPath};
use notary_schema::publish::{Limits, check_target};
use notary_schema::role::{Hashes, TargetFile};
use serde_json::Value;

use crate::args::{AddArgs, AddhashArgs, RemoveArgs, StageArgs};
use crate::exit::{Failure, Outcome};
use crate::keyring::KeyEntry;
use crate::named;
use crate::session::Session;
use crate::staged::{Staged, TargetChange, role_for, role_to_remove_from};
use crate::staging::{Shown, finish, stage};
use crate::trust_dir::CollectionDir;
use crate::view::View;
use crate::wanted::{Names, Wanted};
use exclude::Exclude;
pub(crate) use import::import;
pub(crate) use status::{reset, status};

/// Runs `notary add`.
pub(crate) async fn add(session: &Session, args: AddArgs) -> Result<Outcome, Failure> {
    let custom = args.custom.as_deref().map(read_custom).transpose()?;
    let exclude = Exclude::parse(&args.exclude)?;
    let (collection, _lock) = session.locked(&args.gun).await?;
    let files = source::collect(&args, &exclude)?;
    let targets = source::measure(session, &files, custom.as_ref(), args.copy_to.as_deref())?;
    set(session, &args.gun, &collection, args.role.as_ref(), &args.stage, &targets).await
}

/// Runs `notary addhash`.
pub(crate) async fn addhash(session: &Session, args: AddhashArgs) -> Result<Outcome, Failure> {
    let custom = args.custom.as_deref().map(read_custom).transpose()?;
    let name = TargetPath::parse(&args.name)?;
    let hashes = Hashes::sha256_of(args.sha256.to_ascii_lowercase());
    let targets = [(name, TargetFile { length: args.length, hashes, custom })];
    let (collection, _lock) = session.locked(&args.gun).await?;
    set(session, &args.gun, &collection, args.role.as_ref(), &args.stage, &targets).await
}

/// Stages targets, each in the role that may list it.
async fn set(
    session: &Session,
    gun: &Gun,
    collection: &CollectionDir,
    role: Option<&RoleName>,
    args: &StageArgs,
    targets: &[(TargetPath, TargetFile)],
) -> Result<Outcome, Failure> {
    let keys = session.keyring()?.available(&args.key)?;
    let change = |view: &View, staged: &mut Staged| {
        let (mut shown, mut changes) = (Vec::new(), Vec::new());
        for (name, file) in targets {
            let role = place(view, &keys, role, name, file)?;
            shown.push(Shown::new(&role, "set", name.as_str()));
            changes.push((role, name.to_string(), TargetChange::Set(file.clone())));
        }
        staged.set_targets(changes);
        Ok(shown)
    };
    let names: Vec<String> = targets.iter().map(|(name, _)| name.to_string()).collect();
    let roles: Vec<RoleName> = role.into_iter().cloned().collect();
    let names = Names::Open(&names);
    let wanted = Wanted { roles: &roles, names, keys: &keys, ..Wanted::default() };
    let shown = stage(session, gun, collection, wanted, change).await?;
    finish(session, gun, collection, args, shown).await
}

/// Runs `notary remove`.
pub(crate) async fn remove(session: &Session, args: RemoveArgs) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(&args.gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let change = |view: &View, staged: &mut Staged| {
        let was_staged = staged.unset_target(&args.name, args.role.as_ref());
        let role = match role_to_remove_from(view, &keys, &args.name, args.role.as_ref()) {
            Ok(role) => role,
            // Only staged, never published: taking it back is all there is to do.
            Err(_) if was_staged => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        staged.set_targets(vec![(role.clone(), args.name.clone(), TargetChange::Remove)]);
        Ok(vec![Shown::new(&role, "remove", &args.name)])
    };
    let roles: Vec<RoleName> = args.role.iter().cloned().collect();
    let names = Names::Open(std::slice::from_ref(&args.name));
    let wanted = Wanted { roles: &roles, names, keys: &keys, ..Wanted::default() };
    let shown = stage(session, &args.gun, &collection, wanted, change).await?;
    finish(session, &args.gun, &collection, &args.stage, shown).await
}

/// The role that lists a target, which may be listed.
fn place(
    view: &View,
    keys: &[KeyEntry],
    role: Option<&RoleName>,
    name: &TargetPath,
    file: &TargetFile,
) -> Result<RoleName, Failure> {
    let role = role_for(view, keys, name.as_str(), role)?;
    check_target(&role, name.as_str(), file, &Limits::default())?;
    Ok(role)
}

fn read_custom(path: &std::path::Path) -> Result<Value, Failure> {
    let bytes = named::read(path, named::MAX_TEXT_BYTES)
        .map_err(|error| Failure::file("read", path, error))?;
    let refuse = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
    match json::read::<Value>(&bytes).map_err(|error| refuse(error.to_string()))? {
        Value::Null => Err(refuse("custom data is not null; leave --custom out".into())),
        value => Ok(value),
    }
}
