//! Every refusal that a gateway may answer with.

use serde::{Deserialize, Serialize};

use crate::auth::AuthError;
use crate::replay::NonceRefused;

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
#[serde(deny_unknown_fields)]
pub struct ApiError {
    /// What happened, for programs.
    pub code: ErrorCode,
    /// What happened, for people. Never holds internals or secrets.
    pub message: String,
}

impl ApiError {
    /// An answer.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        ApiError { code, message: message.into() }
    }
}

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// What happened. Codes are never reused and never change their meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            /// All codes.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The code as it is sent.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $text,)*
                }
            }

            /// HTTP status that it is sent with.
            pub fn status(self) -> u16 {
                match self {
                    $(ErrorCode::$name => $status,)*
                }
            }
        }
    };
}

error_codes! {
    /// No such route.
    UnknownRoute = "unknown_route", 404;
    /// The route exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405;
    /// A path or query value is not of the expected form.
    MalformedRequest = "malformed_request", 400;
    /// The body is not of the expected form.
    MalformedBody = "malformed_body", 400;
    /// The body is larger than this route accepts.
    BodyTooLarge = "body_too_large", 413;
    /// The request carries no signature.
    Unsigned = "unsigned", 401;
    /// The signature header is not of the expected form.
    MalformedSignature = "malformed_signature", 401;
    /// The request lives longer than allowed.
    LifetimeTooLong = "lifetime_too_long", 401;
    /// The request has expired.
    Stale = "stale", 401;
    /// The request is from the future.
    NotYetValid = "not_yet_valid", 401;
    /// The request is older than the gateway process.
    IssuedBeforeStart = "issued_before_start", 401;
    /// The signature does not fit the request, the provider and the signer.
    BadSignature = "bad_signature", 401;
    /// The request was already used.
    Replayed = "replayed", 401;
    /// The signer is neither the lease's tenant nor its session key.
    Foreign = "foreign", 403;
    /// The gateway knows no such lease of its provider.
    UnknownLease = "unknown_lease", 404;
    /// The lease has ended.
    LeaseEnded = "lease_ended", 410;
    /// The manifest's salted hash is not the one of the order.
    ManifestHashMismatch = "manifest_hash_mismatch", 422;
    /// The manifest is not valid or not in its canonical form.
    ManifestInvalid = "manifest_invalid", 422;
    /// The manifest asks for more than the lease grants.
    ManifestOverLimits = "manifest_over_limits", 422;
    /// Another manifest was accepted before.
    ManifestAlreadySet = "manifest_already_set", 409;
    /// The lease runs nothing yet.
    NotReady = "not_ready", 409;
    /// The lease has no such service.
    UnknownService = "unknown_service", 404;
    /// The port is not exposed to the tenant.
    PortNotExposed = "port_not_exposed", 403;
    /// The service does not answer.
    ServiceUnreachable = "service_unreachable", 502;
    /// The service did not answer in time.
    ServiceTimeout = "service_timeout", 504;
    /// This provider keeps no history of usage.
    NoSeries = "no_series", 404;
    /// There is nothing to sign yet.
    NoStatement = "no_statement", 404;
    /// The statement is not one that the provider proposed, or its signature is not the session key's.
    StatementRefused = "statement_refused", 422;
    /// Too many requests.
    TooManyRequests = "too_many_requests", 429;
    /// The provider cannot reach its chain or its cluster now.
    Unavailable = "unavailable", 503;
    /// Something failed that is not the caller's fault.
    Internal = "internal", 500;
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let code = match error {
            AuthError::Malformed => ErrorCode::MalformedSignature,
            AuthError::Lifetime => ErrorCode::LifetimeTooLong,
            AuthError::Stale { .. } => ErrorCode::Stale,
            AuthError::Future { .. } => ErrorCode::NotYetValid,
            AuthError::BeforeStart => ErrorCode::IssuedBeforeStart,
            AuthError::Signature => ErrorCode::BadSignature,
        };
        ApiError::new(code, error.to_string())
    }
}

impl From<NonceRefused> for ApiError {
    fn from(error: NonceRefused) -> Self {
        let code = match error {
            NonceRefused::Replayed => ErrorCode::Replayed,
            NonceRefused::Forgotten => ErrorCode::Stale,
            NonceRefused::SignerFull | NonceRefused::Full => ErrorCode::TooManyRequests,
        };
        ApiError::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_survives_json_and_has_an_error_status() {
        let texts: std::collections::BTreeSet<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            let error = ApiError::new(*code, "why");
            let json = serde_json::to_string(&error).unwrap();
            assert_eq!(json, format!(r#"{{"code":"{code}","message":"why"}}"#));
            assert_eq!(serde_json::from_str::<ApiError>(&json).unwrap(), error);
            assert!((400..600).contains(&code.status()));
        }
    }
}
