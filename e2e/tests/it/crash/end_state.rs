//! What of a lease must be the same after every run: all of it, but for names that are made up, times and identities.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::mirror::Sight;

/// Metadata that differs between two objects that are the same.
const OF_ONE_OBJECT: [&str; 5] = ["uid", "resourceVersion", "managedFields", "generateName", "selfLink"];
/// Digests over what differs between leases, and numbers that the API server gives out.
const OF_ONE_LEASE: [&str; 8] = [
    "leasehold.dev/secret-digest",
    crd::labels::APPLIED_HASH,
    crd::labels::FORM,
    crd::labels::COMPUTE_LEASE_UID,
    "objectsDigest",
    "clusterIP",
    "clusterIPs",
    "nameservers",
];

/// Kinds whose generation counts more than what is wanted of them: that of a Deployment moves with its controller's annotations,
/// which a replacement leaves out until the controller writes them again, and that of a ReplicaSet with each step of a rollout.
/// What a second template would do shows in how many were made.
const COUNTS_OTHERS: [&str; 2] = ["Deployment", "ReplicaSet"];

/// What one action left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EndState {
    /// Every object. `kept` says whether it was there before the action.
    objects: Vec<Value>,
    /// How many of each kind were ever made, since the life began.
    made: BTreeMap<String, usize>,
}

impl EndState {
    /// What is there, in the words of every lease. `before` are the UIDs of what was there before the action.
    pub(super) fn of(sight: &Sight, before: &BTreeSet<String>, system: &str, name: &crd::LeaseName) -> Self {
        let words = Words::of(sight, system, name);
        let mut objects: Vec<Value> = sight
            .objects
            .iter()
            .map(|object| {
                let kept = before.contains(object["metadata"]["uid"].as_str().unwrap_or_default());
                let mut object = words.plain(object);
                if COUNTS_OTHERS.contains(&object["kind"].as_str().unwrap_or_default()) {
                    forget(&mut object["metadata"], "generation");
                    forget(&mut object["status"], "observedGeneration");
                }
                if object["kind"] == "ResourceQuota" {
                    // What is there is compared itself; of what was made twice at once the API server counts both for minutes.
                    forget(&mut object["status"], "used");
                }
                object["kept"] = json!(kept);
                object
            })
            .collect();
        objects.sort_by_cached_key(|object| (title(object), object.to_string()));
        Self { objects, made: sight.made.clone() }
    }

    /// One line for each difference; none if all is the same.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let titles: BTreeSet<String> = self.objects.iter().chain(&other.objects).map(title).collect();
        for title in titles {
            let named = |state: &Self| -> Vec<Value> {
                state.objects.iter().filter(|object| self::title(object) == title).cloned().collect()
            };
            let (mine, others) = (named(self), named(other));
            if mine.len() != others.len() {
                lines.push(format!("{title}: {} instead of {}", others.len(), mine.len()));
            }
            for (mine, other) in mine.iter().zip(&others) {
                compare(&title, mine, other, &mut lines);
            }
        }
        let kinds: BTreeSet<&String> = self.made.keys().chain(other.made.keys()).collect();
        for kind in kinds {
            let count = |state: &Self| state.made.get(kind).copied().unwrap_or_default();
            if count(self) != count(other) {
                lines.push(format!("{kind}: {} were made so far instead of {}", count(other), count(self)));
            }
        }
        lines
    }
}

/// UIDs of everything that is there.
pub(super) fn uids(sight: &Sight) -> BTreeSet<String> {
    let uid = |object: &Value| object["metadata"]["uid"].as_str().map(str::to_owned);
    sight.objects.iter().filter_map(uid).collect()
}

fn title(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn compare(path: &str, wanted: &Value, found: &Value, lines: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            let keys: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
            for key in keys {
                let value = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(&format!("{path} {key}"), &value(wanted), &value(found), lines);
            }
        }
        (Value::Array(wanted), Value::Array(found)) if wanted.len() == found.len() => {
            for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
                compare(&format!("{path} {index}"), wanted, found, lines);
            }
        }
        _ if wanted == found => {}
        _ => lines.push(format!("{path}: {found} instead of {wanted}")),
    }
}

/// What is called differently in every life, and what it is called instead; the longest first.
struct Words(Vec<(String, String)>);

impl Words {
    fn of(sight: &Sight, system: &str, name: &crd::LeaseName) -> Self {
        let mut words: BTreeMap<String, String> = sight.made_up.clone();
        for object in &sight.objects {
            let owner = object["metadata"]["ownerReferences"][0]["name"].as_str().unwrap_or_default();
            let labels = &object["metadata"]["labels"];
            if let Some(hash) = labels["pod-template-hash"].as_str()
                && object["kind"] == "ReplicaSet"
            {
                let revision = &object["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
                words.insert(hash.to_owned(), format!("TEMPLATE{}", revision.as_str().unwrap_or_default()));
            }
            if let Some(hash) = labels["controller.kubernetes.io/hash"].as_str() {
                words.insert(hash.to_owned(), format!("REVISION{}-OF-{owner}", object["revision"]));
            }
        }
        let lease = object_named(&sight.objects, "ComputeLease");
        if let Some(id) = lease.and_then(|lease| lease["spec"]["leaseId"].as_str()) {
            words.insert(id.to_owned(), "LEASE-ID".to_owned());
        }
        words.insert(name.as_str().to_owned(), "LEASE".to_owned());
        words.insert(name.label_value().to_owned(), "LEASE-LABEL".to_owned());
        words.insert(system.to_owned(), "SYSTEM".to_owned());
        let mut words: Vec<_> = words.into_iter().collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        Self(words)
    }

    fn plain(&self, value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !is_of_one(key));
                Value::Object(kept.map(|(key, value)| (key.clone(), self.plain(value))).collect())
            }
            Value::Array(all) => {
                let mut all: Vec<Value> = all.iter().map(|value| self.plain(value)).collect();
                // Conditions stand in the order in which they came up first.
                if all.iter().all(|value| value["type"].is_string() && value["status"].is_string()) {
                    all.sort_by_cached_key(|condition| condition["type"].as_str().map(str::to_owned));
                }
                Value::Array(all)
            }
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // A made up name holds its template's hash, so what comes of it is looked through again.
        for (word, plain) in &self.0 {
            if text.contains(word.as_str()) {
                text = text.replace(word.as_str(), plain);
            }
        }
        text
    }
}

fn forget(value: &mut Value, key: &str) {
    if let Some(map) = value.as_object_mut() {
        map.remove(key);
    }
}

fn object_named<'a>(objects: &'a [Value], kind: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind)
}

fn is_of_one(key: &str) -> bool {
    OF_ONE_OBJECT.contains(&key)
        || OF_ONE_LEASE.contains(&key)
        || ["Time", "Timestamp", "At"].iter().any(|end| key.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(replicas: i64, uid: &str) -> Sight {
        let name = super::super::action::name(1);
        let objects = vec![json!({
            "kind": "Deployment",
            "metadata": {"name": "web", "uid": uid, "resourceVersion": uid, "creationTimestamp": uid,
                         "labels": {"leasehold.dev/lease": name.label_value()}},
            "spec": {"replicas": replicas},
        })];
        Sight { objects, made: [("Deployment".to_owned(), 1)].into(), made_up: BTreeMap::new() }
    }

    fn state(sight: &Sight, before: &[&str]) -> EndState {
        let before = before.iter().map(|uid| (*uid).to_owned()).collect();
        EndState::of(sight, &before, "it-crash", &super::super::action::name(1))
    }

    #[test]
    fn identities_and_times_do_not_matter_and_every_other_field_does() {
        let wanted = state(&sight(2, "a"), &[]);
        assert_eq!(
            wanted.objects[0]["metadata"],
            json!({"name": "web", "labels": {"leasehold.dev/lease": "LEASE-LABEL"}})
        );
        assert_eq!(wanted.differences(&state(&sight(2, "b"), &[])), Vec::<String>::new());
        assert_eq!(
            wanted.differences(&state(&sight(3, "b"), &[])),
            ["Deployment web spec replicas: 3 instead of 2"]
        );
    }

    #[test]
    fn what_was_made_anew_what_is_missing_and_what_was_made_twice_are_differences() {
        let wanted = state(&sight(2, "a"), &["a"]);
        assert_eq!(
            wanted.differences(&state(&sight(2, "b"), &["a"])),
            ["Deployment web kept: false instead of true"]
        );
        let mut twice = sight(2, "a");
        twice.made = [("Deployment".to_owned(), 2)].into();
        assert_eq!(
            wanted.differences(&state(&twice, &["a"])),
            ["Deployment: 2 were made so far instead of 1"]
        );
        let missing = Sight { objects: Vec::new(), ..sight(2, "a") };
        assert_eq!(wanted.differences(&state(&missing, &["a"])), ["Deployment web: 0 instead of 1"]);
    }
}
