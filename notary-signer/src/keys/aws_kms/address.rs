//! The address of KMS: that of its region, unless the configuration or the environment names another one.

use aws_sdk_kms::config::endpoint::{DefaultResolver, EndpointFuture, Params, ResolveEndpoint};

/// What is said of an address that is none.
pub(super) const NOT_ONE: &str =
    "is no address like https://kms.example (endpoint_url, AWS_ENDPOINT_URL_KMS)";

/// Refuses what is no address before the SDK meets it: of an empty one that panics, and of another one it
/// tells with the whole request.
#[derive(Debug)]
pub(super) struct Addressed(DefaultResolver);

impl Addressed {
    pub(super) fn new() -> Addressed {
        Addressed(DefaultResolver::new())
    }
}

impl ResolveEndpoint for Addressed {
    fn resolve_endpoint<'a>(&'a self, params: &'a Params) -> EndpointFuture<'a> {
        match params.endpoint().filter(|text| !is_address(text)) {
            Some(text) => EndpointFuture::ready(Err(format!("{text:?} {NOT_ONE}").into())),
            None => self.0.resolve_endpoint(params),
        }
    }
}

fn is_address(text: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let names_a_host = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    names_a_host && text.bytes().all(|byte| byte.is_ascii_graphic())
}
