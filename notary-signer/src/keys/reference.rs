//! What a person writes to name a key.

use std::path::PathBuf;
use std::str::FromStr;

use notary_schema::name::KeyId;

use super::{Elsewhere, KeyError};

/// What a person writes to name a key: a key id, a file, or a key that is elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// A key of the trust directory: 64 lower-case hexadecimal digits.
    Id(KeyId),
    /// A key file; `./` in front makes a file of any name one.
    File(PathBuf),
    /// A key in a place outside this process; it names the key, not only the place.
    Elsewhere(Elsewhere),
}

impl FromStr for KeyRef {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<KeyRef, KeyError> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 64 && digits {
            return Ok(KeyRef::Id(KeyId::parse(text).expect("64 digits are short enough")));
        }
        if !Elsewhere::is_named_by(text) {
            return match text.is_empty() {
                true => Err(KeyError::NotAReference(text.to_owned())),
                false => Ok(KeyRef::File(PathBuf::from(text))),
            };
        }
        let elsewhere: Elsewhere = text.parse()?;
        match elsewhere.key {
            Some(_) => Ok(KeyRef::Elsewhere(elsewhere)),
            None => Err(KeyError::NoKeyNamed {
                place: elsewhere.to_string(),
                next: elsewhere.way_to_name_a_key(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_key_id_a_file_or_a_key_elsewhere() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(id.parse::<KeyRef>().unwrap(), KeyRef::Id(KeyId::parse(&id).unwrap()));
        for file in ["root.pem", "./exec:x", &id[1..], &id.to_uppercase(), "pkcs12:x"] {
            assert_eq!(file.parse::<KeyRef>().unwrap(), KeyRef::File(file.into()), "{file}");
        }
        for text in
            ["pkcs11:token=a;object=b", "AwsKms:alias/root", "exec:/usr/bin/sign?key=release"]
        {
            let reference: KeyRef = text.parse().unwrap();
            assert_eq!(reference, KeyRef::Elsewhere(text.parse().unwrap()));
        }
    }

    #[test]
    fn a_place_alone_names_no_key() {
        for nothing in ["", "pkcs11:", "pkcs11:token=a", "awskms:", "exec:", "exec:/usr/bin/sign"] {
            let refused = nothing.parse::<KeyRef>();
            assert!(refused.is_err(), "{nothing:?} was accepted");
        }
        let refused = "pkcs11:token=a".parse::<KeyRef>().unwrap_err().to_string();
        assert!(refused.contains("add object=LABEL"), "{refused}");
    }
}
