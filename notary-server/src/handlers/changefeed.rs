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

/// The length of a feed's id.
const FEED_ID_DIGITS: usize = 32;

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
    let (after, is_named) = (query.after, query.feed.is_some());
    match service.store.events(query).await? {
        Events::After(page) => Ok(page),
        Events::OtherFeed => Err(ServiceError::FeedRestarted),
        Events::NoSuchPlace if is_named => Err(ServiceError::UnknownEvent(after)),
        Events::NoSuchPlace => Err(ServiceError::UnknownPlace(after)),
    }
}

fn asked(
    service: &Service,
    request: &HttpRequest,
    of: Option<Gun>,
) -> Result<EventQuery, ServiceError> {
    let (after, limit, feed) = page_of(request, service.config.limits.page, "feed")?;
    let malformed = |text: &str| ServiceError::Malformed(text.into());
    let after = after.map_or(Some(0), |after| after.parse().ok().filter(|after| *after < 1 << 53));
    let after = after.ok_or_else(|| malformed("after is the number of an event"))?;
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_id = |feed: &String| feed.len() == FEED_ID_DIGITS && feed.bytes().all(is_digit);
    if !feed.as_ref().is_none_or(is_id) {
        return Err(malformed("feed is the `feed` of the page before, 32 hexadecimal digits"));
    }
    Ok(EventQuery { of, readable: None, after, feed, limit })
}
