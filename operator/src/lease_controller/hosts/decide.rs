//! Who gets a tenant's own host: a pure function of the claim that is there, the proof of ownership, and the time.
//!
//! A claim needs proof first, so nobody can occupy a name that is not theirs. It ends with the lease, or when the proof has
//! been gone for a while; then the same tenant may take the host again, and everybody else after the cool-down. A DNS record
//! that still leads here after its lease ended is therefore worth nothing to another tenant: it does not name their lease.

use crd::{HostClaimSpec, reason};
use jiff::SignedDuration;

use super::HostState;

/// What the host's DNS says about its ownership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The record names the lease.
    Proven,
    /// There is no record that names the lease.
    Absent,
    /// Nobody has looked yet, or the name servers do not answer.
    Unknown,
}

/// How patient the index is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long a host that was given back is kept from other tenants.
    pub cooldown: SignedDuration,
    /// How long a host whose proof is gone still leads to its lease.
    pub grace: SignedDuration,
}

/// What becomes of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The claim that must be written before the state holds, if it is not there already.
    pub write: Option<HostClaimSpec>,
    /// Where the lease then stands with the host.
    pub state: HostState,
}

/// Decides about one host. `wanted` is the claim of the lease that asks, `found` the one that is there.
pub fn decide(
    found: Option<&HostClaimSpec>,
    wanted: &HostClaimSpec,
    proof: Proof,
    patience: Patience,
    now: i64,
) -> Verdict {
    match found {
        Some(found) if found.released_at.is_none() && is_same_lease(found, wanted) => {
            hold(found, wanted, proof, patience, now)
        }
        Some(found) => match found.released_at {
            None => withheld(reason::HOST_TAKEN, "another lease holds this host".to_owned()),
            Some(released) if found.tenant != wanted.tenant && now < after(released, patience.cooldown) => {
                let left = after(released, patience.cooldown).saturating_sub(now);
                let hours = left.saturating_add(3_599) / 3_600;
                let message = format!(
                    "another tenant gave this host back a short time ago; it is free in {hours} hours at most"
                );
                withheld(reason::HOST_COOLING_DOWN, message)
            }
            Some(_) => take(wanted, proof),
        },
        None => take(wanted, proof),
    }
}

/// The claim as it is after its lease gave it back, or none if it did so before.
pub fn release(claim: &HostClaimSpec, now: i64) -> Option<HostClaimSpec> {
    claim.released_at.is_none().then(|| HostClaimSpec { released_at: Some(now), ..claim.clone() })
}

/// Whether a claim that was given back need not be kept any longer.
pub fn is_forgotten(claim: &HostClaimSpec, patience: Patience, now: i64) -> bool {
    claim.released_at.is_some_and(|released| now >= after(released, patience.cooldown))
}

fn take(wanted: &HostClaimSpec, proof: Proof) -> Verdict {
    match proof {
        Proof::Proven => Verdict { write: Some(wanted.clone()), state: HostState::Held },
        Proof::Absent => withheld(reason::HOST_NOT_PROVEN, record_to_set(wanted)),
        Proof::Unknown => withheld(
            reason::HOST_UNCHECKED,
            format!("the DNS has not answered yet; {}", record_to_set(wanted)),
        ),
    }
}

fn hold(
    found: &HostClaimSpec,
    wanted: &HostClaimSpec,
    proof: Proof,
    patience: Patience,
    now: i64,
) -> Verdict {
    let unproven_since = match proof {
        Proof::Proven => None,
        // Name servers that do not answer take nothing from anybody, and give nothing.
        Proof::Unknown => found.unproven_since,
        Proof::Absent => Some(found.unproven_since.unwrap_or(now)),
    };
    let next = HostClaimSpec { unproven_since, ..wanted.clone() };
    let lost =
        proof == Proof::Absent && unproven_since.is_some_and(|since| now >= after(since, patience.grace));
    if lost {
        let write = HostClaimSpec { released_at: Some(now), ..next };
        return Verdict { write: Some(write), ..withheld(reason::HOST_NOT_PROVEN, record_to_set(wanted)) };
    }
    Verdict { write: (next != *found).then_some(next), state: HostState::Held }
}

fn is_same_lease(one: &HostClaimSpec, other: &HostClaimSpec) -> bool {
    one.lease_id == other.lease_id && one.compute_lease == other.compute_lease && one.tenant == other.tenant
}

fn record_to_set(wanted: &HostClaimSpec) -> String {
    format!(
        "set the DNS record {}.{}. TXT \"{}\"",
        crd::labels::HOST_PROOF_PREFIX,
        wanted.host,
        wanted.lease_id
    )
}

fn withheld(reason: &'static str, message: String) -> Verdict {
    Verdict { write: None, state: HostState::Withheld { reason, message } }
}

fn after(time: i64, duration: SignedDuration) -> i64 {
    time.saturating_add(duration.as_secs())
}

#[cfg(test)]
mod tests;
