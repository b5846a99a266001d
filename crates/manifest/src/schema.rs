//! The JSON Schema that editors complete and check manifests with.

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::document::Manifest;

/// The schema of a manifest document, pretty-printed with a trailing newline.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(Manifest);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    format!("{text}\n")
}

/// A number, or a number with a suffix in text.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "number"], "pattern": "^[0-9]+([.][0-9]+)?[A-Za-z]*$" })
}

/// YAML reads `8080` and `true` as numbers and booleans; here they mean their text.
fn text() -> Schema {
    json_schema!({ "type": ["string", "number", "boolean"] })
}

/// A list of texts.
pub(crate) fn texts(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": text() })
}

/// Texts by name.
pub(crate) fn texts_by_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": text() })
}
