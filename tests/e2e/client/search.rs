//! Where a look-up finds a target, and whom it believes.

use notary_tests::hand::{Files, HandKey, Stage};
use serde_json::json;

use crate::scene::{FIRST, Scene, hashed, key};

/// Delegations in the order in which they are made: `a>b` for all names, `a>b!` a terminating one,
/// `a>b:*.py` for these names.
fn graph(scene: &mut Scene, delegations: &[&str]) {
    for line in delegations {
        let (from, to) = line.split_once('>').expect("who delegates to whom");
        let (to, path) = to.split_once(':').unwrap_or((to, "*"));
        let (to, terminating) = (to.trim_end_matches('!'), to.ends_with('!'));
        let delegation = json!({"paths": [path], "terminating": terminating});
        let by = (&[HandKey::of(to)][..], 1);
        scene.repository.delegate((from, to), usize::MAX, delegation, by);
    }
    scene.publish();
}

#[test]
fn a_target_is_found_where_every_delegation_on_the_way_covers_it() {
    let tree = [
        "targets>a:*.doc",
        "targets>q:name-?.tgz",
        "targets>b:releases/*/*",
        "b>c:releases/x/*",
        "b>d:releases/y/*.zip",
    ];
    let listed = [
        ("targets", "file"),
        ("a", "one.doc"),
        ("a", "releases/one.doc"),
        ("a", "ONE.DOC"),
        ("q", "name-1.tgz"),
        ("q", "name-12.tgz"),
        ("q", "name-.tgz"),
        ("c", "releases/x/1"),
        ("d", "releases/y/1.zip"),
        ("d", "releases/y/1.tgz"),
        ("d", "releases/z/1.zip"),
    ];
    for (name, visited, found) in [
        ("file", "", true),
        ("one.doc", "a", true),
        ("ONE.DOC", "", false),
        ("releases/one.doc", "", false),
        ("name-1.tgz", "q", true),
        ("name-12.tgz", "", false),
        ("name-.tgz", "", false),
        ("releases/x/1", "bc", true),
        ("releases/y/1.zip", "bd", true),
        ("releases/y/1.tgz", "b", false),
        ("releases/z/1.zip", "b", false),
    ] {
        let mut scene = Scene::new();
        graph(&mut scene, &tree);
        for (role, name) in listed {
            scene.repository.add_target(role, name, name.as_bytes());
        }
        scene.publish();
        scene.refresh().done();
        scene.asked();
        scene.download(&[name]).is(if found { "" } else { "no trusted role lists" }, name);
        let role = |role: char| scene.repository.file_name(&role.to_string());
        let mut wanted: Vec<String> = visited.chars().map(role).collect();
        wanted.extend(found.then(|| hashed(name, name)));
        assert_eq!(scene.asked()[2..], wanted, "{name}");
        let contents: Vec<Vec<u8>> = scene.downloaded().into_values().collect();
        assert_eq!(contents, if found { vec![name.as_bytes().to_vec()] } else { vec![] });
    }
}

#[test]
fn a_role_is_verified_again_for_another_delegator() {
    let trusted_by = |second: char| {
        let mut scene = Scene::new();
        for (parent, path, letter) in [("one", "one/*", 'a'), ("two", "two/*", second)] {
            scene.repository.delegate_paths("targets", parent, &[path]);
            scene.repository.delegate_paths(parent, "shared", &[path]);
            scene.repository.trust(parent, "shared", &[key(letter)], 1);
        }
        scene.repository.part("shared").signers = vec![key('a')];
        for name in ["one/file", "two/file"] {
            scene.repository.add_target("shared", name, name.as_bytes());
        }
        scene.publish();
        scene
    };
    let scene = trusted_by('a');
    scene.download(&["one/file", "two/file"]).done();
    let scene = trusted_by('b');
    scene.download(&["one/file", "two/file"]).is("shared is signed by 0 of 1 keys", "at once");
    let one = ("one%2Ffile".to_owned(), b"one/file".to_vec());
    assert_eq!(scene.downloaded(), Files::from([one]));
    scene.download(&["two/file"]).is("shared is signed by 0 of 1 keys", "from the stored file");
    scene.download(&["one/file"]).done();
}

#[test]
fn a_role_that_is_not_in_the_snapshot_is_not_asked_for() {
    let mut scene = Scene::new();
    scene.repository.edit("snapshot");
    scene.publish_with(|stage, repository| {
        if stage == Stage::Snapshot {
            let meta = repository.part("snapshot").signed["meta"].as_object_mut();
            meta.expect("an object").remove("docs.json").expect("it was listed");
        }
    });
    scene.refresh().done();
    scene.asked();
    scene
        .download(&["docs/guide.txt"])
        .is("docs is delegated to and not listed", "the role's name");
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"]);
    assert!(!scene.stored().contains_key("docs.json"));
    scene.download(&["app.tgz"]).done();
}

#[test]
fn a_download_refreshes_even_when_it_finds_nothing() {
    let scene = Scene::new();
    scene.download(&["nothing"]).is("no trusted role lists the target \"nothing\"", "no such file");
    assert_eq!(
        scene.asked(),
        ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    );
    assert_eq!(scene.trusted(), FIRST);
}
