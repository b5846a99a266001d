//! Everything that can be wrong with a lease, decided without a client.
//!
//! After this module nobody reads the raw `ComputeLease` again.

use crd::{ComputeLease, LeaseName, convert, convert::LeaseSpec, reason};
use kube::ResourceExt;
use manifest::ValidManifest;
use market::{Dimension, Limits, Tier};

use super::dereference::{ManifestState, StorageClassState};

/// A lease whose manifest was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Name of the lease and of its namespace.
    pub name: LeaseName,
    /// UID of the `ComputeLease`, by which the namespace is owned.
    pub uid: String,
    /// Isolation tier.
    pub tier: Tier,
    /// What to run.
    pub manifest: ValidManifest,
    /// Class of the volumes; none when there are no volumes.
    pub storage_class: Option<String>,
}

/// Why a lease is not provisioned. The text is shown to the tenant.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The object's name does not belong to the lease id.
    #[error("the name of this object is not the one of its lease id, {expected}")]
    NameMismatch {
        /// The name that belongs there.
        expected: LeaseName,
    },
    /// A field does not parse.
    #[error("the spec is not valid: {0}")]
    InvalidSpec(#[source] convert::Error),
    /// The tier is not provisioned by this operator.
    #[error("the isolation tier {0} is not offered here; only strict is")]
    TierNotOffered(Tier),
    /// The tenant has not uploaded anything.
    #[error("waiting for the tenant to upload the manifest")]
    AwaitingManifest,
    /// The Secret is not there.
    #[error("the manifest Secret {secret} does not exist")]
    ManifestMissing {
        /// Name of the Secret.
        secret: String,
    },
    /// The Secret lacks a key.
    #[error("the manifest Secret {secret} has no key {key}")]
    ManifestIncomplete {
        /// Name of the Secret.
        secret: String,
        /// The missing key.
        key: &'static str,
    },
    /// The salt is not 32 bytes of hex.
    #[error("the salt in the manifest Secret is not valid: {0}")]
    SaltInvalid(#[source] convert::Error),
    /// The bytes are not those that the order committed to.
    #[error("the manifest's salted hash is {found}, but the lease wants {wanted}")]
    ManifestHashMismatch {
        /// Hash of what is in the Secret.
        found: String,
        /// Hash in the spec.
        wanted: String,
    },
    /// The bytes are not a canonical manifest.
    #[error("{0}")]
    ManifestInvalid(#[source] manifest::CanonicalError),
    /// The manifest adds up to more than can be counted.
    #[error("the manifest's resources cannot be added up: {0}")]
    TotalsTooLarge(#[source] market::RequirementsProblem),
    /// The manifest wants more than was leased.
    #[error("the manifest asks for {asked} of {dimension}, but only {leased} are leased")]
    LimitsExceeded {
        /// The resource.
        dimension: &'static str,
        /// What the manifest adds up to.
        asked: u64,
        /// What the bid allows.
        leased: u64,
    },
    /// The manifest wants something that cannot be provisioned yet.
    #[error("the manifest asks for {0}, which is not offered here")]
    ResourceNotOffered(&'static str),
    /// Volumes without a class to make them from.
    #[error(
        "the manifest has volumes, but the cluster has no default StorageClass: the provider must annotate one with storageclass.kubernetes.io/is-default-class=true"
    )]
    NoDefaultStorageClass,
    /// The default class keeps data after the lease.
    #[error(
        "the default StorageClass {name} has reclaimPolicy {policy}: the provider must make one with reclaimPolicy Delete the default, or tenants' data would outlive their leases"
    )]
    StorageClassRetains {
        /// Name of the class.
        name: String,
        /// Its policy.
        policy: String,
    },
}

/// What repairs a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Only a change of the `ComputeLease`, which triggers by itself.
    SpecChange,
    /// Something that is not watched, so it is looked at again after a while.
    LookAgain,
}

impl Refusal {
    /// Reason of the condition `Accepted`.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NameMismatch { .. } => reason::NAME_MISMATCH,
            Self::InvalidSpec(_) => reason::INVALID_SPEC,
            Self::TierNotOffered(_) => reason::TIER_NOT_OFFERED,
            Self::AwaitingManifest => reason::AWAITING_MANIFEST,
            Self::ManifestMissing { .. } => reason::MANIFEST_MISSING,
            Self::ManifestIncomplete { .. } | Self::SaltInvalid(_) | Self::ManifestInvalid(_) => {
                reason::MANIFEST_INVALID
            }
            Self::ManifestHashMismatch { .. } => reason::MANIFEST_HASH_MISMATCH,
            Self::TotalsTooLarge(_) | Self::LimitsExceeded { .. } => reason::LIMITS_EXCEEDED,
            Self::ResourceNotOffered(_) => reason::RESOURCE_NOT_OFFERED,
            Self::NoDefaultStorageClass => reason::NO_DEFAULT_STORAGE_CLASS,
            Self::StorageClassRetains { .. } => reason::STORAGE_CLASS_RETAINS,
        }
    }

    /// Whether to look again without a change of the object.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NameMismatch { .. }
            | Self::InvalidSpec(_)
            | Self::TierNotOffered(_)
            | Self::AwaitingManifest
            | Self::TotalsTooLarge(_)
            | Self::LimitsExceeded { .. }
            | Self::ResourceNotOffered(_) => Remedy::SpecChange,
            // The Secret may be written after the spec, or repaired without touching it.
            Self::ManifestMissing { .. }
            | Self::ManifestIncomplete { .. }
            | Self::SaltInvalid(_)
            | Self::ManifestInvalid(_)
            | Self::ManifestHashMismatch { .. }
            | Self::NoDefaultStorageClass
            | Self::StorageClassRetains { .. } => Remedy::LookAgain,
        }
    }
}

/// Parses the spec and checks that the name belongs to it.
pub fn parse_spec(lease: &ComputeLease) -> Result<LeaseSpec, Refusal> {
    let spec = LeaseSpec::try_from(&lease.spec).map_err(Refusal::InvalidSpec)?;
    let expected = LeaseName::of(spec.id);
    if lease.name_any() != expected.as_str() {
        return Err(Refusal::NameMismatch { expected });
    }
    Ok(spec)
}

/// Accepts or refuses a lease.
pub fn validate(
    lease: &ComputeLease,
    manifest: &ManifestState,
    storage: &StorageClassState,
) -> Result<Validated, Refusal> {
    let spec = parse_spec(lease)?;
    if spec.tier != Tier::Strict {
        return Err(Refusal::TierNotOffered(spec.tier));
    }
    let source = spec.manifest.as_ref().ok_or(Refusal::AwaitingManifest)?;
    let document = match manifest {
        ManifestState::NotUploaded => return Err(Refusal::AwaitingManifest),
        ManifestState::Missing { secret } => return Err(Refusal::ManifestMissing { secret: secret.clone() }),
        ManifestState::Incomplete { secret, key } => {
            return Err(Refusal::ManifestIncomplete { secret: secret.clone(), key });
        }
        ManifestState::Found(document) => document,
    };
    let salt = convert::parse_b256("salt", &document.salt).map_err(Refusal::SaltInvalid)?;
    let found = manifest::manifest_hash(&salt, &document.canonical);
    if found != source.hash {
        return Err(Refusal::ManifestHashMismatch {
            found: convert::hex(found.as_slice()),
            wanted: convert::hex(source.hash.as_slice()),
        });
    }
    let manifest = manifest::from_canonical(&document.canonical).map_err(Refusal::ManifestInvalid)?;
    if manifest.tier() != spec.tier {
        return Err(Refusal::TierNotOffered(manifest.tier()));
    }
    let totals = manifest.requirements().limits().map_err(Refusal::TotalsTooLarge)?;
    check_limits(&totals, &spec.limits)?;
    let has_volumes = manifest.services().values().any(|service| !service.volumes.is_empty());
    let storage_class = if has_volumes { Some(usable_class(storage)?) } else { None };
    Ok(Validated {
        name: LeaseName::of(spec.id),
        uid: lease.uid().unwrap_or_default(),
        tier: spec.tier,
        manifest,
        storage_class,
    })
}

fn check_limits(asked: &Limits, leased: &Limits) -> Result<(), Refusal> {
    for dimension in Dimension::ALL {
        let (asked, leased) = (asked.0[dimension.index()], leased.0[dimension.index()]);
        if asked > leased {
            return Err(Refusal::LimitsExceeded { dimension: dimension.name(), asked, leased });
        }
    }
    for dimension in [Dimension::Gpu, Dimension::LeasedIps, Dimension::Devices] {
        if asked.0[dimension.index()] > 0 {
            return Err(Refusal::ResourceNotOffered(dimension.name()));
        }
    }
    Ok(())
}

fn usable_class(storage: &StorageClassState) -> Result<String, Refusal> {
    match storage {
        StorageClassState::NoDefault => Err(Refusal::NoDefaultStorageClass),
        StorageClassState::Default { name, reclaim_policy } if reclaim_policy == "Delete" => Ok(name.clone()),
        StorageClassState::Default { name, reclaim_policy } => {
            Err(Refusal::StorageClassRetains { name: name.clone(), policy: reclaim_policy.clone() })
        }
    }
}

#[cfg(test)]
mod tests;
