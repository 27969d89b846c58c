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
    /// The first of each visit: the refresh, or all that a program does.
    visits: Share,
    look_ups: Share,
    /// By listed difference.
    listed: BTreeMap<String, usize>,
    /// Beside each mutation: how many questions we accepted, and how many not.
    mutations: BTreeMap<&'static str, (usize, usize)>,
    unlisted: Vec<String>,
}

/// What became of questions of one kind.
#[derive(Debug, Default)]
struct Share {
    all: usize,
    /// By both.
    accepted: usize,
    /// By both.
    refused: usize,
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
        let share = if both.begins { &mut self.visits } else { &mut self.look_ups };
        share.all += 1;
        match comparison {
            Comparison::Alike if accepted => share.accepted += 1,
            Comparison::Alike => share.refused += 1,
            Comparison::Listed(names) => names.iter().for_each(|name| self.note(name)),
            Comparison::PartedWays(name) => self.note(name),
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

    /// Neither do all visits fail, nor does nothing ever go wrong.
    pub(super) fn assert_balanced(&self) {
        let Count { visits, look_ups, .. } = self;
        assert!(3 * visits.accepted >= visits.all, "too few visits accepted: {visits:?}");
        assert!(6 * visits.refused >= visits.all, "too few visits refused: {visits:?}");
        assert!(3 * look_ups.accepted >= look_ups.all, "too few look-ups accepted: {look_ups:?}");
        assert!(60 * look_ups.refused >= look_ups.all, "too few look-ups refused: {look_ups:?}");
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Share { all, accepted, refused } = self;
        write!(f, "{all}: {accepted} accepted by both, {refused} refused by both")
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "visits {}", self.visits)?;
        writeln!(f, "look-ups {}", self.look_ups)?;
        writeln!(f, "by listed difference:")?;
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
