//! Whole commands, from the command line to the exit code.

mod lies;
mod replacing;
mod standby;

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;

use super::*;
use crate::testing::{Canned, Collection, Server, now};

/// What was printed to one stream.
#[derive(Clone, Default)]
struct Printed(Rc<RefCell<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Printed {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

struct Run {
    code: ExitCode,
    stdout: String,
    stderr: String,
}

impl Run {
    fn is(&self, code: u8) -> bool {
        format!("{:?}", self.code) == format!("{:?}", ExitCode::from(code))
    }

    #[track_caller]
    fn expect(self, code: u8) -> Run {
        assert!(self.is(code), "{:?} is not {code}: {}{}", self.code, self.stdout, self.stderr);
        self
    }
}

fn parts(line: &str) -> (Parts, Printed, Printed) {
    let (stdout, stderr) = (Printed::default(), Printed::default());
    let parts = Parts {
        clock: std::sync::Arc::new(now),
        arguments: std::iter::once("notary").chain(line.split(' ')).map(OsString::from).collect(),
        environment: [("NOTARY_PASSPHRASE".into(), "pw".into())].into(),
        interactive: false,
        stdout: Box::new(stdout.clone()),
        stderr: Box::new(stderr.clone()),
        stop: std::sync::Arc::new(|_| {}),
    };
    (parts, stdout, stderr)
}

/// Runs a command line; words are separated by one space.
fn notary(line: &str) -> Run {
    let (parts, stdout, stderr) = parts(line);
    let code = run(parts);
    Run { code, stdout: stdout.text(), stderr: stderr.text() }
}

#[test]
fn help_is_a_result_and_a_mistake_is_not() {
    assert!(notary("help").expect(0).stdout.contains("publish"));
    assert!(notary("--version").expect(0).stdout.starts_with("notary "));
    let mistake = notary("publsh").expect(2);
    assert!(mistake.stdout.is_empty() && mistake.stderr.contains("publsh"));
}

#[test]
fn with_json_there_is_exactly_one_document() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().display();
    for (line, code) in [
        (format!("--json --trust-dir {here} key list"), 0),
        (format!("--json --trust-dir {here} key generate"), 0),
        (format!("--json --trust-dir {here} status acme/app"), 0),
        (format!("--json --trust-dir {here} reset acme/app"), 0),
        (format!("--json --trust-dir {here} lookup acme/app x"), 2),
        (format!("--json --trust-dir {here} key export abc"), 5),
        ("--json status ../x".to_owned(), 2),
    ] {
        let run = notary(&line).expect(code);
        let document: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(document.get("error").is_some(), code != 0, "{line}");
        assert_eq!(document["exit"].as_u64().unwrap_or(0), u64::from(code), "{line}");
    }
}

#[test]
fn the_client_of_any_repository_knows_two_exit_codes() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path().display();
    for line in [
        "client".to_owned(),
        "client nothing".to_owned(),
        "client refresh --nothing".to_owned(),
        "client refresh".to_owned(),
        format!("--trust-dir {here} client refresh --nothing"),
        format!("client --metadata-dir {here} init {here}/missing"),
        format!("client --metadata-dir {here} refresh --metadata-url nothing"),
        format!("client --metadata-dir {here} refresh --metadata-url http://notary.example"),
        format!("client --metadata-dir {here} download --metadata-url http://127.0.0.1:1"),
        "client --metadata-dir".to_owned(),
        "client refresh --metadata-dir".to_owned(),
        "client init".to_owned(),
        "client init a b".to_owned(),
        "client refresh refresh".to_owned(),
        "--nothing client refresh".to_owned(),
        "--timeout soon client refresh".to_owned(),
        "client refresh --timeout -1".to_owned(),
        format!("--config {here}/missing client refresh"),
    ] {
        notary(&line).expect(1);
    }
    for line in ["client --help", "client help", "client help download", "client init -h"] {
        notary(line).expect(0);
    }
    notary("refresh").expect(2);
    notary("--server client refresh").expect(2);
}

#[test]
fn a_client_starts_with_any_root_file_and_asks_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let (root, metadata) = (directory.path().join("root"), directory.path().join("metadata"));
    std::fs::write(&root, b"whatever it is").unwrap();
    let line = format!("client init {} --metadata-dir {}", root.display(), metadata.display());
    assert_eq!(notary(&line).expect(0).stdout, "");
    assert_eq!(std::fs::read(metadata.join("root.json")).unwrap(), b"whatever it is");
}

/// A repository behind a URL while commands run, each with its own runtime.
fn with_repository(test: impl FnOnce(&Collection, &Server)) {
    with(Collection::new(), test);
}

fn with(collection: Collection, test: impl FnOnce(&Collection, &Server)) {
    let (_runtime, server) = serving();
    server.serve(&collection);
    test(&collection, &server);
}

/// A server, for as long as its runtime is there.
fn serving() -> (tokio::runtime::Runtime, Server) {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::start());
    (runtime, server)
}

#[test]
fn a_client_downloads_in_order_and_stops_at_the_first_failure() {
    with_repository(|collection, server| {
        let directory = tempfile::tempdir().unwrap();
        let place = |name| directory.path().join(name).display().to_string();
        std::fs::write(place("root"), collection.root_file()).unwrap();
        notary(&format!("client --metadata-dir {} init {}", place("m"), place("root"))).expect(0);
        let sha256 = notary_schema::key::sha256_hex(b"app.bin");
        server.answer(&format!("{sha256}.app.bin"), Canned::ok("app.bin"));
        let download = |names: &[&str]| {
            let names: String = names.iter().map(|name| format!(" --target-name {name}")).collect();
            notary(&format!(
                "client --metadata-dir {} --metadata-url {} download{names} --target-base-url {} \
                 --target-dir {}",
                place("m"), server.url, server.url, place("t"),
            ).replace("  ", " "))
        };
        download(&["app.bin", "nothing", "docs/a.txt"]).expect(1);
        assert_eq!(std::fs::read(place("t/app.bin")).unwrap(), b"app.bin");
        assert_eq!(std::fs::read_dir(place("t")).unwrap().count(), 1);
        let asked = server.asked().len();
        download(&["app.bin"]).expect(0);
        let again = server.asked().len() - asked;
        assert_eq!(again, 2, "a file that is there is not fetched again");
        std::fs::write(place("t/app.bin"), b"APP.BIN").unwrap();
        download(&["app.bin"]).expect(0);
        assert_eq!(std::fs::read(place("t/app.bin")).unwrap(), b"app.bin");
    });
}

/// The files of a collection below the paths of a server.
fn published(collection: &Collection, server: &Server) {
    for (name, file) in &collection.files {
        let path = format!("v2/acme/app/_trust/tuf/{name}");
        server.answer(&path, Canned::ok(file.clone()));
    }
    server.tell(collection);
}

#[test]
fn the_first_use_needs_a_root_that_somebody_vouches_for() {
    with_repository(|collection, server| {
        published(collection, server);
        let sha256 = notary_schema::key::sha256_hex(collection.root_file());
        let here = tempfile::tempdir().unwrap();
        let notary = |line: &str| {
            notary(&format!("--server {} --trust-dir {} {line}", server.url, here.path().display()))
        };
        let refused = notary("lookup acme/app app.bin").expect(1);
        assert!(refused.stderr.contains("notary trust add acme/app"), "{}", refused.stderr);
        notary(&format!("trust add acme/app --sha256 {}", "0".repeat(64))).expect(1);
        notary(&format!("trust add acme/app --sha256 {sha256} --root-version 2")).expect(5);
        notary("trust add acme/app --sha256 abc").expect(2);
        notary("lookup acme/app app.bin").expect(1);
        notary(&format!("trust add acme/app --sha256 {}", sha256.to_uppercase())).expect(0);
        notary("lookup acme/app app.bin").expect(0);
        notary("lookup acme/app nothing").expect(5);
        notary(&format!("trust add acme/app --sha256 {sha256}")).expect(0);
        let other = here.path().join("other");
        std::fs::write(&other, Collection::new().root_file()).unwrap();
        notary(&format!("trust add acme/app --root {}", other.display())).expect(3);
        std::fs::write(&other, b"{}").unwrap();
        notary(&format!("trust add acme/app --root {}", other.display())).expect(1);
    });
}

#[test]
fn trust_on_first_use_is_asked_for_and_said() {
    with_repository(|collection, server| {
        published(collection, server);
        let here = tempfile::tempdir().unwrap();
        let line = format!("--server {} --trust-dir {}", server.url, here.path().display());
        let first = notary(&format!("{line} lookup acme/app app.bin --tofu")).expect(0);
        assert!(first.stderr.contains("on first use"), "{}", first.stderr);
        let second = notary(&format!("{line} lookup acme/app app.bin")).expect(0);
        assert_eq!(second.stderr, "");
    });
}

#[test]
fn a_file_is_verified_and_pulled_against_the_collection() {
    with_repository(|collection, server| {
        published(collection, server);
        let here = tempfile::tempdir().unwrap();
        let place = |name: &str| here.path().join(name).display().to_string();
        let line = format!("--server {} --trust-dir {} --tofu", server.url, place("trust"));
        let (right, wrong) = (place("right"), place("wrong"));
        std::fs::write(&right, b"app.bin").unwrap();
        std::fs::write(&wrong, b"app.bio").unwrap();
        notary(&format!("{line} verify acme/app app.bin {right}")).expect(0);
        notary(&format!("{line} verify acme/app app.bin {wrong}")).expect(1);
        notary(&format!("{line} verify acme/app app.bin {}", place("missing"))).expect(5);
        notary(&format!("{line} pull acme/app app.bin")).expect(2);
        let from = format!("--targets-url file://{}", place("served"));
        std::fs::create_dir(place("served")).unwrap();
        std::fs::copy(&right, place("served/app.bin")).unwrap();
        let out = place("out");
        notary(&format!("{line} pull acme/app app.bin {from} --plain-names -o {out}")).expect(0);
        assert_eq!(std::fs::read(&out).unwrap(), b"app.bin");
        std::fs::copy(&wrong, place("served/app.bin")).unwrap();
        notary(&format!("{line} pull acme/app app.bin {from} --plain-names -o {out}")).expect(0);
        assert_eq!(std::fs::read(&out).unwrap(), b"app.bin", "the right file is left as it is");
        std::fs::write(&out, b"earlier").unwrap();
        notary(&format!("{line} pull acme/app app.bin {from} --plain-names -o {out}")).expect(1);
        assert_eq!(std::fs::read(&out).unwrap(), b"earlier", "what is there stays");
    });
}

#[test]
fn a_pull_shows_the_token_to_the_notary_server_alone() {
    with_repository(|collection, server| {
        published(collection, server);
        let (_runtime, files) = serving();
        let here = tempfile::tempdir().unwrap();
        let place = |name: &str| here.path().join(name).display().to_string();
        std::fs::write(place("token"), "notary_secret\n").unwrap();
        let sha256 = notary_schema::key::sha256_hex(b"app.bin");
        files.answer(&format!("{sha256}.app.bin"), Canned::status("302 Found\r\nlocation: /there"));
        files.answer("there", Canned::ok("app.bin"));
        notary(&format!(
            "--server {} --trust-dir {} --token-file {} --tofu pull acme/app app.bin -o {} \
             --targets-url {}",
            server.url,
            place("trust"),
            place("token"),
            place("out"),
            files.url,
        ))
        .expect(0);
        let told = |server: &Server| {
            let heads = server.heads();
            (heads.iter().filter(|head| head.contains("notary_secret")).count(), heads.len())
        };
        let (with_token, all) = told(server);
        assert!(all > 3 && with_token == all, "{with_token} of {all}");
        assert_eq!(told(&files), (0, 2));
    });
}

#[test]
fn a_change_is_judged_when_it_is_staged() {
    with_repository(|collection, server| {
        published(collection, server);
        let here = tempfile::tempdir().unwrap();
        let place = |name: &str| here.path().join(name).display().to_string();
        collection.store_key("docs", &here.path().join("keys"));
        std::fs::write(place("file"), b"content").unwrap();
        std::fs::write(place("null"), b"null").unwrap();
        std::fs::write(place("small"), format!("\"{}\"", "x".repeat(16_000))).unwrap();
        std::fs::write(place("large"), format!("\"{}\"", "x".repeat(17_000))).unwrap();
        let (file, trust) = (place("file"), format!("--trust-dir {}", here.path().display()));
        let add = |options: &str| notary(&format!("{trust} add acme/app {options}"));
        let online = format!("--server {} --tofu", server.url);
        add(&format!("docs/x {file}")).expect(2);
        add(&format!("docs/x {file} {online}")).expect(0);
        for (options, code) in [
            (format!("docs/y {file} --custom {}", place("small")), 0),
            (format!("docs/y {file} --custom {}", place("large")), 1),
            (format!("docs/y {file} --custom {}", place("null")), 1),
            (format!("docs/../y {file}"), 2),
            (format!("docs/y {}", place("missing")), 5),
            (format!("docs/y {} ", here.path().display()), 2),
            (format!("app {file}"), 2),
            (format!("app {file} --role docs"), 1),
            (format!("app {file} --role targets"), 2),
            (format!("app {file} --role nobody"), 5),
        ] {
            // Offline: what is stored here is enough.
            add(options.trim_end()).expect(code);
        }
        let status = notary(&format!("{trust} status acme/app")).expect(7);
        assert_eq!(status.stdout, "docs: set docs/x\ndocs: set docs/y\n");
        notary(&format!("{trust} remove acme/app docs/y")).expect(0);
        notary(&format!("{trust} remove acme/app docs/y")).expect(5);
        notary(&format!("{trust} remove acme/app docs/a.txt {online}")).expect(0);
        let status = notary(&format!("{trust} status acme/app")).expect(7);
        assert_eq!(status.stdout, "docs: remove docs/a.txt\ndocs: set docs/x\n");
        notary(&format!("{trust} reset acme/app")).expect(0);
        notary(&format!("{trust} status acme/app")).expect(0);
    });
}

#[test]
fn a_list_shows_what_the_delegations_cover_and_names_what_it_could_not_read() {
    let mut collection = Collection::new();
    collection.docs.push(("outside", "x"));
    collection.release(1, 365);
    with(collection, |collection, server| {
        published(collection, server);
        let here = tempfile::tempdir().unwrap();
        let list = |options: &str| {
            let (url, here) = (&server.url, here.path().display());
            notary(&format!("--server {url} --trust-dir {here} --tofu list acme/app{options}"))
        };
        let names = |run: &Run| -> Vec<String> {
            run.stdout.lines().map(|l| l.rsplit(' ').next().unwrap().to_owned()).collect()
        };
        let all = list("").expect(0);
        assert_eq!(names(&all), ["app.bin", "docs/a.txt", "docs/de.txt"]);
        assert!(all.stderr.contains("team has published nothing yet"), "{}", all.stderr);
        assert_eq!(names(&list(" --role german").expect(0)), ["docs/de.txt"]);
        list(" --role nobody").expect(5);
        server.answer("v2/acme/app/_trust/tuf/1.german.json", Canned::ok("{}"));
        let unread = tempfile::tempdir().unwrap();
        let (url, fresh) = (&server.url, unread.path().display());
        let line = format!("--server {url} --trust-dir {fresh} --tofu list acme/app");
        let all = notary(&line).expect(1);
        assert_eq!(names(&all), ["app.bin", "docs/a.txt"]);
        assert!(all.stderr.contains("the targets of german are not listed"), "{}", all.stderr);
    });
}
