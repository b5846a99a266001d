//! Warnings for people: the log, and an Event on the `ComputeLease` for who looks with `kubectl describe`.

use crd::ComputeLease;
use k8s_openapi::jiff::Timestamp as Time;
use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use market::{LeaseId, Timestamp};

use super::Shared;
use crate::agent::UnsignedNews;

/// Reasons of the Events.
const FUNDS_RUN_OUT: &str = "FundsRunOut";
const SUSPENSION_ANNOUNCED: &str = "SuspensionAnnounced";

impl Shared {
    pub(super) async fn warn_of_funds(
        &self,
        lease: LeaseId,
        until: Timestamp,
        object: Option<&ComputeLease>,
    ) {
        let until = moment(until);
        tracing::warn!(%lease, until, "the money of a lease runs out before its end");
        let Some(object) = object else { return };
        let note = format!(
            "at its full rate the lease's money lasts until {until}; then it ends. Its tenant can top it up"
        );
        self.publish(lease, object, FUNDS_RUN_OUT, "Settle", note).await;
    }

    /// The operator tells of the suspension itself, when nothing runs any more.
    pub(super) async fn tell_of_unsigned(&self, lease: LeaseId, news: UnsignedNews, object: &ComputeLease) {
        match news {
            UnsignedNews::Announced { unsigned, at } => {
                let at = moment(at);
                tracing::warn!(%lease, %unsigned, at, "the tenant of a lease does not sign for its usage");
                let note = format!("unless its tenant signs for its usage, the lease is suspended at {at}");
                self.publish(lease, object, SUSPENSION_ANNOUNCED, "Settle", note).await;
            }
            UnsignedNews::Suspended { unsigned } => {
                tracing::warn!(%lease, %unsigned, "suspending a lease whose tenant does not sign for its usage");
            }
            UnsignedNews::Resumed => tracing::info!(%lease, "resuming a lease whose tenant has signed"),
        }
    }

    /// An Event that cannot be written is logged and forgotten: the metric stays.
    async fn publish(&self, lease: LeaseId, object: &ComputeLease, reason: &str, action: &str, note: String) {
        let reporter = Reporter { controller: crd::labels::AGENT_FIELD_MANAGER.into(), instance: None };
        let event = Event {
            type_: EventType::Warning,
            reason: reason.into(),
            note: Some(note),
            action: action.into(),
            secondary: None,
        };
        let published =
            Recorder::new(self.kubernetes.clone(), reporter).publish(&event, &object.object_ref(&())).await;
        if let Err(error) = published {
            tracing::warn!(%lease, error = &error as &dyn std::error::Error, "failed to write an Event");
        }
    }
}

/// A moment for people. Beyond the year 9999 nothing lasts; the number then says so itself.
fn moment(at: Timestamp) -> String {
    let at = i64::try_from(at.0).ok().and_then(|seconds| Time::from_second(seconds).ok());
    at.map_or_else(|| "the end of time".to_owned(), |at| at.to_string())
}
