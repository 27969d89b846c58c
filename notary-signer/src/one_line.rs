//! Text of others in lines of ours: it stays in its line, and it ends.

use std::fmt::Write as _;
use std::io::{self, Write};

/// A text as far as so many characters, with those escaped that break a line or show nothing.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(most) {
        match character {
            // They would be escaped too, and a text that is quoted already twice.
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    match characters.count() {
        0 => {}
        more => write!(line, "… ({more} more)").expect("a string takes all text"),
    }
    line
}

/// A log in which each event, which comes in one write, is one line.
pub(crate) struct Lines<W>(pub(crate) W);

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let (line, end) = text.strip_suffix('\n').map_or((&*text, ""), |line| (line, "\n"));
        let line = one_line(line, usize::MAX) + end;
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_a_line_or_shows_nothing_is_escaped_and_the_rest_stays() {
        let text = "a\nb\u{1b}[1m\u{202e}c";
        assert_eq!(one_line(text, 100), "a\\nb\\u{1b}[1m\\u{202e}c");
        for plain in ["CN=server, DNS:server", "\"quoted\\n\" it's", "Zürich, 東京"] {
            assert_eq!(one_line(plain, 100), plain);
        }
    }

    #[test]
    fn a_long_text_ends_and_says_how_much_is_left_out() {
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("äöüdef", 2), "äö… (4 more)");
    }

    #[test]
    fn an_event_of_the_log_is_one_line() {
        let mut log = Vec::new();
        for event in ["first\nsecond\n", "third\n"] {
            Lines(&mut log).write_all(event.as_bytes()).unwrap();
        }
        assert_eq!(log, b"first\\nsecond\nthird\n");
    }
}
