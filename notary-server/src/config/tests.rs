use super::peers::default_signer_timeout;
use super::*;

const EXAMPLE: &str = include_str!("../../../config/server.toml");

fn load(text: &str) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.toml");
    std::fs::write(&path, text).unwrap();
    Config::load(&path)
}

/// The lines of the example that show a default: `# key = value`.
fn with_defaults_uncommented() -> String {
    let shown = |line: &str| match line.strip_prefix("#") {
        Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
        _ => line.to_owned(),
    };
    EXAMPLE.lines().map(shown).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_starts_as_it_is_and_shows_every_default() {
    let as_it_is = load(EXAMPLE).unwrap();
    let spelled_out = load(&with_defaults_uncommented()).unwrap();
    for config in [&as_it_is, &spelled_out] {
        assert_eq!(config.listen, default_listen());
        assert_eq!(config.database, default_database());
        assert_eq!(config.lifetimes, Lifetimes::default());
        assert_eq!(config.limits, Limits::default());
        assert_eq!(config.refresh, RefreshConfig::default());
        assert_eq!(config.cache, CacheConfig::default());
        assert_eq!(config.log, LogConfig::default());
        assert_eq!(config.signer.timeout_seconds, default_signer_timeout());
    }
    assert!(as_it_is.tls.is_none() && spelled_out.tls.is_some());
    for key in ["body_bytes", "delegation_depth", "memory_bytes", "slot_interval_seconds"] {
        assert!(with_defaults_uncommented().contains(&format!("\n{key} = ")), "{key}");
    }
}

#[test]
fn paths_are_relative_to_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("server.toml");
    std::fs::write(&path, EXAMPLE).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.database, Path::new("/var/lib/notary/server.sqlite"));
    assert!(config.signer.key.starts_with(directory.path()));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_key() {
    for (from, to, named) in [
        ("#body_bytes", "body_byte = 1\n#", "body_byte"),
        ("#listen = \"127.0.0.1:7480\"", "listen = \"0.0.0.0:7480\"", "allow_plain_http"),
        ("https://", "http://", "signer.url"),
        ("#page = 1000", "page = 0", "limits.page"),
        ("#part_bytes = 33554432", "part_bytes = 536870912", "part_bytes"),
        ("#idle_seconds = 30", "idle_seconds = 0", "limits.idle_seconds"),
        ("#request_seconds = 900", "request_seconds = 300", "limits.request_seconds"),
    ] {
        let example = EXAMPLE.replace("#[limits]", "[limits]");
        let text = example.replacen(from, to, 1);
        assert_ne!(text, example, "{from} is in the example");
        let error = load(&text).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let allowed = EXAMPLE
        .replacen("#listen = \"127.0.0.1:7480\"", "listen = \"0.0.0.0:7480\"", 1)
        .replacen("#allow_plain_http = false", "allow_plain_http = true", 1);
    load(&allowed).unwrap();
}
