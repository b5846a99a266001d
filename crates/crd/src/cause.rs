//! Causes: why a service is not up, in closed words, each the matter of exactly one party.
//!
//! A tenant's mistake never looks like the provider's or ours, nor theirs like the tenant's: the party
//! follows from the cause alone, so nobody can mix them up at the place where a cause is found.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who can do something about a cause.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The tenant: the manifest or the software in the image must change.
    Tenant,
    /// The owner of the cluster: nodes, storage, network.
    Provider,
    /// Leasehold itself: it repairs or repeats, and a lasting one is a fault to report.
    Platform,
}

impl Party {
    /// The word in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Provider => "provider",
            Self::Platform => "platform",
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a service is not up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The registry does not have the image.
    ImageNotFound,
    /// The registry wants credentials, or others.
    ImageAccessDenied,
    /// The image is not one that a node can run.
    ImageInvalid,
    /// The image would run as root, which the tier does not allow.
    ImageRunsAsRoot,
    /// The registry does not answer, or not with an image.
    RegistryUnreachable,
    /// No node has what the replica asks for.
    Unschedulable,
    /// The volume is not there yet.
    VolumePending,
    /// The container's command cannot be started.
    CommandNotStartable,
    /// The container ends again and again.
    ContainerCrashed,
    /// The container took more memory than its limit.
    OutOfMemory,
    /// The container wrote more to its own file system than it may.
    EphemeralStorageExceeded,
    /// The container runs and the readiness probe does not succeed.
    ReadinessProbeFailing,
    /// The node took the replica away.
    Evicted,
    /// The node does not answer.
    NodeUnreachable,
    /// The node has the replica and does not start it.
    NodeNotStarting,
    /// The node's container runtime failed.
    RuntimeFailed,
    /// An object that the replica refers to is missing.
    ObjectMissing,
    /// The namespace's quota leaves no room for the replica.
    QuotaExceeded,
    /// The API server refuses the replica.
    PodRefused,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 19] = [
        Self::ImageNotFound,
        Self::ImageAccessDenied,
        Self::ImageInvalid,
        Self::ImageRunsAsRoot,
        Self::RegistryUnreachable,
        Self::Unschedulable,
        Self::VolumePending,
        Self::CommandNotStartable,
        Self::ContainerCrashed,
        Self::OutOfMemory,
        Self::EphemeralStorageExceeded,
        Self::ReadinessProbeFailing,
        Self::Evicted,
        Self::NodeUnreachable,
        Self::NodeNotStarting,
        Self::RuntimeFailed,
        Self::ObjectMissing,
        Self::QuotaExceeded,
        Self::PodRefused,
    ];

    /// The reason of conditions and Events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageNotFound => "ImageNotFound",
            Self::ImageAccessDenied => "ImageAccessDenied",
            Self::ImageInvalid => "ImageInvalid",
            Self::ImageRunsAsRoot => "ImageRunsAsRoot",
            Self::RegistryUnreachable => "RegistryUnreachable",
            Self::Unschedulable => "Unschedulable",
            Self::VolumePending => "VolumePending",
            Self::CommandNotStartable => "CommandNotStartable",
            Self::ContainerCrashed => "ContainerCrashed",
            Self::OutOfMemory => "OutOfMemory",
            Self::EphemeralStorageExceeded => "EphemeralStorageExceeded",
            Self::ReadinessProbeFailing => "ReadinessProbeFailing",
            Self::Evicted => "Evicted",
            Self::NodeUnreachable => "NodeUnreachable",
            Self::NodeNotStarting => "NodeNotStarting",
            Self::RuntimeFailed => "RuntimeFailed",
            Self::ObjectMissing => "ObjectMissing",
            Self::QuotaExceeded => "QuotaExceeded",
            Self::PodRefused => "PodRefused",
        }
    }

    /// Who can do something about it.
    pub fn party(self) -> Party {
        match self {
            Self::ImageNotFound
            | Self::ImageAccessDenied
            | Self::ImageInvalid
            | Self::ImageRunsAsRoot
            | Self::CommandNotStartable
            | Self::ContainerCrashed
            | Self::OutOfMemory
            | Self::EphemeralStorageExceeded
            | Self::ReadinessProbeFailing => Party::Tenant,
            Self::RegistryUnreachable
            | Self::Unschedulable
            | Self::VolumePending
            | Self::Evicted
            | Self::NodeUnreachable
            | Self::NodeNotStarting
            | Self::RuntimeFailed => Party::Provider,
            Self::ObjectMissing | Self::QuotaExceeded | Self::PodRefused => Party::Platform,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What holds a service up.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Why, in a word for machines, such as `ImageNotFound`. docs/tenants.md lists them.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Who can do something about it.
    pub who: Party,
    /// Why, for people: one printable line.
    #[schemars(length(max = 1024))]
    pub message: String,
}

impl Trouble {
    /// The most characters of a message.
    pub const MESSAGE_CHARS: usize = 1024;

    /// Trouble of this cause. The message must be one printable line of at most [`Self::MESSAGE_CHARS`].
    pub fn new(cause: Cause, message: String) -> Self {
        Self { reason: cause.as_str().to_owned(), who: cause.party(), message }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.reason, self.who, self.message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_word_of_its_own_that_fits_a_condition() {
        let words: BTreeSet<&str> = Cause::ALL.into_iter().map(Cause::as_str).collect();
        assert_eq!(words.len(), Cause::ALL.len());
        for word in words {
            assert!(word.len() <= 64 && word.chars().all(|c| c.is_ascii_alphabetic()), "{word}");
        }
    }

    #[test]
    fn trouble_says_whose_it_is() {
        let trouble = Trouble::new(Cause::Unschedulable, "0/3 nodes: insufficient memory (3)".to_owned());
        assert_eq!(trouble.to_string(), "Unschedulable (provider): 0/3 nodes: insufficient memory (3)");
        assert_eq!(trouble.who, Party::Provider);
    }

    /// Whoever reads a reason must find out what to do.
    #[test]
    fn the_documentation_for_tenants_explains_every_cause() {
        let page = include_str!("../../../docs/tenants.md");
        for cause in Cause::ALL {
            let row = format!("| `{cause}` | {} |", cause.party());
            assert!(page.contains(&row), "docs/tenants.md has no row that begins with {row}");
        }
    }
}
