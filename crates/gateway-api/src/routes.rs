//! Paths of the gateway, built in one place for both sides.

use market::LeaseId;

use crate::SeriesQuery;

/// Liveness of the process. Unsigned.
pub const HEALTHZ: &str = "/healthz";
/// Who the provider is. Unsigned.
pub const PROVIDER: &str = "/v1/provider";

/// Path patterns in the notation of the server's router.
pub mod patterns {
    /// Upload of the manifest (`PUT`).
    pub const MANIFEST: &str = "/v1/leases/{lease}/manifest";
    /// Status (`GET`).
    pub const LEASE: &str = "/v1/leases/{lease}";
    /// Usage (`GET`).
    pub const USAGE: &str = "/v1/leases/{lease}/usage";
    /// Usage over time (`GET`).
    pub const USAGE_SERIES: &str = "/v1/leases/{lease}/usage/series";
    /// Logs (`GET`).
    pub const LOGS: &str = "/v1/leases/{lease}/logs";
    /// Statement to sign (`GET`), signed statement (`PUT`).
    pub const STATEMENT: &str = "/v1/leases/{lease}/statement";
    /// Refusal of a proposed statement (`PUT`).
    pub const STATEMENT_REFUSAL: &str = "/v1/leases/{lease}/statement/refusal";
    /// Forwarder to a service's port (any method).
    pub const FORWARD: &str = "/v1/leases/{lease}/services/{service}/{port}/{*path}";
    /// Forwarder to a service's root (any method).
    pub const FORWARD_ROOT: &str = "/v1/leases/{lease}/services/{service}/{port}/";
}

/// `PUT`: upload of the manifest.
pub fn manifest(lease: LeaseId) -> String {
    format!("/v1/leases/{lease}/manifest")
}

/// `GET`: status.
pub fn lease(lease: LeaseId) -> String {
    format!("/v1/leases/{lease}")
}

/// `GET`: usage.
pub fn usage(lease: LeaseId) -> String {
    format!("/v1/leases/{lease}/usage")
}

/// `GET`: usage over time.
pub fn usage_series(lease: LeaseId, query: &SeriesQuery) -> String {
    format!("/v1/leases/{lease}/usage/series{query}")
}

/// `GET`: statement to sign. `PUT`: signed statement.
pub fn statement(lease: LeaseId) -> String {
    format!("/v1/leases/{lease}/statement")
}

/// `PUT`: refusal of a proposed statement.
pub fn statement_refusal(lease: LeaseId) -> String {
    format!("/v1/leases/{lease}/statement/refusal")
}

/// What a log request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// What there is.
    No,
    /// What there is, then what comes.
    Yes,
}

/// `GET`: logs of one service as text.
pub fn logs(lease: LeaseId, service: &manifest::ServiceName, follow: Follow, tail: u32) -> String {
    let follow = follow == Follow::Yes;
    format!("/v1/leases/{lease}/logs?service={service}&follow={follow}&tail={tail}")
}

/// Any method: a service's own path and query, starting with `/`.
pub fn forward(lease: LeaseId, service: &manifest::ServiceName, port: u16, path_and_query: &str) -> String {
    format!("/v1/leases/{lease}/services/{service}/{port}{path_and_query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_the_lease_in_full() {
        let id: LeaseId = format!("0x{}", "ab".repeat(32)).parse().unwrap();
        let web = "web".parse().unwrap();
        assert_eq!(manifest(id), format!("/v1/leases/{id}/manifest"));
        assert_eq!(statement_refusal(id), patterns::STATEMENT_REFUSAL.replace("{lease}", &id.to_string()));
        let query = SeriesQuery { to: Some(7), ..SeriesQuery::default() };
        let path = patterns::USAGE_SERIES.replace("{lease}", &id.to_string());
        assert_eq!(usage_series(id, &query), format!("{path}?to=7"));
        assert_eq!(
            logs(id, &web, Follow::Yes, 100),
            format!("/v1/leases/{id}/logs?service=web&follow=true&tail=100")
        );
        assert_eq!(forward(id, &web, 8080, "/a?b=c"), format!("/v1/leases/{id}/services/web/8080/a?b=c"));
    }
}
