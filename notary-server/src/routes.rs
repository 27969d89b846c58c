//! All paths of the service.

use actix_web::web::{ServiceConfig, delete, get, head, patch, post, resource};

use crate::handlers::{
    changefeed, health, info, keys, life, metadata, policy, proposals, publish, revocations, tokens,
};
use crate::openapi;

/// Registers every path. A collection's name has slashes and ends before `/_trust/`: none of its
/// segments starts with `_`.
pub fn register(app: &mut ServiceConfig) {
    const OF_COLLECTION: &str = "/v2/{gun:[^_/][^/]*(?:/[^_/][^/]*)*}/_trust";
    let path = |rest: &str| resource(format!("{OF_COLLECTION}{rest}"));

    app.service(
        path("/tuf/{file:[^/]+}").route(get().to(metadata::file)).route(head().to(metadata::file)),
    )
    .service(path("/tuf/").route(post().to(publish::publish)).route(delete().to(life::delete)))
    .service(path("/undelete").route(post().to(life::undelete)))
    .service(
        path("/policy")
            .route(get().to(policy::show))
            .route(head().to(policy::show))
            .route(patch().to(policy::change)),
    )
    .service(
        path("/proposals")
            .route(post().to(proposals::create))
            .route(get().to(proposals::list))
            .route(head().to(proposals::list)),
    )
    .service(
        path("/proposals/{id:[^/]+}")
            .route(get().to(proposals::show))
            .route(head().to(proposals::show))
            .route(delete().to(proposals::cancel)),
    )
    .service(path("/proposals/{id:[^/]+}/signatures").route(post().to(proposals::sign)))
    .service(
        path("/revocations")
            .route(post().to(revocations::create))
            .route(get().to(revocations::list))
            .route(head().to(revocations::list)),
    )
    .service(path("/revocations/{keyid:[^/]+}").route(delete().to(revocations::delete)))
    .service(
        path("/changefeed")
            .route(get().to(changefeed::of_collection))
            .route(head().to(changefeed::of_collection)),
    )
    .service(
        resource("/v2/_trust/changefeed")
            .route(get().to(changefeed::all))
            .route(head().to(changefeed::all)),
    )
    .service(path("/").route(get().to(info::collection)).route(head().to(info::collection)))
    .service(path("/keys/{role}").route(post().to(keys::online_key)))
    .service(
        resource("/v2/_trust/collections")
            .route(get().to(info::collections))
            .route(head().to(info::collections)),
    )
    .service(
        resource("/v2/_trust/tokens")
            .route(post().to(tokens::create))
            .route(get().to(tokens::list))
            .route(head().to(tokens::list)),
    )
    .service(
        resource("/v2/_trust/tokens/{id}")
            .route(get().to(tokens::show))
            .route(head().to(tokens::show))
            .route(delete().to(tokens::revoke)),
    )
    .service(
        resource("/healthz").route(get().to(health::healthz)).route(head().to(health::healthz)),
    )
    .service(
        resource("/openapi.json")
            .route(get().to(openapi::document))
            .route(head().to(openapi::document)),
    )
    .service(resource("/readyz").route(get().to(health::readyz)).route(head().to(health::readyz)));
}
