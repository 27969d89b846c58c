//! A key is revoked while the server lacks what it had: a thief waits for no repair.

use notary_tests::world::{Person, World};
use serde_json::{Value, json};

use super::{BAD, served};
use crate::release::Release;

/// The names of the lost files.
fn lost(release: &Release) -> Value {
    let info = release.world.http(None).get("/v2/acme/app/_trust/").json();
    let lost = info["lost"].as_array().into_iter().flatten();
    lost.map(|lost| lost["name"].clone()).collect()
}

fn revoke(who: &Person, key: &str) -> (i32, Value) {
    let done = who.notary(&format!("revoke acme/app {key} --reason stolen --json"));
    let report = serde_json::from_str(&done.stdout()).unwrap_or_else(|_| panic!("{done}"));
    (done.code(), report)
}

/// The roles that are left as they are, and why.
fn left(report: &Value) -> Vec<(String, String)> {
    let left = report["left"].as_array().expect("a list").iter();
    let text = |one: &Value| one.as_str().expect("text").to_owned();
    left.map(|one| (text(&one["role"]), text(&one["why"]))).collect()
}

fn publish(who: &Person, name: &str, content: &str) {
    who.file("published", content);
    who.notary(&format!("add acme/app {name} published --publish")).done();
}

#[test]
fn versions_that_are_gone_hide_none_of_those_before_them() {
    let mut release = Release::shared();
    release.world.back_up();
    let stolen = release.harm();
    release.world.set_back();
    assert_eq!(lost(&release), json!(["docs"]));
    // The thief goes on above what is lost; 4 and 5 are nowhere any more.
    publish(&release.team, "docs/more.txt", BAD);
    let (_, report) = revoke(&release.manager, &stolen);
    let docs = &report["roles"][1];
    assert_eq!((&docs["role"], &docs["content_of"]), (&"docs".into(), &3.into()), "{report:#}");
    assert_eq!(
        report["not_looked_at"],
        json!([{ "role": "docs", "from_version": 4, "to_version": 5 }])
    );
    let signed = report["signed_versions"].as_array().expect("a list").iter();
    let signed: Value = signed.map(|one| one["version"].clone()).collect();
    assert_eq!(signed, json!([6, 2, 1]), "the manager has signed 3");
    release.require("how to use it");
}

#[test]
fn a_role_that_is_lost_does_not_keep_a_key_in_the_others() {
    let mut release = Release::shared();
    let code = release.team("code");
    let stolen = release.harm();
    release.world.back_up();
    publish(&code, "code/a.txt", "a");
    release.world.set_back();
    assert_eq!(lost(&release), json!(["code"]));
    let (exit, report) = revoke(&release.manager, &stolen);
    assert_eq!(report["roles"][1]["content_of"], 3, "{report:#}");
    assert_eq!((exit, left(&report)), (7, vec![("code".into(), "unread".into())]));
    release.require("how to use it");
    code.notary("repair acme/app").done();
    let (exit, report) = revoke(&release.manager, &stolen);
    assert_eq!((exit, left(&report)), (0, vec![]));
}

#[test]
fn the_role_of_the_key_is_lost_and_its_delegator_lists_the_key_no_more() {
    let mut release = Release::shared();
    release.world.back_up();
    let stolen = release.harm();
    release.world.set_back();
    assert_eq!(lost(&release), json!(["docs"]));
    let (exit, report) = revoke(&release.manager, &stolen);
    assert_eq!((exit, left(&report)), (7, vec![("docs".into(), "unread".into())]));
    let docs = &served(&release.world, "targets")["signed"]["delegations"]["roles"][0];
    assert_eq!(docs["keyids"].as_array().map(Vec::len), Some(1), "{docs}");
    // Nothing brings back what the thief alone has signed; the next version is above it.
    release.team.notary("repair acme/app").exits(7);
    let said = release.manager.notary(&format!("revoke acme/app {stolen}"));
    assert!(said.to_string().contains("notary witness acme/app docs --publish"), "{said}");
    release.manager.notary("witness acme/app docs --publish").done();
    let (exit, report) = revoke(&release.manager, &stolen);
    assert_eq!((exit, left(&report)), (0, vec![]), "{report:#}");
    release.require("how to use it");
}

#[test]
fn where_targets_is_lost_the_key_signs_nothing_new_all_the_same() {
    let mut release = Release::shared();
    let stolen = release.harm();
    release.world.back_up();
    publish(&release.manager, "app.tgz", "lost");
    release.world.set_back();
    assert_eq!(lost(&release), json!(["targets"]));
    // With nothing of it in the trust directory.
    let other = release.world.person("other", "admin --collection acme/**");
    other.notary(&format!("trust add acme/app --sha256 {}", release.root_sha256)).done();
    let asked = format!("revoke acme/app {stolen} --reason stolen");
    let told = other.notary(&asked);
    assert_ne!(told.code(), 0, "{told}");
    assert!(told.to_string().contains("notary repair acme/app"), "{told}");
    assert!(other.notary("revoke acme/app --list").done().contains(&stolen));
    release.manager.notary("repair acme/app").done();
    release.team.notary("add acme/app docs/more.txt bad.txt --publish").exits(1);
    release.manager.notary(&asked).done();
    release.require("how to use it");
}

#[test]
fn a_root_key_leaves_the_root_while_targets_is_lost() {
    let mut world = World::start();
    let manager = world.person("manager", "admin --collection acme/**");
    let keys = [(); 3].map(|()| manager.new_key());
    let [stolen, second, third] = &keys;
    let roots = format!("--root-key {stolen} --root-key {second} --root-key {third}");
    let both = format!("--root-threshold 2 --targets-key {stolen} --targets-key {second}");
    let init = manager.notary(&format!("init acme/app {roots} {both} --json")).json();
    let root_sha256 = init["root_sha256"].as_str().expect("the hash to pin");
    world.back_up();
    publish(&manager, "app.tgz", "the release");
    world.set_back();
    // With the keys, and nothing of targets.
    let other = world.person("other", "admin --collection acme/**");
    other.notary(&format!("trust add acme/app --sha256 {root_sha256}")).done();
    other.run(other.shell("cp -r ../manager/trust/keys trust/keys")).done();
    let (exit, report) = revoke(&other, stolen);
    assert_eq!((exit, &report["root_version"]), (7, &2.into()), "{report:#}");
    assert_eq!(left(&report), [("targets".into(), "unread".into())]);
    let keyids = || {
        let root = world.http(None).get("/v2/acme/app/_trust/tuf/2.root.json").json();
        let roles = root["signed"]["roles"].clone();
        (roles["root"]["keyids"].clone(), roles["targets"]["keyids"].clone())
    };
    assert_eq!(keyids(), (json!([second, third]), json!([stolen, second])));
    // The same command goes on when targets is there again.
    let (exit, report) = revoke(&other, stolen);
    assert_eq!((exit, &report["root_version"]), (7, &Value::Null), "{report:#}");
    manager.notary("repair acme/app").done();
    let (exit, report) = revoke(&other, stolen);
    assert_eq!((exit, &report["root_version"]), (0, &3.into()), "{report:#}");
    let root = world.http(None).get("/v2/acme/app/_trust/tuf/3.root.json").json();
    assert_eq!(root["signed"]["roles"]["targets"]["keyids"], json!([second]));
    other.notary("lookup acme/app app.tgz").done();
}

#[test]
fn a_lost_delegator_is_not_taken_out_while_roles_may_be_below_it() {
    let mut release = Release::publish();
    let stolen = release.harm();
    let german = release.world.person("german", "publish --collection acme/app --role german");
    german.notary(&format!("trust add acme/app --sha256 {}", release.root_sha256)).done();
    let own = german.new_key();
    let request = format!("delegation request acme/app german --key {own} -o ../german.request");
    german.notary(&request).done();
    let add = "delegation add acme/app german --parent docs --request ../german.request";
    let wider = release.team.file("wider", release.world.token("publish --collection acme/app"));
    let add = format!("{add} --path docs/* --publish --token-file {wider}");
    release.team.notary(&add).done();
    release.world.back_up();
    publish(&release.team, "docs/more.txt", "lost");
    release.world.set_back();
    assert_eq!(lost(&release), json!(["docs"]));
    let asked = format!("revoke acme/app {stolen} --reason stolen --yes");
    let refused = release.manager.notary(&asked).exits(2);
    assert!(refused.contains("which roles go with it is not known"), "{refused}");
    assert!(refused.contains("notary repair acme/app"), "{refused}");
    release.team.notary("repair acme/app").done();
    let done = release.manager.notary(&asked).done();
    assert!(done.contains("no delegation leads to german any more"), "{done}");
}
