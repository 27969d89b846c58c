//! The reading position in a document, and its tokens.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::objects::Members;
use super::{JsonError, MAX_DEPTH};
use crate::name::MAX_INTEGER;

/// A value together with the bytes that it was read from.
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    pub(crate) range: Range<usize>,
    /// Whether these bytes already are the canonical form.
    pub(crate) canonical: bool,
}

/// A reading position in a document; the serde deserializer behind [`super::read`].
pub(crate) struct Reader<'a> {
    text: &'a str,
    pub(super) position: usize,
    pub(super) depth: usize,
    pub(super) canonical: bool,
    /// Members and items that may still be built.
    budget: u64,
}

impl<'a> Reader<'a> {
    /// A position at the start of a document, of which so many members and items may be built.
    pub(crate) fn new(bytes: &'a [u8], budget: u64) -> Result<Reader<'a>, JsonError> {
        if bytes.starts_with(b"\xef\xbb\xbf") {
            return Err(JsonError::at(0, "the document starts with a byte order mark"));
        }
        if u32::try_from(bytes.len()).is_err() {
            return Err(JsonError::at(0, "the document is longer than 4 GiB"));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsonError::at(error.valid_up_to(), "the document is not UTF-8"))?;
        Ok(Reader { text, position: 0, depth: 0, canonical: true, budget })
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

    /// What is left of the members and items that may be built.
    pub(crate) fn budget(&self) -> u64 {
        self.budget
    }

    /// Counts a member or an item that is built.
    pub(super) fn build(&mut self) -> Result<(), JsonError> {
        match self.budget.checked_sub(1) {
            Some(rest) => {
                self.budget = rest;
                Ok(())
            }
            None => Err(self.error("more members and items than a file of its length has")),
        }
    }

    /// Reads over one value, as strictly as any other, and answers its text. It builds nothing.
    pub(super) fn skip(&mut self) -> Result<&'a str, JsonError> {
        self.skip_space();
        let (start, budget) = (self.position, self.budget);
        self.budget = u64::MAX;
        let skipped = self.value::<IgnoredAny>();
        self.budget = budget;
        skipped.map(|_| &self.text[start..self.position])
    }

    /// The string that was read at this place before.
    pub(super) fn string_at(&self, position: u32) -> Cow<'a, str> {
        let canonical = self.canonical;
        let mut again = Reader { position: position as usize, canonical, ..*self };
        again.string().expect("it was read before")
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

    pub(super) fn error(&self, problem: impl Into<String>) -> JsonError {
        JsonError::at(self.position, problem)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.canonical = false;
            self.position += 1;
        }
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
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

    pub(super) fn literal(&mut self, word: &'static str) -> Result<(), JsonError> {
        if self.text[self.position..].starts_with(word) {
            self.position += word.len();
            return Ok(());
        }
        Err(self.error("not a JSON value"))
    }

    pub(super) fn enter(&mut self) -> Result<(), JsonError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
        }
        Ok(())
    }

    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
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

    pub(super) fn integer(&mut self) -> Result<i64, JsonError> {
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
