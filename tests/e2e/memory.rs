//! What does a body cost?
//!
//! A refused one no more memory than the limit that refused it; an accepted one no more than twice
//! its size and 64 MiB. Measured on the process: the peak of its resident memory since the body was
//! sent, less what was resident before.

use std::fs;

use notary_schema::envelope::Unsigned;
use notary_tests::publisher::Publisher;
use notary_tests::world::{Answer, World};
use reqwest::{Body, Method};
use serde_json::{Value, json};

const GUN: &str = "acme/app";
const MIB: u64 = 1 << 20;
/// What the process may take beside what is in proportion to a body.
const BESIDE: u64 = 64 * MIB;

/// A world whose server is measured, and a publisher of `docs`.
struct Scale {
    world: World,
    publisher: Publisher,
}

impl Scale {
    fn new(limits: &[(&str, u64)]) -> Scale {
        let world = World::with(
            |_| {},
            |server| {
                let mut table = toml::Table::new();
                for (key, value) in limits {
                    table.insert((*key).to_owned(), i64::try_from(*value).expect("small").into());
                }
                server.insert("limits".into(), table.into());
            },
        );
        let mut publisher = Publisher::create(&world, GUN, &["docs"]);
        // What the first publish of its kind leaves behind is no part of a body's cost.
        publisher.publish_next("docs", world.clock.now());
        Scale { world, publisher }
    }

    /// The answer to a request, and the memory that it took in bytes.
    fn weigh(&mut self, send: impl FnOnce(&Publisher) -> Answer) -> (Answer, u64) {
        let process = self.world.server.process().expect("the server runs").id();
        let resident = |name: &str| {
            let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
            let line =
                status.lines().find(|line| line.starts_with(name)).expect("a line of memory");
            let kib =
                line.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok());
            kib.expect("a number") * 1024
        };
        fs::write(format!("/proc/{process}/clear_refs"), "5").expect("our own process");
        let before = resident("VmRSS:");
        let answer = send(&self.publisher);
        (answer, resident("VmHWM:").saturating_sub(before))
    }

    /// Publishes `docs` with these bytes, and tells what it cost.
    #[track_caller]
    fn assert_accepted(&mut self, what: &str, file: &[u8]) {
        let (answer, cost) = self.weigh(|publisher| publisher.http.publish(GUN, &[("docs", file)]));
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        self.assert_cost(what, cost, 2 * file.len() as u64 + BESIDE);
    }

    #[track_caller]
    fn assert_cost(&self, what: &str, cost: u64, most: u64) {
        eprintln!("{what}: {} of at most {} MiB", cost / MIB, most / MIB);
        assert!(cost <= most, "{what}: {} MiB, more than {} MiB", cost / MIB, most / MIB);
    }
}

/// The third version of `docs` with members of the caller.
fn signed(scale: &Scale, version: u64, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let file: Value = serde_json::from_slice(scale.publisher.file("docs")).expect("our own");
    let mut document = file["signed"].clone();
    document["version"] = json!(version);
    edit(&mut document);
    scale.publisher.sign(&Unsigned::new(&document))
}

fn ordinary_targets(count: usize) -> Value {
    let target = |number: usize| {
        let hash = format!("{number:064x}");
        (
            format!("docs/a-release-of-something-{number:08}.tar.gz"),
            json!({"hashes": {"sha256": hash}, "length": number}),
        )
    };
    (0..count).map(target).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn accepted_bodies_cost_no_more_than_twice_their_size_and_64_mib() {
    let mut scale = Scale::new(&[]);
    // The second and third find what the first has left behind.
    for (version, count) in [(3, 200_000), (4, 200_000), (5, 90_000)] {
        let file =
            signed(&scale, version, |document| document["targets"] = ordinary_targets(count));
        scale.assert_accepted(&format!("{count} targets, {} MiB", file.len() as u64 / MIB), &file);
    }
    let custom = json!({"a": {"b": [{"c": {}}, {"d": {}}, {"e": {}}]}});
    let file = signed(&scale, 6, |document| {
        document["targets"] = ordinary_targets(50_000);
        for target in document["targets"].as_object_mut().expect("an object").values_mut() {
            target["custom"] = custom.clone();
        }
    });
    scale.assert_accepted("custom objects", &file);
}

#[test]
fn hostile_shapes_cost_no_more_than_ordinary_ones() {
    let mut scale = Scale::new(&[]);
    let file =
        |inside: String| format!("{{\"signatures\":[],\"signed\":{{{inside}}}}}").into_bytes();
    let many = |piece: &str, bytes: usize| piece.repeat(bytes / piece.len());
    let numbered = |piece: fn(usize) -> String, count| (0..count).map(piece).collect::<String>();
    let length = 16 << 20;
    for (what, body) in [
        ("arrays", file(format!("\"x\":[{}0]", many("[],", length)))),
        ("objects", file(format!("\"x\":[{}0]", many("{\"a\":0},", length)))),
        ("texts", file(format!("\"x\":[{}0]", many("\"\",", length)))),
        (
            "paths",
            file(format!(
                "\"delegations\":{{\"roles\":[{{\"paths\":[{}\"\"]}}]}}",
                many("\"\",", length)
            )),
        ),
        ("roles", file(format!("\"delegations\":{{\"roles\":[{}0]}}", many("{},", length)))),
        (
            "keys of an object",
            file(format!(
                "\"x\":{{{}\"z\":0}}",
                numbered(|n| format!("\"{:x}\":0,", n * 7_919 % 2_000_003), 1_500_000)
            )),
        ),
        (
            "targets",
            file(format!(
                "\"targets\":{{{}\"z\":{{\"length\":0,\"hashes\":{{\"a\":\"\"}}}}}}",
                numbered(
                    |n| format!("\"{n:x}\":{{\"length\":0,\"hashes\":{{\"a\":\"\"}}}},"),
                    400_000
                )
            )),
        ),
        (
            "custom",
            file(format!(
                "\"targets\":{{\"a\":{{\"length\":0,\"hashes\":{{\"a\":\"\"}},\"custom\":[{}0]}}}}",
                many("{\"a\":0},", length)
            )),
        ),
        (
            "a key",
            file(format!(
                "\"delegations\":{{\"keys\":{{\"{}\":{{\"x\":[{}0]}}}}}}",
                "0".repeat(64),
                many("{\"a\":0},", length)
            )),
        ),
        (
            "signatures",
            format!("{{\"signatures\":[{}0]}}", many("{\"keyid\":\"00\",\"sig\":\"\"},", length))
                .into_bytes(),
        ),
        ("an array of arrays", many("[[[[[[[[[[]]]]]]]]]],", length).into_bytes()),
        ("depth", many("[", length).into_bytes()),
    ] {
        let size = body.len() as u64;
        let (answer, cost) =
            scale.weigh(|publisher| publisher.http.publish(GUN, &[("docs", &body)]));
        assert_eq!((answer.status, answer.code().as_str()), (400, "unreadable"), "{what}");
        scale.assert_cost(&format!("{what}, {} MiB", size / MIB), cost, 2 * size + BESIDE);
    }
    // Not canonical: what is signed is written anew.
    let loose = signed(&scale, 3, |document| document["targets"] = ordinary_targets(60_000));
    let loose = String::from_utf8(loose).expect("JSON").replace("\":", "\" : ");
    scale.assert_accepted("spaces", loose.as_bytes());
}

#[test]
fn refused_bodies_cost_no_more_than_the_limit_that_refused_them() {
    let limits =
        [("body_bytes", 20 * MIB), ("part_bytes", 8 * MIB), ("body_memory_bytes", 40 * MIB)];
    let mut scale = Scale::new(&limits);
    // What a connection and the log take, whatever is sent.
    let slack = 8 * MIB;
    let zeros = || vec![b'0'; 1 << 16];
    let head = b"--b\r\ncontent-disposition: form-data; name=\"files\"; filename=\"docs\"\r\n\r\n";
    let pieces = move |length: u64| {
        let zeros = (0..length / (1 << 16)).map(move |_| Ok::<_, std::io::Error>(zeros()));
        Body::wrap_stream(futures_util::stream::iter([Ok(head.to_vec())].into_iter().chain(zeros)))
    };
    for (what, length, is_told, most) in [
        ("100 MiB that say so", 100 * MIB, true, 0),
        ("100 MiB in chunks", 100 * MIB, false, 8 * MIB),
        ("a part that is too long", 15 * MIB, true, 8 * MIB),
    ] {
        let (answer, cost) = scale.weigh(|publisher| {
            let path = format!("/v2/{GUN}/_trust/tuf/");
            let mut request = publisher.http.request(Method::POST, &path);
            request = request.header("content-type", "multipart/form-data; boundary=b");
            if is_told {
                request = request.header("content-length", length + head.len() as u64);
            }
            publisher.http.send(request.body(pieces(length)))
        });
        assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"), "{what}");
        scale.assert_cost(what, cost, most + slack);
    }
    let now = scale.world.clock.now();
    scale.publisher.publish_next("docs", now);
}
