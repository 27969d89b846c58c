//! The client workflow, driven over maps in memory.
//!
//! What other clients got wrong, and the test that stands for it here. Names with a path are tests of
//! other packages, of the shell around the workflow.
//!
//! | case | right | test |
//! |---|---|---|
//! | one delegated role is expired, missing, unparsable, badly signed, or lists a stray target | only look-ups that need it fail | `a_broken_delegated_role_fails_its_own_look_ups_only` |
//! | a delegation whose role is not in the snapshot | look-ups in its paths end with an error (5.6.7) | `a_delegation_without_a_file_fails_the_look_ups_in_its_paths_only` |
//! | a role is missing in the next snapshot | refused (5.5.5), unless an online key was taken away | `a_snapshot_keeps_every_entry_and_lowers_none`, `an_entry_may_go_with_an_online_key_only` |
//! | a root is published between the walk and the timestamp request | verifies: both keys sign for a while | `a_root_that_comes_during_a_refresh_does_no_harm_while_both_keys_sign` |
//! | order of a look-up | pre-order, depth first, lazy | `roles_are_visited_in_pre_order_depth_first_each_once`, `a_search_visits_what_the_specification_says`, `the_first_delegation_that_lists_a_target_wins` |
//! | `terminating` | ends the search after its subtree | `a_terminating_delegation_ends_the_search_after_its_subtree` |
//! | a cached role, verified by another delegator | verified for the one that leads to it | `a_role_is_verified_against_the_delegator_that_leads_to_it`, `a_role_that_two_lead_to_is_verified_for_each_also_where_it_is_stored` |
//! | cycles, very deep chains, very many roles | a named error within a bound | `a_look_up_visits_a_bounded_number_of_roles`, `a_chain_of_ten_thousand_roles_ends_at_the_limit`, `the_roles_of_one_look_up_are_bounded_in_length`, `many_look_ups_hold_no_more_roles_than_one_and_what_may_be_kept` |
//! | `*` against `a/b` | no match | `a_star_does_not_cross_a_slash` |
//! | location of a target with consistent snapshots | `dir/HASH.file` | `files::a_target_is_located_by_a_hash_that_is_listed` |
//! | a timestamp of the same version | no error, the stored bytes stay | `a_timestamp_of_the_same_version_is_no_error_and_the_stored_bytes_stay` |
//! | warm start | two requests, nothing is written | `a_warm_start_makes_two_requests_and_stores_nothing`, `a_stored_snapshot_is_used_again_only_where_it_is_the_listed_file` |
//! | end of the walk along the roots | "not found" alone; a limit is no error | `only_not_found_ends_the_walk_along_the_roots`, `a_walk_that_reaches_its_limit_is_no_error_and_the_next_refresh_goes_on`, `the_last_version_that_there_is_has_no_next_one`, `agent::trouble::not_found_and_forbidden_end_the_walk_along_the_roots` |
//! | new keys of timestamp or snapshot | both stored files go with a key of either | `who_ran_versions_up_is_out_with_the_key_and_only_with_the_key`, `timestamp_and_snapshot_go_with_a_key_of_either_and_with_nothing_else`, `a_higher_threshold_opens_no_way_back`, `a_key_is_taken_away_with_its_id_or_with_what_the_id_stands_for` |
//! | stored files | as they came, each at once or not at all | `stored_files_are_the_bytes_that_came`, `a_cut_at_any_write_loses_nothing_and_opens_no_way_back`, `agent::sharing::a_refresh_goes_on_after_a_kill_at_any_point` |
//! | the clock | one time for all; expiry is later than it | `an_expired_file_is_not_stored`, `what_has_expired_is_refused_by_agents_and_reported_to_publishers` |
//! | longest body | the listed length, or the limit | `a_file_is_the_one_that_is_listed`, `a_root_is_read_up_to_its_longest_length`, `agent::tests::a_body_is_read_as_far_as_it_may_be_long` |
//! | one of 16,384 hash bins | the name is hashed once | `bins::every_name_finds_its_bin_among_many_by_one_hash` |
//! | a replica that lags behind | the same step again | `a_refused_answer_changes_nothing_and_another_one_may_be_handed_in`, `an_older_timestamp_is_told_apart_so_that_it_may_be_asked_for_again` |

mod cuts;
mod graphs;
mod look_ups;
mod refresh;
mod refusals;
mod roots;
mod rotation;
mod search;
mod set;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::role::{FileMeta, Root, Snapshot, Targets};
use notary_schema::trusted::{Expiry, TrustError, TrustedSet};
use notary_schema::updater::{Limits, Step, UpdateError, Updater};

use crate::support::*;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A client: its stored files, what it asked for, and a repository whose files may fail.
pub struct Client {
    local: Files,
    remote: Files,
    failing: Option<&'static str>,
    pub requests: Vec<String>,
    /// What was stored and removed, in order: "+docs.json", "-timestamp.json".
    writes: Vec<String>,
    limits: Limits,
    expiry: Expiry,
    days: i64,
}

impl Client {
    pub fn new(collection: &Collection) -> Client {
        Client {
            local: Files::from([("root.json".to_owned(), collection.root.clone())]),
            remote: collection.repository(),
            failing: None,
            requests: Vec::new(),
            writes: Vec::new(),
            limits: Limits::default(),
            expiry: Expiry::Enforced,
            days: 0,
        }
    }

    fn updater(&self) -> Updater {
        Updater::new(now() + TimeDelta::days(self.days), self.expiry, self.limits)
    }

    fn drive(&mut self, updater: &mut Updater) -> Result<(), UpdateError> {
        const MOST_STEPS: usize = 20_000;
        for _ in 0..MOST_STEPS {
            if updater.step() == Step::Done {
                return Ok(());
            }
            self.take_step(updater)?;
        }
        panic!("{:?} after {MOST_STEPS} steps", updater.step());
    }

    fn take_step(&mut self, updater: &mut Updater) -> Result<(), UpdateError> {
        match updater.step() {
            Step::Load { name } => return updater.loaded(self.local.get(&name).cloned()),
            Step::Fetch { name, max_bytes } => {
                self.requests.push(name.clone());
                assert!(max_bytes > 0);
                return match self.remote.get(&name) {
                    _ if self.failing == Some(name.as_str()) => updater.failed("status 500"),
                    Some(bytes) => updater.fetched(bytes.clone()),
                    None => updater.not_found(),
                };
            }
            Step::Save { name, bytes } => {
                self.writes.push(format!("+{name}"));
                self.local.insert(name, bytes.to_vec());
            }
            Step::Remove { name } => {
                self.writes.push(format!("-{name}"));
                self.local.remove(&name);
            }
            Step::Done => {}
        }
        updater.stored();
        Ok(())
    }

    /// A new session of this client.
    fn refresh(&mut self) -> Result<Updater, UpdateError> {
        self.requests.clear();
        self.writes.clear();
        let mut updater = self.updater();
        self.drive(&mut updater)?;
        Ok(updater)
    }

    /// The role that vouches for a target, in a new session.
    pub fn find(&mut self, name: &str) -> Result<Option<String>, UpdateError> {
        let mut updater = self.refresh()?;
        self.look_up(&mut updater, name)
    }

    /// The role that vouches for a target, in a session that goes on.
    fn look_up(
        &mut self,
        updater: &mut Updater,
        name: &str,
    ) -> Result<Option<String>, UpdateError> {
        updater.find(name)?;
        self.drive(updater)?;
        Ok(updater.found().map(|found| found.role.to_string()))
    }

    fn refused(&mut self) -> TrustError {
        match self.refresh() {
            Err(UpdateError::Trust(error)) => error,
            other => panic!("{:?}", other.map(|_| "refreshed")),
        }
    }
}

/// The collection after one more change, version 2 of docs, snapshot and timestamp.
fn second() -> Collection {
    let first = Collection::new();
    let docs = sign(&first.next("docs").with_target("docs/b").finish(), &[DOCS]);
    let mut files = first.files.clone();
    files.insert(role("docs"), docs);
    Collection::of(first.root, files, 2)
}
