//! Is every answer one that the OpenAPI document tells of? The world asks this of each request.

use std::sync::OnceLock;

use notary_server::openapi;
use reqwest::Method;
use serde_json::Value;

use crate::world::{Answer, World};

/// # Panics
/// When the document does not tell of such an answer: status, media type, code of a problem.
pub fn require(method: &Method, path: &str, answer: &Answer) {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| serde_json::from_str(&openapi::json()).unwrap());
    let template = template(path.split('?').next().unwrap());
    let call = &document["paths"][&template][method.as_str().to_lowercase()];
    let case = format!("{method} {template}: {answer:?}");
    if call.is_null() {
        let foreign = matches!(answer.status.as_u16(), 404 | 405);
        assert!(foreign, "the document does not know {case}");
        return;
    }
    let told = &call["responses"][answer.status.as_str()];
    assert!(!told.is_null(), "the document does not tell of this status: {case}");
    if *method == Method::HEAD || answer.bytes.is_empty() {
        return;
    }
    let told = &told["content"][answer.header("content-type")];
    assert!(!told.is_null(), "the document does not tell of this media type: {case}");
    if answer.header("content-type") == "application/problem+json"
        && let Some(codes) = told["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array()
    {
        let code = &answer.json()["code"];
        assert!(codes.contains(code), "the document does not tell of this code: {case}");
    }
}

/// The path of the document under which a path is told of.
fn template(path: &str) -> String {
    if let Some(id) = path.strip_prefix("/v2/_trust/tokens/").filter(|id| !id.is_empty()) {
        return format!("/v2/_trust/tokens/{}", if id.contains('/') { id } else { "{id}" });
    }
    let parts = path.strip_prefix("/v2/").and_then(|path| path.split_once("/_trust/"));
    match parts {
        Some((_, rest)) => match rest.split_once('/') {
            Some(("tuf", file)) if !file.is_empty() => "/v2/{gun}/_trust/tuf/{file}".into(),
            Some(("proposals", id)) if !id.is_empty() => match id.split_once('/') {
                Some((_, rest)) => format!("/v2/{{gun}}/_trust/proposals/{{id}}/{rest}"),
                None => "/v2/{gun}/_trust/proposals/{id}".into(),
            },
            Some(("revocations", id)) if !id.is_empty() => match id.contains('/') {
                true => format!("/v2/{{gun}}/_trust/{rest}"),
                false => "/v2/{gun}/_trust/revocations/{keyid}".into(),
            },
            Some(("keys", _)) => "/v2/{gun}/_trust/keys/{role}".into(),
            _ => format!("/v2/{{gun}}/_trust/{rest}"),
        },
        None => path.to_owned(),
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let text = openapi::json();
    let document: Value = serde_json::from_str(&text).unwrap();
    let references: Vec<_> =
        text.split("\"$ref\": \"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.len() > 100, "only {references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference} is not in the document");
    }
}

#[actix_web::test]
async fn the_server_answers_with_its_own_document() {
    let world = World::start().await;
    let answer = world.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.bytes, openapi::json().into_bytes());
    world.end().await;
}
