//! `notary-server token`: whoever can write to the database may make the first tokens.

use chrono::{DateTime, TimeDelta, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use notary_schema::key::sha256_hex;
use notary_schema::reason::{Label, plain};
use notary_schema::wire::{GrantLevel, TokenInfo};
use serde_json::json;

use super::{ConfigFile, open, print};
use crate::auth::draw_token;
use crate::grant::Grant;
use crate::store::{Revoked, Store, Token};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and print it: it is shown this once
    Create {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        token: NewToken,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// List the tokens, without their secrets
    List {
        #[command(flatten)]
        config: ConfigFile,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Refuse a token from now on
    Revoke {
        #[command(flatten)]
        config: ConfigFile,
        /// The id of the token, as `list` shows it
        id: String,
        /// Also those that were made with it, and with them
        #[arg(long)]
        cascade: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct NewToken {
    /// What to call it, so that people know it again
    #[arg(long, value_name = "LABEL", value_parser = Label::parse)]
    name: Option<Label>,
    /// What it may do
    #[arg(long, value_parser = parse_level())]
    grant: GrantLevel,
    /// On which collections: `*` stands for text within a segment, `**` also across `/`
    #[arg(long, value_name = "GLOB")]
    collection: String,
    /// Which roles it may publish (repeatable; all that the grant covers if absent)
    #[arg(long = "role", value_name = "GLOB")]
    roles: Vec<String>,
    /// For how long: 12h, 90d, 4w
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    expires: Option<TimeDelta>,
}

/// Reads the word of a level, and lists the words in help and errors.
fn parse_level() -> impl TypedValueParser<Value = GrantLevel> {
    PossibleValuesParser::new(["read", "sign", "publish", "root", "admin"])
        .map(|word| serde_json::from_value(word.into()).expect("these are the words of the levels"))
}

/// Reads `12h`, `90d` or `4w`.
fn parse_duration(text: &str) -> Result<TimeDelta, String> {
    let refuse = || format!("{text:?} is not a duration like 12h, 90d or 4w");
    let unit = text.chars().last().ok_or_else(refuse)?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| refuse())?;
    let duration = match unit {
        'h' => TimeDelta::try_hours(number),
        'd' => TimeDelta::try_days(number),
        'w' => TimeDelta::try_weeks(number),
        _ => None,
    };
    duration.filter(|duration| *duration > TimeDelta::zero()).ok_or_else(refuse)
}

pub(super) async fn run(command: Command, now: DateTime<Utc>) -> Result<(), String> {
    match command {
        Command::Create { config, token, json } => create(&config, token, json, now).await,
        Command::List { config, json } => list(&config, json).await,
        Command::Revoke { config, id, cascade } => revoke(&config, id, cascade, now).await,
    }
}

async fn create(
    config: &ConfigFile,
    new: NewToken,
    as_json: bool,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let store = open(&config.load()?)?;
    let grant = Grant::new(new.grant, &new.collection, &new.roles).map_err(|e| e.to_string())?;
    grant.require_possible()?;
    let expires_at = match new.expires {
        Some(life) => Some(now.checked_add_signed(life).ok_or("--expires is too far away")?),
        None => None,
    };
    let (secret, id) = draw_token();
    let token = Token {
        id: id.clone(),
        name: new.name,
        sha256: sha256_hex(secret.as_bytes()),
        grant,
        created_at: now,
        created_by: Token::OF_HOST.to_owned(),
        origin: id.clone(),
        expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    // Limits are for those who are not on the server's host.
    store.create_token(token, u64::MAX, now).await.map_err(|error| error.to_string())?;
    match as_json {
        true => print(&json!({"id": id, "token": secret, "expires_at": expires_at}).to_string()),
        false => print(&secret),
    }
    Ok(())
}

async fn list(config: &ConfigFile, as_json: bool) -> Result<(), String> {
    let store = open(&config.load()?)?;
    let tokens = store.tokens().await.map_err(|error| error.to_string())?;
    if as_json {
        let items: Vec<_> = tokens.iter().map(TokenInfo::from).collect();
        print(&json!({ "items": items }).to_string());
        return Ok(());
    }
    for token in &tokens {
        print(&line(token));
    }
    Ok(())
}

fn line(token: &Token) -> String {
    let day = |time: DateTime<Utc>| time.format("%Y-%m-%d").to_string();
    let grant = &token.grant;
    let level = serde_json::to_value(grant.level).expect("a word");
    let name = token.name.as_ref().map_or(String::new(), |name| format!("  \"{name}\""));
    let mut line = format!(
        "{}{name}  {}  {}",
        token.id,
        level.as_str().unwrap_or_default(),
        grant.collections.as_str()
    );
    for role in &grant.roles {
        line += &format!(" --role {}", role.as_str());
    }
    line += &format!("  made {} by {}", day(token.created_at), token.created_by);
    for (word, time) in [
        ("expires", token.expires_at),
        ("last used", token.last_used_at),
        ("revoked", token.revoked_at),
    ] {
        if let Some(time) = time {
            line += &format!(", {word} {}", day(time));
        }
    }
    // Whoever may make tokens chooses the text of their patterns.
    plain(&line)
}

async fn revoke(
    config: &ConfigFile,
    id: String,
    cascade: bool,
    now: DateTime<Utc>,
) -> Result<(), String> {
    let which = if cascade { Revoked::AndMade } else { Revoked::Alone };
    let path = config.path();
    let store = open(&config.load()?)?;
    match store.revoke_token(&id, which, now).await.map_err(|error| error.to_string())? {
        true => Ok(()),
        false => Err(format!(
            "there is no token {id}; list them with `notary-server token list --config {}`",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_told_as_text() {
        let now = DateTime::UNIX_EPOCH;
        let token = Token {
            id: "id".into(),
            name: Some(Label::parse("the nightly job").unwrap()),
            sha256: String::new(),
            grant: Grant::new(GrantLevel::Read, "a\u{1b}[31m\u{202e}", &[]).unwrap(),
            created_at: now,
            created_by: "by".into(),
            origin: "by".into(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
        };
        assert_eq!(
            line(&token),
            "id  \"the nightly job\"  read  a\\u{1b}[31m\\u{202e}  made 1970-01-01 by by"
        );
        let without = line(&Token { name: None, ..token });
        assert_eq!(without, "id  read  a\\u{1b}[31m\\u{202e}  made 1970-01-01 by by");
    }

    #[test]
    fn durations_have_a_number_and_a_unit() {
        assert_eq!(parse_duration("90d"), Ok(TimeDelta::days(90)));
        assert_eq!(parse_duration("12h"), Ok(TimeDelta::hours(12)));
        assert_eq!(parse_duration("4w"), Ok(TimeDelta::weeks(4)));
        for bad in ["", "d", "90", "0d", "-1d", "1.5d", "90é", "9999999999999999999d"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
