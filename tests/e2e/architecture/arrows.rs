//! The arrows between the workspace members, and what must not be in their trees.

use std::collections::BTreeSet;

use notary_tests::tree;
use serde_json::Value;

/// Every member, and the members that it may depend on.
const ARROWS: [(&str, &[&str]); 5] = [
    ("notary-schema", &[]),
    ("notary-server", &["notary-schema"]),
    ("notary-signer", &["notary-schema"]),
    ("notary-cli", &["notary-schema", "notary-signer"]),
    ("notary-tests", &["notary-schema", "notary-server", "notary-signer", "notary-cli"]),
];

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo metadata has text here")
}

fn items(value: &Value) -> &[Value] {
    value.as_array().expect("cargo metadata has a list here")
}

/// The workspace members with what they say of themselves.
fn members() -> Vec<Value> {
    let metadata = tree::metadata();
    let members: BTreeSet<&str> = items(&metadata["workspace_members"]).iter().map(text).collect();
    let packages = items(&metadata["packages"]).iter();
    packages.filter(|package| members.contains(text(&package["id"]))).cloned().collect()
}

/// Names of what ends up in the programs of a package.
fn names(package: &str) -> BTreeSet<String> {
    tree::dependencies(package).into_iter().map(|node| node.name).collect()
}

#[test]
fn members_depend_on_each_other_only_along_the_arrows() {
    let members = members();
    let found: BTreeSet<&str> = members.iter().map(|member| text(&member["name"])).collect();
    assert_eq!(found, ARROWS.iter().map(|(name, _)| *name).collect());
    for member in &members {
        let name = text(&member["name"]);
        let (_, allowed) = ARROWS.iter().find(|(known, _)| *known == name).expect("five members");
        for dependency in items(&member["dependencies"]) {
            let to = text(&dependency["name"]);
            let is_member = ARROWS.iter().any(|(member, _)| *member == to);
            assert!(!is_member || allowed.contains(&to), "{name} must not depend on {to}");
        }
    }
}

/// They are built with flags of their own, so they are no member, and have a lock file of their own.
#[test]
fn the_fuzz_targets_have_a_lock_file_of_today() {
    let metadata = tree::metadata_of("tests/fuzz/Cargo.toml");
    assert!(items(&metadata["packages"]).iter().any(|package| package["name"] == "notary-fuzz"));
}

#[test]
fn schema_stands_on_formats_and_cryptography_alone() {
    let members = members();
    let schema = members.iter().find(|member| member["name"] == "notary-schema").expect("schema");
    let direct = items(&schema["dependencies"]).iter();
    let direct: BTreeSet<&str> = direct
        .filter(|dependency| dependency["kind"].is_null() && dependency["optional"] == false)
        .map(|dependency| text(&dependency["name"]))
        .collect();
    let formats = ["base64", "chrono", "hex", "ring", "serde", "serde_json", "spki", "thiserror"];
    let short_values = ["smallvec", "smol_str"];
    let expected = formats.into_iter().chain(short_values).collect();
    assert_eq!(direct, expected);

    let tree = tree::dependencies("notary-schema");
    for node in &tree {
        let outside = ["tokio", "mio", "socket2", "hyper", "reqwest", "log", "tracing", "rustls"];
        let is_outside = outside.contains(&node.name.as_str())
            || ["actix", "futures", "diesel", "async"].iter().any(|p| node.name.starts_with(p));
        assert!(!is_outside, "schema must not depend on {}", node.name);
    }
    let chrono = tree.iter().find(|node| node.name == "chrono").expect("chrono is direct");
    assert!(!chrono.features.iter().any(|feature| feature == "clock" || feature == "now"));
}

#[test]
fn server_and_signer_do_not_know_each_other() {
    assert!(!names("notary-server").contains("notary-signer"));
    assert!(!names("notary-signer").contains("notary-server"));
}

#[test]
fn the_command_line_brings_no_service_along() {
    let cli = names("notary-cli");
    for service in ["notary-server", "actix-web", "diesel", "libsqlite3-sys"] {
        assert!(!cli.contains(service), "notary-cli depends on {service}");
    }
}

/// Other cryptography, other TLS, and the client that brings one of them along.
const OTHERS: [&str; 6] =
    ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls", "tough", "pq-sys"];

#[test]
fn the_programs_have_one_cryptography_and_one_tls() {
    // What `notary doctor` has is the next test's.
    for (package, features) in [
        ("notary-server", ""),
        ("notary-signer", ""),
        ("notary-cli", "--no-default-features --features aws-kms"),
    ] {
        let features: Vec<&str> = features.split_whitespace().collect();
        let tree = tree::dependencies_with(package, &features);
        let names: BTreeSet<String> = tree.into_iter().map(|node| node.name).collect();
        assert!(names.contains("ring"), "{package} is expected to use ring");
        for other in OTHERS {
            assert!(!names.contains(other), "{package} depends on {other}");
        }
    }
}

/// docs/decisions/0007: the second implementation has a cryptography of its own.
#[test]
fn the_second_opinion_alone_has_another_cryptography() {
    let tree = tree::dependencies("notary-cli");
    let find = |name: &str| tree.iter().find(|node| node.name == name);
    let tough = find("tough").expect("the doctor is there by default");
    assert!(!tough.features.iter().any(|feature| feature == "http"), "it asks no server");
    let allowed = ["tough", "aws-lc-rs", "aws-lc-sys"];
    for other in OTHERS.iter().filter(|other| !allowed.contains(other)) {
        assert!(find(other).is_none(), "notary-cli depends on {other}");
    }
    let doctor = tree::root().join("notary-cli/src/commands/doctor/opinion.rs");
    let sources = tree::sources("notary-cli/src");
    for crate_name in ["tough::", "aws_lc_rs"] {
        let named = sources.iter().filter(|(_, text)| text.contains(crate_name));
        let named: Vec<_> = named.map(|(path, _)| path).filter(|path| **path != doctor).collect();
        assert!(named.is_empty(), "{crate_name} is named in {named:?}");
    }
    assert!(sources.iter().any(|(path, text)| *path == doctor && text.contains("tough::")));
}

#[test]
fn every_dependency_is_chosen_in_one_place_with_a_reason() {
    let manifest = std::fs::read_to_string(tree::root().join("Cargo.toml")).expect("Cargo.toml");
    let (_, section) = manifest.split_once("[workspace.dependencies]\n").expect("the section");
    let section = section.split("\n[").next().expect("a split has a first part");
    let lines = section.lines().filter(|line| line.contains(" = ") && !line.contains("path = "));
    let mut count = 0;
    for line in lines {
        assert!(line.contains(" # "), "a dependency without a reason: {line}");
        count += 1;
    }
    assert!(count > 10, "only {count} dependencies were found in Cargo.toml");

    for (member, _) in ARROWS {
        let folder =
            member.strip_prefix("notary-").filter(|name| matches!(*name, "schema" | "tests"));
        let manifest = tree::toml(&format!("{}/Cargo.toml", folder.unwrap_or(member)));
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, chosen) in
                manifest.get(kind).and_then(|t| t.as_table()).into_iter().flatten()
            {
                let inherited = chosen.get("workspace").and_then(|value| value.as_bool());
                assert_eq!(inherited, Some(true), "{member} chooses {name} by itself");
            }
        }
    }
}

/// `tests/run` names every test binary: a list, because `--tests` would put all into one stage.
#[test]
fn every_test_binary_is_in_a_stage() {
    let script = std::fs::read_to_string(tree::root().join("tests/run")).expect("tests/run");
    let stages: Vec<&str> = script.split_whitespace().collect();
    let mut binaries = 0;
    for member in members() {
        for target in items(&member["targets"]) {
            if items(&target["kind"]).iter().any(|kind| kind == "test") {
                let named = stages.windows(2).any(|pair| pair == ["--test", text(&target["name"])]);
                assert!(named, "{} is in no stage", target["src_path"]);
                binaries += 1;
            }
        }
    }
    assert!(binaries > 0, "this binary is one");
}
