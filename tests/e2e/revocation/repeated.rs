//! The same command again tells the same: what a thief has signed is asked for until it is written down.

use notary_tests::world::Person;
use serde_json::{Value, json};

use super::key_of;
use crate::release::Release;

/// What the report says of the past.
fn past(report: &Value) -> Value {
    let parts = ["signed_versions", "signed_targets", "came_with_it", "looked_back_to"];
    parts.iter().map(|part| ((*part).to_owned(), report[part].clone())).collect()
}

fn report(who: &Person, asked: &str) -> Value {
    who.notary(&format!("{asked} --json")).json()
}

#[test]
fn after_a_crash_the_report_is_that_of_the_command_before() {
    for stop in ["after_prepare", "before_commit_answer"] {
        let mut release = Release::shared();
        let stolen = release.harm();
        let asked = format!("revoke acme/app {stolen} --reason stolen --timeout 3");
        let told = past(&report(&release.manager, &format!("{asked} --dry-run")));
        assert_eq!(told["signed_versions"].as_array().map(Vec::len), Some(4), "{told:#}");
        release.world.server.restart_until(stop);
        let failed = release.manager.notary(&asked);
        assert_eq!(failed.code(), 4, "{failed}");
        release.world.server.aborted();
        release.world.server.restart();
        for _ in 0..2 {
            let again = report(&release.manager, &asked);
            assert_eq!(past(&again), told, "{stop}: {again:#}");
        }
        // Nor is it a matter of the directory where the command ran.
        let other = release.world.person("other", "admin --collection acme/**");
        other.notary(&format!("trust add acme/app --sha256 {}", release.root_sha256)).done();
        assert_eq!(past(&report(&other, &asked)), told, "{stop}");
    }
}

#[test]
fn what_went_with_the_key_is_told_again() {
    let release = Release::publish();
    let stolen = release.harm();
    let (manager, team) = (&release.manager, &release.team);
    let below = "delegation add acme/app german --parent docs --path docs/* --publish";
    team.notary(&format!("delegation request acme/app german --key {stolen} -o german")).done();
    let wide = release.world.token("publish --collection acme/app");
    let token = format!("--token-file {}", team.file("wide", wide));
    team.notary(&format!("{below} --request german {token}")).done();
    let first = report(manager, &format!("revoke acme/app {stolen} --reason stolen --yes"));
    assert_eq!(first["left_behind"], json!(["docs", "german"]), "{first:#}");
    let again = report(manager, &format!("revoke acme/app {stolen}"));
    assert_eq!(again["listed"], json!([]));
    assert_eq!(past(&again), past(&first));
}

#[test]
fn what_was_decided_may_be_said_again() {
    let release = Release::publish();
    let stolen = release.harm();
    let manager = &release.manager;
    let own = manager.new_key();
    let asked = format!("revoke acme/app {stolen} --reason stolen --new-key {own} --restore 2");
    let first = report(manager, &asked);
    let again = report(manager, &asked);
    assert_eq!((&again["roles"], past(&again)), (&json!([]), past(&first)));
    // A key that was replaced before it was revoked is none of its roles' any more.
    let next = manager.new_key();
    manager.notary(&format!("rotate acme/app docs --new-key {next} --drop-key {own} --yes")).done();
    let late = report(manager, &format!("revoke acme/app {own} --reason late"));
    assert_eq!((&late["listed"], &late["signed_versions"]), (&json!([]), &json!([])));
    assert_ne!(key_of(&release.team), own);
}

#[test]
fn the_only_key_of_targets_is_told_again() {
    let (_world, manager, keys) = super::with_keys("--targets-key", 1, "");
    manager.notary("add acme/app app.tgz app.tgz --publish").done();
    let own = manager.new_key();
    let asked = format!("revoke acme/app {} --reason stolen --new-key {own} --reviewed 2", keys[0]);
    let first = report(&manager, &asked);
    assert_eq!(first["signed_versions"].as_array().map(Vec::len), Some(2), "{first:#}");
    assert_eq!(past(&report(&manager, &asked)), past(&first));
}
