//! How many questions both clients answered alike, and how.

use std::collections::BTreeMap;
use std::fmt;

use notary_tests::judge::Decision;

use super::differences::Comparison;
use super::pair::Both;
use super::scenario::Moment;

/// Questions, by what became of them.
#[derive(Debug, Default)]
pub(super) struct Count {
    accepted: usize,
    refused: usize,
    /// By listed difference.
    listed: BTreeMap<String, usize>,
    differing: usize,
    /// Beside each mutation: how many questions we accepted, and how many not.
    mutations: BTreeMap<&'static str, (usize, usize)>,
    unlisted: Vec<String>,
}

impl Count {
    pub(super) fn add(
        &mut self,
        place: &str,
        moment: &Moment,
        both: &Both,
        comparison: &Comparison<'_>,
    ) {
        let accepted = !matches!(both.ours.decision, Decision::Refused(_));
        for mutation in &moment.mutations {
            let (with, without) = self.mutations.entry(mutation.name()).or_default();
            *(if accepted { with } else { without }) += 1;
        }
        match comparison {
            Comparison::Alike if accepted => self.accepted += 1,
            Comparison::Alike => self.refused += 1,
            Comparison::Listed(names) => {
                self.differing += 1;
                names.iter().for_each(|name| self.note(name));
            }
            Comparison::PartedWays(name) => {
                self.differing += 1;
                self.note(name);
            }
            Comparison::Unlisted(text) => {
                let mutations: Vec<String> =
                    moment.mutations.iter().map(|one| one.told()).collect();
                let (question, changes) = (&both.question, &moment.changes);
                self.unlisted.push(format!(
                    "{place}: {question}\n  after {changes:?}, with {mutations:?}\n{text}"
                ));
            }
        }
    }

    fn note(&mut self, difference: &str) {
        *self.listed.entry(difference.to_owned()).or_default() += 1;
    }

    pub(super) fn has_seen(&self, difference: &str) -> bool {
        self.listed.contains_key(difference)
    }

    pub(super) fn assert_all_listed(&self) {
        let (count, told) = (self.unlisted.len(), self.unlisted.join("\n"));
        assert!(count == 0, "{count} differences that are not listed:\n{told}");
    }

    /// Neither do all scenarios fail at the start, nor does nothing ever go wrong.
    pub(super) fn assert_balanced(&self) {
        let Count { accepted, refused, .. } = self;
        let all = self.questions();
        assert!(3 * accepted >= all, "{accepted} of {all} questions are accepted by both");
        assert!(12 * refused >= all, "{refused} of {all} questions are refused by both");
    }

    fn questions(&self) -> usize {
        self.accepted + self.refused + self.differing + self.unlisted.len()
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { accepted, refused, differing, .. } = self;
        writeln!(f, "{} questions: {accepted} accepted by both", self.questions())?;
        writeln!(f, "{refused} refused by both, {differing} with a listed difference:")?;
        for (name, count) in &self.listed {
            writeln!(f, "  {count:5}  {name}")?;
        }
        writeln!(f, "accepted and refused by us beside each mutation:")?;
        for (name, (accepted, refused)) in &self.mutations {
            writeln!(f, "  {accepted:5} {refused:5}  {name}")?;
        }
        Ok(())
    }
}
