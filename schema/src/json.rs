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

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Value;

use crate::name::MAX_INTEGER;

/// Deepest nesting of arrays and objects in a file.
pub const MAX_DEPTH: usize = 64;

/// Why a document was refused: where (`signed.roles.root`), at which byte, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// Keys and indexes from the innermost outwards.
    path: Vec<String>,
    offset: Option<usize>,
    problem: String,
}

impl JsonError {
    fn at(offset: usize, problem: impl Into<String>) -> JsonError {
        JsonError { path: Vec::new(), offset: Some(offset), problem: problem.into() }
    }

    fn inside(mut self, step: impl Into<String>, offset: usize) -> JsonError {
        self.path.push(step.into());
        self.offset.get_or_insert(offset);
        self
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 160;
        let path = self.path.iter().rev().cloned().collect::<Vec<_>>().join(".");
        if !path.is_empty() {
            let shown: String = path.chars().take(SHOWN).collect();
            write!(f, "at {shown}: ")?;
        }
        f.write_str(&self.problem)?;
        match self.offset {
            Some(offset) => write!(f, " (byte {offset})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for JsonError {}

impl de::Error for JsonError {
    fn custom<T: fmt::Display>(problem: T) -> JsonError {
        JsonError { path: Vec::new(), offset: None, problem: problem.to_string() }
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
    let mut reader = Reader::new(bytes)?;
    let value = reader.value()?;
    reader.end()?;
    Ok(value)
}

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

/// A value together with the bytes that it was read from.
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) range: Range<usize>,
    /// Whether these bytes already are the canonical form.
    pub(crate) canonical: bool,
}

/// A reading position in a document; the serde deserializer behind [`read`].
pub(crate) struct Reader<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    canonical: bool,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Reader<'a>, JsonError> {
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(JsonError::at(0, "the document starts with a byte order mark"));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsonError::at(error.valid_up_to(), "the document is not UTF-8"))?;
        Ok(Reader { text, position: 0, depth: 0, canonical: true })
    }

    /// Reads one value of the type that the caller wants.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Result<T, JsonError> {
        T::deserialize(self)
    }

    /// Reads one value and notes its bytes and whether they are canonical.
    pub(crate) fn spanned<T: Deserialize<'a>>(&mut self) -> Result<Spanned<T>, JsonError> {
        self.skip_space();
        let start = self.position;
        self.canonical = true;
        let value = self.value()?;
        Ok(Spanned { value, range: start..self.position, canonical: self.canonical })
    }

    /// Reads an object, handing each key to `member`, which reads the value.
    pub(crate) fn object(
        &mut self,
        known: &'static [&'static str],
        mut member: impl FnMut(&mut Reader<'a>, &str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        let mut members = Members::open(self, Some(known))?;
        while let Some(key) = members.key()? {
            member(members.reader, &key)
                .map_err(|error| error.inside(&*key, members.reader.position))?;
        }
        Ok(())
    }

    /// Asserts that nothing but white space follows.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("bytes after the end of the document")),
        }
    }

    fn error(&self, problem: impl Into<String>) -> JsonError {
        JsonError::at(self.position, problem)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.canonical = false;
            self.position += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        self.skip_space();
        match self.peek() {
            Some(found) if found == byte => {
                self.position += 1;
                Ok(())
            }
            Some(_) => Err(self.error(format!("expected {:?}", byte as char))),
            None => Err(self.error("the document ends too early")),
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<(), JsonError> {
        if self.text[self.position..].starts_with(word) {
            self.position += word.len();
            return Ok(());
        }
        Err(self.error("not a JSON value"))
    }

    fn enter(&mut self) -> Result<(), JsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }

    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"')?;
        let bytes = self.text.as_bytes();
        let mut owned = String::new();
        let mut start = self.position;
        loop {
            let Some(length) =
                bytes[self.position..].iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))
            else {
                return Err(self.error("a string without an end"));
            };
            self.position += length;
            let plain = &self.text[start..self.position];
            match bytes[self.position] {
                b'"' => {
                    self.position += 1;
                    if owned.is_empty() {
                        return Ok(Cow::Borrowed(plain));
                    }
                    owned.push_str(plain);
                    return Ok(Cow::Owned(owned));
                }
                b'\\' => {
                    owned.push_str(plain);
                    self.position += 1;
                    owned.push(self.escape()?);
                    start = self.position;
                }
                _ => return Err(self.error("a control character in a string")),
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let letter = self.peek().ok_or_else(|| self.error("the document ends too early"))?;
        self.position += 1;
        let character = match letter {
            b'"' => return Ok('"'),
            b'\\' => return Ok('\\'),
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode_escape()?,
            _ => return Err(self.error("an unknown escape in a string")),
        };
        self.canonical = false;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let lone = "a surrogate without its other half in a string";
        let first = self.hex4()?;
        let code = match first {
            0xd800..=0xdbff => {
                if !self.text[self.position..].starts_with("\\u") {
                    return Err(self.error(lone));
                }
                self.position += 2;
                let second = self.hex4()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(self.error(lone));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| self.error(lone))
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self
            .text
            .as_bytes()
            .get(self.position..self.position + 4)
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .ok_or_else(|| self.error("\\u without four hexadecimal digits"))?;
        self.position += 4;
        u32::from_str_radix(digits, 16).map_err(|_| self.error("not a hexadecimal number"))
    }

    fn integer(&mut self) -> Result<i64, JsonError> {
        let start = self.position;
        let negative = self.peek() == Some(b'-');
        self.position += usize::from(negative);
        let bytes = &self.text.as_bytes()[self.position..];
        let length = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let digits = &bytes[..length];
        if length == 0 {
            return Err(self.error("not a JSON value"));
        }
        if digits[0] == b'0' && (length > 1 || negative) {
            return Err(self.error("a number with a leading zero, or -0"));
        }
        if let Some(b'.' | b'e' | b'E') = bytes.get(length) {
            return Err(self.error("a number with a fraction or an exponent"));
        }
        let too_large = "an integer beyond 2^53-1";
        if length > 16 {
            return Err(self.error(too_large));
        }
        let number = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        if number > MAX_INTEGER {
            return Err(JsonError::at(start, too_large));
        }
        self.position += length;
        let number = i64::try_from(number).map_err(|_| JsonError::at(start, too_large))?;
        Ok(if negative { -number } else { number })
    }
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{') => Members::open(self, None)?.visit(visitor),
            Some(b'[') => Items::open(self)?.visit(visitor),
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
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
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
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
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// The members of an object that is being read. Refuses repeated keys when it is closed.
struct Members<'r, 'a> {
    reader: &'r mut Reader<'a>,
    known: Option<&'static [&'static str]>,
    keys: Vec<Cow<'a, str>>,
    ascending: bool,
    open: bool,
}

impl<'r, 'a> Members<'r, 'a> {
    fn open(
        reader: &'r mut Reader<'a>,
        known: Option<&'static [&'static str]>,
    ) -> Result<Members<'r, 'a>, JsonError> {
        reader.expect(b'{')?;
        reader.enter()?;
        Ok(Members { reader, known, keys: Vec::new(), ascending: true, open: true })
    }

    fn visit<V: Visitor<'a>>(mut self, visitor: V) -> Result<V::Value, JsonError> {
        let value = visitor.visit_map(&mut self)?;
        if self.open {
            return Err(self.reader.error("more members than expected"));
        }
        Ok(value)
    }

    fn key(&mut self) -> Result<Option<Cow<'a, str>>, JsonError> {
        self.reader.skip_space();
        if self.reader.peek() == Some(b'}') {
            self.reader.position += 1;
            return self.close().map(|()| None);
        }
        if !self.keys.is_empty() {
            self.reader.expect(b',')?;
        }
        let key = self.reader.string()?;
        if let Some(known) = self.known {
            refuse_look_alike(&key, known).map_err(|problem| self.reader.error(problem))?;
        }
        self.reader.expect(b':')?;
        if self.keys.last().is_some_and(|last| *last >= key) {
            self.ascending = false;
        }
        self.keys.push(key.clone());
        Ok(Some(key))
    }

    /// Keys in strictly ascending order, as in every canonical file, cannot repeat.
    fn close(&mut self) -> Result<(), JsonError> {
        self.open = false;
        self.reader.depth -= 1;
        if self.ascending {
            return Ok(());
        }
        self.reader.canonical = false;
        self.keys.sort_unstable();
        match self.keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(self.reader.error(format!("the key {:?} is repeated", pair[0]))),
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
        let Some(key) = self.key()? else { return Ok(None) };
        seed.deserialize(key.into_deserializer())
            .map(Some)
            .map_err(|error: JsonError| JsonError { offset: Some(self.reader.position), ..error })
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, JsonError> {
        seed.deserialize(&mut *self.reader).map_err(|error| {
            let key = self.keys.last().map_or("", |key| key.as_ref());
            error.inside(key, self.reader.position)
        })
    }
}

/// The items of an array that is being read.
struct Items<'r, 'a> {
    reader: &'r mut Reader<'a>,
    count: usize,
    open: bool,
}

impl<'r, 'a> Items<'r, 'a> {
    fn open(reader: &'r mut Reader<'a>) -> Result<Items<'r, 'a>, JsonError> {
        reader.expect(b'[')?;
        reader.enter()?;
        Ok(Items { reader, count: 0, open: true })
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
        self.reader.skip_space();
        if self.reader.peek() == Some(b']') {
            self.reader.position += 1;
            self.reader.depth -= 1;
            self.open = false;
            return Ok(None);
        }
        if self.count > 0 {
            self.reader.expect(b',')?;
        }
        self.count += 1;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

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
            let mut reader = Reader::new(text.as_bytes()).unwrap();
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
        fn canonical_of_canonical_is_canonical(value in any_value()) {
            let once = canonical(&value);
            if let Ok(again) = read::<Value>(&once) {
                prop_assert_eq!(canonical(&again), once.clone());
                let mut reader = Reader::new(&once).unwrap();
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
