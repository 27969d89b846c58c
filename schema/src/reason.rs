//! What people write for people: why something is proposed, why a key is revoked.
//!
//! Whoever may make a proposal writes a line that others read before they sign. So it is one line,
//! and shows the characters that it has, each of them, in the order in which it has them.

use std::fmt;

/// Most characters of a reason.
pub const MAX_REASON_CHARACTERS: usize = 500;

/// One line of 1 to [`MAX_REASON_CHARACTERS`] characters, none of which [steers](is_steering) or
/// [is unseen](is_unseen), without blanks at its ends.
///
/// ```
/// use notary_schema::reason::{Reason, ReasonError};
///
/// assert_eq!(Reason::parse(" the key was stolen ")?.as_str(), "the key was stolen");
/// assert_eq!(Reason::parse("harmless \u{202e}"), Err(ReasonError::Steers('\u{202e}')));
/// assert_eq!(Reason::parse("stolen\u{200b}"), Err(ReasonError::Unseen('\u{200b}')));
/// # Ok::<(), ReasonError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// A text that is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Nothing, blanks, or what is seen only beside other characters.
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
    /// It has a character that shows nothing.
    #[error(
        "a reason is one line of characters that are shown; this one has U+{:04X}, which shows \
         nothing: leave it out",
        u32::from(*.0)
    )]
    Unseen(char),
}

impl Reason {
    /// Reads a reason as a person writes it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Reason, ReasonError> {
        let text = text.trim();
        let characters = text.chars().count();
        let shows = |c: char| !c.is_whitespace() && !is_joining(c);
        match text.chars().find(|c| is_steering(*c) || is_unseen(*c)) {
            _ if characters == 0 => Err(ReasonError::Empty),
            _ if characters > MAX_REASON_CHARACTERS => Err(ReasonError::TooLong { characters }),
            Some(steering) if is_steering(steering) => Err(ReasonError::Steers(steering)),
            Some(unseen) => Err(ReasonError::Unseen(unseen)),
            None if !text.chars().any(shows) => Err(ReasonError::Empty),
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

/// Most characters of a [`Label`].
pub const MAX_LABEL_CHARACTERS: usize = 64;

/// What people call a thing of theirs: a line like a [`Reason`], of up to [`MAX_LABEL_CHARACTERS`].
///
/// ```
/// use notary_schema::reason::Label;
///
/// assert_eq!(Label::parse(" the nightly job ")?.to_string(), "the nightly job");
/// assert!(Label::parse("nightly\njob").is_err());
/// # Ok::<(), notary_schema::reason::LabelError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(String);

/// A text that is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a name is one line of 1 to {MAX_LABEL_CHARACTERS} characters, each of which is shown and none of \
     which reorders text"
)]
pub struct LabelError;

impl Label {
    /// Reads a name as a person writes it.
    ///
    /// # Errors
    /// Whatever a [`Reason`] is refused for, and more characters.
    pub fn parse(text: &str) -> Result<Label, LabelError> {
        let Reason(text) = Reason::parse(text).map_err(|_| LabelError)?;
        match text.chars().count() > MAX_LABEL_CHARACTERS {
            true => Err(LabelError),
            false => Ok(Label(text)),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a character is none that is shown: a control, or what ends a line or reorders text (Unicode
/// UAX 9).
pub fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text of somebody else for a terminal: what [steers](is_steering) is escaped.
///
/// ```
/// assert_eq!(notary_schema::reason::plain("a\u{1b}[31m"), "a\\u{1b}[31m");
/// ```
pub fn plain(text: &str) -> String {
    let plain = |c: char| match is_steering(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(plain).collect()
}

/// Whether a character shows nothing wherever it stands: one that is to be ignored where it is not
/// known (Unicode `Default_Ignorable_Code_Point`), blank letters, tags, noncharacters. What only
/// changes how its neighbours look, as in emoji and many scripts, is none.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180e}' | '\u{200b}'
        | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
        | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// Whether a character only changes how its neighbours look.
fn is_joining(c: char) -> bool {
    matches!(c,
        '\u{34f}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{200c}'..='\u{200d}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
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
                assert!(!is_steering(c), "{c:?}");
            }
        }
    }

    #[test]
    fn what_shows_nothing_is_refused_and_what_joins_others_needs_them() {
        for c in [
            '\u{ad}',
            '\u{200b}',
            '\u{2060}',
            '\u{3164}',
            '\u{feff}',
            '\u{fdd0}',
            '\u{fffe}',
            '\u{1ffff}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e007f}',
            '\u{10ffff}',
        ] {
            for text in [c.to_string(), format!("a{c}b")] {
                assert_eq!(Reason::parse(&text), Err(ReasonError::Unseen(c)), "{text:?}");
            }
        }
        for seen in
            ["👩\u{200d}🔧", "❤\u{fe0f}", "می\u{200c}خواهم", "葛\u{e0100}", "e\u{301}", "\u{fffd}"]
        {
            assert_eq!(Reason::parse(seen).unwrap().as_str(), seen);
        }
        for alone in ["\u{200d}", "\u{fe0f} \u{200c}", "\u{34f}\u{e0100}"] {
            assert_eq!(Reason::parse(alone), Err(ReasonError::Empty), "{alone:?}");
        }
    }

    #[test]
    fn length_is_in_characters() {
        let most = "é".repeat(MAX_REASON_CHARACTERS);
        assert_eq!(Reason::parse(&format!(" {most} ")).unwrap().as_str(), most);
        let more = Reason::parse(&format!("{most}é"));
        assert_eq!(more, Err(ReasonError::TooLong { characters: MAX_REASON_CHARACTERS + 1 }));
        assert_eq!(Reason::parse(" \n "), Err(ReasonError::Empty));
        let most = "é".repeat(MAX_LABEL_CHARACTERS);
        assert_eq!(Label::parse(&most).unwrap().to_string(), most);
        for bad in [format!("{most}é"), String::new(), "a\u{202e}".into(), "a\u{200b}".into()] {
            assert_eq!(Label::parse(&bad), Err(LabelError), "{bad:?}");
        }
    }
}
