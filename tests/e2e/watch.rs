//! Does a machine that is watched over by `notary watch` get what is published, and nothing else?

use std::path::PathBuf;
use std::process::Command;

use chrono::TimeDelta;
use notary_tests::mirror::Mirror;
use notary_tests::tree;
use notary_tests::world::{Person, Process, World, wait_for};

use crate::release::{Release, TARGETS};

/// Notes each run with what the file then holds.
const NOTE: &str = "#!/bin/sh\necho \"$NOTARY_NAME $(cat \"$NOTARY_FILE\")\" >>ran\n";

/// An agent that watches `app.tgz` of a release.
struct Watched {
    agent: Person,
    process: Process,
}

impl Watched {
    fn start(release: &Release, options: &str) -> Watched {
        let agent = release.agent("agent");
        agent.file("note", NOTE);
        let run = agent.shell("chmod +x note");
        agent.run(run).done();
        let process = watch(&release.world, &agent, options);
        Watched { agent, process }
    }

    fn file(&self) -> PathBuf {
        self.agent.directory().join("app.tgz")
    }

    /// Waits until the file is this, and the command has run for it.
    #[track_caller]
    fn gets(&self, content: &str) {
        let ran = self.agent.directory().join("ran");
        wait_for(&format!("the file to be {content:?}, and the command"), || {
            let is_there = std::fs::read_to_string(self.file()).is_ok_and(|file| file == content);
            let ran = std::fs::read_to_string(&ran).unwrap_or_default();
            (is_there && ran.lines().last() == Some(&format!("app.tgz {content}"))).then_some(())
        });
    }

    /// Waits for these words in its log.
    #[track_caller]
    fn says(&self, words: &str) {
        wait_for(&format!("{words:?} in the log"), || {
            self.process.log().contains(words).then_some(())
        });
    }

    /// How often the command has run.
    fn runs(&self) -> usize {
        let ran = std::fs::read_to_string(self.agent.directory().join("ran"));
        ran.unwrap_or_default().lines().count()
    }

    #[track_caller]
    fn stops_on(mut self, signal: &str) {
        let id = self.process.id().to_string();
        let sent =
            Command::new("kill").args(["-s", signal, &id]).status().expect("a system has kill");
        assert!(sent.success());
        assert_eq!(self.process.wait().code(), Some(0), "{}", self.process.log());
    }
}

fn watch(world: &World, agent: &Person, options: &str) -> Process {
    let files = world.directory().join("files");
    let words = format!("watch acme/app app.tgz --interval 1s --timeout 3 --exec ./note {options}");
    let mut command = agent.command(&words);
    command.arg("--targets-url").arg(format!("file://{}", files.display()));
    Process::start("watch", &mut command, world.directory())
}

fn publish(release: &Release, content: &str) {
    release.manager.file("app.tgz", content);
    release.manager.notary("add acme/app app.tgz app.tgz --copy-to ../files --publish").done();
}

#[test]
fn each_version_that_is_published_arrives_once_and_a_signal_ends_the_watch() {
    let release = Release::publish();
    let watched = Watched::start(&release, "--json");
    watched.gets(TARGETS[0].1);
    publish(&release, "the next release");
    watched.gets("the next release");
    let event = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).expect("an event on each line");
        event["event"].as_str().expect("its name").to_owned()
    };
    let events = wait_for("four events", || {
        let log = watched.process.log();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        // A busy machine may be late once.
        let events = whole.lines().map(event).filter(|event| event != "failed");
        let events: Vec<String> = events.collect();
        (events.len() >= 4).then_some(events)
    });
    assert_eq!(events, ["updated", "ran", "updated", "ran"]);
    assert_eq!(watched.runs(), 2);
    watched.stops_on("TERM");
}

#[test]
fn a_line_that_cannot_be_printed_keeps_neither_the_file_nor_the_command_away() {
    let release = Release::publish();
    let agent = release.agent("agent");
    agent.file("note", NOTE);
    let files = release.world.directory().join("files");
    let run = agent.shell(&format!(
        "chmod +x note; notary watch acme/app app.tgz --once --exec ./note \
         --targets-url file://{} >/dev/full",
        files.display()
    ));
    agent.run(run).done();
    let ran = std::fs::read_to_string(agent.directory().join("ran")).expect("it has run");
    assert_eq!(ran, format!("app.tgz {}\n", TARGETS[0].1));
}

#[test]
fn a_restart_runs_nothing_again_and_mends_a_file_that_somebody_changed() {
    let release = Release::publish();
    let mut watched = Watched::start(&release, "");
    watched.says("./note succeeded");
    watched.process.kill();
    watched.process = watch(&release.world, &watched.agent, "");
    watched.says("app.tgz: current");
    assert_eq!(watched.runs(), 1);
    let before = watched.process.log();
    assert!(!before.contains("warning"), "{before}");
    std::fs::write(watched.file(), "the RELEASE").expect("their own file");
    wait_for("the command to run for the mended file", || (watched.runs() == 2).then_some(()));
    watched.gets(TARGETS[0].1);
    watched.stops_on("INT");
}

#[test]
fn what_is_not_the_target_or_expired_leaves_the_file_and_what_is_right_arrives_later() {
    let mut release = Release::publish();
    let watched = Watched::start(&release, "");
    watched.gets(TARGETS[0].1);

    // Somebody else's file in the place of the new one.
    release.manager.file("app.tgz", "the real file");
    release.manager.notary("add acme/app app.tgz app.tgz --copy-to ../prepared").done();
    let copies = std::fs::read_dir(release.world.directory().join("prepared")).expect("a folder");
    let copy = copies.map(|copy| copy.expect("its entry").path()).next().expect("one file");
    let served = release.world.directory().join("files").join(copy.file_name().expect("a file"));
    std::fs::write(&served, "the fake file").expect("the folder of targets");
    release.manager.notary("publish acme/app").done();
    watched.says("is not the target \"app.tgz\": its sha256 is");
    assert_eq!(std::fs::read_to_string(watched.file()).unwrap(), TARGETS[0].1);
    std::fs::copy(&copy, &served).expect("the folder of targets");
    watched.gets("the real file");

    // Nobody renews the timestamp.
    release.world.signer.kill();
    release.world.clock.advance(TimeDelta::days(2));
    watched.says("timestamp expired at");
    assert_eq!(std::fs::read_to_string(watched.file()).unwrap(), "the real file");
    release.world.signer.restart();
    publish(&release, "after the pause");
    watched.gets("after the pause");
    assert_eq!(watched.runs(), 3);
    watched.stops_on("TERM");
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let mut release = Release::publish();
    let watched = Watched::start(&release, "");
    watched.gets(TARGETS[0].1);
    release.world.server.kill();
    watched.says("could not be reached");
    release.world.server.restart();
    publish(&release, "after the outage");
    watched.gets("after the outage");
    watched.stops_on("TERM");
}

/// A mirror answers with what it served before.
#[test]
fn a_repository_that_goes_back_is_refused_and_the_file_stays() {
    let release = Release::publish();
    let (world, http) = (&release.world, release.world.http(None));
    let mirror = world.directory().join("mirror");
    let metadata = mirror.join("v2/acme/app/_trust/tuf");
    std::fs::create_dir_all(&metadata).expect("a new folder");
    let fetch = |name: &str| {
        let answer = http.get(&format!("/v2/acme/app/_trust/tuf/{name}"));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        answer
    };
    let copy =
        |name: &str| std::fs::write(metadata.join(name), fetch(name).body).expect("a folder");
    let copy_all = || {
        let timestamp = fetch("timestamp.json").json();
        let snapshot = &timestamp["signed"]["meta"]["snapshot.json"]["version"];
        let snapshot = format!("{snapshot}.snapshot.json");
        let targets = &fetch(&snapshot).json()["signed"]["meta"]["targets.json"]["version"];
        for name in ["timestamp.json", &snapshot, &format!("{targets}.targets.json")] {
            copy(name);
        }
    };
    copy_all();
    let old = std::fs::read(metadata.join("timestamp.json")).expect("a copy");
    let mirror = Mirror::of(&mirror);
    let watched = Watched::start(&release, &format!("--server {}", mirror.url()));
    watched.gets(TARGETS[0].1);
    publish(&release, "the next release");
    copy_all();
    watched.gets("the next release");
    std::fs::write(metadata.join("timestamp.json"), old).expect("a copy");
    watched.says("timestamp goes back from version");
    assert_eq!(std::fs::read_to_string(watched.file()).unwrap(), "the next release");
    watched.stops_on("TERM");
}

/// The example of a unit runs a command line that is one of ours, and what it is for is in it.
#[test]
fn the_unit_for_systemd_runs_a_command_line_that_is_accepted() {
    let unit = std::fs::read_to_string(tree::root().join("config/notary-watch@.service"));
    let unit = unit.expect("the example");
    let joined = unit.replace("\\\n", " ");
    let set = |key: &str| {
        let values = joined.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    let world = World::start();
    let agent = world.stranger("agent");
    let lines = [set("ExecStartPre"), set("ExecStart")].concat();
    // There is no such root to read, so that none is pinned.
    for (line, more, code) in [(&lines[0], "", 5), (&lines[1], "--once --timeout 0", 1)] {
        // Of a line that starts with - systemd does not mind the exit code.
        let line = line.trim_start_matches('-').strip_prefix("/usr/bin/notary ");
        let line = line.expect("the program").replace("%i", "app");
        let values = [
            ("GUN", "acme/app"),
            ("NAME", "app.tgz"),
            ("URL", "file:///srv"),
            ("COMMAND", "true a"),
        ];
        let words = line.split_whitespace().map(|word| {
            let found = values.iter().find(|(name, _)| word == format!("${{{name}}}"));
            found.map_or(word.to_owned(), |(_, value)| (*value).to_owned())
        });
        let mut command = agent.command("");
        command.args(words).args(more.split_whitespace());
        let _ = agent.run(command).exits(code);
    }
    for (key, value) in [
        ("Restart", "on-failure"),
        ("RestartPreventExitStatus", "2"),
        ("DynamicUser", "yes"),
        ("ProtectSystem", "strict"),
        ("NoNewPrivileges", "yes"),
    ] {
        assert_eq!(set(key), [value], "{key}");
    }
}
