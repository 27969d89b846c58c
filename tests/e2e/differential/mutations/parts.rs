//! Mistakes in the document of a role, in its signatures, and in the text of its file.

use chrono::TimeDelta;
use notary_schema::role::Expires;
use notary_tests::hand::{Layout, Part};
use serde_json::{Value, json};

use super::{Draw, How, Mutation};

const fn part(name: &'static str, edit: fn(&mut Part, &mut Draw<'_>)) -> Mutation {
    Mutation { name, how: How::Part(edit) }
}

pub(super) const ALL: &[Mutation] = &[
    part("some keys do not sign", |part, draw| {
        let left = draw.random.index(part.signers.len().max(1));
        part.signers.truncate(left);
    }),
    part("a stranger signs instead of a key", |part, draw| {
        if !part.signers.is_empty() {
            let at = draw.random.index(part.signers.len());
            part.signers[at] = draw.stranger.clone();
        }
    }),
    part("a stranger signs too", |part, draw| part.signers.push(draw.stranger.clone())),
    part("a signature stands there twice", |part, _| {
        part.edit_signatures(|signatures| signatures.extend(signatures.first().cloned()));
    }),
    part("a signature has the id of a stranger's key", |part, draw| {
        let id = draw.stranger.id().to_owned();
        edit_first(part, move |signature| signature["keyid"] = json!(id));
    }),
    part("a signature is garbled", |part, draw| {
        let digit = draw.random.index(64);
        edit_first(part, move |signature| {
            let sig = signature["sig"].as_str().expect("it is text");
            let other = if sig.as_bytes()[digit] == b'0' { "1" } else { "0" };
            signature["sig"] = json!([&sig[..digit], other, &sig[digit + 1..]].concat());
        });
    }),
    part("a needed signature is not hexadecimal", |part, _| {
        edit_first(part, |signature| signature["sig"] = json!("x".repeat(128)));
    }),
    part("a signature too many that is not hexadecimal", |part, draw| {
        let id = draw.stranger.id().to_owned();
        part.edit_signatures(move |all| all.push(json!({"keyid": id, "sig": "x".repeat(128)})));
    }),
    part("no signatures", |part, _| part.signers.clear()),
    part("signatures in another order", |part, _| part.signers.reverse()),
    part("the version before", |part, _| move_version(part, -2)),
    part("the same version as before", |part, _| move_version(part, -1)),
    part("the same version again with other content", |part, draw| {
        move_version(part, -1);
        part.signed["x-other"] = json!(draw.random.below(1000));
    }),
    part("a version further on", |part, draw| {
        let by = 1 + i64::try_from(draw.random.below(4)).expect("it is small");
        move_version(part, by);
    }),
    part("a version far away", |part, _| move_version(part, 1_000_000)),
    part("the largest version", |part, _| part.signed["version"] = json!((1_u64 << 53) - 1)),
    part("expired long ago", |part, draw| expire(part, draw, -1_000_000)),
    part("expired a second ago", |part, draw| expire(part, draw, -1)),
    part("expires now", |part, draw| expire(part, draw, 0)),
    part("expires in a second", |part, draw| expire(part, draw, 1)),
    part("expires soon", |part, draw| expire(part, draw, 7200)),
    part("a date of another form", |part, draw| {
        let dates = ["2040-01-01T00:00:00.5Z", "2040-01-01T00:00:00+00:00", "2040-01-01", ""];
        part.signed["expires"] = json!(draw.random.one_of(&dates));
    }),
    part("a document of another type", |part, draw| {
        let types = ["root", "targets", "snapshot", "timestamp", "mirrors", "Targets", ""];
        part.signed["_type"] = json!(draw.random.one_of(&types));
    }),
    part("a specification of another version", |part, draw| {
        let versions = ["1.0", "1.1.7", "1.0.31"];
        part.signed["spec_version"] = json!(draw.random.one_of(&versions));
    }),
    part("a specification of another major version", |part, draw| {
        part.signed["spec_version"] = json!(draw.random.one_of(&["2.0.0", "0.9.0", "10.0.0"]));
    }),
    part("a specification without a version", |part, draw| {
        part.signed["spec_version"] = json!(draw.random.one_of(&["1", "one", "1.0.0.0", "1.x"]));
    }),
    part("a member is missing", |part, draw| {
        let document = part.signed.as_object_mut().expect("it is an object");
        let known: Vec<String> = document.keys().cloned().collect();
        document.remove(draw.random.one_of(&known));
    }),
    part("a member of another kind", |part, draw| {
        let document = part.signed.as_object_mut().expect("it is an object");
        let known: Vec<String> = document.keys().cloned().collect();
        let values = [json!(null), json!(7), json!("x"), json!([]), json!({})];
        let value = draw.random.one_of(&values).clone();
        document.insert(draw.random.one_of(&known).clone(), value);
    }),
    part("version 0", |part, _| part.signed["version"] = json!(0)),
    part("a negative version", |part, _| part.signed["version"] = json!(-3)),
    part("unknown members", |part, _| {
        part.signed["x-unknown"] = json!({"é": [1, null, {"a": "b"}]});
        part.signed["a"] = json!("before all others");
    }),
    part("more than a megabyte", |part, _| part.signed["x-long"] = json!("x".repeat(1 << 20))),
    part("white space", |part, _| part.layout = Layout::Pretty),
    part("white space that is signed as it stands", |part, _| {
        part.layout = Layout::PrettyAndSignedRaw;
    }),
    part("members in another order", |part, _| {
        part.edit_file(|file| match serde_json::from_str::<Value>(&file) {
            Ok(file) => format!(
                "\n{{\"signed\" : {}, \"signatures\":\t{}}}",
                file["signed"], file["signatures"]
            ),
            Err(_) => file,
        });
    }),
    part("members of the document in another order", |part, _| {
        part.edit_file(|file| match serde_json::from_str::<Value>(&file) {
            Ok(file) => {
                let members = file["signed"].as_object().into_iter().flatten().rev();
                let members: Vec<String> =
                    members.map(|(name, value)| format!("{}:{value}", json!(name))).collect();
                let (signatures, signed) = (&file["signatures"], members.join(","));
                format!("{{\"signatures\":{signatures},\"signed\":{{{signed}}}}}")
            }
            Err(_) => file,
        });
    }),
    part("a byte order mark", |part, _| part.edit_file(|file| format!("\u{feff}{file}"))),
    part("escapes that need not be", |part, _| {
        part.edit_file(|file| file.replace("\"spec_version\"", "\"spec\\u005fversion\""));
    }),
    part("a character is another", |part, draw| {
        let (place, other) = (draw.random.below(1 << 30), *draw.random.one_of(b"x0\"{,1:"));
        part.edit_file(move |file| replace_char(&file, place, char::from(other)));
    }),
    part("the end is missing", |part, draw| {
        let place = draw.random.below(1 << 30);
        part.edit_file(move |file| {
            let kept = place as usize % file.chars().count().max(1);
            file.chars().take(kept).collect()
        });
    }),
    part("something stands after the end", |part, draw| {
        let more = *draw.random.one_of(&["x", "{}", "\0", " \n"]);
        part.edit_file(move |file| file + more);
    }),
    part("a member that all roles have stands there twice", |part, _| {
        part.edit_file(|file| {
            file.replacen("\"spec_version\":", "\"spec_version\":\"1.0.0\",\"spec_version\":", 1)
        });
    }),
];

fn edit_first(part: &mut Part, edit: impl Fn(&mut Value) + Send + Sync + 'static) {
    part.edit_signatures(move |signatures| signatures.iter_mut().take(1).for_each(&edit));
}

pub(super) fn move_version(part: &mut Part, by: i64) {
    let version = part.signed["version"].as_i64().unwrap_or(1);
    part.signed["version"] = json!(version + by);
}

fn expire(part: &mut Part, draw: &Draw<'_>, seconds: i64) {
    part.signed["expires"] = json!(Expires::at(draw.now + TimeDelta::seconds(seconds)));
}

fn replace_char(text: &str, place: u64, other: char) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    if !chars.is_empty() {
        let at = place as usize % chars.len();
        chars[at] = other;
    }
    chars.into_iter().collect()
}
