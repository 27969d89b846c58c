//! `pkcs11:` URIs (RFC 7512), as `p11tool --list-privkeys` prints them: which token, which key in it,
//! which library, and where the PIN comes from. The PIN itself is never in one.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use cryptoki::slot::TokenInfo;

use super::super::percent::{decode_text, encode};
use super::Locator;

/// What a path in a query may show as it is.
const OF_PATHS: &[u8] = b"/:";

/// How a token is told from others; what is not named does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenName {
    /// Its label.
    pub label: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its maker.
    pub manufacturer: Option<String>,
}

impl TokenName {
    /// The token with a label.
    pub fn labelled(label: &str) -> TokenName {
        TokenName { label: Some(label.to_owned()), ..TokenName::default() }
    }

    pub(super) fn fits(&self, info: &TokenInfo) -> bool {
        let is = |named: &Option<String>, found: &str| {
            named.as_ref().is_none_or(|named| named.trim_end() == found)
        };
        is(&self.label, info.label())
            && is(&self.serial, info.serial_number())
            && is(&self.model, info.model())
            && is(&self.manufacturer, info.manufacturer_id())
    }

    fn attributes(&self) -> [(&'static str, &Option<String>); 4] {
        [
            ("token", &self.label),
            ("serial", &self.serial),
            ("model", &self.model),
            ("manufacturer", &self.manufacturer),
        ]
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.attributes().into_iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(if name == "token" { format!("{value:?}") } else { format!("{name} {value:?}") })
        });
        f.write_str(&named.collect::<Vec<_>>().join(", "))
    }
}

/// Where a PIN comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinSource {
    /// The file that holds it: `file:/etc/notary/pin`.
    File(PathBuf),
    /// The variable of the environment that holds it: `env:TOKEN_PIN`.
    Variable(String),
}

impl FromStr for PinSource {
    type Err = String;
    fn from_str(text: &str) -> Result<PinSource, String> {
        let source = match text.split_once(':') {
            // Three slashes are a URI with an empty host.
            Some(("file", path)) => PinSource::File(path.replacen("///", "/", 1).into()),
            Some(("env", name)) => PinSource::Variable(name.to_owned()),
            _ if text.starts_with('/') => PinSource::File(text.into()),
            _ => return Err(format!("pin-source={text:?} is neither file:PATH nor env:VARIABLE")),
        };
        match &source {
            PinSource::File(path) if path.as_os_str().is_empty() => {
                Err("pin-source=file: names no file".to_owned())
            }
            PinSource::Variable(name) if name.is_empty() => {
                Err("pin-source=env: names no variable".to_owned())
            }
            _ => Ok(source),
        }
    }
}

impl fmt::Display for PinSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PinSource::File(path) => write!(f, "file:{}", path.display()),
            PinSource::Variable(name) => write!(f, "env:{name}"),
        }
    }
}

/// A token, and how to get at it, without the name of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUri {
    /// The token.
    pub token: TokenName,
    /// The library of its maker; left out, whoever asks has a usual one.
    pub module: Option<PathBuf>,
    /// Where its PIN comes from; left out, a person is asked.
    pub pin: Option<PinSource>,
}

impl TokenUri {
    /// Reads what follows `pkcs11:`, with the key in the token where one is named.
    ///
    /// # Errors
    /// What is wrong; a PIN is never repeated.
    pub fn parse(text: &str) -> Result<(TokenUri, Option<Locator>), String> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let mut token = TokenName::default();
        let mut key = Vec::new();
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let place = match name {
                "token" => &mut token.label,
                "serial" => &mut token.serial,
                "model" => &mut token.model,
                "manufacturer" => &mut token.manufacturer,
                "object" | "id" => {
                    key.push(attribute);
                    continue;
                }
                "type" if value == "private" => continue,
                "type" => return Err("a key that signs has type=private".to_owned()),
                "pin-value" => return Err(no_pin_here()),
                _ => {
                    return Err(format!(
                        "{name:?} is unknown here: a key is named by token, serial, model, \
                         manufacturer, object and id"
                    ));
                }
            };
            set(place, name, value)?;
        }
        if token.label.is_none() && token.serial.is_none() {
            return Err("it names no token: add token=LABEL or serial=NUMBER".to_owned());
        }
        let (module, pin) = parse_query(query)?;
        let key = match key.is_empty() {
            true => None,
            false => Some(key.join(";").parse()?),
        };
        Ok((TokenUri { token, module, pin }, key))
    }

    /// What follows `pkcs11:`, with this key.
    pub(in super::super) fn with_key(&self, key: Option<&str>) -> String {
        let attribute = |(name, value): (&str, &Option<String>)| {
            Some(format!("{name}={}", encode(value.as_ref()?.as_bytes(), b"")))
        };
        let token = self.token.attributes().into_iter().filter_map(attribute);
        let path = token.chain(key.map(str::to_owned)).collect::<Vec<_>>().join(";");
        let module =
            self.module.as_ref().map(|module| ("module-path", module.display().to_string()));
        let pin = self.pin.as_ref().map(|pin| ("pin-source", pin.to_string()));
        let query = module.into_iter().chain(pin);
        let query =
            query.map(|(name, value)| format!("{name}={}", encode(value.as_bytes(), OF_PATHS)));
        let query = query.collect::<Vec<_>>().join("&");
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }
}

fn parse_query(query: &str) -> Result<(Option<PathBuf>, Option<PinSource>), String> {
    let (mut module, mut pin) = (None, None);
    for attribute in query.split('&').filter(|attribute| !attribute.is_empty()) {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        match name {
            "module-path" => set(&mut module, name, value)?,
            "pin-source" => set(&mut pin, name, value)?,
            "pin-value" => return Err(no_pin_here()),
            _ => {
                return Err(format!(
                    "{name:?} is unknown here: after the ? stand module-path and pin-source"
                ));
            }
        }
    }
    Ok((module.map(PathBuf::from), pin.map(|pin: String| pin.parse()).transpose()?))
}

fn no_pin_here() -> String {
    "a pin-value is seen by everybody on the machine: leave it out to be asked, or say \
     pin-source=file:PATH or pin-source=env:VARIABLE; and choose another PIN"
        .to_owned()
}

fn set(place: &mut Option<String>, name: &str, value: &str) -> Result<(), String> {
    if place.is_some() {
        return Err(format!("{name} comes twice"));
    }
    let value = decode_text(value).filter(|value| !value.is_empty());
    *place = Some(value.ok_or_else(|| format!("{name} has no readable value"))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (TokenUri, Option<String>) {
        let (uri, key) =
            TokenUri::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        (uri, key.map(|key| key.to_string()))
    }

    #[test]
    fn what_p11tool_prints_is_read() {
        let (uri, key) = parse(
            "model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial=0a1b;token=release%20%c3%bc;\
             id=%01%FF;object=root%3b1;type=private?pin-source=file:/etc/pin&module-path=/usr/lib/a.so",
        );
        let token = TokenName {
            label: Some("release ü".into()),
            serial: Some("0a1b".into()),
            model: Some("SoftHSM v2".into()),
            manufacturer: Some("SoftHSM project".into()),
        };
        let pin = Some(PinSource::File("/etc/pin".into()));
        assert_eq!(uri, TokenUri { token, module: Some("/usr/lib/a.so".into()), pin });
        assert_eq!(key.as_deref(), Some("object=root%3b1;id=%01%ff"));
    }

    #[test]
    fn a_uri_reads_back_from_its_text() {
        for text in [
            "token=a",
            "token=a%3bb;object=k",
            "serial=1;id=%00?pin-source=env:PIN",
            "token=%25;model=m;object=k;id=%01?module-path=/a%20b/c.so&pin-source=file:/p",
        ] {
            let (uri, key) = parse(text);
            assert_eq!(parse(&uri.with_key(key.as_deref())), (uri, key), "{text}");
        }
    }

    #[test]
    fn a_pin_is_refused_and_never_repeated() {
        for text in [
            "token=a;object=k?pin-value=4567",
            "token=a;pin-value=4567;object=k",
            "token=a;object=k?module-path=/a.so&pin-value=4567",
        ] {
            let refused = TokenUri::parse(text).unwrap_err();
            assert!(refused.contains("pin-value") && !refused.contains("4567"), "{refused}");
        }
    }

    #[test]
    fn the_source_of_a_pin_is_a_file_or_a_variable() {
        for (text, source) in [
            ("file:/etc/pin", PinSource::File("/etc/pin".into())),
            ("file:///etc/pin", PinSource::File("/etc/pin".into())),
            ("/etc/pin", PinSource::File("/etc/pin".into())),
            ("file:pin", PinSource::File("pin".into())),
            ("env:PIN", PinSource::Variable("PIN".into())),
        ] {
            assert_eq!(text.parse(), Ok(source), "{text}");
        }
        for text in ["", "file:", "env:", "|cat pin", "pin", "https://a/pin"] {
            assert!(text.parse::<PinSource>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn what_is_unknown_empty_or_doubled_is_refused_by_name() {
        for (text, word) in [
            ("", "names no token"),
            ("object=k", "names no token"),
            ("token=", "token has no readable value"),
            ("token=%zz", "token has no readable value"),
            ("token=a;token=b", "token comes twice"),
            ("token=a;slot-id=1", "\"slot-id\" is unknown"),
            ("token=a;object=", "\"object\" has no readable value"),
            ("token=a;object=k;object=l", "comes twice"),
            ("token=a;type=public", "type=private"),
            ("token=a;object=k?module-name=a", "\"module-name\" is unknown"),
            ("token=a;object=k?pin-source=secret", "neither file:PATH nor env:VARIABLE"),
        ] {
            let refused = TokenUri::parse(text).unwrap_err();
            assert!(refused.contains(word), "{text}: {refused}");
        }
    }
}
