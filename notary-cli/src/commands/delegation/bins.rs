//! `notary delegation bins`.

use std::fmt::Write;

use notary_schema::role::Bins;
use serde_json::json;

use crate::args::{DelegationBinsArgs, SignArgs};
use crate::exit::{Failure, Outcome};
use crate::keyring::Purpose;
use crate::proposed::progress;
use crate::publishing::Publisher;
use crate::publishing::bins::{Divided, Division};
use crate::publishing::delivery::Delivered;
use crate::session::Session;

/// Runs `notary delegation bins`.
pub(super) async fn run(session: &Session, args: DelegationBinsArgs) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(&args.gun).await?;
    let prefix = args.prefix.clone().unwrap_or_else(|| format!("{}-bin", args.role));
    let bins = Bins::new(prefix, args.count.0.into()).map_err(Failure::Usage)?;
    bins.name(0).check_creatable()?;
    let keyring = session.keyring()?;
    let resolve = |key: &String| keyring.resolve(key, Purpose::Delegation);
    let keys = args.key.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    let (succinct, threshold) = (args.succinct, args.threshold);
    let division = Division { bins: bins.clone(), succinct, keys, threshold };
    let (key, expires) = (args.sign_keys, args.expires);
    let sign = SignArgs { key, expires, ..SignArgs::default() };
    let publisher = Publisher::new(session, &args.gun, &collection, &sign)?;
    let Divided { delivered, moved, kept } = publisher.divide(&args.role, division).await?;
    let role = &args.role;
    for name in &kept {
        session.output.warn(format_args!(
            "{name} stays in {role}: another delegation covers it and would hide it in a bin"
        ));
    }
    let answer = match delivered {
        Delivered::Published(answer) => answer,
        Delivered::Proposed(proposal) => return progress::made(session, &args.gun, &proposal),
    };
    for warning in &answer.warnings {
        session.output.warn(warning);
    }
    let (count, first, last) = (bins.count(), bins.name(0), bins.name(bins.last()));
    let mut text = format!("divided {role} into {count} bins, {first} to {last}\n");
    writeln!(text, "moved {moved} targets").expect("a String takes all");
    writeln!(text, "snapshot {}, timestamp {}", answer.snapshot, answer.timestamp)
        .expect("a String takes all");
    let value = json!({
        "collection": args.gun, "role": role, "count": count, "name_prefix": bins.name_prefix(),
        "succinct": succinct, "moved": moved, "kept": kept,
        "snapshot": answer.snapshot, "timestamp": answer.timestamp,
    });
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}
