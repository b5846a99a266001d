//! The `ComputeLease` that a lease should have, computed from the chain's lease and what the object itself remembers.
//!
//! The object is applied whole. What only it remembers (the manifest's place, the signed statement, a suspension, that it was
//! told to end) is carried over.

use std::collections::BTreeMap;
use std::fmt;

use crd::compute_lease::spec::{Settlement, SettlementStatement, Term};
use crd::convert::{BilledTerm, LeaseSpec, ManifestSource};
use crd::{ComputeLease, ComputeLeaseSpec, DesiredState, Suspension};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use market::{B256, Lease, LeaseState, Tier, Timestamp};

use super::effect::{Basis, Effect};
use super::lease::{LeaseRecord, WaitingWrite};
use super::state::Rules;

/// The content of a manifest Secret. It holds the tenant's secrets, so it does not print them.
#[derive(Clone, PartialEq, Eq)]
pub struct ManifestSecret {
    /// The name of the Secret.
    pub name: String,
    pub manifest: Vec<u8>,
    pub salt: B256,
    pub hash: B256,
}

impl fmt::Debug for ManifestSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestSecret")
            .field("name", &self.name)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

/// The next write for a lease that should have an object: a waiting caller's first, then whatever differs.
pub(super) fn next(
    record: &mut LeaseRecord,
    lease: &Lease,
    tier: Option<Tier>,
    rules: &Rules,
    chain_time: Timestamp,
) -> Option<Effect> {
    let spec = spec(record, lease, tier, rules, chain_time)?;
    let id = record.id;
    // A Secret is owned by the object, so the object comes first.
    let Some(observed) = record.compute.clone() else {
        return Some(apply(record, rules, spec));
    };
    let basis = Basis::of(record);
    match record.waiting.pop_front() {
        Some(WaitingWrite::Manifest { secret, reply }) => {
            let manifest = manifest_ref(observed.spec.manifest.as_ref(), &secret);
            let object = object(record, rules, ComputeLeaseSpec { manifest: Some(manifest), ..spec });
            Some(Effect::StoreManifest { lease: id, secret, object, basis, reply })
        }
        Some(WaitingWrite::Statement { signed, reply }) => {
            // Numbers that do not fit the wire were refused when the statement was proposed.
            let statement = SettlementStatement::try_from(signed.as_ref()).ok()?;
            let settlement = Some(Settlement { statement });
            let object = object(record, rules, ComputeLeaseSpec { settlement, ..spec });
            Some(Effect::StoreStatement { lease: id, object, basis, reply })
        }
        None if observed.spec != spec => Some(apply(record, rules, spec)),
        None => None,
    }
}

/// The write that lets a lease run or not; none while its object is not known, or if nothing would change.
pub(super) fn hold(
    record: &LeaseRecord,
    lease: &Lease,
    rules: &Rules,
    chain_time: Timestamp,
    desired: DesiredState,
    suspension: Option<Suspension>,
) -> Option<Effect> {
    let observed = record.compute.as_ref()?;
    let spec = ComputeLeaseSpec { desired, suspension, ..spec(record, lease, None, rules, chain_time)? };
    (observed.spec != spec).then(|| apply(record, rules, spec))
}

fn apply(record: &LeaseRecord, rules: &Rules, spec: ComputeLeaseSpec) -> Effect {
    let object = object(record, rules, spec);
    Effect::ApplyComputeLease { lease: record.id, object, basis: Basis::of(record) }
}

impl Basis {
    fn of(record: &LeaseRecord) -> Self {
        match &record.compute {
            None => Self::Absent,
            Some(object) => Self::Generation(object.metadata.generation.unwrap_or_default()),
        }
    }
}

/// `None` while the tier is not known, which is only before the object exists, or for numbers that no Kubernetes API can hold.
fn spec(
    record: &LeaseRecord,
    lease: &Lease,
    tier: Option<Tier>,
    rules: &Rules,
    chain_time: Timestamp,
) -> Option<ComputeLeaseSpec> {
    let observed = record.compute.as_ref().map(|object| &object.spec);
    let tier = observed.map(|spec| spec.tier.into()).or(tier)?;
    let was_ended = observed.is_some_and(|spec| spec.desired == DesiredState::Ended);
    let is_over = match lease.state {
        LeaseState::Active => lease.end_at <= chain_time,
        LeaseState::Disputed | LeaseState::Closed => true,
        LeaseState::None | LeaseState::Open => false,
    };
    let term =
        lease.started_at.map(|started_at| BilledTerm { started_at, ends_at: lease.end_at.max(started_at) });
    let spec = LeaseSpec {
        id: record.id,
        tenant: lease.tenant,
        provider: lease.provider,
        chain_id: rules.chain_id,
        market: rules.market,
        tier,
        limits: record.bid.limits,
        manifest: None,
        desired: if was_ended || is_over {
            DesiredState::Ended
        } else {
            // The gate pauses and resumes what it paused itself; whoever else paused the lease resumes it.
            observed.map_or(DesiredState::Running, |spec| spec.desired)
        },
        term,
    };
    let mut spec = ComputeLeaseSpec::try_from(&spec).ok()?;
    spec.manifest = observed.and_then(|spec| spec.manifest.clone());
    spec.settlement = observed.and_then(|spec| spec.settlement.clone());
    spec.suspension = observed.and_then(|spec| spec.suspension);
    // A term may not be taken back, even if a reorganisation undid the confirmation.
    spec.term = spec.term.or_else(|| observed.and_then(|spec| spec.term));
    Some(spec)
}

fn object(record: &LeaseRecord, rules: &Rules, spec: ComputeLeaseSpec) -> Box<ComputeLease> {
    let label = crd::LeaseName::of(record.id).label_value().to_owned();
    let mut object = ComputeLease::new(&record.name, spec);
    object.metadata = ObjectMeta {
        name: Some(record.name.clone()),
        namespace: Some(rules.namespace.clone()),
        labels: Some(BTreeMap::from([(crd::labels::LEASE.to_owned(), label)])),
        ..ObjectMeta::default()
    };
    Box::new(object)
}

fn manifest_ref(observed: Option<&crd::ManifestRef>, secret: &ManifestSecret) -> crd::ManifestRef {
    let hash = crd::convert::hex(secret.hash.as_slice());
    let revision = match observed {
        // The same manifest again: only the Secret is written, so that a lost one comes back.
        Some(present) if present.hash == hash => present.revision,
        Some(present) => present.revision.saturating_add(1),
        None => 1,
    };
    let previous = observed.and_then(|present| present.previous.clone());
    crd::ManifestRef { secret_name: secret.name.clone(), hash, revision, previous }
}

/// The end of the term in an object's spec.
pub(super) fn term_end(term: Option<&Term>) -> Option<u64> {
    u64::try_from(term?.ends_at).ok()
}

/// The place of a manifest, typed.
pub(super) fn manifest_source(object: &ComputeLease) -> Option<ManifestSource> {
    ManifestSource::try_from(object.spec.manifest.as_ref()?).ok()
}
