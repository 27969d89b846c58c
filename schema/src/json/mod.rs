//! Strict reading of JSON, and its canonical form.
//!
//! Two programs that read one file differently are two programs that trust different things. So the
//! reader refuses, by name and position, whatever parsers of the field disagree about: repeated
//! keys, keys that differ only in case from a known one (Go matches them), floats and integers
//! beyond ±(2^53-1), a byte order mark, lone surrogates, nesting beyond [`MAX_DEPTH`], bytes after
//! the document. It reads in one pass, without recursion deeper than the limit, and notices on the
//! way whether the bytes already are the canonical form, so that a signature can be verified over
//! them in place.
//!
//! The canonical form is that of python-securesystemslib (`encode_canonical`): keys sorted by their
//! unescaped bytes, no white space, only `"` and `\` escaped, no Unicode normalisation. Control
//! characters stay raw in it, so it is not always JSON; a *file* that we write is [`compact`].

mod objects;
mod reader;
mod text;
mod writer;

use std::fmt;

use serde::de::{self, DeserializeOwned};

pub(crate) use objects::refuse_look_alike;
pub(crate) use reader::Reader;
pub(crate) use text::{Text, Word};
pub(crate) use writer::canonical_text;
pub use writer::{canonical, compact};

/// Deepest nesting of arrays and objects in a file. No configuration key: what one program reads,
/// all must.
pub const MAX_DEPTH: usize = 64;

/// Why a document was refused: where (`signed.roles.root`), at which byte, and what is wrong.
///
/// It is small, for every step of reading answers one or goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(Box<Problem>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    /// Keys and indexes from the innermost outwards.
    path: Vec<String>,
    offset: Option<usize>,
    problem: String,
}

impl JsonError {
    fn at(offset: usize, problem: impl Into<String>) -> JsonError {
        let (path, problem) = (Vec::new(), problem.into());
        JsonError(Box::new(Problem { path, offset: Some(offset), problem }))
    }

    fn inside(mut self, step: impl Into<String>, offset: usize) -> JsonError {
        self.0.path.push(step.into());
        self.at_least(offset)
    }

    /// Says where, unless that is known better.
    fn at_least(mut self, offset: usize) -> JsonError {
        self.0.offset.get_or_insert(offset);
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 160;
        let Problem { path, offset, problem } = &*self.0;
        let path = path.iter().rev().cloned().collect::<Vec<_>>().join(".");
        if !path.is_empty() {
            let shown: String = path.chars().take(SHOWN).collect();
            write!(f, "at {shown}: ")?;
        }
        f.write_str(problem)?;
        match offset {
            Some(offset) => write!(f, " (byte {offset})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for JsonError {}

impl de::Error for JsonError {
    fn custom<T: fmt::Display>(problem: T) -> JsonError {
        let (path, problem) = (Vec::new(), problem.to_string());
        JsonError(Box::new(Problem { path, offset: None, problem }))
    }

    fn duplicate_field(key: &'static str) -> JsonError {
        de::Error::custom(format!("the key {key:?} is repeated"))
    }
}

/// Reads one document, strictly.
///
/// # Errors
/// Everything that the module's text lists, and whatever `T` refuses.
///
/// ```
/// use notary_schema::json;
/// let value: serde_json::Value = json::read(br#"{"a": [1, "x"]}"#)?;
/// assert_eq!(json::canonical(&value), br#"{"a":[1,"x"]}"#);
/// assert!(json::read::<serde_json::Value>(br#"{"a":1,"a":2}"#).is_err(), "a repeated key");
/// # Ok::<(), json::JsonError>(())
/// ```
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let mut reader = Reader::new(bytes, u64::MAX)?;
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};

    use crate::name::MAX_INTEGER;

    use super::*;

    fn refusal(text: &str) -> String {
        match read::<Value>(text.as_bytes()) {
            Ok(value) => panic!("{text:?} was accepted as {value}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn plain_json_is_read() {
        let value: Value =
            read(br#" {"b": [true, false, null, -5, 0], "a": "x\n\u00e9\ud83d\ude00"} "#).unwrap();
        assert_eq!(value, json!({"a": "x\né😀", "b": [true, false, null, -5, 0]}));
    }

    #[test]
    fn a_repeated_key_is_refused_by_name_wherever_it_stands() {
        assert!(refusal(r#"{"a":1,"b":2,"a":3}"#).contains(r#"the key "a" is repeated"#));
        assert!(refusal(r#"{"x":[{"k":1,"\u006b":1}]}"#).contains("at x.0: the key \"k\""));
        read::<Value>(br#"{"b":1,"a":{"b":1}}"#).unwrap();
    }

    #[test]
    fn numbers_are_integers_that_every_client_reads_alike() {
        assert!(refusal("1.0").contains("fraction"));
        assert!(refusal(r#"{"v":1e0}"#).contains("at v: a number with a fraction or an exponent"));
        assert!(refusal("-0").contains("-0"));
        assert!(refusal("01").contains("leading zero"));
        for large in ["9007199254740992", "-9007199254740992", "18446744073709551616"] {
            assert!(refusal(large).contains("2^53-1"));
        }
        assert_eq!(read::<i64>(b"-9007199254740991").unwrap(), -9007199254740991);
    }

    #[test]
    fn what_is_not_one_plain_document_is_refused() {
        assert!(refusal("\u{feff}{}").contains("byte order mark"));
        assert!(refusal("{} x").contains("after the end"));
        assert!(refusal(r#""\ud800""#).contains("surrogate"));
        assert!(refusal(r#""\udc00""#).contains("surrogate"));
        assert!(refusal("\"a\nb\"").contains("control character"));
        for broken in
            ["", "{", "[1,]", "{\"a\":1,}", "{a:1}", "nul", "\"a", "[1 2]", "'a'", "+1", "\"\\x\""]
        {
            refusal(broken);
        }
        assert!(read::<Value>(b"\"\xff\"").unwrap_err().to_string().contains("UTF-8"));
    }

    #[test]
    fn nesting_is_read_to_the_limit_and_no_deeper() {
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        read::<Value>(nested(MAX_DEPTH).as_bytes()).unwrap();
        assert!(refusal(&nested(MAX_DEPTH + 1)).contains("deeper than 64"));
        refusal(&"[".repeat(1_000_000));
    }

    #[test]
    fn members_are_put_in_order_at_every_depth_and_repeated_ones_refused() {
        let text = br#"{"b": [{"z": 1, "\u0061": "\n\""}, {}], "a": {"c": null, "b": -7}}"#;
        let sorted = b"{\"a\":{\"b\":-7,\"c\":null},\"b\":[{\"a\":\"\n\\\"\",\"z\":1},{}]}";
        assert_eq!(canonical_text(text).unwrap(), sorted);
        assert!(canonical_text(br#"{"b": 1, "a": 1, "b": 1}"#).is_err());
    }

    #[test]
    fn as_much_is_built_as_the_budget_allows_and_text_is_not_built() {
        let read = |budget| {
            let mut reader = Reader::new(br#"{"a":[1,2],"b":{"c":3}}"#, budget).unwrap();
            reader.value::<Value>().map(|_| reader.budget())
        };
        assert_eq!(read(6).unwrap(), 1, "three members and two items");
        assert_eq!(read(5).unwrap(), 0);
        assert!(read(4).unwrap_err().to_string().contains("more members and items"));
        let mut reader = Reader::new(br#" {"a":[1,2]} "#, 0).unwrap();
        assert_eq!(reader.value::<Text<'_>>().unwrap().text, r#"{"a":[1,2]}"#);
    }

    #[test]
    fn a_key_that_differs_only_in_case_from_a_known_one_is_refused() {
        #[derive(Debug, Deserialize)]
        struct Known {
            version: u64,
        }
        assert_eq!(read::<Known>(br#"{"version":1,"extra":2}"#).unwrap().version, 1);
        for alike in [r#"{"version":1,"Version":2}"#, r#"{"version":1,"ver\u017fion":2}"#] {
            let error = read::<Known>(alike.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("differs only in case"), "{error}");
        }
    }

    #[test]
    fn the_canonical_form_sorts_unescaped_keys_and_escapes_two_characters() {
        let value = json!({"foo bar": 1, "foo": 2, "foo!1": 3, "\"": 4, "e\u{301}": "é\n\\\""});
        assert_eq!(
            String::from_utf8(canonical(&value)).unwrap(),
            "{\"\\\"\":4,\"e\u{301}\":\"é\n\\\\\\\"\",\"foo\":2,\"foo bar\":1,\"foo!1\":3}"
        );
        let written = compact(&value);
        assert_eq!(read::<Value>(&written).unwrap(), value);
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), value);
    }

    #[test]
    fn the_reader_knows_canonical_bytes() {
        let canonical = |text: &str| {
            let mut reader = Reader::new(text.as_bytes(), u64::MAX).unwrap();
            reader.spanned::<Value>().unwrap().canonical
        };
        assert!(canonical(r#"{"a":[1,{"b":"\"\\é"}],"b":null}"#));
        for other in
            [r#"{"a": 1}"#, r#"{"b":1,"a":2}"#, r#""\/""#, r#""\u0041""#, r#""\n""#, "[1 ]"]
        {
            assert!(!canonical(other), "{other} passed as canonical");
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let max = MAX_INTEGER as i64;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-max..=max).prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(value in any_value()) {
            let written = compact(&value);
            prop_assert_eq!(&read::<Value>(&written).unwrap(), &value);
            prop_assert_eq!(compact(&read(&written).unwrap()), written);
        }

        #[test]
        fn text_and_value_have_one_canonical_form(value in any_value()) {
            let spread = serde_json::to_vec_pretty(&value).unwrap();
            prop_assert_eq!(canonical_text(&spread).unwrap(), canonical(&value));
        }

        #[test]
        fn canonical_of_canonical_is_canonical(value in any_value()) {
            let once = canonical(&value);
            if let Ok(again) = read::<Value>(&once) {
                prop_assert_eq!(canonical(&again), once.clone());
                let mut reader = Reader::new(&once, u64::MAX).unwrap();
                prop_assert!(reader.spanned::<Value>().unwrap().canonical);
            }
        }

        #[test]
        fn the_reader_agrees_with_serde_json_on_what_it_accepts(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(value) = read::<Value>(&bytes) {
                prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), value);
            }
        }

        #[test]
        fn text_that_is_almost_json_never_panics(text in r#"[\[\]{}:,"\\0-9a-fu. ntrue-]{0,40}"#) {
            if let Ok(value) = read::<Value>(text.as_bytes()) {
                prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            }
        }
    }
}
