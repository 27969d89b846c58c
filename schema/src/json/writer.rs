//! Writing: the canonical form, and files.

use serde_json::Value;

use super::objects::{Items, Members};
use super::{JsonError, Reader};

/// The canonical form: what signatures and key ids are computed over. Not always JSON.
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, Escape::Canonical, &mut out);
    out
}

/// The canonical form of a document that is text. It takes no more memory than about twice the text,
/// where a [`Value`] takes up to a hundred times.
pub(crate) fn canonical_text(bytes: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut reader = Reader::new(bytes, u64::MAX)?;
    let mut out = Vec::with_capacity(bytes.len());
    rewrite(&mut reader, &mut out)?;
    reader.end()?;
    Ok(out)
}

/// Reads one value and writes it in canonical form.
fn rewrite(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    reader.skip_space();
    match reader.peek() {
        Some(b'{') => rewrite_object(reader, out),
        Some(b'[') => {
            let mut items = Items::open(reader)?;
            out.push(b'[');
            let mut separator = None;
            while items.has_next()? {
                out.extend(separator.replace(b','));
                rewrite(items.reader, out)?;
            }
            out.push(b']');
            Ok(())
        }
        Some(b'"') => {
            write_string(&reader.string()?, Escape::Canonical, out);
            Ok(())
        }
        // Words and integers are spelled in one way.
        _ => {
            out.extend(reader.skip()?.bytes());
            Ok(())
        }
    }
}

/// Writes the members as they come, then puts them in order if they were not.
fn rewrite_object(reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), JsonError> {
    out.push(b'{');
    let start = out.len();
    // Where each member stands in `out` after `start`, and its key in the text.
    let mut written: Vec<(u32, u32)> = Vec::new();
    let mut members = Members::open(reader, None)?;
    while members.has_next()? {
        if !written.is_empty() {
            out.push(b',');
        }
        let place = u32::try_from(out.len() - start).expect("a document is below 4 GiB");
        written.push((place, members.key_place()));
        write_string(&members.key, Escape::Canonical, out);
        out.push(b':');
        rewrite(members.reader, out)?;
    }
    if !members.are_ascending() {
        let unsorted = out.split_off(start);
        let ends = written.iter().skip(1).map(|(next, _)| *next - 1);
        let ends: Vec<u32> = ends.chain([unsorted.len() as u32]).collect();
        let mut sorted: Vec<_> = written.iter().zip(ends).collect();
        sorted.sort_unstable_by(|((_, a), _), ((_, b), _)| {
            reader.string_at(*a).cmp(&reader.string_at(*b))
        });
        let mut separator = None;
        for ((at, _), end) in sorted {
            out.extend(separator.replace(b','));
            out.extend(&unsorted[*at as usize..end as usize]);
        }
    }
    out.push(b'}');
    Ok(())
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
