//! Everything that can be wrong with a lease, decided without a client.
//!
//! After this module nobody reads the raw `ComputeLease` again.

use std::{collections::BTreeSet, net::IpAddr};

use crd::{ComputeLease, DesiredState, ImageStatus, LeaseName, convert, convert::LeaseSpec, reason};
use kube::ResourceExt;
use manifest::{Expose, ImageRef, ValidManifest};
use market::{Dimension, Limits, Tier};

use super::{
    dereference::{ClassFacts, ManifestState, StorageState},
    hosts::{CustomHosts, Publicity},
    images::ImageRefused,
    rollout::Course,
    tiers::{Confinement, Stage, Tiers, Unavailable},
    volumes::VolumesChanged,
};
use crate::{
    canary::enforcement::{Enforcement, Open},
    settings::exposure::Exposure,
};

/// A lease whose manifest was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Name of the lease and of its namespace.
    pub name: LeaseName,
    /// UID of the `ComputeLease`, by which the namespace is owned.
    pub uid: String,
    /// Isolation tier.
    pub tier: Tier,
    /// How the tier is made on this cluster.
    pub confinement: Confinement,
    /// What to run.
    pub manifest: ValidManifest,
    /// How its public ports are reached; none without public ports.
    pub publicity: Option<Publicity>,
    /// What the images were when they were accepted.
    pub images: Vec<ImageStatus>,
    /// Class of the volumes; none when there are no volumes.
    pub storage_class: Option<String>,
    /// The cluster's other classes, which the lease may not use.
    pub closed_classes: BTreeSet<String>,
    /// Addresses of the name server that its pods ask.
    pub name_servers: Vec<IpAddr>,
    /// Whether it runs.
    pub activity: Activity,
    /// Which of its manifests this is.
    pub course: Course,
}

impl Validated {
    /// The image that runs: always by digest.
    pub fn image(&self, image: &ImageRef) -> String {
        match self.images.iter().find(|status| status.image == image.as_str()) {
            Some(status) if image.digest().is_none() => image.at_digest(&status.digest),
            _ => image.to_string(),
        }
    }
}

/// Whether a lease's workloads run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// They do.
    Running,
    /// No pod may be there; volumes are kept.
    Paused,
}

/// What a lease is held against.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The manifest as it was uploaded.
    pub manifest: &'a ManifestState,
    /// What volumes would be made from.
    pub storage: &'a StorageState,
    /// The tiers on offer.
    pub tiers: &'a Tiers,
    /// Whether the lease has a namespace.
    pub stage: Stage,
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
    /// The tier is not sold, or the cluster cannot run it.
    #[error("{0}")]
    TierNotOffered(#[source] Unavailable),
    /// The manifest wants another tier than was leased.
    #[error("the manifest asks for the isolation tier {asked}, but {leased} is leased")]
    OtherTier {
        /// Tier in the manifest.
        asked: Tier,
        /// Tier in the spec.
        leased: Tier,
    },
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
    /// The default class does not make volumes by itself.
    #[error(
        "the default StorageClass {name} makes no volumes by itself: the provider must make one with a provisioner the default, since volumes made by hand may hold somebody's data"
    )]
    StorageClassStatic {
        /// Name of the class.
        name: String,
    },
    /// Volumes that hold data would have to change.
    #[error("{0}")]
    VolumesChanged(#[source] VolumesChanged),
    /// An image that is not accepted.
    #[error("{0}")]
    Image(#[source] ImageRefused),
    /// Registries have not answered yet, so nothing is decided.
    #[error("the images are being looked up")]
    ImagesPending,
    /// The network canary has not spoken yet, so nothing is decided.
    #[error("the provider's network is being tried")]
    NetworkPending,
    /// A connection that policies forbid got through.
    #[error("{0}; the provider must install one that enforces NetworkPolicy")]
    NetworkNotEnforced(Open),
    /// Whether policies are enforced could not be found out.
    #[error("it is not proved that the provider's network keeps leases apart: {0}")]
    NetworkUnproved(String),
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
            Self::TierNotOffered(_) | Self::OtherTier { .. } => reason::TIER_NOT_OFFERED,
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
            Self::StorageClassStatic { .. } => reason::STORAGE_CLASS_STATIC,
            Self::VolumesChanged(_) => reason::VOLUMES_CHANGED,
            Self::Image(refused) => refused.reason(),
            Self::ImagesPending => reason::IMAGES_PENDING,
            Self::NetworkPending => reason::NETWORK_PENDING,
            Self::NetworkNotEnforced(_) => reason::NETWORK_NOT_ENFORCED,
            Self::NetworkUnproved(_) => reason::NETWORK_UNPROVED,
        }
    }

    /// Whether nothing is decided yet.
    pub fn is_pending(&self) -> bool {
        matches!(self, Self::ImagesPending | Self::NetworkPending)
    }

    /// Whether to look again without a change of the object.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::NameMismatch { .. }
            | Self::InvalidSpec(_)
            | Self::TierNotOffered(Unavailable::NotSold { .. })
            | Self::OtherTier { .. }
            | Self::AwaitingManifest
            | Self::TotalsTooLarge(_)
            | Self::LimitsExceeded { .. }
            | Self::ResourceNotOffered(_) => Remedy::SpecChange,
            // The Secret may be written after the spec, or repaired without touching it; a node or a class may come.
            Self::TierNotOffered(_)
            | Self::ManifestMissing { .. }
            | Self::ManifestIncomplete { .. }
            | Self::SaltInvalid(_)
            | Self::ManifestInvalid(_)
            | Self::ManifestHashMismatch { .. }
            | Self::NoDefaultStorageClass
            | Self::StorageClassRetains { .. }
            | Self::StorageClassStatic { .. }
            | Self::VolumesChanged(_)
            | Self::Image(_)
            | Self::ImagesPending
            | Self::NetworkPending
            | Self::NetworkNotEnforced(_)
            | Self::NetworkUnproved(_) => Remedy::LookAgain,
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
pub fn validate(lease: &ComputeLease, facts: Facts<'_>) -> Result<Validated, Refusal> {
    let Facts { manifest, storage, tiers, stage } = facts;
    let spec = parse_spec(lease)?;
    let confinement = tiers.confinement(spec.tier, stage).map_err(Refusal::TierNotOffered)?;
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
        return Err(Refusal::OtherTier { asked: manifest.tier(), leased: spec.tier });
    }
    let totals = manifest.requirements().limits().map_err(Refusal::TotalsTooLarge)?;
    check_limits(&totals, &spec.limits)?;
    storage.volumes.check(&manifest).map_err(Refusal::VolumesChanged)?;
    let has_volumes = manifest.services().values().any(|service| !service.volumes.is_empty());
    let storage_class = if has_volumes { Some(usable_class(storage)?) } else { None };
    let mut closed_classes = storage.names.clone();
    closed_classes.retain(|name| Some(name) != storage_class.as_ref());
    Ok(Validated {
        name: LeaseName::of(spec.id),
        uid: lease.uid().unwrap_or_default(),
        tier: spec.tier,
        confinement,
        manifest,
        publicity: None,
        images: Vec::new(),
        storage_class,
        closed_classes,
        name_servers: Vec::new(),
        activity: match spec.desired {
            DesiredState::Paused => Activity::Paused,
            DesiredState::Running | DesiredState::Ended => Activity::Running,
        },
        course: Course::Newest,
    })
}

/// Holds a new lease until the network is proved to keep it apart. One that runs is not ended for it.
pub fn check_network(lease: Validated, stage: Stage, network: Enforcement) -> Result<Validated, Refusal> {
    match (stage, network) {
        (Stage::Provisioned, _) | (_, Enforcement::Unchecked | Enforcement::Enforced { .. }) => Ok(lease),
        (Stage::New, Enforcement::Pending) => Err(Refusal::NetworkPending),
        (Stage::New, Enforcement::Open(open)) => Err(Refusal::NetworkNotEnforced(open)),
        (Stage::New, Enforcement::Unproved { why }) => Err(Refusal::NetworkUnproved(why)),
    }
}

/// Refuses public ports where there is no Gateway to serve them.
pub fn check_exposure(mut lease: Validated, exposure: Option<&Exposure>) -> Result<Validated, Refusal> {
    let mut ports = lease.manifest.services().values().flat_map(|service| &service.ports);
    if !ports.any(|port| port.expose == Expose::Public) {
        return Ok(lease);
    }
    let Some(exposure) = exposure else {
        return Err(Refusal::ResourceNotOffered(
            "public ports (this provider has no Gateway for expose: public)",
        ));
    };
    lease.publicity = Some(Publicity { exposure: exposure.clone(), custom: CustomHosts::default() });
    Ok(lease)
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

/// A lease keeps the class of the volumes that it has: another one would need other claims.
fn usable_class(storage: &StorageState) -> Result<String, Refusal> {
    if let Some(class) = storage.volumes.class() {
        return Ok(class.to_owned());
    }
    let ClassFacts { name, reclaim_policy, dynamic } =
        storage.default.as_ref().ok_or(Refusal::NoDefaultStorageClass)?;
    if reclaim_policy != "Delete" {
        return Err(Refusal::StorageClassRetains { name: name.clone(), policy: reclaim_policy.clone() });
    }
    if !dynamic {
        return Err(Refusal::StorageClassStatic { name: name.clone() });
    }
    Ok(name.clone())
}

#[cfg(test)]
mod tests;
