use secrecy::ExposeSecret;

use super::*;

const SHIPPED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/signer.toml"));
const LEAST: &str = "[tls]\ncertificate = 'c.pem'\nkey = 'c.key'\nclient_ca = 'ca.pem'\n";

fn load(text: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signer.toml");
    fs::write(&path, text).unwrap();
    Config::load(&path)
}

#[test]
fn the_shipped_file_shows_every_key_with_its_default() {
    let shipped: Config = toml::from_str(SHIPPED).unwrap();
    let defaults: Config = toml::from_str(LEAST).unwrap();
    let same = Config {
        tls: shipped.tls.clone(),
        store: StoreConfig {
            passphrase_file: shipped.store.passphrase_file.clone(),
            ..defaults.store
        },
        ..defaults
    };
    assert_eq!(shipped, same);

    let sections = serde_json::to_value(&shipped).unwrap();
    for (section, value) in sections.as_object().unwrap() {
        let keys: Vec<&String> =
            value.as_object().map_or(vec![section], |table| table.keys().collect());
        for key in keys {
            // What has no default is there as an example.
            let is_it = |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} = "));
            let line = SHIPPED.lines().position(is_it);
            let line = line.unwrap_or_else(|| panic!("{section}.{key} is not in the file"));
            let above = SHIPPED.lines().nth(line - 1).unwrap();
            assert!(above.starts_with("# "), "{section}.{key} is not explained");
        }
    }
}

#[test]
fn the_examples_in_the_shipped_file_can_be_used() {
    let bare = |line: &str| match line.strip_prefix('#') {
        Some(example) if !example.starts_with(' ') => format!("{example}\n"),
        _ => format!("{line}\n"),
    };
    // One way to open the store excludes the other.
    let lines = SHIPPED.lines().filter(|line| !line.starts_with("passphrase_file = "));
    let config = load(&lines.map(bare).collect::<String>()).unwrap();
    assert_eq!(config.store.wrapped_by.as_deref(), Some("cloud"));
    let kinds: Vec<_> = config.backends.keys().collect();
    assert_eq!(kinds, ["cloud", "hsm", "vault"]);
    assert_eq!(config.keys.len(), 2);
    assert_eq!(config.clients.len(), 1);
}

#[test]
fn a_wrapping_that_cannot_be_meant_is_refused_by_name() {
    let both = "wrapped_by = 'vault'\nwrapping_key = 'k'\n";
    let vault = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n";
    let token = "[backends.vault]\nkind = 'pkcs11'\nmodule = 'm'\ntoken = 't'\npin_file = 'p'\n";
    assert!(load(&format!("{LEAST}[store]\n{both}{vault}")).is_ok());
    for (store, backend, named) in [
        ("wrapped_by = 'vault'\n", vault, "wrapping_key is missing"),
        ("wrapping_key = 'k'\n", vault, "wrapped_by is missing"),
        (both, "", "no [backends.vault]"),
        (both, token, "tokens do not wrap"),
        (&format!("passphrase_file = 'p'\n{both}"), vault, "one of them"),
    ] {
        let refused = load(&format!("{LEAST}[store]\n{store}{backend}")).unwrap_err();
        assert!(refused.to_string().contains(named), "{refused}");
    }
}

#[test]
fn a_client_that_would_never_be_answered_is_refused_by_name() {
    let client = "[[clients]]\nname = 'DNS:server'\nrights = ['sign']\n";
    assert!(load(&format!("{LEAST}{client}")).is_ok());
    for (from, to, named) in [
        ("DNS:server", "server", "\"server\""),
        ("DNS:server", "DNS:", "\"DNS:\""),
        ("DNS:server", "CN=server", "CN=server"),
        ("['sign']", "[]", "DNS:server"),
        ("['sign']", "['root']", "root"),
        ("rights", "right", "right"),
    ] {
        let refused = load(&format!("{LEAST}{}", client.replace(from, to))).unwrap_err();
        assert!(refused.to_string().contains(named), "{refused}");
    }
}

#[test]
fn a_backend_or_rule_that_cannot_be_meant_is_refused_by_name() {
    let vault = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n";
    let cloud = "[backends.cloud]\nkind = 'aws-kms'\n";
    let rule = |rest: &str| format!("[[keys]]\ncollections = 'acme/*'\n{rest}");
    let good = rule("backend = 'vault'\n");
    assert!(load(&format!("{LEAST}{vault}{good}")).is_ok());
    for (text, named) in [
        ("[backends.x]\nkind = 'floppy'\n".to_owned(), "floppy"),
        (format!("{vault}at_onec = 3\n"), "at_onec"),
        (format!("{vault}at_once = 0\n"), "backends.vault.at_once is 0"),
        (format!("{vault}total_seconds = 0\n"), "backends.vault.total_seconds is 0"),
        (vault.replace("vault]", "software]"), "\"software\" is no name"),
        (rule("backend = 'nowhere'\n"), "no [backends.nowhere]"),
        (rule("backend = 'software'\nattach = 'k'\n"), "have no names"),
        (format!("{vault}{good}attach = 'k'\n"), "one role of one collection"),
        (format!("{vault}{good}role = 'targets'\n"), "targets"),
        (format!("{cloud}{}", rule("backend = 'cloud'\nalgorithm = 'ed25519'\n")), "4,096"),
        ("[[keys]]\ncollections = ''\nbackend = 'software'\n".to_owned(), "pattern"),
    ] {
        let refused = load(&format!("{LEAST}{text}")).unwrap_err().to_string();
        assert!(refused.contains(named), "{text}: {refused}");
    }
    let small = "backend = 'cloud'\nrole = 'timestamp'\nalgorithm = 'ed25519'\n";
    assert!(load(&format!("{LEAST}{cloud}{}", rule(small))).is_ok());
    let one = "[[keys]]\ncollections = 'acme/app'\nrole = 'timestamp'\nbackend = 'vault'\n";
    assert!(load(&format!("{LEAST}{vault}{one}attach = 'k'\n")).is_ok());
}

#[test]
fn a_standby_that_would_not_help_is_refused_by_name() {
    let backends = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n\
                    [backends.cloud]\nkind = 'aws-kms'\n";
    let rule = "[[keys]]\ncollections = 'acme/*'\nbackend = 'vault'\nrole = 'timestamp'\n";
    let load = |rule: &str, standby: &str| {
        load(&format!("{LEAST}{backends}{rule}standby = {{ {standby} }}\n"))
    };
    let config = load(rule, "backend = 'software'").unwrap();
    assert_eq!(config.keys[0].standby.as_ref().unwrap().after_seconds, 3);
    assert!(load(rule, "backend = 'cloud', algorithm = 'ed25519', after_seconds = 1").is_ok());
    for (rule, standby, named) in [
        (rule.replace("role = 'timestamp'\n", ""), "backend = 'cloud'", "only the timestamp"),
        (rule.replace("timestamp", "snapshot"), "backend = 'cloud'", "only the timestamp"),
        (rule.to_owned(), "backend = 'vault'", "the same backend"),
        (rule.to_owned(), "backend = 'nowhere'", "no [backends.nowhere]"),
        (rule.to_owned(), "backend = 'cloud', after_seconds = 0", "after_seconds is 0"),
        (rule.to_owned(), "backend = 'cloud', after = 1", "after"),
        (rule.to_owned(), "backend = 'cloud', attach = 'k'", "one role of one collection"),
        (rule.to_owned(), "backend = 'software', attach = 'k'", "have no names"),
    ] {
        let refused = load(&rule, standby).unwrap_err().to_string();
        assert!(refused.contains(named), "{standby}: {refused}");
    }
    let one = rule.replace("acme/*", "acme/app");
    assert!(load(&one, "backend = 'cloud', attach = 'k'").is_ok());
}

#[test]
fn the_software_store_is_made_for_a_standby_too() {
    let vault = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n";
    let timestamp = "[[keys]]\ncollections = '**'\nbackend = 'vault'\nrole = 'timestamp'\n";
    let rest = "[[keys]]\ncollections = '**'\nbackend = 'vault'\n";
    for (standby, fills) in [("", false), ("standby = { backend = 'software' }\n", true)] {
        let config = load(&format!("{LEAST}{vault}{timestamp}{standby}{rest}")).unwrap();
        assert_eq!(config.fills_software_store(), fills, "{standby}");
    }
}

#[test]
fn the_software_store_is_left_out_where_no_key_goes_there() {
    let vault = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n";
    for (collections, rest, fills) in
        [("acme/**", "", true), ("**", "role = 'timestamp'\n", true), ("**", "", false)]
    {
        let rule = format!("[[keys]]\ncollections = '{collections}'\nbackend = 'vault'\n{rest}");
        let config = load(&format!("{LEAST}{vault}{rule}")).unwrap();
        assert_eq!(config.fills_software_store(), fills, "{rule}");
    }
}

#[test]
fn an_unknown_key_or_value_is_refused_by_name() {
    assert!(load(LEAST).is_ok());
    for (text, named) in [
        ("lisen = '127.0.0.1:1'\n", "lisen"),
        ("[tls]\nsecret = 'x'\n", "secret"),
        ("[policy]\nmax_steps = 1\n", "max_steps"),
        ("[policy]\nmax_step = 0\n", "max_step"),
        ("[store]\nalgorithm = 'rsa-1024'\n", "rsa-1024"),
        ("[log]\nformat = 'xml'\n", "xml"),
    ] {
        let whole = if text.starts_with("[tls]") {
            LEAST.replace("[tls]\n", text)
        } else if text.starts_with('[') {
            format!("{LEAST}{text}")
        } else {
            format!("{text}{LEAST}")
        };
        let refused = load(&whole).unwrap_err().to_string();
        assert!(refused.contains(named), "{refused}");
    }
    assert!(load("").unwrap_err().to_string().contains("tls"));
}

#[test]
fn relative_paths_start_at_the_directory_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signer.toml");
    fs::write(&path, format!("database = '/srv/signer.sqlite'\n{LEAST}")).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.tls.key, directory.path().join("c.key"));
    assert_eq!(config.database, Path::new("/srv/signer.sqlite"));
}

#[test]
fn a_passphrase_file_may_end_with_a_line_end() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passphrase");
    let mut config: Config = toml::from_str(LEAST).unwrap();
    config.store.passphrase_file = Some(file.clone());
    for (text, wanted) in
        [("secret", "secret"), ("secret\n", "secret"), ("a b \r\n", "a b "), ("x\n\n", "x\n")]
    {
        fs::write(&file, text).unwrap();
        assert_eq!(config.passphrase().unwrap().expose_secret(), wanted);
    }
    fs::remove_file(&file).unwrap();
    assert!(matches!(config.passphrase(), Err(ConfigError::Read { .. })));
}
