//! Image references. A digest is required: what the tenant hashed is what runs.

use std::fmt;
use std::str::FromStr;

/// An image pinned by digest: `registry[:port]/path[:tag]@sha256:<64 hex>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    text: String,
    digest_at: usize,
}

/// Why an image reference was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseImage {
    /// No digest, or not one of SHA-256.
    #[error("image {text:?} has no digest; pin it: NAME@sha256:<64 hexadecimal digits>")]
    Undigested {
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
    #[error("image {text:?} is not of the form registry[:port]/path[:tag]@sha256:…")]
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

    /// The digest, `sha256:…`.
    pub fn digest(&self) -> &str {
        &self.text[self.digest_at..]
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
        let Some((name, digest)) = text.split_once('@') else {
            return Err(ParseImage::Undigested { text: shown() });
        };
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(ParseImage::MalformedDigest { text: shown() });
        }
        if text.len() > MAX_LENGTH || !is_name(name) {
            return Err(ParseImage::MalformedName { text: shown() });
        }
        Ok(ImageRef { text: text.to_owned(), digest_at: name.len() + 1 })
    }
}

/// `host[:port]/component/…[:tag]`. The host is required: a bare name would mean a different image at every provider.
fn is_name(name: &str) -> bool {
    let Some((registry, path)) = name.split_once('/') else { return false };
    let (path, tag) = match path.rsplit_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (path, None),
    };
    is_registry(registry) && path.split('/').all(is_component) && tag.is_none_or(is_tag)
}

fn is_registry(registry: &str) -> bool {
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
    fn a_digested_reference_keeps_its_text() {
        for name in
            ["registry.example/web", "10.0.0.1:5000/a/b-c/d_e", "localhost/web:v1.2", "r.example:443/x:1"]
        {
            let text = format!("{name}@sha256:{HEX}");
            let image: ImageRef = text.parse().unwrap();
            assert_eq!((image.as_str(), image.digest()), (text.as_str(), &text[name.len() + 1..]));
        }
    }

    #[test]
    fn a_reference_without_a_good_digest_is_refused() {
        let parse = |text: &str| text.parse::<ImageRef>();
        let tagged = "r.example/web:latest";
        assert_eq!(parse(tagged), Err(ParseImage::Undigested { text: tagged.into() }));
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
