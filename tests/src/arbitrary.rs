//! Documents drawn at random, with all that makes documents hard to read alike.

use notary_schema::name::MAX_INTEGER;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};

use crate::hand::{EXPIRES, target};

/// Any value that a metadata file may hold.
pub fn value() -> impl Strategy<Value = Value> {
    let max = i64::try_from(MAX_INTEGER).expect("2^53-1 fits");
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-max..=max).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Text with quotes, control characters, composed and decomposed letters, PEM.
pub fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "", "a", "foo", "foo bar", "foo!1", "\"", "\\", "\n", "\0", "\u{7f}"
        ])
        .prop_map(str::to_owned),
        prop::sample::select(vec![
            "\u{e9}",
            "e\u{301}",
            "\u{212b}",
            "\u{ffff}",
            "\u{10000}",
            "\u{feff}"
        ])
        .prop_map(str::to_owned),
        Just("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n".to_owned()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// The document of a targets role: any names, custom data and unknown members.
pub fn targets() -> impl Strategy<Value = Value> {
    let file = (any::<[u8; 4]>(), prop::option::of(value())).prop_map(|(content, custom)| {
        let mut file = target(&content);
        if let Some(custom) = custom.filter(|custom| !custom.is_null()) {
            file["custom"] = custom;
        }
        file
    });
    let targets = prop::collection::hash_map(text(), file, 0..6);
    // In front of every known member, so that none is like it in other case.
    let unknown = (text().prop_map(|text| format!("x-{text}")), value());
    (targets, 1..=MAX_INTEGER, unknown).prop_map(|(targets, version, (key, unknown))| {
        let targets: Map<String, Value> = targets.into_iter().collect();
        json!({
            "_type": "targets", "spec_version": "1.0.34", "version": version, "expires": EXPIRES,
            "targets": targets, key: unknown,
        })
    })
}

/// Draws so many values; the same seed draws the same ones.
pub fn draw<S: Strategy>(seed: u64, count: usize, strategy: S) -> Vec<S::Value> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let one = |_| strategy.new_tree(&mut runner).expect("nothing is filtered").current();
    (0..count).map(one).collect()
}
