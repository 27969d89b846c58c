//! The text of a file: what parsers of the field read differently.

use notary_tests::hand::Collection;
use serde_json::{Value, json};

use super::{Case, reads, refuses};

pub(super) fn cases() -> Vec<Case> {
    [repeated_keys(), look_alikes(), nesting(), beginnings_and_ends()]
        .into_iter()
        .flatten()
        .collect()
}

/// A repeated key is refused in any object. The last one is the true one here, so that a reader who
/// takes the last finds a valid signature.
fn repeated_keys() -> Vec<Case> {
    let places: [(&str, &str, &str); 11] = [
        ("root", "\"consistent_snapshot\":", "false"),
        ("root", "\"threshold\":", "9"),
        ("root", "\"keyval\":", "{}"),
        ("root", "\"keys\":", "{}"),
        ("targets", "\"app.tgz\":", "{\"hashes\":{\"sha256\":\"00\"},\"length\":9}"),
        ("targets", "\"sha256\":", "\"00\""),
        ("targets", "\"terminating\":", "true"),
        ("targets", "\"sig\":", "\"00\""),
        ("docs", "\"expires\":", "\"2001-01-01T00:00:00Z\""),
        ("snapshot", "\"docs.json\":", "{\"version\":9}"),
        ("timestamp", "\"version\":", "9"),
    ];
    let repeated = |(role, key, first): (&'static str, &'static str, &'static str)| {
        let name = key.trim_matches(['"', ':']);
        refuses(role, "is repeated", format!("a repeated {name} in {role}"), move |c| {
            let twice = format!("{key}{first},{key}");
            c.part(role).edit_file(move |file| file.replacen(key, &twice, 1));
        })
    };
    let mut cases: Vec<Case> = places.map(repeated).into();
    cases.push(refuses(
        "targets",
        "is repeated",
        "a key that is repeated through an escape",
        |c| {
            c.targets.edit_file(|file| {
                file.replacen("\"version\":", "\"\\u0076ersion\":9,\"version\":", 1)
            });
        },
    ));
    cases.push(refuses("targets", "is repeated", "a repeated key deep in custom", |c| {
        c.add_target("x", b"x")["custom"] = json!({"a": [{"b": 1}]});
        c.targets.edit_file(|file| file.replace("{\"b\":1}", "{\"b\":2,\"b\":1}"));
    }));
    cases.push(reads("the same key in two objects", |c| {
        c.add_target("x", b"x")["custom"] = json!({"version": 1, "a": {"version": 2}});
    }));
    cases
}

/// Go's decoder takes `Version` for `version`, and the last one wins.
fn look_alikes() -> Vec<Case> {
    let places = [
        ("root", "", "Roles"),
        ("root", "/roles/targets", "THRESHOLD"),
        ("targets", "", "Version"),
        ("targets", "", "ver\u{17f}ion"),
        ("targets", "/targets/app.tgz", "Length"),
        ("targets", "/delegations", "Keys"),
        ("targets", "/delegations/roles/0", "Terminating"),
        ("snapshot", "/meta/docs.json", "Version"),
        ("timestamp", "/meta", "Snapshot.json"),
    ];
    let alike = |(role, place, key): (&'static str, &'static str, &'static str)| {
        let name = format!("{key} in {role}{place}");
        refuses(role, "differs only in case", name, move |c| {
            let at = c.part(role).signed.pointer_mut(place).expect("the place is there");
            at[key] = json!(9);
        })
    };
    let mut cases: Vec<Case> = places.map(alike).into();
    cases.push(refuses("targets", "differs only in case", "Signed beside signed", |c| {
        c.targets.edit_file(|file| file.replacen('{', "{\"Signed\":{},", 1));
    }));
    cases.push(refuses("root", "differs only in case", "Scheme in a key", |c| {
        let keys = c.root.signed["keys"].as_object_mut().expect("keys are a map");
        keys.values_mut().next().expect("there is a key")["Scheme"] = json!("x");
    }));
    cases.push(reads("a target and a member whose names differ in case from others", |c| {
        c.add_target("APP.tgz", b"APP")["custom"] = json!({"Length": 1, "length": 2});
        c.targets.signed["x-version"] = json!(9);
    }));
    cases
}

fn nesting() -> Vec<Case> {
    // The file, signed, targets, the target and its custom are five levels.
    let nested = |levels: usize| {
        move |c: &mut Collection| {
            let nested = (5..levels).fold(Value::Null, |inner, _| json!([inner]));
            c.add_target("x", b"x")["custom"] = json!({"nested": nested});
        }
    };
    vec![
        reads("64 levels of nesting", nested(64)),
        refuses("targets", "deeper than 64", "65 levels of nesting", nested(65)),
        refuses("targets", "deeper than 64", "a million levels beside signed", |c| {
            let deep = format!("{{\"x\":{},", "[".repeat(1_000_000));
            c.targets.edit_file(move |file| file.replacen('{', &deep, 1));
        }),
    ]
}

fn beginnings_and_ends() -> Vec<Case> {
    let edited = |edit: fn(String) -> String| move |c: &mut Collection| c.targets.edit_file(edit);
    vec![
        reads("white space around the file", edited(|file| format!("\r\n\t {file} \r\n"))),
        refuses(
            "targets",
            "byte order mark",
            "a byte order mark",
            edited(|file| format!("\u{feff}{file}")),
        ),
        refuses("targets", "after the end", "a word after the file", edited(|file| file + "x")),
        refuses(
            "targets",
            "after the end",
            "a second document after the file",
            edited(|file| file + "{}"),
        ),
        refuses("targets", "after the end", "a NUL after the file", edited(|file| file + "\0")),
        refuses(
            "targets",
            "too early",
            "a file cut short",
            edited(|mut file| {
                file.pop();
                file
            }),
        ),
        refuses("targets", "too early", "an empty file", edited(|_| String::new())),
        refuses("targets", "no \"signatures\"", "an empty object", edited(|_| "{}".to_owned())),
        refuses("targets", "of type \"snapshot\"", "a file of another role", |c| {
            c.targets.signed["_type"] = json!("snapshot");
        }),
    ]
}
