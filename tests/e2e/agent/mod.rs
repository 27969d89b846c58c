//! What does an update agent ask for, what does it keep, and what can a mirror do to it?
//!
//! - [`refreshes`]: the exact requests of each kind of refresh
//! - [`look_ups`]: the exact requests of each kind of look-up and download
//! - [`command_line`]: the exact requests of each promise that `notary client` makes
//! - [`lists`]: a list beside look-ups
//! - [`trouble`]: what is asked for again, and what never is
//! - [`sharing`]: several agents with one directory, and agents that are killed
//! - [`scarce`]: a machine that has too little of something
//! - [`hostile`]: a mirror that sends anything but HTTP as it should be
//! - [`bombs`]: files that are hard to read, and delegations without end

mod bombs;
mod command_line;
mod hostile;
mod lists;
mod look_ups;
mod refreshes;
mod scarce;
mod sharing;
mod trouble;

use crate::scene::Scene;

/// The requests of a refresh after which nothing has changed.
const WARM: [&str; 2] = ["2.root.json", "timestamp.json"];
/// The requests of a first refresh.
const COLD: [&str; 4] = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"];

/// The requests of a download from a mirror that has everything, after those of the refresh.
#[track_caller]
fn download(scene: &Scene, names: &[&str], refresh: &[&str]) -> Vec<String> {
    scene.download(names).done();
    after(scene, refresh)
}

/// What was asked for after the requests of a refresh.
#[track_caller]
fn after(scene: &Scene, refresh: &[&str]) -> Vec<String> {
    let asked = scene.asked();
    assert_eq!(asked[..refresh.len()], *refresh);
    asked[refresh.len()..].to_vec()
}
