//! What registries answer: the manifest of an image, or an index of one image for several platforms.

use std::fmt;

use serde::Deserialize;

/// The kinds of documents that we read.
pub const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// Operating system and architecture of nodes, in Go's words, which images use too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Platform {
    /// Such as `linux`.
    pub os: String,
    /// Such as `amd64`.
    pub architecture: String,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)
    }
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Document {
    /// Several images.
    Index(Index),
    /// One image.
    Image(Image),
}

/// One image for each platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Index {
    manifests: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

/// What a node downloads.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Image {
    config: Blob,
    layers: Vec<Blob>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Blob {
    size: u64,
}

impl Image {
    /// Bytes of configuration and layers, as they are sent.
    pub fn bytes(&self) -> u64 {
        self.layers.iter().fold(self.config.size, |sum, layer| sum.saturating_add(layer.size))
    }
}

impl Index {
    /// Digests of the images for these platforms; a node takes the first that fits.
    pub fn for_platforms(&self, platforms: &[Platform]) -> Vec<String> {
        let first = |wanted: &Platform| {
            let entry = self.manifests.iter().find(|entry| entry.platform.as_ref() == Some(wanted))?;
            Some(entry.digest.clone())
        };
        platforms.iter().filter_map(first).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_added_and_platforms_are_chosen() {
        let image = r#"{"schemaVersion": 2, "config": {"size": 7}, "layers": [{"size": 30}, {"size": 400}]}"#;
        let Document::Image(image) = serde_json::from_str(image).unwrap() else { panic!("no image") };
        assert_eq!(image.bytes(), 437);
        let index = r#"{"manifests": [
            {"digest": "a", "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            {"digest": "b", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "c", "platform": {"os": "unknown", "architecture": "unknown"}},
            {"digest": "d"}
        ]}"#;
        let Document::Index(index) = serde_json::from_str(index).unwrap() else { panic!("no index") };
        let platform =
            |architecture: &str| Platform { os: "linux".to_owned(), architecture: architecture.to_owned() };
        assert_eq!(index.for_platforms(&[platform("amd64"), platform("arm64")]), ["b", "a"]);
        assert_eq!(index.for_platforms(&[platform("riscv64")]), Vec::<String>::new());
    }

    #[test]
    fn other_documents_and_negative_sizes_are_no_image() {
        for text in ["{}", "[]", r#"{"config": {"size": -1}, "layers": []}"#, r#"{"fsLayers": []}"#] {
            assert!(serde_json::from_str::<Document>(text).is_err(), "{text}");
        }
    }
}
