//! Does a holder without a network sign what the others see, and nothing else?

use notary_tests::world::{Outcome, Person};
use serde_json::{Value, json};

use super::Ceremony;

/// A change to an exported file.
type Tampering = fn(&mut Value);

/// What is done to the file on its way, and what the holder is told.
const ROWS: [(&str, Tampering, &str); 13] = [
    ("nothing", |_| {}, ""),
    (
        "another collection",
        |file| file["collection"] = "acme/other".into(),
        "is for the collection acme/other, not for acme/app",
    ),
    (
        "another version",
        |file| edit(&mut file["proposal"]["files"][0]["file"], "\"version\":1", "\"version\":2"),
        "is not the next version",
    ),
    (
        "a name that docs may not list",
        |file| edit(&mut file["proposal"]["files"][0]["file"], "docs/one", "else/one"),
        "docs may not list",
    ),
    (
        "a timestamp that nobody signed",
        |file| edit(&mut file["metadata"]["timestamp.json"], "\"expires\":\"2", "\"expires\":\"3"),
        "timestamp is signed by 0 of 1 keys",
    ),
    (
        "no timestamp",
        |file| drop(file["metadata"].as_object_mut().expect("one").remove("timestamp.json")),
        "timestamp.json",
    ),
    (
        "a name that leaves the directory",
        |file| file["metadata"]["x%2F..%2F..%2Fy"] = "{}".into(),
        "names no metadata",
    ),
    ("no file", |file| file["proposal"]["files"] = json!([]), "has no files"),
    ("no name", |file| file["metadata"][""] = "{}".into(), "\"\" names no metadata"),
    ("a query", |file| file["metadata"]["?a"] = "{}".into(), "\"?a\" names no metadata"),
    ("a name with a zero", |file| file["metadata"]["a%00.json"] = "{}".into(), "names no metadata"),
    (
        "a name below a file",
        |file| file["metadata"]["timestamp.json/a.json"] = "{}".into(),
        "names no metadata",
    ),
    ("a member that is unknown", |file| file["more"] = 1.into(), "is not a proposal"),
];

fn edit(text: &mut Value, from: &str, to: &str) {
    let edited = text.as_str().expect("text").replace(from, to);
    assert_ne!(*text, edited, "{from} was there");
    *text = edited.into();
}

/// Signs a file where no server is.
fn sign(person: &Person, file: &str) -> Outcome {
    let sign = format!("proposal sign acme/app --file {file} -o ../signatures --yes");
    person.notary(&format!("{sign} --server http://127.0.0.1:1 --timeout 1"))
}

#[test]
fn a_file_that_was_changed_on_its_way_is_refused_by_name() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "one");
    ceremony.anna.notary(&format!("proposal export acme/app {id} -o ../carried")).done();
    let carried =
        std::fs::read(ceremony.world.directory().join("carried")).expect("it was written");
    sign(&ceremony.carl, "/dev/zero").fails(8, "neither a file nor a link to one");
    for (row, tamper, told) in ROWS.into_iter().rev() {
        let mut file: Value = serde_json::from_slice(&carried).expect("it is JSON");
        tamper(&mut file);
        ceremony.carl.file("tampered", file.to_string());
        sign(&ceremony.carl, "tampered").is(told, row);
    }
    // Whether it has ended is not for the file to say.
    let mut file: Value = serde_json::from_slice(&carried).expect("it is JSON");
    file["proposal"]["state"] = "published".into();
    ceremony.carl.file("tampered", file.to_string());
    assert_eq!(sign(&ceremony.carl, "tampered").done(), "wrote ../signatures\n");
    ceremony.ben.notary("proposal import acme/app ../signatures").done();
    assert_eq!((ceremony.version("docs"), &*ceremony.state(&id)), (1, "published"));
    // A holder who has seen more is not led back.
    ceremony.carl.notary("lookup acme/app docs/one").done();
    sign(&ceremony.carl, "../carried").refused("");
}

#[test]
fn signatures_over_other_bytes_are_refused_when_they_come() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "one");
    ceremony.anna.notary(&format!("proposal export acme/app {id} -o ../carried")).done();
    let carried = std::fs::read_to_string(ceremony.world.directory().join("carried"));
    // Who carries it shows the holder another target, of the same role and version.
    let other = carried.expect("it was written").replace("docs/one", "docs/two");
    ceremony.carl.file("other", other);
    let shown = sign(&ceremony.carl, "other");
    assert!(shown.stderr().contains("+ target docs/two"), "{shown}");
    let import = "proposal import acme/app ../signatures";
    ceremony.ben.notary(import).refused("is not one over the bytes of docs");
    // The holder signs what the others see only when they say that they know.
    sign(&ceremony.carl, "../carried").refused("another content of docs 1 was signed here");
    assert_eq!((ceremony.open(), ceremony.state(&id)), (1, "open".to_owned()));
}

#[test]
fn without_a_root_of_ones_own_nothing_is_signed() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "one");
    ceremony.anna.notary(&format!("proposal export acme/app {id} -o ../carried")).done();
    ceremony.carl.notary("trust remove acme/app --yes").done();
    sign(&ceremony.carl, "../carried").refused("no root of acme/app is pinned here");
}
