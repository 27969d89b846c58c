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
    /// Where the keys of the objects stand that are being read, the innermost last: as short as can
    /// be, for an object may have millions.
    pub(super) keys: Vec<u32>,
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
        Ok(Reader { text, position: 0, depth: 0, canonical: true, budget, keys: Vec::new() })
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
        Ok(self.uncounted(|reader| reader.value::<IgnoredAny>())?.1)
    }

    /// Reads one value without counting its members and items; answers its text, too.
    pub(super) fn uncounted<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, JsonError>,
    ) -> Result<(T, &'a str), JsonError> {
        self.skip_space();
        let (start, budget) = (self.position, self.budget);
        self.budget = u64::MAX;
        let value = read(self);
        self.budget = budget;
        value.map(|value| (value, &self.text[start..self.position]))
    }

    /// The string that was read at this place before.
    pub(super) fn string_at(&self, position: u32) -> Cow<'a, str> {
        let (text, position) = (self.text, position as usize);
        let mut again =
            Reader { text, position, depth: 0, canonical: true, budget: 0, keys: Vec::new() };
        again.string().expect("it was read before")
    }

    /// Reads an object, handing each key to `member`, which reads the value.
    pub(crate) fn object(
        &mut self,
        known: &'static [&'static str],
        mut member: impl FnMut(&mut Reader<'a>, &str) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        let mut members = Members::open(self, Some(known))?;
        while members.has_next()? {
            member(members.reader, &members.key)
                .map_err(|error| error.inside(&*members.key, members.reader.position))?;
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

    #[cold]
    pub(super) fn error(&self, problem: impl Into<String>) -> JsonError {
        JsonError::at(self.position, problem)
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.canonical = false;
            self.position += 1;
        }
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        self.skip_space();
        if self.peek() == Some(byte) {
            self.position += 1;
            return Ok(());
        }
        Err(self.unexpected(byte))
    }

    #[cold]
    fn unexpected(&self, byte: u8) -> JsonError {
        match self.peek() {
            Some(_) => self.error(format!("expected {:?}", byte as char)),
            None => self.error("the document ends too early"),
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

    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.expect(b'"')?;
        let plain = self.plain()?;
        match self.peek() {
            Some(b'"') => {
                self.position += 1;
                Ok(Cow::Borrowed(plain))
            }
            _ => self.escaped(plain).map(Cow::Owned),
        }
    }

    /// Reads a string that starts with this and goes on with an escape.
    #[cold]
    fn escaped(&mut self, start: &str) -> Result<String, JsonError> {
        let mut text = start.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.position += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.position += 1;
                    text.push(self.escape()?);
                }
                _ => return Err(self.error("a control character in a string")),
            }
            text.push_str(self.plain()?);
        }
    }

    /// Reads what stands before the next quote, backslash or control character of a string.
    #[inline]
    fn plain(&mut self) -> Result<&'a str, JsonError> {
        let start = self.position;
        let end = plain_end(self.text.as_bytes(), start);
        self.position = end.ok_or_else(|| self.error("a string without an end"))?;
        Ok(&self.text[start..self.position])
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

/// Where the next byte stands that means something in a string: a quote, a backslash or a control
/// character. Eight are looked at together; files are strings for the most part.
#[inline]
fn plain_end(bytes: &[u8], start: usize) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let mut at = start;
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        // Sets the high bit of the first byte below `limit`, and of none before it.
        let below = |word: u64, limit: u8| word.wrapping_sub(ONES * u64::from(limit)) & !word;
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let found = (below(word, 0x20) | is(b'"') | is(b'\\')) & HIGH_BITS;
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).map(|found| at + found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_means_something_in_a_string_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_special = matches!(byte, b'"' | b'\\' | 0..=0x1f);
            for (at, filler) in (0..20).flat_map(|at| [b' ', b'!', 0x7f, 0xff].map(|f| (at, f))) {
                let mut bytes = [filler; 20];
                bytes[at] = byte;
                assert_eq!(plain_end(&bytes, 0), is_special.then_some(at), "{byte} at {at}");
                assert_eq!(plain_end(&bytes, at + 1), None);
                bytes[19] = b'"';
                let first = if is_special { at } else { 19 };
                assert_eq!(plain_end(&bytes, at / 2), Some(first), "{byte} at {at}");
            }
        }
    }
}
