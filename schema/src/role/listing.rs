//! What a file lists by name: targets, or metadata files. There may be hundreds of thousands.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{Text, Word};
use crate::texts::Texts;

/// Longest description of one name, in bytes: it is built when somebody looks at it.
pub const MAX_DESCRIPTION_BYTES: usize = 256 << 10;

/// What can be said of a name in a [`Listing`].
pub trait Listed: DeserializeOwned + Serialize + PartialEq + fmt::Debug {
    /// Reads what `Self` reads, refuses what it refuses, and builds nothing.
    ///
    /// # Errors
    /// Those of reading `Self`.
    fn check<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error>;
}

/// Names and what is said of each, in the order of the names.
///
/// They are kept as the text that they came as, which takes as much memory as the file; built, they
/// would take six times of it. Reading has shown that each can be built.
#[derive(Clone)]
pub struct Listing<T> {
    /// Each name, and behind it what is said of it.
    texts: Texts,
    /// The numbers of the names, sorted by name.
    names: Vec<u32>,
    listed: PhantomData<fn() -> T>,
}

impl<T> Default for Listing<T> {
    fn default() -> Listing<T> {
        Listing { texts: Texts::default(), names: Vec::new(), listed: PhantomData }
    }
}

impl<T: Listed> Listing<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What is said of a name.
    pub fn get(&self, name: &str) -> Option<T> {
        Some(built(self.description(self.names[self.position(name).ok()?])))
    }

    /// Whether there is this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.descriptions().map(|(name, _)| name)
    }

    /// Names and what is said of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, T)> {
        self.descriptions().map(|(name, description)| (name, built(description)))
    }

    /// The names of which the other listing says something else or nothing: what is said here, and
    /// there. Only those are built.
    pub fn changes<'a>(
        &'a self,
        other: &'a Listing<T>,
    ) -> impl Iterator<Item = (&'a str, T, Option<T>)> {
        let mut others = other.descriptions().peekable();
        self.descriptions().filter_map(move |(name, here)| {
            while others.next_if(|(other, _)| *other < name).is_some() {}
            let there = others.next_if(|(other, _)| *other == name).map(|(_, there)| there);
            (there != Some(here)).then(|| (name, built(here), there.map(built)))
        })
    }

    /// Adds a name, or replaces what is said of it.
    pub fn insert(&mut self, name: &str, value: &T) {
        let description = serde_json::to_string(value).expect("what is listed is JSON");
        let position = self.position(name);
        let number = self.add(name, &description);
        match position {
            Ok(there) => self.names[there] = number,
            Err(place) => self.names.insert(place, number),
        }
    }

    /// Takes out a name; answers whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.position(name).map(|position| self.names.remove(position)).is_ok()
    }

    fn add(&mut self, name: &str, description: &str) -> u32 {
        let number = self.texts.count();
        self.texts.add(name);
        self.texts.add(description);
        number
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.names.binary_search_by(|number| self.texts.get(*number).cmp(name))
    }

    fn description(&self, name: u32) -> &str {
        self.texts.get(name + 1)
    }

    fn descriptions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().map(|name| (self.texts.get(*name), self.description(*name)))
    }
}

fn built<T: Listed>(description: &str) -> T {
    serde_json::from_str(description).expect("reading has shown that it can be built")
}

impl<T: Listed> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<T: Listed> PartialEq for Listing<T> {
    fn eq(&self, other: &Listing<T>) -> bool {
        let mut changes = self.changes(other);
        self.len() == other.len() && changes.all(|(_, here, there)| there == Some(here))
    }
}

impl<T: Listed> Serialize for Listing<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, &value)?;
        }
        map.end()
    }
}

impl<'de, T: Listed> Deserialize<'de> for Listing<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Listing<T>, D::Error> {
        struct OfMembers<T>(PhantomData<T>);
        impl<'de, T: Listed> Visitor<'de> for OfMembers<T> {
            type Value = Listing<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Listing<T>, A::Error> {
                let mut listing = Listing::default();
                while let Some(Word(name)) = members.next_key()? {
                    let Text { text, .. } = members.next_value::<Text<'de, Checked<T>>>()?;
                    if text.len() > MAX_DESCRIPTION_BYTES {
                        let problem =
                            format!("more than {MAX_DESCRIPTION_BYTES} bytes on one name");
                        return Err(A::Error::custom(problem));
                    }
                    let number = listing.add(&name, &text);
                    listing.names.push(number);
                }
                let Listing { texts, names, .. } = &mut listing;
                let name = |number: &u32| texts.get(*number);
                if !names.is_sorted_by(|a, b| name(a) < name(b)) {
                    names.sort_by(|a, b| name(a).cmp(name(b)));
                }
                names.shrink_to_fit();
                texts.shrink_to_fit();
                Ok(listing)
            }
        }
        deserializer.deserialize_map(OfMembers(PhantomData))
    }
}

/// What a `T` was read from without building it.
struct Checked<T>(PhantomData<T>);

impl<'de, T: Listed> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checked<T>, D::Error> {
        T::check(deserializer).map(|()| Checked(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::{FileMeta, Hashes, TargetFile};
    use super::*;
    use crate::json;

    type Targets = Listing<TargetFile>;

    fn described(length: usize) -> Vec<u8> {
        let target = |custom: &str| {
            json!({"length": 1, "hashes": {"sha256": "ab"}, "custom": custom}).to_string()
        };
        let rest = length - target("").len();
        format!("{{\"a\":{}}}", target(&"x".repeat(rest))).into_bytes()
    }

    fn file(length: u64) -> TargetFile {
        TargetFile { length, hashes: Hashes::sha256_of("00".into()), custom: None }
    }

    fn lengths(listing: &Targets) -> Vec<(&str, u64)> {
        listing.iter().map(|(name, file)| (name, file.length)).collect()
    }

    #[test]
    fn what_is_listed_is_kept_by_name_whatever_order_and_spelling_it_comes_in() {
        let text = br#"{"b":{"length":2,"hashes":{"sha256":"02"}}, "\u0061" : {"hashes":{"x":"y"},"length":1,"custom":{"k":[null]}}}"#;
        let listing: Targets = json::read(text).unwrap();
        assert_eq!((listing.len(), listing.keys().collect::<Vec<_>>()), (2, vec!["a", "b"]));
        assert_eq!(listing.get("a").unwrap().custom, Some(json!({"k": [null]})));
        assert_eq!(listing.get("b").unwrap().length, 2);
        assert!(listing.contains_key("b") && !listing.contains_key("c"));
        assert!(listing.get("").is_none());
        let again: Targets = serde_json::from_slice(text).unwrap();
        assert_eq!(listing, again);
        let value = serde_json::to_value(&listing).unwrap();
        assert_eq!(value, serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_inserted_replaces_what_was_there_until_it_is_removed() {
        let mut listing = Targets::default();
        for (name, length) in [("b", 1), ("a", 2), ("b", 3)] {
            listing.insert(name, &file(length));
        }
        assert_eq!(lengths(&listing), [("a", 2), ("b", 3)]);
        assert!(listing.remove("a") && !listing.remove("a"));
        assert_eq!(lengths(&listing), [("b", 3)]);
    }

    #[test]
    fn changes_are_what_another_listing_lacks_or_says_otherwise() {
        let listing = |files: &[(&str, u64)]| {
            let mut listing = Targets::default();
            files.iter().for_each(|(name, length)| listing.insert(name, &file(*length)));
            listing
        };
        let (old, new) = (
            listing(&[("a", 1), ("c", 1), ("d", 1), ("f", 1)]),
            listing(&[("a", 1), ("b", 1), ("c", 2), ("e", 1), ("f", 1)]),
        );
        let changes = |one: &Targets, other: &Targets| -> Vec<(String, u64, Option<u64>)> {
            let length = |file: TargetFile| file.length;
            let all = one.changes(other);
            all.map(|(name, one, other)| (name.into(), one.length, other.map(length))).collect()
        };
        assert_eq!(changes(&old, &new), [("c".into(), 1, Some(2)), ("d".into(), 1, None)]);
        assert_eq!(changes(&new, &old).len(), 3);
        assert!(changes(&old, &old).is_empty() && old == old.clone() && old != new);
        assert!(old != listing(&[("a", 1), ("c", 1), ("d", 1)]));
    }

    #[test]
    fn a_description_is_read_up_to_its_limit() {
        json::read::<Targets>(&described(MAX_DESCRIPTION_BYTES)).unwrap();
        let refused = json::read::<Targets>(&described(MAX_DESCRIPTION_BYTES + 1)).unwrap_err();
        assert!(refused.to_string().contains("on one name"), "{refused}");
    }

    fn description() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            Just(json!(0)),
            Just(json!(7)),
            Just(json!(-1)),
            Just(json!("")),
            Just(json!("a\n\u{e9}")),
            Just(json!([1])),
            Just(json!({})),
            Just(json!({"sha256": "ab"})),
            Just(json!({"sha256": 1})),
        ];
        let member = prop_oneof![
            Just("length"),
            Just("hashes"),
            Just("custom"),
            Just("version"),
            Just("Length"),
            Just("else"),
        ];
        prop::collection::hash_map(member, leaf, 0..6)
            .prop_map(|members| members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    /// What is listed must be built later, so a check may let nothing through that cannot be.
    fn is_checked_as_it_is_built<T: Listed>(text: &str) {
        let built = json::read::<T>(text.as_bytes()).is_ok();
        assert_eq!(json::read::<Checked<T>>(text.as_bytes()).is_ok(), built, "{text}");
        let listed = json::read::<Listing<T>>(format!("{{\"a\":{text}}}").as_bytes());
        assert_eq!(listed.is_ok_and(|listing| listing.get("a").is_some()), built, "{text}");
    }

    proptest! {
        #[test]
        fn what_is_let_through_can_be_built_and_what_can_be_built_is_let_through(value in description()) {
            is_checked_as_it_is_built::<TargetFile>(&value.to_string());
            is_checked_as_it_is_built::<FileMeta>(&value.to_string());
        }
    }

    #[test]
    fn length_and_hashes_may_be_missing_and_not_null() {
        json::read::<FileMeta>(br#"{"version":1}"#).unwrap();
        for null in [r#"{"version":1,"length":null}"#, r#"{"version":1,"hashes":null}"#] {
            assert!(json::read::<FileMeta>(null.as_bytes()).is_err(), "{null} was accepted");
        }
    }

    #[test]
    fn a_check_refuses_what_reading_refuses() {
        for text in [
            r#"{"length":1}"#,
            r#"{"length":"1","hashes":{"a":""}}"#,
            r#"{"length":1,"hashes":{}}"#,
            r#"{"length":1,"hashes":{"a":""}}"#,
            r#"{"length":1,"hashes":{"a":""},"custom":null}"#,
            r#"{"length":1,"length":1,"hashes":{"a":""}}"#,
            r#"{"version":1}"#,
            r#"{"version":0}"#,
            r#"{"version":1,"length":null,"hashes":null}"#,
            r#"{"version":1,"hashes":{}}"#,
            "[]",
        ] {
            is_checked_as_it_is_built::<TargetFile>(text);
            is_checked_as_it_is_built::<FileMeta>(text);
        }
    }
}
