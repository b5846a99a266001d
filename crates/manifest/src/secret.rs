//! Secret values: they reach the provider inside the manifest and nothing else. No message of this crate holds one.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

/// A secret value. `Debug` prints `<redacted>`; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: String) -> Self {
        Secret(Zeroizing::new(value))
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("<redacted>")
    }
}

/// Where a secret's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable of the tenant's own machine.
    FromEnv(String),
    /// A file of the tenant's own machine; one trailing newline is dropped.
    FromFile(String),
    /// The value itself. The only form that a provider accepts.
    Value(Secret),
}

const FROM_ENV: &str = "fromEnv";
const FROM_FILE: &str = "fromFile";
const VALUE: &str = "value";
const EXPECTED: &str = "exactly one of `fromEnv: NAME`, `fromFile: PATH` and `value: TEXT`";

impl Serialize for SecretSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (key, value) = match self {
            SecretSource::FromEnv(name) => (FROM_ENV, name.as_str()),
            SecretSource::FromFile(path) => (FROM_FILE, path.as_str()),
            SecretSource::Value(secret) => (VALUE, secret.expose()),
        };
        serializer.collect_map([(key, value)])
    }
}

impl<'de> Deserialize<'de> for SecretSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourceVisitor)
    }
}

/// Written by hand because derived code quotes what it did not expect, and here that may be the secret itself.
struct SourceVisitor;

impl<'de> Visitor<'de> for SourceVisitor {
    type Value = SecretSource;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SecretSource, A::Error> {
        let refuse = || A::Error::custom(format!("expected {EXPECTED}"));
        let key: String = map.next_key()?.ok_or_else(refuse)?;
        let source = match key.as_str() {
            FROM_ENV => SecretSource::FromEnv(map.next_value()?),
            FROM_FILE => SecretSource::FromFile(map.next_value()?),
            VALUE => SecretSource::Value(Secret::new(map.next_value()?)),
            _ => return Err(refuse()),
        };
        match map.next_key::<serde::de::IgnoredAny>()? {
            None => Ok(source),
            Some(_) => Err(refuse()),
        }
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<SecretSource, E> {
        Err(E::custom(format!("expected {EXPECTED}")))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<SecretSource, E> {
        self.visit_str("")
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretSource, E> {
        self.visit_str("")
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretSource, E> {
        self.visit_str("")
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretSource, E> {
        self.visit_str("")
    }
}

impl JsonSchema for SecretSource {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SecretSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let form = |key: &str, description: &str| {
            json_schema!({
                "type": "object",
                "properties": { key: { "type": "string", "description": description } },
                "required": [key],
                "additionalProperties": false
            })
        };
        json_schema!({
            "description": "Where a secret's value comes from. It is read on the tenant's machine and sent to the provider alone.",
            "oneOf": [
                form(FROM_ENV, "Name of an environment variable."),
                form(FROM_FILE, "Path of a file, relative to the manifest; one trailing newline is dropped."),
                form(VALUE, "The value itself.")
            ]
        })
    }
}
