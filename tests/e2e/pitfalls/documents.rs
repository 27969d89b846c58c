//! Names, members and values of documents.

use notary_schema::key::sha256_hex;
use notary_tests::hand::{Collection, Layout, target};
use serde_json::json;

use super::{Case, reads, refuses};

pub(super) fn cases() -> Vec<Case> {
    [names(), custom(), unknown_members(), dates(), spec_versions(), versions(), roles(), layouts()]
        .into_iter()
        .flatten()
        .collect()
}

/// Target names whose canonical order or form libraries get wrong.
fn names() -> Vec<Case> {
    let named = |name: &str, targets: &'static [&'static str]| {
        reads(name, |c| {
            for (length, target) in targets.iter().enumerate() {
                c.add_target(target, &vec![b'x'; length]);
            }
        })
    };
    vec![
        named("names that are prefixes of each other", &["foo", "foo bar", "foo!1", "foo\u{7f}"]),
        named("a name with a quote beside a plain one", &["say", "say \"hi\"", "say#", "a\\b"]),
        named("a decomposed name beside its composed twin", &["e\u{301}.txt", "\u{e9}.txt"]),
        named("names beyond the first plane", &["\u{ffff}", "\u{10000}", "\u{1f600}"]),
        named("a name with escaped control characters", &["tab\there", "line\nbreak", "\u{1}"]),
        refuses("targets", "control character", "a role name with a NUL", |c| {
            c.targets.signed["delegations"]["roles"][0]["name"] = json!("do\0cs");
        }),
        refuses("targets", "without its other half", "a name with a lone surrogate", |c| {
            c.add_target("SURROGATE", b"x");
            c.targets.edit_file(|file| file.replace("SURROGATE", "\\ud800"));
        }),
        reads("a target with sha512 and no sha256", |c| {
            let digest = ring::digest::digest(&ring::digest::SHA512, b"x");
            c.add_target("x", b"x")["hashes"] = json!({"sha512": hex::encode(digest)});
        }),
        refuses("targets", "\"hashes\" is empty", "a target without a hash", |c| {
            c.add_target("x", b"x")["hashes"] = json!({});
        }),
    ]
}

fn custom() -> Vec<Case> {
    let large = 9_007_199_254_740_991_i64;
    vec![
        reads("an empty custom", |c| c.add_target("x", b"x")["custom"] = json!({})),
        reads("custom is null", |c| c.add_target("x", b"x")["custom"] = json!(null)),
        reads("the largest safe integers in custom", |c| {
            c.add_target("x", b"x")["custom"] = json!({"n": [large, -large]});
        }),
        refuses("targets", "2^53-1", "2^53 in custom", |c| {
            c.add_target("x", b"x")["custom"] = json!({"n": large + 1});
        }),
        refuses("targets", "2^53-1", "2^64 in custom", |c| {
            c.add_target("x", b"x")["custom"] = json!({"n": "NUMBER"});
            c.targets.respell("\"NUMBER\"", "18446744073709551616");
        }),
        refuses("targets", "fraction", "a float in custom", |c| {
            c.add_target("x", b"x")["custom"] = json!({"n": 0.5});
        }),
    ]
}

fn unknown_members() -> Vec<Case> {
    let places = [
        ("root", ""),
        ("root", "/roles/targets"),
        ("targets", ""),
        ("targets", "/targets/app.tgz"),
        ("targets", "/delegations"),
        ("targets", "/delegations/roles/0"),
        ("docs", ""),
        ("snapshot", ""),
        ("snapshot", "/meta/docs.json"),
        ("timestamp", ""),
        ("timestamp", "/meta/snapshot.json"),
    ];
    let unknown = |(role, place): (&'static str, &'static str)| {
        reads(format!("an unknown member in {role}{place}"), |c| {
            let at = c.part(role).signed.pointer_mut(place).expect("the place is there");
            at["x-unknown"] = json!({"kept": [1, "a", null]});
        })
    };
    let beside_signed = reads("an unknown member beside signed", |c| {
        c.targets.edit_file(|file| file.replacen('{', "{\"x-unknown\":1,", 1));
    });
    let in_a_signature = reads("an unknown member in a signature", |c| {
        c.targets.edit_signatures(|signatures| signatures[0]["x-unknown"] = json!(1));
    });
    let mirrors = reads("the optional role mirrors in root", |c| {
        c.root.signed["roles"]["mirrors"] = c.root.signed["roles"]["targets"].clone();
    });
    places.map(unknown).into_iter().chain([beside_signed, in_a_signature, mirrors]).collect()
}

fn dates() -> Vec<Case> {
    let mut cases = vec![reads("a leap day", |c| {
        c.targets.signed["expires"] = json!("2040-02-29T23:59:59Z");
    })];
    cases.extend(
        [
            "2040-01-01T00:00:00.5Z",
            "2040-01-01T00:00:00.000Z",
            "2040-01-01T00:00:00+00:00",
            "2040-01-01T02:00:00+02:00",
            "2040-01-01T00:00:00",
            "2040-01-01t00:00:00z",
            "2040-01-01 00:00:00Z",
            "2040-12-31T23:59:60Z",
            "2041-02-29T00:00:00Z",
            "12040-01-01T00:00:00Z",
            "2040-1-1T00:00:00Z",
        ]
        .map(|date| {
            refuses("targets", "is not a date like", format!("the date {date}"), |c| {
                c.targets.signed["expires"] = json!(date);
            })
        }),
    );
    cases
}

fn spec_versions() -> Vec<Case> {
    let set = |version: &'static str| {
        move |c: &mut Collection| c.targets.signed["spec_version"] = json!(version)
    };
    let read = ["1.0", "1.0.0", "1.0.31", "1.99.5"];
    let refused = ["2.0.0", "0.9.0", "10.0.0", "1", "one", "1.0.0-rc", "1..0"];
    let read = read.map(|version| reads(format!("spec_version {version}"), set(version)));
    let refused = refused.map(|version| {
        refuses("targets", "spec_version", format!("spec_version {version}"), set(version))
    });
    read.into_iter().chain(refused).collect()
}

/// A version is an integer from 1 to 2^53-1, and is spelled like one.
fn versions() -> Vec<Case> {
    let set = |spelling: &'static str| {
        move |c: &mut Collection| {
            c.timestamp.respell(
                "\"1.0.34\",\"version\":1}",
                &format!("\"1.0.34\",\"version\":{spelling}}}"),
            )
        }
    };
    let read = ["2", "2147483647", "2147483648", "9007199254740991"];
    let refused = [
        ("9007199254740992", "2^53-1"),
        ("9223372036854775808", "2^53-1"),
        ("18446744073709551617", "2^53-1"),
        ("0", "start at 1"),
        ("-1", "-1"),
        ("-0", "-0"),
        ("01", "leading zero"),
        ("1.0", "fraction"),
        ("1e0", "exponent"),
        ("\"1\"", "string"),
        ("true", "boolean"),
        ("null", "unit value"),
    ];
    let read = read.map(|spelling| reads(format!("version {spelling}"), set(spelling)));
    let refused = refused.map(|(spelling, because)| {
        refuses("timestamp", because, format!("version {spelling}"), set(spelling))
    });
    read.into_iter().chain(refused).collect()
}

/// Delegations that a reader cannot follow in one way only.
fn roles() -> Vec<Case> {
    let delegate_to = |name: &'static str| {
        move |c: &mut Collection| {
            let roles = &mut c.targets.signed["delegations"]["roles"];
            let mut second = roles[0].clone();
            second["name"] = json!(name);
            second["paths"] = json!(["other/*"]);
            roles.as_array_mut().expect("roles are a list").push(second);
        }
    };
    let top_level = "top-level role";
    vec![
        refuses("targets", top_level, "a delegation to timestamp", delegate_to("timestamp")),
        refuses("targets", top_level, "a delegation to targets", delegate_to("targets")),
        refuses("targets", "two delegations", "two delegations to one role", delegate_to("docs")),
        refuses("targets", "is empty", "a delegation to a role without a name", delegate_to("")),
        refuses("targets", "exactly one of", "a delegation by paths and by hash prefixes", |c| {
            c.targets.signed["delegations"]["roles"][0]["path_hash_prefixes"] = json!(["0"]);
        }),
        reads("a delegation by hash prefix", |c| {
            let prefix = &sha256_hex(b"docs/guide.txt")[..2];
            let role = &mut c.targets.signed["delegations"]["roles"][0];
            role["path_hash_prefixes"] = json!([prefix]);
            role.as_object_mut().expect("a role is an object").remove("paths");
        }),
        reads("a target and its delegated twin", |c| {
            c.docs.signed["targets"]["docs/other.txt"] = target(b"other");
        }),
    ]
}

/// One document has many texts: its meaning is the same, and the bytes that came are what the
/// snapshot describes.
fn layouts() -> Vec<Case> {
    let laid_out =
        |role: &'static str, layout| move |c: &mut Collection| c.part(role).layout = layout;
    vec![
        reads("root with white space", laid_out("root", Layout::Pretty)),
        reads("targets with white space", laid_out("targets", Layout::Pretty)),
        reads("timestamp with white space", laid_out("timestamp", Layout::Pretty)),
        reads("members in another order", |c| {
            c.targets.edit_file(|file| {
                let file: serde_json::Value = serde_json::from_str(&file).expect("JSON");
                format!(
                    "\r\n{{\t\"signed\" : {}, \"signatures\":{}}}",
                    file["signed"], file["signatures"]
                )
            });
        }),
        reads("escapes that need not be", |c| {
            c.targets.edit_file(|file| file.replace("app.tgz", "\\u0061pp\\u002Etgz"));
        }),
        refuses(
            "targets",
            "signed by 0 of 1",
            "a signature over the raw bytes of a file with white space",
            laid_out("targets", Layout::PrettyAndSignedRaw),
        ),
    ]
}
