//! Whether the process lives, and whether it can do all of its work.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use notary_schema::wire::Problem;
use serde_json::json;

use super::no_query;
use super::problems::Open;
use crate::error::ServiceError;
use crate::error::problem::OwnBody;
use crate::service::Service;
use crate::store::{Pause, Unfinished};

/// GET `/healthz`: the process answers. Reads work whenever this and the database do.
#[utoipa::path(get, path = "/healthz", responses((status = 200, body = Object), Open))]
pub async fn healthz(request: HttpRequest) -> Result<HttpResponse, ServiceError> {
    no_query(&request)?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ok" })))
}

/// GET `/readyz`: 200 when a publish can be expected to work: the database answers, and the signer
/// does and allows the configured lifetimes; else 503 with the same document. Collections with an
/// unfinished release, or with files that were lost when the database was set back, are named and do
/// not make the others unready; of names that not everybody may know, it is told how many there are.
#[utoipa::path(
    get, path = "/readyz",
    responses(
        Open,
        (status = 200, body = Object),
        (
            status = 503, description = "not ready: the same document; or busy",
            content((Object = "application/json"), (Problem = "application/problem+json")),
        ),
    ),
)]
pub async fn readyz(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    no_query(&request)?;
    let database = service.store.ping().await;
    let signer = service.watch.look(&service).await;
    let slots = match &database {
        Ok(()) => service.store.slots().await?,
        Err(_) => Vec::new(),
    };
    let incomplete = match &database {
        Ok(()) => service.store.incomplete().await?,
        Err(_) => Vec::new(),
    };
    let (incomplete, others_incomplete): (Vec<_>, Vec<_>) =
        incomplete.into_iter().partition(|collection| collection.is_public);
    let incomplete: Vec<_> =
        incomplete.into_iter().map(|it| json!({ "gun": it.gun, "lost_files": it.lost })).collect();
    let seconds = |time: DateTime<Utc>| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let (named, others): (Vec<_>, Vec<_>) = slots.into_iter().partition(|slot| slot.is_public);
    let unfinished: Vec<_> = named
        .into_iter()
        .map(|Unfinished { gun, pause, .. }| match pause {
            Some(Pause { code, reason, retry_at }) => {
                json!({"gun": gun, "code": code, "reason": reason, "retry_at": seconds(retry_at)})
            }
            None => json!({ "gun": gun }),
        })
        .collect();
    let ready = database.is_ok() && signer.is_ok();
    let body = json!({
        "ready": ready,
        "database": database.map_or_else(|error| error.to_string(), |()| "ok".into()),
        "signer": signer.map_or_else(|error| error, |()| "ok".into()),
        "unfinished_releases": unfinished,
        "other_unfinished_releases": others.len(),
        "incomplete_collections": incomplete,
        "other_incomplete_collections": others_incomplete.len(),
    });
    Ok(match ready {
        true => HttpResponse::Ok().json(body),
        false => {
            let mut response = HttpResponse::ServiceUnavailable().json(body);
            response.extensions_mut().insert(OwnBody);
            response
        }
    })
}
