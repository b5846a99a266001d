//! Lines and columns of every field of a document, found by a second pass that knows no types.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error as YamlError, Options, Spanned};

use crate::path::Path;

/// Line and column by path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locations(BTreeMap<Path, (u64, u64)>);

impl Locations {
    pub(crate) fn of(text: &str, options: Options) -> Result<Self, YamlError> {
        let node: Node = serde_saphyr::from_str_with_options(text, options)?;
        let mut locations = Locations::default();
        locations.record(&Path::root(), &node);
        Ok(locations)
    }

    /// Where `path` is, or else the nearest thing above it.
    pub(crate) fn nearest(&self, path: &Path) -> (u64, u64) {
        let mut path = path.clone();
        loop {
            if let Some(location) = self.0.get(&path) {
                return *location;
            }
            match path.parent() {
                Some(parent) => path = parent,
                None => return (1, 1),
            }
        }
    }

    /// The scalar or list item written at this place, if exactly one is.
    pub(crate) fn scalar_at(&self, place: (u64, u64)) -> Option<Path> {
        let mut found = self.0.iter().filter(|(_, at)| **at == place).map(|(path, _)| path);
        match (found.next(), found.next()) {
            (Some(path), None) => Some(path.clone()),
            _ => None,
        }
    }

    fn record(&mut self, path: &Path, node: &Node) {
        match node {
            Node::Scalar => {}
            Node::List(items) => {
                for (position, item) in items.iter().enumerate() {
                    let path = path.index(position);
                    self.0.insert(path.clone(), at(item.referenced));
                    self.record(&path, &item.value);
                }
            }
            Node::Map(entries) => {
                for (key, value) in entries {
                    let path = path.field(&key.value);
                    // A scalar is wrong where it is written; a list or map is named by its key.
                    let place = match value.value {
                        Node::Scalar => value.referenced,
                        Node::List(_) | Node::Map(_) => key.referenced,
                    };
                    self.0.insert(path.clone(), at(place));
                    self.record(&path, &value.value);
                }
            }
        }
    }
}

fn at(location: serde_saphyr::Location) -> (u64, u64) {
    (location.line().max(1), location.column().max(1))
}

/// A document of any shape, without its values.
#[derive(Debug)]
enum Node {
    Scalar,
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

macro_rules! visit_scalars {
    ($($visit:ident: $kind:ty),*) => {$(
        fn $visit<E: serde::de::Error>(self, _: $kind) -> Result<Node, E> {
            Ok(Node::Scalar)
        }
    )*};
}

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    visit_scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128,
        visit_f64: f64, visit_str: &str, visit_bytes: &[u8]);

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Node::Scalar)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}
