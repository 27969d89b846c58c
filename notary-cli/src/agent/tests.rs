use std::path::Path;
use std::time::Duration;

use notary_schema::trusted::TrustError;
use notary_schema::updater::Limits;

use super::*;
use crate::remote::HttpError;
use crate::remote::RemoteError;
use crate::testing::{Announced, Canned, Collection, Server, now, role, silent, target};

fn patient() -> Http {
    Http::new(None, Duration::from_secs(60), silent())
}

/// For what does not get better: one try, however long it takes.
fn impatient() -> Http {
    patient().giving_up_after(1)
}

fn files(directory: &Path, root: &[u8]) -> MetadataDir {
    let files = MetadataDir::new(directory.to_owned());
    files.save("root.json", root).unwrap();
    files
}

fn agent<'a>(files: &MetadataDir, server: &Server, http: &'a Http) -> Agent<'a> {
    Agent::new(files.clone(), server.url.clone(), None, http, now(), Expiry::Enforced)
}

struct World {
    collection: Collection,
    server: Server,
    files: MetadataDir,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> World {
        let (collection, server) = (Collection::new(), Server::start().await);
        server.serve(&collection);
        let directory = tempfile::tempdir().unwrap();
        let files = files(directory.path(), collection.root_file());
        World { collection, server, files, _directory: directory }
    }

    async fn refresh(&self) -> Result<(), AgentError> {
        self.refresh_with(patient()).await
    }

    async fn refresh_with(&self, http: Http) -> Result<(), AgentError> {
        agent(&self.files, &self.server, &http).refresh().await
    }
}

#[tokio::test]
async fn trusted_files_are_stored_byte_for_byte_and_a_second_refresh_asks_for_two() {
    let world = World::new().await;
    world.refresh().await.unwrap();
    for (local, remote) in [
        ("root.json", "1.root.json"),
        ("timestamp.json", "timestamp.json"),
        ("snapshot.json", "1.snapshot.json"),
        ("targets.json", "1.targets.json"),
    ] {
        let stored = world.files.load(local).unwrap();
        assert_eq!(stored.as_ref(), world.collection.files.get(remote), "{local}");
    }
    let before = world.server.asked().len();
    world.refresh().await.unwrap();
    assert_eq!(world.server.asked()[before..], ["/2.root.json", "/timestamp.json"]);
}

#[tokio::test]
async fn a_look_up_follows_delegations_and_finds_what_is_there_only() {
    let world = World::new().await;
    let http = patient();
    let mut agent = agent(&world.files, &world.server, &http);
    agent.refresh().await.unwrap();
    let found = agent.find("docs/de.txt").await.unwrap().unwrap();
    assert_eq!((found.role, found.file), (role("german"), target(b"docs/de.txt")));
    assert_eq!(agent.find("docs/none").await.unwrap(), None);
    let pending = agent.find("team/x").await.unwrap_err();
    assert!(matches!(pending, AgentError::Update(UpdateError::Trust(TrustError::NotListed(_)))));
}

#[tokio::test]
async fn only_404_and_403_end_the_walk_along_the_roots() {
    let world = World::new().await;
    for missing in ["404 Not Found", "403 Forbidden"] {
        world.server.answer("2.root.json", Canned::status(missing));
        world.refresh().await.unwrap();
    }
    for (status, wanted) in [("401 Unauthorized", 401), ("500 Oops", 500), ("410 Gone", 410)] {
        world.server.answer("2.root.json", Canned::status(status));
        let refused = world.refresh_with(impatient()).await.unwrap_err();
        let AgentError::Remote(RemoteError::Status { status, .. }) = refused else {
            panic!("{refused}")
        };
        assert_eq!(status, wanted);
    }
}

#[tokio::test]
async fn a_service_that_is_not_well_is_asked_again_and_a_refusal_is_not() {
    let world = World::new().await;
    let real = Canned::ok(world.collection.files["timestamp.json"].clone());
    let retry = Canned::status("503 Busy\r\nretry-after: 0");
    for passing in [Canned::status("500 Oops"), Canned::status("429 Slow Down"), retry] {
        world.server.answer_in_turn("timestamp.json", vec![passing, real.clone()]);
        world.refresh().await.unwrap();
    }
    let refused = Canned::status("401 Unauthorized");
    world.server.answer_in_turn("timestamp.json", vec![refused, real]);
    let before = world.server.asked().len();
    assert!(world.refresh().await.is_err());
    assert_eq!(world.server.asked()[before..], ["/2.root.json", "/timestamp.json"]);
}

#[tokio::test]
async fn a_missing_file_that_is_listed_is_not_found() {
    let world = World::new().await;
    world.server.answer("1.snapshot.json", Canned::status("404 Not Found"));
    let refused = world.refresh().await.unwrap_err();
    assert!(matches!(refused, AgentError::Update(UpdateError::NotFound(_))), "{refused}");
}

#[tokio::test]
async fn a_body_is_read_as_far_as_it_may_be_long() {
    let world = World::new().await;
    let limit = Limits::default().small_bytes;
    let long = vec![b' '; usize::try_from(limit).unwrap() + 1];
    let fits = long[..long.len() - 1].to_vec();
    world.server.answer("timestamp.json", Canned::ok(fits));
    let unreadable = world.refresh().await.unwrap_err();
    assert!(matches!(unreadable, AgentError::Update(UpdateError::Trust(_))), "{unreadable}");
    for announced in [Announced::Truly, Announced::Not] {
        let canned = Canned { announced, ..Canned::ok(long.clone()) };
        world.server.answer("timestamp.json", canned);
        let refused = world.refresh().await.unwrap_err();
        assert!(
            matches!(refused, AgentError::Remote(RemoteError::Http(HttpError::TooLong { .. }))),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_broken_connection() {
    let world = World::new().await;
    let body = world.collection.files["timestamp.json"].clone();
    let announced = Announced::As(body.len() as u64 + 10);
    world.server.answer("timestamp.json", Canned { head: "200 OK".into(), body, announced });
    let refused = world.refresh_with(impatient()).await.unwrap_err();
    assert!(
        matches!(refused, AgentError::Remote(RemoteError::Http(HttpError::Unreachable { .. }))),
        "{refused}"
    );
    assert_eq!(world.files.load("timestamp.json").unwrap(), None);
}

#[tokio::test]
async fn a_redirect_is_followed_within_its_origin_only() {
    let world = World::new().await;
    let elsewhere = Server::start().await;
    elsewhere.serve(&world.collection);
    let to = |location: &str| Canned::status(&format!("302 Found\r\nlocation: {location}"));
    let file = world.collection.files["timestamp.json"].clone();
    world.server.answer("moved.json", Canned::ok(file));
    world.server.answer("timestamp.json", to("/moved.json"));
    world.refresh().await.unwrap();
    let other = elsewhere.url.join("timestamp.json").unwrap();
    for away in [other.as_str(), "https://127.0.0.1/x", "file:///etc/passwd", "/timestamp.json"] {
        world.server.answer("timestamp.json", to(away));
        let refused = world.refresh().await.unwrap_err();
        assert!(
            matches!(refused, AgentError::Remote(RemoteError::Http(HttpError::Redirect { .. }))),
            "{away}"
        );
    }
    assert_eq!(elsewhere.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn plain_http_reaches_this_machine_only() {
    let http = impatient();
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path(), Collection::new().root_file());
    let base = "http://notary.example/".parse().unwrap();
    let mut agent = Agent::new(files, base, None, &http, now(), Expiry::Enforced);
    let refused = agent.refresh().await.unwrap_err();
    assert!(
        matches!(refused, AgentError::Remote(RemoteError::Http(HttpError::Insecure { .. }))),
        "{refused}"
    );
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let world = World::new().await;
    let url = world.server.url.clone();
    drop(world.server);
    let http = impatient();
    let mut agent = Agent::new(world.files, url, None, &http, now(), Expiry::Enforced);
    let refused = agent.refresh().await.unwrap_err();
    assert!(
        matches!(refused, AgentError::Remote(RemoteError::Http(HttpError::Unreachable { .. }))),
        "{refused}"
    );
}

#[tokio::test]
async fn a_target_is_taken_only_when_it_is_the_listed_one() {
    let world = World::new().await;
    let http = patient();
    let directory = tempfile::tempdir().unwrap();
    let to = directory.path().join("app.bin");
    let found = Found { name: "app.bin".into(), role: RoleName::TARGETS, file: target(b"content") };
    let url = target::url(&world.server.url, "app.bin").unwrap();
    let download = async || {
        let progress = silent().bytes(0, "");
        target::download(&http, &url, &found, &to, progress).await
    };
    for (canned, wanted) in [
        (Canned::ok("CONTENT"), "not the listed one"),
        (Canned::ok("conten"), "6 bytes, not 7"),
        (Canned::ok("content!"), "longer than the 7 bytes"),
        (Canned::status("404 Not Found"), "answers 404"),
    ] {
        world.server.answer("app.bin", canned);
        let refused = download().await.unwrap_err().to_string();
        assert!(refused.contains(wanted), "{refused}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{wanted}");
    }
    let broken =
        Canned { head: "200 OK".into(), body: b"con".to_vec(), announced: Announced::As(7) };
    world.server.answer_in_turn("app.bin", vec![broken, Canned::ok("content")]);
    download().await.unwrap();
    assert_eq!(std::fs::read(&to).unwrap(), b"content");
}

#[cfg(unix)]
#[tokio::test]
async fn a_target_that_has_no_place_is_not_asked_for() {
    let world = World::new().await;
    let http = patient();
    let found = Found { name: "app.bin".into(), role: RoleName::TARGETS, file: target(b"content") };
    let url = target::url(&world.server.url, "app.bin").unwrap();
    world.server.answer("app.bin", Canned::ok("content"));
    let directory = tempfile::tempdir().unwrap();
    let download = async |name: &str| {
        let progress = silent().bytes(0, "");
        target::download(&http, &url, &found, &directory.path().join(name), progress).await
    };
    std::fs::create_dir(directory.path().join("taken")).unwrap();
    std::os::unix::fs::symlink("taken", directory.path().join("leads away")).unwrap();
    for (name, wanted) in [
        ("taken", "is a directory"),
        ("leads away", "neither a file nor a link to one"),
        (&"n".repeat(256), "name too long"),
    ] {
        let refused = download(name).await.unwrap_err().to_string();
        assert!(refused.contains(wanted), "{refused}");
    }
    assert_eq!(world.server.asked(), [""; 0]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "a part of it was left");
    download(&"n".repeat(255)).await.unwrap();
    std::fs::write(directory.path().join("older"), "old").unwrap();
    download("older").await.unwrap();
    std::os::unix::fs::symlink("older", directory.path().join("link")).unwrap();
    download("link").await.unwrap();
}

#[tokio::test]
async fn stored_files_alone_say_what_they_said_when_they_were_trusted() {
    let world = World::new().await;
    assert!(
        stored(&world.files, Wanted::default(), now()).unwrap().is_none(),
        "a root alone says nothing of targets"
    );
    let http = patient();
    let mut agent = agent(&world.files, &world.server, &http);
    agent.refresh().await.unwrap();
    agent.find("docs/de.txt").await.unwrap();
    let later = now() + chrono::TimeDelta::days(1000);
    let trusted = stored(&world.files, Wanted::default(), later).unwrap().unwrap();
    assert!(trusted.targets(&role("german")).is_some(), "expired metadata is used");
    world.files.save("german.json", b"{}").unwrap();
    let trusted = stored(&world.files, Wanted::default(), now()).unwrap().unwrap();
    assert!(trusted.targets(&role("german")).is_none(), "damaged metadata is not");
    assert!(trusted.targets(&role("docs")).is_some());
}
