//! The targets of a role: up to hundreds of thousands in one file.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::TargetFile;
use crate::json::{self, Text};

/// Longest description of one target, in bytes: it is built when somebody looks at it.
pub const MAX_TARGET_BYTES: usize = 256 << 10;

/// Targets by name, in the order of their names.
///
/// They are kept as the text that they came as, which takes as much memory as the file; built, they
/// would take six times of it. Reading has shown that each can be built.
#[derive(Clone, Default)]
pub struct TargetMap {
    /// Names and descriptions.
    text: String,
    /// Sorted by name.
    entries: Vec<Entry>,
}

/// Where a name starts in the text, where its description does, and where that ends.
#[derive(Clone, Copy)]
struct Entry {
    name: u32,
    description: u32,
    end: u32,
}

impl TargetMap {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is said of a target.
    pub fn get(&self, name: &str) -> Option<TargetFile> {
        Some(self.built(self.entries[self.position(name).ok()?]))
    }

    /// Whether there is a target of this name.
    pub fn contains_key(&self, name: &str) -> bool {
        self.position(name).is_ok()
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| self.name(*entry))
    }

    /// Names and what is said of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, TargetFile)> {
        self.entries.iter().map(|entry| (self.name(*entry), self.built(*entry)))
    }

    /// Adds or replaces a target.
    pub fn insert(&mut self, name: &str, file: &TargetFile) {
        let description = serde_json::to_string(file).expect("a target is JSON");
        let position = self.position(name);
        let entry = self.append(name, &description);
        match position {
            Ok(there) => self.entries[there] = entry,
            Err(place) => self.entries.insert(place, entry),
        }
    }

    fn append(&mut self, name: &str, description: &str) -> Entry {
        let place = |text: &String| u32::try_from(text.len()).expect("a document is below 4 GiB");
        let start = place(&self.text);
        self.text.push_str(name);
        let middle = place(&self.text);
        self.text.push_str(description);
        Entry { name: start, description: middle, end: place(&self.text) }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| self.name(*entry).cmp(name))
    }

    fn name(&self, entry: Entry) -> &str {
        &self.text[entry.name as usize..entry.description as usize]
    }

    fn built(&self, entry: Entry) -> TargetFile {
        let description = &self.text[entry.description as usize..entry.end as usize];
        serde_json::from_str(description).expect("it was built before")
    }
}

impl fmt::Debug for TargetMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl PartialEq for TargetMap {
    fn eq(&self, other: &TargetMap) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for TargetMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, file) in self.iter() {
            map.serialize_entry(name, &file)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for TargetMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TargetMap, D::Error> {
        struct OfMembers;
        impl<'de> Visitor<'de> for OfMembers {
            type Value = TargetMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of targets")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<TargetMap, A::Error> {
                let mut map = TargetMap::default();
                while let Some(name) = members.next_key::<String>()? {
                    let Text(description) = members.next_value()?;
                    if description.len() > MAX_TARGET_BYTES {
                        let problem = format!("more than {MAX_TARGET_BYTES} bytes on one target");
                        return Err(A::Error::custom(problem));
                    }
                    json::read::<TargetFile>(description.as_bytes()).map_err(A::Error::custom)?;
                    let entry = map.append(&name, &description);
                    map.entries.push(entry);
                }
                if !map.entries.is_sorted_by_key(|entry| map.name(*entry)) {
                    let mut entries = std::mem::take(&mut map.entries);
                    entries.sort_by(|a, b| map.name(*a).cmp(map.name(*b)));
                    map.entries = entries;
                }
                map.entries.shrink_to_fit();
                map.text.shrink_to_fit();
                Ok(map)
            }
        }
        deserializer.deserialize_map(OfMembers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn described(length: usize) -> Vec<u8> {
        let target = |custom: &str| {
            json!({"length": 1, "hashes": {"sha256": "ab"}, "custom": custom}).to_string()
        };
        let rest = length - target("").len();
        format!("{{\"a\":{}}}", target(&"x".repeat(rest))).into_bytes()
    }

    #[test]
    fn targets_are_kept_by_name_whatever_order_and_spelling_they_come_in() {
        let text = br#"{"b":{"length":2,"hashes":{"sha256":"02"}}, "\u0061" : {"hashes":{"x":"y"},"length":1,"custom":{"k":[null]}}}"#;
        let map: TargetMap = json::read(text).unwrap();
        assert_eq!((map.len(), map.keys().collect::<Vec<_>>()), (2, vec!["a", "b"]));
        assert_eq!(map.get("a").unwrap().custom, Some(json!({"k": [null]})));
        assert_eq!(map.get("b").unwrap().length, 2);
        assert!(map.contains_key("b") && !map.contains_key("c") && map.get("").is_none());
        let again: TargetMap = serde_json::from_slice(text).unwrap();
        assert_eq!(map, again);
        let value = serde_json::to_value(&map).unwrap();
        assert_eq!(value, serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_inserted_replaces_what_was_there() {
        let mut map = TargetMap::default();
        let file = |length| TargetFile {
            length,
            hashes: super::super::Hashes::sha256_of("00".into()),
            custom: None,
        };
        for (name, length) in [("b", 1), ("a", 2), ("b", 3)] {
            map.insert(name, &file(length));
        }
        let found: Vec<_> = map.iter().map(|(name, file)| (name, file.length)).collect();
        assert_eq!(found, [("a", 2), ("b", 3)]);
    }

    #[test]
    fn a_description_is_read_up_to_its_limit() {
        json::read::<TargetMap>(&described(MAX_TARGET_BYTES)).unwrap();
        let refused = json::read::<TargetMap>(&described(MAX_TARGET_BYTES + 1)).unwrap_err();
        assert!(refused.to_string().contains("on one target"), "{refused}");
        for wrong in
            [r#"{"a":{"length":1}}"#, r#"{"a":{"length":"1","hashes":{"a":""}}}"#, r#"{"a":[]}"#]
        {
            json::read::<TargetMap>(wrong.as_bytes()).unwrap_err();
        }
    }
}
