//! What has expired, in the repository and with the client.

use chrono::TimeDelta;

use crate::scene::{FIRST, Scene};

const TOP_LEVEL: [&str; 4] = ["root", "timestamp", "snapshot", "targets"];

#[test]
fn a_new_version_that_has_expired_is_not_trusted() {
    for (role, trusted) in [
        // TUF 5.3.10: the root counts all the same, and is the last thing that does.
        ("root", "root 2, snapshot 1, targets 1, timestamp 1"),
        ("timestamp", "root 2, snapshot 1, targets 1, timestamp 1"),
        ("snapshot", "root 2, snapshot 1, targets 1, timestamp 2"),
        ("targets", "root 2, snapshot 2, targets 1, timestamp 2"),
    ] {
        let mut scene = Scene::refreshed();
        scene.repository.live(role, TimeDelta::days(-1));
        scene.publish_anew(&["root", "targets"]);
        scene.refresh().is(&format!("{role} expired at"), role);
        assert_eq!(scene.trusted(), trusted, "{role}");
        scene.repository.live(role, TimeDelta::days(1));
        scene.publish_anew(&["root", "targets"]);
        scene.refresh().done();
        assert_eq!(scene.trusted(), "root 3, snapshot 3, targets 3, timestamp 3", "{role}");
    }
}

#[test]
fn what_has_expired_with_the_client_leads_to_what_has_not() {
    for role in TOP_LEVEL {
        let mut scene = Scene::with(|repository| repository.live(role, TimeDelta::days(7)));
        scene.refresh().done();
        assert_eq!(scene.trusted(), FIRST, "{role}");
        scene.days_later(6);
        scene.refresh().done();
        scene.days_later(2);
        scene.refresh().is(&format!("{role} expired at"), role);
        assert_eq!(scene.trusted(), FIRST, "{role}");
        scene.publish_anew(&["root", "targets"]);
        scene.refresh().done();
        assert_eq!(scene.trusted(), "root 2, snapshot 2, targets 2, timestamp 2", "{role}");
    }
}

#[test]
fn what_has_expired_with_the_client_still_says_what_may_not_go_back() {
    for role in ["timestamp", "snapshot"] {
        let mut scene = Scene::with(|repository| repository.live(role, TimeDelta::days(7)));
        scene.publish_anew(&["targets"]);
        scene.refresh().done();
        scene.days_later(8);
        let back = if role == "timestamp" { role } else { "targets" };
        scene.repository.edit(back).signed["version"] = serde_json::json!(0);
        scene.publish();
        scene.refresh().is("goes back from version 2 to 1", role);
    }
}

#[test]
fn a_delegated_role_that_has_expired_vouches_for_nothing() {
    let mut scene = Scene::with(|repository| {
        for name in ["docs/one", "docs/two", "docs/three"] {
            repository.add_target("docs", name, name.as_bytes());
        }
        repository.live("docs", TimeDelta::days(-1));
    });
    scene.refresh().done();
    scene.download(&["docs/one"]).is("docs expired at", "when it comes");
    assert_eq!(scene.trusted(), FIRST);

    scene.repository.live("docs", TimeDelta::days(7));
    scene.publish_anew(&["docs"]);
    scene.download(&["docs/one"]).done();
    scene.days_later(6);
    scene.download(&["docs/two"]).done();
    scene.days_later(2);
    scene.download(&["docs/three"]).is("docs expired at", "when it is stored");
    scene.publish_anew(&["docs"]);
    scene.download(&["docs/three"]).done();
    assert_eq!(scene.downloaded().len(), 3);
}
