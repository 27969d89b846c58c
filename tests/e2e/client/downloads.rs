//! Target files that are not the listed ones, and roles of any name.

use notary_tests::hand::Files;

use crate::scene::Scene;

#[test]
fn a_file_that_is_not_the_listed_one_is_not_kept() {
    let mut scene = Scene::new();
    for (name, content) in [("file", "content"), ("other", "other")] {
        scene.repository.add_target("targets", name, content.as_bytes());
    }
    scene.publish();
    scene.download(&["file"]).done();
    let kept = scene.downloaded();
    let exchange = |content: &[u8]| {
        for place in scene.repository.everything().target_names() {
            scene.put(&place, content);
        }
    };
    for content in [&b"CONTENT"[..], b"", b"content and more"] {
        exchange(content);
        scene.download(&["file"]).is("", "what is there is not fetched again");
        scene.download(&["other"]).is("other", "another content");
        assert_eq!(scene.downloaded(), kept);
    }
    exchange(b"other");
    scene.download(&["other"]).done();
    let file = |name: &str, content: &[u8]| (name.to_owned(), content.to_vec());
    assert_eq!(
        scene.downloaded(),
        Files::from([file("file", b"content"), file("other", b"other")])
    );
}

#[test]
fn a_role_of_any_name_is_asked_for_and_stored_under_one_file_name() {
    for consistent in [true, false] {
        for (role, file) in [
            ("plain", "plain"),
            ("?", "%3F"),
            ("#", "%23"),
            ("/role", "%2Frole"),
            ("../role", "..%2Frole"),
            ("a b", "a%20b"),
            ("%2F", "%252F"),
            ("ü", "%C3%BC"),
        ] {
            let scene = Scene::with(|repository| {
                repository.set_consistent(Some(consistent));
                repository.delegate_paths("targets", role, &["*"]);
            });
            scene.download(&["nothing"]).is("no trusted role lists", role);
            let version = if consistent { "1." } else { "" };
            let wanted = format!("{version}{file}.json");
            assert_eq!(scene.asked().last(), Some(&wanted), "{role}");
            let stored = scene.stored().remove(&format!("{file}.json"));
            assert_eq!(stored.as_deref(), Some(scene.repository.file(&wanted)), "{role}");
            let trusted = scene.trusted();
            assert_eq!(trusted.matches(", ").count(), 4, "{role}: {trusted}");
        }
    }
}
