//! Signed requests: `Leasehold-Auth: v1 <signer>,<issuedAt>,<expiry>,<nonce>,<signature>`.
//!
//! A signature binds method, path with query, body, provider and a minute of time, so that a stolen header is good for
//! repeating one request within that minute, and the nonce takes even that. Checks run in this order:
//! form → time → signature → (the caller: may this signer do this?) → nonce. Nonces come last so that strangers cannot
//! fill the memory of them.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256, Signature, keccak256};
use alloy_sol_types::{SolStruct, eip712_domain, sol};
use market::{Signature64, Timestamp};

/// Name of the header.
pub const AUTH_HEADER: &str = "leasehold-auth";
/// Longest time from issue to expiry.
pub const MAX_LIFETIME_SECONDS: u64 = 60;
/// How far the clocks of the two sides may differ.
pub const MAX_SKEW_SECONDS: u64 = 5;

sol! {
    /// What is signed.
    struct GatewayRequest {
        string method;
        string path;
        bytes32 bodyHash;
        address audience;
        uint40 issuedAt;
        uint40 expiry;
        bytes32 nonce;
    }
}

/// The parsed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthHeader {
    /// Who claims to ask.
    pub signer: Address,
    /// When the request was made.
    pub issued_at: Timestamp,
    /// When it stops being valid.
    pub expiry: Timestamp,
    /// Makes the request unique.
    pub nonce: B256,
    /// Signature over the request's digest.
    pub signature: Signature64,
}

/// The request as it is sent or as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    /// HTTP method in upper case.
    pub method: &'a str,
    /// Path with query, starting with `/`.
    pub path: &'a str,
    /// Whole body.
    pub body: &'a [u8],
}

/// Whom a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Audience {
    /// Chain that the provider serves.
    pub chain_id: u64,
    /// Owner address of the provider.
    pub provider: Address,
}

/// A signer who proved to have made this request. What it may do is for the caller to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authenticated {
    /// Who asks.
    pub signer: Address,
    /// Nonce to remember once the signer is known to be allowed.
    pub nonce: B256,
    /// Until when to remember it.
    pub expiry: Timestamp,
}

/// Why a request was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The header is not of the expected form.
    #[error("the Leasehold-Auth header is malformed")]
    Malformed,
    /// The request lives longer than allowed, or expires before it was issued.
    #[error("the request must expire within {MAX_LIFETIME_SECONDS} seconds after it was issued")]
    Lifetime,
    /// The request has expired.
    #[error("the request expired at {expiry}; it is {now} now. Check the clock of this machine")]
    Stale {
        /// When it expired.
        expiry: Timestamp,
        /// The gateway's time.
        now: Timestamp,
    },
    /// The request is from the future.
    #[error("the request was issued at {issued_at}; it is {now} now. Check the clock of this machine")]
    Future {
        /// When it claims to have been issued.
        issued_at: Timestamp,
        /// The gateway's time.
        now: Timestamp,
    },
    /// The request may be older than this process, which may have forgotten its nonce.
    #[error("the request was issued before the gateway started; sign it again")]
    BeforeStart,
    /// The signature does not fit the request and the signer.
    #[error("the signature does not fit the request, the provider and the signer")]
    Signature,
}

/// Digest that the sender signs and the gateway recovers from.
pub fn digest(
    parts: &RequestParts<'_>,
    audience: &Audience,
    issued_at: Timestamp,
    expiry: Timestamp,
    nonce: B256,
) -> Result<B256, AuthError> {
    let seconds = |time: Timestamp| time.0.try_into().map_err(|_| AuthError::Malformed);
    let request = GatewayRequest {
        method: parts.method.to_owned(),
        path: parts.path.to_owned(),
        bodyHash: keccak256(parts.body),
        audience: audience.provider,
        issuedAt: seconds(issued_at)?,
        expiry: seconds(expiry)?,
        nonce,
    };
    let domain = eip712_domain! { name: "LeaseholdGateway", version: "1", chain_id: audience.chain_id, };
    Ok(request.eip712_signing_hash(&domain))
}

/// Believes the header or says why not. `started_at` is when this gateway process began to remember nonces.
pub fn authenticate(
    header: &AuthHeader,
    parts: &RequestParts<'_>,
    audience: &Audience,
    started_at: Timestamp,
    now: Timestamp,
) -> Result<Authenticated, AuthError> {
    check_time(header, started_at, now)?;
    let digest = digest(parts, audience, header.issued_at, header.expiry, header.nonce)?;
    let signature = Signature::from_erc2098(&header.signature.to_bytes());
    // A high s would be a second valid signature for the same request.
    if signature.normalize_s().is_some() {
        return Err(AuthError::Signature);
    }
    let signer = signature.recover_address_from_prehash(&digest).map_err(|_| AuthError::Signature)?;
    if signer != header.signer {
        return Err(AuthError::Signature);
    }
    Ok(Authenticated { signer, nonce: header.nonce, expiry: header.expiry })
}

fn check_time(header: &AuthHeader, started_at: Timestamp, now: Timestamp) -> Result<(), AuthError> {
    let AuthHeader { issued_at, expiry, .. } = *header;
    match expiry.0.checked_sub(issued_at.0) {
        Some(lifetime) if lifetime <= MAX_LIFETIME_SECONDS => {}
        _ => return Err(AuthError::Lifetime),
    }
    if issued_at.0 > now.0.saturating_add(MAX_SKEW_SECONDS) {
        return Err(AuthError::Future { issued_at, now });
    }
    if now.0 > expiry.0.saturating_add(MAX_SKEW_SECONDS) {
        return Err(AuthError::Stale { expiry, now });
    }
    // A request of the former process may have been answered by it; this one would not know. It took those from a little into
    // its future, too.
    if issued_at.0 <= started_at.0.saturating_add(MAX_SKEW_SECONDS) {
        return Err(AuthError::BeforeStart);
    }
    Ok(())
}

impl fmt::Display for AuthHeader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AuthHeader { signer, issued_at, expiry, nonce, signature } = self;
        write!(formatter, "v1 {signer:#x},{},{},{nonce:#x},{signature}", issued_at.0, expiry.0)
    }
}

impl FromStr for AuthHeader {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        let fields = text.strip_prefix("v1 ").ok_or(AuthError::Malformed)?;
        let fields: Vec<&str> = fields.split(',').collect();
        let &[signer, issued_at, expiry, nonce, signature] = fields.as_slice() else {
            return Err(AuthError::Malformed);
        };
        Ok(AuthHeader {
            signer: prefixed(signer)?,
            issued_at: seconds(issued_at)?,
            expiry: seconds(expiry)?,
            nonce: prefixed(nonce)?,
            signature: prefixed(signature)?,
        })
    }
}

fn prefixed<T: FromStr>(text: &str) -> Result<T, AuthError> {
    if !text.starts_with("0x") {
        return Err(AuthError::Malformed);
    }
    text.parse().map_err(|_| AuthError::Malformed)
}

/// Digits only, within the chain's 40 bits.
fn seconds(text: &str) -> Result<Timestamp, AuthError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse().map(Timestamp) {
        Ok(time) if digits && time <= Timestamp::MAX => Ok(time),
        _ => Err(AuthError::Malformed),
    }
}

#[cfg(test)]
mod tests;
