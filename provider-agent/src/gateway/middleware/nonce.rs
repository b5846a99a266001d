//! The request is not a repetition. Only signers of real leases get this far, so strangers cannot fill the memory of nonces.

use std::sync::PoisonError;

use gateway_api::{ApiError, Authenticated};
use market::Timestamp;

use crate::gateway::Gateway;
use crate::gateway::error::Result;

pub(super) fn check(gateway: &Gateway, request: &Authenticated, now: Timestamp) -> Result<()> {
    // The cache is whole after every method, so a panic elsewhere cannot have left it broken.
    let mut nonces = gateway.shared().nonces.lock().unwrap_or_else(PoisonError::into_inner);
    nonces.remember(request, now).map_err(|error| ApiError::from(error).into())
}
