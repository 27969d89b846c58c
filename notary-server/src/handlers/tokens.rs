//! API tokens over HTTP: nobody makes, sees or revokes one that is wider than their own.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use chrono::{DateTime, Utc};
use notary_schema::key::sha256_hex;
use notary_schema::reason::Label;
use notary_schema::wire::{CreatedToken, GrantLevel, NewToken, Page, TokenInfo};

use super::problems::{NewTokens, OneToken, Tokens};
use super::{boolean, document, no_content, no_query, page, private_json, query};
use crate::auth::draw_token;
use crate::error::ServiceError;
use crate::grant::Grant;
use crate::service::Service;
use crate::store::{Revoked, Token};

/// The name of the caller's own token in a path.
const SELF: &str = "self";

/// POST `/v2/_trust/tokens`: makes a token within the caller's own grant. It ends when the caller's
/// does, unless an earlier end is asked for.
#[utoipa::path(
    post, path = "/v2/_trust/tokens",
    operation_id = "create_token", request_body = NewToken,
    responses((status = 201, body = CreatedToken), NewTokens),
    security(("token" = [])),
)]
pub async fn create(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    no_query(&request)?;
    let caller = service.gate.holder(request.headers(), now).await?;
    require_admin(&caller)?;
    let new: NewToken = document(&service, &request, payload).await?;
    let grant = grant_within(&caller, &new, service.config.limits.role_globs)?;
    let expires_at = end_within(&caller, new.expires_at, now)?;
    let name = new.name.as_deref().map(Label::parse).transpose();
    let name = name.map_err(|error| ServiceError::Malformed(error.to_string()))?;
    let (secret, id) = draw_token();
    let token = Token {
        id,
        name,
        sha256: sha256_hex(secret.as_bytes()),
        grant,
        created_at: now,
        created_by: caller.id,
        origin: caller.origin,
        expires_at,
        last_used_at: None,
        revoked_at: None,
    };
    let most = service.config.limits.tokens_per_origin;
    if !service.store.create_token(token.clone(), most, now).await? {
        return Err(ServiceError::TooManyTokens(most));
    }
    tracing::info!(token = token.id, by = token.created_by, "token created");
    let body = CreatedToken { token: secret, info: TokenInfo::from(&token) };
    Ok(private_json(StatusCode::CREATED, &body))
}

/// GET `/v2/_trust/tokens?after=&limit=`: the tokens within the caller's own grant, by id.
#[utoipa::path(
    get, path = "/v2/_trust/tokens",
    operation_id = "tokens",
    params(
        ("after" = Option<String>, Query, description = "the last id of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1),
    ),
    responses((status = 200, body = Page<TokenInfo>), Tokens),
    security(("token" = [])),
)]
pub async fn list(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let caller = service.gate.holder(request.headers(), service.now()).await?;
    require_admin(&caller)?;
    let (after, limit) = page(&request, service.config.limits.page)?;
    let after = after.unwrap_or_default();
    let tokens = service.store.tokens_within(&caller.grant, &after, limit + 1).await?;
    let items = tokens.iter().map(TokenInfo::from).collect();
    let body = Page::cut(items, limit as usize, |last: &TokenInfo| last.id.clone());
    Ok(private_json(StatusCode::OK, &body))
}

/// GET `/v2/_trust/tokens/{id}`; the id `self` is the caller's own token, for any caller.
#[utoipa::path(
    get, path = "/v2/_trust/tokens/{id}",
    operation_id = "token",
    params(("id" = String, Path, description = "an id, or `self`")),
    responses((status = 200, body = TokenInfo), OneToken),
    security(("token" = [])),
)]
pub async fn show(
    service: Data<Service>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, ServiceError> {
    no_query(&request)?;
    let token = named(&service, &request, id.into_inner()).await?;
    Ok(private_json(StatusCode::OK, &TokenInfo::from(&token)))
}

/// DELETE `/v2/_trust/tokens/{id}?cascade=`: revokes a token, the caller's own included, and where it
/// is wished those that were made with it: they are never wider. A repeat is fine.
#[utoipa::path(
    delete, path = "/v2/_trust/tokens/{id}",
    operation_id = "revoke_token",
    params(
        ("id" = String, Path, description = "an id, or `self`"),
        ("cascade" = Option<bool>, Query, description = "also those that were made with it, and with them"),
    ),
    responses((status = 204, description = "revoked"), OneToken),
    security(("token" = [])),
)]
pub async fn revoke(
    service: Data<Service>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, ServiceError> {
    let mut which = Revoked::Alone;
    for (name, value) in query(&request, &["cascade"], &[])? {
        which = if boolean(&name, &value)? { Revoked::AndMade } else { Revoked::Alone };
    }
    let token = named(&service, &request, id.into_inner()).await?;
    service.store.revoke_token(&token.id, which, service.now()).await?;
    service.gate.forget_readers();
    tracing::info!(token = token.id, ?which, "token revoked");
    Ok(no_content())
}

/// The token of a path, if the caller may see it: one's own, or with admin one within the own
/// grant. A wider one is as unknown as none.
async fn named(
    service: &Service,
    request: &HttpRequest,
    id: String,
) -> Result<Token, ServiceError> {
    let caller = service.gate.holder(request.headers(), service.now()).await?;
    if id == SELF || id == caller.id {
        return Ok(caller);
    }
    require_admin(&caller)?;
    let found = service.store.token_by_id(&id).await?;
    let found = found.filter(|found| caller.grant.includes(&found.grant));
    found.ok_or_else(|| ServiceError::UnknownToken(id.chars().take(80).collect()))
}

fn require_admin(caller: &Token) -> Result<(), ServiceError> {
    match caller.grant.level {
        GrantLevel::Admin => Ok(()),
        _ => Err(ServiceError::Forbidden("it needs a token with admin".into())),
    }
}

fn grant_within(caller: &Token, new: &NewToken, most: usize) -> Result<Grant, ServiceError> {
    if new.roles.len() > most {
        return Err(ServiceError::Malformed(format!(
            "{} patterns of roles are more than the {most} that a token may have",
            new.roles.len()
        )));
    }
    let grant = Grant::new(new.grant, &new.collections, &new.roles);
    let grant = grant.map_err(|error| ServiceError::Malformed(error.to_string()))?;
    grant.require_possible().map_err(ServiceError::Malformed)?;
    match caller.grant.includes(&grant) {
        true => Ok(grant),
        false => Err(ServiceError::Forbidden(
            "the token would be wider than the caller's own, in its grant, collections or roles"
                .into(),
        )),
    }
}

fn end_within(
    caller: &Token,
    wanted: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, ServiceError> {
    let Some(wanted) = wanted else { return Ok(caller.expires_at) };
    if wanted <= now {
        return Err(ServiceError::Malformed(format!("expires_at {wanted} has passed")));
    }
    match caller.expires_at {
        Some(own) if wanted > own => Err(ServiceError::Forbidden(format!(
            "the token would be good for longer than the caller's own, which ends at {own}"
        ))),
        // The database keeps whole seconds.
        _ => Ok(DateTime::from_timestamp(wanted.timestamp(), 0)),
    }
}
