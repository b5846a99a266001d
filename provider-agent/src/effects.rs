//! Carries effects out. The only module that sends transactions, writes to the cluster, or waits for either.
//!
//! Each effect runs as a task of its own and ends by delivering events; the core's loop never waits for one. Before anything that spends money
//! or ends a workload the chain is read again: the core's view may be seconds old.

mod bids;
mod calls;
mod objects;
mod reads;
mod warnings;

use std::sync::Arc;

use chain::{ChainClient, HotKey, TxSender};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::task::TaskTracker;

use crate::agent::{Effect, Event, Record, Telling};
use crate::cluster::ClusterCache;
use crate::inbox::AgentHandle;
use crate::metrics::Metrics;
use crate::series::Series;

/// Orders whose facts are read at a time.
const ASSESSMENTS: usize = 16;

/// What effects work with.
#[derive(Clone)]
pub struct Effects {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    /// Orders are posted by strangers: a flood of them waits here, not at the node.
    assessments: Arc<Semaphore>,
}

/// The tools.
pub struct Shared {
    pub chain: ChainClient,
    pub sender: TxSender,
    pub key: HotKey,
    pub provider: market::Address,
    pub kubernetes: kube::Client,
    pub namespace: String,
    pub cache: ClusterCache,
    pub agent: AgentHandle,
    pub metrics: Metrics,
    pub series: Series,
    /// Height by which what an earlier process sent is done, once that is known.
    pub inherited_by: OnceCell<u64>,
}

impl Effects {
    /// Effects with these tools.
    pub fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            tasks: TaskTracker::new(),
            assessments: Arc::new(Semaphore::new(ASSESSMENTS)),
        }
    }

    /// Starts an effect. Answers are the loop's own part, because it holds the callers.
    pub fn start(&self, effect: Effect) {
        match effect {
            Effect::Record(record) => self.shared.record(&record),
            // At once, so that publications stay in their order.
            Effect::KeepUsage(seen) => self.shared.series.note(*seen),
            Effect::AssessOrder { order, tenant } => {
                let (shared, assessments) = (Arc::clone(&self.shared), Arc::clone(&self.assessments));
                self.tasks.spawn(async move {
                    // Never closed, so there is always a permit in the end.
                    let _permit = assessments.acquire_owned().await;
                    shared.assess_order(order, tenant).await;
                });
            }
            effect => {
                let shared = Arc::clone(&self.shared);
                self.tasks.spawn(async move { shared.carry_out(effect).await });
            }
        }
    }

    /// Waits until everything that was started has ended.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Shared {
    async fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::AssessOrder { order, tenant } => self.assess_order(order, tenant).await,
            Effect::FetchOrders(orders) => self.fetch_orders(orders).await,
            Effect::PostBid { order, lease, bid, order_posted_at } => {
                self.post_bid(order, lease, *bid, order_posted_at).await;
            }
            Effect::ReadLeases(ids) => self.read_leases(&ids).await,
            Effect::Resync => self.resync().await,
            Effect::Confirm(ids) => self.confirm(ids).await,
            Effect::Decline(bid) => self.decline(*bid).await,
            Effect::Reclaim { bid, cause } => self.reclaim(*bid, cause).await,
            Effect::Settle(statements) => self.settle(statements).await,
            Effect::Claim(claims) => self.claim(claims).await,
            Effect::Finalize(bids) => self.finalize(bids).await,
            Effect::Resolve(bid) => self.resolve(*bid).await,
            Effect::ApplyComputeLease { lease, object, basis } => {
                self.apply_compute_lease(lease, &object, basis).await;
            }
            Effect::StoreManifest { lease, secret, object, basis, reply } => {
                self.store_manifest(lease, &secret, &object, basis, reply).await;
            }
            Effect::StoreStatement { lease, object, basis, reply } => {
                self.store_statement(lease, &object, basis, reply).await;
            }
            Effect::DeleteComputeLease { lease, name } => self.delete_compute_lease(lease, &name).await,
            Effect::WarnOfFunds { lease, until, object } => {
                self.warn_of_funds(lease, until, object.as_deref()).await;
            }
            Effect::TellOfUnsigned { lease, news, object } => {
                self.tell_of_unsigned(lease, news, &object).await;
            }
            Effect::KeepUsage(seen) => self.series.note(*seen),
            Effect::Record(record) => self.record(&record),
            // Handled by the loop, which holds the callers.
            Effect::Answer { .. } => {}
        }
    }

    /// Delivers what was learnt. The core is only gone when the process ends, and then nobody wants to know.
    async fn deliver(&self, event: Event) {
        if self.agent.deliver(event).await.is_err() {
            tracing::debug!("an event was not delivered: the agent is shutting down");
        }
    }

    fn record(&self, record: &Record) {
        let metrics = &self.metrics;
        match record {
            Record::OrderSeen { order } => {
                metrics.orders_seen.inc();
                tracing::info!(%order, "order seen");
            }
            Record::OrderDeclined { order, reasons } => {
                for reason in reasons {
                    metrics.declines.with_label_values(&[reason.label()]).inc();
                }
                tracing::info!(%order, ?reasons, "order declined");
            }
            Record::LeaseDeclined { lease, reason } => {
                metrics.lease_declines.with_label_values(&[reason.label()]).inc();
                tracing::warn!(%lease, ?reason, "giving an open lease back");
            }
            Record::ForeignComputeLease { name } => {
                metrics.foreign_objects.inc();
                tracing::debug!(name, "left a ComputeLease of another chain, market or provider alone");
            }
            Record::OrphanComputeLease { name } => {
                tracing::warn!(name, "found a ComputeLease without a lease of ours");
            }
            Record::StatementRefused { lease, refused, telling } => {
                metrics.statement_refusals.with_label_values(&[refused.reason.label()]).inc();
                if *telling == Telling::Logged {
                    tracing::warn!(
                        %lease, reason = refused.reason.label(), proposed = %refused.proposed,
                        largest_accepted = %refused.largest_accepted, as_of = %refused.as_of,
                        "the tenant refuses to sign a statement"
                    );
                }
            }
            Record::UnreadableUsage { lease } => {
                tracing::warn!(%lease, "the published usage of a lease cannot be read");
            }
            Record::LeaseDisputed { lease } => {
                metrics.disputes.inc();
                tracing::warn!(%lease, "the tenant disputes the claim of a lease; keep its evidence");
            }
        }
    }
}
