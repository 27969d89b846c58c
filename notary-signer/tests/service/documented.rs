//! Is every answer one that the OpenAPI document tells of? The client asks this of each answer.

use std::sync::OnceLock;

use reqwest::Method;
use serde_json::Value;

use crate::client::Answer;

const DOCUMENT: &str = include_str!("../../../schema/openapi/signer.json");

/// # Panics
/// When the document does not tell of such an answer: status, media type, code of a problem.
pub(crate) fn require(method: &Method, path: &str, answer: &Answer) {
    static PARSED: OnceLock<Value> = OnceLock::new();
    let document = PARSED.get_or_init(|| serde_json::from_str(DOCUMENT).unwrap());
    let path = path.split('?').next().unwrap();
    let template = match path.strip_prefix("/v1/keys/").is_some_and(|it| it.ends_with("/retire")) {
        true => "/v1/keys/{keyid}/retire",
        false => path,
    };
    let call = &document["paths"][template][method.as_str().to_lowercase()];
    let case = format!("{method} {template}: {answer:?}");
    if call.is_null() {
        assert!(matches!(answer.status, 403..=405), "the document does not know {case}");
        return;
    }
    // What the HTTP library does not take for a request has no body.
    if answer.status >= 400 && answer.body.is_empty() {
        return;
    }
    let told = &call["responses"][answer.status.to_string()];
    assert!(!told.is_null(), "the document does not tell of this status: {case}");
    let told = &told["content"][answer.header("content-type")];
    assert!(!told.is_null(), "the document does not tell of this media type: {case}");
    if answer.status >= 400 {
        let codes = &told["schema"]["allOf"][1]["properties"]["code"]["enum"];
        let codes = codes.as_array().unwrap_or_else(|| panic!("it has no codes: {case}"));
        let code = serde_json::from_slice::<Value>(&answer.body).unwrap()["code"].clone();
        assert!(codes.contains(&code), "the document does not tell of this code: {case}");
    }
}
