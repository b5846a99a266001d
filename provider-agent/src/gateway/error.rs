//! The one way in which a request is refused: a code and a message. Internals are logged, never answered.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gateway_api::{ApiError, ErrorCode};

use crate::agent::Refusal;
use crate::inbox::Stopped;
use crate::series;

/// A refusal on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub ApiError);

/// A handler's result.
pub type Result<T, E = Refused> = std::result::Result<T, E>;

impl Refused {
    /// A refusal with a code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(ApiError::new(code, message))
    }

    /// A failure whose cause is for the operator's log alone.
    pub fn internal(doing: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "failed to {doing}");
        Self::new(ErrorCode::Internal, "something failed here; it is not your fault, try again")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Stopped> for Refused {
    fn from(_: Stopped) -> Self {
        Self::new(ErrorCode::Unavailable, "the gateway is restarting; try again in a moment")
    }
}

impl From<series::Error> for Refused {
    fn from(error: series::Error) -> Self {
        match error {
            series::Error::NotKept => {
                Self::new(ErrorCode::NoSeries, "this provider keeps no history of usage")
            }
            series::Error::NotOpen => Self::new(
                ErrorCode::Unavailable,
                "the history of usage cannot be read yet; try again in a moment",
            ),
            series::Error::File(_)
            | series::Error::Format { .. }
            | series::Error::MoveAway(_)
            | series::Error::Task(_) => Self::internal("read the usage series", &error),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownLease => {
                Self::new(ErrorCode::UnknownLease, "this provider has no such lease (yet)")
            }
            Refusal::LeaseOver => Self::new(ErrorCode::LeaseEnded, "the lease is over"),
            Refusal::OrderUnknown => Self::new(
                ErrorCode::Unavailable,
                "the order behind this lease was not seen on chain yet; try again in a moment",
            ),
            Refusal::ManifestHashMismatch => Self::new(
                ErrorCode::ManifestHashMismatch,
                "the manifest and its salt do not hash to the manifestHash of the order on chain",
            ),
            Refusal::ManifestInvalid(problems) => Self::new(
                ErrorCode::ManifestInvalid,
                format!("the manifest is not valid: {}", problems.join("; ")),
            ),
            Refusal::ManifestExceedsBid => Self::new(
                ErrorCode::ManifestOverLimits,
                "the manifest asks for more than the bid's limits, or for another tier than the order",
            ),
            Refusal::NoUsageYet => {
                Self::new(ErrorCode::NoStatement, "nothing new was metered yet; ask again later")
            }
            Refusal::StatementStale => Self::new(
                ErrorCode::StatementRefused,
                "this statement was not proposed, or too long ago; get the present one and sign that",
            ),
            Refusal::StatementNotMonotone => {
                Self::new(ErrorCode::StatementRefused, "a newer statement was signed before")
            }
            Refusal::StatementForeignSigner => Self::new(
                ErrorCode::StatementRefused,
                "the statement is not signed by the lease's session key",
            ),
            Refusal::NotStored => Self::new(
                ErrorCode::Unavailable,
                "the cluster did not take it; nothing was changed, try again",
            ),
        }
    }
}
