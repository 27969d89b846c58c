//! The collection that most tests need, made as people make it: at the command line.

use notary_tests::world::{Person, World};

/// A manager's collection `acme/app` with `app.tgz`, and the team `docs` with `docs/guide.txt`.
/// What agents download is in the directory `files` of the world.
pub(crate) struct Release {
    pub(crate) world: World,
    pub(crate) manager: Person,
    pub(crate) team: Person,
    pub(crate) root_sha256: String,
}

/// The targets of a release, and what is in them.
pub(crate) const TARGETS: [(&str, &str); 2] =
    [("app.tgz", "the release"), ("docs/guide.txt", "how to use it")];

impl Release {
    pub(crate) fn publish() -> Release {
        let world = World::start();
        let manager = world.person("manager", "admin --collection acme/**");
        let init = manager.notary("init acme/app --json").json();
        let root_sha256 = init["root_sha256"].as_str().expect("the hash to pin").to_owned();
        manager.file("app.tgz", TARGETS[0].1);
        manager.notary("add acme/app app.tgz app.tgz --copy-to ../files --publish").done();
        let team = join(&world, &manager, "docs", &root_sha256);
        team.file("guide.txt", TARGETS[1].1);
        team.notary("add acme/app docs/guide.txt guide.txt --copy-to ../files --publish").done();
        Release { world, manager, team, root_sha256 }
    }

    /// Somebody without rights, who has pinned the root.
    pub(crate) fn agent(&self, name: &str) -> Person {
        let agent = self.world.stranger(name);
        agent.notary(&format!("trust add acme/app --sha256 {}", self.root_sha256)).done();
        agent
    }

    /// A new team with the role, the token and the paths `ROLE/*`.
    pub(crate) fn team(&self, role: &str) -> Person {
        join(&self.world, &self.manager, role, &self.root_sha256)
    }
}

/// The team asks for the role with its own key, the manager delegates it.
fn join(world: &World, manager: &Person, role: &str, root_sha256: &str) -> Person {
    let team = world.person(role, &format!("publish --collection acme/app --role {role}"));
    team.notary(&format!("trust add acme/app --sha256 {root_sha256}")).done();
    let keyid = team.new_key();
    let request = format!("../{role}.request");
    team.notary(&format!("delegation request acme/app {role} --key {keyid} -o {request}")).done();
    let add = format!("delegation add acme/app {role} --request {request} --path {role}/*");
    manager.notary(&format!("{add} --publish")).done();
    team
}
