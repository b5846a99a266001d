//! The index in the cluster: reads and writes `HostClaim` objects. Every write is a create or names the version that was
//! read, so of any number of writers at once one succeeds and the others decide again.

use std::collections::BTreeMap;

use crd::{ComputeLease, ComputeLeaseRef, HostClaim, HostClaimSpec, LeaseName, labels};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};

use super::{
    HostState,
    decide::{self, Patience, Proof},
};
use crate::{
    lease_controller::owned::Kind,
    metrics::{Metrics, Verb},
};

/// Decisions about one host until somebody else stops changing it.
const TRIES: usize = 5;

/// A call that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Claims could not be listed.
    #[error("failed to list host claims")]
    List(#[source] kube::Error),
    /// A claim could not be read.
    #[error("failed to read the claim of host {host}")]
    Read {
        /// The host.
        host: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// A claim could not be written.
    #[error("failed to write the claim of host {host}")]
    Write {
        /// The host.
        host: String,
        /// Cause.
        #[source]
        source: kube::Error,
    },
    /// Others changed the claim each time before we did.
    #[error("failed to write the claim of host {host}: others kept changing it")]
    Contended {
        /// The host.
        host: String,
    },
}

/// The claims of a provider.
pub struct Index<'a> {
    /// Connection.
    pub client: &'a Client,
    /// Counts writes.
    pub metrics: &'a Metrics,
    /// Namespace that holds the claims.
    pub namespace: &'a str,
}

impl Index<'_> {
    /// Gives the host of `wanted` to its lease, or tells why not. `found` is the claim as it was read, if it was.
    pub async fn settle(
        &self,
        mut found: Option<HostClaim>,
        wanted: &HostClaimSpec,
        proof: Proof,
        patience: Patience,
        now: i64,
    ) -> Result<HostState, Error> {
        for _ in 0..TRIES {
            let spec = found.as_ref().map(|claim| &claim.spec);
            let verdict = decide::decide(spec, wanted, proof, patience, now);
            let Some(write) = verdict.write else { return Ok(verdict.state) };
            let written = match &found {
                None => self.create(write).await?,
                Some(claim) => self.replace(claim, write).await?,
            };
            match written {
                Written::Done => return Ok(verdict.state),
                Written::Overtaken => found = self.read(&wanted.host).await?,
            }
        }
        Err(Error::Contended { host: wanted.host.clone() })
    }

    /// The claim of a host.
    pub async fn read(&self, host: &str) -> Result<Option<HostClaim>, Error> {
        let read = self.api().get_opt(host).await;
        read.map_err(|source| Error::Read { host: host.to_owned(), source })
    }

    /// Every claim.
    pub async fn all(&self) -> Result<Vec<HostClaim>, Error> {
        Ok(self.api().list(&ListParams::default()).await.map_err(Error::List)?.items)
    }

    /// The claims of one lease, by host. Only its object's name and UID are needed.
    pub async fn of_lease(&self, lease: &ComputeLease) -> Result<BTreeMap<String, HostClaim>, Error> {
        let holder = holder(lease);
        let Some(name) = LeaseName::parse(&holder.name) else { return Ok(BTreeMap::new()) };
        let params = ListParams::default().labels(&format!("{}={}", labels::LEASE, name.label_value()));
        let claims = self.api().list(&params).await.map_err(Error::List)?.items;
        Ok(claims
            .into_iter()
            .filter(|claim| claim.spec.compute_lease == holder)
            .map(|claim| (claim.spec.host.clone(), claim))
            .collect())
    }

    /// Notes that a lease gave a host back. Somebody who changed the claim meanwhile is right.
    pub async fn release(&self, claim: &HostClaim, now: i64) -> Result<(), Error> {
        match decide::release(&claim.spec, now) {
            None => Ok(()),
            Some(released) => self.replace(claim, released).await.map(drop),
        }
    }

    /// Forgets a claim, unless somebody changed it meanwhile.
    pub async fn delete(&self, claim: &HostClaim) -> Result<(), Error> {
        let preconditions = Preconditions { uid: claim.uid(), resource_version: claim.resource_version() };
        let params = DeleteParams::default().preconditions(preconditions);
        let host = claim.spec.host.clone();
        match self.api().delete(&claim.name_any(), &params).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            Err(source) => Err(Error::Write { host, source }),
            Ok(_) => {
                self.metrics.api_write(Kind::HostClaim, Verb::Delete);
                Ok(())
            }
        }
    }

    async fn create(&self, spec: HostClaimSpec) -> Result<Written, Error> {
        let host = spec.host.clone();
        let created = self.api().create(&params(), &object(spec)).await;
        self.written(host, Verb::Create, created)
    }

    async fn replace(&self, old: &HostClaim, spec: HostClaimSpec) -> Result<Written, Error> {
        let host = spec.host.clone();
        let mut new = object(spec);
        new.metadata.resource_version = old.resource_version();
        let replaced = self.api().replace(&host, &params(), &new).await;
        self.written(host, Verb::Patch, replaced)
    }

    fn written(&self, host: String, verb: Verb, result: kube::Result<HostClaim>) -> Result<Written, Error> {
        match result {
            Ok(_) => {
                self.metrics.api_write(Kind::HostClaim, verb);
                Ok(Written::Done)
            }
            Err(kube::Error::Api(status))
                if status.is_already_exists() || status.is_conflict() || status.is_not_found() =>
            {
                Ok(Written::Overtaken)
            }
            Err(source) => Err(Error::Write { host, source }),
        }
    }

    fn api(&self) -> Api<HostClaim> {
        Api::namespaced(self.client.clone(), self.namespace)
    }
}

enum Written {
    Done,
    /// Somebody else was faster.
    Overtaken,
}

/// How a claim names the object of a lease.
pub fn holder(lease: &ComputeLease) -> ComputeLeaseRef {
    ComputeLeaseRef { name: lease.name_any(), uid: lease.uid().unwrap_or_default() }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(labels::OPERATOR_FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn object(spec: HostClaimSpec) -> HostClaim {
    let mut claim = HostClaim::new(&spec.host.clone(), spec);
    let lease = LeaseName::parse(&claim.spec.compute_lease.name);
    let all = lease.map(|lease| (labels::LEASE.to_owned(), lease.label_value().to_owned()));
    claim.labels_mut().extend(all);
    claim.labels_mut().insert(labels::MANAGED_BY.to_owned(), labels::MANAGED_BY_VALUE.to_owned());
    claim
}
