//! What people write for people: why something is proposed, why a key is revoked.
//!
//! Whoever may make a proposal writes a line that others read before they sign. So it is one line,
//! and shows the characters that it has in the order in which it has them.

/// Most characters of a reason.
pub const MAX_REASON_CHARACTERS: usize = 500;

/// One line of 1 to [`MAX_REASON_CHARACTERS`] characters, none of which [steers](is_steering), without
/// blanks at its ends.
///
/// ```
/// use notary_schema::reason::{Reason, ReasonError};
///
/// assert_eq!(Reason::parse(" the key was stolen ")?.as_str(), "the key was stolen");
/// assert_eq!(Reason::parse("harmless \u{202e}"), Err(ReasonError::Steers('\u{202e}')));
/// # Ok::<(), ReasonError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// A text that is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Nothing, or blanks.
    #[error("a reason says why, on one line of up to {MAX_REASON_CHARACTERS} characters")]
    Empty,
    /// It is longer than [`MAX_REASON_CHARACTERS`].
    #[error("a reason has up to {MAX_REASON_CHARACTERS} characters, this one {characters}")]
    TooLong {
        /// How many it has.
        characters: usize,
    },
    /// It has a character that is not shown as itself.
    #[error(
        "a reason is one line of characters that are shown; this one has U+{:04X}, which ends a \
         line or reorders text: leave it out",
        u32::from(*.0)
    )]
    Steers(char),
}

impl Reason {
    /// Reads a reason as a person writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Reason, ReasonError> {
        let text = text.trim();
        let characters = text.chars().count();
        match text.chars().find(|c| is_steering(*c)) {
            _ if characters == 0 => Err(ReasonError::Empty),
            _ if characters > MAX_REASON_CHARACTERS => Err(ReasonError::TooLong { characters }),
            Some(steering) => Err(ReasonError::Steers(steering)),
            None => Ok(Reason(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> String {
        reason.0
    }
}

/// Whether a character is none that is shown: a control, or what ends a line or reorders text (Unicode
/// UAX 9).
pub fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_people_has_no_character_that_steers_and_its_neighbours_are_fine() {
        for (first, last) in [
            ('\u{0}', '\u{1f}'),
            ('\u{7f}', '\u{9f}'),
            ('\u{61c}', '\u{61c}'),
            ('\u{200e}', '\u{200f}'),
            ('\u{2028}', '\u{202e}'),
            ('\u{2066}', '\u{2069}'),
        ] {
            for c in first..=last {
                let text = format!("a{c}b");
                assert_eq!(Reason::parse(&text), Err(ReasonError::Steers(c)), "{text:?}");
            }
            let before = u32::from(first).checked_sub(1).and_then(char::from_u32);
            for c in before.into_iter().chain(char::from_u32(u32::from(last) + 1)) {
                assert!(Reason::parse(&format!("a{c}b")).is_ok(), "{c:?}");
            }
        }
    }

    #[test]
    fn length_is_in_characters() {
        let most = "é".repeat(MAX_REASON_CHARACTERS);
        assert_eq!(Reason::parse(&format!(" {most} ")).unwrap().as_str(), most);
        let more = Reason::parse(&format!("{most}é"));
        assert_eq!(more, Err(ReasonError::TooLong { characters: MAX_REASON_CHARACTERS + 1 }));
        assert_eq!(Reason::parse(" \n "), Err(ReasonError::Empty));
    }
}
