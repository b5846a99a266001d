//! Names that become host names, object names, environment variables and paths at the provider.

use std::fmt;
use std::str::FromStr;

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseName {
    /// Not a DNS label.
    #[error(
        "{text:?} is not a DNS label: use 1 to {longest} lower-case letters, digits and '-', starting with a letter and not ending with '-'"
    )]
    Label {
        /// What was written.
        text: String,
        /// Longest length accepted.
        longest: usize,
    },
    /// Not the name of an environment variable.
    #[error(
        "{text:?} is not an environment variable name: use letters, digits and '_', not starting with a digit"
    )]
    Env {
        /// What was written.
        text: String,
    },
    /// A name that the provider's runtime gives a meaning to.
    #[error("{text:?} is reserved: names starting with {prefix} may not be set")]
    ReservedEnv {
        /// What was written.
        text: String,
        /// The reserved prefix.
        prefix: &'static str,
    },
    /// Not a clean absolute path.
    #[error(
        "{text:?} is not a mount path: use an absolute path without '.', '..', '//', ':' or a trailing '/', at most 256 bytes"
    )]
    MountPath {
        /// What was written.
        text: String,
    },
    /// A path that belongs to the runtime.
    #[error("{text:?} may not be mounted over: it is or lies below {reserved}, which belongs to the runtime")]
    ReservedMountPath {
        /// What was written.
        text: String,
        /// The reserved path.
        reserved: &'static str,
    },
}

/// A DNS label that starts with a letter (RFC 1035), as Kubernetes wants for Services.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// Name of a service. At most 40 characters, so that the objects made from it have room for suffixes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(Label);

/// Name of a volume. At most 20 characters, so that claim names made from it and the service fit a label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeName(Label);

/// Name of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

/// A clean absolute path inside a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountPath(String);

const RESERVED_ENV_PREFIXES: [&str; 2] = ["KUBERNETES_", "NVIDIA_"];
const RESERVED_MOUNT_PATHS: [&str; 5] = ["/proc", "/sys", "/dev", "/run/secrets", "/var/run/secrets"];

fn label(text: &str, longest: usize) -> Result<Label, ParseName> {
    let fits = (1..=longest).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && !text.ends_with('-');
    if fits { Ok(Label(text.to_owned())) } else { Err(ParseName::Label { text: shorten(text), longest }) }
}

impl FromStr for Label {
    type Err = ParseName;

    fn from_str(text: &str) -> Result<Self, ParseName> {
        label(text, 63)
    }
}

impl FromStr for ServiceName {
    type Err = ParseName;

    fn from_str(text: &str) -> Result<Self, ParseName> {
        label(text, 40).map(ServiceName)
    }
}

impl FromStr for VolumeName {
    type Err = ParseName;

    fn from_str(text: &str) -> Result<Self, ParseName> {
        label(text, 20).map(VolumeName)
    }
}

impl FromStr for EnvName {
    type Err = ParseName;

    fn from_str(text: &str) -> Result<Self, ParseName> {
        let fits = (1..=253).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !text.starts_with(|c: char| c.is_ascii_digit());
        if !fits {
            return Err(ParseName::Env { text: shorten(text) });
        }
        match RESERVED_ENV_PREFIXES.into_iter().find(|prefix| text.to_ascii_uppercase().starts_with(prefix)) {
            Some(prefix) => Err(ParseName::ReservedEnv { text: shorten(text), prefix }),
            None => Ok(EnvName(text.to_owned())),
        }
    }
}

impl FromStr for MountPath {
    type Err = ParseName;

    fn from_str(text: &str) -> Result<Self, ParseName> {
        let clean = |part: &str| {
            !matches!(part, "" | "." | "..")
                && !part.contains(|c: char| c.is_control() || matches!(c, ':' | '\\'))
        };
        let fits = text.len() <= 256 && text.strip_prefix('/').is_some_and(|rest| rest.split('/').all(clean));
        if !fits {
            return Err(ParseName::MountPath { text: shorten(text) });
        }
        let path = MountPath(text.to_owned());
        match RESERVED_MOUNT_PATHS.into_iter().find(|reserved| path.is_at_or_below(reserved)) {
            Some(reserved) => Err(ParseName::ReservedMountPath { text: shorten(text), reserved }),
            None => Ok(path),
        }
    }
}

impl MountPath {
    /// Whether this path is `other` or lies below it.
    pub fn is_at_or_below(&self, other: &str) -> bool {
        self.0.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

macro_rules! text_of {
    ($($name:ident => $field:expr),*) => {$(
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                let read: fn(&$name) -> &str = $field;
                read(self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )*};
}

text_of!(
    Label => |name| &name.0,
    ServiceName => |name| name.0.as_str(),
    VolumeName => |name| name.0.as_str(),
    EnvName => |name| &name.0,
    MountPath => |name| &name.0
);

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_are_short_dns_labels() {
        assert_eq!("web-1".parse::<ServiceName>().map(|name| name.to_string()), Ok("web-1".to_owned()));
        for text in ["", "Web", "1web", "web-", "-web", "we_b", "we.b", "wéb", &"a".repeat(41)] {
            assert_eq!(
                text.parse::<ServiceName>(),
                Err(ParseName::Label { text: text.into(), longest: 40 }),
                "{text:?}"
            );
        }
    }

    #[test]
    fn reserved_environment_names_are_refused_in_any_case() {
        for (text, prefix) in
            [("KUBERNETES_SERVICE_HOST", "KUBERNETES_"), ("nvidia_visible_devices", "NVIDIA_")]
        {
            assert_eq!(text.parse::<EnvName>(), Err(ParseName::ReservedEnv { text: text.into(), prefix }));
        }
        for text in ["", "1A", "A-B", "A=B", "Ä"] {
            assert_eq!(text.parse::<EnvName>(), Err(ParseName::Env { text: text.into() }));
        }
        assert!("_path2".parse::<EnvName>().is_ok());
    }

    #[test]
    fn mount_paths_are_clean_absolute_and_not_the_runtimes() {
        assert!("/var/lib/data".parse::<MountPath>().is_ok());
        assert!("/process".parse::<MountPath>().is_ok());
        for text in ["", "/", "data", "/a/", "/a//b", "/a/./b", "/a/../b", "/a:b", "/a\nb", "/a\\b"] {
            assert_eq!(
                text.parse::<MountPath>(),
                Err(ParseName::MountPath { text: text.into() }),
                "{text:?}"
            );
        }
        for (text, reserved) in
            [("/proc", "/proc"), ("/sys/fs", "/sys"), ("/var/run/secrets/x", "/var/run/secrets")]
        {
            assert_eq!(
                text.parse::<MountPath>(),
                Err(ParseName::ReservedMountPath { text: text.into(), reserved })
            );
        }
    }
}
