//! What an OpenAPI document tells of refusals: for each status, the codes that a call may answer.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr};

use crate::wire::PROBLEM_JSON;

/// Codes of one status.
pub type Codes = (u16, &'static [&'static str]);

/// The responses of a call that may be refused with all of these: a
/// [`Problem`](crate::wire::Problem) for each status.
pub fn problems(groups: &[&[Codes]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, BTreeSet<&'static str>> = BTreeMap::new();
    for (status, codes) in groups.iter().copied().flatten() {
        by_status.entry(*status).or_default().extend(*codes);
    }
    let answer = |(status, codes): (u16, BTreeSet<&'static str>)| {
        (status.to_string(), response(status, codes.into_iter().collect()).into())
    };
    by_status.into_iter().map(answer).collect()
}

fn response(status: u16, codes: Vec<&'static str>) -> Response {
    let code = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes.clone()));
    let narrowed = ObjectBuilder::new().property("code", code);
    let schema = AllOfBuilder::new().item(Ref::from_schema_name("Problem")).item(narrowed);
    let body = ContentBuilder::new().schema(Some(Schema::from(schema.build()))).build();
    let response = ResponseBuilder::new().description(codes.join(", "));
    let response = match status {
        401 => response.header("WWW-Authenticate", header(Type::String, "always `Bearer`")),
        503 => {
            let text = "seconds after which the same request may succeed";
            response.header("Retry-After", header(Type::Integer, text))
        }
        _ => response,
    };
    response.content(PROBLEM_JSON, body).build()
}

fn header(kind: Type, text: &str) -> Header {
    let schema = ObjectBuilder::new().schema_type(kind);
    HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build()
}

/// Declares kinds of calls, each a type for the `responses(…)` of `utoipa::path`, with the groups of
/// [`Codes`] that they may be refused with.
#[macro_export]
macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($codes:expr),+;)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                $crate::openapi::problems::problems(&[$($codes),+])
            }
        }
    )+};
}
