//! Reasons of conditions: closed words that machines may match on.

/// The manifest, its hash and its totals were accepted.
pub const ACCEPTED: &str = "Accepted";
/// The tenant has not uploaded the manifest yet.
pub const AWAITING_MANIFEST: &str = "AwaitingManifest";
/// The object's name is not the one that belongs to `spec.leaseId`.
pub const NAME_MISMATCH: &str = "NameMismatch";
/// A field of `spec` does not parse.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// The manifest Secret does not exist (yet).
pub const MANIFEST_MISSING: &str = "ManifestMissing";
/// The manifest Secret lacks a key or the manifest does not parse.
pub const MANIFEST_INVALID: &str = "ManifestInvalid";
/// The manifest's salted hash differs from `spec.manifest.hash`.
pub const MANIFEST_HASH_MISMATCH: &str = "ManifestHashMismatch";
/// The manifest asks for more than `spec.limits`.
pub const LIMITS_EXCEEDED: &str = "LimitsExceeded";
/// This operator does not provision the lease's tier.
pub const TIER_NOT_OFFERED: &str = "TierNotOffered";
/// The manifest asks for something that this operator cannot provision (for example GPUs or leased addresses).
pub const RESOURCE_NOT_OFFERED: &str = "ResourceNotOffered";
/// The manifest has volumes and the cluster has no default StorageClass.
pub const NO_DEFAULT_STORAGE_CLASS: &str = "NoDefaultStorageClass";
/// The default StorageClass does not delete volumes when their claims go.
pub const STORAGE_CLASS_RETAINS: &str = "StorageClassRetains";
/// The default StorageClass holds volumes that were made by hand, perhaps with somebody's data.
pub const STORAGE_CLASS_STATIC: &str = "StorageClassStatic";
/// The manifest changes volumes that hold data.
pub const VOLUMES_CHANGED: &str = "VolumesChanged";
/// An image has more bytes than a replica may store.
pub const IMAGE_TOO_LARGE: &str = "ImageTooLarge";
/// Registries are being asked about the images.
pub const IMAGES_PENDING: &str = "ImagesPending";
/// The network canary has not spoken yet.
pub const NETWORK_PENDING: &str = "NetworkPending";
/// Action of the Events by which the network canary tells what it found.
pub const PROVE_NETWORK: &str = "ProveNetwork";
/// Every connection that network policies forbid was refused.
pub const NETWORK_ENFORCED: &str = "NetworkEnforced";
/// A connection that network policies forbid got through.
pub const NETWORK_NOT_ENFORCED: &str = "NetworkNotEnforced";
/// Whether network policies are enforced could not be found out.
pub const NETWORK_UNPROVED: &str = "NetworkUnproved";
/// An image is named by a tag, and this provider looks none up.
pub const IMAGE_UNPINNED: &str = "ImageUnpinned";
/// An image's registry is not on the public internet, and the provider does not allow it.
pub const REGISTRY_NOT_ALLOWED: &str = "RegistryNotAllowed";
/// A namespace of the lease's name exists and belongs to somebody else.
pub const NAMESPACE_CONFLICT: &str = "NamespaceConflict";
/// The namespace of an earlier owner is still being deleted.
pub const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";
/// The quota controller has not filled in the quota's status yet.
pub const AWAITING_QUOTA: &str = "AwaitingQuota";
/// Every object was applied.
pub const OBJECTS_APPLIED: &str = "ObjectsApplied";
/// A call to the API server failed and will be repeated.
pub const API_ERROR: &str = "ApiError";
/// Somebody changes an object of the lease again and again, so it is put back more seldom.
pub const OBJECT_CONTESTED: &str = "ObjectContested";
/// Every host leads to its service.
pub const HOSTS_ROUTED: &str = "HostsRouted";
/// Another lease holds the host.
pub const HOST_TAKEN: &str = "HostTaken";
/// Another tenant gave the host back a short time ago.
pub const HOST_COOLING_DOWN: &str = "HostCoolingDown";
/// The host's DNS record does not name the lease.
pub const HOST_NOT_PROVEN: &str = "HostNotProven";
/// The host's DNS record has not been read yet, or its name servers do not answer.
pub const HOST_UNCHECKED: &str = "HostUnchecked";
/// The host lies under a domain of the provider or of the cluster.
pub const HOST_RESERVED: &str = "HostReserved";
/// Every pod of every service is ready.
pub const ALL_READY: &str = "AllReady";
/// Some pods are not ready yet.
pub const AWAITING_PODS: &str = "AwaitingPods";
/// All pods were ready before, and some are not any more.
pub const PODS_NOT_READY: &str = "PodsNotReady";
/// Nothing runs because the spec says so.
pub const PAUSED: &str = "Paused";
/// Nothing runs because the tenant has not signed for its usage.
pub const SUSPENDED_UNSIGNED: &str = "SuspendedUnsigned";
/// A new revision of the manifest is being tried.
pub const ROLLING_OUT: &str = "RollingOut";
/// The newest revision of the manifest runs.
pub const ROLLED_OUT: &str = "RolledOut";
/// The newest revision did not become ready in time; the one before it runs again.
pub const ROLLED_BACK: &str = "RolledBack";
/// The newest revision did not become ready in time, and there is none to go back to.
pub const CANNOT_ROLL_BACK: &str = "CannotRollBack";
/// Nothing of the lease is left.
pub const NOTHING_LEFT: &str = "NothingLeft";
/// Objects of the namespace do not go.
pub const OBJECTS_REMAIN: &str = "ObjectsRemain";
/// Volumes of the lease do not go.
pub const VOLUMES_REMAIN: &str = "VolumesRemain";
/// Removing proceeds.
pub const REMOVING: &str = "Removing";
/// Usage is being counted and published.
pub const METERING: &str = "Metering";
/// The term has not begun, so nothing is counted.
pub const TERM_NOT_STARTED: &str = "TermNotStarted";
/// The newest sample is too old to be trusted.
pub const SAMPLES_STALE: &str = "SamplesStale";
/// Nothing will be counted any more.
pub const TERM_ENDED: &str = "TermEnded";
/// The published usage is the last one.
pub const FINAL_USAGE_PUBLISHED: &str = "FinalUsagePublished";
/// The lease is not over.
pub const LEASE_RUNNING: &str = "LeaseRunning";
/// The last usage is being collected.
pub const COLLECTING_USAGE: &str = "CollectingUsage";
/// The meter did not publish the last usage in time; its last publication stands.
pub const METER_SILENT: &str = "MeterSilent";
/// The namespace is being deleted.
pub const DELETING_NAMESPACE: &str = "DeletingNamespace";
/// The lease is over and its namespace is gone.
pub const ENDED: &str = "Ended";
