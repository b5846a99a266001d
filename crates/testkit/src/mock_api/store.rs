//! The objects of the mock API server and what the verbs do to them.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{ownership, path::Target};

/// Tells a name that is taken from a write that lost a race: both are 409 on the wire.
pub(super) const ALREADY_EXISTS: StatusCode = StatusCode::IM_USED;

const DELETED_AT: &str = "2026-01-01T00:00:00Z";

#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Status that each field manager applied last, by object and manager.
    applied: BTreeMap<(String, String), Value>,
}

impl Store {
    pub(super) fn serve(
        &mut self,
        verb: &str,
        target: &Target,
        selector: Option<&(String, String)>,
        manager: &str,
        body: Value,
    ) -> Result<Value, StatusCode> {
        match verb {
            "GET" if target.name.is_none() => Ok(self.list(target, selector)),
            "GET" => self.find(target).ok_or(StatusCode::NOT_FOUND),
            "POST" => self.create(target, body),
            "APPLY" => self.apply(target, manager, body),
            "PATCH" => self.merge(target, body),
            "PUT" => self.replace(target, body),
            "DELETE" => self.delete(target, &body),
            _ => Err(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    pub(super) fn insert(&mut self, target: &Target, mut object: Value) -> Value {
        self.version += 1;
        let metadata = &mut object["metadata"];
        if metadata["uid"].is_null() {
            metadata["uid"] = json!(format!("uid-{}", self.version));
        }
        metadata["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(target.object(), object.clone());
        object
    }

    pub(super) fn find(&self, target: &Target) -> Option<Value> {
        self.objects.get(&target.object()).cloned()
    }

    pub(super) fn remove_tree(&mut self, target: &Target) {
        let (object, below) = (target.object(), format!("{}/", target.object()));
        let inside = format!("/namespaces/{}/", target.name.as_deref().unwrap_or_default());
        let namespace = target.collection == "/api/v1/namespaces";
        self.objects.retain(|path, _| {
            *path != object && !path.starts_with(&below) && !(namespace && path.contains(&inside))
        });
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn enforce_quotas(&mut self) {
        for (path, object) in &mut self.objects {
            if path.contains("/resourcequotas/") {
                object["status"] = json!({ "hard": object["spec"]["hard"] });
            }
        }
    }

    fn list(&self, target: &Target, selector: Option<&(String, String)>) -> Value {
        let prefix = format!("{}/", target.collection);
        let items: Vec<&Value> = self
            .objects
            .iter()
            .filter(|(path, _)| path.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/')))
            .map(|(_, object)| object)
            .filter(|object| {
                selector.is_none_or(|(key, value)| object["metadata"]["labels"][key] == value.as_str())
            })
            .collect();
        json!({
            "apiVersion": "v1", "kind": "List",
            "metadata": { "resourceVersion": self.version.to_string() }, "items": items,
        })
    }

    fn create(&mut self, target: &Target, body: Value) -> Result<Value, StatusCode> {
        let name = body["metadata"]["name"].as_str().ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
        let target = Target { name: Some(name.to_owned()), ..target.clone() };
        if self.find(&target).is_some() {
            return Err(ALREADY_EXISTS);
        }
        Ok(self.insert(&target, body))
    }

    /// Replaces everything but what the server itself keeps; a resource version in the body is a precondition.
    fn replace(&mut self, target: &Target, body: Value) -> Result<Value, StatusCode> {
        let old = self.find(target).ok_or(StatusCode::NOT_FOUND)?;
        let wanted = &body["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != old["metadata"]["resourceVersion"] {
            return Err(StatusCode::CONFLICT);
        }
        let finalizers = body["metadata"]["finalizers"].clone();
        if target.subresource.is_none() && !old["metadata"]["finalizers"].is_null() {
            let mut bare = old;
            bare["metadata"]["finalizers"] = finalizers;
            self.objects.insert(target.object(), bare);
        }
        self.apply(target, "", body)
    }

    /// Replaces all but what the server itself keeps; a status is left to its subresource. A resource version in the body is a precondition.
    fn apply(&mut self, target: &Target, manager: &str, body: Value) -> Result<Value, StatusCode> {
        let old = self.find(target);
        let wanted = &body["metadata"]["resourceVersion"];
        let present = old.as_ref().map(|old| &old["metadata"]["resourceVersion"]);
        if !wanted.is_null() && Some(wanted) != present {
            return Err(StatusCode::CONFLICT);
        }
        if target.subresource.as_deref() == Some("status") {
            let mut object = old.ok_or(StatusCode::NOT_FOUND)?;
            let key = (target.object(), manager.to_owned());
            let before = self.applied.insert(key, body["status"].clone()).unwrap_or_default();
            object["status"] = ownership::apply(object["status"].take(), &before, &body["status"]);
            return Ok(self.insert(target, object));
        }
        let mut object = body;
        let mut generation = 1;
        if let Some(old) = old {
            for field in ["uid", "creationTimestamp", "deletionTimestamp", "finalizers"] {
                if !old["metadata"][field].is_null() {
                    object["metadata"][field] = old["metadata"][field].clone();
                }
            }
            if !old["status"].is_null() {
                object["status"] = old["status"].clone();
            }
            generation = old["metadata"]["generation"].as_i64().unwrap_or(1);
            if old["spec"] != object["spec"] {
                generation += 1;
            }
        }
        object["metadata"]["generation"] = json!(generation);
        Ok(self.insert(target, object))
    }

    fn merge(&mut self, target: &Target, body: Value) -> Result<Value, StatusCode> {
        let mut object = self.find(target).ok_or(StatusCode::NOT_FOUND)?;
        let wanted = &body["metadata"]["resourceVersion"];
        if !wanted.is_null() && *wanted != object["metadata"]["resourceVersion"] {
            return Err(StatusCode::CONFLICT);
        }
        merge_into(&mut object, body);
        let finalizers = object["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
        if finalizers == 0 && !object["metadata"]["deletionTimestamp"].is_null() {
            self.objects.remove(&target.object());
            return Ok(object);
        }
        Ok(self.insert(target, object))
    }

    /// Namespaces and objects with finalizers are marked; others go at once.
    fn delete(&mut self, target: &Target, options: &Value) -> Result<Value, StatusCode> {
        let mut object = self.find(target).ok_or(StatusCode::NOT_FOUND)?;
        let wanted = &options["preconditions"]["uid"];
        if !wanted.is_null() && *wanted != object["metadata"]["uid"] {
            return Err(StatusCode::CONFLICT);
        }
        let finalizers = object["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
        if finalizers > 0 || target.collection == "/api/v1/namespaces" {
            object["metadata"]["deletionTimestamp"] = json!(DELETED_AT);
            return Ok(self.insert(target, object));
        }
        self.objects.remove(&target.object());
        Ok(json!({ "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success" }))
    }
}

/// What a client gets that asked for metadata only.
pub(super) fn metadata_only(object: Value) -> Value {
    let partial = |object: &Value| {
        json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": object["metadata"],
        })
    };
    match object["items"].as_array() {
        Some(items) => json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
            "metadata": object["metadata"], "items": items.iter().map(partial).collect::<Vec<_>>(),
        }),
        None => partial(&object),
    }
}

fn merge_into(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().expect("made an object above").remove(&key);
        } else {
            merge_into(&mut target[&key], value);
        }
    }
}
