//! What the names look like in an OpenAPI document. The rules themselves stand in [`crate::name`];
//! a pattern here says what of them a pattern can.

pub mod problems;

use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use crate::key::Key;
use crate::name::{Gun, Incarnation, KeyId, MAX_INTEGER, RoleName, Version};

/// Collection names, one segment or several.
pub const GUN: &str = "^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$";
/// Role names that we create.
pub const ROLE: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$";

fn text(pattern: &str, longest: usize) -> RefOr<Schema> {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    text.max_length(Some(longest)).into()
}

impl PartialSchema for Gun {
    fn schema() -> RefOr<Schema> {
        text(GUN, 255)
    }
}
impl ToSchema for Gun {}

/// Foreign repositories have other names, so there is no pattern.
impl PartialSchema for RoleName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).into()
    }
}
impl ToSchema for RoleName {}

impl PartialSchema for KeyId {
    fn schema() -> RefOr<Schema> {
        text("^[0-9a-f]{64}$", 64)
    }
}
impl ToSchema for KeyId {}

impl PartialSchema for Incarnation {
    fn schema() -> RefOr<Schema> {
        text("^[0-9a-f]{32}$", 32)
    }
}
impl ToSchema for Incarnation {}

impl PartialSchema for Version {
    fn schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1u64));
        let format = SchemaFormat::Custom("int64".into());
        number.maximum(Some(MAX_INTEGER)).format(Some(format)).into()
    }
}
impl ToSchema for Version {}

/// TUF 4.2; members beyond the three are kept.
impl PartialSchema for Key {
    fn schema() -> RefOr<Schema> {
        let member = |kind| ObjectBuilder::new().schema_type(kind);
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("keytype", member(Type::String))
            .property("scheme", member(Type::String))
            .property("keyval", member(Type::Object))
            .required("keytype")
            .required("scheme")
            .required("keyval")
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}
impl ToSchema for Key {}
