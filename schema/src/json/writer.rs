//! Writing: the canonical form, and files.

use serde_json::Value;

/// The canonical form: what signatures and key ids are computed over. Not always JSON.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, Escape::Canonical, &mut out);
    out
}

/// The form in which we write files: compact JSON in canonical key order. Equal to the canonical
/// form exactly when no string holds a control character.
pub fn compact(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, Escape::Json, &mut out);
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Escape {
    Canonical,
    Json,
}

fn write(value: &Value, escape: Escape, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(true) => out.extend(b"true"),
        Value::Bool(false) => out.extend(b"false"),
        Value::Number(number) => out.extend(number.to_string().bytes()),
        Value::String(text) => write_string(text, escape, out),
        Value::Array(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(item, escape, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| key.as_bytes());
            out.push(b'{');
            for (n, (key, member)) in sorted.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_string(key, escape, out);
                out.push(b':');
                write(member, escape, out);
            }
            out.push(b'}');
        }
    }
}

fn write_string(text: &str, escape: Escape, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f)) {
        out.extend(&rest[..at]);
        match rest[at] {
            special @ (b'"' | b'\\') => out.extend([b'\\', special]),
            control if escape == Escape::Canonical => out.push(control),
            b'\n' => out.extend(b"\\n"),
            control => out.extend(format!("\\u{control:04x}").bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend(rest);
    out.push(b'"');
}
