//! The path names a lease of ours, and the signer is its tenant or its session key.

use gateway_api::ErrorCode;
use market::{Address, LeaseId};

use crate::agent::{LeaseView, Refusal};
use crate::gateway::Gateway;
use crate::gateway::error::{Refused, Result};
use crate::series::Owners;

pub(super) async fn check(gateway: &Gateway, path: &str, signer: Address) -> Result<LeaseView> {
    let id = lease_of(path)?;
    let view = gateway.shared().agent.lease(id).await?.ok_or(Refusal::UnknownLease)?;
    allow(signer, Owners::of(&view.lease))?;
    Ok(view)
}

/// The same of a lease that may be over, and forgotten by all but its series.
pub(super) async fn check_past(gateway: &Gateway, path: &str, signer: Address) -> Result<LeaseId> {
    let id = lease_of(path)?;
    let owners = match gateway.shared().agent.lease(id).await? {
        Some(view) => Owners::of(&view.lease),
        None => gateway.shared().series.owners(id).await?.ok_or(Refusal::UnknownLease)?,
    };
    allow(signer, owners)?;
    Ok(id)
}

fn allow(signer: Address, owners: Owners) -> Result<()> {
    if owners.include(signer) {
        return Ok(());
    }
    Err(Refused::new(
        ErrorCode::Foreign,
        "the signer is neither the tenant of this lease nor its session key",
    ))
}

/// The third segment of `/v1/leases/{id}/...`.
fn lease_of(path: &str) -> Result<LeaseId> {
    path.split('/').nth(3).unwrap_or_default().parse().map_err(|_| {
        Refused::new(ErrorCode::MalformedRequest, "a lease id is 0x and 64 lower case hexadecimal digits")
    })
}
