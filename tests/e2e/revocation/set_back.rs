//! A key is revoked while the server lacks what it had: a thief waits for no repair.

use notary_tests::world::Person;
use serde_json::{Value, json};

use super::{BAD, revoke};
use crate::release::Release;

/// The names of the lost files.
fn lost(release: &Release) -> Value {
    let info = release.world.http(None).get("/v2/acme/app/_trust/").json();
    let lost = info["lost"].as_array().into_iter().flatten();
    lost.map(|lost| lost["name"].clone()).collect()
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
    let report = revoke(&release.manager, &stolen, "");
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
