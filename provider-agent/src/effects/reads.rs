//! Reads of leases: some, or all together with the cluster's objects.

use std::time::Duration;

use chain::{ClientError, LeaseOpened};
use crd::ComputeLease;
use kube::Api;
use kube::api::ListParams;
use market::{Lease, LeaseId};

use super::Shared;
use crate::agent::{Event, OpenedLease};

/// Leases in one call, and objects in one page.
const PAGE: usize = 200;
/// An API server that never answers must not make resyncs pile up.
const LONGEST_LIST: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
enum ResyncError {
    #[error("failed to read the leases from the chain")]
    Chain(#[from] ClientError),
    #[error("failed to list the ComputeLeases")]
    Cluster(#[from] kube::Error),
    #[error("the API server did not list the ComputeLeases within {} seconds", LONGEST_LIST.as_secs())]
    TimedOut,
}

impl Shared {
    pub(super) async fn read_leases(&self, ids: &[LeaseId]) {
        match self.read_all(ids).await {
            Ok(leases) => self.deliver(Event::LeasesRead(leases)).await,
            // The periodic resync reads them again.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to read leases");
            }
        }
    }

    /// Everything: the leases that were ever opened with us, their present state, and the objects in the cluster.
    pub(super) async fn resync(&self) {
        match self.try_resync().await {
            Ok(event) => self.deliver(event).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "failed to resynchronise");
            }
        }
    }

    async fn try_resync(&self) -> Result<Event, ResyncError> {
        let eip712 = self.chain.eip712();
        let opened: Vec<LeaseOpened> = self.chain.leases_of_provider(self.provider).await?;
        // The id is the digest of the terms; a node that says otherwise is not believed.
        let opened: Vec<_> = opened
            .into_iter()
            .filter(|opened| eip712.bid_digest(&opened.bid) == Ok(opened.lease_id))
            .map(|opened| OpenedLease { id: opened.lease_id, bid: Box::new(opened.bid) })
            .collect();
        let ids: Vec<_> = opened.iter().map(|opened| opened.id).collect();
        let leases = self.read_all(&ids).await?;
        let compute_leases = tokio::time::timeout(LONGEST_LIST, self.list_compute_leases())
            .await
            .map_err(|_| ResyncError::TimedOut)??;
        Ok(Event::Resync { opened, leases, compute_leases })
    }

    async fn read_all(&self, ids: &[LeaseId]) -> Result<Vec<(LeaseId, Lease)>, ClientError> {
        let mut read = Vec::with_capacity(ids.len());
        for page in ids.chunks(PAGE) {
            let (leases, _) = self.leases_now(page).await?;
            read.extend(page.iter().copied().zip(leases));
        }
        Ok(read)
    }

    async fn list_compute_leases(&self) -> Result<Vec<ComputeLease>, kube::Error> {
        let api: Api<ComputeLease> = Api::namespaced(self.kubernetes.clone(), &self.namespace);
        let mut objects = Vec::new();
        let mut params = ListParams::default().limit(u32::try_from(PAGE).unwrap_or(u32::MAX));
        loop {
            let page = api.list(&params).await?;
            objects.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(objects),
            }
        }
    }
}
