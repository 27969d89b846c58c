//! `notary token` and `whoami`: API tokens.

use notary_schema::wire::{GrantLevel, NewToken, TokenInfo};
use serde_json::json;

use crate::args::{TokenCommand, TokenCreateArgs};
use crate::exit::{Failure, Outcome};
use crate::output::{one_line, time};
use crate::session::Session;

/// Runs `notary token …`.
pub(crate) async fn run(session: &Session, command: TokenCommand) -> Result<Outcome, Failure> {
    match command {
        TokenCommand::Create(args) => create(session, args).await?,
        TokenCommand::List => {
            let tokens = session.server()?.tokens().await?;
            let text: String = tokens.iter().map(line).collect();
            session.output.result(&json!({ "tokens": tokens }), &text)?;
        }
        TokenCommand::Revoke { id, cascade } => {
            session.server()?.revoke_token(&id, cascade).await?;
            let value = json!({ "revoked": id, "cascade": cascade });
            let made = if cascade { " and those that were made with it" } else { "" };
            session.output.result(&value, &format!("revoked {id}{made}\n"))?;
        }
    }
    Ok(Outcome::Done)
}

/// Runs `notary whoami`.
pub(crate) async fn whoami(session: &Session) -> Result<Outcome, Failure> {
    let info = session.server()?.whoami().await?;
    session.output.result(&info, &line(&info))?;
    Ok(Outcome::Done)
}

async fn create(session: &Session, args: TokenCreateArgs) -> Result<(), Failure> {
    let (grant, collections) = args.grant().expect("clap asks for exactly one");
    let new = NewToken {
        name: args.name.as_ref().map(ToString::to_string),
        grant,
        collections: collections.to_owned(),
        roles: args.roles.clone(),
        expires_at: args.expires.map(|when| when.from(session.now()).time()),
    };
    let created = session.server()?.create_token(&new).await?;
    session.output.result(&created, &format!("{}\n", one_line(&created.token)))?;
    session.output.message(format_args!("shown this once; {}", line(&created.info)));
    Ok(())
}

fn line(token: &TokenInfo) -> String {
    let grant = match token.grant {
        GrantLevel::Read => "read",
        GrantLevel::Sign => "sign",
        GrantLevel::Publish => "publish",
        GrantLevel::Root => "root",
        GrantLevel::Admin => "admin",
    };
    let name = token.name.as_ref().map_or(String::new(), |name| format!(" \"{}\"", one_line(name)));
    let (id, collections) = (one_line(&token.id), one_line(&token.collections));
    let mut line = format!("{id}{name} {grant} {collections}");
    if !token.roles.is_empty() {
        line += &format!(", roles {}", one_line(&token.roles.join(" ")));
    }
    let dates = [
        ("expires", token.expires_at),
        ("last used", token.last_used_at),
        ("revoked", token.revoked_at),
    ];
    for (what, date) in dates {
        if let Some(date) = date {
            line += &format!(", {what} {}", time(date));
        }
    }
    line + "\n"
}
