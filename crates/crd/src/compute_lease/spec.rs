//! Parts of `spec`, written by the provider agent.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::ResourceUsage;

/// Chain and market contract of a lease.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ChainRef {
    /// EIP-155 id of the chain.
    #[schemars(range(min = 1))]
    pub chain_id: i64,
    /// Address of the market contract, `0x` and 40 lower case hex digits.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{40}$"), length(max = 42))]
    pub market: String,
}

/// Isolation tier of a lease.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TierName {
    /// Pod Security *restricted*: not root, no capabilities.
    Strict,
    /// Root inside a user namespace, nobody outside.
    Userns,
    /// A sandboxed runtime with a kernel of its own.
    Sandboxed,
}

impl fmt::Display for TierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::Userns => "userns",
            Self::Sandboxed => "sandboxed",
        })
    }
}

/// Upper bounds on what the manifest may ask for, over all replicas of all services.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ResourceLimits {
    /// CPU in thousandths of a core.
    #[schemars(range(min = 0))]
    pub cpu_milli: i64,
    /// Memory in bytes.
    #[schemars(range(min = 0))]
    pub memory_bytes: i64,
    /// Persistent storage in bytes.
    #[schemars(range(min = 0))]
    pub storage_bytes: i64,
    /// GPUs in thousandths.
    #[schemars(range(min = 0))]
    pub gpu_milli: i64,
    /// Traffic to the internet in bytes per second.
    #[schemars(range(min = 0))]
    pub egress_bytes_per_second: i64,
    /// Leased public addresses.
    #[schemars(range(min = 0))]
    pub leased_ips: i64,
    /// Extended devices in thousandths.
    #[schemars(range(min = 0))]
    pub device_milli: i64,
}

/// Where the tenant's manifest is and which one it must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(
    validation = Rule::new("self.revision >= oldSelf.revision").message("revision may not go back"),
    validation = Rule::new("self.hash == oldSelf.hash || self.revision > oldSelf.revision").message("a new hash needs a higher revision"),
    validation = Rule::new("!has(self.previous) || self.previous.revision < self.revision").message("previous must be an earlier revision")
)]
#[serde(rename_all = "camelCase")]
pub struct ManifestRef {
    /// Secret in this object's namespace with the keys `manifest.json` and `salt`.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    pub secret_name: String,
    /// Salted hash of the manifest as it stands in the order on chain, `0x` and 64 lower case hex digits.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub hash: String,
    /// Number of the manifest, raised with every change.
    #[schemars(range(min = 0))]
    pub revision: i64,
    /// The manifest that ran before this one. The operator goes back to it if this one does not become ready in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousManifest>,
}

/// An earlier manifest that is kept until its successor has become ready.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PreviousManifest {
    /// Secret in this object's namespace with the keys `manifest.json` and `salt`.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"), length(min = 1, max = 253))]
    pub secret_name: String,
    /// Its salted hash, `0x` and 64 lower case hex digits.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub hash: String,
    /// Its number.
    #[schemars(range(min = 0))]
    pub revision: i64,
}

/// What is to become of the lease.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DesiredState {
    /// The workloads run.
    #[default]
    Running,
    /// No pod runs, and the volumes stay.
    Paused,
    /// The last usage is published, then everything is deleted.
    Ended,
}

/// What follows from usage that the tenant does not sign: announced first, then in force.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// Which bound of the provider's is exceeded, or soon will be.
    pub reason: SuspensionReason,
    /// When it was announced, in Unix seconds of the chain's clock.
    #[schemars(range(min = 0))]
    pub announced_at: i64,
    /// Since when the lease is paused for it, in Unix seconds of the chain's clock. Absent while it is only announced.
    /// The agent resumes the lease when enough is signed, unless this was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub since: Option<i64>,
}

/// Why a lease is suspended.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuspensionReason {
    /// The tenant has never signed anything.
    NeverSigned,
    /// The tenant signed too long ago.
    SignedTooLongAgo,
    /// All leases of the tenant together have used too much that is not signed.
    TooMuchUnsigned,
}

/// Billed time of the lease.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.endsAt >= self.startedAt").message("endsAt may not be before startedAt"))]
#[serde(rename_all = "camelCase")]
pub struct Term {
    /// Time of the confirmation on chain, in Unix seconds.
    #[schemars(range(min = 0))]
    pub started_at: i64,
    /// End of the billed time, in Unix seconds. Moved to the real end when the lease is closed early.
    #[schemars(range(min = 0))]
    pub ends_at: i64,
}

/// What has been agreed with the tenant so far.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Settlement {
    /// Newest statement that the tenant signed.
    pub statement: SettlementStatement,
}

/// A cumulative statement with the tenant's signature.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SettlementStatement {
    /// Amount owed since the start, in base units of the token, as a decimal number.
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]{0,38})$"), length(max = 39))]
    pub amount_cum: String,
    /// Time up to which usage is covered, in Unix seconds.
    #[schemars(range(min = 0))]
    pub as_of: i64,
    /// Cumulative usage that the amount follows from.
    pub usage: ResourceUsage,
    /// Root of the meter's evidence, `0x` and 64 lower case hex digits.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub meter_root: String,
    /// Hash of usage, time and meter root as it was signed.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub usage_hash: String,
    /// Whether the tenant agreed that this is the last statement.
    pub last: bool,
    /// First half of the signature.
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub r: String,
    /// Second half of the signature with its parity (EIP-2098).
    #[schemars(regex(pattern = r"^0x[0-9a-f]{64}$"), length(max = 66))]
    pub vs: String,
}
