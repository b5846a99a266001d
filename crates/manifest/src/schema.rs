//! The JSON Schema that editors complete and check manifests with.

use crate::document::Manifest;

/// The schema of a manifest document, pretty-printed with a trailing newline.
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(Manifest);
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    format!("{text}\n")
}
