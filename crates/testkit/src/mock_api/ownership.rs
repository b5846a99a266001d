//! Who owns what of a status: what server-side apply keeps, replaces and removes.
//!
//! Fields that a manager applied before and leaves out now go, those of others stay. Lists whose entries have
//! a `type` are maps by it, as conditions are; any other list is one value.

use serde_json::{Map, Value};

/// The status after a manager that applied `before` applies `now`.
pub(super) fn apply(status: Value, before: &Value, now: &Value) -> Value {
    merged(without(status, before, now), now)
}

/// Takes away what was applied before and is not any more.
fn without(status: Value, before: &Value, now: &Value) -> Value {
    match (status, before) {
        (Value::Object(status), Value::Object(before)) => {
            let kept =
                status.into_iter().filter_map(|(key, value)| match (before.get(&key), now.get(&key)) {
                    (Some(before), Some(now)) => Some((key, without(value, before, now))),
                    (Some(before), None) => {
                        let rest = without(value, before, &Value::Null);
                        (!is_empty(&rest)).then_some((key, rest))
                    }
                    (None, _) => Some((key, value)),
                });
            Value::Object(kept.collect())
        }
        (Value::Array(status), Value::Array(before)) if is_by_type(&status) => {
            let applied = |list: Option<&Vec<Value>>, entry: &Value| {
                list.is_some_and(|list| list.iter().any(|other| other["type"] == entry["type"]))
            };
            let stays = |entry: &Value| !applied(Some(before), entry) || applied(now.as_array(), entry);
            Value::Array(status.into_iter().filter(stays).collect())
        }
        (status, _) if !now.is_null() => status,
        _ => Value::Null,
    }
}

fn merged(status: Value, now: &Value) -> Value {
    match (status, now) {
        (Value::Object(mut status), Value::Object(now)) => {
            for (key, value) in now {
                let old = status.remove(key).unwrap_or_default();
                status.insert(key.clone(), merged(old, value));
            }
            Value::Object(status)
        }
        (Value::Array(mut status), Value::Array(now)) if is_by_type(now) => {
            for entry in now {
                match status.iter_mut().find(|old| old["type"] == entry["type"]) {
                    Some(old) => *old = entry.clone(),
                    None => status.push(entry.clone()),
                }
            }
            Value::Array(status)
        }
        (Value::Null, Value::Object(now)) => merged(Value::Object(Map::new()), &Value::Object(now.clone())),
        (_, now) => now.clone(),
    }
}

fn is_by_type(list: &[Value]) -> bool {
    list.iter().all(|entry| entry["type"].is_string())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_manager_changes_only_what_it_applied() {
        let meter = json!({"usage": {"asOf": 5}, "conditions": [{"type": "Metered", "status": "True"}]});
        let before =
            json!({"phase": "Ready", "message": "m", "conditions": [{"type": "Ready", "status": "True"}]});
        let now = json!({"phase": "Ended", "conditions": [{"type": "Gone", "status": "True"}]});
        let status = apply(Value::Null, &Value::Null, &before);
        assert_eq!(status, before);
        let status = apply(status, &Value::Null, &meter);
        assert_eq!(
            apply(status, &before, &now),
            json!({
                "phase": "Ended", "usage": {"asOf": 5},
                "conditions": [{"type": "Metered", "status": "True"}, {"type": "Gone", "status": "True"}]
            })
        );
    }

    #[test]
    fn a_list_without_types_is_one_value() {
        let before = json!({"services": [{"name": "a"}, {"name": "b"}]});
        let now = json!({"services": [{"name": "c"}]});
        assert_eq!(apply(before.clone(), &before, &now), now);
        assert_eq!(apply(before.clone(), &before, &json!({})), json!({}));
    }
}
