//! At a terminal: what a role says from now on whose present version does not stand without the key.

use std::collections::BTreeSet;

use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::revocation::{Content, Origin, Plan};
use notary_schema::wire::Revocation;

use super::report::Report;
use crate::args::RevokeArgs;
use crate::exit::Failure;
use crate::publishing::Publisher;
use crate::publishing::revocation::{Collected, NoPlan, Wish};
use crate::session::Session;

/// Who is asked, and what was asked already.
pub(super) struct WaysOut<'a> {
    pub(super) session: &'a Session,
    pub(super) args: &'a RevokeArgs,
    pub(super) revoked: &'a [Revocation],
    pub(super) asked: &'a mut BTreeSet<RoleName>,
}

impl WaysOut<'_> {
    /// What is to be published, as far as the command line and a person at a terminal have decided.
    pub(super) async fn plan(
        &mut self,
        publisher: &Publisher<'_>,
        wish: &mut Wish,
        collected: &mut Collected,
    ) -> Result<Plan, Failure> {
        loop {
            let (harmed, planned) = match publisher.plan_without(wish, collected).await {
                Ok(plan) => (self.goes_back(&plan, wish), Ok(plan)),
                Err(NoPlan { undecided, failure }) => {
                    (undecided.map(|(role, current)| (role, current, None)), Err(failure))
                }
            };
            let (gun, nothing) = (&self.args.gun, Plan::default());
            let plan = planned.as_ref().unwrap_or(&nothing);
            let mut told = Report::new(gun, self.revoked, wish, collected, plan).at_stake();
            if planned.is_err() {
                // Whoever has to decide wants to know what is at stake.
                told.lines().for_each(|line| self.session.output.message(line));
            }
            if planned.is_err() || !self.asked.is_empty() {
                told.clear();
            }
            let Some((role, current, good)) = harmed.filter(|_| !self.args.dry_run) else {
                return planned;
            };
            self.asked.insert(role.clone());
            let harmed = Harmed { gun, role: &role, current, good };
            match harmed.ask(self.session, &told)? {
                Some(content) => collected.decide(role, content, wish),
                None if planned.is_err() => return planned,
                None => {}
            }
        }
    }

    /// The next role that goes back by itself, and of which nobody has decided so.
    fn goes_back(&self, plan: &Plan, wish: &Wish) -> Option<(RoleName, Version, Option<Version>)> {
        plan.roles.iter().find_map(|part| match part.origin {
            Origin::Version(good)
                if !self.asked.contains(&part.role)
                    && !wish.choices.content.contains_key(&part.role) =>
            {
                Some((part.role.clone(), part.current, Some(good)))
            }
            _ => None,
        })
    }
}

/// A role, as it is.
pub(super) struct Harmed<'a> {
    pub(super) gun: &'a Gun,
    pub(super) role: &'a RoleName,
    pub(super) current: Version,
    /// The last version that stands: what is published where nobody decides otherwise.
    pub(super) good: Option<Version>,
}

impl Harmed<'_> {
    /// Asks what it says from now on; `told` is shown before. `None` where nobody decides.
    pub(super) fn ask(&self, session: &Session, told: &str) -> Result<Option<Content>, Failure> {
        let (mut told, mut question) = (told, self.question());
        loop {
            let Some(answer) = session.choice(told, &question)? else { return Ok(None) };
            told = "";
            match (answer.as_str(), answer.parse().map(Version::new)) {
                ("reviewed", _) => return Ok(Some(Content::Reviewed(self.current))),
                ("empty", _) => return Ok(Some(Content::Empty)),
                (_, Ok(Ok(version))) if version == self.current => {
                    return Ok(Some(Content::Reviewed(version)));
                }
                (_, Ok(Ok(version))) => return Ok(Some(Content::Of(version))),
                _ => question = format!("{answer:?} is none of these: {}", self.answers()),
            }
        }
    }

    fn question(&self) -> String {
        let Harmed { gun, role, current, .. } = self;
        format!(
            "{role} {current} does not stand without the key; `notary diff {gun} {role} VERSION \
             {current}` shows what it changed. What does {role} say from now on? {}",
            self.answers()
        )
    }

    fn answers(&self) -> String {
        let Harmed { role, current, good, .. } = self;
        let first = match good {
            Some(good) => format!("Enter: what {role} {good} said, the last that stands"),
            None => "Enter: it is decided later".to_owned(),
        };
        format!(
            "[{first}; VERSION: what that one said; reviewed: what {current} says; empty: nothing]"
        )
    }
}
