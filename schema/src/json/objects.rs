//! Values of any type from a [`Reader`]: serde's deserializer, and the rules for the keys of objects.

use std::borrow::Cow;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::{JsonError, Reader, text};

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => Members::open(self, None)?.visit(visitor),
            Some(b'[') => Items::open(self)?.visit(visitor),
            Some(b'"') => self.deserialize_str(visitor),
            Some(b't') => self.literal("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => self.literal("false").and_then(|()| visitor.visit_bool(false)),
            Some(b'n') => self.literal("null").and_then(|()| visitor.visit_unit()),
            Some(b'-' | b'0'..=b'9') => match self.integer()? {
                number @ 0.. => visitor.visit_u64(number.unsigned_abs()),
                number => visitor.visit_i64(number),
            },
            Some(_) => Err(self.error("not a JSON value")),
            None => Err(self.error("the document ends too early")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return self.deserialize_any(visitor);
        }
        match self.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'n') => self.literal("null").and_then(|()| visitor.visit_none()),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        Members::open(self, Some(fields))?.visit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        match name {
            text::NAME => visitor.visit_seq(text::ValueAndText::of(self)),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// Enums are plain words here.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_enum(self.string()?.into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The members of an object that is being read. Refuses repeated keys when it is closed.
pub(super) struct Members<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    /// The key of the member that is being read.
    pub(super) key: Cow<'a, str>,
    /// Which of the known keys it is.
    number: Option<usize>,
    known: Option<&'static [&'static str]>,
    /// Which of the known keys comes next, if they come in their order.
    next: usize,
    /// Which of the reader's keys is the first of this object.
    first_key: usize,
    ascending: bool,
    open: bool,
}

impl<'r, 'a> Members<'r, 'a> {
    pub(super) fn open(
        reader: &'r mut Reader<'a>,
        known: Option<&'static [&'static str]>,
    ) -> Result<Members<'r, 'a>, JsonError> {
        reader.expect(b'{')?;
        reader.enter()?;
        let (first_key, key) = (reader.keys.len(), Cow::Borrowed(""));
        let (number, next, ascending, open) = (None, 0, true, true);
        Ok(Members { reader, key, number, known, next, first_key, ascending, open })
    }

    fn visit<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, JsonError> {
        let value = visitor.visit_map(&mut self)?;
        if self.open {
            return Err(self.reader.error("more members than expected"));
        }
        Ok(value)
    }

    /// Goes on to the next member, if there is one.
    pub(super) fn has_next(&mut self) -> Result<bool, JsonError> {
        self.reader.skip_space();
        if self.reader.peek() == Some(b'}') {
            self.reader.position += 1;
            return self.close().map(|()| false);
        }
        let is_first = self.reader.keys.len() == self.first_key;
        if !is_first {
            self.reader.expect(b',')?;
            self.reader.skip_space();
        }
        self.reader.build()?;
        let place = u32::try_from(self.reader.position).expect("a document is below 4 GiB");
        let key = self.reader.string()?;
        self.number = self.number_of(&key)?;
        self.reader.expect(b':')?;
        self.reader.keys.push(place);
        self.ascending = self.ascending && (is_first || self.key < key);
        self.key = key;
        Ok(true)
    }

    /// Which of the known keys this is.
    fn number_of(&mut self, key: &str) -> Result<Option<usize>, JsonError> {
        let Some(known) = self.known else { return Ok(None) };
        let found = match known.get(self.next) {
            Some(next) if *next == key => Some(self.next),
            _ => known.iter().position(|name| *name == key),
        };
        match found {
            Some(number) => self.next = number + 1,
            None => refuse_look_alike(key, known).map_err(|problem| self.reader.error(problem))?,
        }
        Ok(found)
    }

    /// Where the last key stands.
    pub(super) fn key_place(&self) -> u32 {
        *self.reader.keys.last().expect("a key was read")
    }

    /// Whether the keys so far are in the order of the canonical form.
    pub(super) fn are_ascending(&self) -> bool {
        self.ascending
    }

    /// Keys in strictly ascending order, as in every canonical file, cannot repeat.
    fn close(&mut self) -> Result<(), JsonError> {
        self.open = false;
        self.reader.depth -= 1;
        if self.ascending {
            self.reader.keys.truncate(self.first_key);
            return Ok(());
        }
        self.reader.canonical = false;
        let mut keys = self.reader.keys.split_off(self.first_key);
        let reader = &*self.reader;
        keys.sort_unstable_by(|a, b| reader.string_at(*a).cmp(&reader.string_at(*b)));
        let keys = keys.windows(2).map(|pair| (pair[0], pair[1]));
        let mut keys = keys.map(|(one, other)| (reader.string_at(one), reader.string_at(other)));
        match keys.find(|(one, other)| one == other) {
            Some((key, _)) => Err(reader.error(format!("the key {key:?} is repeated"))),
            None => Ok(()),
        }
    }
}

impl<'a> de::MapAccess<'a> for &mut Members<'_, 'a> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'a>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, JsonError> {
        if !self.has_next()? {
            return Ok(None);
        }
        let key = match (&self.key, self.number) {
            // The fields of a struct are known by their numbers, too: nothing is compared again.
            (_, Some(number)) => seed.deserialize((number as u64).into_deserializer()),
            (Cow::Borrowed(key), None) => seed.deserialize(BorrowedStrDeserializer::new(key)),
            (Cow::Owned(key), None) => seed.deserialize(key.as_str().into_deserializer()),
        };
        key.map(Some).map_err(|error: JsonError| error.at_least(self.reader.position))
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, JsonError> {
        seed.deserialize(&mut *self.reader)
            .map_err(|error| error.inside(&*self.key, self.reader.position))
    }
}

/// The items of an array that is being read.
pub(super) struct Items<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    count: usize,
    open: bool,
}

impl<'r, 'a> Items<'r, 'a> {
    pub(super) fn open(reader: &'r mut Reader<'a>) -> Result<Items<'r, 'a>, JsonError> {
        reader.expect(b'[')?;
        reader.enter()?;
        Ok(Items { reader, count: 0, open: true })
    }

    /// Goes on to the next item, if there is one.
    pub(super) fn has_next(&mut self) -> Result<bool, JsonError> {
        self.reader.skip_space();
        if self.reader.peek() == Some(b']') {
            self.reader.position += 1;
            self.reader.depth -= 1;
            self.open = false;
            return Ok(false);
        }
        if self.count > 0 {
            self.reader.expect(b',')?;
        }
        self.count += 1;
        self.reader.build()?;
        Ok(true)
    }

    fn visit<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, JsonError> {
        let value = visitor.visit_seq(&mut self)?;
        if self.open && de::SeqAccess::next_element::<de::IgnoredAny>(&mut &mut self)?.is_some() {
            return Err(self.reader.error("more items than expected"));
        }
        Ok(value)
    }
}

impl<'a> de::SeqAccess<'a> for &mut Items<'_, 'a> {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'a>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, JsonError> {
        if !self.has_next()? {
            return Ok(None);
        }
        seed.deserialize(&mut *self.reader)
            .map(Some)
            .map_err(|error| error.inside((self.count - 1).to_string(), self.reader.position))
    }
}

/// Go's decoder takes `Signed` for `signed`: the key would mean something there and nothing here.
pub(crate) fn refuse_look_alike(key: &str, known: &[&str]) -> Result<(), String> {
    if known.contains(&key) {
        return Ok(());
    }
    // The two characters beyond ASCII that Go folds into ASCII letters.
    let folded = key.to_ascii_lowercase().replace('\u{17f}', "s").replace('\u{212a}', "k");
    match known.iter().find(|name| name.eq_ignore_ascii_case(&folded)) {
        Some(name) => Err(format!("the key {key:?} differs only in case from {name:?}")),
        None => Ok(()),
    }
}
