//! What was found, and where.

use std::fmt;

use serde::Serialize;

use crate::store::inspect::RawLife;

/// Most findings of a kind that are kept: a database that is all wrong does not fill the memory.
const MOST_FINDINGS: usize = 1_000;

/// One thing that is not as it must be, or that an operator may want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The collection; absent for the database as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// Its life.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<String>,
    /// The role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The version of its file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    #[serde(rename = "do")]
    pub advice: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.collection.as_deref().unwrap_or("the database"))?;
        if let Some(role) = &self.role {
            write!(f, " {role}")?;
        }
        if let Some(version) = self.version {
            write!(f, " {version}")?;
        }
        write!(f, ": {}; {}", self.problem, self.advice)
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// What is not as it must be, the first of it.
    pub problems: Vec<Finding>,
    /// How many more there are.
    pub more_problems: usize,
    /// What is allowed and worth knowing, the first of it.
    pub notes: Vec<Finding>,
    /// How many more there are.
    pub more_notes: usize,
}

impl Findings {
    /// A problem of the database as a whole.
    pub(super) fn of_database(&mut self, problem: String, advice: &'static str) {
        keep(&mut self.problems, &mut self.more_problems, whole(problem, advice));
    }

    /// Something worth knowing of the database as a whole.
    pub(super) fn note_database(&mut self, note: String, advice: &'static str) {
        keep(&mut self.notes, &mut self.more_notes, whole(note, advice));
    }
}

fn whole(problem: String, advice: &'static str) -> Finding {
    let (collection, incarnation, role, version) = (None, None, None, None);
    Finding { collection, incarnation, role, version, problem, advice }
}

fn keep(kept: &mut Vec<Finding>, more: &mut usize, finding: Finding) {
    match kept.len() < MOST_FINDINGS {
        true => kept.push(finding),
        false => *more += 1,
    }
}

/// The findings of one life of a name.
pub(super) struct Report<'a> {
    findings: &'a mut Findings,
    gun: String,
    incarnation: String,
}

impl<'a> Report<'a> {
    pub(super) fn of(findings: &'a mut Findings, life: &RawLife) -> Report<'a> {
        let (gun, incarnation) = (life.gun.clone(), life.incarnation.clone());
        Report { findings, gun, incarnation }
    }

    /// Something is not as it must be.
    pub(super) fn problem(
        &mut self,
        role: Option<&str>,
        version: Option<i64>,
        problem: String,
        advice: &'static str,
    ) {
        let finding = self.finding(role, version, problem, advice);
        keep(&mut self.findings.problems, &mut self.findings.more_problems, finding);
    }

    /// Something is allowed and worth knowing.
    pub(super) fn note(
        &mut self,
        role: Option<&str>,
        version: Option<i64>,
        note: String,
        advice: &'static str,
    ) {
        let finding = self.finding(role, version, note, advice);
        keep(&mut self.findings.notes, &mut self.findings.more_notes, finding);
    }

    fn finding(
        &self,
        role: Option<&str>,
        version: Option<i64>,
        problem: String,
        advice: &'static str,
    ) -> Finding {
        Finding {
            collection: Some(self.gun.clone()),
            incarnation: Some(self.incarnation.clone()),
            role: role.map(str::to_owned),
            version,
            problem,
            advice,
        }
    }
}
