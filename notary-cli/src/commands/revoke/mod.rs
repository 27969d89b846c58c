//! `notary revoke`: a key signs nothing new, and the collection goes on without it.
//!
//! First the server is told: from then on nothing that the key signs is taken. Then every role that
//! lists it gets other signers, and where the key alone has signed what is there now, the last version
//! that stands without it is published again, unless somebody decides otherwise. Each step may be
//! repeated: the command does what is left to do, and says so where nothing is.
//!
//! | step | where |
//! |---|---|
//! | the keys that are named, which the server revokes | `keys` |
//! | what the command line says | `said` |
//! | what is known: the collection, and all that a plan looks back at | [`Course`] |
//! | the plan | [`notary_schema::revocation`] |
//! | what a person chose where the plan does not say | `ways_out` |
//! | the report | `report` |

mod keys;
mod listed;
mod report;
mod said;
mod ways_out;

use std::collections::BTreeSet;

use crate::args::RevokeArgs;
use crate::exit::{Failure, Outcome};
use crate::publishing::revocation::{Became, Course, Task};
use crate::publishing::{Publisher, Tries};
use crate::session::Session;
use report::Report;
use ways_out::WaysOut;

/// Runs `notary revoke`.
pub(crate) async fn run(session: &Session, args: RevokeArgs) -> Result<Outcome, Failure> {
    match (args.list, &args.undo) {
        (true, _) => listed::list(session, &args.gun).await,
        (false, Some(key)) => listed::undo(session, &args.gun, key).await,
        (false, None) => revoke(session, &args).await,
    }
}

async fn revoke(session: &Session, args: &RevokeArgs) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(&args.gun).await?;
    let publisher = Publisher::new(session, &args.gun, &collection, &args.sign)?;
    let before = session.server()?.revocations(&args.gun).await?;
    // What is wrong with the collection, or with an earlier command, keeps no key in it.
    let read = publisher.collect().await;
    let revocations = keys::stop(session, args, &before, read.as_ref().ok()).await?;
    let mut known = read.inspect_err(|_| unreadable(session, args))?;
    let is_any_new = revocations.iter().any(|one| said::is_new(one, &before));
    if !args.dry_run && (publisher.resend_any().await? || is_any_new) {
        // What the key has signed since it was read is there by now, and nothing more will be.
        known = publisher.collect().await?;
    }
    let task = said::task(args, revocations, &before);
    let choices = said::choices(session, args, &task, &known)?;
    let course = Course { known, choices, asked: BTreeSet::new() };
    go_on_without(session, args, &publisher, &task, course).await
}

/// Plans, asks and publishes, until nobody else was first.
async fn go_on_without(
    session: &Session,
    args: &RevokeArgs,
    publisher: &Publisher<'_>,
    task: &Task,
    mut course: Course,
) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let ways_out = WaysOut { session, args, publisher, task };
    let (mut tries, mut agreed) = (Tries::new(session), None);
    loop {
        let (decided, wanted) = ways_out.plan(course).await?;
        let decided = publisher.look_back_at_left_out(task, decided).await?;
        let report = Report::new(gun, task, &decided.known, &wanted);
        if wanted.is_empty() || args.dry_run {
            return report.show(session, args);
        }
        agreed = Some(agree(session, &report, agreed)?);
        let complete = publisher.with_online_keys(&wanted, decided).await?;
        let (complete, planned) = publisher.plan_without(task, complete).await?;
        let sent = planned?;
        let report = Report::new(gun, task, &complete.known, &sent);
        match publisher.publish_without(&sent, task, &complete.known).await? {
            Became::Published => return report.show(session, args),
            Became::Proposed(proposal) => return report.proposed(session, gun, &proposal),
            Became::Overtaken(error) => {
                tries.again(error).await?;
                course = Course { known: publisher.collect().await?, ..complete };
            }
        }
    }
}

/// What is done, and what is left to do, where the collection cannot be read.
fn unreadable(session: &Session, args: &RevokeArgs) {
    let gun = &args.gun;
    if !args.dry_run {
        session.output.message(format_args!(
            "roles go on to list the key until {gun} can be read: `notary repair {gun}` brings back \
             what its server has lost, then say this again"
        ));
    }
}

/// Shows what is about to happen and asks, where somebody can be asked and has not agreed to the very
/// same. Delegations are taken out only where that is said. Answers what was agreed to.
fn agree(session: &Session, report: &Report, agreed: Option<String>) -> Result<String, Failure> {
    let preview = report.preview();
    if agreed.as_ref() == Some(&preview) {
        return Ok(preview);
    }
    preview.lines().for_each(|line| session.output.message(line));
    for role in report.taken_out() {
        session.insist(
            &format!("take out the delegation to {role}"),
            "no key is left that signs it, and nothing that it lists is found any more; a key that \
             takes over is named with --new-key",
        )?;
    }
    match session.confirm("publish this?")? {
        true => Ok(preview),
        false => Err(Failure::Refused(
            "nothing was published; the key signs nothing new all the same".into(),
        )),
    }
}
