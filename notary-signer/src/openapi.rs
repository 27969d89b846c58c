//! The OpenAPI document of the service, made from the calls and the wire types. It lies in
//! `schema/openapi/signer.json` and nowhere in the program.

use std::path::Path;

use notary_schema::openapi::problems::Codes;
use notary_schema::refusals;
use notary_schema::wire::Problem;
use utoipa::OpenApi;

use crate::routes;

/// Any call: a request that cannot be read, a signer that is busy or fails.
const ANY: &[Codes] = &[
    (400, &["malformed"]),
    (403, &["forbidden", "certificate_refused"]),
    (500, &["failed"]),
    (503, &["busy", "backend_unavailable"]),
];
/// A body that is too long.
const BODY: &[Codes] = &[(413, &["too_large"])];

refusals! {
    /// Calls that change nothing.
    Reading: ANY;
    /// Asking whether it can work.
    Readiness: ANY, &[(503, &["not_ready"])];
    /// Making a key.
    Keys: ANY, BODY, &[(409, &["too_many_keys", "key_taken"])];
    /// Retiring a key.
    Retiring: ANY, &[(404, &["not_found"])];
    /// Signing.
    Signing: ANY, BODY, &[
        (409, &["version_used", "would_lower", "version_jump", "other_snapshot", "retired_key"]),
        (422, &["wrong_document", "hashes_dropped", "expired", "expires_too_late", "unknown_key"]),
    ];
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "notary-signer",
        description = "Online keys of TUF collections, over mutual TLS. A problem with the member \
            `recorded` (always false) is a promise that nothing was signed and nothing recorded.",
        license(name = ""),
    ),
    paths(
        routes::online_key,
        routes::online_keys,
        routes::retire,
        routes::last_signed,
        routes::sign,
        routes::policy,
        routes::ready,
        routes::health,
    ),
    components(schemas(Problem))
)]
struct Calls;

/// `UPDATE=1 cargo test -p notary-signer openapi` writes the file anew.
#[test]
fn the_file_is_the_document_of_the_code() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/openapi/signer.json");
    let mut document = Calls::openapi();
    document.info.license = None;
    let code = document.to_pretty_json().unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &code).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == code, "{} is not the document; UPDATE=1 writes it", file.display());
}
