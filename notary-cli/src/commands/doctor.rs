//! `notary doctor`: a collection read twice, by our own verification and by another implementation of
//! TUF; then what would break clients in the field, and what expires soon.
//!
//! Three parts: [`mod@collect`] reads, [`rules`] look at what was read, [`opinion`] has it read again.

mod collect;
mod finding;
mod opinion;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use notary_schema::name::Gun;
use notary_schema::trusted::Expiry;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;

use crate::args::DoctorArgs;
use crate::exit::{Failure, Outcome};
use crate::output::one_line;
use crate::session::Session;
use collect::{Bounds, Collected, Extent, collect};
use finding::{Finding, Severity};
use opinion::{Opinion, Reread};
use rules::{Subject, counted, examine};

/// Runs `notary doctor`.
pub(crate) async fn run(session: &Session, args: DoctorArgs) -> Result<Outcome, Failure> {
    let (gun, now) = (&args.gun, session.now());
    let seed = args.seed.unwrap_or_else(random);
    let (_, _lock) = session.locked(gun).await?;
    let mut agent = session.refreshed(gun, now, Expiry::Reported).await?;
    let collected = collect(&mut agent, Bounds::default(), seed, now).await?;
    let by = args.within.from(now).time();
    let mut own = examine(&Subject { gun, collected: &collected, now, by });
    own.iter_mut().for_each(|finding| finding.accept(&args.accept));
    for accepted in &args.accept {
        if !own.iter().any(|finding| accepted.covers(finding.code, &finding.role)) {
            session.output.message(format_args!("--accept {accepted}: there is no such finding"));
        }
    }
    let opinion = opinion::second(&collected).await?;
    let outcome = outcome(&own, &opinion.findings);
    report(session, gun, &collected, &own, &opinion)?;
    Ok(outcome)
}

fn random() -> u32 {
    let mut bytes = [0; 4];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has random bytes");
    u32::from_le_bytes(bytes)
}

/// What our own verification refuses, or clients that keep to the specification, is not verified; what
/// the second implementation alone refuses is something to do.
fn outcome(own: &[Finding], second: &[Finding]) -> Outcome {
    let open = own.iter().filter(|finding| !finding.accepted);
    match open.map(|finding| finding.severity).min() {
        Some(Severity::Error) => Outcome::NotVerified,
        Some(Severity::Warning) => Outcome::ToDo,
        _ if !second.is_empty() => Outcome::ToDo,
        _ => Outcome::Done,
    }
}

fn report(
    session: &Session,
    gun: &Gun,
    collected: &Collected,
    own: &[Finding],
    opinion: &Opinion,
) -> Result<(), Failure> {
    let mut findings: Vec<&Finding> = own.iter().chain(&opinion.findings).collect();
    findings.sort_by_key(|finding| finding.severity);
    let trusted = collected.view.trusted();
    let versions = json!({
        "root": trusted.root().version(),
        "timestamp": trusted.timestamp().map(|file| file.version()),
        "snapshot": trusted.snapshot().map(|file| file.version()),
    });
    let value = json!({
        "collection": gun, "versions": versions, "read": collected.extent,
        "reread": { "by": SECOND, "what": opinion.reread }, "findings": findings,
    });
    let mut text = extent(gun, collected, opinion.reread);
    for Finding { severity, code, role, what, next, accepted } in findings {
        let mark = if *accepted { " (accepted)" } else { "" };
        writeln!(text, "{severity} {code} {role}{mark}: {}; {}", one_line(what), one_line(next))
            .expect("a String takes all");
    }
    Ok(session.output.result(&value, &text)?)
}

/// The second implementation.
const SECOND: &str = "tough 0.24";

/// Exactly what was read, and by whom.
fn extent(gun: &Gun, collected: &Collected, reread: Reread) -> String {
    let Extent { roles, known, targets, seed } = collected.extent;
    let own = match seed {
        None => counted(roles, "delegated role", "delegated roles"),
        Some(seed) => {
            format!("a sample of {roles} of {known} delegated roles (--seed {seed} draws it again)")
        }
    };
    let again = match reread {
        Reread::Collection => "read all of it as a client would",
        Reread::Files => "read the same files one by one",
    };
    let targets = counted(targets, "target", "targets");
    format!("{gun}: notary read the top-level roles and {own} with {targets}; {SECOND} {again}\n")
}
