//! What a path of the Kubernetes API names.

/// An object, a collection or a subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Path of the collection.
    pub(super) collection: String,
    /// Name of the object; none for the collection itself.
    pub(super) name: Option<String>,
    /// Subresource such as `status`.
    pub(super) subresource: Option<String>,
}

impl Target {
    pub(super) fn parse(path: &str) -> Self {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        // `api/v1` or `apis/GROUP/VERSION`.
        let root = if segments.first() == Some(&"api") { 2 } else { 3 };
        let scoped = segments.get(root) == Some(&"namespaces") && segments.len() > root + 2;
        let plural = if scoped { root + 2 } else { root };
        let end = (plural + 1).min(segments.len());
        Self {
            collection: format!("/{}", segments[..end].join("/")),
            name: segments.get(plural + 1).map(|name| (*name).to_owned()),
            subresource: segments.get(plural + 2).map(|name| (*name).to_owned()),
        }
    }

    /// Path of the object.
    pub(super) fn object(&self) -> String {
        format!("{}/{}", self.collection, self.name.as_deref().unwrap_or_default())
    }
}

/// The one `key=value` of a label selector in a query.
pub(super) fn label_selector(query: &str) -> Option<(String, String)> {
    let text = query.split('&').find_map(|pair| pair.strip_prefix("labelSelector="))?;
    let text = text.replace("%3D", "=").replace("%2F", "/");
    let (key, value) = text.split_once('=')?;
    Some((key.to_owned(), value.to_owned()))
}

/// The field manager that a query names.
pub(super) fn field_manager(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix("fieldManager=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_collections_objects_and_subresources() {
        let target = |collection: &str, name: Option<&str>, subresource: Option<&str>| Target {
            collection: collection.to_owned(),
            name: name.map(str::to_owned),
            subresource: subresource.map(str::to_owned),
        };
        assert_eq!(Target::parse("/api/v1/namespaces"), target("/api/v1/namespaces", None, None));
        assert_eq!(Target::parse("/api/v1/namespaces/a"), target("/api/v1/namespaces", Some("a"), None));
        assert_eq!(
            Target::parse("/api/v1/namespaces/a/pods"),
            target("/api/v1/namespaces/a/pods", None, None)
        );
        assert_eq!(
            Target::parse("/apis/g/v1/namespaces/a/things/b/status"),
            target("/apis/g/v1/namespaces/a/things", Some("b"), Some("status"))
        );
        assert_eq!(
            label_selector("&labelSelector=app.kubernetes.io%2Fmanaged-by%3Dx&limit=1"),
            Some(("app.kubernetes.io/managed-by".to_owned(), "x".to_owned()))
        );
    }
}
