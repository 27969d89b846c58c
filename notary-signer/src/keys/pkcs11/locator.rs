//! How a key in a token is named: by its label, its id, or both.

use std::fmt;
use std::str::FromStr;

use super::super::percent::{decode, encode};

/// A key of a token, written as the path of a `pkcs11:` URI names it (RFC 7512):
/// `object=LABEL`, `id=%01%ff`, or both with `;` between. A text without `=` is a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Locator {
    /// CKA_LABEL.
    pub label: Option<String>,
    /// CKA_ID.
    pub id: Option<Vec<u8>>,
}

impl FromStr for Locator {
    type Err = String;
    fn from_str(text: &str) -> Result<Locator, String> {
        let mut locator = Locator { label: None, id: None };
        if !text.contains('=') {
            locator.label = Some(text.to_owned()).filter(|label| !label.is_empty());
        } else {
            for attribute in text.split(';') {
                let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
                let value = decode(value).filter(|value| !value.is_empty());
                let value = value.ok_or_else(|| format!("{name:?} has no readable value"))?;
                match name {
                    "object" if locator.label.is_none() => {
                        let label = String::from_utf8(value);
                        locator.label = Some(label.map_err(|_| "the label is not UTF-8")?);
                    }
                    "id" if locator.id.is_none() => locator.id = Some(value),
                    _ => return Err(format!("{name:?} is unknown here, or comes twice")),
                }
            }
        }
        match &locator {
            Locator { label: None, id: None } => {
                Err("name a key by object=LABEL, id=%01, or both".to_owned())
            }
            _ => Ok(locator),
        }
    }
}

impl fmt::Display for Locator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label =
            self.label.as_ref().map(|label| format!("object={}", encode(label.as_bytes(), b"")));
        let id = self.id.as_ref().map(|id| {
            let bytes = id.iter().map(|byte| format!("%{byte:02x}"));
            format!("id={}", bytes.collect::<String>())
        });
        f.write_str(&label.into_iter().chain(id).collect::<Vec<_>>().join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locator_reads_back_from_its_text() {
        for (label, id) in [
            (Some("release key/1; %=ü"), None),
            (None, Some(vec![0, 1, 0xff])),
            (Some("k"), Some(vec![0x3b])),
        ] {
            let locator = Locator { label: label.map(str::to_owned), id };
            assert_eq!(locator.to_string().parse(), Ok(locator.clone()), "{locator}");
        }
        let plain = "my key".parse();
        assert_eq!(plain, Ok(Locator { label: Some("my key".to_owned()), id: None }));
        let digits = "id=ab%00".parse();
        assert_eq!(digits, Ok(Locator { label: None, id: Some(b"ab\0".to_vec()) }));
    }

    #[test]
    fn what_names_no_key_is_refused() {
        for text in
            ["", "object=", "id=%0", "id=%+1", "id=%zz", "serial=1", "id=%01;id=%02", "id=%01;"]
        {
            assert!(text.parse::<Locator>().is_err(), "{text:?} was accepted");
        }
        assert!("object=%ff".parse::<Locator>().is_err(), "a label that is not UTF-8");
    }
}
