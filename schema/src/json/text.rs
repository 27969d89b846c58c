//! What is kept as it came: strings without escapes, and values as their text.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{JsonError, Reader};

/// A string; only one with escapes takes memory of its own.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Word<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// What [`Reader`] knows [`Text`] by.
pub(super) const NAME: &str = "notary_schema::json::Text";

/// The text of one JSON value, as it came, of which a `T` was read and dropped. From other readers
/// than ours the text is written anew.
pub(crate) struct Text<'a, T = IgnoredAny> {
    pub(crate) text: Cow<'a, str>,
    read: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Text<'de, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Text<'de, T>, D::Error> {
        struct OfText<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for OfText<T> {
            type Value = Text<'de, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            /// From our reader: the value, then its text.
            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
                let (_, text) = (parts.next_element::<T>()?, parts.next_element()?);
                let text = text.ok_or_else(|| A::Error::custom("a value without its text"))?;
                Ok(Text { text: Cow::Borrowed(text), read: PhantomData })
            }

            /// From any other.
            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Self::Value, D::Error> {
                let value = Value::deserialize(deserializer)?;
                let text = Cow::Owned(value.to_string());
                T::deserialize(value).map_err(D::Error::custom)?;
                Ok(Text { text, read: PhantomData })
            }
        }
        deserializer.deserialize_newtype_struct(NAME, OfText(PhantomData))
    }
}

/// A value of our reader, and behind it its text.
pub(super) struct ValueAndText<'r, 'a> {
    reader: &'r mut Reader<'a>,
    text: Option<&'a str>,
}

impl<'r, 'a> ValueAndText<'r, 'a> {
    pub(super) fn of(reader: &'r mut Reader<'a>) -> ValueAndText<'r, 'a> {
        ValueAndText { reader, text: None }
    }
}

impl<'a> SeqAccess<'a> for ValueAndText<'_, 'a> {
    type Error = JsonError;

    fn next_element_seed<S: DeserializeSeed<'a>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, JsonError> {
        let part = match self.text {
            None => {
                let (value, text) = self.reader.uncounted(|reader| seed.deserialize(reader))?;
                self.text = Some(text);
                value
            }
            Some(text) => seed.deserialize(BorrowedStrDeserializer::new(text))?,
        };
        Ok(Some(part))
    }
}
