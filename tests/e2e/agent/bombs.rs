//! Files that are hard to read, and delegations without end. What only a stolen key could sign is in it
//! too: the limits hold whoever sends a file.

use std::time::{Duration, Instant};

use notary_tests::hand::{Entry, Repository};
use notary_tests::mirror::Reply;

use crate::scene::Scene;

const MIB: usize = 1 << 20;
/// How long a client may take over a file of the greatest length.
const SOON: Duration = Duration::from_secs(60);

/// The beginning of a file, and a text again and again, up to a length.
fn filled(begin: &str, text: &str, length: usize) -> Vec<u8> {
    let mut file = begin.as_bytes().to_vec();
    file.extend(text.as_bytes().iter().cycle().take(length - begin.len()));
    file
}

/// A document with as many members as fit.
fn members(member: impl Fn(usize) -> String, length: usize) -> Vec<u8> {
    let mut file = br#"{"signatures":[],"signed":{"#.to_vec();
    for n in 0.. {
        let member = member(n);
        if file.len() + member.len() + 8 > length {
            break;
        }
        file.extend(member.as_bytes());
    }
    file.extend(b"\"z\":0}}");
    file
}

/// Bodies of this length, or of a few bytes, that nobody has signed, and what is wrong with them.
fn unsigned(length: usize) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const SIGNED: &str = r#"{"signatures":[],"signed":"#;
    const TOO_MANY: &str = "more members and items than a file of its length has";
    let version = |number: &str| format!("{SIGNED}{{\"version\":{number}}}}}").into_bytes();
    // In a mebibyte there is no room for as many as are too many.
    let (keys, signatures) = match length {
        MIB => ("missing field `_type`", "the document ends too early"),
        _ => (TOO_MANY, TOO_MANY),
    };
    vec![
        ("arrays in arrays", filled(SIGNED, "[", length), "expected '{'"),
        ("objects in objects", filled(SIGNED, "{\"a\":", length), "nested deeper than 64"),
        (
            "a long text",
            filled(&format!("{SIGNED}{{\"_type\":\""), "text", length),
            "a string without an end",
        ),
        (
            "a number of many digits",
            filled(&format!("{SIGNED}{{\"version\":"), "9", length),
            "an integer beyond 2^53-1",
        ),
        (
            "a number with an exponent",
            version("1e999999999"),
            "a number with a fraction or an exponent",
        ),
        (
            "a number beyond all integers",
            version("18446744073709551616"),
            "an integer beyond 2^53-1",
        ),
        ("keys", members(|n| format!("\"{n}\":0,"), length), keys),
        ("nothing but spaces", vec![b' '; length], "the document ends too early"),
        ("zeros", vec![0; length], "expected '{'"),
        (
            "signatures",
            filled(r#"{"signatures":["#, "{\"keyid\":\"00\",\"sig\":\"\"},", length),
            signatures,
        ),
    ]
}

/// A refresh before a mirror that answers one file so: what it says and the memory that it takes.
#[track_caller]
fn refuses(scene: &Scene, name: &str, what: &str, file: Vec<u8>, words: &[&str], most_mib: u64) {
    let before = scene.stored();
    let length = file.len();
    scene.answer(name, Reply::file(file));
    let started = Instant::now();
    let run = scene.refresh();
    let took = started.elapsed();
    eprintln!("{what}, {length} bytes: {} MiB, {took:?}, {}", run.peak_mib(), run.stderr().trim());
    words.iter().for_each(|words| run.fails(1, words));
    assert!(took < SOON, "{what} took {took:?}");
    assert!(run.peak_mib() <= most_mib, "{what} took {} MiB", run.peak_mib());
    assert_eq!(scene.stored(), before, "{what}: what is trusted has changed");
}

#[test]
fn a_root_or_timestamp_that_is_hard_to_read_costs_little() {
    let mut scene = Scene::looked_up();
    scene.publish();
    for name in ["timestamp.json", "2.root.json"] {
        let role = name.trim_start_matches("2.").trim_end_matches(".json");
        for (what, file, error) in unsigned(MIB) {
            refuses(&scene, name, what, file, &[&format!("{role}: "), error], 16);
        }
        let file = vec![b'['; MIB + 1];
        refuses(&scene, name, "a byte too many", file, &["longer than the 1048576 bytes"], 12);
        scene.mend();
    }
    scene.refresh().done();
}

/// A client whose next refresh asks for `2.targets.json`, of which neither length nor hash is listed.
fn before_unlisted_targets() -> Scene {
    let mut scene = Scene::looked_up();
    scene.repository.describe("targets", Entry::Version);
    scene.publish_anew(&["targets"]);
    scene.answer("2.targets.json", Reply::status("404 Not Found"));
    scene.refresh().refused("the repository has no 2.targets.json");
    scene
}

#[test]
fn targets_that_are_hard_to_read_cost_no_more_than_their_length() {
    let scene = before_unlisted_targets();
    for (what, file, error) in unsigned(64 * MIB) {
        refuses(&scene, "2.targets.json", what, file, &["targets: ", error], 2 * 64);
    }
    let file = vec![b'['; 64 * MIB + 1];
    let error = "longer than the 67108864 bytes";
    refuses(&scene, "2.targets.json", "a byte too many", file, &[error], 12);
    scene.mend();
    scene.refresh().done();
}

#[test]
fn a_file_has_the_length_and_the_hash_that_are_listed() {
    let mut scene = Scene::looked_up();
    scene.publish_anew(&["targets"]);
    for (role, name) in [("snapshot", "2.snapshot.json"), ("targets", "2.targets.json")] {
        scene.mend();
        scene.answer(name, Reply::status("404 Not Found"));
        scene.refresh().refused(&format!("the repository has no {name}"));
        let file = scene.repository.file(name).to_vec();
        let longer = [file.as_slice(), b" "].concat();
        let error = format!("longer than the {} bytes", file.len());
        refuses(&scene, name, "a byte more", longer, &[&error], 12);
        let error = format!("{role} does not have the length and hashes that are listed for it");
        refuses(&scene, name, "a byte less", file[..file.len() - 1].to_vec(), &[&error], 12);
        let mut other = file.clone();
        other[10] ^= 1;
        refuses(&scene, name, "another byte", other, &[&error], 12);
    }
    scene.mend();
    scene.refresh().done();
}

#[test]
fn a_snapshot_of_two_million_entries_is_too_long() {
    let mut scene = Scene::looked_up();
    scene.repository.describe("snapshot", Entry::Version);
    scene.publish_anew(&["snapshot"]);
    scene.answer("2.snapshot.json", Reply::status("404 Not Found"));
    scene.refresh().refused("the repository has no 2.snapshot.json");
    let entries = (0..2_000_000).map(|n| format!("\"{n}.json\":{{\"version\":1}},"));
    let file =
        format!("{{\"signatures\":[],\"signed\":{{\"meta\":{{{}", entries.collect::<String>());
    let file = file.into_bytes();
    assert!(file.len() > 40 * MIB);
    let error = "longer than the 16777216 bytes";
    let part = file[..16 * MIB].to_vec();
    refuses(&scene, "2.snapshot.json", "two million entries", file, &[error], 12);
    // As many of them as fit: nobody has signed them, so what they are never counts.
    refuses(
        &scene,
        "2.snapshot.json",
        "700,000 entries",
        part,
        &["snapshot: ", "without an end"],
        2 * 16 + 128,
    );
}

#[test]
fn a_chain_of_ten_thousand_delegations_ends() {
    ends_after_64_roles(|repository| {
        let names =
            std::iter::once("targets".to_owned()).chain((0..10_000).map(|n| format!("r{n}")));
        let names: Vec<String> = names.collect();
        for pair in names.windows(2) {
            repository.delegate_paths(&pair[0], &pair[1], &["x/*"]);
        }
    });
}

#[test]
fn ten_thousand_delegations_of_one_name_end() {
    ends_after_64_roles(|repository| {
        for n in 0..10_000 {
            repository.delegate_paths("targets", &format!("r{n}"), &["x/*"]);
        }
    });
}

fn ends_after_64_roles(delegate: impl FnOnce(&mut Repository)) {
    let scene = Scene::with(delegate);
    let run = scene.download(&["x/y"]);
    run.fails(1, "visited 64 roles without an answer");
    assert!(run.peak_mib() <= 40, "{} MiB", run.peak_mib());
    // Those of a refresh, and the 63 roles below targets.
    assert_eq!(scene.asked().len(), 4 + 63);
}
