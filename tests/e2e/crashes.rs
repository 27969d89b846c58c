//! Does the same command go on where it was killed, and do two managers at once get along? What they
//! leave is verified when the world ends.

use std::process::{Child, Command, Stdio};

use notary_tests::world::{Gate, Hold, Outcome, Person, World, wait_for};

/// A manager with all keys of `acme/app`, docs among them, who comes through a gate; and an agent.
struct Scene {
    manager: Person,
    agent: Person,
    gate: Gate,
    // Last, so that it is looked at when everybody has gone.
    world: World,
}

impl Scene {
    fn new() -> Scene {
        let world = World::start();
        let gate = world.gate();
        let manager = world.person_through(&gate, "manager", "admin --collection acme/**");
        let init = manager.notary("init acme/app --json").json();
        let root = init["root_sha256"].as_str().expect("the hash to pin");
        let agent = world.stranger("agent");
        agent.notary(&format!("trust add acme/app --sha256 {root}")).done();
        manager.file("file", "content");
        let scene = Scene { manager, agent, gate, world };
        let docs = scene.manager.new_key();
        let request = format!("delegation request acme/app docs --key {docs} -o docs.request");
        scene.manager.notary(&request).done();
        let add = "delegation add acme/app docs --request docs.request --path docs/*";
        scene.manager.notary(&format!("{add} --publish")).done();
        for name in ["a.txt --role targets", "docs/b.txt --role docs"] {
            let (name, role) = name.split_once(' ').expect("a name and its role");
            scene.manager.notary(&format!("add acme/app {name} file {role} --publish")).done();
        }
        scene
    }

    /// The ids of the keys of a role, as the server tells them.
    fn keys_of(&self, role: &str) -> Vec<String> {
        let path = format!("/v2/acme/app/_trust/?role={role}");
        let info = self.world.http(None).get(&path).json();
        let mut roles = info["roles"].as_array().expect("a list").iter();
        let role = roles.find(|found| found["name"] == role).expect("it was delegated");
        let ids = role["keyids"].as_array().expect("a list").iter();
        ids.map(|id| id.as_str().expect("an id").to_owned()).collect()
    }

    /// Clients find everything.
    #[track_caller]
    fn is_whole(&self) {
        for name in ["a.txt", "docs/b.txt"] {
            self.agent.notary(&format!("lookup acme/app {name}")).done();
        }
        self.world.fsck();
    }

    /// Runs a command and kills it at a request; answers whether it came so far.
    fn killed_at(&self, line: &str, number: usize, hold: Hold) -> bool {
        self.gate.hold(number, hold);
        let mut child = start(self.manager.command(line));
        let is_held = wait_for("a held request, or the end", || {
            if self.gate.holds() {
                return Some(true);
            }
            child.try_wait().expect("our child").map(|_| false)
        });
        child.kill().expect("it waits, or has ended");
        child.wait().expect("our child");
        self.gate.take_passed();
        is_held
    }

    /// Kills each request of a command that asks for a change, on its way there and on its way back.
    /// `prepare` answers the command of the next round, which must change something.
    fn survives(&self, least: usize, prepare: impl Fn() -> String) {
        let mut kills = 0;
        for hold in [Hold::Request, Hold::Answer] {
            for number in 1.. {
                let line = prepare();
                let is_killed = self.killed_at(&line, number, hold);
                if is_killed {
                    kills += 1;
                    let again = self.manager.notary(&line);
                    assert_eq!(again.code(), 0, "after {hold:?} {number}: {again}");
                }
                self.is_whole();
                if !is_killed {
                    break;
                }
            }
        }
        assert!(kills >= 2 * least, "only {kills} kills hit");
    }

    /// Runs two commands at once; each is done, or is told of a conflict, and one of them is done.
    fn race(&self, twin: &Person, lines: [&str; 2]) -> [i32; 2] {
        let [first, second] = std::thread::scope(|scope| {
            let one = scope.spawn(|| self.manager.notary(lines[0]));
            let other = scope.spawn(|| twin.notary(lines[1]));
            [one, other].map(|run| run.join().expect("running does not panic"))
        });
        let codes: [i32; 2] = [&first, &second].map(Outcome::code);
        assert!(codes.contains(&0), "{first}{second}");
        for outcome in [first, second] {
            assert!(matches!(outcome.code(), 0 | 3), "{outcome}");
        }
        self.is_whole();
        codes
    }
}

fn start(mut command: Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("cargo built it")
}

/// A rotation to a new key, away from all others.
fn replaced(scene: &Scene, role: &str) -> String {
    let mut line = format!("rotate acme/app {role} --yes --new-key {}", scene.manager.new_key());
    for old in scene.keys_of(role) {
        line += &format!(" --drop-key {old}");
    }
    line
}

#[test]
fn rotations_of_root_and_targets_go_on() {
    let scene = Scene::new();
    scene.survives(1, || replaced(&scene, "root"));
    scene.survives(1, || replaced(&scene, "targets"));
}

#[test]
fn rotations_of_online_keys_go_on() {
    let scene = Scene::new();
    scene.survives(2, || "rotate acme/app timestamp".to_owned());
}

#[test]
fn rotations_of_a_team_go_on() {
    let scene = Scene::new();
    scene.survives(1, || replaced(&scene, "docs"));
}

#[test]
fn bins_are_made_divided_anew_and_given_other_keys_once_more() {
    let scene = Scene::new();
    let key = std::cell::RefCell::new(scene.manager.new_key());
    let count = std::cell::Cell::new(1);
    scene.survives(1, || {
        count.set(count.get() * 2);
        let (count, key) = (count.get(), key.borrow());
        format!("delegation bins acme/app docs --count {count} --prefix docs-bin --key {key}")
    });
    scene.survives(1, || {
        let old = key.replace(scene.manager.new_key());
        format!("rotate acme/app docs --yes --bins --new-key {} --drop-key {old}", key.borrow())
    });
}

#[test]
fn a_file_of_delegations_is_applied_once() {
    let scene = Scene::new();
    let count = std::cell::Cell::new(0);
    scene.survives(1, || {
        count.set(count.get() + 1);
        let yaml = scene.manager.notary("delegation list acme/app --yaml").done();
        let count = count.get();
        let more = format!(
            "- {{name: team-{count}, paths: [\"team-{count}/*\"], keys: [{}], pending: true}}\n",
            scene.keys_of("docs")[0]
        );
        scene.manager.file("delegations.yaml", yaml + &more);
        "delegation apply acme/app -f delegations.yaml".to_owned()
    });
}

#[test]
fn two_managers_at_once_both_are_done_or_one_is_told_of_a_conflict() {
    let scene = Scene::new();
    let keys: Vec<String> = (0..6).map(|_| scene.manager.new_key()).collect();
    let twin = scene.manager.twin("twin");
    let rotate = |role: &str, key: &str| format!("rotate acme/app {role} --new-key {key}");
    for role in ["root", "targets"] {
        let lines = [rotate(role, &keys[0]), rotate(role, &keys[1])];
        let before = scene.keys_of(role).len();
        let codes = scene.race(&twin, [&lines[0], &lines[1]]);
        let done = codes.iter().filter(|code| **code == 0).count();
        assert_eq!(scene.keys_of(role).len(), before + done, "{role}: {codes:?}");
    }
    let lines = [rotate("docs", &keys[2]), rotate("docs", &keys[3])];
    let codes = scene.race(&twin, [&lines[0], &lines[1]]);
    let done = codes.iter().filter(|code| **code == 0).count();
    assert_eq!(scene.keys_of("docs").len(), 1 + done, "{codes:?}");

    let add = "delegation add acme/app other --pending --path other/* --publish";
    let add = format!("{add} --key {}", keys[4]);
    let codes = scene.race(&twin, [&rotate("docs", &keys[4]), &add]);
    assert_eq!(codes, [0, 0], "they change other things");

    let yaml = scene.manager.notary("delegation list acme/app --yaml").done();
    for (person, name) in [(&scene.manager, "left"), (&twin, "right")] {
        let more = format!(
            "- {{name: {name}, paths: [\"{name}/*\"], keys: [{}], pending: true}}\n",
            keys[5]
        );
        person.file("delegations.yaml", format!("{yaml}{more}"));
    }
    let apply = "delegation apply acme/app -f delegations.yaml";
    let mut codes = scene.race(&twin, [apply, apply]);
    codes.sort_unstable();
    assert_eq!(codes, [0, 3], "neither takes back what the other has done");
}
