//! What the user has set: an option wins over the environment, the environment over the
//! configuration file, the file over what is built in.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::args::GlobalOptions;
use crate::named;

/// How long tries go on, in seconds.
const DEFAULT_TIMEOUT_SECONDS: u64 = 120;
/// Ten years: who asks for longer means "without end", and clocks can hold no more than so much.
const MAX_TIMEOUT_SECONDS: u64 = 10 * 365 * 24 * 60 * 60;

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// A file that was named, and cannot be read.
    #[error("could not read {path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// A configuration file with a mistake.
    #[error("{path}: {error}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: toml::de::Error,
    },
    /// A URL that is none.
    #[error("{text:?} is not a URL: {error}")]
    Url {
        /// The text.
        text: String,
        /// What is wrong.
        error: url::ParseError,
    },
    /// A token that no server has made; its text stays secret.
    #[error(
        "{place} holds no API token: it is empty, or has a space or a character beyond ASCII in it"
    )]
    Token {
        /// The file, or the name of the variable.
        place: String,
    },
}

/// The configuration file; every key may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    server: Option<String>,
    trust_dir: Option<PathBuf>,
    ca: Option<PathBuf>,
    token_file: Option<PathBuf>,
    targets_url: Option<String>,
    redirect_hosts: Option<Vec<String>>,
    timeout_seconds: Option<u64>,
    pkcs11_module: Option<PathBuf>,
}

/// What the user has set.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The server, where one is named.
    pub(crate) server: Option<Url>,
    /// The directory of keys and trusted metadata; `None` where no home directory is known.
    pub(crate) trust_dir: Option<PathBuf>,
    /// The certificates that replace those of the system.
    pub(crate) ca: Option<PathBuf>,
    /// The API token.
    pub(crate) token: Option<SecretString>,
    /// Where `pull` asks for targets.
    pub(crate) targets_url: Option<Url>,
    /// Hosts to which redirects are followed.
    pub(crate) redirect_hosts: Vec<String>,
    /// How long tries go on.
    pub(crate) timeout: Duration,
    /// The library of tokens whose reference names none.
    pub(crate) pkcs11_module: Option<PathBuf>,
    /// The passphrases of the environment, by the name of the variable.
    pub(crate) passphrases: BTreeMap<&'static str, SecretString>,
}

/// The variable with the API token.
pub(crate) const TOKEN: &str = "NOTARY_TOKEN";
/// Every variable with a passphrase.
pub(crate) const PASSPHRASES: [&str; 5] = [
    "NOTARY_PASSPHRASE",
    "NOTARY_NEW_PASSPHRASE",
    "NOTARY_ROOT_PASSPHRASE",
    "NOTARY_TARGETS_PASSPHRASE",
    "NOTARY_DELEGATION_PASSPHRASE",
];

impl Settings {
    /// Puts together options, environment and configuration file.
    pub(crate) fn new(
        options: &GlobalOptions,
        environment: &BTreeMap<OsString, OsString>,
    ) -> Result<Settings, SettingsError> {
        let variable = |name: &str| environment.get(OsStr::new(name)).filter(|v| !v.is_empty());
        let text = |name: &str| variable(name).and_then(|value| value.to_str()).map(str::to_owned);
        let home = variable("HOME").map(PathBuf::from);
        let config_home = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let usual = config_home.or_else(|| Some(home.clone()?.join(".config")));
        let file = match (&options.config, usual) {
            (Some(path), _) => read_config(path)?,
            (None, Some(usual)) if usual.join("notary/cli.toml").exists() => {
                read_config(&usual.join("notary/cli.toml"))?
            }
            _ => ConfigFile::default(),
        };
        let server = options.server.clone().or_else(|| text("NOTARY_SERVER")).or(file.server);
        let trust_dir = options.trust_dir.clone();
        let trust_dir = trust_dir.or_else(|| variable("NOTARY_TRUST_DIR").map(PathBuf::from));
        let trust_dir = trust_dir.or(file.trust_dir).or_else(|| Some(home?.join(".notary")));
        let token = match options.token_file.as_ref() {
            Some(path) => Some(read_token(path)?),
            None => match (text(TOKEN), file.token_file) {
                (Some(token), _) => Some(check_token(&token, TOKEN)?),
                (None, Some(path)) => Some(read_token(&path)?),
                (None, None) => None,
            },
        };
        let seconds = options.timeout.or(file.timeout_seconds).unwrap_or(DEFAULT_TIMEOUT_SECONDS);
        let redirect_hosts = match options.redirect_hosts.is_empty() {
            true => file.redirect_hosts.unwrap_or_default(),
            false => options.redirect_hosts.clone(),
        };
        let module = variable("NOTARY_PKCS11_MODULE").map(PathBuf::from).or(file.pkcs11_module);
        let passphrase =
            |name| Some((name, SecretString::from(text_even_empty(environment, name)?)));
        Ok(Settings {
            server: server.as_deref().map(parse_url).transpose()?,
            trust_dir,
            ca: options.ca.clone().or(file.ca),
            token,
            targets_url: file.targets_url.as_deref().map(parse_url).transpose()?,
            redirect_hosts,
            timeout: Duration::from_secs(seconds.min(MAX_TIMEOUT_SECONDS)),
            pkcs11_module: module,
            passphrases: PASSPHRASES.into_iter().filter_map(passphrase).collect(),
        })
    }
}

/// A passphrase that is set and empty is refused where it is used, not overlooked.
fn text_even_empty(environment: &BTreeMap<OsString, OsString>, name: &str) -> Option<String> {
    environment.get(OsStr::new(name)).and_then(|value| value.to_str()).map(str::to_owned)
}

/// Reads a URL.
pub(crate) fn parse_url(text: &str) -> Result<Url, SettingsError> {
    Url::parse(text).map_err(|error| SettingsError::Url { text: text.to_owned(), error })
}

fn read_config(path: &Path) -> Result<ConfigFile, SettingsError> {
    let unreadable = |error| SettingsError::Unreadable { path: path.to_owned(), error };
    let text = named::read_text(path, named::MAX_TEXT_BYTES).map_err(unreadable)?;
    toml::from_str(&text).map_err(|error| SettingsError::Config { path: path.to_owned(), error })
}

fn read_token(path: &Path) -> Result<SecretString, SettingsError> {
    let unreadable = |error| SettingsError::Unreadable { path: path.to_owned(), error };
    check_token(&named::read_secret(path).map_err(unreadable)?, &path.display().to_string())
}

/// A token as a header can carry it. What surrounds it, such as a line feed, is dropped.
fn check_token(text: &str, place: &str) -> Result<SecretString, SettingsError> {
    let token = text.trim();
    match !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(SecretString::from(token)),
        false => Err(SettingsError::Token { place: place.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/cli.toml");

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn the_example_is_read_and_shows_every_key() {
        let text = std::fs::read_to_string(EXAMPLE).unwrap();
        let keys = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
        let set: String = text
            .lines()
            .filter_map(|l| l.strip_prefix('#'))
            .filter(|l| keys(l).is_some_and(|key| !key.contains(' ')))
            .map(|line| format!("{line}\n"))
            .collect();
        let file: ConfigFile = toml::from_str(&set).unwrap();
        assert!(file.server.is_some() && file.trust_dir.is_some() && file.ca.is_some());
        assert!(file.token_file.is_some() && file.targets_url.is_some());
        assert!(file.redirect_hosts.is_some() && file.pkcs11_module.is_some());
        assert_eq!(file.timeout_seconds, Some(DEFAULT_TIMEOUT_SECONDS));
        let as_it_is: ConfigFile = toml::from_str(&text).unwrap();
        assert!(as_it_is.server.is_none(), "the example sets nothing by itself");
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cli.toml");
        std::fs::write(&path, "server = \"https://a\"\n").unwrap();
        read_config(&path).unwrap();
        std::fs::write(&path, "sever = \"https://a\"\n").unwrap();
        let error = read_config(&path).unwrap_err().to_string();
        assert!(error.contains("cli.toml") && error.contains("sever"), "{error}");
    }

    #[test]
    fn an_option_wins_over_the_environment_and_the_environment_over_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cli.toml");
        std::fs::write(&path, "server = \"https://file\"\ntrust_dir = \"/file\"\n").unwrap();
        let file = GlobalOptions { config: Some(path), ..GlobalOptions::default() };
        let both = GlobalOptions { server: Some("https://option".into()), ..file.clone() };
        let variables = environment(&[("NOTARY_SERVER", "https://variable")]);
        let server = |options: &GlobalOptions, environment: &BTreeMap<OsString, OsString>| {
            Settings::new(options, environment).unwrap().server
        };
        let url = |text| Some(Url::parse(text).unwrap());
        assert_eq!(server(&file, &environment(&[])), url("https://file"));
        assert_eq!(server(&file, &variables), url("https://variable"));
        assert_eq!(server(&both, &variables), url("https://option"));
    }

    #[test]
    fn a_token_comes_from_a_file_or_the_environment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        std::fs::write(&path, "from-file\n").unwrap();
        let option = GlobalOptions { token_file: Some(path), ..GlobalOptions::default() };
        let none = GlobalOptions { token_file: None, ..option.clone() };
        let variables = environment(&[("NOTARY_TOKEN", "from-variable")]);
        let token = |options: &GlobalOptions| {
            let settings = Settings::new(options, &variables).unwrap();
            settings.token.unwrap().expose_secret().to_owned()
        };
        assert_eq!(token(&option), "from-file");
        assert_eq!(token(&none), "from-variable");
    }

    #[test]
    fn a_token_that_no_header_can_carry_is_refused_before_it_is_sent() {
        for text in ["notary_abc", " notary_abc\n", "notary_abc\r\n"] {
            assert_eq!(check_token(text, "here").unwrap().expose_secret(), "notary_abc");
        }
        for text in ["", "\n", "one\ntwo", "one two", "é", "a\u{1b}"] {
            let error = check_token(text, "here").unwrap_err().to_string();
            assert!(error.starts_with("here holds no API token"), "{error}");
            assert!(text.trim().is_empty() || !error.contains(text), "a secret was printed");
        }
    }

    #[test]
    fn a_timeout_beyond_all_clocks_is_one_without_end() {
        let timeout = |seconds| {
            let options = GlobalOptions { timeout: Some(seconds), ..GlobalOptions::default() };
            Settings::new(&options, &environment(&[])).unwrap().timeout
        };
        assert_eq!(timeout(3), Duration::from_secs(3));
        let _ = std::time::Instant::now() + timeout(u64::MAX);
    }

    #[test]
    fn the_trust_directory_is_in_the_home_directory_unless_it_is_named() {
        let options = GlobalOptions::default();
        let settings = Settings::new(&options, &environment(&[("HOME", "/home/a")])).unwrap();
        assert_eq!(settings.trust_dir, Some("/home/a/.notary".into()));
        assert_eq!(Settings::new(&options, &environment(&[])).unwrap().trust_dir, None);
    }
}
