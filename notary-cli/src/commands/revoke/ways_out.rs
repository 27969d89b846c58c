//! At a terminal: what a role says from now on whose present version does not stand without the key.

use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::revocation::{Content, Origin, Plan};

use super::report::Report;
use crate::args::RevokeArgs;
use crate::exit::Failure;
use crate::publishing::Publisher;
use crate::publishing::revocation::{Course, NoPlan, Task};
use crate::session::Session;

/// Who is asked, and about what.
pub(super) struct WaysOut<'a> {
    pub(super) session: &'a Session,
    pub(super) args: &'a RevokeArgs,
    pub(super) publisher: &'a Publisher<'a>,
    pub(super) task: &'a Task,
}

impl WaysOut<'_> {
    /// What is to be published, as far as the command line and a person at a terminal have decided.
    pub(super) async fn plan(&self, mut course: Course) -> Result<(Course, Plan), Failure> {
        loop {
            let (mut looked_at, planned) = self.publisher.plan_without(self.task, course).await?;
            let at_stake = self.at_stake(&looked_at, &planned);
            if planned.is_err() {
                // Whoever has to decide wants to know what is at stake.
                at_stake.lines().for_each(|line| self.session.output.message(line));
            }
            let is_told = planned.is_err() || !looked_at.asked.is_empty();
            let told = if is_told { "" } else { &at_stake };
            let harmed = harmed(&looked_at, &planned).filter(|_| !self.args.dry_run);
            let Some(harmed) = harmed else { return Ok((looked_at, planned?)) };
            looked_at.asked.insert(harmed.role.clone());
            course = match harmed.ask(&self.args.gun, self.session, told)? {
                Some(content) => looked_at.decided(harmed.role, content),
                None => {
                    planned?;
                    looked_at
                }
            };
        }
    }

    fn at_stake(&self, course: &Course, planned: &Result<Plan, NoPlan>) -> String {
        let nothing = Plan::default();
        let plan = planned.as_ref().unwrap_or(&nothing);
        Report::new(&self.args.gun, self.task, &course.known, plan).at_stake()
    }
}

/// The next role of which somebody has to decide what it says, or that goes back by itself and of which
/// nobody has decided so.
fn harmed(course: &Course, planned: &Result<Plan, NoPlan>) -> Option<Harmed> {
    let plan = match planned {
        Ok(plan) => plan,
        Err(NoPlan { undecided, .. }) => {
            let (role, current) = undecided.clone()?;
            return Some(Harmed { role, current, good: None });
        }
    };
    let is_open = |role: &RoleName| {
        !course.asked.contains(role) && !course.choices.content.contains_key(role)
    };
    plan.roles.iter().find_map(|part| match part.origin {
        Origin::Version(good) if is_open(&part.role) => {
            let (role, current) = (part.role.clone(), part.current);
            Some(Harmed { role, current, good: Some(good) })
        }
        _ => None,
    })
}

/// A role, as it is.
struct Harmed {
    role: RoleName,
    current: Version,
    /// The last version that stands: what is published where nobody decides otherwise.
    good: Option<Version>,
}

impl Harmed {
    /// Asks what it says from now on; `told` is shown before. `None` where nobody decides.
    fn ask(&self, gun: &Gun, session: &Session, told: &str) -> Result<Option<Content>, Failure> {
        let (mut told, mut question) = (told, self.question(gun));
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

    fn question(&self, gun: &Gun) -> String {
        let Harmed { role, current, .. } = self;
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
