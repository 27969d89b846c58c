//! Does a release go its whole way, from those who sign to those who verify?

use notary_tests::world::{Person, World};

/// A new key; answers its id.
fn key(person: &Person) -> String {
    let key = person.notary("key generate --json").json();
    key["keyid"].as_str().unwrap_or_else(|| panic!("{key}")).to_owned()
}

/// A manager's collection `acme/app` with `app.tgz`, and the team `docs` with `docs/guide.txt`.
/// Files that agents download are in the directory `files` of the world.
struct Release {
    world: World,
    manager: Person,
    team: Person,
    root_sha256: String,
}

impl Release {
    fn publish() -> Release {
        let world = World::start();
        let manager = world.person("manager", "admin --collection acme/**");
        let init = manager.notary("init acme/app --json").json();
        let root_sha256 = init["root_sha256"].as_str().expect("the hash to pin").to_owned();
        manager.file("app.tgz", "the release");
        manager.notary("add acme/app app.tgz app.tgz --copy-to ../files --publish").done();

        let team = world.person("team", "publish --collection acme/app --role docs");
        team.notary(&format!("trust add acme/app --sha256 {root_sha256}")).done();
        let keyid = key(&team);
        let request = format!("delegation request acme/app docs --key {keyid} -o ../docs.request");
        team.notary(&request).done();
        let add = "delegation add acme/app docs --request ../docs.request --path docs/* --publish";
        manager.notary(add).done();
        team.file("guide.txt", "how to use it");
        team.notary("add acme/app docs/guide.txt guide.txt --copy-to ../files --publish").done();
        Release { world, manager, team, root_sha256 }
    }

    /// Somebody who has pinned the root.
    fn agent(&self, name: &str) -> Person {
        let agent = self.world.stranger(name);
        agent.notary(&format!("trust add acme/app --sha256 {}", self.root_sha256)).done();
        agent
    }
}

#[test]
fn a_release_and_a_teams_documents_reach_an_agent_that_pinned_the_root() {
    let release = Release::publish();
    let (_files, url) = release.world.serve_files(&release.world.directory().join("files"));
    let agent = release.agent("agent");
    for (name, content) in [("app.tgz", "the release"), ("docs/guide.txt", "how to use it")] {
        agent.notary(&format!("pull acme/app {name} --targets-url {url} -o pulled")).done();
        let pulled = std::fs::read_to_string(agent.directory().join("pulled")).expect("a file");
        assert_eq!(pulled, content);
    }
}

#[test]
fn what_must_fail_fails() {
    let release = Release::publish();
    let agent = release.agent("agent");
    agent.file("app.tgz", "the release");
    agent.notary("verify acme/app app.tgz app.tgz").done();
    agent.file("app.tgz", "the relEase");
    eprintln!("{}", agent.notary("verify acme/app app.tgz app.tgz").exits(1));
    eprintln!("{}", agent.notary("verify acme/app docs/none app.tgz").exits(5));

    let stranger = release.world.stranger("stranger");
    eprintln!("{}", stranger.notary("verify acme/app app.tgz app.tgz").exits(1));

    eprintln!("{}", release.team.notary("add acme/app app.tgz guide.txt --publish").exits(2));
    eprintln!("{}", release.manager.notary("info acme/app").done());
}
