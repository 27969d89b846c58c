//! What a person writes to name a key.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use notary_schema::name::KeyId;

use super::KeyError;

/// A place outside this process that holds keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A token behind PKCS#11.
    Pkcs11,
    /// AWS KMS.
    AwsKms,
    /// A program that signs.
    Exec,
}

impl Backend {
    const ALL: [Backend; 3] = [Backend::Pkcs11, Backend::AwsKms, Backend::Exec];

    fn prefix(self) -> &'static str {
        match self {
            Backend::Pkcs11 => "pkcs11:",
            Backend::AwsKms => "awskms:",
            Backend::Exec => "exec:",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Pkcs11 => "a PKCS#11 token",
            Backend::AwsKms => "AWS KMS",
            Backend::Exec => "a signing program",
        })
    }
}

/// What a person writes to name a key: a key id, a file, or a key of a [`Backend`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// A key of the trust directory: 64 lower-case hexadecimal digits.
    Id(KeyId),
    /// A key file; `./` in front makes a file of any name one.
    File(PathBuf),
    /// A key elsewhere, with the whole reference as it was written.
    Elsewhere(Backend, String),
}

impl KeyRef {
    /// The file of the key; `of_id` says where the file of a key id is.
    ///
    /// # Errors
    /// A key of a backend has none.
    pub fn file(&self, of_id: impl FnOnce(&KeyId) -> PathBuf) -> Result<PathBuf, KeyError> {
        match self {
            KeyRef::Id(id) => Ok(of_id(id)),
            KeyRef::File(path) => Ok(path.clone()),
            KeyRef::Elsewhere(backend, reference) => Err(KeyError::BackendNotAvailable {
                backend: *backend,
                reference: reference.clone(),
            }),
        }
    }
}

impl FromStr for KeyRef {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<KeyRef, KeyError> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 64 && digits {
            return Ok(KeyRef::Id(KeyId::parse(text).expect("64 digits are short enough")));
        }
        let backend = Backend::ALL.into_iter().find(|backend| text.starts_with(backend.prefix()));
        match backend {
            Some(backend) if text.len() > backend.prefix().len() => {
                Ok(KeyRef::Elsewhere(backend, text.to_owned()))
            }
            None if !text.is_empty() => Ok(KeyRef::File(PathBuf::from(text))),
            _ => Err(KeyError::NotAReference(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_key_id_a_file_or_a_key_of_a_backend() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(id.parse::<KeyRef>().unwrap(), KeyRef::Id(KeyId::parse(&id).unwrap()));
        for file in ["root.pem", "./exec:x", &id[1..], &id.to_uppercase(), "pkcs12:x"] {
            assert_eq!(file.parse::<KeyRef>().unwrap(), KeyRef::File(file.into()), "{file}");
        }
        for (text, backend) in [
            ("pkcs11:token=a;object=b", Backend::Pkcs11),
            ("awskms:alias/root", Backend::AwsKms),
            ("exec:/usr/bin/sign", Backend::Exec),
        ] {
            let reference: KeyRef = text.parse().unwrap();
            assert_eq!(reference, KeyRef::Elsewhere(backend, text.to_owned()));
            let refused = reference.file(|_| unreachable!("not a key id")).unwrap_err();
            assert!(matches!(refused, KeyError::BackendNotAvailable { .. }), "{refused}");
        }
        for nothing in ["", "pkcs11:", "awskms:", "exec:"] {
            assert!(nothing.parse::<KeyRef>().is_err(), "{nothing:?} was accepted");
        }
    }

    #[test]
    fn the_file_of_a_key_id_is_where_the_caller_keeps_it() {
        let id: KeyRef = "a".repeat(64).parse().unwrap();
        let file = id.file(|id| PathBuf::from(format!("keys/{id}.pem"))).unwrap();
        assert_eq!(file, PathBuf::from(format!("keys/{}.pem", "a".repeat(64))));
    }
}
