//! Every call of the service on one screen, and what all of them share: who asks, a bounded body,
//! one form of error, one audit line.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::ALLOW;
use actix_web::middleware::Next;
use actix_web::web::{Bytes, Data, Json, Path, Payload, Query, ServiceConfig, get, post, resource};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, rt};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use diesel::sqlite::SqliteConnection;
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, Incarnation, KeyId};
use notary_schema::wire::{KeyRequest, Page, SignRequest, SignerKey, SignerLimits, SignerMemory};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;
use tracing_actix_web::RequestId;

use crate::config::clients::Right;
use crate::error::{Broken, Failure, Refusal};
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::one_line::one_line;
use crate::online_keys::MAX_PAGE;
#[cfg(test)]
use crate::openapi;
use crate::rights::Rights;
use crate::sign::Signer;
use crate::store::audit::{self, Caller, Subject};
use crate::store::{Collection, Owner};
use crate::tls::{Peer, Tls};
use crate::trace::trace_id;

/// Longest method and path in log and audit, in characters.
const MAX_ACTION: usize = 250;

/// All calls. The calls that neither name a collection nor change anything leave no audit line unless
/// they fail.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/v1/keys").route(post().to(online_key)).route(get().to(online_keys)))
        .service(resource("/v1/keys/{keyid}/retire").route(post().to(retire)))
        .service(resource("/v1/memory").route(get().to(last_signed)))
        .service(resource("/v1/sign").route(post().to(sign)))
        .service(resource("/v1/policy").route(get().to(policy)))
        .service(resource("/readyz").route(get().to(ready)))
        .service(resource("/healthz").route(get().to(health)));
}

/// The key of an online role, made where there is none.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/keys", request_body = KeyRequest,
    responses((status = 200, body = SignerKey), openapi::Keys),
))]
async fn online_key(
    request: HttpRequest,
    signer: Data<Signer>,
    intake: Data<Intake>,
    payload: Payload,
) -> Result<Json<SignerKey>, Failure> {
    no_query(&request)?;
    let (wanted, room): (KeyRequest, _) = intake.read(request.headers(), payload).await?.parse()?;
    let owner = Owner::new(&wanted.collection, &wanted.incarnation, wanted.role);
    request.extensions_mut().insert(Subject::of(&owner));
    rights(&request).require(peer(&request), Right::Create, &wanted.collection)?;
    let caller = caller(&request, &signer);
    to_the_end(keeping(room, signer.into_inner().online_key(caller, wanted))).await.map(Json)
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
struct KeysQuery {
    collection: Gun,
    incarnation: Incarnation,
    after: Option<KeyId>,
    limit: Option<usize>,
}

/// The keys of one life of a collection, whatever their state.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/keys", params(KeysQuery),
    responses((status = 200, body = Page<SignerKey>), openapi::Reading),
))]
async fn online_keys(
    request: HttpRequest,
    signer: Data<Signer>,
    Query(query): Query<KeysQuery>,
) -> Result<Json<Page<SignerKey>>, Failure> {
    let KeysQuery { collection: gun, incarnation, after, limit } = query;
    rights(&request).require_any(peer(&request), &gun)?;
    let collection = Collection { gun, incarnation };
    let caller = caller(&request, &signer);
    signer.online_keys(caller, collection, after, limit.unwrap_or(MAX_PAGE)).await.map(Json)
}

/// Lets a key sign nothing any more. Only the signer's host undoes it: `notary-signer key restore`.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/keys/{keyid}/retire", params(("keyid" = KeyId, Path)),
    responses((status = 200, body = SignerKey), openapi::Retiring),
))]
async fn retire(
    request: HttpRequest,
    signer: Data<Signer>,
    keyid: Path<KeyId>,
) -> Result<Json<SignerKey>, Failure> {
    no_query(&request)?;
    let (caller, peer, rights) =
        (caller(&request, &signer), peer(&request).clone(), rights(&request).clone());
    let keyid = keyid.into_inner();
    let may = move |gun: &Gun| rights.require(&peer, Right::Retire, gun);
    to_the_end(signer.into_inner().retire(caller, keyid, may)).await.map(Json)
}

/// The complete files that were signed last for one life of a collection.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/memory", params(CollectionQuery),
    responses((status = 200, body = SignerMemory), openapi::Reading),
))]
async fn last_signed(
    request: HttpRequest,
    signer: Data<Signer>,
    Query(collection): Query<CollectionQuery>,
) -> Result<Json<SignerMemory>, Failure> {
    let CollectionQuery { collection: gun, incarnation } = collection;
    rights(&request).require_any(peer(&request), &gun)?;
    let caller = caller(&request, &signer);
    signer.last_signed(caller, Collection { gun, incarnation }).await.map(Json)
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
struct CollectionQuery {
    collection: Gun,
    incarnation: Incarnation,
}

/// The complete signed file of a document, which is recorded before it is answered. A repeat of the
/// same bytes is answered with the same file.
#[cfg_attr(test, utoipa::path(
    post, path = "/v1/sign", request_body = SignRequest,
    responses(
        (
            status = 200, body = Object, content_type = "application/json",
            description = "the file", headers(("Repr-Digest", description = "its SHA-256")),
        ),
        openapi::Signing,
    ),
))]
async fn sign(
    request: HttpRequest,
    signer: Data<Signer>,
    intake: Data<Intake>,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    no_query(&request)?;
    let (wanted, room): (SignRequest, _) =
        intake.read(request.headers(), payload).await?.parse()?;
    let owner = Owner::new(&wanted.collection, &wanted.incarnation, wanted.role);
    request.extensions_mut().insert(Subject {
        keyids: wanted.keyids.clone(),
        sha256: Some(sha256_hex(wanted.signed.get().as_bytes())),
        ..Subject::of(&owner)
    });
    rights(&request).require(peer(&request), Right::Sign, &wanted.collection)?;
    let caller = caller(&request, &signer);
    let file = to_the_end(keeping(room, signer.into_inner().sign(caller, wanted))).await?;
    let sha256 = BASE64_STANDARD.encode(digest(&SHA256, &file));
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("Repr-Digest", format!("sha-256=:{sha256}:")))
        .body(Bytes::from_owner(file)))
}

/// What is signed at most.
#[cfg_attr(test, utoipa::path(
    get, path = "/v1/policy", responses((status = 200, body = SignerLimits), openapi::Reading),
))]
async fn policy(request: HttpRequest, signer: Data<Signer>) -> Result<Json<SignerLimits>, Failure> {
    no_query(&request)?;
    Ok(Json(SignerLimits {
        snapshot_max_seconds: signer.policy.snapshot_max_seconds,
        timestamp_max_seconds: signer.policy.timestamp_max_seconds,
        max_step: signer.policy.max_step,
    }))
}

/// Whether the signer can work: its database answers.
#[cfg_attr(test, utoipa::path(
    get, path = "/healthz", responses((status = 200, body = Object), openapi::Reading),
))]
async fn health(signer: Data<Signer>) -> Result<HttpResponse, Failure> {
    signer.database.probe().await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({ "status": "ok" })))
}

/// Whether the signer can sign: its database answers, and no place of keys is sick.
#[cfg_attr(test, utoipa::path(
    get, path = "/readyz", responses((status = 200, body = Object), openapi::Readiness),
))]
async fn ready(signer: Data<Signer>) -> Result<HttpResponse, Failure> {
    signer.database.probe().await?;
    let sick = signer.backends.sickness();
    let sick: Vec<String> = sick.map(|(name, trouble)| format!("{name} {trouble}")).collect();
    match sick.is_empty() {
        true => Ok(HttpResponse::Ok().json(serde_json::json!({ "status": "ready" }))),
        false => Err(Failure::NotReady(sick)),
    }
}

/// Refuses a query where there is no parameter: what somebody meant by one would not be done.
fn no_query(request: &HttpRequest) -> Result<(), Refusal> {
    if request.query_string().is_empty() {
        return Ok(());
    }
    Err(Refusal::Malformed("this call has no parameters in its address".into()))
}

/// Runs work on even when its client hangs up: half a record must not be left to chance.
async fn to_the_end<T: 'static>(
    work: impl Future<Output = Result<T, Failure>> + 'static,
) -> Result<T, Failure> {
    let done = rt::spawn(work.in_current_span()).await;
    done.map_err(|error| Failure::Broken(Broken::Bug(error.to_string())))?
}

/// Work that takes its room until its end, also when nobody waits for it any more.
async fn keeping<T>(room: OwnedSemaphorePermit, work: impl Future<Output = T>) -> T {
    let _room = room;
    work.await
}

/// Refuses a request at once where there are too many, and where the certificate of the client does
/// not count any more.
pub(crate) async fn admit<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let intake = request.app_data::<Data<Intake>>().expect("set at start");
    let Some(_place) = intake.place() else {
        return Ok(request.error_response(Failure::Busy).map_into_right_body());
    };
    let tls = request.app_data::<Data<Tls>>().expect("set at start");
    let client = peer(request.request());
    let valid = tls.require_valid(client);
    let valid = valid.map_err(|error| Refusal::Certificate(error.to_string()));
    if let Err(refusal) = valid.and_then(|()| rights(request.request()).require_known(client)) {
        let refused = Failure::from(refusal);
        return Ok(request.error_response(refused).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// Who asks.
fn peer(request: &HttpRequest) -> &Arc<Peer> {
    request.conn_data::<Arc<Peer>>().expect("TLS has asked for its certificate")
}

fn rights(request: &HttpRequest) -> &Data<Rights> {
    request.app_data::<Data<Rights>>().expect("set at start")
}

fn caller(request: &HttpRequest, signer: &Signer) -> Caller {
    Caller {
        who: peer(request).text.clone(),
        action: one_line(&format!("{} {}", request.method(), request.path()), MAX_ACTION),
        request_id: Some(request_id(request)),
        trace_id: trace_id(request.headers()),
        at: (signer.parts.clock)(),
    }
}

pub(crate) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(ToString::to_string).unwrap_or_default()
}

/// Counts every request, and gives every failed one, also those that no handler saw, its log line,
/// its audit line and an answer of one form.
pub(crate) async fn answer_failures<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, actix_web::Error> {
    let came = Instant::now();
    let response = next.call(request).await?;
    let metrics = response.request().app_data::<Data<Metrics>>().expect("set at start").clone();
    let path = response.request().match_pattern().unwrap_or_else(|| "other".to_owned());
    let call = format!("{} {path}", response.request().method());
    let status = response.status();
    if status.is_success() {
        metrics.count(call, "ok", came.elapsed());
        return Ok(response.map_into_left_body());
    }
    let signer = response.request().app_data::<Data<Signer>>().expect("set at start").clone();
    let caller = caller(response.request(), &signer);
    let id = request_id(response.request());
    let subject = response.request().extensions_mut().remove::<Subject>().unwrap_or_default();

    let error = response.response().error();
    let foreign;
    let failure = match error.and_then(|error| error.as_error::<Failure>()) {
        Some(failure) => failure,
        None => {
            foreign = Failure::of_response(status, error);
            &foreign
        }
    };
    match failure {
        Failure::Broken(broken) => {
            tracing::error!(request_id = id, "{} failed: {broken}", caller.action);
        }
        Failure::Backend(error) => {
            tracing::error!(request_id = id, "{} failed: {error}", caller.action);
        }
        Failure::Both { errors: [key, standby], .. } => {
            tracing::error!(
                request_id = id,
                "{} failed: {key}; with the stand-by: {standby}",
                caller.action
            );
        }
        Failure::Refused(_) | Failure::Busy | Failure::NotReady(_) => {}
    }
    let outcome = failure.code();
    let mut answer = failure.response(&id);
    // Probes come all the time, and what they are told is in the log.
    if let Failure::NotReady(_) = failure {
        return Ok(response.into_response(answer).map_into_right_body());
    }
    // RFC 9110, 15.5.6: a 405 names the methods that the path takes.
    if let Some(methods) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, methods.clone());
    }
    let append = move |connection: &mut SqliteConnection| {
        audit::append(connection, &caller, &subject, outcome)
    };
    if let Err(error) = signer.database.change(append).await {
        tracing::error!(request_id = id, "cannot write the audit: {error}");
        answer = Failure::from(error).response(&id);
    }
    metrics.count(call, outcome, came.elapsed());
    Ok(response.into_response(answer).map_into_right_body())
}
