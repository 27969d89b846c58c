//! A key in a place outside this process, as people and files name it.
//!
//! ```text
//! pkcs11:token=LABEL;object=LABEL?pin-source=file:PATH     RFC 7512
//! awskms:alias/root?region=eu-central-1&profile=release    a key id, an ARN or an alias
//! exec:/usr/bin/sign?key=root&argument=--quiet             a program, and the name it has for the key
//! ```
//! `%xx` stands for a byte everywhere.

use std::fmt;
use std::str::FromStr;

use super::KeyError;
use super::exec::Program;
use super::percent::{decode_text, encode};
use super::pkcs11::{Locator, TokenUri};

const PKCS11: &str = "pkcs11:";
const AWS_KMS: &str = "awskms:";
const EXEC: &str = "exec:";

/// What the names of keys in clouds, and paths, show as they are.
const KEPT: &[u8] = b"/:";

/// A place outside this process that holds keys, and how to get at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A token behind PKCS#11.
    Pkcs11(TokenUri),
    /// AWS KMS. What is left out comes from where every AWS tool takes it.
    AwsKms {
        /// The region; left out, that of the key's ARN where there is one.
        region: Option<String>,
        /// The profile in `~/.aws`.
        profile: Option<String>,
    },
    /// A program that signs.
    Exec(Program),
}

/// A place, and the name that one of its keys has there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    /// The place.
    pub place: Place,
    /// The key, as [`KeyStore::attach`](super::KeyStore::attach) takes it; `None` names the place
    /// alone, for a new key.
    pub key: Option<String>,
}

impl Elsewhere {
    /// Whether a text begins as one.
    pub(super) fn is_named_by(text: &str) -> bool {
        [PKCS11, AWS_KMS, EXEC].into_iter().any(|scheme| after(scheme, text).is_some())
    }

    /// What to add to name a key, too.
    pub(super) fn way_to_name_a_key(&self) -> &'static str {
        match self.place {
            Place::Pkcs11(_) => "add object=LABEL or id=%01",
            Place::AwsKms { .. } => "say awskms:alias/NAME, or its id or ARN",
            Place::Exec(_) => "add ?key=NAME",
        }
    }
}

impl FromStr for Elsewhere {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Elsewhere, KeyError> {
        let read = if let Some(rest) = after(PKCS11, text) {
            TokenUri::parse(rest).map(|(token, key)| Elsewhere {
                place: Place::Pkcs11(token),
                key: key.map(|key: Locator| key.to_string()),
            })
        } else if let Some(rest) = after(AWS_KMS, text) {
            parse_aws_kms(rest)
        } else if let Some(rest) = after(EXEC, text) {
            parse_exec(rest)
        } else {
            Err(format!("a place of keys begins with {PKCS11}, {AWS_KMS} or {EXEC}"))
        };
        // The text is not repeated: somebody may have written a PIN into it.
        read.map_err(|problem| {
            let scheme = text.split(':').next().unwrap_or_default();
            KeyError::NotAPlace { scheme: scheme.chars().take(40).collect(), problem }
        })
    }
}

/// What follows a scheme, which may be in capitals (RFC 3986, section 3.1).
fn after<'a>(scheme: &str, text: &'a str) -> Option<&'a str> {
    let (begin, rest) = text.split_at_checked(scheme.len())?;
    begin.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn parse_aws_kms(text: &str) -> Result<Elsewhere, String> {
    let (key, query) = text.split_once('?').unwrap_or((text, ""));
    let key = decode_text(key).ok_or("the key has no readable name")?;
    let key = Some(key).filter(|key| !key.is_empty());
    let (mut region, mut profile) = (None, None);
    for (name, value) in pairs(query) {
        let value = value?;
        match name {
            "region" if region.is_none() => region = Some(value),
            "profile" if profile.is_none() => profile = Some(value),
            _ => return Err(unknown(name, "region and profile")),
        }
    }
    let region = region.or_else(|| key.as_deref().and_then(region_of).map(str::to_owned));
    Ok(Elsewhere { place: Place::AwsKms { region, profile }, key })
}

fn parse_exec(text: &str) -> Result<Elsewhere, String> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let path = decode_text(path).filter(|path| !path.is_empty());
    let path = path.ok_or("it names no program: say exec:/usr/bin/sign?key=NAME")?;
    let mut key = None;
    let mut program = Program::new(path.into());
    for (name, value) in pairs(query) {
        let value = value?;
        match name {
            "key" if key.is_none() => key = Some(value),
            "argument" => program.arguments.push(value),
            _ => return Err(unknown(name, "key and argument")),
        }
    }
    Ok(Elsewhere { place: Place::Exec(program), key })
}

/// Names and values of a query.
fn pairs(query: &str) -> impl Iterator<Item = (&str, Result<String, String>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode_text(value).filter(|value| !value.is_empty());
        (name, value.ok_or_else(|| format!("{name} has no readable value")))
    })
}

fn unknown(name: &str, known: &str) -> String {
    format!("{name:?} is unknown here, or comes twice: after the ? stand {known}")
}

/// The region that an ARN names.
pub(super) fn region_of(name: &str) -> Option<&str> {
    name.strip_prefix("arn:")?.split(':').nth(2).filter(|region| !region.is_empty())
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_deref();
        match &self.place {
            Place::Pkcs11(token) => write!(f, "{PKCS11}{}", token.with_key(key)),
            Place::AwsKms { region, profile } => {
                let key = key.unwrap_or_default();
                let own = region_of(key);
                let region = region.iter().filter(|region| own != Some(region.as_str()));
                let region = region.map(|region| ("region", region));
                let query = region.chain(profile.iter().map(|profile| ("profile", profile)));
                write!(f, "{AWS_KMS}{}{}", encode(key.as_bytes(), KEPT), Query(query.collect()))
            }
            Place::Exec(program) => {
                let path = encode(program.path.to_string_lossy().as_bytes(), KEPT);
                let arguments = program.arguments.iter().map(|argument| ("argument", argument));
                let key = self.key.iter().map(|key| ("key", key));
                write!(f, "{EXEC}{path}{}", Query(key.chain(arguments).collect()))
            }
        }
    }
}

struct Query<'a>(Vec<(&'static str, &'a String)>);

impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (name, value)) in self.0.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", encode(value.as_bytes(), KEPT))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Elsewhere {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_reference_reads_back_from_its_text() {
        for text in [
            "pkcs11:token=hsm;object=root;id=%01?pin-source=env:PIN",
            "awskms:",
            "awskms:alias/root",
            "awskms:alias/root?region=eu-central-1&profile=release",
            "awskms:arn:aws:kms:eu-west-1:111122223333:key/1234?profile=a%26b",
            "exec:/usr/bin/sign",
            "exec:/opt/a%20b%3f/sign?key=root%20%c3%bc&argument=--quiet&argument=50%25",
        ] {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn an_arn_names_its_region() {
        let region = |text: &str| match read(text).place {
            Place::AwsKms { region, .. } => region,
            other => panic!("{other:?}"),
        };
        assert_eq!(region("awskms:alias/root"), None);
        let arn = "awskms:arn:aws:kms:eu-west-1:111122223333:key/1234";
        assert_eq!(region(arn).as_deref(), Some("eu-west-1"));
        assert_eq!(region(&format!("{arn}?region=us-east-1")).as_deref(), Some("us-east-1"));
    }

    #[test]
    fn a_program_has_arguments_and_a_name_for_the_key() {
        let Elsewhere { place: Place::Exec(program), key } =
            read("exec:sign?argument=a&key=k&argument=b%20c")
        else {
            panic!("it is a program")
        };
        assert_eq!((program.path.to_str(), key.as_deref()), (Some("sign"), Some("k")));
        assert_eq!(program.arguments, ["a", "b c"]);
    }

    #[test]
    fn what_is_unknown_or_empty_is_refused_by_name() {
        for (text, word) in [
            ("pkcs11:", "names no token"),
            ("awskms:k?regoin=a", "\"regoin\" is unknown"),
            ("awskms:k?region=", "region has no readable value"),
            ("awskms:k?region=a&region=b", "comes twice"),
            ("awskms:%zz", "no readable name"),
            ("exec:", "names no program"),
            ("exec:/bin/sign?name=k", "\"name\" is unknown"),
            ("gcpkms:k", "begins with pkcs11:"),
        ] {
            let refused = text.parse::<Elsewhere>().unwrap_err().to_string();
            assert!(refused.contains(word), "{text}: {refused}");
        }
    }

    #[test]
    fn a_pin_is_not_repeated() {
        let refused = "PKCS11:token=a;object=k?pin-value=4567".parse::<Elsewhere>().unwrap_err();
        assert!(!refused.to_string().contains("4567"), "{refused}");
    }
}
