//! Every commit in its order, for those who follow what happens.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::name::Gun;
use notary_schema::wire::EventPage;

use super::problems;
use super::{Readable, collection_path, json_of, page_of, readable_names};
use crate::error::ServiceError;
use crate::service::Service;
use crate::store::{EventQuery, Events};

/// GET `/v2/_trust/changefeed?after=&feed=&limit=`: the events of all collections that the caller may
/// read.
#[utoipa::path(
    get, path = "/v2/_trust/changefeed",
    operation_id = "events",
    params(
        ("after" = Option<u64>, Query, description = "the last number of the page before"),
        ("feed" = Option<String>, Query, description = "the feed of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1),
    ),
    responses((status = 200, body = EventPage), problems::AllEvents),
    security((), ("token" = [])),
)]
pub async fn all(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let readable = readable_names(&service, &request).await?;
    let is_public = readable.is_none();
    let query = EventQuery { readable, ..asked(&service, &request, None)? };
    Ok(json_of(is_public, &events(&service, query).await?))
}

/// GET `/v2/{gun}/_trust/changefeed?after=&feed=&limit=`: the events of one collection; those of a
/// tombstone, too.
#[utoipa::path(
    get, path = "/v2/{gun}/_trust/changefeed",
    operation_id = "events_of_collection",
    params(
        ("gun" = Gun, Path),
        ("after" = Option<u64>, Query, description = "the last number of the page before"),
        ("feed" = Option<String>, Query, description = "the feed of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1),
    ),
    responses((status = 200, body = EventPage), problems::Events),
    security((), ("token" = [])),
)]
pub async fn of_collection(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let (gun, _) = collection_path(&request)?;
    let found = Readable::find(&service, &request, &gun).await?;
    let readable = readable_names(&service, &request).await.ok().flatten();
    let query = EventQuery { readable, ..asked(&service, &request, Some(gun))? };
    Ok(json_of(found.is_public(), &events(&service, query).await?))
}

async fn events(service: &Service, query: EventQuery) -> Result<EventPage, ServiceError> {
    match service.store.events(query).await? {
        Events::After(page) => Ok(page),
        Events::OtherFeed | Events::NoSuchPlace => Err(ServiceError::FeedRestarted),
    }
}

fn asked(
    service: &Service,
    request: &HttpRequest,
    of: Option<Gun>,
) -> Result<EventQuery, ServiceError> {
    let (after, limit, feed) = page_of(request, service.config.limits.page, "feed")?;
    let refuse = || ServiceError::Malformed("after is the number of an event".into());
    let after = after.map_or(Some(0), |after| after.parse().ok().filter(|after| *after < 1 << 53));
    Ok(EventQuery { of, readable: None, after: after.ok_or_else(refuse)?, feed, limit })
}
