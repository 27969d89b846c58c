//! Strict reading: what is accepted, every client reads alike, and its canonical form is stable.

use notary_schema::json::{self, MAX_DEPTH};
use notary_schema::name::MAX_INTEGER;
use serde_json::Value;

use super::reference;

pub(super) fn run(data: &[u8]) {
    let Ok(value) = json::read::<Value>(data) else { return };
    let again: Value = serde_json::from_slice(data).expect("serde_json reads what we read");
    assert_eq!(again, value, "serde_json reads something else");
    assert_common(&value, 0);

    let written = json::compact(&value);
    assert_eq!(json::read::<Value>(&written).expect("what is written is read"), value);
    let canonical = json::canonical(&value);
    assert_eq!(canonical, reference::canonical(&value));
    // A control character stays raw in the canonical form, which then is no JSON.
    match json::read::<Value>(&canonical) {
        Ok(again) => assert_eq!(json::canonical(&again), canonical),
        Err(_) => assert!(canonical.iter().any(u8::is_ascii_control), "canonical is unreadable"),
    }
}

/// Integers that JavaScript keeps, and nesting within the limit.
fn assert_common(value: &Value, depth: usize) {
    assert!(depth <= MAX_DEPTH, "nested deeper than the limit");
    match value {
        Value::Number(number) => {
            let integer = number.as_i64().expect("only integers are read");
            assert!(integer.unsigned_abs() <= MAX_INTEGER, "{integer} is too large");
        }
        Value::Array(items) => items.iter().for_each(|item| assert_common(item, depth + 1)),
        Value::Object(members) => members.values().for_each(|item| assert_common(item, depth + 1)),
        _ => {}
    }
}
