//! Image references: a registry, a path, and a digest, a tag or both. A digest names the same bytes for ever; a tag is
//! looked up by the provider, once, when it accepts the manifest.

use std::fmt;
use std::str::FromStr;

/// An image: `registry[:port]/path`, then `:tag`, `@sha256:<64 hex>` or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    text: String,
    path_at: usize,
    path_end: usize,
    tag_at: Option<usize>,
    name_end: usize,
}

/// Why an image reference was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseImage {
    /// Neither digest nor tag.
    #[error(
        "image {text:?} has neither a digest nor a tag; pin it: NAME@sha256:<64 hexadecimal digits>, or name a version: NAME:TAG"
    )]
    Unversioned {
        /// What was written.
        text: String,
    },
    /// A digest that is not one of SHA-256 in lower-case hexadecimal.
    #[error("image {text:?} has a malformed digest; expected sha256: and 64 lower-case hexadecimal digits")]
    MalformedDigest {
        /// What was written.
        text: String,
    },
    /// Not a registry name and a path.
    #[error("image {text:?} is not of the form registry[:port]/path[:tag][@sha256:…]")]
    MalformedName {
        /// What was written.
        text: String,
    },
}

const MAX_LENGTH: usize = 512;

impl ImageRef {
    /// The whole reference.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The registry, `host` or `host:port`.
    pub fn registry(&self) -> &str {
        &self.text[..self.path_at - 1]
    }

    /// The path inside the registry.
    pub fn path(&self) -> &str {
        &self.text[self.path_at..self.path_end]
    }

    /// The tag, if one is named.
    pub fn tag(&self) -> Option<&str> {
        self.tag_at.map(|at| &self.text[at..self.name_end])
    }

    /// The digest, `sha256:…`, if one is named. It counts more than the tag.
    pub fn digest(&self) -> Option<&str> {
        self.text.get(self.name_end + 1..)
    }

    /// This image with a digest instead of its tag.
    pub fn at_digest(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.registry(), self.path())
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for ImageRef {
    type Err = ParseImage;

    fn from_str(text: &str) -> Result<Self, ParseImage> {
        let shown = || text.chars().take(120).collect::<String>();
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(ParseImage::MalformedDigest { text: shown() });
        }
        let malformed = || ParseImage::MalformedName { text: shown() };
        // The host is required: a bare name would mean a different image at every provider.
        let (registry, rest) = name.split_once('/').ok_or_else(malformed)?;
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let fits = text.len() <= MAX_LENGTH
            && is_registry(registry)
            && path.split('/').all(is_component)
            && tag.is_none_or(is_tag);
        if !fits {
            return Err(malformed());
        }
        if tag.is_none() && digest.is_none() {
            return Err(ParseImage::Unversioned { text: shown() });
        }
        let path_at = registry.len() + 1;
        let path_end = path_at + path.len();
        Ok(ImageRef {
            text: text.to_owned(),
            path_at,
            path_end,
            tag_at: tag.map(|_| path_end + 1),
            name_end: name.len(),
        })
    }
}

fn is_digest(digest: &str) -> bool {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether a text is `host` or `host:port` of a registry.
pub(crate) fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // Without a dot or a port the first part would be read as a path on some default registry.
    (host.contains('.') || port.is_some() || host == "localhost")
        && host.split('.').all(is_label)
        && port.is_none_or(|port| !port.starts_with('+') && port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_component(component: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    bytes.first().copied().is_some_and(is_word)
        && bytes.last().copied().is_some_and(is_word)
        && bytes.iter().all(|b| is_word(*b) || matches!(b, b'.' | b'_' | b'-'))
        && !component.contains("..")
}

fn is_tag(tag: &str) -> bool {
    tag.len() <= 128
        && tag.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_reference_keeps_its_text_and_knows_its_parts() {
        let digest = format!("sha256:{HEX}");
        for (registry, path, tag) in [
            ("registry.example", "web", None),
            ("10.0.0.1:5000", "a/b-c/d_e", None),
            ("localhost", "web", Some("v1.2")),
            ("r.example:443", "x", Some("1")),
        ] {
            let tagged = format!("{registry}/{path}{}", tag.map(|tag| format!(":{tag}")).unwrap_or_default());
            let text = format!("{tagged}@{digest}");
            let image: ImageRef = text.parse().unwrap();
            assert_eq!(
                (image.as_str(), image.registry(), image.path(), image.tag(), image.digest()),
                (text.as_str(), registry, path, tag, Some(digest.as_str()))
            );
            assert_eq!(image.at_digest("sha256:0"), format!("{registry}/{path}@sha256:0"));
            if tag.is_some() {
                let image: ImageRef = tagged.parse().unwrap();
                assert_eq!((image.path(), image.tag(), image.digest()), (path, tag, None));
            }
        }
    }

    #[test]
    fn a_reference_without_a_version_or_with_a_bad_digest_is_refused() {
        let parse = |text: &str| text.parse::<ImageRef>();
        let bare = "r.example/web";
        assert_eq!(parse(bare), Err(ParseImage::Unversioned { text: bare.into() }));
        for digest in ["sha256:abc", "sha512:0", "", &format!("sha256:{}", HEX.to_uppercase())] {
            let text = format!("r.example/web@{digest}");
            assert_eq!(
                parse(&text),
                Err(ParseImage::MalformedDigest { text: text.chars().take(120).collect() })
            );
        }
    }

    #[test]
    fn a_reference_with_a_bad_name_is_refused() {
        for name in [
            "web",
            "library/web",
            "r.example/",
            "r.example/Web",
            "r.example/a..b",
            "r.example:0/a",
            "-r.example/a",
            "r.example/a b",
            "r.example/a:",
            "https://r.example/a",
            "r.example/a/../b",
        ] {
            let text = format!("{name}@sha256:{HEX}");
            assert_eq!(
                text.parse::<ImageRef>(),
                Err(ParseImage::MalformedName { text: text.chars().take(120).collect() }),
                "{name}"
            );
        }
    }
}
