//! A mirror that sends anything but HTTP as it should be. Each row ends in a named error, soon, with
//! little memory, and what the client trusts stays as it was.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notary_tests::hand::Entry;
use notary_tests::mirror::{Reply, Wire};

use crate::scene::{Scene, hashed};

/// How long a client may take, whatever its `--timeout`.
const SOON: Duration = Duration::from_secs(60);
/// The most memory of a client, in MiB, whatever comes in place of a mebibyte at most.
const MOST_MIB: u64 = 32;
const MIB: usize = 1 << 20;

/// One way to be hostile.
struct Row {
    what: &'static str,
    send: Box<Wire>,
    /// Of `notary lookup`; `notary client` always ends in 1.
    code: i32,
    error: &'static str,
}

fn row(
    what: &'static str,
    code: i32,
    error: &'static str,
    send: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Row {
    Row { what, send: Box::new(send), code, error }
}

/// The same bytes until the client goes.
fn endless(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    loop {
        stream.write_all(bytes)?;
    }
}

fn head(stream: &mut TcpStream, lines: &str) -> io::Result<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{lines}\r\n").as_bytes())
}

static SPACES: [u8; 1 << 16] = [b' '; 1 << 16];

/// Of the file that is asked for.
const TOO_LONG: &str = "is longer than the MOST bytes";
const NO_HTTP: &str = "does not answer in HTTP";
const UNREACHABLE: &str = "could not be reached";
const TIME_IS_OVER: &str = "the time is over (--timeout)";

fn rows() -> Vec<Row> {
    vec![
        row("a body without a length and an end", 1, TOO_LONG, |stream| {
            head(stream, "")?;
            endless(stream, &SPACES)
        }),
        row("chunks of four bytes without an end", 1, "comes in crumbs", |stream| {
            head(stream, "transfer-encoding: chunked\r\n")?;
            endless(stream, &b"4\r\n    \r\n".repeat(1000))
        }),
        row("chunks without an end", 1, TOO_LONG, |stream| {
            head(stream, "transfer-encoding: chunked\r\n")?;
            endless(stream, format!("ffff\r\n{}\r\n", " ".repeat(0xffff)).as_bytes())
        }),
        row("HTTP/1.0 without an end", 1, TOO_LONG, |stream| {
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n")?;
            endless(stream, &SPACES)
        }),
        row("a length beyond the limit", 1, TOO_LONG, |stream| {
            head(stream, "content-length: 1000000000000\r\n")
        }),
        row("a length beyond all numbers", 4, NO_HTTP, |stream| {
            head(stream, "content-length: 99999999999999999999999999\r\n")
        }),
        row("a negative length", 4, NO_HTTP, |stream| head(stream, "content-length: -1\r\n")),
        row("two lengths", 4, NO_HTTP, |stream| {
            head(stream, "content-length: 2\r\ncontent-length: 3\r\n")?;
            stream.write_all(b"{}")
        }),
        row("a body that is shorter than its length", 4, UNREACHABLE, |stream| {
            head(stream, "content-length: 100\r\n")?;
            stream.write_all(b"{}")
        }),
        row("a chunk that is cut off", 4, UNREACHABLE, |stream| {
            head(stream, "transfer-encoding: chunked\r\n")?;
            stream.write_all(b"ff\r\n{")
        }),
        row("a chunk of a length that is none", 4, NO_HTTP, |stream| {
            head(stream, "transfer-encoding: chunked\r\n")?;
            stream.write_all(b"many\r\n{}")
        }),
        row("a byte now and then", 4, TIME_IS_OVER, |stream| {
            head(stream, "content-length: 1000\r\n")?;
            loop {
                stream.write_all(b" ")?;
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }),
        row("a header byte now and then", 4, TIME_IS_OVER, |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
            loop {
                stream.write_all(b"x")?;
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }),
        row("headers without an end", 4, NO_HTTP, |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            endless(stream, b"x-header: of no use\r\n")
        }),
        row("one header without an end", 4, NO_HTTP, |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx: ")?;
            endless(stream, &SPACES)
        }),
        row("more headers than anybody needs", 4, NO_HTTP, |stream| {
            head(stream, &"x: y\r\n".repeat(2000))
        }),
        row("informational answers now and then", 4, TIME_IS_OVER, |stream| {
            loop {
                stream.write_all(&b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100))?;
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }),
        row("garbage", 4, NO_HTTP, |stream| stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")),
        row("garbage without an end", 4, NO_HTTP, |stream| endless(stream, &[0; 1 << 16])),
        row("nothing", 4, UNREACHABLE, |_| Ok(())),
        row("a packed body", 1, "the content encoding \"gzip\"", |stream| {
            head(stream, "content-encoding: gzip\r\ncontent-length: 2\r\n")?;
            stream.write_all(b"{}")
        }),
        row(
            "a body packed twice, without an end",
            1,
            "the content encoding \"br, gzip\"",
            |stream| {
                head(stream, "content-encoding: br, gzip\r\n")?;
                endless(stream, &[0; 1 << 16])
            },
        ),
        row("a redirect to itself", 1, "more than 5 others in turn", |stream| {
            // Said, or the next request may go into the connection that is being closed.
            stream.write_all(
                b"HTTP/1.1 302 Found\r\nlocation: \r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            )
        }),
        row("a redirect to nowhere", 1, "redirects to nowhere", |stream| {
            stream.write_all(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n")
        }),
        row("a redirect to another host", 1, "redirects to http://localhost:1/", |stream| {
            stream.write_all(
                b"HTTP/1.1 302 Found\r\nlocation: http://localhost:1/\r\ncontent-length: 0\r\n\r\n",
            )
        }),
        row("a redirect to a file", 1, "redirects to file:///etc/passwd", |stream| {
            stream.write_all(
                b"HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n",
            )
        }),
        row("a refusal without an end", 1, "answers 400", |stream| {
            stream.write_all(b"HTTP/1.1 400 No\r\ncontent-type: application/json\r\n\r\n")?;
            endless(stream, &SPACES)
        }),
    ]
}

/// How long is waited, in seconds: no longer than needed where nothing gets better, and long enough
/// for a busy machine where the answer ends the run.
fn timeout(error: &str) -> &'static str {
    match error {
        UNREACHABLE | TIME_IS_OVER => "1",
        _ => "60",
    }
}

/// Runs programs, each with its exit code, before a mirror that answers one file so. The file may have
/// so many bytes, and so much memory may be taken for it.
#[track_caller]
fn is_refused<const N: usize>(
    scene: &Scene,
    (name, most_bytes, most_mib): (&str, usize, u64),
    row: Row,
    programs: [(Command, i32); N],
) {
    let send = Arc::new(row.send);
    scene.answer(name, Reply::wire(move |stream| send(stream)));
    let error = row.error.replace("MOST", &most_bytes.to_string());
    for (mut program, code) in programs {
        program.args(["--timeout", timeout(row.error)]);
        let started = Instant::now();
        let run = scene.run(program);
        let took = started.elapsed();
        let what = format!("{}: {} MiB, {took:?}, {}", row.what, run.peak_mib(), run.stderr());
        eprint!("{what}");
        run.fails(code, &error);
        assert!(took < SOON && run.peak_mib() < most_mib, "{what}");
    }
}

/// Both programs refuse one metadata file that is answered so, and trust what they did.
#[track_caller]
fn is_harmless(scene: &Scene, file: (&str, usize, u64), row: Row) {
    let (client, user, what) = (scene.stored(), scene.users_stored(), row.what);
    let programs = [(scene.command("refresh"), 1), (scene.look_up("app.tgz"), row.code)];
    is_refused(scene, file, row, programs);
    assert_eq!(scene.stored(), client, "{what}: what is trusted has changed");
    assert_eq!(scene.users_stored(), user, "{what}: what is trusted has changed");
}

/// A client and a user that have refreshed.
fn refreshed() -> Scene {
    let scene = Scene::looked_up();
    scene.pin();
    scene.run(scene.look_up("app.tgz")).done();
    scene
}

#[test]
fn a_short_file_of_a_hostile_mirror_does_no_harm() {
    let mut scene = refreshed();
    scene.publish();
    let longer = row("a body that is longer than its length", 1, "timestamp: ", |stream| {
        head(stream, "content-length: 2\r\n")?;
        stream.write_all(b"{}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
    });
    let cut = row("HTTP/1.0 that is cut off", 1, "timestamp: ", |stream| {
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{\"signatures\":[")
    });
    // This makes the client late by some seconds (docs/SECURITY.md), and no more than that.
    let fast = row("informational answers as fast as they come", 4, TIME_IS_OVER, |stream| {
        endless(stream, &b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000))
    });
    for row in rows().into_iter().chain([longer, cut, fast]) {
        is_harmless(&scene, ("timestamp.json", MIB, MOST_MIB), row);
    }
    scene.mend();
    scene.refresh().done();
}

/// Of a targets role neither length nor hash need be listed: it may have 64 MiB.
#[test]
fn a_long_file_of_a_hostile_mirror_does_no_harm() {
    let mut scene = refreshed();
    scene.repository.describe("targets", Entry::Version);
    scene.publish_anew(&["targets"]);
    scene.answer("2.targets.json", Reply::status("404 Not Found"));
    scene.refresh().refused("the repository has no 2.targets.json");
    scene.run(scene.look_up("app.tgz")).fails(5, "the repository has no 2.targets.json");
    for row in rows() {
        if [TOO_LONG, TIME_IS_OVER].contains(&row.error) {
            is_harmless(&scene, ("2.targets.json", 64 * MIB, 2 * 64 + MOST_MIB), row);
        }
    }
    scene.mend();
    scene.refresh().done();
}

#[test]
fn a_target_of_a_hostile_mirror_is_not_stored() {
    let content = "a".repeat(MIB);
    let mut scene = Scene::refreshed();
    scene.repository.add_target("targets", "file", content.as_bytes());
    scene.publish();
    let body = |what, error, body: String| {
        row(what, 1, error, move |stream| {
            head(stream, &format!("content-length: {}\r\n", body.len()))?;
            stream.write_all(body.as_bytes())
        })
    };
    let rows = rows().into_iter().chain([
        body("other bytes", "which is not the listed one", "A".repeat(MIB)),
        body("a byte less", "it has 1048575 bytes, not 1048576", content[1..].to_owned()),
        body("no bytes", "it has 0 bytes, not 1048576", String::new()),
        body("a byte more", TOO_LONG, format!("{content}a")),
        row("HTTP/1.0 that is cut off", 1, "it has 2 bytes, not 1048576", |stream| {
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\naa")
        }),
    ]);
    let place = hashed("file", &content);
    for row in rows {
        let what = row.what;
        let download = scene.download_command(&["file"]);
        is_refused(&scene, (&place, MIB, MOST_MIB), row, [(download, 1)]);
        assert_eq!(scene.downloaded_names(), [""; 0], "{what}");
    }
    scene.mend();
    scene.download(&["file"]).done();
    assert!(scene.downloaded()["file"] == content.as_bytes());
}
