//! `notary list` shows what look-ups find: the same names, each with the same role.

use std::collections::BTreeMap;

use notary_tests::hand::Repository;
use notary_tests::mirror::Reply;
use serde_json::json;

use crate::scene::{Scene, key};

/// Each role and a name that it lists; some are found there, and some are not.
const LISTED: [(&str, &str); 10] = [
    ("first", "pool/a"),
    // Behind a terminating delegation.
    ("second", "pool/b"),
    ("second", "other/x"),
    // Where no delegation leads.
    ("second", "stray"),
    ("below", "other/y"),
    ("below", "pool/c"),
    ("docs", "docs/twice"),
    ("shared", "docs/twice"),
    ("shared", "docs/s"),
    ("shared", "shared/z"),
];

fn edit(repository: &mut Repository) {
    let own = key('d');
    let pool = json!({ "paths": ["pool/*"], "terminating": true });
    repository.delegate(("targets", "first"), usize::MAX, pool, (&[own], 1));
    repository.delegate_paths("targets", "second", &["pool/*", "other/*"]);
    repository.delegate_paths("docs", "shared", &["docs/*", "shared/*"]);
    repository.delegate_paths("second", "below", &["other/*", "pool/*"]);
    for (role, name) in LISTED {
        repository.add_target(role, name, name.as_bytes());
    }
    // `targets` leads to `shared`, too, and that back to `docs`, by a key that signs neither.
    let stranger = key('x');
    for (edge, path) in [(("targets", "shared"), "shared/*"), (("shared", "docs"), "docs/*")] {
        let delegation = json!({ "paths": [path], "terminating": false });
        repository.delegate(edge, usize::MAX, delegation, (std::slice::from_ref(&stranger), 1));
        repository.part(edge.1).signers.retain(|key| key.id() != stranger.id());
    }
}

/// Names with their roles, as a list prints them.
fn listed(text: &str) -> Vec<(String, String)> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    text.lines().map(words).map(|words| (words[0].clone(), words[3].clone())).collect()
}

#[test]
fn a_list_shows_what_look_ups_find() {
    let scene = Scene::with(edit);
    scene.pin();
    let list = |options: &str| {
        let run = scene.run(scene.user(&format!("list acme/app{options}")));
        (listed(&run.stdout()), run.code())
    };
    let mut found = BTreeMap::new();
    for name in LISTED.map(|(_, name)| name).into_iter().chain(["app.tgz", "docs/guide.txt"]) {
        let run = scene.run(scene.look_up(name));
        found.extend(listed(&run.stdout()).into_iter().map(|(role, name)| (name, role)));
    }
    let (all, code) = list("");
    let expected = [
        ("targets", "app.tgz"),
        ("docs", "docs/guide.txt"),
        ("docs", "docs/twice"),
        ("shared", "docs/s"),
        ("first", "pool/a"),
        ("second", "other/x"),
        ("below", "other/y"),
    ];
    assert_eq!(all, expected.map(|(role, name)| (role.to_owned(), name.to_owned())));
    let by_name = all.iter().cloned().map(|(role, name)| (name, role));
    assert_eq!(by_name.collect::<BTreeMap<_, _>>(), found);
    assert_eq!(code, 1, "shared is not verified as targets leads to it");
    for role in ["targets", "docs", "shared", "first", "second", "below"] {
        let own: Vec<_> = all.iter().filter(|(of, _)| of == role).cloned().collect();
        assert_eq!(list(&format!(" --role {role}")).0, own, "{role}");
    }
}

#[test]
fn bins_that_are_not_published_are_one_line_and_more_than_may_be_visited_are_refused() {
    for (bit_length, refused) in [(4, false), (17, true)] {
        let scene = Scene::with(|repository| {
            repository.delegate_to_bins("docs", ("bin", 1), (&[key('b')], 1));
            let delegations = &mut repository.edit("docs").signed["delegations"];
            delegations["succinct_roles"]["bit_length"] = json!(bit_length);
        });
        scene.pin();
        let run = scene.run(scene.user("list acme/app"));
        let stderr = run.stderr();
        if refused {
            assert_eq!((run.code(), listed(&run.stdout())), (1, Vec::new()), "{stderr}");
            assert!(stderr.contains("there are more than 65536 roles"), "{stderr}");
        } else {
            assert_eq!(run.code(), 0, "{stderr}");
            let line = "14 roles that docs delegates to have published nothing yet, such as bin-2";
            assert_eq!(stderr.trim_end(), line);
        }
    }
}

#[test]
fn a_role_that_cannot_be_had_is_unread_and_the_others_are_listed() {
    // Encoded, its name takes 360 bytes.
    let long = "ü".repeat(60);
    let scene = Scene::with(|repository| {
        repository.delegate_paths("targets", &long, &["long/*"]);
        repository.add_target(&long, "long/x", b"x");
        repository.delegate_paths("targets", "other", &["other/*"]);
        repository.add_target("other", "other/x", b"x");
    });
    scene.pin();
    let mut longer = scene.repository.file("1.docs.json").to_vec();
    longer.push(b' ');
    for (reply, why) in [
        (Reply::file(scene.repository.file("1.docs.json")), None),
        (Reply::file(longer), Some("longer than")),
        (Reply::status("410 Gone"), Some("410")),
        (Reply::status("302 Found\r\nlocation: https://127.0.0.1/x"), Some("redirects")),
    ] {
        std::fs::remove_file(scene.path("trust/collections/acme/app/_trusted/docs.json")).ok();
        scene.answer("1.docs.json", reply);
        let run = scene.run(scene.user("list acme/app"));
        let (stderr, docs) = (run.stderr(), [("docs", "docs/guide.txt")]);
        let docs = if why.is_none() { &docs[..] } else { &[] };
        let expected = [&[("targets", "app.tgz")][..], docs, &[("other", "other/x")]].concat();
        let expected: Vec<_> =
            expected.iter().map(|(r, n)| (r.to_string(), n.to_string())).collect();
        assert_eq!((run.code(), listed(&run.stdout())), (1, expected), "{stderr}");
        assert!(stderr.contains("File name too long"), "{stderr}");
        assert!(stderr.contains(why.unwrap_or_default()), "{stderr}");
    }
    std::fs::remove_file(scene.path("trust/collections/acme/app/_trusted/docs.json")).ok();
    scene.answer("1.docs.json", Reply::hang_up());
    scene.run(scene.user("--timeout 2 list acme/app")).fails(4, "could not be reached");
}
