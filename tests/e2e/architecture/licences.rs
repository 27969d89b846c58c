//! Every dependency comes under terms that `deny.toml` allows.

use notary_tests::tree;
use spdx::{Expression, Licensee, ParseMode};

/// What `deny.toml` allows.
struct Terms {
    everywhere: Vec<Licensee>,
    /// For one crate each.
    exceptions: Vec<(String, Vec<Licensee>)>,
}

impl Terms {
    fn of_the_tree() -> Terms {
        let deny = tree::toml("deny.toml");
        let licenses = deny["licenses"].as_table().expect("[licenses]");
        let exceptions = licenses["exceptions"].as_array().expect("exceptions");
        let exception = |entry: &toml::Value| {
            let name = entry["crate"].as_str().expect("crate").to_owned();
            (name, licensees(&entry["allow"]))
        };
        Terms {
            everywhere: licensees(&licenses["allow"]),
            exceptions: exceptions.iter().map(exception).collect(),
        }
    }

    fn allow(&self, package: &str, expression: &str) -> bool {
        let own = self.exceptions.iter().filter(|(name, _)| name == package);
        let licensees: Vec<&Licensee> =
            self.everywhere.iter().chain(own.flat_map(|(_, allowed)| allowed)).collect();
        // Old crates write MIT/Apache-2.0.
        Expression::parse_mode(expression, ParseMode::LAX).is_ok_and(|expression| {
            expression.evaluate(|wanted| licensees.iter().any(|one| one.satisfies(wanted)))
        })
    }
}

fn licensees(list: &toml::Value) -> Vec<Licensee> {
    let names = list.as_array().expect("a list of licences").iter();
    let parse = |name: &toml::Value| {
        let name = name.as_str().expect("a licence is text");
        Licensee::parse(name).unwrap_or_else(|error| panic!("deny.toml: {name}: {error}"))
    };
    names.map(parse).collect()
}

#[test]
fn every_dependency_has_allowed_terms() {
    let terms = Terms::of_the_tree();
    let metadata = tree::metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    let refused: Vec<String> = packages
        .iter()
        .map(|package| {
            (package["name"].as_str().expect("a name"), package["license"].as_str().unwrap_or(""))
        })
        .filter(|(name, license)| !terms.allow(name, license))
        .map(|(name, license)| format!("{name}: {license:?}"))
        .collect();
    assert!(packages.len() > 50, "only {} packages", packages.len());
    assert_eq!(refused, Vec::<String>::new(), "terms that deny.toml does not allow");
}

#[test]
fn copyleft_is_refused_unless_the_crate_offers_a_choice() {
    let terms = Terms::of_the_tree();
    for allowed in ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "Apache-2.0 AND ISC"] {
        assert!(terms.allow("some-crate", allowed), "{allowed}");
    }
    for refused in
        ["GPL-3.0-only", "LGPL-2.1-or-later", "AGPL-3.0-only", "MIT AND GPL-2.0-only", ""]
    {
        assert!(!terms.allow("some-crate", refused), "{refused}");
    }
}
