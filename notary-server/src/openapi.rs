//! The OpenAPI document of the service, made from the handlers and the wire types.
//!
//! It is answered at GET `/openapi.json` and lies in `schema/openapi/server.json`; a test compares
//! the two, and another one compares its paths with [`crate::routes`]. A new handler is listed here.

use actix_web::{HttpRequest, HttpResponse};
use notary_schema::online::OnlineRole;
use notary_schema::wire::Problem;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::error::ServiceError;
use crate::handlers::{
    changefeed, health, info, keys, life, metadata, no_query, policy, problems, proposals, publish,
    revocations, tokens,
};

/// All calls.
#[derive(OpenApi)]
#[openapi(
    info(title = "notary-server", description = "TUF metadata of collections"),
    paths(
        metadata::file,
        publish::publish,
        life::delete,
        life::undelete,
        policy::show,
        policy::change,
        proposals::create,
        proposals::list,
        proposals::show,
        proposals::sign,
        proposals::cancel,
        revocations::list,
        revocations::create,
        revocations::delete,
        changefeed::of_collection,
        changefeed::all,
        info::collection,
        info::collections,
        keys::online_key,
        tokens::create,
        tokens::list,
        tokens::show,
        tokens::revoke,
        health::healthz,
        health::readyz,
        document,
    ),
    // Those that only parameters and responses of `problems` refer to are not found by themselves.
    components(schemas(Problem, OnlineRole)),
    modifiers(&Details),
)]
struct Calls;

/// The document as JSON.
pub fn json() -> String {
    let mut text = Calls::openapi().to_pretty_json().expect("a document is JSON");
    text.push('\n');
    text
}

/// GET `/openapi.json`: this document.
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, body = Object), problems::Open))]
pub async fn document(request: HttpRequest) -> Result<HttpResponse, ServiceError> {
    no_query(&request)?;
    Ok(HttpResponse::Ok().content_type("application/json").body(json()))
}

/// What the derive cannot say.
struct Details;

impl Modify for Details {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info.license = None;
        let components = document.components.get_or_insert_default();
        let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", token);
        for path in document.paths.paths.values_mut() {
            // HEAD answers like GET, without the body.
            if let Some(get) = &path.get {
                let mut head = get.clone();
                head.description = Some("Like GET, without the body.".into());
                head.operation_id = get.operation_id.as_ref().map(|id| format!("head_{id}"));
                for response in head.responses.responses.values_mut() {
                    if let RefOr::T(response) = response {
                        response.content.clear();
                    }
                }
                path.head = Some(head);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `UPDATE=1 cargo test -p notary-server openapi` writes the file anew.
    #[test]
    fn the_file_is_the_document_of_the_code() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../schema/openapi/server.json");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(file, json()).unwrap();
        }
        let written = std::fs::read_to_string(file).unwrap_or_default();
        assert!(written == json(), "{file} is not the document; UPDATE=1 writes it");
    }
}
