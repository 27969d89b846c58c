//! Does a release go its whole way, from those who sign to those who verify, and nothing else?

use crate::release::{Release, TARGETS};

#[test]
fn a_release_and_a_teams_documents_reach_an_agent_that_pinned_the_root() {
    let release = Release::publish();
    let site = release.world.site();
    let agent = release.agent("agent");
    for (name, content) in TARGETS {
        agent
            .notary(&format!("pull acme/app {name} --targets-url {} -o pulled", site.url()))
            .done();
        let pulled = std::fs::read_to_string(agent.directory().join("pulled")).expect("a file");
        assert_eq!(pulled, content);
    }
}

#[test]
fn an_agent_refuses_another_file_and_a_name_that_nobody_vouches_for() {
    let release = Release::publish();
    let agent = release.agent("agent");
    agent.file("app.tgz", TARGETS[0].1);
    agent.notary("verify acme/app app.tgz app.tgz").done();
    let refused = agent.notary("verify acme/app docs/guide.txt app.tgz").exits(1);
    assert!(refused.contains("is not the target"), "{refused}");
    let refused = agent.notary("verify acme/app docs/other.txt app.tgz").exits(5);
    assert!(refused.contains("no trusted role lists"), "{refused}");
}

#[test]
fn nobody_trusts_a_collection_without_a_pin_unless_they_say_so() {
    let release = Release::publish();
    let stranger = release.world.stranger("stranger");
    stranger.file("app.tgz", TARGETS[0].1);
    let refused = stranger.notary("verify acme/app app.tgz app.tgz").exits(1);
    assert!(refused.contains("no root of acme/app is pinned"), "{refused}");
    stranger.notary("verify acme/app app.tgz app.tgz --tofu").done();
    stranger.notary("verify acme/app app.tgz app.tgz").done();
}

#[test]
fn a_team_signs_in_its_paths_only() {
    let release = Release::publish();
    let refused = release.team.notary("add acme/app app.tgz guide.txt --publish").exits(2);
    assert!(refused.contains("none of the keys here may sign"), "{refused}");
    let by_force = "add acme/app app.tgz guide.txt --role docs --publish";
    let refused = release.team.notary(by_force).exits(1);
    assert!(refused.contains("app.tgz"), "{refused}");
    release.team.notary("add acme/app docs/more.txt guide.txt --publish").done();
}
