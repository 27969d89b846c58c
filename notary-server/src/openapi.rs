//! The OpenAPI document of the service, made from the handlers and the wire types.
//!
//! It is answered at GET `/openapi.json` and lies in `schema/openapi/server.json`; a test compares
//! the two. A new handler is listed here.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse};
use notary_schema::wire::{PROBLEM_JSON, Problem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};
use utoipa::{IntoResponses, Modify, OpenApi};

use crate::error::ServiceError;
use crate::handlers::{health, info, keys, metadata, no_query, publish, tokens};

/// All calls.
#[derive(OpenApi)]
#[openapi(
    info(title = "notary-server", description = "TUF metadata of collections"),
    paths(
        metadata::file,
        publish::publish,
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
    components(schemas(Problem)),
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
#[utoipa::path(get, path = "/openapi.json", responses((status = 200, body = Object), Reading))]
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
                path.head = Some(head);
            }
        }
    }
}

/// Errors of every call.
pub struct Reading;

impl IntoResponses for Reading {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 408, 503])
    }
}

/// Errors of calls that change something.
pub struct Writing;

impl IntoResponses for Writing {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[400, 401, 403, 404, 408, 409, 413, 422, 502, 503])
    }
}

fn problems(statuses: &[u16]) -> BTreeMap<String, RefOr<Response>> {
    let problem = || {
        let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        ResponseBuilder::new().description("refused").content(PROBLEM_JSON, body).build().into()
    };
    statuses.iter().map(|status| (status.to_string(), problem())).collect()
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
