//! Step 5 of a publish: what a group makes of the head, and who of it gets which answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::RoleName;
use notary_schema::online::Rotation;
use notary_schema::publish::{Accepted, Adopted, Head};

use super::judge::{Judged, Verdict};
use super::plan::with_files;
use super::{Unfinished, Waiting, answer};
use crate::error::ServiceError;
use crate::served::Live;
use crate::store::{Joining, RoleFile};

/// The head as it will be: what those before have made of it.
#[derive(Default)]
pub(super) struct Next {
    /// Absent before the first publish. Its snapshot and timestamp are still the old ones.
    pub(super) head: Option<Arc<Head>>,
    pub(super) files: Vec<RoleFile>,
    /// What the roots among them change in the keys of the online roles.
    pub(super) rotation: Rotation,
    /// The repository of somebody else that the first publish takes over.
    pub(super) adopted: Option<Adopted>,
    members: Vec<Member>,
    /// Those who come behind a root: they wait for the next release.
    pub(super) later: Vec<Waiting>,
}

impl Next {
    /// The head as it is, with nothing applied to it yet.
    pub(super) fn on(head: Option<Arc<Head>>) -> Next {
        Next { head, ..Next::default() }
    }

    /// Whether a root is among the files.
    pub(super) fn brings_root(&self) -> bool {
        self.files.iter().any(|file| matches!(file, RoleFile::Root(_)))
    }

    pub(super) fn add(&mut self, waiting: Waiting, judged: Judged) {
        if let Some(accepted) = &judged.accepted {
            self.rotation.then(&accepted.rotation);
            self.adopted = accepted.adopted.clone();
        }
        let files = judged.accepted.map_or_else(Vec::new, files_of);
        let brought = files.iter().map(RoleFile::role).collect();
        if let Some(head) = self.head.as_mut().filter(|_| !files.is_empty()) {
            *head = Arc::new(with_files(head, &files));
        }
        self.files.extend(files);
        let waiting = Waiting { batch: None, judged: None, ..waiting };
        self.members.push(Member { waiting, verdict: judged.verdict, brought });
    }

    /// All of it as it goes into the slot. Until the files are committed nobody looks into them, so
    /// what was read of them is let go: the database needs the memory for a copy of its own.
    pub(super) fn close(&mut self) -> Joining {
        self.head = None;
        let files = std::mem::take(&mut self.files).into_iter().map(RoleFile::closed).collect();
        let overlap = std::mem::take(&mut self.rotation).taken_away;
        Joining { files, overlap, by: self.publishers(), leaving: Vec::new() }
    }

    /// The tokens of those who bring something new, each once.
    pub(super) fn publishers(&self) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        for member in &self.members {
            for id in member.waiting.request.by() {
                if !member.brought.is_empty() && !tokens.contains(id) {
                    tokens.push(id.clone());
                }
            }
        }
        tokens
    }

    /// Answers the members, or puts them back into the group when the ground moved; behind them go
    /// those who wait for the next release.
    pub(super) fn end(
        self,
        released: Result<Arc<Live>, Unfinished>,
        group: &mut Vec<Waiting>,
        now: DateTime<Utc>,
    ) -> Result<(), Moved> {
        let ended = match released {
            Ok(live) => {
                for Member { waiting, verdict, .. } in self.members {
                    let answered = answer(&waiting.request, &verdict, &waiting.sent, &live, now);
                    // When nobody listens any more, the client has hung up.
                    drop(waiting.answer.send(Ok(answered)));
                }
                Ok(())
            }
            Err(Unfinished::Failed(error) | Unfinished::Waits(_, error)) => {
                fail_all(self.members.into_iter().map(|member| member.waiting).collect(), &error);
                Ok(())
            }
            Err(Unfinished::Moved) => {
                for Member { mut waiting, brought, .. } in self.members {
                    waiting.sent.extend(brought);
                    group.push(waiting);
                }
                Err(Moved)
            }
        };
        group.extend(self.later);
        ended
    }
}

/// A publish that was applied: its files are among those of the group.
struct Member {
    waiting: Waiting,
    verdict: Verdict,
    /// The roles of its new files.
    brought: BTreeSet<RoleName>,
}

/// The new files of an accepted publish.
fn files_of(accepted: Accepted) -> Vec<RoleFile> {
    let root = accepted.earlier_roots.into_iter().chain(accepted.root).map(RoleFile::Root);
    let targets = accepted.files.into_iter();
    root.chain(targets.map(|(role, file)| RoleFile::Targets(role, file))).collect()
}

/// Somebody else went on: read again.
pub(super) struct Moved;

/// Tells everybody the same.
pub(super) fn fail_all(group: Vec<Waiting>, error: &ServiceError) {
    for waiting in group {
        drop(waiting.answer.send(Err(error.clone())));
    }
}
