//! The words that tenants and provider gateways speak over HTTPS: who asks, for what, and every possible answer.
//!
//! Only types and pure functions: the agent serves them, the command line calls them, and neither can drift alone.

#![warn(missing_docs)]

pub mod auth;
mod decimal;
mod error;
mod manifest_upload;
mod provider;
mod refusal;
mod replay;
pub mod routes;
mod series;
mod statement;
mod status;
mod usage;

pub use auth::{AuthError, AuthHeader, Authenticated};
pub use decimal::Decimal;
pub use error::{ApiError, ErrorCode};
pub use manifest_upload::ManifestUpload;
pub use provider::ProviderInfo;
pub use refusal::{RefusalReason, StatementRefusal};
pub use replay::{NonceCache, NonceRefused};
pub use series::{InvalidSeriesQuery, MAX_SERIES_POINTS, SERIES_STEP, SeriesQuery, UsageSeries};
pub use statement::{SignedStatementBody, StatementProposal, UsageHashMismatch};
pub use status::{
    Acknowledgement, HostStatus, LeasePhase, LeaseStatus, PodStatus, PortStatus, ServiceStatus, Term, Trouble,
};
pub use usage::{ResourceUsage, UsageReport, UsedResources};

/// Largest manifest upload.
pub const MAX_MANIFEST_BODY: usize = 1 << 20;
/// Largest body forwarded to a service.
pub const MAX_FORWARD_BODY: usize = 8 << 20;
/// Largest statement upload.
pub const MAX_STATEMENT_BODY: usize = 4 << 10;
