//! Wire types to domain types and back, with an error that names the field.
//!
//! After these functions nobody reads the raw spec again.

use market::{Address, Amount, B256, LeaseId, Limits, Signature64, Statement, Tier, Timestamp, Usage};

use crate::compute_lease::{
    ComputeLeaseSpec,
    spec::{
        ChainRef, DesiredState, ManifestRef, PreviousManifest, ResourceLimits, SettlementStatement, Term,
        TierName,
    },
    status::{LeaseUsage, ResourceUsage},
};

/// A field that does not hold what its type promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not `0x` and the right number of lower case hex digits.
    #[error("{field} is not 0x followed by {digits} lower case hex digits")]
    ParseHex {
        /// Path of the field.
        field: &'static str,
        /// Number of digits that belong there.
        digits: usize,
    },
    /// Not a decimal number without sign and leading zeros, or too large.
    #[error("{field} is not a decimal number below 2^128")]
    ParseDecimal {
        /// Path of the field.
        field: &'static str,
    },
    /// A number that may not be negative.
    #[error("{field} is negative")]
    Negative {
        /// Path of the field.
        field: &'static str,
    },
    /// A number that does not fit the wire type.
    #[error("{field} is too large for the Kubernetes API")]
    TooLarge {
        /// Path of the field.
        field: &'static str,
    },
    /// The term ends before it starts.
    #[error("spec.term.endsAt {ends_at} is before spec.term.startedAt {started_at}")]
    TermEndsBeforeStart {
        /// Start of the term.
        started_at: i64,
        /// End of the term.
        ends_at: i64,
    },
}

/// Result with this module's [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A spec whose every field was parsed. `settlement` and `suspension` are left out: they are the agent's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSpec {
    /// Lease id on chain.
    pub id: LeaseId,
    /// Tenant that pays.
    pub tenant: Address,
    /// Provider that signed the bid.
    pub provider: Address,
    /// EIP-155 id of the chain.
    pub chain_id: u64,
    /// Market contract.
    pub market: Address,
    /// Isolation tier.
    pub tier: Tier,
    /// Upper bounds on the manifest.
    pub limits: Limits,
    /// Manifest, once uploaded.
    pub manifest: Option<ManifestSource>,
    /// Whether the lease is to run or to end.
    pub desired: DesiredState,
    /// Billed time, once confirmed.
    pub term: Option<BilledTerm>,
}

/// Where the manifest is and which one it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestSource {
    /// Secret in the system namespace.
    pub secret_name: String,
    /// Salted manifest hash.
    pub hash: B256,
    /// Number of the manifest.
    pub revision: u64,
    /// What to go back to when this one does not become ready.
    pub previous: Option<Box<ManifestSource>>,
}

/// Billed time of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BilledTerm {
    /// Time of the confirmation on chain.
    pub started_at: Timestamp,
    /// End of the billed time.
    pub ends_at: Timestamp,
}

/// A statement with what it follows from and the tenant's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledStatement {
    /// The statement as it was signed.
    pub statement: Statement,
    /// Usage that the amount follows from.
    pub usage: Usage,
    /// Root of the meter's evidence.
    pub meter_root: B256,
    /// The tenant's signature.
    pub signature: Signature64,
}

impl TryFrom<&ComputeLeaseSpec> for LeaseSpec {
    type Error = Error;

    fn try_from(spec: &ComputeLeaseSpec) -> Result<Self> {
        Ok(Self {
            id: LeaseId(parse_b256("spec.leaseId", &spec.lease_id)?),
            tenant: parse_address("spec.tenant", &spec.tenant)?,
            provider: parse_address("spec.provider", &spec.provider)?,
            chain_id: unsigned("spec.chain.chainId", spec.chain.chain_id)?,
            market: parse_address("spec.chain.market", &spec.chain.market)?,
            tier: spec.tier.into(),
            limits: Limits::try_from(&spec.limits)?,
            manifest: spec.manifest.as_ref().map(ManifestSource::try_from).transpose()?,
            desired: spec.desired,
            term: spec.term.as_ref().map(BilledTerm::try_from).transpose()?,
        })
    }
}

impl TryFrom<&LeaseSpec> for ComputeLeaseSpec {
    type Error = Error;

    fn try_from(spec: &LeaseSpec) -> Result<Self> {
        Ok(Self {
            lease_id: hex(spec.id.0.as_slice()),
            tenant: hex(spec.tenant.as_slice()),
            provider: hex(spec.provider.as_slice()),
            chain: ChainRef {
                chain_id: signed("spec.chain.chainId", spec.chain_id)?,
                market: hex(spec.market.as_slice()),
            },
            tier: spec.tier.into(),
            limits: ResourceLimits::try_from(&spec.limits)?,
            manifest: spec.manifest.as_ref().map(ManifestRef::try_from).transpose()?,
            desired: spec.desired,
            term: spec.term.as_ref().map(Term::try_from).transpose()?,
            settlement: None,
            suspension: None,
        })
    }
}

impl TryFrom<&ManifestRef> for ManifestSource {
    type Error = Error;

    fn try_from(wire: &ManifestRef) -> Result<Self> {
        Ok(Self {
            secret_name: wire.secret_name.clone(),
            hash: parse_b256("spec.manifest.hash", &wire.hash)?,
            revision: unsigned("spec.manifest.revision", wire.revision)?,
            previous: wire.previous.as_ref().map(ManifestSource::try_from).transpose()?.map(Box::new),
        })
    }
}

impl TryFrom<&ManifestSource> for ManifestRef {
    type Error = Error;

    fn try_from(source: &ManifestSource) -> Result<Self> {
        Ok(Self {
            secret_name: source.secret_name.clone(),
            hash: hex(source.hash.as_slice()),
            revision: signed("spec.manifest.revision", source.revision)?,
            previous: source.previous.as_deref().map(PreviousManifest::try_from).transpose()?,
        })
    }
}

impl TryFrom<&PreviousManifest> for ManifestSource {
    type Error = Error;

    fn try_from(wire: &PreviousManifest) -> Result<Self> {
        Ok(Self {
            secret_name: wire.secret_name.clone(),
            hash: parse_b256("spec.manifest.previous.hash", &wire.hash)?,
            revision: unsigned("spec.manifest.previous.revision", wire.revision)?,
            previous: None,
        })
    }
}

/// What came before the previous one is forgotten.
impl TryFrom<&ManifestSource> for PreviousManifest {
    type Error = Error;

    fn try_from(source: &ManifestSource) -> Result<Self> {
        Ok(Self {
            secret_name: source.secret_name.clone(),
            hash: hex(source.hash.as_slice()),
            revision: signed("spec.manifest.previous.revision", source.revision)?,
        })
    }
}

impl TryFrom<&Term> for BilledTerm {
    type Error = Error;

    fn try_from(wire: &Term) -> Result<Self> {
        if wire.ends_at < wire.started_at {
            return Err(Error::TermEndsBeforeStart { started_at: wire.started_at, ends_at: wire.ends_at });
        }
        Ok(Self {
            started_at: Timestamp(unsigned("spec.term.startedAt", wire.started_at)?),
            ends_at: Timestamp(unsigned("spec.term.endsAt", wire.ends_at)?),
        })
    }
}

impl TryFrom<&BilledTerm> for Term {
    type Error = Error;

    fn try_from(term: &BilledTerm) -> Result<Self> {
        Ok(Self {
            started_at: signed("spec.term.startedAt", term.started_at.0)?,
            ends_at: signed("spec.term.endsAt", term.ends_at.0)?,
        })
    }
}

impl From<TierName> for Tier {
    fn from(tier: TierName) -> Self {
        match tier {
            TierName::Strict => Self::Strict,
            TierName::Userns => Self::Userns,
            TierName::Sandboxed => Self::Sandboxed,
        }
    }
}

impl From<Tier> for TierName {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Strict => Self::Strict,
            Tier::Userns => Self::Userns,
            Tier::Sandboxed => Self::Sandboxed,
        }
    }
}

impl TryFrom<&ResourceLimits> for Limits {
    type Error = Error;

    fn try_from(wire: &ResourceLimits) -> Result<Self> {
        Ok(Self([
            1,
            unsigned("spec.limits.cpuMilli", wire.cpu_milli)?,
            unsigned("spec.limits.memoryBytes", wire.memory_bytes)?,
            unsigned("spec.limits.storageBytes", wire.storage_bytes)?,
            unsigned("spec.limits.gpuMilli", wire.gpu_milli)?,
            unsigned("spec.limits.egressBytesPerSecond", wire.egress_bytes_per_second)?,
            unsigned("spec.limits.leasedIps", wire.leased_ips)?,
            unsigned("spec.limits.deviceMilli", wire.device_milli)?,
        ]))
    }
}

impl TryFrom<&Limits> for ResourceLimits {
    type Error = Error;

    /// Dimension 0 (uptime) is always one second per second and has no field.
    fn try_from(limits: &Limits) -> Result<Self> {
        let [_, cpu, memory, storage, gpu, egress, ips, devices] = limits.0;
        Ok(Self {
            cpu_milli: signed("spec.limits.cpuMilli", cpu)?,
            memory_bytes: signed("spec.limits.memoryBytes", memory)?,
            storage_bytes: signed("spec.limits.storageBytes", storage)?,
            gpu_milli: signed("spec.limits.gpuMilli", gpu)?,
            egress_bytes_per_second: signed("spec.limits.egressBytesPerSecond", egress)?,
            leased_ips: signed("spec.limits.leasedIps", ips)?,
            device_milli: signed("spec.limits.deviceMilli", devices)?,
        })
    }
}

impl TryFrom<&ResourceUsage> for Usage {
    type Error = Error;

    fn try_from(wire: &ResourceUsage) -> Result<Self> {
        Ok(Self([
            parse_decimal("usage.uptimeSeconds", &wire.uptime_seconds)?,
            parse_decimal("usage.cpuMilliSeconds", &wire.cpu_milli_seconds)?,
            parse_decimal("usage.memoryByteSeconds", &wire.memory_byte_seconds)?,
            parse_decimal("usage.storageByteSeconds", &wire.storage_byte_seconds)?,
            parse_decimal("usage.gpuMilliSeconds", &wire.gpu_milli_seconds)?,
            parse_decimal("usage.egressBytes", &wire.egress_bytes)?,
            parse_decimal("usage.leasedIpSeconds", &wire.leased_ip_seconds)?,
            parse_decimal("usage.deviceMilliSeconds", &wire.device_milli_seconds)?,
        ]))
    }
}

impl From<&Usage> for ResourceUsage {
    fn from(usage: &Usage) -> Self {
        let [uptime, cpu, memory, storage, gpu, egress, ips, devices] =
            usage.0.map(|amount| amount.to_string());
        Self {
            uptime_seconds: uptime,
            cpu_milli_seconds: cpu,
            memory_byte_seconds: memory,
            storage_byte_seconds: storage,
            gpu_milli_seconds: gpu,
            egress_bytes: egress,
            leased_ip_seconds: ips,
            device_milli_seconds: devices,
        }
    }
}

impl SettlementStatement {
    /// Parses the statement; the lease id is the one of the spec that carries it.
    pub fn parse(&self, lease_id: LeaseId) -> Result<SettledStatement> {
        Ok(SettledStatement {
            statement: Statement {
                lease_id,
                amount_cum: Amount(parse_decimal("settlement.statement.amountCum", &self.amount_cum)?),
                as_of: Timestamp(unsigned("settlement.statement.asOf", self.as_of)?),
                usage_hash: parse_b256("settlement.statement.usageHash", &self.usage_hash)?,
                last: self.last,
            },
            usage: Usage::try_from(&self.usage)?,
            meter_root: parse_b256("settlement.statement.meterRoot", &self.meter_root)?,
            signature: Signature64 {
                r: parse_b256("settlement.statement.r", &self.r)?,
                vs: parse_b256("settlement.statement.vs", &self.vs)?,
            },
        })
    }
}

impl TryFrom<&SettledStatement> for SettlementStatement {
    type Error = Error;

    fn try_from(settled: &SettledStatement) -> Result<Self> {
        Ok(Self {
            amount_cum: settled.statement.amount_cum.0.to_string(),
            as_of: signed("settlement.statement.asOf", settled.statement.as_of.0)?,
            usage: ResourceUsage::from(&settled.usage),
            meter_root: hex(settled.meter_root.as_slice()),
            usage_hash: hex(settled.statement.usage_hash.as_slice()),
            last: settled.statement.last,
            r: hex(settled.signature.r.as_slice()),
            vs: hex(settled.signature.vs.as_slice()),
        })
    }
}

impl LeaseUsage {
    /// Time up to which usage was counted.
    pub fn as_of(&self) -> Result<Timestamp> {
        Ok(Timestamp(unsigned("status.usage.asOf", self.as_of)?))
    }

    /// Allocated usage: what settles.
    pub fn allocated(&self) -> Result<Usage> {
        Usage::try_from(&self.allocated)
    }

    /// Root of the meter's evidence.
    pub fn meter_root(&self) -> Result<B256> {
        parse_b256("status.usage.meterRoot", &self.meter_root)
    }
}

/// `0x` and lower case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    format!("0x{}", data_encoding::HEXLOWER.encode(bytes))
}

/// Thirty-two bytes as `0x` and 64 lower case hex digits.
pub fn parse_b256(field: &'static str, text: &str) -> Result<B256> {
    parse_hex::<32>(field, text).map(B256::from)
}

/// An address as `0x` and 40 lower case hex digits.
pub fn parse_address(field: &'static str, text: &str) -> Result<Address> {
    parse_hex::<20>(field, text).map(Address::from)
}

/// A decimal number without sign and leading zeros.
pub fn parse_decimal(field: &'static str, text: &str) -> Result<u128> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    text.parse().ok().filter(|_| canonical).ok_or(Error::ParseDecimal { field })
}

fn parse_hex<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N]> {
    text.strip_prefix("0x")
        .and_then(|digits| data_encoding::HEXLOWER.decode(digits.as_bytes()).ok())
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(Error::ParseHex { field, digits: 2 * N })
}

fn unsigned(field: &'static str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::Negative { field })
}

fn signed(field: &'static str, value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| Error::TooLarge { field })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> LeaseSpec {
        LeaseSpec {
            id: LeaseId(B256::repeat_byte(1)),
            tenant: Address::repeat_byte(2),
            provider: Address::repeat_byte(3),
            chain_id: 31337,
            market: Address::repeat_byte(4),
            tier: Tier::Strict,
            limits: Limits([1, 20, 30, 40, 50, 60, 70, 80]),
            manifest: Some(ManifestSource {
                secret_name: "lease-a-manifest".to_owned(),
                hash: B256::repeat_byte(5),
                revision: 6,
                previous: Some(Box::new(ManifestSource {
                    secret_name: "lease-a-manifest-5".to_owned(),
                    hash: B256::repeat_byte(9),
                    revision: 5,
                    previous: None,
                })),
            }),
            desired: DesiredState::Running,
            term: Some(BilledTerm { started_at: Timestamp(7), ends_at: Timestamp(8) }),
        }
    }

    #[test]
    fn a_spec_survives_the_wire() {
        let wire = ComputeLeaseSpec::try_from(&spec()).unwrap();
        assert_eq!(LeaseSpec::try_from(&wire), Ok(spec()));
    }

    #[test]
    fn a_statement_survives_the_wire() {
        let settled = SettledStatement {
            statement: Statement {
                lease_id: LeaseId(B256::repeat_byte(1)),
                amount_cum: Amount(u128::MAX),
                as_of: Timestamp(2),
                usage_hash: B256::repeat_byte(3),
                last: true,
            },
            usage: Usage([1, 2, 3, 4, 5, 6, 7, u128::MAX]),
            meter_root: B256::repeat_byte(4),
            signature: Signature64 { r: B256::repeat_byte(5), vs: B256::repeat_byte(6) },
        };
        let wire = SettlementStatement::try_from(&settled).unwrap();
        assert_eq!(wire.parse(LeaseId(B256::repeat_byte(1))), Ok(settled));
    }

    #[test]
    fn every_malformed_field_is_named() {
        let good = ComputeLeaseSpec::try_from(&spec()).unwrap();
        type Case = (fn(&mut ComputeLeaseSpec), Error);
        let cases: [Case; 6] = [
            (|s| s.lease_id = "0xAB".into(), Error::ParseHex { field: "spec.leaseId", digits: 64 }),
            (|s| s.tenant.make_ascii_uppercase(), Error::ParseHex { field: "spec.tenant", digits: 40 }),
            (|s| s.chain.chain_id = -1, Error::Negative { field: "spec.chain.chainId" }),
            (|s| s.limits.cpu_milli = -1, Error::Negative { field: "spec.limits.cpuMilli" }),
            (
                |s| s.term = Some(Term { started_at: 9, ends_at: 8 }),
                Error::TermEndsBeforeStart { started_at: 9, ends_at: 8 },
            ),
            (
                |s| s.manifest.as_mut().unwrap().hash.push('0'),
                Error::ParseHex { field: "spec.manifest.hash", digits: 64 },
            ),
        ];
        for (spoil, error) in cases {
            let mut wire = good.clone();
            spoil(&mut wire);
            assert_eq!(LeaseSpec::try_from(&wire), Err(error));
        }
    }

    #[test]
    fn decimals_are_canonical() {
        assert_eq!(parse_decimal("f", "340282366920938463463374607431768211455"), Ok(u128::MAX));
        for text in ["", "-1", "+1", "01", "1e3", "340282366920938463463374607431768211456"] {
            assert_eq!(parse_decimal("f", text), Err(Error::ParseDecimal { field: "f" }), "{text}");
        }
    }
}
