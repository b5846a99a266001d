//! JSON Schemas of the Kubernetes kinds that the chart renders, for kubeconform.
//!
//! kubeconform would download them; here they are made from the OpenAPI documents of the very Kubernetes that the
//! testbed builds, and made strict: a field that the API server does not know is an error.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::{process::output, tools::repository};

/// The groups that our kinds come from, by the name of their document.
const GROUPS: [&str; 9] = [
    "api__v1",
    "apis__apps__v1",
    "apis__networking.k8s.io__v1",
    "apis__rbac.authorization.k8s.io__v1",
    "apis__apiextensions.k8s.io__v1",
    "apis__admissionregistration.k8s.io__v1",
    "apis__flowcontrol.apiserver.k8s.io__v1",
    "apis__policy__v1",
    "apis__scheduling.k8s.io__v1",
];

/// Writes `KIND_VERSION.json` for every kind of [`GROUPS`] into `folder`, for kubeconform's template
/// `{{.ResourceKind}}_{{.ResourceAPIVersion}}.json`.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let documents = openapi_documents()?;
    for group in GROUPS {
        let path = documents.join(format!("{group}_openapi.json"));
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let document =
            serde_json::from_str(&text).with_context(|| format!("failed to parse {}", path.display()))?;
        for (name, schema) in schemas(document)? {
            fs::write(folder.join(&name), serde_json::to_vec(&schema)?)
                .with_context(|| format!("failed to write {name}"))?;
        }
    }
    write_monitoring(folder)?;
    write_own(folder)
}

/// The kinds of the Prometheus operator, which is no part of the testbed: what the chart uses of them and nothing else.
fn write_monitoring(folder: &Path) -> anyhow::Result<()> {
    let text = json!({"type": "string", "minLength": 1});
    let texts = json!({"type": "object", "additionalProperties": text});
    let list = |items: Value| json!({"type": "array", "items": items, "minItems": 1});
    let duration = json!({"type": "string", "pattern": "^[0-9]+[smhd]$"});
    let rule = closed(
        &["alert", "expr", "labels", "annotations"],
        json!({"alert": text, "expr": text, "for": duration, "labels": texts, "annotations": texts}),
    );
    let group = closed(&["name", "rules"], json!({"name": text, "rules": list(rule)}));
    let relabeling = closed(
        &["sourceLabels", "targetLabel"],
        json!({"sourceLabels": list(text.clone()), "targetLabel": text}),
    );
    let endpoint = closed(
        &["port"],
        json!({"port": text, "path": text, "interval": duration, "relabelings": list(relabeling)}),
    );
    let monitor = closed(
        &["selector", "endpoints"],
        json!({
            "selector": closed(&["matchLabels"], json!({"matchLabels": texts})),
            "namespaceSelector": closed(&["matchNames"], json!({"matchNames": list(text.clone())})),
            "endpoints": list(endpoint),
        }),
    );
    let kinds = [
        ("prometheusrule", closed(&["groups"], json!({"groups": list(group)}))),
        ("servicemonitor", monitor),
    ];
    for (kind, spec) in kinds {
        let required = ["apiVersion", "kind", "metadata", "spec"];
        let object = closed(
            &required,
            json!({"apiVersion": text, "kind": text, "metadata": {"type": "object"}, "spec": spec}),
        );
        let name = format!("{kind}_v1.json");
        fs::write(folder.join(&name), serde_json::to_vec(&object)?)
            .with_context(|| format!("failed to write {name}"))?;
    }
    Ok(())
}

/// An object with these properties and no others.
fn closed(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// Writes a schema for each kind of our own, out of its definition.
fn write_own(folder: &Path) -> anyhow::Result<()> {
    let definitions = repository().join("crds");
    for entry in
        fs::read_dir(&definitions).with_context(|| format!("failed to read {}", definitions.display()))?
    {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let definition: Value =
            serde_saphyr::from_str(&text).with_context(|| format!("failed to parse {}", path.display()))?;
        let (name, schema) = own_schema(&definition)
            .with_context(|| format!("{} is not the definition of a kind", path.display()))?;
        fs::write(folder.join(&name), serde_json::to_vec(&schema)?)
            .with_context(|| format!("failed to write {name}"))?;
    }
    Ok(())
}

/// A definition says nothing about metadata, which every object has.
fn own_schema(definition: &Value) -> Option<(String, Value)> {
    let kind = definition["spec"]["names"]["kind"].as_str()?;
    let version = &definition["spec"]["versions"][0];
    let mut schema = version["schema"]["openAPIV3Schema"].clone();
    let properties = schema["properties"].as_object_mut()?;
    for name in ["apiVersion", "kind"] {
        properties.insert(name.to_owned(), json!({"type": "string"}));
    }
    properties.insert("metadata".to_owned(), json!({"type": "object"}));
    make_strict(&mut schema);
    Some((format!("{}_{}.json", kind.to_lowercase(), version["name"].as_str()?), schema))
}

/// The folder with the OpenAPI documents, inside the pinned Kubernetes module.
fn openapi_documents() -> anyhow::Result<PathBuf> {
    let module = repository().join("testbed/kubernetes");
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", "k8s.io/kubernetes"]).current_dir(module);
    let answer: Value = serde_json::from_str(&output(&mut go)?).context("failed to parse go's answer")?;
    let folder = answer["Dir"].as_str().context("go names no folder of k8s.io/kubernetes")?;
    Ok(Path::new(folder).join("api/openapi-spec/v3"))
}

/// Every kind of a document as a schema that stands alone.
fn schemas(mut document: Value) -> anyhow::Result<Vec<(String, Value)>> {
    let mut components = document["components"]["schemas"].take();
    make_strict(&mut components);
    let all = components.as_object().context("the document has no schemas")?;
    let mut made = Vec::new();
    for (name, schema) in all {
        let Some(kinds) = schema["x-kubernetes-group-version-kind"].as_array() else { continue };
        // Options and events of a watch are listed once for each group; no object is one.
        let [kind] = kinds.as_slice() else { continue };
        let (Some(kind), Some(version)) = (kind["kind"].as_str(), kind["version"].as_str()) else { continue };
        let reference = format!("#/components/schemas/{name}");
        let schema = json!({"$ref": reference, "components": {"schemas": components}});
        made.push((format!("{}_{version}.json", kind.to_lowercase()), schema));
    }
    ensure!(!made.is_empty(), "the document has no kinds");
    Ok(made)
}

/// Refuses every property that a schema with properties does not name.
fn make_strict(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("properties").is_some_and(Value::is_object)
                && !object.contains_key("additionalProperties")
            {
                object.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            object.values_mut().for_each(make_strict);
        }
        Value::Array(items) => items.iter_mut().for_each(make_strict),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_becomes_a_strict_schema_too() {
        let spec = json!({"type": "object", "properties": {"operator": {"type": "string"}}});
        let definition = json!({"spec": {"names": {"kind": "IsolationPolicy"}, "versions": [
            {"name": "v1alpha1", "schema": {"openAPIV3Schema": {"properties": {"spec": spec}}}},
        ]}});
        let (name, schema) = own_schema(&definition).expect("it defines a kind");
        assert_eq!(name, "isolationpolicy_v1alpha1.json");
        let expected = json!({
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"type": "object"},
                "spec": {
                    "type": "object",
                    "properties": {"operator": {"type": "string"}},
                    "additionalProperties": false,
                },
            },
            "additionalProperties": false,
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn a_kind_becomes_a_strict_schema_of_its_own() {
        let document = json!({"components": {"schemas": {
            "v1.Pod": {
                "properties": {"spec": {"$ref": "#/components/schemas/v1.PodSpec"}},
                "x-kubernetes-group-version-kind": [{"group": "", "kind": "Pod", "version": "v1"}],
            },
            "v1.PodSpec": {"properties": {"hostNetwork": {"type": "boolean"}}},
        }}});
        let made = schemas(document).expect("the document has a kind");
        let expected = json!({"$ref": "#/components/schemas/v1.Pod", "components": {"schemas": {
            "v1.Pod": {
                "properties": {"spec": {"$ref": "#/components/schemas/v1.PodSpec"}},
                "additionalProperties": false,
                "x-kubernetes-group-version-kind": [{"group": "", "kind": "Pod", "version": "v1"}],
            },
            "v1.PodSpec": {"properties": {"hostNetwork": {"type": "boolean"}}, "additionalProperties": false},
        }}});
        assert_eq!(made, [("pod_v1.json".to_owned(), expected)]);
    }
}
